"""Random weights: K times a softmax of normal draws, anew each step. The baseline a weighting should beat.

Source: Lin et al., "Reasonable Effectiveness of Random Weighting", TMLR 2022 (RLW).
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from semdf.method.weighting import Batch, Known, Record, Reduce, restore, weighted

__all__ = ["Strategy"]


class Strategy(Known):
    """Weights drawn from `seed`; all processes draw the same."""

    run_fields: ClassVar[Mapping[str, str]] = {"seed": "seed"}

    def __init__(self, tasks: int, seed: int = 0) -> None:
        super().__init__(tasks)
        self._generator = torch.Generator().manual_seed(seed)
        self._weights = torch.ones(tasks)

    def weights(self) -> Tensor:
        """The weights of the last step `[K]`; they add up to K."""
        return self._weights.clone()

    def step(self, objective: nn.Module, lower: Batch, reduce: Reduce | None) -> Record:
        """Draw weights, then one backward pass."""
        generator = torch.Generator()
        generator.set_state(self._generator.get_state())
        weights = self.tasks * torch.randn(self.tasks, generator=generator).softmax(0)
        record = weighted(self, objective, lower, weights, reduce)
        self._generator = generator
        self._weights = weights
        return record._replace(weights=self.weights())

    def state_dict(self) -> dict[str, Tensor]:
        """The last weights, and where the draws stand."""
        return {"weights": self._weights.clone(), "generator": self._generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state_dict` gave."""
        state = restore(state, self.state_dict())
        self._weights = state["weights"]
        self._generator.set_state(state["generator"])
