"""A patch into an image: resolution, colour, seam. All images are `[H, W, 3] float32` in 0 ... 255, RGB."""

from __future__ import annotations

import cv2
import numpy as np

from semdf.errors import ParameterError

__all__ = ["BLENDS", "COLOURS", "alpha", "match_colour", "membrane", "poisson", "soften"]

COLOURS = ("lab", "none")
BLENDS = ("alpha", "poisson")


def soften(patch: np.ndarray, factor: float) -> np.ndarray:
    """The patch at `factor` of its resolution and back, as a generator of lower resolution leaves it; 1:
    unchanged."""
    if not 0 < factor <= 1:
        raise ParameterError(f"a resolution factor lies in (0, 1]. Found {factor}.")
    if factor == 1:
        return patch
    height, width = patch.shape[:2]
    small = cv2.resize(
        patch, (max(round(width * factor), 1), max(round(height * factor), 1)), interpolation=cv2.INTER_AREA
    )
    return np.clip(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), 0, 255)


def match_colour(patch: np.ndarray, image: np.ndarray, ring: np.ndarray, sigma: float) -> np.ndarray:
    """The patch in the colours of the image, CIELAB: local means, and the contrast of the lightness, made
    equal.

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
    near = cv2.GaussianBlur(ring.astype(np.float32), (0, 0), sigma)[..., None]
    faith = near / (near + 0.02)  # far from the ring: the difference of the whole
    scaled = (here - means[0]) * contrast + means[0]
    local = cv2.GaussianBlur((there - scaled) * ring[..., None].astype(np.float32), (0, 0), sigma) / (near + 1e-6)
    shift = faith * local + (1 - faith) * (means[1] - means[0])
    vivid = np.hypot(here[..., 1], here[..., 2]) / max(np.hypot(*means[0][1:]), 1e-3)
    shift[..., 1:] *= np.clip(2 * vivid, 0, 1)[..., None]  # the whites of eyes, teeth and pupils stay grey
    fitted = scaled + shift
    return patch + _to_rgb(fitted) - _to_rgb(here)  # a difference: OpenCV's way to Lab and back is off by half a level


def alpha(image: np.ndarray, patch: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """image (1 - mask) + patch mask, with mask [H, W]."""
    return image + (patch - image) * mask[..., None]


def poisson(image: np.ndarray, patch: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The gradients of the patch with the values of the image at the border of the mask's support.

    Perez, Gangnet and Blake (SIGGRAPH 2003), in the form patch + membrane: the correction is harmonic. The
    outer part of the soft mask still fades, so that the texture changes over a few pixels and not at once
    (ours).
    """
    inside = mask > 0
    inside[[0, -1]] = inside[:, [0, -1]] = False  # the border needs an outside
    fade = np.clip(mask * 2, 0, 1) * inside
    return image + (patch + membrane(image - patch, inside) - image) * fade[..., None]


def membrane(values: np.ndarray, inside: np.ndarray, sweeps: int = 24) -> np.ndarray:
    """The harmonic function on `inside` that continues the values outside.

    values: [H, W, C] float; inside: [H, W] bool, False on the frame. sweeps: of successive over-relaxation
    (Young, 1954), red and black, on each of the grids, the coarse ones first.
    """
    result = np.where(inside[..., None], 0, values).astype(np.float32)
    if not inside.any():
        return result
    if min(inside.shape) >= 16:
        result[inside] = _coarser(result, inside, sweeps)[inside]
    else:
        result[inside] = result[~inside].mean(0)
    parity = np.add.outer(np.arange(inside.shape[0]), np.arange(inside.shape[1])) % 2
    colours = [(inside & (parity == colour)).nonzero() for colour in (0, 1)]
    for _ in range(sweeps):
        for r, c in colours:
            mean = (result[r - 1, c] + result[r + 1, c] + result[r, c - 1] + result[r, c + 1]) / 4
            result[r, c] += 1.5 * (mean - result[r, c])
    return result


def _coarser(values: np.ndarray, inside: np.ndarray, sweeps: int) -> np.ndarray:
    """The membrane on a grid of half the resolution, brought back: where the next finer one starts."""
    height, width = inside.shape
    half = ((width + 1) // 2, (height + 1) // 2)
    known = cv2.resize((~inside).astype(np.float32), half, interpolation=cv2.INTER_AREA)[..., None]
    small = cv2.resize(values, half, interpolation=cv2.INTER_AREA).reshape(known.shape[0], known.shape[1], -1)
    small /= np.maximum(known, 1e-6)
    free = known[..., 0] < 0.5
    free[[0, -1]] = free[:, [0, -1]] = False
    large = cv2.resize(membrane(small, free, sweeps), (width, height), interpolation=cv2.INTER_LINEAR)
    return large.reshape(height, width, -1)


def _to_lab(rgb: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(np.ascontiguousarray(rgb, np.float32) / 255, cv2.COLOR_RGB2LAB)


def _to_rgb(lab: np.ndarray) -> np.ndarray:
    return np.clip(cv2.cvtColor(np.ascontiguousarray(lab, np.float32), cv2.COLOR_LAB2RGB), 0, 1) * 255
