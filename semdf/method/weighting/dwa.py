"""Dynamic weight average: a task whose loss falls more slowly gets more weight.

    w = K softmax(r / T),   r_k = (mean loss of the last epoch) / (mean loss of the one before)

Source: Liu et al., "End-to-End Multi-Task Learning with Attention", CVPR 2019; T = 2, two equal epochs first.
Means are held above 1e-4, because fidelity reaches 0 (ours).
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from semdf.errors import ParameterError
from semdf.method.weighting import Batch, Known, Record, Reduce, restore

__all__ = ["Strategy"]


class Strategy(Known):
    """Weights that change once an epoch.

    Args:
        temperature: T; with a larger one the weights are more even.
    """

    def __init__(self, tasks: int, temperature: float = 2.0) -> None:
        if temperature <= 0:
            raise ParameterError(f"temperature: must be positive, found {temperature}")
        super().__init__(tasks)
        self.temperature = temperature
        self._sum = torch.zeros(tasks, dtype=torch.float64)
        self._steps = torch.zeros((), dtype=torch.int64)
        self._means = torch.full((2, tasks), torch.nan, dtype=torch.float64)  # of the last two epochs

    def weights(self) -> Tensor:
        """Weights of the tasks in this epoch `[K]`."""
        if self._means.isnan().any():
            return torch.ones(self.tasks)
        before, last = self._means.clamp(min=1e-4)
        return (self.tasks * (last / before / self.temperature).softmax(0)).float()

    def step(self, objective: nn.Module, lower: Batch, reduce: Reduce | None) -> Record:
        """One backward pass; its losses are noted for the epoch's mean."""
        record = super().step(objective, lower, reduce)
        self._sum += record.losses.double().cpu()
        self._steps += 1
        return record

    def next_epoch(self) -> None:
        """Keep the mean losses of this epoch and of the one before."""
        if self._steps:
            self._means = torch.stack([self._means[1], self._sum / self._steps])
            self._sum = torch.zeros_like(self._sum)
            self._steps = torch.zeros_like(self._steps)

    def state_dict(self) -> dict[str, Tensor]:
        """Losses of this epoch so far, and the means of the two before."""
        state = {"sum": self._sum, "steps": self._steps, "means": self._means}
        return {name: value.clone() for name, value in state.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state_dict` gave."""
        state = restore(state, self.state_dict())
        self._sum = state["sum"]
        self._steps = state["steps"]
        self._means = state["means"]
