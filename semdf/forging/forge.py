"""Forgeries of a face region: the same region of another face, or an altered copy, blended into a face.

The data set expansion of Zou et al. (2025), whose code is not published: every choice is declared in
`forging.presets`, in the outline of SLADD (Chen et al., CVPR 2022): align by landmarks, mask, match colours, blend.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np

from semdf.errors import DataError, ParameterError
from semdf.faces.crops import REGION_BITS
from semdf.faces.landmarks import ibug, span
from semdf.faces.regions import core, joined, neighbours, parts
from semdf.forging.blend import blend
from semdf.forging.colour import match_colour, relight, sharpen, soften
from semdf.forging.masks import soft_mask
from semdf.forging.pieces import rebuild
from semdf.forging.presets import NO_TRACE, Options
from semdf.forging.traces import TRACES
from semdf.forging.warp import Warp, Window, align, jitter, piecewise, warp

__all__ = ["SELF", "Forgery", "Options", "Portrait", "forge", "label_of"]

#: The label of a face that was blended with a copy of itself.
SELF = "self-blended"

#: Bits of a region map for what is no face; 0 is background.
_NOT_FACE = REGION_BITS["hair"] | REGION_BITS["other"]


@dataclass(frozen=True)
class Portrait:
    """An aligned face crop.

    Attributes:
        image: [H, W, 3] uint8, sRGB.
        landmarks: [5, 68 or 189, 2], pixels.
        regions: [H, W] uint8, bits of `semdf.faces.crops.REGION_BITS`; None where unknown.
        key: The crop's name, for messages and the provenance.
    """

    image: np.ndarray
    landmarks: np.ndarray
    regions: np.ndarray | None = None
    key: str = ""


@dataclass(frozen=True)
class Forgery:
    """A face of which a region was replaced.

    Attributes:
        image: [H, W, 3] uint8, sRGB.
        mask: [H, W] float32 in [0, 1], 0 where nothing was touched.
        label: Name of a row of the hierarchy.
        provenance: What was drawn and used, plain values.
    """

    image: np.ndarray
    mask: np.ndarray
    label: str
    provenance: dict


class _Area(NamedTuple):
    """Where a region lies in a window: `[h, w] bool` each.

    Attributes:
        region: The region itself.
        spared: What its forgery must leave alone.
        features: Eyes, eyebrows and mouth: what is no skin.
    """

    region: np.ndarray
    spared: np.ndarray
    features: np.ndarray


def label_of(region: str, *, own: bool = False) -> str:
    """The label row of a forged region.

    Args:
        region: As for `forge`.
        own: Whether the donor is the target itself, so that no identity was altered.

    Raises:
        ParameterError: A region of one's own that has no row without identity.
    """
    if not own:
        return joined(region)
    if region == "face":
        return SELF
    if {"eyebrows", "skin", "face"} & set(parts(region)):
        raise ParameterError(f"region must have a label row without identity, as face or eyes, found {region!r}")
    return joined(region)


def forge(
    target: Portrait, source: Portrait, region: str, *, seed: int | list[int], options: Options | None = None
) -> Forgery:
    """The target with the region of the source.

    Pixels where the mask is 0 are the target's, bit for bit. A face as its own source is returned as it is if the
    options alter nothing.

    Args:
        target: The face that is altered.
        source: The face that gives the region; the target itself for a forgery of one's own.
        region: One of `semdf.faces.regions.REGIONS`, or several joined by "+".
        seed: Everything random comes from it.
        options: How the region is replaced; None for the defaults.

    Raises:
        DataError: The region does not lie in both images, or a region map is wanted and not there.
        ParameterError: An unknown region, or one without a label row.
    """
    label = label_of(region, own=target is source)
    region = joined(region)
    options = options or Options()
    random = np.random.default_rng(seed)
    drawn = _draw(options, random)
    unit = span(target.landmarks)
    if region == "lips" and drawn["alignment"] == "region" and min(len(target.landmarks), len(source.landmarks)) > 5:
        drawn["alignment"] = "piecewise"  # lips must fit the teeth that stay

    # place the source
    matrix = _place(source.landmarks, target.landmarks, region, drawn, unit)
    moved = np.asarray(source.landmarks, dtype=float) @ matrix[:, :2].T + matrix[:, 2]
    window = _window(target, moved, region, options, unit)
    share = drawn["opacity"] if options.operator == "morph" else 0.0
    if options.operator == "morph":
        between = ibug(target.landmarks) * (1 - share) + ibug(moved) * share
        moves = piecewise(source.landmarks, between, matrix, window)
        moved = between
    elif drawn["alignment"] == "piecewise":
        moves = piecewise(source.landmarks, target.landmarks, matrix, window)
        moved = target.landmarks
    else:
        moves = warp(matrix, window)

    # mask: skin and face where both faces have them, other regions where one of the faces has them
    near_regions = None if target.regions is None else target.regions[window.slices]
    far_regions = None if source.regions is None else moves(source.regions, cv2.INTER_NEAREST)
    here = _area(target.landmarks - window.corner, near_regions, region, window.shape, options.mask)
    there = _area(moved - window.corner, far_regions, region, window.shape, options.mask)
    if {"skin", "face"} & set(parts(region)):
        inside = here.region & there.region
        features = here.features | there.features
    else:
        inside = here.region | there.region
        features = inside
    valid = moves.inside(source.image.shape[:2])
    outside = here.spared | there.spared | ~valid
    soft = soft_mask(inside & valid, outside, unit, options.shape, random, region) * valid
    if soft.max(initial=0) < 0.5:
        raise _nowhere(region, target)

    # blend
    image = target.image[window.slices].astype(np.float32)
    patch = _patch(source.image, image, moves, soft, _ring(soft, features, unit), unit, drawn)
    if options.operator == "morph":
        own = piecewise(target.landmarks, moved, np.eye(2, 3), window)
        patch = (1 - share) * own(target.image.astype(np.float32)) + share * patch
        drawn["operator"] = "morph"
    elif options.operator == "resynthesise":
        patch = rebuild(image, patch, soft > 0)
        drawn["operator"] = "resynthesise"
    if options.operator != "morph":
        soft = soft * np.float32(drawn["opacity"])
    mixed = blend(image, patch, soft, drawn["blend"])
    touched = soft > 0
    result = target.image.copy()
    result[window.slices][touched] = np.clip(np.round(mixed[touched]), 0, 255)
    mask = np.zeros(target.image.shape[:2], np.float32)
    mask[window.slices] = soft

    drawn["mask"] = options.mask
    drawn["size"] = round(float(np.sqrt(np.linalg.det(matrix[:, :2]))), 4)
    provenance = {"target": target.key, "source": source.key, "region": region, "seed": seed, "operators": drawn}
    return Forgery(result, mask, label, provenance)


def _draw(options: Options, random: np.random.Generator) -> dict[str, Any]:
    """The operators of one forgery, plain values in the order in which they are drawn."""
    drawn: dict[str, Any] = {}
    for name in ("alignment", "colour", "blend"):
        drawn[name] = str(random.choice(getattr(options, name)))
    angle = random.uniform(0, 2 * np.pi)
    steep = options.light * np.sqrt(random.uniform()) * np.array([np.cos(angle), np.sin(angle)])
    numbers = {
        "opacity": random.choice(options.opacity),
        "resolution": random.uniform(*options.resolution),
        "sharpness": random.uniform(*options.sharpness),
        "shift": random.uniform(-options.shift, options.shift, 2),
        "scale": np.exp(random.uniform(-options.scale, options.scale)),
        "turn": random.uniform(-options.turn, options.turn),
        "light": steep,
        "tint": random.uniform(-options.tint, options.tint, 3),
        "contrast": 1 + random.uniform(-options.contrast, options.contrast),
    }
    for name, value in numbers.items():
        drawn[name] = np.round(value, 4).tolist()
    if options.traces:  # drawn last, and only if there are any: forgeries without them keep their numbers
        drawn["trace"] = str(random.choice(options.traces))
        drawn["detail"] = round(random.uniform(*options.detail), 4)
        drawn["pattern"] = int(random.integers(1 << 30))
    return drawn


def _place(source: np.ndarray, target: np.ndarray, region: str, drawn: dict[str, Any], unit: float) -> np.ndarray:
    """The similarity `[2, 3]` that takes the source to its place in the target."""
    if drawn["alignment"] == "none":
        matrix = np.eye(2, 3)
    else:
        matrix = align(source, target, region if drawn["alignment"] in ("region", "rigid") else "")
    if drawn["scale"] == 1 and drawn["turn"] == 0 and not any(drawn["shift"]):
        return matrix
    shift = unit * np.array(drawn["shift"])
    return jitter(matrix, np.mean(target, axis=0), shift, drawn["scale"], drawn["turn"])


def _window(target: Portrait, moved: np.ndarray, region: str, options: Options, unit: float) -> Window:
    """The part of the target that a forgery of the region can touch; moved: the source's landmarks in place."""
    shape = target.image.shape[:2]
    if options.mask == "regions":
        return Window(0, 0, *shape)
    cores = core(target.landmarks, region, shape) | core(moved, region, shape)
    if not cores.any():
        raise _nowhere(region, target)
    _, growth = options.shape.grow
    _, feather = options.shape.feather
    reach = max(growth, 0) + 3 * (feather + options.shape.wobble)
    pad = int(np.ceil(unit * reach)) + 4
    top, bottom = _extent(cores.any(1), pad)
    left, right = _extent(cores.any(0), pad)
    return Window(top, left, bottom - top, right - left)


