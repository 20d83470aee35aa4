"""UPGrad: each task's gradient is projected so that it conflicts with none, then they are added up.

Source: Quinton and Rey, "Jacobian Descent for Multi-Objective Optimization", 2024, arXiv 2406.16232.
"""

from types import ModuleType

import torch

from semdf.method.weighting._jacobian import Jacobian, Solver

__all__ = ["Strategy"]


class Strategy(Jacobian):
    """UPGrad of the library torchjd."""

    aggregator = "upgrad"

    def solver(self, aggregation: ModuleType) -> Solver:
        """UPGrad with every task's projection weighted by 1, where the library's own is 1 / K."""
        return aggregation.UPGradWeighting(torch.ones(self.tasks, dtype=torch.float64))
