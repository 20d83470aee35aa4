"""The regions of a face: landmarks or a region map in, hard masks `[H, W] bool` out."""

from __future__ import annotations

import cv2
import numpy as np

from semdf.errors import ParameterError
from semdf.faces.crops import REGION_BITS
from semdf.faces.landmarks import BROWS, EYES, LIPS, five, ibug

__all__ = ["REGIONS", "core", "joined", "neighbours", "parts"]

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

#: Bits of a region map, any of which makes a pixel part of the region. The bit "skin" marks the whole face, and the bit
#: "mouth" may or may not lie under the lips.
_BITS = {
    "eyes": REGION_BITS["eye"],
    "eyebrows": REGION_BITS["eyebrow"],
    "nose": REGION_BITS["nose"],
    "lips": REGION_BITS["lip"],
    "mouth": REGION_BITS["lip"] | REGION_BITS["mouth"],
    "teeth": REGION_BITS["mouth"],
    "face": REGION_BITS["skin"],
}

#: For five points only: ellipses (x, y, half width, half height); eyes at (-1, 0) and (1, 0), the mouth at y = 1.
_ELLIPSES = {
    "eyes": ((-1.0, 0.0, 0.50, 0.15), (1.0, 0.0, 0.50, 0.15)),
    "eyebrows": ((-1.05, -0.42, 0.75, 0.16), (1.05, -0.42, 0.75, 0.16)),
    "nose": ((0.0, 0.55, 0.48, 0.18), (0.0, 0.30, 0.24, 0.36)),
    "lips": ((0.0, 1.02, 0.80, 0.22),),
    "mouth": ((0.0, 1.02, 0.82, 0.27),),
    "teeth": (),
    "face": ((0.0, 0.42, 1.65, 1.10),),
}

#: The 189-point template knows both edges of brows and lips.
_TEMPLATE = {
    "eyes": ((18, 19, 20, 21, 22, 30, 29, 28), (23, 24, 25, 26, 27, 33, 32, 31)),
    "eyebrows": ((71, 72, 73, 74, 75, 76, 84, 83), (77, 78, 79, 80, 81, 82, 86, 85)),
    "mouth": ((87, 88, 89, 90, 91, 92, 93, 108, 107, 106, 105, 104),),
    "teeth": ((87, 94, 95, 96, 97, 98, 93, 103, 102, 101, 100, 99),),
}


def parts(region: str) -> tuple[str, ...]:
    """The regions that a name joins by "+".

    >>> parts("eyes+nose")
    ('eyes', 'nose')

    Raises:
        ParameterError: An unknown region, or one that stands twice.
    """
    found = tuple(region.split("+"))
    if len(set(found)) < len(found) or not set(found) <= set(REGIONS):
        raise ParameterError(f"region must be one of {', '.join(REGIONS)}, or some joined by +, found {region!r}")
    return found


def joined(region: str) -> str:
    """The one name of a joined region: its parts in the order of `REGIONS`.

    >>> joined("mouth+eyes")
    'eyes+mouth'
    """
    return "+".join(sorted(parts(region), key=REGIONS.index))


def core(landmarks: np.ndarray, region: str, shape: tuple[int, int], regions: np.ndarray | None = None) -> np.ndarray:
    """The region itself `[H, W] bool`, without growth.

    It comes from the region map if there is one, else from polygons of 189 or 68 landmarks, or ellipses of 5.

    Args:
        landmarks: [5, 68 or 189, 2], pixels.
        region: Of `REGIONS`, joined ones too, or "teeth".
        shape: Of the picture; its first two entries count.
        regions: [H, W] uint8, bits of `REGION_BITS`.
    """
    names = (region,) if region == "teeth" else parts(region)
    return np.logical_or.reduce([_core(landmarks, name, shape, regions) for name in names])


def neighbours(
    landmarks: np.ndarray, region: str, shape: tuple[int, int], regions: np.ndarray | None = None
) -> np.ndarray:
    """The other features `[H, W] bool`, which a forgery of `region` should leave alone: its label row says so.

    A forgery of skin or face should also leave alone what lies beyond the jaw, if there are landmarks of the jaw.

    Args:
        landmarks: As for `core`.
        region: As for `core`, without "teeth".
        shape: As for `core`.
        regions: As for `core`.
    """
    names = parts(region)
    spared = set().union(*(_SPARED[name] for name in names))
    others = spared - set(names)
    found = [_core(landmarks, other, shape, regions) for other in sorted(others)]
    if {"skin", "face"} & set(names) and regions is None and len(landmarks) > 5:
        within = _filled([_outline(ibug(landmarks), 0.0)], shape)
        found.append(~within)
    nothing = np.zeros(shape[:2], bool)
    return np.logical_or.reduce([nothing, *found])


