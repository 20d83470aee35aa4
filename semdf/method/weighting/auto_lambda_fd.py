"""Auto-lambda by the authors' central difference in place of the exact hypergradient (see `auto_lambda`)."""

from collections.abc import Mapping
from typing import ClassVar

from semdf.method.weighting import auto_lambda
from semdf.method.weighting._lambdas import Lambdas

__all__ = ["Strategy"]


class Strategy(auto_lambda.Strategy):
    """Auto-lambda with the method "finite_difference", whose virtual step is always plain SGD.

    Args:
        lr: Adam's, of lambda.
        primary: Which task the upper loss is.
        every: Move lambda in one of so many steps.
    """

    run_fields: ClassVar[Mapping[str, str]] = Lambdas.run_fields

    def __init__(self, tasks: int, lr: float = 1e-3, primary: int = 0, every: int = 1) -> None:
        super().__init__(tasks, lr, primary, method="finite_difference", every=every)
