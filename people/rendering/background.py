"""Blurred rooms, streets and gardens behind a person, in linear light."""

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np

__all__ = ["PLACES", "draw_background", "place_of"]

GRID = 160  # pixels that a place is drawn at before it is blurred
PLACES = ("studio", "wall", "bricks", "room", "window", "office", "garden", "street", "night", "beach")
SHARES = (0.14, 0.13, 0.06, 0.16, 0.10, 0.10, 0.13, 0.09, 0.06, 0.03)  # how often each is drawn (ours)


def place_of(seed: int) -> str:
    """Which place a background's seed shows, one of `PLACES`."""
    return str(np.random.default_rng(seed).choice(PLACES, p=SHARES))


@lru_cache(maxsize=2)
def draw_background(seed: int, size: int, blur: float = 1.0) -> np.ndarray:
    """A background `[size, size, 3] float32` in linear light; `blur` 1 is an average depth of field."""
    rng = np.random.default_rng(seed)
    place = str(rng.choice(PLACES, p=SHARES))
    picture = np.clip(PAINTERS[place](rng), 0.003, 6.0).astype(np.float32)
    radius = rng.uniform(2.2, 7.0) * (0.15 + blur) * (0.6 if place in ("studio", "wall") else 1.0)
    picture = _defocus(picture, radius)
    picture = cv2.resize(picture, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture, 0.003, 4.0)


def _defocus(picture: np.ndarray, radius: float) -> np.ndarray:
    """Blur by a disc, as a lens does: bright points become discs."""
    half = int(np.ceil(radius))
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    kernel = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)
    return cv2.filter2D(picture, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT)


def _muted(rng: np.random.Generator, low: float, high: float, spread: float = 0.12) -> np.ndarray:
    """A colour near grey of random brightness."""
    tint = rng.normal(0, spread) * np.array([1, 0.1, -1]) + rng.normal(0, spread / 3, 3)
    return np.clip(rng.uniform(low, high) * np.exp(tint), 0.01, 1.2)


def _grain(rng: np.random.Generator, sigma: float) -> np.ndarray:
    """Smooth noise `[160, 160]` of unit variance, `sigma` pixels wide."""
    grain = cv2.GaussianBlur(rng.standard_normal((GRID, GRID)), (0, 0), sigma)
    return grain / grain.std()


def _box(picture: np.ndarray, left: float, top: float, width: float, height: float, colour: np.ndarray) -> None:
    first = (int(left), int(top))
    second = (int(left + width), int(top + height))
    cv2.rectangle(picture, first, second, np.asarray(colour, float).tolist(), -1)


def _studio(rng: np.random.Generator) -> np.ndarray:
    """A glow on a plain background."""
    y, x = np.mgrid[0:GRID, 0:GRID] / GRID - 0.5
    middle = rng.uniform(-0.2, 0.2, 2)
    glow = np.exp(-((x - middle[0]) ** 2 + (y - middle[1]) ** 2) / rng.uniform(0.1, 0.6))
    colour = _muted(rng, 0.03, 0.6, rng.choice([0.06, 0.35]))
    return colour * (0.55 + rng.uniform(0.2, 1.0) * glow[..., None]) * (1 + 0.03 * _grain(rng, 6)[..., None])


def _wall(rng: np.random.Generator) -> np.ndarray:
    """A wall that is lighter on one side, perhaps with a picture or a corner."""
    across = np.linspace(-1, 1, GRID)
    slope = rng.uniform(-0.4, 0.4, 2)
    fall = 1 + slope[0] * across[:, None] + slope[1] * across[None]
    picture = _muted(rng, 0.08, 0.65, 0.2) * fall[..., None] * (1 + 0.03 * _grain(rng, 3)[..., None])
    if rng.random() < 0.5:
        left = rng.uniform(-20, GRID)
        top = rng.uniform(-10, 60)
        width = rng.uniform(20, 60)
        height = rng.uniform(20, 60)
        _box(picture, left, top, width, height, _muted(rng, 0.04, 0.5, 0.3))
    if rng.random() < 0.3:
        edge = int(rng.uniform(0.1, 0.9) * GRID)
        picture[:, edge:] *= rng.uniform(0.6, 0.9)
    return picture