def _core(points: np.ndarray, region: str, shape: tuple[int, int], regions: np.ndarray | None) -> np.ndarray:
    """`core` of a single region."""
    if region == "lips" and regions is None:
        whole = _core(points, "mouth", shape, regions)
        teeth = _core(points, "teeth", shape, regions)
        return whole & ~teeth
    if region == "skin":
        features = [_core(points, name, shape, regions) for name in ("eyes", "eyebrows", "nose", "mouth")]
        return _core(points, "face", shape, regions) & ~np.logical_or.reduce(features)
    if regions is not None:
        found = (regions & _BITS[region]) > 0
        if region == "teeth":
            found &= (regions & _BITS["lips"]) == 0
        return found
    outlines = _ovals(points, region) if len(points) == 5 else _polygons(points, region)
    return _filled(outlines, shape)


def _filled(outlines: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """The pixels `[H, W] bool` within any of some outlines `[K, 2]`, whose points count to an eighth of a pixel."""
    mask = np.zeros(shape[:2], np.uint8)
    for outline in outlines:
        cv2.fillPoly(mask, [np.round(outline * 8).astype(np.int32)], 1, shift=3)
    return mask > 0


def _polygons(points: np.ndarray, region: str) -> list[np.ndarray]:
    """Outlines `[K, 2]` of a region by 189 or 68 landmarks."""
    if len(points) == 189 and region in _TEMPLATE:
        return [points[list(part)] for part in _TEMPLATE[region]]
    points = ibug(points)
    match region:
        case "eyes":
            return [points[part] for part in EYES]
        case "eyebrows":
            return [_brow(points[brow], points[eye].mean(0)) for brow, eye in zip(BROWS, EYES, strict=True)]
        case "mouth":
            return [points[LIPS]]
        case "teeth":
            return [points[60:68]]
        case "face":
            return [_outline(points, 0.2)]
        case _:
            return [_nose(points)]


def _brow(edge: np.ndarray, eye: np.ndarray) -> np.ndarray:
    """The outline of a brow: its landmarks lie on the upper edge, the lower edge is nearer to the eye's centre."""
    lower = edge + 0.3 * (eye - edge.mean(0))
    return np.concatenate([edge, lower[::-1]])


def _nose(points: np.ndarray) -> np.ndarray:
    """The outline of the nose by 68 landmarks, which mark its ridge and the line below it."""
    across = (points[35] - points[31]) / 2  # half the width of the nose
    left = [points[27] - 0.35 * across, points[29] - 0.75 * across, points[31] - 0.35 * across]
    below = points[31:36] + 0.12 * (points[33] - points[29])
    right = [points[35] + 0.35 * across, points[29] + 0.75 * across, points[27] + 0.35 * across]
    return np.stack([*left, *below, *right])


def _outline(points: np.ndarray, inward: float) -> np.ndarray:
    """The convex hull `[K, 2]` of 68 landmarks and a little forehead (ours).

    Args:
        points: [68, 2], pixels.
        inward: By which part of its distance the jaw is moved towards the tip of the nose.
    """
    jaw = points[:17] + inward * (points[30] - points[:17])
    above = points[17:27] - (0.06 if inward else 0.2) * (points[8] - points[27])
    return cv2.convexHull(np.concatenate([jaw, above, points[27:]]).astype(np.float32))[:, 0].astype(float)


def _ovals(landmarks: np.ndarray, region: str) -> list[np.ndarray]:
    """Outlines `[32, 2]` of the ellipses of a region, placed by five landmarks."""
    left, right, _, *mouth = five(landmarks)
    centre = (left + right) / 2
    axes = np.stack([(right - left) / 2, np.mean(mouth, axis=0) - centre])
    angle = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    return [(circle * (width, height) + (x, y)) @ axes + centre for x, y, width, height in _ELLIPSES[region]]
