"""Losses: fidelity on each level of the hierarchy, and the cross-entropy of a binary detector.

Fidelity: Tsai et al., "FRank: A Ranking Method with Fidelity Loss", SIGIR 2007; here as in Zou et al., IEEE
TCSVT 2025.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semdf.errors import DataError, ParameterError

__all__ = ["EPSILON", "CrossEntropy", "Fidelity", "binary_cross_entropy", "fidelity"]

#: Added under each square root, as released: it keeps the slope finite, and a perfect prediction at -1e-4.
EPSILON = 1e-8


class Leveled(Protocol):
    """What is needed of a `Hierarchy`."""

    name: str
    levels: Mapping[str, Sequence[int]]

    def is_legal(self, rows: np.ndarray) -> np.ndarray:
        """Whether rows [B, N] are legal states, [B] bool."""


def fidelity(
    marginals: Tensor,
    targets: Tensor,
    hierarchy: Leveled,
    observed: Tensor | None = None,
    epsilon: float = EPSILON,
) -> Tensor:
    """Fidelity loss of each level (root, global, local), [K].

        l(p, g) = 1 - sqrt(p g + e) - sqrt((1 - p)(1 - g) + e)

    averaged over the level's nodes, then over the batch. With e = 1e-8, the authors' value, the slope in p is
    at most 1 / (2 sqrt(e)) = 5000 in size at p = 0 and p = 1, where without e it would be infinite; the price
    is that a perfect prediction gives -1e-4, not 0.

    marginals, targets: [B, N] in [0, 1]. observed: [B, N] or [N] bool, False where a target is not observed;
    the mean is then over a level's observed nodes, and over the images that have any (ours; the authors train
    such targets as 0, which is `observed=None`). A level that nothing in the batch observes has loss 0.
    """
    if marginals.ndim != 2 or marginals.shape != targets.shape:
        raise ParameterError(
            f"targets: must have the shape of marginals {list(marginals.shape)}, found {list(targets.shape)}"
        )
    right = (marginals * targets + epsilon).sqrt()
    wrong = ((1 - marginals) * (1 - targets) + epsilon).sqrt()
    loss = 1 - right - wrong
    if observed is None:
        return torch.stack([loss[:, list(nodes)].mean() for nodes in hierarchy.levels.values()])
    mask = observed.to(loss.dtype).expand_as(loss)
    return torch.stack([_masked(loss[:, list(n)], mask[:, list(n)]) for n in hierarchy.levels.values()])


def _masked(loss: Tensor, mask: Tensor) -> Tensor:
    count = mask.sum(1)
    each = (loss * mask).sum(1) / count.clamp(min=1)
    return each.sum() / (count > 0).sum().clamp(min=1)


def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of real against fake, scalar. logits: [B] log-odds of fake; targets: [B] 0 or 1."""
    if logits.ndim != 1 or logits.shape != targets.shape:
        raise ParameterError(
            f"logits: must have the shape [B] of targets {list(targets.shape)}, found {list(logits.shape)}"
        )
    return F.binary_cross_entropy_with_logits(logits, targets.to(logits.dtype))


class Fidelity(nn.Module):
    """A joint-embedding model with its losses: `forward(images, targets, observed=None)` -> [K]."""

    def __init__(self, model: nn.Module, hierarchy: Leveled | None = None) -> None:
        super().__init__()
        self.model = model
        self.hierarchy = model.hierarchy if hierarchy is None else hierarchy

    def forward(self, images: Tensor, targets: Tensor, observed: Tensor | None = None) -> Tensor:
        legal = self.hierarchy.is_legal(targets.cpu().numpy())
        if not legal.all():
            row = targets[int(legal.argmin())].tolist()
            raise DataError(f"targets: every row must be a legal state of {self.hierarchy.name!r}, found {row}")
        return fidelity(self.model(images), targets, self.hierarchy, observed)


class CrossEntropy(nn.Module):
    """A binary model with its loss: `forward(images, targets, observed=None)` -> [1]."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor, targets: Tensor, observed: Tensor | None = None) -> Tensor:
        return binary_cross_entropy(self.model.logits(images)[:, 0], targets[:, 0])[None]
