"""Periodic noise textures and their sampling inside compiled code."""

import math
from functools import cache

import numpy as np

from people.drawing.compiled import njit

__all__ = ["BLOTCH", "FINE", "LOCK", "STRAND", "clamp", "ramp", "sample", "textures"]

BLOTCH, STRAND, FINE, LOCK = range(4)
SIZE = 512  # pixels


@cache
def textures() -> np.ndarray:
    """The four textures `[4, 512, 512] float32`, zero mean and unit variance, periodic in both directions."""
    return np.stack(
        [
            _noise(1, scales=(1.2, 3, 8, 20, 50), weights=(0.5, 0.7, 1, 1.2, 1.2)),
            _noise(2, scales=(0.6, 1.2, 2.5), weights=(1, 1, 1), stretch=22.0),
            _noise(3, scales=(0.7,), weights=(1,)),
            _noise(4, scales=(3, 9), weights=(1, 1), stretch=9.0),
        ]
    )


def _noise(seed: int, scales: tuple, weights: tuple, stretch: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    across, along = np.fft.fftfreq(SIZE)[None], np.fft.fftfreq(SIZE)[:, None] * stretch
    total = np.zeros((SIZE, SIZE))
    for scale, weight in zip(scales, weights, strict=True):
        spectrum = np.fft.fft2(rng.standard_normal((SIZE, SIZE)))
        spectrum *= np.exp(-2 * np.pi**2 * scale**2 * (across**2 + along**2))
        layer = np.fft.ifft2(spectrum).real
        total += weight * layer / layer.std()
    return (total / total.std()).astype(np.float32)


@njit(cache=True, fastmath=True)
def clamp(x, low, high):
    return low if x < low else (high if x > high else x)


@njit(cache=True, fastmath=True)
def ramp(start, end, x):
    """Smooth step: 0 at `start`, 1 at `end`; falls when `end < start`."""
    t = clamp((x - start) / (end - start), 0.0, 1.0)
    return t * t * (3 - 2 * t)


@njit(cache=True, fastmath=True)
def sample(texture, u, v):
    """Bilinear value of a periodic texture at (u, v), one period per unit."""
    n = texture.shape[0]
    x = (u - math.floor(u)) * n
    y = (v - math.floor(v)) * n
    left, top = int(x), int(y)
    fx, fy = x - left, y - top
    left %= n
    top %= n
    right, bottom = (left + 1) % n, (top + 1) % n
    upper = texture[top, left] * (1 - fx) + texture[top, right] * fx
    lower = texture[bottom, left] * (1 - fx) + texture[bottom, right] * fx
    return upper * (1 - fy) + lower * fy
