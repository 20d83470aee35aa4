"""Random weights: K times a softmax of normal draws, anew each step. The baseline a weighting should beat.

Source: Lin et al., "Reasonable Effectiveness of Random Weighting", TMLR 2022 (RLW).
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from semdf.method.weighting import Known, Record, restore

__all__ = ["Strategy"]


class Strategy(Known):
    """Weights drawn from `seed`; all processes draw the same."""

    def __init__(self, tasks: int, seed: int = 0) -> None:
        super().__init__(tasks)
        self._generator = torch.Generator().manual_seed(seed)
        self._weights = torch.ones(tasks)

    def weights(self) -> Tensor:
        return self._weights.clone()

    def backward(self, *batches: Any, **options: Any) -> Record:
        self._weights = self.tasks * torch.randn(self.tasks, generator=self._generator).softmax(0)
        return super().backward(*batches, **options)

    def state_dict(self) -> dict[str, Tensor]:
        return {"weights": self._weights.clone(), "generator": self._generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        state = restore(state, self.state_dict())
        self._weights = state["weights"]
        self._generator.set_state(state["generator"])
