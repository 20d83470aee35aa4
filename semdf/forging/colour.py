"""The colours, light and sharpness of a patch, against those of the image that it goes into.

Images are `[H, W, 3] float32` in 0 ... 255, RGB; weights and masks `[H, W] float`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d

from semdf.errors import ParameterError

__all__ = [
    "COLOURS",
    "match_colour",
    "match_histogram",
    "match_local",
    "match_statistics",
    "relight",
    "sharpen",
    "soften",
]

#: Ways to match colours, the values of the option `colour`. "lab": local means around the region (ours). "reinhard":
#: mean and deviation in CIELAB inside the mask. "statistics": the same in RGB. "histogram": the distribution of each
#: channel. "none": the patch as it is.
COLOURS = ("lab", "reinhard", "statistics", "histogram", "none")

#: Colours are left as they are where the weights of the pixels to compare have a smaller sum (ours).
FEWEST = 8


def match_colour(
    patch: np.ndarray, image: np.ndarray, mask: np.ndarray, ring: np.ndarray, sigma: float, kind: str
) -> np.ndarray:
    """The patch in the colours of the image, by one of `COLOURS`.

    Args:
        mask: Where the patch will lie.
        ring: As for `match_local`.
        sigma: As for `match_local`.
        kind: Of `COLOURS`.

    Raises:
        ParameterError: An unknown kind.
    """
    if kind == "lab":
        return match_local(patch, image, ring, sigma)
    if kind == "reinhard":
        here = _to_lab(patch)
        fitted = match_statistics(here, _to_lab(image), mask)
        return patch + _to_rgb(fitted) - _to_rgb(here)
    if kind == "statistics":
        return match_statistics(patch, image, mask)
    if kind == "histogram":
        return match_histogram(patch, image, mask)
    if kind != "none":
        raise ParameterError(f"colour must be one of {', '.join(COLOURS)}, found {kind!r}")
    return patch


def match_statistics(patch: np.ndarray, image: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The patch with the weighted mean and deviation of the image in each channel.

    Reinhard et al. (IEEE CG&A 21(5), 2001), Eqs. 10-11, when the channels are CIELAB. The deviation is changed by a
    factor of 2 at the most (ours).
    """
    total = float(weights.sum())
    if total < FEWEST:
        return patch
    share = (weights / total)[..., None].astype(np.float32)
    own = _moments(patch, share)
    wanted = _moments(image, share)
    factor = (wanted.deviation + 0.5) / (own.deviation + 0.5)
    return (patch - own.mean) * np.clip(factor, 0.5, 2) + wanted.mean


