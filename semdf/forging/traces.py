"""What generators leave in a picture: lost detail, upsampling patterns, latent grids, warps.

A trace takes a picture `[H, W, 3]` (0..255), a `detail` (resolution that survives, 0..1) and a seed of the generator's
fixed patterns; it returns `[H, W, 3] float32`. Some ignore `detail` or the seed. All strengths are ours.
"""

from collections.abc import Callable

import cv2
import numpy as np

__all__ = ["TRACES", "Trace"]


def _scale(image: np.ndarray, detail: float, interpolation: int) -> np.ndarray:
    """A picture made smaller and large again."""
    size = image.shape[1::-1]
    small = cv2.resize(image, None, fx=detail, fy=detail, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, size, interpolation=interpolation).astype(np.float32)


def _soften(image: np.ndarray, detail: float, _seed: int) -> np.ndarray:
    """An autoencoder's low resolution."""
    return _scale(image, detail, cv2.INTER_LINEAR)


def _resample_sharply(image: np.ndarray, detail: float, _seed: int) -> np.ndarray:
    """A texture of few pixels, sampled by a graphics pipeline."""
    return np.clip(_scale(image, detail, cv2.INTER_CUBIC), 0, 255)


def _resample_well(image: np.ndarray, detail: float, _seed: int) -> np.ndarray:
    """An autoencoder of high resolution."""
    return np.clip(_scale(image, detail, cv2.INTER_LANCZOS4), 0, 255)


