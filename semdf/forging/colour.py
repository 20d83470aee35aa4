"""The colours, light and sharpness of a patch, against those of the image that it goes into.

Images are `[H, W, 3] float32` in 0 ... 255, RGB; weights and masks `[H, W] float`.
"""

from __future__ import annotations

from collections.abc import Sequence

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

#: "lab": local means around the region (ours); "reinhard": mean and deviation in CIELAB inside the mask;
#: "statistics": the same in RGB; "histogram": each channel's distribution; "none".
COLOURS = ("lab", "reinhard", "statistics", "histogram", "none")


def match_colour(
    patch: np.ndarray, image: np.ndarray, mask: np.ndarray, ring: np.ndarray, sigma: float, kind: str
) -> np.ndarray:
    """The patch in the colours of the image, by one of `COLOURS`.

    mask: where the patch will lie. ring, sigma: of `match_local`.
    """
    if kind == "lab":
        return match_local(patch, image, ring, sigma)
    if kind == "reinhard":
        here, there = _to_lab(patch), _to_lab(image)
        return patch + _to_rgb(match_statistics(here, there, mask)) - _to_rgb(here)
    if kind == "statistics":
        return match_statistics(patch, image, mask)
    if kind == "histogram":
        return match_histogram(patch, image, mask)
    if kind != "none":
        raise ParameterError(f"colour should be one of {', '.join(COLOURS)}. Found {kind!r}.")
    return patch


