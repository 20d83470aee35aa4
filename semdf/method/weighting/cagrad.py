"""CAGrad: near the mean gradient, the direction along which the task that gains least gains most.

Source: Liu et al., "Conflict-Averse Gradient Descent for Multi-task Learning", NeurIPS 2021.
"""

from types import ModuleType

from torch import Tensor

from semdf.method.weighting._jacobian import Jacobian, Solver

__all__ = ["Strategy"]


class Strategy(Jacobian):
    """CAGrad of the library torchjd, times K.

    Args:
        c: How far from the mean it may go; 0.5 is ours.
    """

    aggregator = "cagrad"

    def __init__(self, tasks: int, c: float = 0.5) -> None:
        self.c = c
        super().__init__(tasks)

    def solver(self, aggregation: ModuleType) -> Solver:
        """CAGrad's weights, times K."""
        mean = aggregation.CAGradWeighting(c=self.c)

        def solve(gramian: Tensor) -> Tensor:
            return self.tasks * mean(gramian)

        return solve
