"""What the bi-level strategies share: weights that start at 1 and that Adam moves by the slope of an upper loss."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

import torch
from torch import Tensor, nn

from semdf.errors import DataError, ParameterError
from semdf.method.weighting import adam_state, guarded, load_adam_state, restore

__all__ = ["Lambdas"]


class Lambdas:
    """The weights and their optimiser.

    Args:
        lr: Adam's.
        primary: Which task the upper loss is.
        every: The weights move in one of so many steps (ours).
    """

    run_fields: ClassVar[Mapping[str, str]] = {
        "lr": "train.lambda_lr",
        "primary": "primary",
        "every": "train.lambda_every",
    }

    names: tuple[str, ...] = ()

    def __init__(self, tasks: int, lr: float, primary: int, every: int) -> None:
        if not 0 <= primary < tasks:
            raise ParameterError(f"primary: must be a task in 0 to {tasks - 1}, found {primary}")
        if every < 1:
            raise ParameterError(f"every: must be at least 1 step, found {every}")
        self.tasks = tasks
        self.primary = primary
        self.every = every
        self._lambda = torch.ones(tasks, requires_grad=True)
        self._adam = torch.optim.Adam([self._lambda], lr=lr)
        self._count = torch.zeros((), dtype=torch.int64)

    def weights(self) -> Tensor:
        """Current weights of the tasks `[K]`."""
        return self._lambda.detach().clone()

    def next_epoch(self) -> None:
        """Note the end of an epoch: nothing to do."""

    def state_dict(self) -> dict[str, Tensor]:
        """The weights, Adam's moments of them, and how many steps there were."""
        own = {"lambda": self._lambda.detach().clone(), "count": self._count.clone()}
        return {**own, **adam_state(self._adam, self._lambda)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state_dict` gave."""
        self._take(restore(state, self.state_dict()))

    def _take(self, state: Mapping[str, Tensor]) -> None:
        """`load_state_dict` of entries that have been checked."""
        with torch.no_grad():
            self._lambda.copy_(state["lambda"])
        self._count = state["count"]
        load_adam_state(self._adam, self._lambda, state)

    @contextmanager
    def _whole(self, objective: nn.Module) -> Iterator[None]:
        """A step that is taken as a whole: after an error, weights and buffers are as before it."""
        before = Lambdas.state_dict(self)
        try:
            with guarded(objective):
                yield
        except BaseException:
            Lambdas._take(self, before)
            raise

    def _due(self) -> bool:
        """Count a step, and say whether the weights are to move in it."""
        self._count += 1
        return (int(self._count) - 1) % self.every == 0

    def _move(self, slope: Tensor) -> None:
        """One step of Adam.

        Args:
            slope: Derivatives of the upper loss by the weights, `[K]`.

        Raises:
            DataError: One is not finite.
        """
        if not slope.isfinite().all():
            raise DataError(f"slopes of the upper loss: must be finite, found {slope.tolist()}")
        self._lambda.grad = slope.to(self._lambda)
        self._adam.step()
