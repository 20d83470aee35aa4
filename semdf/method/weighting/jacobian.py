"""Aggregators of gradients, from the library torchjd: weights with which task gradients do not conflict.

    G = gramian of the task gradients [K, K],   w = aggregator(G),   gradient = sum_k w_k g_k

UPGrad: Quinton and Rey, "Jacobian Descent for Multi-Objective Optimization", 2024, arXiv 2406.16232. PCGrad:
Yu et al., "Gradient Surgery for Multi-Task Learning", NeurIPS 2020. CAGrad: Liu et al., "Conflict-Averse
Gradient Descent for Multi-task Learning", NeurIPS 2021.
Without conflict UPGrad and PCGrad are here the sum of the gradients, as equal weights are; CAGrad is scaled
by K.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from semdf.errors import MissingError, ParameterError
from semdf.method import bilevel
from semdf.method.weighting import Batch, Known, Record, Reduce, assign, check_losses, restore, trainable

__all__ = ["AGGREGATORS", "Strategy"]

AGGREGATORS = ("upgrad", "pcgrad", "cagrad")


class Strategy(Known):
    """aggregator: one of `AGGREGATORS`. c: of CAGrad, how far from the mean it may go; 0.5 is ours."""

    def __init__(self, tasks: int, aggregator: str = "upgrad", c: float = 0.5) -> None:
        if aggregator not in AGGREGATORS:
            raise ParameterError(f"aggregator: must be one of {AGGREGATORS}, found {aggregator!r}")
        super().__init__(tasks)
        self.aggregator = aggregator
        self._solve = _solver(aggregator, tasks, c)
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
        parameters = trainable(objective)
        losses = objective(*lower)
        check_losses(losses, self.tasks)
        gradients = bilevel.task_gradients(losses, parameters)
        losses = losses.detach()
        if reduce:
            reduce([losses, *(part for task in gradients for part in task if part is not None)])
        gramian = torch.stack([torch.stack([bilevel.inner(a, b) for b in gradients]) for a in gradients])
        self._weights = self._solve(gramian).float().cpu()
        assign(parameters, bilevel.combine(gradients, self._weights))
        return Record(losses, self.weights())

    def state_dict(self) -> dict[str, Tensor]:
        return {"weights": self.weights()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self._weights = restore(state, self.state_dict())["weights"]


def _solver(aggregator: str, tasks: int, c: float) -> Callable[[Tensor], Tensor]:
    """Gramian [K, K] float64 -> weights [K]."""
    try:
        from torchjd import aggregation

        if aggregator == "upgrad":
            return aggregation.UPGradWeighting(torch.ones(tasks, dtype=torch.float64))
        if aggregator == "pcgrad":
            return aggregation.PCGradWeighting()
        mean = aggregation.CAGradWeighting(c=c)
    except ImportError as error:
        raise MissingError(
            f"aggregator {aggregator!r}: needs torchjd and its solvers, `pip install semdf[aggregators]`: {error}"
        ) from error
    return lambda gramian: tasks * mean(gramian)
