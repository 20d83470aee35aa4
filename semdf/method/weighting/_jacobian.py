"""What the aggregators of the library torchjd share: weights with which task gradients do not conflict.

    G = gramian of the task gradients [K, K],   w = aggregator(G),   gradient = sum_k w_k g_k

Without conflict UPGrad and PCGrad are here the sum of the gradients, as equal weights are; CAGrad is scaled by K.
"""

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import ClassVar

import torch
from torch import Tensor, nn

from semdf.errors import MissingError
from semdf.method import bilevel
from semdf.method.weighting import Batch, Known, Record, Reduce, assign, check, evaluate, restore, spread, trainable

__all__ = ["Jacobian", "Solver"]

#: Gramian [K, K] float64 -> weights [K].
Solver = Callable[[Tensor], Tensor]


class Jacobian(Known):
    """Base of the aggregators: a subclass has a name and a `solver`."""

    #: The name in messages.
    aggregator: ClassVar[str]

    def __init__(self, tasks: int) -> None:
        super().__init__(tasks)
        self._weights = torch.ones(tasks)
        try:
            from torchjd import aggregation

            self._solve = self.solver(aggregation)
        except ImportError as error:
            raise MissingError(
                f"aggregator {self.aggregator!r}: must have torchjd and its solvers, found {error}: "
                "`pip install semdf[aggregators]`"
            ) from error

    def solver(self, aggregation: ModuleType) -> Solver:
        """The function that finds the weights, from the module `torchjd.aggregation`."""
        raise NotImplementedError

    def weights(self) -> Tensor:
        """The weights of the last step `[K]`."""
        return self._weights.clone()

    def step(self, objective: nn.Module, lower: Batch, reduce: Reduce | None) -> Record:
        """A gradient of each task, then their sum with the weights that the solver finds."""
        losses = evaluate(self, objective, lower)
        parameters = trainable(objective)
        gradients = bilevel.task_gradients(losses, parameters)
        losses = losses.detach()
        if reduce:
            gradients = spread(gradients, losses, reduce)
        check(self, parameters, losses, gradients, range(self.tasks))
        gramian = torch.stack([torch.stack([bilevel.inner(a, b) for b in gradients]) for a in gradients])
        self._weights = self._solve(gramian).float().cpu()
        assign(objective, parameters, bilevel.combine(gradients, self._weights))
        return Record(losses, self.weights())

    def state_dict(self) -> dict[str, Tensor]:
        """The last weights."""
        return {"weights": self.weights()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state_dict` gave."""
        self._weights = restore(state, self.state_dict())["weights"]
