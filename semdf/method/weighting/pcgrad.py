"""PCGrad: each task's gradient loses the part that conflicts with another's, one after the other in random order.

Source: Yu et al., "Gradient Surgery for Multi-Task Learning", NeurIPS 2020.
"""

from types import ModuleType

from semdf.method.weighting._jacobian import Jacobian, Solver

__all__ = ["Strategy"]


class Strategy(Jacobian):
    """PCGrad of the library torchjd, which draws from torch's global generator."""

    aggregator = "pcgrad"

    def solver(self, aggregation: ModuleType) -> Solver:
        """PCGrad as it is."""
        return aggregation.PCGradWeighting()
