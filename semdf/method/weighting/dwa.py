"""Dynamic weight average: a task whose loss falls more slowly gets more weight.

    w = K softmax(r / T),   r_k = (mean loss of the last epoch) / (mean loss of the one before)

Source: Liu et al., "End-to-End Multi-Task Learning with Attention", CVPR 2019; T = 2, two equal epochs first.
Means are held above 1e-4, because fidelity reaches 0 (ours).
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from semdf.errors import ParameterError
from semdf.method.weighting import Known, Record, restore

__all__ = ["Strategy"]


class Strategy(Known):
    """Weights that change once an epoch. temperature: T; larger is more even."""

    def __init__(self, tasks: int, temperature: float = 2.0) -> None:
        if temperature <= 0:
            raise ParameterError(f"temperature: must be positive, found {temperature}")
        super().__init__(tasks)
        self.temperature = temperature
        self._sum = torch.zeros(tasks, dtype=torch.float64)
        self._steps = torch.zeros((), dtype=torch.int64)
        self._means = torch.full((2, tasks), torch.nan, dtype=torch.float64)  # of the last two epochs

    def weights(self) -> Tensor:
        if self._means.isnan().any():
            return torch.ones(self.tasks)
        before, last = self._means.clamp(min=1e-4)
        return (self.tasks * (last / before / self.temperature).softmax(0)).float()

    def backward(self, *batches: Any, **options: Any) -> Record:
        record = super().backward(*batches, **options)
        self._sum += record.losses.double().cpu()
        self._steps += 1
        return record

    def next_epoch(self) -> None:
        if self._steps:
            self._means = torch.stack([self._means[1], self._sum / self._steps])
            self._sum, self._steps = torch.zeros_like(self._sum), torch.zeros_like(self._steps)

    def state_dict(self) -> dict[str, Tensor]:
        state = {"sum": self._sum, "steps": self._steps, "means": self._means}
        return {name: value.clone() for name, value in state.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        state = restore(state, self.state_dict())
        self._sum, self._steps, self._means = state["sum"], state["steps"], state["means"]
