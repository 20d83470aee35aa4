"""Schedules of the learning rate: by which factor it is multiplied at each step."""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["warm_cosine", "waves"]


def warm_cosine(total: int, warmup: float) -> Callable[[int], float]:
    """Factor of the learning rate: linear rise over the first share `warmup` of the steps, then half a cosine to 0."""
    rise = max(1, round(warmup * total))

    def factor(step: int) -> float:
        return min(1.0, (step + 1) / rise) * (0.5 + 0.5 * math.cos(math.pi * step / total))

    return factor


def waves(steps: int, total: int, warmup: float, half: int = 5) -> Callable[[int], float]:
    """Factor of the learning rate in the authors' schedule (released code): down to 0 and up to 1, over and over.

    The warm-up is that of `warm_cosine`. The cosine moves once an epoch and passes over the epochs at 0.

    Args:
        steps: Steps of an epoch.
        total: Steps of the whole training.
        warmup: Share of all steps over which the factor rises.
        half: Epochs from 1 to 0, and from 0 to 1.
    """
    rise = max(1, round(warmup * total))

    def factor(step: int) -> float:
        epoch = step // steps
        # places at which the cosine is 0 (half, 3 * half, 5 * half, ...) get no epoch
        place = epoch if epoch < half else epoch + 1 + (epoch - half) // (2 * half - 1)
        return min(1.0, (step + 1) / rise) * (0.5 + 0.5 * math.cos(math.pi * place / half))

    return factor