def _bricks(rng: np.random.Generator) -> np.ndarray:
    """Rows of bricks, every other one shifted by half a brick."""
    mortar = _muted(rng, 0.2, 0.45)
    brick = np.array([0.24, 0.10, 0.065]) * rng.uniform(0.5, 1.6)
    if rng.random() < 0.35:
        brick = _muted(rng, 0.3, 0.6, 0.05)
    picture = np.tile(mortar, (GRID, GRID, 1))
    high = int(rng.integers(9, 15))
    wide = int(rng.integers(22, 34))
    for row, top in enumerate(range(-2, GRID, high)):
        for left in range(-wide // 2 * (row % 2), GRID, wide):
            _box(picture, left + 1, top + 1, wide - 3, high - 3, brick * np.exp(rng.normal(0, 0.16)))
    return picture * (1 + 0.08 * _grain(rng, 1.5)[..., None])


def _room(rng: np.random.Generator) -> np.ndarray:
    """Shelves with books, a door, a plant, a lamp."""
    picture = _wall(rng)
    if rng.random() < 0.55:
        left = rng.uniform(-30, 110)
        width = rng.uniform(40, 90)
        shelf = rng.uniform(20, 30)
        _box(picture, left, -2, width, GRID + 4, _muted(rng, 0.03, 0.25, 0.25))
        for top in np.arange(rng.uniform(-10, 10), GRID, shelf):
            x = left + 2
            while x < left + width - 4:
                wide = rng.uniform(2, 5)
                tall = shelf * rng.uniform(0.55, 0.85)
                _box(picture, x, top + shelf - tall, wide, tall - 2, _muted(rng, 0.02, 0.4, 0.5))
                x += wide + 0.5
    else:
        _box(picture, rng.uniform(-20, 120), rng.uniform(-10, 20), rng.uniform(30, 60), 200, _muted(rng, 0.05, 0.6))
    if rng.random() < 0.5:
        spot = (int(rng.uniform(0, GRID)), int(rng.uniform(5, 70)))
        cv2.circle(picture, spot, int(rng.uniform(5, 14)), (3.2, 2.3, 1.3), -1)
    if rng.random() < 0.5:
        _leaves(picture, rng, rng.uniform(-10, 170), rng.uniform(70, 150), 26)
    return picture


def _leaves(picture: np.ndarray, rng: np.random.Generator, x: float, y: float, count: int) -> None:
    """Draw the leaves of a plant that stands at (x, y)."""
    for _ in range(count):
        angle = rng.uniform(-np.pi, 0)
        reach = rng.uniform(8, 38)
        end = (int(x + reach * np.cos(angle)), int(y + reach * np.sin(angle)))
        colour = np.array([0.05, 0.12, 0.03]) * np.exp(rng.normal(0, 0.5))
        axes = (int(rng.uniform(4, 10)), int(rng.uniform(2, 4)))
        cv2.ellipse(picture, end, axes, np.degrees(angle), 0, 360, colour.tolist(), -1)


def _window(rng: np.random.Generator) -> np.ndarray:
    """A window with a garden outside."""
    picture = _wall(rng) * 0.7
    left = rng.uniform(-30, 90)
    width = rng.uniform(50, 110)
    outside = _garden(rng) * rng.uniform(1.5, 3.0)
    first = int(max(left, 0))
    last = int(min(left + width, GRID))
    low = int(rng.uniform(110, 160))
    picture[:low, first:last] = outside[:low, first:last]
    frame = _muted(rng, 0.2, 0.6, 0.05)
    for x in (left, left + width / 2, left + width):
        _box(picture, x - 2, -2, 4, low + 2, frame)
    _box(picture, left, low - 3, width, 5, frame)
    if rng.random() < 0.5:  # a curtain
        _box(picture, left - 14, -2, 18, GRID, _muted(rng, 0.2, 0.6, 0.15))
    return picture


def _office(rng: np.random.Generator) -> np.ndarray:
    """Lamps under the ceiling, furniture, posts."""
    picture = np.tile(_muted(rng, 0.25, 0.6, 0.05), (GRID, GRID, 1))
    floor = int(rng.uniform(110, 150))
    picture[floor:] = _muted(rng, 0.05, 0.2)
    for _ in range(rng.integers(2, 6)):
        _box(picture, rng.uniform(-20, 150), rng.uniform(0, 40), rng.uniform(20, 40), 3, np.array([2.2, 2.3, 2.4]))
    for _ in range(rng.integers(3, 7)):
        top = rng.uniform(70, 130)
        _box(picture, rng.uniform(-20, 150), top, rng.uniform(10, 34), rng.uniform(10, 30), _muted(rng, 0.02, 0.3, 0.3))
    for x in np.arange(rng.uniform(0, 40), GRID, rng.uniform(30, 60)):
        _box(picture, x, -1, 2, floor, _muted(rng, 0.1, 0.3))
    return picture


def _sky(rng: np.random.Generator) -> np.ndarray:
    """Blue or grey, paler towards the horizon, with clouds."""
    blue = np.array([0.40, 0.58, 0.95]) if rng.random() < 0.6 else _muted(rng, 0.7, 1.0, 0.05)
    fade = np.linspace(0, 1, GRID)[:, None, None]
    picture = blue * (1 - fade) + np.array([0.85, 0.9, 0.95]) * fade
    clouds = np.clip(_grain(rng, 14) + 0.5 * _grain(rng, 6) - 0.4, 0, 1)[..., None]
    return (picture * (1 - 0.6 * clouds) + 0.6 * clouds) * rng.uniform(0.5, 1.05)


def _garden(rng: np.random.Generator) -> np.ndarray:
    """Trees with sky between their leaves, a lawn below."""
    picture = _sky(rng)
    leaf = np.array([0.06, 0.13, 0.03]) * rng.uniform(0.6, 1.6) * np.exp(rng.normal(0, 0.12, 3))
    if rng.random() < 0.2:
        leaf = np.array([0.26, 0.12, 0.03]) * rng.uniform(0.6, 1.3)  # autumn
    dense = _grain(rng, 16) + 0.6 * _grain(rng, 4) + np.linspace(rng.uniform(-1.2, 0.6), 1.6, GRID)[:, None] > 0
    tone = np.exp(0.5 * _grain(rng, 2) + 0.4 * _grain(rng, 8))[..., None]
    picture = np.where(dense[..., None], leaf * tone, picture)
    for _ in range(rng.integers(0, 4)):
        _box(picture, rng.uniform(0, GRID), -2, rng.uniform(3, 9), GRID, np.array([0.05, 0.035, 0.025]))
    lawn = int(rng.uniform(100, 170))
    picture[lawn:] = (np.array([0.10, 0.17, 0.04]) * np.exp(0.2 * _grain(rng, 1.5))[..., None])[lawn:]
    points = rng.integers(0, GRID, (rng.integers(0, 40), 2))
    picture[points[:, 0], points[:, 1]] += rng.uniform(3, 14)
    return picture


def _street(rng: np.random.Generator) -> np.ndarray:
    """Houses with windows under the sky, cars before them."""
    picture = _sky(rng)
    x = -10.0
    while x < GRID:
        width = rng.uniform(24, 60)
        top = rng.uniform(-10, 80)
        wall = _muted(rng, 0.08, 0.5, 0.2)
        _box(picture, x, top, width, GRID, wall)
        for row in np.arange(top + 5, GRID - 30, 14):
            for column in np.arange(x + 4, x + width - 6, 11):
                pane = _muted(rng, 0.02, 0.2, 0.1) if rng.random() < 0.85 else np.array([1.2, 0.9, 0.5])
                _box(picture, column, row, 5, 8, pane)
        x += width
    ground = int(rng.uniform(125, 150))
    picture[ground:] = _muted(rng, 0.08, 0.25, 0.05)
    for _ in range(rng.integers(1, 4)):
        _box(picture, rng.uniform(-20, 150), ground - 12, rng.uniform(25, 50), 14, _muted(rng, 0.02, 0.4, 0.5))
    return picture


def _night(rng: np.random.Generator) -> np.ndarray:
    """Lights of a town, out of focus."""
    picture = np.tile(np.array([0.010, 0.012, 0.022]), (GRID, GRID, 1)) * (1 + 0.2 * _grain(rng, 8)[..., None])
    colours = np.array([[1, 0.75, 0.35], [1, 0.3, 0.15], [0.4, 0.6, 1], [1, 0.95, 0.85], [0.3, 1, 0.5]])
    for _ in range(rng.integers(25, 80)):
        x = int(rng.uniform(0, GRID))
        y = int(np.clip(rng.normal(80, 38), 0, GRID - 1))
        picture[y : y + 2, x : x + 2] += colours[rng.choice(5, p=[0.4, 0.2, 0.15, 0.2, 0.05])] * rng.uniform(4, 26)
    return picture


def _beach(rng: np.random.Generator) -> np.ndarray:
    """Sky, sea and sand."""
    picture = _sky(rng)
    sea = int(rng.uniform(50, 90))
    sand = int(rng.uniform(100, 135))
    picture[sea:sand] = np.array([0.06, 0.22, 0.32]) * rng.uniform(0.6, 1.4)
    picture[sea:sand] *= np.exp(0.12 * _grain(rng, 2))[sea:sand, :, None]
    picture[sand:] = np.array([0.55, 0.44, 0.29]) * rng.uniform(0.6, 1.2)
    return picture


#: Place -> what draws it, `[160, 160, 3]`.
PAINTERS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "studio": _studio,
    "wall": _wall,
    "bricks": _bricks,
    "room": _room,
    "window": _window,
    "office": _office,
    "garden": _garden,
    "street": _street,
    "night": _night,
    "beach": _beach,
}
