"""Uncertainty weights: each task learns its own noise.

    total = sum_k L_k / (2 exp(s_k)) + s_k / 2,   so   w_k = 1 / (2 exp(s_k))

Source: Kendall et al., "Multi-Task Learning Using Uncertainty to Weigh Losses", CVPR 2018, in the form of
Liu et al., "Auto-Lambda", TMLR 2022, with s_k = -0.7 at the start, where w_k is about 1. A loss that reaches
0, as fidelity does, drives its weight up without bound: s is held above `floor` (ours).
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from semdf.method.weighting import Batch, Known, Record, Reduce, adam_state, load_adam_state, restore

__all__ = ["Strategy"]


class Strategy(Known):
    """Weights that follow s, which plain Adam moves.

    Args:
        start: s of every task at the start.
        lr: Adam's (ours: the source moves s with the network's own optimiser).
        floor: The least s.
    """

    def __init__(self, tasks: int, start: float = -0.7, lr: float = 1e-3, floor: float = -5.0) -> None:
        super().__init__(tasks)
        self.floor = floor
        self._s = torch.full((tasks,), start, requires_grad=True)
        self._adam = torch.optim.Adam([self._s], lr=lr)

    def weights(self) -> Tensor:
        """Current weights of the tasks `[K]`."""
        return 0.5 * (-self._s.detach()).exp()

    def step(self, objective: nn.Module, lower: Batch, reduce: Reduce | None) -> Record:
        """One backward pass; then s moves by the losses that it gave."""
        record = super().step(objective, lower, reduce)
        self._s.grad = 0.5 - record.losses.to(self._s) * record.weights
        self._adam.step()
        with torch.no_grad():
            self._s.clamp_(min=self.floor)
        return record

    def state_dict(self) -> dict[str, Tensor]:
        """The values of s, and Adam's moments of them."""
        return {"s": self._s.detach().clone(), **adam_state(self._adam, self._s)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state_dict` gave."""
        state = restore(state, self.state_dict())
        with torch.no_grad():
            self._s.copy_(state["s"])
        load_adam_state(self._adam, self._s, state)
