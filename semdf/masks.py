"""Soft masks of face regions: landmarks in, `[H, W] float32` in [0, 1] out."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from semdf.errors import ParameterError
from semdf.landmarks import BROWS, EYES, LIPS, five

__all__ = ["REGIONS", "Shape", "core", "neighbours", "soft_mask"]

#: The local regions that the data set expansion replaces.
REGIONS = ("eyes", "mouth", "nose")

# For five points only: ellipses (x, y, half width, half height) with the eyes at (-1, 0) and (1, 0), the
# mouth at y = 1.
_ELLIPSES = {
    "eyes": ((-1.0, 0.0, 0.50, 0.15), (1.0, 0.0, 0.50, 0.15)),
    "nose": ((0.0, 0.55, 0.48, 0.18), (0.0, 0.30, 0.24, 0.36)),
    "mouth": ((0.0, 1.02, 0.82, 0.27),),
    "brows": ((-1.05, -0.42, 0.75, 0.16), (1.05, -0.42, 0.75, 0.16)),
}


@dataclass(frozen=True)
class Shape:
    """How a region's mask grows out of its landmarks; lengths in parts of the face's `span` (ours).

    grow: the smallest and largest dilation. wobble: the size of the random deformation. feather: the width of
    the soft border (standard deviation).
    """

    grow: tuple[float, float] = (0.10, 0.18)
    wobble: float = 0.05
    feather: float = 0.05


def core(landmarks: np.ndarray, region: str, shape: tuple[int, int]) -> np.ndarray:
    """The feature itself `[H, W] bool`: polygons of 68 landmarks, or ellipses of 5. `region`: `REGIONS` or
    "brows"."""
    if region not in _ELLIPSES:
        raise ParameterError(f"region should be one of {', '.join(REGIONS)}. Found {region!r}.")
    mask = np.zeros(shape[:2], np.uint8)
    for outline in _polygons(landmarks, region) if len(landmarks) == 68 else _ovals(landmarks, region):
        cv2.fillPoly(mask, [np.round(outline * 8).astype(np.int32)], 1, shift=3)
    return mask > 0


def _polygons(points: np.ndarray, region: str) -> list[np.ndarray]:
    if region == "eyes":
        return [points[part] for part in EYES]
    if region == "mouth":
        return [points[LIPS]]
    if region == "brows":  # their landmarks lie on the upper edge: the brow itself is below
        eyes, brows = [points[part].mean(0) for part in EYES], [points[part] for part in BROWS]
        return [np.concatenate([b, (b + 0.3 * (e - b.mean(0)))[::-1]]) for b, e in zip(brows, eyes, strict=True)]
    across = (points[35] - points[31]) / 2  # half the width of the nose
    sides = [points[27] - 0.35 * across, points[29] - 0.75 * across, points[31] - 0.35 * across]
    below = points[31:36] + 0.12 * (points[33] - points[29])
    return [
        np.stack(
            [
                *sides,
                *below,
                points[35] + 0.35 * across,
                points[29] + 0.75 * across,
                points[27] + 0.35 * across,
            ]
        )
    ]


def _ovals(landmarks: np.ndarray, region: str) -> list[np.ndarray]:
    left, right, _, *mouth = five(landmarks)
    centre = (left + right) / 2
    axes = np.stack([(right - left) / 2, np.mean(mouth, axis=0) - centre])
    angle = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    return [(circle * (a, b) + (x, y)) @ axes + centre for x, y, a, b in _ELLIPSES[region]]


def neighbours(landmarks: np.ndarray, region: str, shape: tuple[int, int]) -> np.ndarray:
    """The other features `[H, W] bool`, which a forgery of `region` should leave alone: its label row says
    so."""
    others = {"eyes": ("brows",), "mouth": ("nose",), "nose": ("eyes", "mouth")}[region]
    return np.logical_or.reduce([core(landmarks, other, shape) for other in others])


def soft_mask(
    inside: np.ndarray, outside: np.ndarray, unit: float, shape: Shape, random: np.random.Generator
) -> np.ndarray:
    """The mask `[H, W] float32` that covers `inside [H, W] bool` and fades to exactly 0.

    outside: pixels it must not reach. unit: the face's span in pixels.
    Dilation, a smooth random deformation (after SLADD: Chen et al., CVPR 2022), blur.
    """
    grow = unit * random.uniform(*shape.grow)
    apart = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    height, width = inside.shape
    grid = random.normal(0, shape.wobble * unit, (2, 7, 7)).astype(np.float32)
    ripple = [cv2.resize(g, (width, height), interpolation=cv2.INTER_CUBIC) for g in grid]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    apart = cv2.remap(apart, columns + ripple[0], rows + ripple[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    sigma = max(shape.feather * unit, 0.6)
    mask = cv2.GaussianBlur(((apart <= grow) | inside).astype(np.float32), (0, 0), sigma)
    if outside.any():
        room = cv2.distanceTransform((~(outside & ~inside)).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        mask *= np.clip((room - 1) / (2 * sigma), 0, 1)
    mask[mask < 0.01] = 0
    _, parts = cv2.connectedComponents((mask > 0).astype(np.uint8))
    mask[~np.isin(parts, parts[inside & (mask > 0)])] = 0  # beyond a neighbour, as above the brow
    return mask.astype(np.float32)
