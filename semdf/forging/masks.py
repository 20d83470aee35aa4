"""Soft masks of face regions: hard masks `[H, W] bool` in, `[H, W] float32` in [0, 1] out."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from semdf.errors import ParameterError
from semdf.faces.regions import parts

__all__ = ["Shape", "soft_mask"]

#: How much of a mask's growth a region takes (ours): beyond lips and brows lies skin, which has a label of its own.
_GROWTH = {"eyebrows": 0.6, "lips": 0.5, "skin": 0.0, "face": 0.0}


@dataclass(frozen=True)
class Shape:
    """How a region's mask grows out of its landmarks; lengths in parts of the face's `span` (ours).

    grow: the smallest and largest dilation; negative ones erode. wobble: the size of the random deformation.
    feather: smallest and largest width of the soft border (standard deviation).
    """

    grow: tuple[float, float] = (0.10, 0.18)
    wobble: float = 0.05
    feather: tuple[float, float] = (0.05, 0.05)

    def __post_init__(self) -> None:
        for name, least in (("grow", -1.0), ("feather", 0.0)):
            low, high = getattr(self, name)
            if not least <= low <= high <= 1:
                raise ParameterError(f"{name} should be a range within [{least:g}, 1]. Found {getattr(self, name)}.")
        if not 0 <= self.wobble <= 1:
            raise ParameterError(f"wobble should lie in [0, 1]. Found {self.wobble}.")


def soft_mask(
    inside: np.ndarray, outside: np.ndarray, unit: float, shape: Shape, random: np.random.Generator, region: str = ""
) -> np.ndarray:
    """The mask `[H, W] float32` that covers `inside [H, W] bool` and fades to exactly 0.

    outside: pixels it must not reach. unit: the face's span in pixels. region: whose share of the growth is taken.
    Dilation or erosion, a smooth random deformation (after SLADD: Chen et al., CVPR 2022), blur.
    """
    share = max((_GROWTH.get(name, 1.0) for name in parts(region)), default=1.0) if region else 1.0
    grow = random.uniform(*shape.grow)
    grow = unit * (grow * share if grow > 0 else grow)
    sigma = max(random.uniform(*shape.feather) * unit, 0.6)
    apart = _distance(~inside) - _distance(inside)  # negative inside
    height, width = inside.shape
    cells = [max(3, int(np.ceil(side / (0.35 * unit))) + 1) for side in (height, width)]
    grid = random.normal(0, shape.wobble * unit, (2, *cells)).astype(np.float32)
    ripple = [cv2.resize(g, (width, height), interpolation=cv2.INTER_CUBIC) for g in grid]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    apart = cv2.remap(apart, columns + ripple[0], rows + ripple[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    covered = apart <= grow
    if grow >= 0 and share:
        covered |= inside
    mask = cv2.GaussianBlur(covered.astype(np.float32), (0, 0), sigma)
    if outside.any():
        mask *= np.clip((_distance(~(outside & ~inside)) - 1) / (2 * sigma), 0, 1)
    mask[mask < 0.01] = 0
    _, pieces = cv2.connectedComponents((mask > 0).astype(np.uint8))
    mask[~np.isin(pieces, pieces[inside & (mask > 0)])] = 0  # beyond a neighbour, as above the brow
    return mask.astype(np.float32)


def _distance(free: np.ndarray) -> np.ndarray:
    """Distance `[H, W]` of each True pixel to the nearest False one, in pixels."""
    if free.all():
        return np.full(free.shape, float(sum(free.shape)), np.float32)
    return cv2.distanceTransform(free.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