def match_histogram(patch: np.ndarray, image: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The patch with the weighted distribution of the image in each channel, by way of 256 levels.

    Distributions and the change are smoothed over a few levels (ours): exact matching draws contours on even skin.
    """
    if weights.sum() < FEWEST:
        return patch
    result = np.empty_like(patch)
    for channel in range(3):
        plane = patch[..., channel]
        own = _distribution(plane, weights)
        wanted = _distribution(image[..., channel], weights)
        fitted = np.interp(own.below, wanted.below, wanted.levels)
        change = gaussian_filter1d(fitted - own.levels, 6.0)
        result[..., channel] = plane + np.interp(plane, own.levels, change)
    return result


def match_local(patch: np.ndarray, image: np.ndarray, ring: np.ndarray, sigma: float) -> np.ndarray:
    """The patch in the colours of the image, CIELAB: local means, and the contrast of the lightness, made equal.

    The idea of Reinhard et al. (2001); here (ours) the statistics are those of the skin around the region,
    and the means are taken locally, so that a side that lies in the shade stays in the shade.

    Args:
        ring: [H, W] float, weights of the pixels that are compared.
        sigma: Radius of the local means, pixels.
    """
    total = float(ring.sum())
    if total < FEWEST:
        return patch
    here = _to_lab(patch)
    there = _to_lab(image)
    weights = (ring / total)[..., None]
    own = _moments(here, weights)
    wanted = _moments(there, weights)
    factor = (wanted.deviation[0] + 2) / (own.deviation[0] + 2)
    contrast = np.array([np.clip(factor, 0.85, 1.15), 1, 1], np.float32)
    scaled = (here - own.mean) * contrast + own.mean
    near = _smooth(ring.astype(np.float32), sigma)[..., None]
    local = _smooth((there - scaled) * ring[..., None].astype(np.float32), sigma) / (near + 1e-6)
    faith = near / (near + 0.02)  # the local difference counts near the ring, the mean one far from it
    shift = faith * local + (1 - faith) * (wanted.mean - own.mean)
    fitted = scaled + shift * _share(scaled, own.mean)
    return patch + _to_rgb(fitted) - _to_rgb(here)  # a difference: OpenCV's way to Lab and back is off by half a level


class _Moments(NamedTuple):
    """Weighted mean and standard deviation `[3]` of the channels."""

    mean: np.ndarray
    deviation: np.ndarray


def _moments(image: np.ndarray, weights: np.ndarray) -> _Moments:
    """Of an image `[H, W, 3]`, with weights `[H, W, 1]` whose sum is 1."""
    mean = (image * weights).sum((0, 1))
    return _Moments(mean, np.sqrt((((image - mean) ** 2) * weights).sum((0, 1))))


class _Distribution(NamedTuple):
    """The levels of a channel that occur, and the share of the weight that lies at or below each."""

    levels: np.ndarray
    below: np.ndarray


def _distribution(plane: np.ndarray, weights: np.ndarray) -> _Distribution:
    """Of one channel `[H, W]`, smoothed."""
    found = np.clip(np.round(plane), 0, 255).astype(int).ravel()
    mass = gaussian_filter1d(np.bincount(found, weights.ravel(), 256), 4.0)
    occurs = mass > 0
    return _Distribution(np.arange(256)[occurs], (np.cumsum(mass) / mass.sum())[occurs])


def _smooth(array: np.ndarray, sigma: float) -> np.ndarray:
    """A Gaussian blur; wide ones on a coarser grid, where they cost little and look the same."""
    step = max(int(sigma / 4), 1)
    if step == 1:
        return cv2.GaussianBlur(array, (0, 0), sigma)
    height, width = array.shape[:2]
    small = cv2.resize(array, (-(-width // step), -(-height // step)), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(small, (0, 0), sigma / step)
    return cv2.resize(blurred, (width, height), interpolation=cv2.INTER_LINEAR)


def _share(lab: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """How much of the skin's change each pixel takes, `[H, W, 3]` (ours).

    What is darker or greyer than skin takes a smaller part, so that pupils stay dark, and teeth and the whites of eyes
    stay grey, on any skin.

    Args:
        lab: The picture, CIELAB.
        skin: [3], the skin's colour, CIELAB.
    """
    vivid = np.clip(2 * np.hypot(lab[..., 1], lab[..., 2]) / max(np.hypot(*skin[1:]), 1e-3), 0, 1)
    part = np.clip(lab / np.maximum(skin, 1e-3), 0, [1.1, 1.5, 1.5])
    known = np.clip((skin - 2) / 6, 0, 1)  # skin that has hardly any red or yellow says nothing of a pixel's part
    known[0] = 1
    return known * part + (1 - known) * vivid[..., None]


def soften(patch: np.ndarray, factor: float) -> np.ndarray:
    """The patch at `factor` of its resolution and back, as a generator of lower resolution leaves it; 1: unchanged.

    Raises:
        ParameterError: The factor does not lie in (0, 1].
    """
    if not 0 < factor <= 1:
        raise ParameterError(f"factor of the resolution must lie in (0, 1], found {factor}")
    if factor == 1:
        return patch
    height, width = patch.shape[:2]
    size = (max(round(width * factor), 1), max(round(height * factor), 1))
    small = cv2.resize(patch, size, interpolation=cv2.INTER_AREA)
    return np.clip(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), 0, 255)


def sharpen(patch: np.ndarray, amount: float) -> np.ndarray:
    """Unsharp masking with a Gaussian of one pixel; negative amounts blur, 0 changes nothing."""
    if amount == 0:
        return patch
    return patch + amount * (patch - cv2.GaussianBlur(patch, (0, 0), 1.0))


def relight(
    patch: np.ndarray, unit: float, slope: Sequence[float], tint: Sequence[float], contrast: float = 1.0
) -> np.ndarray:
    """The patch in another light: brighter towards one side, in another tint, with another contrast.

    Args:
        unit: The face's span, pixels.
        slope: [2] relative gain along columns and rows over one `unit`, measured from the centre.
        tint: [3] levels that are added.
        contrast: Factor about the patch's mean.
    """
    if not (any(slope) or any(tint) or contrast != 1):
        return patch
    rows, columns = np.mgrid[: patch.shape[0], : patch.shape[1]].astype(np.float32)
    across = (columns - patch.shape[1] / 2) / unit
    down = (rows - patch.shape[0] / 2) / unit
    gain = 1 + slope[0] * np.clip(across, -2, 2) + slope[1] * np.clip(down, -2, 2)
    mean = patch.mean((0, 1))
    lit = ((patch - mean) * contrast + mean) * gain[..., None].astype(np.float32)
    return lit + np.asarray(tint, np.float32)


def _to_lab(rgb: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(np.ascontiguousarray(rgb, np.float32) / 255, cv2.COLOR_RGB2LAB)


def _to_rgb(lab: np.ndarray) -> np.ndarray:
    return np.clip(cv2.cvtColor(np.ascontiguousarray(lab, np.float32), cv2.COLOR_LAB2RGB), 0, 1) * 255