def _transpose(image: np.ndarray, _detail: float, seed: int, spread: float = 0.15) -> np.ndarray:
    """Halve and upsample by a transposed convolution whose kernel overlaps unevenly (Odena et al. 2016)."""
    rng = np.random.default_rng((seed, 1))
    kernel = (np.outer([1, 2, 1], [1, 2, 1]) * rng.uniform(1 - spread, 1 + spread, (3, 3))).astype(np.float32)
    height, width = image.shape[:2]
    sparse = np.zeros((height, width, 3), np.float32)
    sparse[::2, ::2] = cv2.resize(image, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    ones = np.zeros((height, width), np.float32)
    ones[::2, ::2] = 1
    gain = cv2.filter2D(ones, -1, kernel).mean()
    return np.clip(cv2.filter2D(sparse, -1, kernel) / gain, 0, 255)


def _shuffle(image: np.ndarray, detail: float, seed: int, spread: float = 0.02) -> np.ndarray:
    """Pixel shuffle (Shi et al. 2016): each of four phases has its own small gain and offset."""
    rng = np.random.default_rng((seed, 2))
    out = _scale(image, detail, cv2.INTER_LANCZOS4)
    for row in range(2):
        for column in range(2):
            gain = rng.uniform(1 - spread, 1 + spread, 3).astype(np.float32)
            offset = np.float32(rng.uniform(-1.5, 1.5))
            out[row::2, column::2] = out[row::2, column::2] * gain + offset
    return np.clip(out, 0, 255)


def _style(image: np.ndarray, detail: float, seed: int, noise: float = 2.2) -> np.ndarray:
    """A style-based generator: inversion loses texture, fixed noise replaces it, upsampling adds a weak lattice."""
    rng = np.random.default_rng((seed, 3))
    smooth = _scale(image, detail, cv2.INTER_CUBIC)
    height, width = image.shape[:2]
    fixed = cv2.resize(rng.standard_normal((height // 2, width // 2, 1), np.float32), (width, height))
    fixed = fixed + 0.6 * rng.standard_normal((height, width), np.float32)
    lattice = np.float32(0.006) * np.where((np.indices((height, width)).sum(0) % 2) == 0, 1, -1)
    return np.clip(smooth * (1 + lattice[..., None]) + noise * fixed[..., None], 0, 255).astype(np.float32)


def _cosines(size: int = 8) -> np.ndarray:
    """The orthonormal DCT-II matrix `[size, size]`."""
    k, n = np.indices((size, size))
    matrix = np.cos(np.pi * (2 * n + 1) * k / (2 * size)) * np.sqrt(2 / size)
    matrix[0] /= np.sqrt(2)
    return matrix.astype(np.float32)


def _latent(image: np.ndarray, detail: float, seed: int, step: float = 9.0) -> np.ndarray:
    """A latent autoencoder: every 8 x 8 patch keeps few coefficients, coarsely, on a grid of its own.

    `detail` is the share of the 8 frequencies along each side that survives.
    """
    rng = np.random.default_rng((seed, 4))
    shift = rng.integers(2, 7, 2)
    basis = _cosines()
    height, width = image.shape[:2]
    padded = np.pad(image.astype(np.float32), ((shift[0], 8), (shift[1], 8), (0, 0)), mode="edge")
    rows = padded.shape[0] // 8 * 8
    columns = padded.shape[1] // 8 * 8
    blocks = padded[:rows, :columns].reshape(rows // 8, 8, columns // 8, 8, 3).transpose(0, 2, 4, 1, 3)
    values = basis @ blocks @ basis.T
    radius = np.hypot(*np.indices((8, 8))).astype(np.float32)
    keep = 1 / (1 + np.exp(2.0 * (radius - 8 * detail)))
    gain = keep * rng.uniform(0.9, 1.1, (8, 8)).astype(np.float32)
    gain[0, 0] = 1
    table = np.float32(step) * (0.3 + radius / 8)
    values = np.round(values / table) * table * gain
    blocks = (basis.T @ values.astype(np.float32) @ basis).transpose(0, 3, 1, 4, 2)
    out = padded.copy()
    out[:rows, :columns] = blocks.reshape(rows, columns, 3)
    out = out[shift[0] : shift[0] + height, shift[1] : shift[1] + width]
    return np.clip(out, 0, 255)


def _denoise(image: np.ndarray, detail: float, seed: int) -> np.ndarray:
    """A diffusion model: smooth surfaces between kept edges, then its autoencoder's grid."""
    smooth = cv2.bilateralFilter(np.ascontiguousarray(image, np.float32), 7, 18.0, 2.0)
    picture = 0.5 * smooth + 0.5 * cv2.bilateralFilter(smooth, 7, 12.0, 2.5)
    edges = picture - cv2.GaussianBlur(picture, (0, 0), 1.0)
    return _latent(np.clip(picture + 0.45 * edges, 0, 255), detail, seed)


def _pixels(image: np.ndarray, detail: float, _seed: int) -> np.ndarray:
    """A diffusion model on small pixels with a super-resolution stage: smooth, then too sharp at edges."""
    smooth = cv2.bilateralFilter(np.ascontiguousarray(image, np.float32), 5, 14.0, 1.5)
    picture = _scale(smooth, detail, cv2.INTER_CUBIC)
    return np.clip(picture + 0.8 * (picture - cv2.GaussianBlur(picture, (0, 0), 1.2)), 0, 255)


def _warp(image: np.ndarray, detail: float, seed: int, reach: float = 1.6) -> np.ndarray:
    """Motion transfer: features move along a smooth field and are interpolated twice; nothing moves in the end."""
    rng = np.random.default_rng((seed, 5))
    height, width = image.shape[:2]
    field = cv2.resize(rng.standard_normal((5, 5, 2), np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    y, x = np.indices((height, width)).astype(np.float32)
    moved: np.ndarray = image.astype(np.float32)
    for way in (reach, -reach):
        across = x + way * field[..., 0]
        down = y + way * field[..., 1]
        moved = cv2.remap(moved, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    hidden = np.clip(np.abs(field).max(-1) - 0.9, 0, 1)[..., None]  # far moves uncover what was never seen
    fine = _scale(moved, detail, cv2.INTER_LINEAR)
    coarse = _scale(moved, 0.5 * detail, cv2.INTER_LINEAR)
    return fine + hidden * (coarse - fine)


#: Picture, detail, seed -> picture.
Trace = Callable[[np.ndarray, float, int], np.ndarray]
TRACES: dict[str, Trace] = {
    "soft": _soften,
    "sharp": _resample_sharply,
    "fine": _resample_well,
    "transposed": _transpose,
    "shuffled": _shuffle,
    "style": _style,
    "latent": _latent,
    "denoised": _denoise,
    "pixels": _pixels,
    "warped": _warp,
}