def _extent(found: np.ndarray, pad: int) -> tuple[int, int]:
    """First index and last index + 1 of what is True, widened by `pad` as far as the array goes."""
    places = np.flatnonzero(found)
    return max(int(places[0]) - pad, 0), min(int(places[-1]) + 1 + pad, len(found))


def _nowhere(region: str, target: Portrait) -> DataError:
    """The error for a region of which no pixel can be replaced.

    Its text is the status of such a forgery in an expanded manifest: another text would change those that exist.
    """
    return DataError(f"{region} of {target.key or 'the target'}: expected it inside both images. Found no pixel.")


def _area(points: np.ndarray, regions: np.ndarray | None, region: str, shape: tuple[int, int], mask: str) -> _Area:
    """Where the region of a face lies, given its landmarks and its region map in the window."""
    if mask == "regions" and regions is None:
        raise DataError(f"{region}: mask 'regions' must have the region maps of target and source, found none")
    known = regions if mask == "regions" else None
    spared = neighbours(points, region, shape, known)
    if regions is not None:
        spared |= ((regions & _NOT_FACE) > 0) | (regions == 0)
    return _Area(core(points, region, shape, known), spared, core(points, "eyes+eyebrows+mouth", shape, known))


def _patch(
    source: np.ndarray,
    image: np.ndarray,
    moves: Warp,
    soft: np.ndarray,
    ring: np.ndarray,
    unit: float,
    drawn: dict[str, Any],
) -> np.ndarray:
    """The source in its place, made coarser or sharper, in the colours of the image, and in another light."""
    patch = np.clip(moves(source.astype(np.float32)), 0, 255)
    patch = soften(patch, drawn["resolution"])
    patch = sharpen(patch, drawn["sharpness"])
    patch = _traced(patch, drawn)
    patch = match_colour(patch, image, soft, ring, 0.5 * unit, drawn["colour"])
    patch = relight(patch, unit, drawn["light"], drawn["tint"], drawn["contrast"])
    return np.clip(patch, 0, 255)


def _traced(patch: np.ndarray, drawn: dict[str, Any]) -> np.ndarray:
    """The patch as a generator leaves it; generators make even numbers of pixels."""
    name = drawn.get("trace", NO_TRACE)
    if name == NO_TRACE:
        return patch
    height, width = patch.shape[:2]
    even = np.pad(patch, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return TRACES[name](even, drawn["detail"], drawn["pattern"])[:height, :width]


def _ring(mask: np.ndarray, features: np.ndarray, unit: float) -> np.ndarray:
    """Weights of the skin around the features: in the mask, away from them."""
    away = cv2.distanceTransform((~features).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.clip(mask * 2, 0, 1) * np.clip(away / (0.06 * unit), 0, 1)
