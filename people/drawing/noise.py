"""Periodic noise textures and their sampling inside compiled code."""

import math
from functools import cache

import numpy as np

from people.drawing.compiled import compiled

__all__ = ["BLOTCH", "FINE", "LOCK", "STRAND", "clamp", "ramp", "sample", "textures"]

#: Places of the textures in the array of `textures`.
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


def _noise(seed: int, scales: tuple[float, ...], weights: tuple[float, ...], stretch: float = 1.0) -> np.ndarray:
    """A weighted sum of smooth noises; `scales` are their widths in pixels, `stretch` how much longer they are."""
    rng = np.random.default_rng(seed)
    across = np.fft.fftfreq(SIZE)[None]
    along = np.fft.fftfreq(SIZE)[:, None] * stretch
    total = np.zeros((SIZE, SIZE))
    for scale, weight in zip(scales, weights, strict=True):
        spectrum = np.fft.fft2(rng.standard_normal((SIZE, SIZE)))
        spectrum *= np.exp(-2 * np.pi**2 * scale**2 * (across**2 + along**2))
        layer = np.fft.ifft2(spectrum).real
        total += weight * layer / layer.std()
    return (total / total.std()).astype(np.float32)


@compiled
def clamp(x: float, low: float, high: float) -> float:
    """The number nearest to `x` between `low` and `high`."""
    return low if x < low else (high if x > high else x)


@compiled
def ramp(start: float, end: float, x: float) -> float:
    """Smooth step: 0 at `start`, 1 at `end`; falls when `end < start`."""
    t = clamp((x - start) / (end - start), 0.0, 1.0)
    return t * t * (3 - 2 * t)


@compiled
def sample(texture: np.ndarray, u: float, v: float) -> float:
    """Bilinear value of a periodic texture `[N, N]` at (u, v), one period per unit."""
    n = texture.shape[0]
    x = (u - math.floor(u)) * n
    y = (v - math.floor(v)) * n
    left = int(x)
    top = int(y)
    fx = x - left
    fy = y - top
    left %= n
    top %= n
    right = (left + 1) % n
    bottom = (top + 1) % n
    upper = texture[top, left] * (1 - fx) + texture[top, right] * fx
    lower = texture[bottom, left] * (1 - fx) + texture[bottom, right] * fx
    return upper * (1 - fy) + lower * fy
