"""Bi-level weights: lambda moves so that a step of training lowers the primary task's loss on another batch.

Source: Liu et al., "Auto-Lambda", TMLR 2022; settings of Zou et al., IEEE TCSVT 2025 (released code): lambda
starts at 1 and moves by Adam at 1e-3, without bounds, the virtual step is plain SGD, and the upper loss is
the root's alone.

The gradients of the tasks are computed once, and serve the virtual step, the hypergradient and the step
itself.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from semdf.errors import DataError, ParameterError
from semdf.method import bilevel
from semdf.method.weighting import Batch, Record, Reduce, assign, check, evaluate, spread, trainable, weighted
from semdf.method.weighting._lambdas import Lambdas
from semdf.method.weighting._losses import gather

__all__ = ["Strategy"]


class Strategy(Lambdas):
    """Auto-lambda.

    Args:
        lr: Adam's, of lambda.
        primary: Which task the upper loss is.
        method: "exact", or "finite_difference" for the authors' central difference.
        every: Move lambda in one of so many steps; the others cost what equal weights do (ours).
        optimiser: An AdamW whose own step is then the virtual one (ours); None for plain SGD, as published.
    """

    needs_upper = True
    run_fields: ClassVar[Mapping[str, str]] = {**Lambdas.run_fields, "optimiser": "variant.virtual"}

    def __init__(
        self,
        tasks: int,
        lr: float = 1e-3,
        primary: int = 0,
        method: str = "exact",
        every: int = 1,
        optimiser: torch.optim.AdamW | None = None,
    ) -> None:
        super().__init__(tasks, lr, primary, every)
        if method not in ("exact", "finite_difference"):
            raise ParameterError(f"method: must be 'exact' or 'finite_difference', found {method!r}")
        if method == "finite_difference" and optimiser is not None:
            raise ParameterError(
                "optimiser: must be None for the finite difference, which is of the SGD form only, "
                f"found {type(optimiser).__name__}"
            )
        self.method = method
        self.optimiser = optimiser

    def backward(
        self,
        objective: nn.Module,
        lower: Batch,
        upper: Batch | None = None,
        *,
        lr: float,
        weight_decay: float = 0.0,
        reduce: Reduce | None = None,
    ) -> Record:
        """Move lambda if it is due, then set `p.grad` from the lower batch with the weights that this gives."""
        if upper is None:
            raise ParameterError("upper: must be a second batch under auto_lambda, found None")
        with self._whole(objective):
            if not self._due():
                return weighted(self, objective, lower, self.weights(), reduce)
            if check_upper := getattr(objective, "check_upper", None):
                check_upper(*upper)
            return self._step(objective, lower, upper, lr, weight_decay, reduce)

    def _step(
        self, objective: nn.Module, lower: Batch, upper: Batch, lr: float, weight_decay: float, reduce: Reduce | None
    ) -> Record:
        """A step in which lambda moves."""
        losses = evaluate(self, objective, lower)
        parameters = trainable(objective)
        rule = bilevel.adamw(self.optimiser, parameters) if self.optimiser else bilevel.sgd(lr, weight_decay)
        if self.method == "finite_difference":
            return self._approximate(objective, parameters, losses, lower, upper, lr, rule, reduce)
        gradients = bilevel.task_gradients(losses, parameters)
        losses = losses.detach()
        if reduce:
            gradients = spread(gradients, losses, reduce)
        check(self, parameters, losses, gradients, range(self.tasks))
        upper_loss, slope = bilevel.hypergradient(
            self._primary(objective, upper), parameters, gradients, self.weights(), rule
        )
        if reduce:
            reduce([upper_loss, slope])  # the slope is linear in the upper batch's gradient, so the mean is exact
        self._check_upper(upper_loss)
        self._move(slope)
        weights = self.weights()
        assign(objective, parameters, bilevel.combine(gradients, weights))
        return Record(losses, weights, upper_loss)

    def _approximate(
        self,
        objective: nn.Module,
        parameters: dict[str, nn.Parameter],
        losses: Tensor,
        lower: Batch,
        upper: Batch,
        lr: float,
        rule: bilevel.Rule,
        reduce: Reduce | None,
    ) -> Record:
        """The step with the authors' estimate of <d, g_k>; the parameters stay as they are.

        The graph of the lower losses serves the virtual step and the step itself.
        """
        leaves = list(parameters.values())

        def gradient(keep: bool) -> bilevel.Gradients:
            total = (losses * self.weights().to(losses)).sum()
            parts = bilevel.gradient_of(total, leaves, keep)
            if reduce:
                parts = [None if part is None else bilevel.dense(part) for part in parts]
                reduce([part for part in parts if part is not None])
            check(self, parameters, losses.detach(), [parts])
            return parts

        loss, d = bilevel.upper_gradient(self._primary(objective, upper), parameters, gradient(keep=True), rule)
        if reduce:
            reduce([loss, *(part for part in d if part is not None)])
        self._check_upper(loss)
        product = bilevel.finite_difference(bilevel.functional(objective, *lower, read=self._read), parameters, d)
        del d  # as large as the parameters, and not needed for what follows
        if reduce:
            reduce([product])
        self._move(-lr * product)
        assign(objective, parameters, gradient(keep=False))
        losses = losses.detach()
        if reduce:
            reduce([losses])
        return Record(losses, self.weights(), loss)

    def _primary(self, objective: nn.Module, upper: Batch) -> bilevel.Upper:
        """The primary task's loss on the upper batch, as a function of the parameters."""
        return bilevel.functional(objective, *upper, read=lambda found: self._read(found)[self.primary])

    def _read(self, found: object) -> Tensor:
        """The losses `[K]` in what the objective gave."""
        return gather(found, self.tasks, self.names)

    def _check_upper(self, loss: Tensor) -> None:
        """Raise DataError unless the upper loss is finite."""
        if not loss.isfinite():
            task = repr(self.names[self.primary]) if self.names else str(self.primary)
            raise DataError(f"upper: the loss must be finite, found {loss.item()} for task {task}")
