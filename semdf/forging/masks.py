"""Soft masks of face regions: landmarks or region maps in, `[H, W] float32` in [0, 1] out."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from semdf.errors import ParameterError
from semdf.faces.landmarks import BROWS, EYES, LIPS, five, ibug

__all__ = ["REGIONS", "Shape", "core", "joined", "neighbours", "parts", "soft_mask"]

#: The regions that can be replaced. "lips" leave the teeth, "mouth" takes them; "skin" leaves every feature; "face" is
#: the whole inner face, from the brows to the chin.
REGIONS = ("eyes", "eyebrows", "nose", "lips", "mouth", "skin", "face")

#: Features that a forgery of a region must leave alone, because its label row says so.
_SPARED = {
    "eyes": {"eyebrows"},
    "eyebrows": {"eyes"},
    "nose": {"eyes", "mouth"},
    "lips": {"nose"},
    "mouth": {"nose"},
    "skin": {"eyes", "eyebrows", "nose", "mouth"},
    "face": set(),
}

#: How much of a mask's growth a region takes (ours): beyond lips and brows lies skin, which has a label of its own.
_GROWTH = {"eyebrows": 0.6, "lips": 0.5, "skin": 0.0, "face": 0.0}

# Bits of a region map: 1 skin (the whole face), 2 eye, 4 eyebrow, 8 nose, 16 lip, 32 mouth (with or without the lips).
_BITS = {"eyes": 2, "eyebrows": 4, "nose": 8, "lips": 16, "mouth": 48, "teeth": 32, "skin": 1, "face": 1}

# For five points only: ellipses (x, y, half width, half height); eyes at (-1, 0) and (1, 0), the mouth at y = 1.
_ELLIPSES = {
    "eyes": ((-1.0, 0.0, 0.50, 0.15), (1.0, 0.0, 0.50, 0.15)),
    "eyebrows": ((-1.05, -0.42, 0.75, 0.16), (1.05, -0.42, 0.75, 0.16)),
    "nose": ((0.0, 0.55, 0.48, 0.18), (0.0, 0.30, 0.24, 0.36)),
    "lips": ((0.0, 1.02, 0.80, 0.22),),
    "mouth": ((0.0, 1.02, 0.82, 0.27),),
    "teeth": (),
    "face": ((0.0, 0.42, 1.65, 1.10),),
}

# The 189-point template knows both edges of brows and lips.
_TEMPLATE = {
    "eyes": ((18, 19, 20, 21, 22, 30, 29, 28), (23, 24, 25, 26, 27, 33, 32, 31)),
    "eyebrows": ((71, 72, 73, 74, 75, 76, 84, 83), (77, 78, 79, 80, 81, 82, 86, 85)),
    "mouth": ((87, 88, 89, 90, 91, 92, 93, 108, 107, 106, 105, 104),),
    "teeth": ((87, 94, 95, 96, 97, 98, 93, 103, 102, 101, 100, 99),),
}


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


def parts(region: str) -> tuple[str, ...]:
    """The regions that a name joins by "+".

    >>> parts("eyes+nose")
    ('eyes', 'nose')
    """
    found = tuple(region.split("+"))
    if len(set(found)) < len(found) or not set(found) <= set(REGIONS):
        raise ParameterError(f"region should be one of {', '.join(REGIONS)}, or some joined by +. Found {region!r}.")
    return found


def joined(region: str) -> str:
    """The one name of a joined region: its parts in the order of `REGIONS`.

    >>> joined("mouth+eyes")
    'eyes+mouth'
    """
    return "+".join(sorted(parts(region), key=REGIONS.index))


def core(landmarks: np.ndarray, region: str, shape: tuple[int, int], regions: np.ndarray | None = None) -> np.ndarray:
    """The region itself `[H, W] bool`, without growth: from a region map, else polygons of 189 or 68 landmarks or
    ellipses of 5.

    region: of `REGIONS`, joined ones too, or "teeth". regions: [H, W] uint8 bits.
    """
    names = (region,) if region == "teeth" else parts(region)
    return np.logical_or.reduce([_core(landmarks, name, shape, regions) for name in names])


def neighbours(
    landmarks: np.ndarray, region: str, shape: tuple[int, int], regions: np.ndarray | None = None
) -> np.ndarray:
    """The other features `[H, W] bool`, which a forgery of `region` should leave alone: its label row says so.

    For skin and face also what lies beyond the jaw, where landmarks know it.
    """
    names = parts(region)
    others = set().union(*(_SPARED[name] for name in names)) - set(names)
    found = [_core(landmarks, other, shape, regions) for other in sorted(others)]
    if {"skin", "face"} & set(names) and regions is None and len(landmarks) > 5:
        within = np.zeros(shape[:2], np.uint8)
        cv2.fillPoly(within, [np.round(_outline(ibug(landmarks), 0.0) * 8).astype(np.int32)], 1, shift=3)
        found.append(within == 0)
    return np.logical_or.reduce([np.zeros(shape[:2], bool), *found])


def _core(points: np.ndarray, region: str, shape: tuple[int, int], regions: np.ndarray | None) -> np.ndarray:
    if region == "lips" and regions is None:
        whole, teeth = (_core(points, name, shape, regions) for name in ("mouth", "teeth"))
        return whole & ~teeth
    if region == "skin":
        features = [_core(points, name, shape, regions) for name in ("eyes", "eyebrows", "nose", "mouth")]
        return _core(points, "face", shape, regions) & ~np.logical_or.reduce(features)
    if regions is not None:
        found = (regions & _BITS[region]) > 0
        return found & ((regions & _BITS["lips"]) == 0) if region == "teeth" else found
    mask = np.zeros(shape[:2], np.uint8)
    for outline in _ovals(points, region) if len(points) == 5 else _polygons(points, region):
        cv2.fillPoly(mask, [np.round(outline * 8).astype(np.int32)], 1, shift=3)
    return mask > 0


def _polygons(points: np.ndarray, region: str) -> list[np.ndarray]:
    if len(points) == 189 and region in _TEMPLATE:
        return [points[list(part)] for part in _TEMPLATE[region]]
    points = ibug(points)
    if region == "eyes":
        return [points[part] for part in EYES]
    if region == "mouth":
        return [points[LIPS]]
    if region == "teeth":
        return [points[60:68]]
    if region == "face":
        return [_outline(points, 0.2)]
    if region == "eyebrows":  # their landmarks lie on the upper edge: the brow itself is below
        eyes, brows = [points[part].mean(0) for part in EYES], [points[part] for part in BROWS]
        return [np.concatenate([b, (b + 0.3 * (e - b.mean(0)))[::-1]]) for b, e in zip(brows, eyes, strict=True)]
    across = (points[35] - points[31]) / 2  # half the width of the nose
    left = [points[27] - 0.35 * across, points[29] - 0.75 * across, points[31] - 0.35 * across]
    right = [points[35] + 0.35 * across, points[29] + 0.75 * across, points[27] + 0.35 * across]
    return [np.stack([*left, *(points[31:36] + 0.12 * (points[33] - points[29])), *right])]


def _outline(points: np.ndarray, inward: float) -> np.ndarray:
    """The convex hull `[K, 2]` of 68 landmarks and a little forehead, the jaw by a part nearer to the nose (ours)."""
    jaw = points[:17] + inward * (points[30] - points[:17])
    above = points[17:27] - (0.06 if inward else 0.2) * (points[8] - points[27])
    return cv2.convexHull(np.concatenate([jaw, above, points[27:]]).astype(np.float32))[:, 0].astype(float)


def _ovals(landmarks: np.ndarray, region: str) -> list[np.ndarray]:
    left, right, _, *mouth = five(landmarks)
    centre = (left + right) / 2
    axes = np.stack([(right - left) / 2, np.mean(mouth, axis=0) - centre])
    angle = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    return [(circle * (a, b) + (x, y)) @ axes + centre for x, y, a, b in _ELLIPSES[region]]


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
