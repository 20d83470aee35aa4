"""Forgeries of a face region: the same region of another face, or an altered copy, blended into a face.

The data set expansion of Zou et al. (2025), whose code is not published: every choice is declared in
`forging.presets`, in the outline of SLADD (Chen et al., CVPR 2022): align by landmarks, mask, match colours, blend.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from semdf.errors import DataError, ParameterError
from semdf.faces.landmarks import span
from semdf.faces.regions import core, joined, neighbours, parts
from semdf.forging.blend import blend
from semdf.forging.colour import match_colour, relight, sharpen, soften
from semdf.forging.masks import soft_mask
from semdf.forging.presets import Options
from semdf.forging.warp import align, jitter, piecewise, warp

__all__ = ["SELF", "Forgery", "Options", "Portrait", "forge", "label_of"]

#: The label of a face that was blended with a copy of itself.
SELF = "self-blended"

_NOT_FACE = 64 | 128  # hair, clothes and accessories in a region map; 0 is background


@dataclass(frozen=True)
class Portrait:
    """An aligned face crop. image: [H, W, 3] uint8; landmarks: [5, 68 or 189, 2] pixels; regions: [H, W] uint8 bits
    (`semdf.faces.crops.REGION_BITS`) or None.
    """

    image: np.ndarray
    landmarks: np.ndarray
    regions: np.ndarray | None = None
    key: str = ""


@dataclass(frozen=True)
class Forgery:
    """image: [H, W, 3] uint8; mask: [H, W] float32 in [0, 1], 0 where nothing was touched; label: name of a row of the
    hierarchy; provenance: what was drawn and used, plain values.
    """

    image: np.ndarray
    mask: np.ndarray
    label: str
    provenance: dict


def label_of(region: str, *, own: bool = False) -> str:
    """The label row of a forged region. own: the donor is the target itself, so that no identity was altered.

    Raises ParameterError for a region of one's own that has no row without identity.
    """
    if not own:
        return joined(region)
    if region == "face":
        return SELF
    if {"eyebrows", "skin", "face"} & set(parts(region)):
        raise ParameterError(f"region should have a label row without identity, as face or eyes. Found {region!r}.")
    return joined(region)


def forge(
    target: Portrait, source: Portrait, region: str, *, seed: int | list[int], options: Options | None = None
) -> Forgery:
    """The target with the region of the source.

    Pixels where the mask is 0 are the target's, bit for bit. A face as its own source is returned as it is if the
    options alter nothing.

    region: one of `semdf.faces.regions.REGIONS`, or several joined by "+". seed: everything random comes from it.
    Raises DataError when the region does not lie in both images, or when a region map is wanted and not there.
    """
    region, label = joined(region), label_of(region, own=target is source)
    options, random = options or Options(), np.random.default_rng(seed)
    drawn, unit = _draw(options, random), span(target.landmarks)
    if region == "lips" and drawn["alignment"] == "region" and min(len(target.landmarks), len(source.landmarks)) > 5:
        drawn["alignment"] = "piecewise"  # lips must fit the teeth that stay
    matrix = _place(source.landmarks, target.landmarks, region, drawn, unit)
    moved = np.asarray(source.landmarks, dtype=float) @ matrix[:, :2].T + matrix[:, 2]
    window = _window(target, moved, region, options, unit)
    place = window[0].start, window[1].start, window[0].stop - window[0].start, window[1].stop - window[1].start
    if drawn["alignment"] == "piecewise":
        moves, moved = piecewise(source.landmarks, target.landmarks, matrix, place), target.landmarks
    else:
        moves = warp(matrix, place)

    corner = (place[1], place[0])
    here = _find(target.landmarks - corner, _cut(target.regions, window), region, place[2:], options.mask)
    far = None if source.regions is None else moves(source.regions, cv2.INTER_NEAREST)
    there = _find(moved - corner, far, region, place[2:], options.mask)
    whole = bool({"skin", "face"} & set(parts(region)))
    inside = here[0] & there[0] if whole else here[0] | there[0]
    outside, valid = here[1] | there[1], moves.inside(source.image.shape[:2])
    soft = soft_mask(inside & valid, outside | ~valid, unit, options.shape, random, region) * valid
    if soft.max(initial=0) < 0.5:
        raise DataError(f"{region} of {target.key or 'the target'}: expected it inside both images. Found no pixel.")

    image = target.image[window].astype(np.float32)
    patch = np.clip(moves(source.image.astype(np.float32)), 0, 255)
    patch = sharpen(soften(patch, drawn["resolution"]), drawn["sharpness"])
    ring = _ring(soft, here[2] | there[2] if whole else inside, unit)
    patch = match_colour(patch, image, soft, ring, 0.5 * unit, drawn["colour"])
    patch = np.clip(relight(patch, unit, drawn["light"], drawn["tint"], drawn["contrast"]), 0, 255)
    soft = soft * np.float32(drawn["opacity"])
    mixed = blend(image, patch, soft, drawn["blend"])
    result, mask = target.image.copy(), np.zeros(target.image.shape[:2], np.float32)
    result[window][soft > 0] = np.clip(np.round(mixed[soft > 0]), 0, 255)
    mask[window] = soft
    drawn |= {"mask": options.mask, "size": round(float(np.sqrt(np.linalg.det(matrix[:, :2]))), 4)}
    names = {"target": target.key, "source": source.key, "region": region, "seed": seed}
    return Forgery(result, mask, label, names | {"operators": drawn})


def _draw(options: Options, random: np.random.Generator) -> dict:
    """The operators of one forgery, plain values in the order in which they are drawn."""
    pick = {name: str(random.choice(getattr(options, name))) for name in ("alignment", "colour", "blend")}
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
    return pick | {name: np.round(value, 4).tolist() for name, value in numbers.items()}


def _place(source: np.ndarray, target: np.ndarray, region: str, drawn: dict, unit: float) -> np.ndarray:
    """The similarity `[2, 3]` that takes the source to its place in the target."""
    if drawn["alignment"] == "none":
        matrix = np.eye(2, 3)
    else:
        matrix = align(source, target, region if drawn["alignment"] == "region" else "")
    still = drawn["scale"] == 1 and drawn["turn"] == 0 and not any(drawn["shift"])
    shift = unit * np.array(drawn["shift"])
    return matrix if still else jitter(matrix, np.mean(target, axis=0), shift, drawn["scale"], drawn["turn"])


def _window(target: Portrait, moved: np.ndarray, region: str, options: Options, unit: float) -> tuple[slice, slice]:
    """Rows and columns of the target that a forgery of the region can touch; moved: the source's landmarks in place."""
    shape = target.image.shape[:2]
    if options.mask == "regions":
        return slice(0, shape[0]), slice(0, shape[1])
    cores = core(target.landmarks, region, shape) | core(moved, region, shape)
    if not cores.any():
        raise DataError(f"{region} of {target.key or 'the target'}: expected it inside both images. Found no pixel.")
    reach = max(options.shape.grow[1], 0) + 3 * (options.shape.feather[1] + options.shape.wobble)
    pad, window = int(np.ceil(unit * reach)) + 4, []
    for axis, side in zip((1, 0), shape, strict=True):
        found = np.flatnonzero(cores.any(axis))
        window.append(slice(max(int(found[0]) - pad, 0), min(int(found[-1]) + 1 + pad, side)))
    return window[0], window[1]


def _cut(regions: np.ndarray | None, window: tuple[slice, slice]) -> np.ndarray | None:
    return None if regions is None else regions[window]


def _find(
    points: np.ndarray, regions: np.ndarray | None, region: str, shape: tuple[int, int], mask: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The region, what it must leave alone, and the features that are no skin: `[h, w] bool` each."""
    if mask == "regions" and regions is None:
        raise DataError(f"{region}: mask 'regions' needs the region maps of target and source. Found none.")
    known = regions if mask == "regions" else None
    outside = neighbours(points, region, shape, known)
    if regions is not None:
        outside |= ((regions & _NOT_FACE) > 0) | (regions == 0)
    return core(points, region, shape, known), outside, core(points, "eyes+eyebrows+mouth", shape, known)


def _ring(mask: np.ndarray, features: np.ndarray, unit: float) -> np.ndarray:
    """Weights of the skin around the features: in the mask, away from them."""
    away = cv2.distanceTransform((~features).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.clip(mask * 2, 0, 1) * np.clip(away / (0.06 * unit), 0, 1)
