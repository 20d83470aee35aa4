"""Forgeries of a local region: the eyes, mouth or nose of another person, blended into a face.

The data set expansion of Zou et al. (2025), whose code is not published: every choice here is ours, in the
outline of SLADD (Chen et al., CVPR 2022): align by landmarks, mask from landmarks, deform, match colours,
blend.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from semdf.blend import BLENDS, COLOURS, alpha, match_colour, poisson, soften
from semdf.errors import DataError, ParameterError
from semdf.landmarks import GROUPS, five, similarity, span
from semdf.masks import REGIONS, Shape, core, neighbours, soft_mask

__all__ = ["Forgery", "Options", "Portrait", "align", "forge"]

_NOT_FACE = 64 | 128  # hair, clothes and accessories in a region map


@dataclass(frozen=True)
class Portrait:
    """An aligned face crop. image: [H, W, 3] uint8; landmarks: [5 or 68, 2] pixels; regions: [H, W] uint8
    bits or None."""

    image: np.ndarray
    landmarks: np.ndarray
    regions: np.ndarray | None = None
    key: str = ""


@dataclass(frozen=True)
class Options:
    """How a region is replaced; all ours.

    alignment: the donor is fitted by the landmarks of the "region" and what is next to it, or by the five of
    the "face".
    colour: "lab" fits the donor's colours to the skin around the region; "none" leaves them.
    blend: "alpha" (feathered) or "poisson" (the donor's gradients, the target's values at the border).
    resolution: the donor's resolution is cut to a factor drawn from this range; (1, 1) leaves it.
    shape: the mask's growth, deformation and feather.
    """

    alignment: str = "region"
    colour: str = "lab"
    blend: str = "alpha"
    resolution: tuple[float, float] = (0.5, 0.8)
    shape: Shape = field(default_factory=Shape)

    def __post_init__(self) -> None:
        for name, known in (("alignment", ("region", "face")), ("colour", COLOURS), ("blend", BLENDS)):
            if getattr(self, name) not in known:
                raise ParameterError(f"{name} should be one of {', '.join(known)}. Found {getattr(self, name)!r}.")
        low, high = self.resolution
        if not 0 < low <= high <= 1:
            raise ParameterError(f"resolution should be a range within (0, 1]. Found {self.resolution}.")


@dataclass(frozen=True)
class Forgery:
    """image: [H, W, 3] uint8; mask: [H, W] float32 in [0, 1], 0 where nothing was touched; label: row of the
    hierarchy;
    provenance: what was drawn and used, plain values."""

    image: np.ndarray
    mask: np.ndarray
    label: str
    provenance: dict


def forge(
    target: Portrait, source: Portrait, region: str, *, seed: int | list[int], options: Options | None = None
) -> Forgery:
    """The target with the region of the source.

    Pixels where the mask is 0 are the target's, bit for bit. A face as its own source is returned as it is if
    `options.resolution` is (1, 1).

    region: "eyes", "mouth" or "nose", which is also the label. seed: everything random comes from it.
    Raises DataError when the region does not lie in both images.
    """
    if region not in REGIONS:
        raise ParameterError(f"region should be one of {', '.join(REGIONS)}. Found {region!r}.")
    options = options or Options()
    random = np.random.default_rng(seed)
    size, unit = target.image.shape[:2], span(target.landmarks)
    matrix = align(source.landmarks, target.landmarks, region if options.alignment == "region" else "")
    moved = np.asarray(source.landmarks, dtype=float) @ matrix[:, :2].T + matrix[:, 2]

    inside = core(target.landmarks, region, size) | core(moved, region, size)
    outside = neighbours(target.landmarks, region, size) | neighbours(moved, region, size)
    outside |= _covered(target.regions, None, size) | _covered(source.regions, matrix, size)
    valid = _warp(np.ones(source.image.shape[:2], np.uint8), matrix, size, cv2.INTER_NEAREST) > 0
    mask = soft_mask(inside & valid, outside | ~valid, unit, options.shape, random) * valid
    if mask.max() < 0.5:
        raise DataError(f"{region} of {target.key or 'the target'}: expected it inside both images. Found no pixel.")

    factor = float(random.uniform(*options.resolution))
    box = _box(mask)
    moved_image = np.clip(_warp(source.image.astype(np.float32), matrix, size, cv2.INTER_CUBIC), 0, 255)
    image, patch, soft = target.image[box].astype(np.float32), soften(moved_image[box], factor), mask[box]
    if options.colour == "lab":
        patch = match_colour(patch, image, _ring(soft, inside[box], unit), 0.5 * unit)
    mixed = (poisson if options.blend == "poisson" else alpha)(image, patch, soft)
    result = target.image.copy()
    result[box][soft > 0] = np.clip(np.round(mixed[soft > 0]), 0, 255)
    return Forgery(result, mask, region, {
        "target": target.key, "source": source.key, "region": region, "alignment": options.alignment,
        "colour": options.colour, "blend": options.blend, "resolution": round(factor, 4),
        "scale": round(float(np.sqrt(np.linalg.det(matrix[:, :2]))), 4), "seed": seed,
    })  # fmt: skip


def align(source: np.ndarray, target: np.ndarray, region: str = "") -> np.ndarray:
    """The similarity `[2, 3]` that takes the source's landmarks to the target's: those of a region, or the
    five."""
    if region and len(source) == len(target) == 68:
        points = list(GROUPS[region])
        return similarity(source[points], target[points])
    return similarity(five(source), five(target))


def _warp(array: np.ndarray, matrix: np.ndarray, size: tuple[int, int], how: int) -> np.ndarray:
    return cv2.warpAffine(array, matrix, size[::-1], flags=how, borderMode=cv2.BORDER_CONSTANT)


def _covered(regions: np.ndarray | None, matrix: np.ndarray | None, size: tuple[int, int]) -> np.ndarray:
    """Pixels that a region map gives to hair or clothes, `[H, W] bool`."""
    if regions is None:
        return np.zeros(size, bool)
    cover = ((regions & _NOT_FACE) > 0).astype(np.uint8)
    return (cover if matrix is None else _warp(cover, matrix, size, cv2.INTER_NEAREST)) > 0


def _box(mask: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns that hold the support of the mask, and two more on each side."""
    rows, columns = np.nonzero(mask)
    return tuple(slice(max(int(x.min()) - 2, 0), int(x.max()) + 3) for x in (rows, columns))


def _ring(mask: np.ndarray, inside: np.ndarray, unit: float) -> np.ndarray:
    """Weights of the skin around the features: in the mask, away from what it replaces."""
    away = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.clip(mask * 2, 0, 1) * np.clip(away / (0.06 * unit), 0, 1)
