"""Losses: fidelity on each level of the hierarchy, and the cross-entropy of a binary detector.

Fidelity: Tsai et al., "FRank: A Ranking Method with Fidelity Loss", SIGIR 2007; here as in Zou et al., IEEE
TCSVT 2025.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semdf.errors import DataError, ParameterError

__all__ = ["EPSILON", "CrossEntropy", "Fidelity", "binary_cross_entropy", "fidelity"]

#: Added under each square root, as released: it keeps the slope finite, and a perfect prediction at -1e-4.
EPSILON = 1e-8


class Leveled(Protocol):
    """The part of a `Hierarchy` that losses need."""

    name: str
    levels: Mapping[str, Sequence[int]]

    def is_legal(self, rows: np.ndarray) -> np.ndarray:
        """Whether rows `[B, N]` are legal states, `[B]` bool."""


def fidelity(
    marginals: Tensor,
    targets: Tensor,
    hierarchy: Leveled,
    observed: Tensor | None = None,
    epsilon: float = EPSILON,
) -> Tensor:
    """Fidelity loss of each level (root, global, local), `[K]`.

        l(p, g) = 1 - sqrt(p g + e) - sqrt((1 - p)(1 - g) + e)

    averaged over the level's nodes, then over the batch. With e = 1e-8, the authors' value, the slope of l in p is
    at most 1 / (2 sqrt(e)) = 5,000 in size at p = 0 and p = 1, where without e it would be infinite; the means
    divide it by the level's nodes and by B (2,500 at the root for one wrong image of two). The price is that a
    perfect prediction gives -1e-4, not 0. We keep e as it is: the slope in the log-odds, which are what a
    network gives, is that in p times p (1 - p), below 0.2 everywhere and 0 at both ends.

    Args:
        marginals: `[B, N]` in [0, 1].
        targets: `[B, N]` in [0, 1].
        observed: `[B, N]` or `[N]` bool, False where a target is not observed. The mean is then over a level's
            observed nodes, and over the images that have any (ours; the authors train such targets as 0, which is
            None). A level of which nothing in the batch is observed has loss 0.
        epsilon: The e of the formula.
    """
    if marginals.ndim != 2 or marginals.shape != targets.shape:
        raise ParameterError(
            f"targets: must have the shape of marginals {list(marginals.shape)}, found {list(targets.shape)}"
        )
    right = (marginals * targets + epsilon).sqrt()
    wrong = ((1 - marginals) * (1 - targets) + epsilon).sqrt()
    loss = 1 - right - wrong
    levels = [list(nodes) for nodes in hierarchy.levels.values()]
    if observed is None:
        return torch.stack([loss[:, nodes].mean() for nodes in levels])
    mask = observed.to(loss.dtype).expand_as(loss)
    return torch.stack([_masked_mean(loss[:, nodes], mask[:, nodes]) for nodes in levels])


def _masked_mean(loss: Tensor, mask: Tensor) -> Tensor:
    """Mean over the observed nodes of each image, then over the images that have any. Both are `[B, nodes]`."""
    count = mask.sum(1)
    each = (loss * mask).sum(1) / count.clamp(min=1)
    return each.sum() / (count > 0).sum().clamp(min=1)


def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of real against fake, scalar.

    Args:
        logits: Log-odds of fake, `[B]`.
        targets: 0 or 1, `[B]`.
    """
    if logits.ndim != 1 or logits.shape != targets.shape:
        raise ParameterError(
            f"logits: must have the shape [B] of targets {list(targets.shape)}, found {list(logits.shape)}"
        )
    if not logits.isfinite().all():
        raise ParameterError(f"logits: must be finite, found {int((~logits.isfinite()).sum())} NaN or infinite")
    return F.binary_cross_entropy_with_logits(logits, targets.to(logits.dtype))


def _check_classes(targets: Tensor) -> None:
    """Raise DataError unless the batch holds reals and fakes."""
    fakes = int((targets[:, 0] > 0.5).sum())
    if not 0 < fakes < len(targets):
        raise DataError(f"upper: the batch must hold reals and fakes, found {fakes} fakes of {len(targets)}")


class Fidelity(nn.Module):
    """A joint-embedding model with its losses: `forward(images, targets, observed=None)` -> `[K]`.

    Args:
        hierarchy: That of the targets, by default the model's own.
        levels: Whose losses, in this order; all of the hierarchy's by default. They are the names of the tasks.
    """

    def __init__(self, model: nn.Module, hierarchy: Leveled | None = None, levels: Sequence[str] | None = None) -> None:
        super().__init__()
        self.model = model
        self.hierarchy = cast(Leveled, model.hierarchy) if hierarchy is None else hierarchy
        known = tuple(self.hierarchy.levels)
        self.levels = known if levels is None else tuple(levels)
        if not self.levels or len(set(self.levels)) < len(self.levels) or not set(self.levels) <= set(known):
            raise ParameterError(f"levels: must be some of {known}, each once, found {self.levels}")

    def forward(self, images: Tensor, targets: Tensor, observed: Tensor | None = None) -> Tensor:
        """Loss of each level `[K]` on a batch."""
        self._check(images, targets, observed)
        found = fidelity(self.model(images), targets, self.hierarchy, observed)
        places = [tuple(self.hierarchy.levels).index(level) for level in self.levels]
        return found if places == list(range(len(found))) else found[places]

    def check_upper(self, _images: Tensor, targets: Tensor, _observed: Tensor | None = None) -> None:
        """Raise DataError unless an upper batch holds reals and fakes; one class alone does not tell them apart."""
        _check_classes(targets)

    def _check(self, images: Tensor, targets: Tensor, observed: Tensor | None) -> None:
        """Raise ParameterError for a wrong shape, and DataError for a row that is no legal state."""
        count = sum(len(nodes) for nodes in self.hierarchy.levels.values())
        if targets.shape != (len(images), count):
            raise ParameterError(
                f"targets: must have shape [{len(images)}, {count}], one row an image, found {list(targets.shape)}"
            )
        if observed is not None and observed.shape not in (targets.shape, targets.shape[1:]):
            raise ParameterError(f"observed: must have the shape of targets, found {list(observed.shape)}")
        legal = self.hierarchy.is_legal(targets.cpu().numpy())
        if not legal.all():
            row = targets[int(legal.argmin())].tolist()
            raise DataError(f"targets: every row must be a legal state of {self.hierarchy.name!r}, found {row}")


class CrossEntropy(nn.Module):
    """A binary model with its loss: `forward(images, targets, observed=None)` -> `[1]`."""

    model: Any

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        images: Tensor,
        targets: Tensor,
        observed: Tensor | None = None,  # noqa: ARG002 the signature of `Fidelity`
    ) -> Tensor:
        """The loss `[1]` on a batch."""
        return binary_cross_entropy(self.model.logits(images)[:, 0], targets[:, 0])[None]
