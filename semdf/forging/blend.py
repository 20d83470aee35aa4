"""A patch into an image. Images are `[H, W, 3]` in 0 ... 255, masks `[H, W] float32` in [0, 1]; results are float32.

`bands` and `cloned` also join the forgeries of the rendered data to their targets.
"""

from __future__ import annotations

import cv2
import numpy as np

from semdf.errors import ParameterError

__all__ = ["BLENDS", "alpha", "bands", "blend", "cloned", "laplacian", "membrane", "poisson"]

#: Ways to blend, the values of the option `blend`: the names of functions of this module.
BLENDS = ("alpha", "poisson", "laplacian", "bands", "cloned")

#: Differences at the border are clipped to the range of their middle three fifths, widened by so many levels (ours).
SLACK = 10.0


def blend(image: np.ndarray, patch: np.ndarray, mask: np.ndarray, kind: str) -> np.ndarray:
    """The patch in the image, by one of `BLENDS`; where the mask is 0 the image stays.

    Raises:
        ParameterError: An unknown kind.
    """
    if kind not in BLENDS:
        raise ParameterError(f"blend must be one of {', '.join(BLENDS)}, found {kind!r}")
    kinds = {"alpha": alpha, "poisson": poisson, "laplacian": laplacian, "bands": bands, "cloned": cloned}
    return kinds[kind](image, patch, mask)


def alpha(image: np.ndarray, patch: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The weighted mean `image (1 - mask) + patch mask`."""
    patch = patch.astype(np.result_type(patch, np.float32), copy=False)  # differences of bytes would wrap around
    return image + (patch - image) * mask[..., None]


def poisson(image: np.ndarray, patch: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The gradients of the patch with the values of the image at the border of the mask's support.

    Perez, Gangnet and Blake (SIGGRAPH 2003), in the form patch + membrane: the correction is harmonic. Two changes are
    ours. The outer part of the soft mask still fades, so that the texture changes over a few pixels and not at once.
    Differences at the border are clipped, see `SLACK`: they are extreme where the border leaves the face.
    """
    inside = mask > 0
    inside[[0, -1]] = inside[:, [0, -1]] = False  # the border needs an outside
    if not inside.any():
        return image
    border = (cv2.dilate(inside.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~inside
    difference = image - patch
    low, high = np.percentile(difference[border], [20, 80], axis=0)
    difference = np.clip(difference, low - SLACK, high + SLACK)
    fade = np.clip(mask * 2, 0, 1) * inside
    return image + (patch + membrane(difference, inside, sweeps=10) - image) * fade[..., None]


def laplacian(image: np.ndarray, patch: np.ndarray, mask: np.ndarray, levels: int = 4) -> np.ndarray:
    """Each octave is blended over a border of its own width: Burt and Adelson (ACM TOG 2(4), 1983).

    What coarse octaves spread beyond the mask is faded out, so that its outside stays (ours).
    """
    depth = min(levels, max(int(np.log2(min(mask.shape) / 4)), 0))
    change = patch - image
    bands = []
    weight: np.ndarray = mask[..., None].astype(np.float32)
    for _ in range(depth):
        size = change.shape[1::-1]
        low = cv2.pyrDown(change)
        bands.append((change - cv2.pyrUp(low, dstsize=size)) * weight)
        change = low
        weight = cv2.pyrDown(weight)[..., None]
    mixed = change * weight
    for band in reversed(bands):
        mixed = cv2.pyrUp(mixed, dstsize=band.shape[1::-1]) + band
    return image + mixed * np.clip(mask * 4, 0, 1)[..., None]


def bands(image: np.ndarray, patch: np.ndarray, mask: np.ndarray, levels: int = 3) -> np.ndarray:
    """Fine detail is cut sharply, coarse colour softly: Burt and Adelson (1983) on Gaussians of one resolution."""
    weight = mask[..., None]
    difference = patch.astype(np.float32) - image
    blended = np.zeros_like(difference)
    for level in range(levels):
        coarse = cv2.GaussianBlur(difference, (0, 0), 2.0**level)
        band = difference - coarse
        blended += band * weight
        difference = coarse
        weight = cv2.GaussianBlur(weight, (0, 0), 2.0**level)[..., None]
    reach = cv2.dilate(mask, np.ones((15, 15), np.uint8))[..., None] > 0.05
    return image + (blended + difference * weight) * reach


def cloned(image: np.ndarray, patch: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """OpenCV's seamless cloning (Perez et al., 2003) where the mask exceeds one half; small masks blend by alpha."""
    inside = (mask > 0.5).astype(np.uint8)
    inside[[0, -1]] = 0
    inside[:, [0, -1]] = 0
    if inside.sum() < 64:
        return alpha(image, patch, mask)
    rows = np.flatnonzero(inside.any(1))
    columns = np.flatnonzero(inside.any(0))
    centre = (int(columns[0] + columns[-1] + 1) // 2, int(rows[0] + rows[-1] + 1) // 2)
    source = np.clip(patch + 0.5, 0, 255).astype(np.uint8)
    target = image if image.dtype == np.uint8 else np.clip(image + 0.5, 0, 255).astype(np.uint8)
    mixed = cv2.seamlessClone(source, target, inside * 255, centre, cv2.NORMAL_CLONE)
    within = cv2.erode(inside, np.ones((3, 3), np.uint8)).astype(np.float32)
    return alpha(image, mixed, cv2.GaussianBlur(within, (0, 0), 0.8))


def membrane(values: np.ndarray, inside: np.ndarray, sweeps: int = 24) -> np.ndarray:
    """The harmonic function on `inside` that continues the values outside.

    It is found by successive over-relaxation (Young, 1954) on grids of doubling resolution, the coarsest first. Pixels
    of the two colours of a chessboard take turns.

    Args:
        values: [H, W, C] float.
        inside: [H, W] bool, False on the frame.
        sweeps: How often all pixels are updated on each of the grids.
    """
    result = np.where(inside[..., None], 0, values).astype(np.float32)
    if not inside.any():
        return result
    if min(inside.shape) >= 16:
        result[inside] = _coarser(result, inside, sweeps)[inside]
    else:
        result[inside] = result[~inside].mean(0)
    parity = np.add.outer(np.arange(inside.shape[0]), np.arange(inside.shape[1])) % 2
    chessboard = [(inside & (parity == colour)).nonzero() for colour in (0, 1)]
    for _ in range(sweeps):
        for r, c in chessboard:
            mean = (result[r - 1, c] + result[r + 1, c] + result[r, c - 1] + result[r, c + 1]) / 4
            result[r, c] += 1.5 * (mean - result[r, c])
    return result


def _coarser(values: np.ndarray, inside: np.ndarray, sweeps: int) -> np.ndarray:
    """The membrane on a grid of half the resolution, brought back: where the next finer one starts."""
    height, width = inside.shape
    half = ((width + 1) // 2, (height + 1) // 2)
    known = cv2.resize((~inside).astype(np.float32), half, interpolation=cv2.INTER_AREA)[..., None]
    small: np.ndarray = cv2.resize(values, half, interpolation=cv2.INTER_AREA)
    small = small.reshape(known.shape[0], known.shape[1], -1)
    small /= np.maximum(known, 1e-6)
    free = known[..., 0] < 0.5
    free[[0, -1]] = free[:, [0, -1]] = False
    large = cv2.resize(membrane(small, free, sweeps), (width, height), interpolation=cv2.INTER_LINEAR)
    return large.reshape(height, width, -1)