def match_statistics(patch: np.ndarray, image: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The patch with the weighted mean and deviation of the image in each channel: Reinhard et al. (IEEE CG&A 21(5),
    2001), Eqs. 10-11, when the channels are CIELAB. The deviation is changed by a factor of 2 at the most (ours).
    """
    total = float(weights.sum())
    if total < 8:
        return patch
    share = (weights / total)[..., None].astype(np.float32)
    means = [(x * share).sum((0, 1)) for x in (patch, image)]
    spreads = [np.sqrt((((x - m) ** 2) * share).sum((0, 1))) + 0.5 for x, m in zip((patch, image), means, strict=True)]
    return (patch - means[0]) * np.clip(spreads[1] / spreads[0], 0.5, 2) + means[1]


def match_histogram(patch: np.ndarray, image: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The patch with the weighted distribution of the image in each channel, by way of 256 levels.

    Distributions and the change are smoothed over a few levels (ours): exact matching draws contours on even skin.
    """
    if weights.sum() < 8:
        return patch
    levels, flat = np.arange(256), weights.ravel()
    result = np.empty_like(patch)
    for channel in range(3):
        curves = []  # levels that occur, and how much lies at or below them
        for array in (patch, image):
            found = np.clip(np.round(array[..., channel]), 0, 255).astype(int).ravel()
            mass = gaussian_filter1d(np.bincount(found, flat, 256), 4.0)
            curves.append((levels[mass > 0], (np.cumsum(mass) / mass.sum())[mass > 0]))
        (here, below), (there, share) = curves
        change = gaussian_filter1d(np.interp(below, share, there) - here, 6.0)
        result[..., channel] = patch[..., channel] + np.interp(patch[..., channel], here, change)
    return result


def match_local(patch: np.ndarray, image: np.ndarray, ring: np.ndarray, sigma: float) -> np.ndarray:
    """The patch in the colours of the image, CIELAB: local means, and the contrast of the lightness, made equal.

    The idea of Reinhard et al. (2001); here (ours) the statistics are those of the skin around the region,
    and the means are taken locally, so that a side that lies in the shade stays in the shade.

    ring: [H, W] float, weights of the pixels that are compared. sigma: the radius of the local means, pixels.
    """
    total = float(ring.sum())
    if total < 8:
        return patch
    here, there = _to_lab(patch), _to_lab(image)
    weights = (ring / total)[..., None]
    means = [(lab * weights).sum((0, 1)) for lab in (here, there)]
    spread = [
        np.sqrt((((lab - mean) ** 2) * weights).sum((0, 1)))[0] + 2
        for lab, mean in zip((here, there), means, strict=True)
    ]
    contrast = np.array([np.clip(spread[1] / spread[0], 0.85, 1.15), 1, 1], np.float32)
    near = _smooth(ring.astype(np.float32), sigma)[..., None]
    faith = near / (near + 0.02)  # far from the ring: the difference of the whole
    scaled = (here - means[0]) * contrast + means[0]
    local = _smooth((there - scaled) * ring[..., None].astype(np.float32), sigma) / (near + 1e-6)
    shift = faith * local + (1 - faith) * (means[1] - means[0])
    fitted = scaled + shift * _share(scaled, means[0])
    return patch + _to_rgb(fitted) - _to_rgb(here)  # a difference: OpenCV's way to Lab and back is off by half a level


def _smooth(array: np.ndarray, sigma: float) -> np.ndarray:
    """A Gaussian blur; wide ones on a coarser grid, where they cost little and look the same."""
    step = max(int(sigma / 4), 1)
    if step == 1:
        return cv2.GaussianBlur(array, (0, 0), sigma)
    height, width = array.shape[:2]
    small = cv2.resize(array, (-(-width // step), -(-height // step)), interpolation=cv2.INTER_AREA)
    return cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma / step), (width, height), interpolation=cv2.INTER_LINEAR)


def _share(lab: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """How much of the skin's change each pixel takes, `[H, W, 3]` (ours): what is darker or greyer than skin takes its
    part of it, so that pupils stay dark and the whites of eyes and teeth grey on any skin.
    """
    vivid = np.clip(2 * np.hypot(lab[..., 1], lab[..., 2]) / max(np.hypot(*skin[1:]), 1e-3), 0, 1)
    part = np.clip(lab / np.maximum(skin, 1e-3), 0, [1.1, 1.5, 1.5])
    known = np.clip((skin - 2) / 6, 0, 1)  # skin that has hardly any red or yellow says nothing of a pixel's part
    known[0] = 1
    return known * part + (1 - known) * vivid[..., None]


def soften(patch: np.ndarray, factor: float) -> np.ndarray:
    """The patch at `factor` of its resolution and back, as a generator of lower resolution leaves it; 1: unchanged."""
    if not 0 < factor <= 1:
        raise ParameterError(f"a resolution factor lies in (0, 1]. Found {factor}.")
    if factor == 1:
        return patch
    height, width = patch.shape[:2]
    size = (max(round(width * factor), 1), max(round(height * factor), 1))
    small = cv2.resize(patch, size, interpolation=cv2.INTER_AREA)
    return np.clip(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), 0, 255)


def sharpen(patch: np.ndarray, amount: float) -> np.ndarray:
    """Unsharp masking with a Gaussian of one pixel; negative amounts blur, 0 changes nothing."""
    return patch if amount == 0 else patch + amount * (patch - cv2.GaussianBlur(patch, (0, 0), 1.0))


def relight(
    patch: np.ndarray, unit: float, slope: Sequence[float], tint: Sequence[float], contrast: float = 1.0
) -> np.ndarray:
    """The patch in another light: brighter towards one side, in another tint, with another contrast.

    slope: [2] relative gain along columns and rows over one `unit` (pixels), measured from the centre. tint: [3] levels
    that are added. contrast: factor about the patch's mean.
    """
    if not (any(slope) or any(tint) or contrast != 1):
        return patch
    rows, columns = np.mgrid[: patch.shape[0], : patch.shape[1]].astype(np.float32)
    across = (columns - patch.shape[1] / 2) / unit
    down = (rows - patch.shape[0] / 2) / unit
    gain = 1 + slope[0] * np.clip(across, -2, 2) + slope[1] * np.clip(down, -2, 2)
    mean = patch.mean((0, 1))
    return ((patch - mean) * contrast + mean) * gain[..., None].astype(np.float32) + np.asarray(tint, np.float32)


def _to_lab(rgb: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(np.ascontiguousarray(rgb, np.float32) / 255, cv2.COLOR_RGB2LAB)


def _to_rgb(lab: np.ndarray) -> np.ndarray:
    return np.clip(cv2.cvtColor(np.ascontiguousarray(lab, np.float32), cv2.COLOR_LAB2RGB), 0, 1) * 255
