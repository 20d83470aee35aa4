"""Blurred rooms and open air behind a person, in linear light."""

from functools import lru_cache

import cv2
import numpy as np

__all__ = ["draw_background"]

GRID = 64


@lru_cache(maxsize=2)
def draw_background(seed: int, size: int) -> np.ndarray:
    """A background `[size, size, 3] float32` in linear light, out of focus."""
    rng = np.random.default_rng(seed)
    draw = [_wall, _room, _room, _outdoors][rng.integers(4)]
    picture = draw(rng).astype(np.float32)
    picture = cv2.resize(picture, (size, size), interpolation=cv2.INTER_CUBIC)
    picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(2.5, 9) * size / 384)
    return np.clip(picture, 0.004, 1.5)


def _muted(rng: np.random.Generator, low: float, high: float, spread: float = 0.12) -> np.ndarray:
    """A colour near grey of random brightness."""
    tint = rng.normal(0, spread) * np.array([1, 0.1, -1]) + rng.normal(0, spread / 3, 3)
    return np.clip(rng.uniform(low, high) * np.exp(tint), 0.01, 1.2)


def _wall(rng: np.random.Generator) -> np.ndarray:
    across = np.linspace(-1, 1, GRID)
    slope = rng.uniform(-0.35, 0.35, 2)
    fall = 1 + slope[0] * across[:, None] + slope[1] * across[None]
    return _muted(rng, 0.06, 0.6)[None, None] * fall[..., None]


def _room(rng: np.random.Generator) -> np.ndarray:
    """A wall with a few upright things: doors, shelves with books, pictures, a window."""
    picture = _wall(rng)
    for _ in range(rng.integers(1, 4)):
        left, top = rng.integers(-8, GRID), rng.integers(-10, GRID // 2)
        width, height = rng.integers(8, 30), rng.integers(16, 70)
        kind = rng.integers(4)
        colour = _muted(rng, 0.5, 1.1, 0.06) if kind == 0 else _muted(rng, 0.03, 0.4)
        cv2.rectangle(picture, (left, top), (left + width, top + height), colour.tolist(), -1)
        if kind == 1:
            for shelf in range(top + 4, top + height, 9):
                for book in range(left + 1, left + width - 1, 2):
                    tall = int(rng.integers(4, 8))
                    cv2.rectangle(picture, (book, shelf + 8 - tall), (book + 1, shelf + 7),
                                  _muted(rng, 0.03, 0.4, 0.35).tolist(), -1)  # fmt: skip
        elif kind == 0:
            frame = _muted(rng, 0.1, 0.5).tolist()
            cv2.line(picture, (left + width // 2, top), (left + width // 2, top + height), frame, 1)
            cv2.rectangle(picture, (left, top), (left + width, top + height), frame, 1)
    return picture


def _outdoors(rng: np.random.Generator) -> np.ndarray:
    """Sky above, foliage or houses below."""
    horizon = int(rng.uniform(0.15, 0.7) * GRID)
    picture = np.ones((GRID, GRID, 3)) * np.array([0.45, 0.6, 0.85]) * rng.uniform(0.5, 1.1)
    picture *= np.linspace(0.8, 1.15, GRID)[:, None, None]
    grain = cv2.GaussianBlur(rng.standard_normal((GRID, GRID)), (0, 0), rng.uniform(1, 3))
    green = np.array([0.10, 0.16, 0.05]) if rng.random() < 0.6 else _muted(rng, 0.05, 0.3)
    ground = green * np.exp(rng.normal(0, 0.3) + 0.5 * grain / grain.std())[..., None]
    edge = horizon + 4 * np.sin(np.linspace(0, rng.uniform(3, 14), GRID) + rng.uniform(0, 6))
    below = np.arange(GRID)[:, None] > edge[None]
    return np.where(below[..., None], ground, picture)
