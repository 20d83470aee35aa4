"""Bi-level weights one step late: lambda moves by gradients that training computes anyway.

    theta_t+1             = what the optimiser made of sum_k lambda_k g_k,   g_k: task k on batch t, at theta_t
    h                     = gradient of the primary loss on batch t+1 at theta_t+1, which step t+1 needs itself
    d upper / d lambda_k ~= -lr <h, g_k>

Auto-lambda (see `auto_lambda`) with two changes (ours). The real step takes the place of the virtual one, and the
next lower batch that of the upper one, so that nothing is differentiated twice and no second batch is read. The
weights that this gives serve step t+1, one step later than they would. With plain SGD as the optimiser it is the
exact hypergradient of the step that was taken; with another one, the inner product keeps the published form.

The price: the K gradients of a step are kept to the next one, and are part of the state.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from semdf.errors import DataError
from semdf.method import bilevel
from semdf.method.weighting import (
    Batch,
    Record,
    Reduce,
    assign,
    check,
    evaluate,
    restore,
    spread,
    trainable,
    weighted,
)
from semdf.method.weighting._lambdas import Lambdas

__all__ = ["Strategy"]


class Strategy(Lambdas):
    """Auto-lambda, one step late.

    Args:
        lr: Adam's, of lambda.
        primary: Which task the upper loss is.
        every: Move lambda in one of so many steps; such a step and the one before cost more than the others.
    """

    def __init__(self, tasks: int, lr: float = 1e-3, primary: int = 0, every: int = 1) -> None:
        super().__init__(tasks, lr, primary, every)
        # g_k of the last step, if it kept them; flat, [K, P], after loading, when the parameters are not known yet
        self._last: list[list[Tensor]] | Tensor | None = None
        self._last_names: tuple[str, ...] = ()
        self._last_lr = torch.zeros((), dtype=torch.float64)

    def backward(
        self,
        objective: nn.Module,
        lower: Batch,
        upper: Batch | None = None,  # noqa: ARG002 the protocol's signature
        *,
        lr: float,
        weight_decay: float = 0.0,  # noqa: ARG002 the protocol's signature
        reduce: Reduce | None = None,
    ) -> Record:
        """Move lambda by what the last step kept, if anything, then set `p.grad` with the weights that this gives."""
        last = self._last
        try:
            with self._whole(objective):
                return self._step(objective, lower, lr, reduce)
        except BaseException:
            self._last = last
            raise

    def _step(self, objective: nn.Module, lower: Batch, lr: float, reduce: Reduce | None) -> Record:
        """`backward` without what this strategy does not read."""
        keeps = self._due()
        if not keeps and self._last is None:
            return weighted(self, objective, lower, self.weights(), reduce)
        losses = evaluate(self, objective, lower)
        parameters = trainable(objective)
        leaves = list(parameters.values())
        # the primary task's gradient comes first: lambda moves by it, and the others are weighted by the new lambda
        others = [k for k in range(self.tasks) if k != self.primary]
        order = [self.primary, *others]
        first = bilevel.gradient_of(losses[self.primary], leaves, keep=self.tasks > 1)
        if reduce:
            first = [None if part is None else bilevel.dense(part) for part in first]
            reduce([part for part in first if part is not None])
        else:
            check(self, parameters, losses.detach())  # before a task that is not finite spoils the others' gradients
        try:
            check(self, parameters, None, [first], [self.primary])
        except DataError:  # perhaps another task's slope is infinite, and 0 times it is NaN here: name both
            every = [bilevel.gradient_of(loss, leaves, keep=True) for loss in losses]
            check(self, parameters, None, every, range(self.tasks))
            raise
        upper_loss = self._compare(first, parameters, losses[self.primary].detach())
        weights = self.weights()
        rest: list[bilevel.Gradients]
        if keeps:  # the gradient of each task, for the next step
            rest = [bilevel.gradient_of(losses[k], leaves, keep=k != order[-1]) for k in others]
            factors = weights[order]
        elif others:  # the sum of all other tasks in one pass
            total = (losses * weights.to(losses))[others].sum()
            rest = [bilevel.gradient_of(total, leaves)]
            factors = torch.tensor([float(weights[self.primary]), 1.0])
        else:
            rest = []
            factors = torch.tensor([float(weights[self.primary])])
        losses = losses.detach()
        if reduce:
            rest = spread(rest, losses, reduce)
        check(self, parameters, losses, rest, others if keeps else None)
        gradients = [first, *rest]
        assign(objective, parameters, bilevel.combine(gradients, factors))
        if keeps:
            self._last = [_filled(gradients[order.index(k)], leaves) for k in range(self.tasks)]
            self._last_names = tuple(parameters)
            self._last_lr.fill_(lr)
        return Record(losses, weights, upper_loss)

    def _compare(self, first: bilevel.Gradients, parameters: Mapping[str, Tensor], loss: Tensor) -> Tensor | None:
        """Move lambda by what the last step kept, and drop that; the upper loss, or None if nothing was kept.

        If other parameters are trained now (some have been frozen since), that is nothing that fits.
        """
        last = self._last
        self._last = None
        if isinstance(last, Tensor):
            last = _split(last, list(parameters.values()))
        elif last is None or self._last_names != tuple(parameters):
            return None
        products = torch.stack([bilevel.inner(first, task) for task in last])
        self._move(-self._last_lr * products.cpu())
        return loss

    def state_dict(self) -> dict[str, Tensor]:
        """The weights with Adam's moments, and the gradients that the last step kept, with its learning rate."""
        return {**super().state_dict(), "last_lr": self._last_lr.clone(), "last": _join(self._last, self.tasks)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state_dict` gave; whether the gradients fit the parameters is checked by the next step."""
        expected = self.state_dict()
        last = state.get("last")
        if last is not None and last.ndim == 2 and len(last) == self.tasks:
            expected["last"] = last  # of any length: the parameters are not known here
        self._take(restore(state, expected))

    def _take(self, state: Mapping[str, Tensor]) -> None:
        super()._take(state)
        self._last_lr = state["last_lr"]
        self._last = state["last"] if state["last"].numel() else None


def _filled(gradient: bilevel.Gradients, leaves: Sequence[Tensor]) -> list[Tensor]:
    """A task's gradient, dense, with zeros for what it does not use."""
    return [
        torch.zeros_like(leaf) if part is None else bilevel.dense(part)
        for part, leaf in zip(gradient, leaves, strict=True)
    ]


def _join(gradients: Sequence[Sequence[Tensor]] | Tensor | None, tasks: int) -> Tensor:
    """Gradients of all tasks as one tensor `[K, P]`; `[K, 0]` if there are none."""
    if gradients is None:
        return torch.zeros(tasks, 0)
    if isinstance(gradients, Tensor):
        return gradients.clone()
    return torch.stack([torch.cat([part.flatten() for part in task]) for task in gradients])


def _split(flat: Tensor, leaves: Sequence[Tensor]) -> list[list[Tensor]]:
    """What `_join` gave, in parts that have the shapes of the parameters."""
    sizes = [leaf.numel() for leaf in leaves]
    if flat.shape[1] != sum(sizes):
        raise DataError(
            f"state of a weighting: gradients must be those of {sum(sizes)} parameters, found {flat.shape[1]}"
        )
    return [[part.view_as(leaf).to(leaf) for part, leaf in zip(row.split(sizes), leaves, strict=True)] for row in flat]
