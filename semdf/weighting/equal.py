"""Equal weights: the sum of the losses, one backward pass."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from semdf.weighting import Batch, Record, Reduce, restore, weighted

__all__ = ["Strategy"]


class Strategy:
    """lambda_k = 1 for every task."""

    def __init__(self, tasks: int) -> None:
        self.tasks = tasks

    def weights(self) -> Tensor:
        return torch.ones(self.tasks)

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
        return weighted(objective, lower, self.weights(), reduce)

    def next_epoch(self) -> None:
        pass

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        restore(state, {})
