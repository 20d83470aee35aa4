"""Uncertainty weights: each task learns its own noise.

    total = sum_k L_k / (2 exp(s_k)) + s_k / 2,   so   w_k = 1 / (2 exp(s_k))

Source: Kendall et al., "Multi-Task Learning Using Uncertainty to Weigh Losses", CVPR 2018, in the form of
Liu et al., "Auto-Lambda", TMLR 2022, with s_k = -0.7 at the start, where w_k is about 1. A loss that reaches
0, as fidelity does, drives its weight up without bound: s is held above `floor` (ours).
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from semdf.method.weighting import Known, Record, adam_state, load_adam_state, restore

__all__ = ["Strategy"]


class Strategy(Known):
    """s is moved by plain Adam at `lr` (ours: the source moves it with the network's own optimiser)."""

    def __init__(self, tasks: int, start: float = -0.7, lr: float = 1e-3, floor: float = -5.0) -> None:
        super().__init__(tasks)
        self.floor = floor
        self._s = torch.full((tasks,), start, requires_grad=True)
        self._adam = torch.optim.Adam([self._s], lr=lr)

    def weights(self) -> Tensor:
        return 0.5 * (-self._s.detach()).exp()

    def backward(self, *batches: Any, **options: Any) -> Record:
        record = super().backward(*batches, **options)
        self._s.grad = 0.5 - record.losses.to(self._s) * record.weights
        self._adam.step()
        with torch.no_grad():
            self._s.clamp_(min=self.floor)
        return record

    def state_dict(self) -> dict[str, Tensor]:
        return {"s": self._s.detach().clone(), **adam_state(self._adam, self._s)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        state = restore(state, self.state_dict())
        with torch.no_grad():
            self._s.copy_(state["s"])
        load_adam_state(self._adam, self._s, state)
