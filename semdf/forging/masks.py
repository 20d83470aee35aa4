"""Soft masks of face regions: hard masks `[H, W] bool` in, `[H, W] float32` in [0, 1] out."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from semdf.errors import ParameterError
from semdf.faces.regions import parts

__all__ = ["Shape", "soft_mask"]

#: How much of a mask's growth a region takes, 1 unless it is named (ours). Beyond lips and brows lies skin, which has a
#: label of its own.
_GROWTH = {"eyebrows": 0.6, "lips": 0.5, "skin": 0.0, "face": 0.0}


@dataclass(frozen=True)
class Shape:
    """How a region's mask grows out of its landmarks; lengths in parts of the face's `span` (ours).

    Attributes:
        grow: Smallest and largest dilation; negative ones erode.
        wobble: Size of the random deformation.
        feather: Smallest and largest width of the soft border (standard deviation).

    Raises:
        ParameterError: A value out of range.
    """

    grow: tuple[float, float] = (0.10, 0.18)
    wobble: float = 0.05
    feather: tuple[float, float] = (0.05, 0.05)

    def __post_init__(self) -> None:
        for name, least in (("grow", -1.0), ("feather", 0.0)):
            value = getattr(self, name)
            low, high = value
            if not least <= low <= high <= 1:
                raise ParameterError(f"{name} must be a range within [{least:g}, 1], found {value}")
        if not 0 <= self.wobble <= 1:
            raise ParameterError(f"wobble must lie in [0, 1], found {self.wobble}")


def soft_mask(
    inside: np.ndarray, outside: np.ndarray, unit: float, shape: Shape, random: np.random.Generator, region: str = ""
) -> np.ndarray:
    """The mask `[H, W] float32` that covers the region and fades to exactly 0.

    Dilation or erosion, a smooth random deformation (after SLADD: Chen et al., CVPR 2022), blur.

    Args:
        inside: [H, W] bool, the region.
        outside: [H, W] bool, pixels that the mask must not reach.
        unit: The face's span, pixels.
        shape: How the mask grows out of the region.
        random: What draws growth, border and deformation.
        region: Whose share of the growth is taken; empty for all of it.
    """
    share = max(_GROWTH.get(name, 1.0) for name in parts(region)) if region else 1.0
    grow = random.uniform(*shape.grow)
    if grow > 0:
        grow = grow * share
    grow = unit * grow
    sigma = max(random.uniform(*shape.feather) * unit, 0.6)
    apart = _distance(~inside) - _distance(inside)  # distance to the region's edge, negative inside
    covered = _deformed(apart, shape.wobble * unit, unit, random) <= grow
    if grow >= 0 and share:
        covered |= inside
    mask = cv2.GaussianBlur(covered.astype(np.float32), (0, 0), sigma)
    if outside.any():
        mask *= np.clip((_distance(~(outside & ~inside)) - 1) / (2 * sigma), 0, 1)
    mask[mask < 0.01] = 0
    _, pieces = cv2.connectedComponents((mask > 0).astype(np.uint8))
    own = pieces[inside & (mask > 0)]
    mask[~np.isin(pieces, own)] = 0  # pieces beyond a neighbour, such as those of an eye above the brow
    return mask.astype(np.float32)


def _deformed(field: np.ndarray, size: float, unit: float, random: np.random.Generator) -> np.ndarray:
    """The field `[H, W] float32` seen through smooth random shifts of about `size` pixels."""
    height, width = field.shape
    cells = [max(3, int(np.ceil(side / (0.35 * unit))) + 1) for side in (height, width)]
    grid = random.normal(0, size, (2, *cells)).astype(np.float32)
    across, down = (cv2.resize(shifts, (width, height), interpolation=cv2.INTER_CUBIC) for shifts in grid)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    return cv2.remap(field, columns + across, rows + down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _distance(free: np.ndarray) -> np.ndarray:
    """Distance `[H, W]` of each True pixel to the nearest False one, in pixels."""
    if free.all():
        return np.full(free.shape, float(sum(free.shape)), np.float32)
    return cv2.distanceTransform(free.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
