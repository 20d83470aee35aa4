"""Random weights: K times a softmax of normal draws, anew each step. The baseline a weighting should beat.

Source: Lin et al., "Reasonable Effectiveness of Random Weighting", TMLR 2022 (RLW).
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from semdf.weighting import Batch, Record, Reduce, restore, weighted

__all__ = ["Strategy"]


class Strategy:
    """Weights drawn from `seed`; all processes draw the same."""

    def __init__(self, tasks: int, seed: int = 0) -> None:
        self.tasks = tasks
        self._generator = torch.Generator().manual_seed(seed)
        self._weights = torch.ones(tasks)

    def weights(self) -> Tensor:
        return self._weights.clone()

    def backward(
        self,
        objective: nn.Module,
        lower: Batch,
        upper: Batch | None = None,
        *,
        lr: float = 0.0,
        weight_decay: float = 0.0,
        reduce: Reduce | None = None,
    ) -> Record:
        self._weights = self.tasks * torch.randn(self.tasks, generator=self._generator).softmax(0)
        return weighted(objective, lower, self.weights(), reduce)

    def next_epoch(self) -> None:
        pass

    def state_dict(self) -> dict[str, Tensor]:
        return {"weights": self._weights.clone(), "generator": self._generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        state = restore(state, self.state_dict())
        self._weights = state["weights"]
        self._generator.set_state(state["generator"])
