"""The painted layers of one person's skin: brows, spots, wrinkles, beard, drawn once per identity."""

from functools import cache

import cv2
import numpy as np

from people.body.front import front_map
from people.body.parameters import Brows, Person
from people.drawing.noise import FINE, STRAND, textures

__all__ = [
    "ANGLE",
    "BROW",
    "BROW_REGION",
    "CREASE",
    "HEIGHT",
    "SIZE",
    "SPOT",
    "STUBBLE",
    "TOP",
    "beard_shape",
    "brow_line",
    "paint",
]

#: Places of the layers in what `paint` returns.
BROW, SPOT, CREASE, STUBBLE, BROW_REGION = range(5)
SIZE = 512  # pixels
ANGLE = 1.3  # half width of a layer, radians about the vertical axis
TOP = 1.0  # height of its upper edge, metres
HEIGHT = 0.25  # metres that it spans


def paint(person: Person) -> np.ndarray:
    """Layers `[5, 512, 512] float32` in 0..1 over (angle about the vertical axis, height)."""
    rng = np.random.default_rng(person.seed)
    layers = np.empty((5, SIZE, SIZE), np.float32)
    layers[BROW], layers[BROW_REGION] = _paint_brows(person)
    layers[SPOT] = _paint_spots(person, rng)
    layers[CREASE] = _paint_wrinkles(person, rng)
    layers[STUBBLE] = _paint_stubble(person, rng)
    return layers


def brow_line(brows: Brows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centre line (x, z) and half width of the left brow from the nose outwards: 40 points, metres."""
    t = np.linspace(0, 1, 40)
    x = 0.0120 + brows.spacing + 0.0400 * t
    rise = 0.0038 * np.sin(np.pi * t**1.2) * (0.4 + brows.arch) + 0.0010 * t
    z = 0.9212 + brows.lift + rise - 0.0075 * np.clip(t - 0.6, 0, 1) * (1 + brows.arch)
    return x, z, 0.0046 * np.clip(0.65 + 1.0 * t, 0, 1) * np.clip((1.04 - t) * 1.7, 0, 1)


def _pixels(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Layer coordinates `[..., 2]` in sixteenths of a pixel of points (x, z) on the face's front."""
    x = np.asarray(x, float)
    z = np.asarray(z, float)
    y = front_map().at(front_map().depth, x, z)
    angle = np.arctan2(x, -(y + 0.06))
    u = (angle / ANGLE + 1) * 0.5 * (SIZE - 1)
    v = (TOP - z) / HEIGHT * (SIZE - 1)
    return np.round(np.stack([u, v], -1) * 16).astype(np.int32)


def _line(layer: np.ndarray, x: np.ndarray, z: np.ndarray, value: float, thickness: int = 2) -> None:
    """Draw a line of brightness `value`, 0..255, through points (x, z) of the face's front."""
    cv2.polylines(layer, [_pixels(x, z)], False, float(int(value)), thickness, cv2.LINE_AA, 4)


def _blurred(layer: np.ndarray, sigma: float) -> np.ndarray:
    """A layer of bytes as soft numbers in 0..1."""
    return cv2.GaussianBlur(layer, (0, 0), sigma).astype(np.float32) / 255


def _paint_brows(person: Person) -> tuple[np.ndarray, np.ndarray]:
    """A soft shade under the hairs of the brows, and their region."""
    brows = person.brows
    area = np.zeros((SIZE, SIZE), np.uint8)
    x, z, half = brow_line(brows)
    half = half * brows.thickness * (1.12 - 0.40 * person.gender)
    for side in (1, -1):
        outline = np.concatenate([_pixels(side * x, z + half), _pixels(side * x, z - 0.8 * half)[::-1]])
        cv2.fillPoly(area, [outline], 255, cv2.LINE_AA, 4)
    paint = _blurred(area, 3.2) * np.clip(0.50 * brows.density, 0, 0.8)
    region = cv2.dilate(area, np.ones((7, 5), np.uint8)) > 60
    return paint, region.astype(np.float32)


def _paint_spots(person: Person, rng: np.random.Generator) -> np.ndarray:
    """Moles, freckles on the cheeks, and the spots of old age."""
    layer = np.zeros((SIZE, SIZE), np.uint8)

    def dot(u: float, v: float, radius: float, value: float) -> None:
        centre = (int(u * 16), int(v * 16))
        cv2.circle(layer, centre, int(radius), float(int(value)), -1, cv2.LINE_AA, 4)

    for _ in range(person.moles):
        dot(rng.uniform(90, 420), rng.uniform(60, 470), rng.uniform(12, 34), rng.uniform(60, 200))
    for _ in range(int(420 * min(1.5, person.freckles))):
        u = (rng.normal(0, 0.42) / ANGLE + 1) * 0.5 * (SIZE - 1)
        v = (TOP - 0.870 - rng.normal(0, 0.017)) / HEIGHT * (SIZE - 1)
        dot(u, v, rng.uniform(9, 22), rng.uniform(20, 85))
    for _ in range(int(90 * person.ageing**2)):
        dot(rng.uniform(60, 450), rng.uniform(20, 470), rng.uniform(16, 50), rng.uniform(15, 50))
    return _blurred(layer, 0.9)


def _paint_wrinkles(person: Person, rng: np.random.Generator) -> np.ndarray:
    """Forehead lines, crow's feet, folds beside nose and mouth, bags, lid creases; they deepen with age."""
    old = float(np.clip(person.ageing * person.wrinkles, 0, 1.1))
    young = float(np.clip((person.years - 15) / 12, 0, 1))
    layer = np.zeros((SIZE, SIZE), np.uint8)
    t = np.linspace(-1, 1, 24)
    q = np.linspace(0, 1, 14)
    for k in range(5):
        reach = rng.uniform(0.018, 0.038)
        phase = rng.uniform(0, 6)
        z = 0.9375 + 0.0072 * k + rng.normal(0, 0.001) + 0.002 * np.cos(2 * t) + 0.0012 * np.sin(7 * t + phase)
        _line(layer, t * reach + rng.normal(0, 0.004), z, rng.uniform(60, 165) * min(1.0, 1.15 * old))
    for side in (1, -1):
        for k in range(4):
            angle = -0.55 + 0.4 * k + rng.normal(0, 0.06)
            x = 0.0525 + q * 0.015 * np.cos(angle)
            z = 0.9025 + q * 0.015 * np.sin(angle)
            _line(layer, side * x, z, rng.uniform(60, 165) * min(1.0, 1.3 * old))
        fold = (28 * young + 180 * old) * rng.uniform(0.6, 1)
        _line(layer, side * (0.0185 + 0.0135 * q + 0.003 * np.sin(3 * q)), 0.853 - 0.031 * q**1.2, fold, 3)
        bag = (12 * young + 130 * old) * (0.4 + 0.6 * person.eye_bags)
        _line(layer, side * (0.016 + 0.03 * q), 0.8925 - 0.0065 * np.sin(np.pi * q), bag)
        _line(layer, side * (0.018 + 0.024 * q), 0.887 - 0.007 * np.sin(np.pi * q), 110 * old)
        _line(layer, side * (0.031 + 0.003 * q), 0.818 - 0.02 * q, 140 * old, 3)
        _line(layer, side * (0.0045 + 0.001 * q), 0.916 + 0.012 * q, 120 * old * old)
        lid = 120 * rng.uniform(0.5, 1)
        _line(layer, side * (0.0175 + 0.028 * q), 0.9115 + 0.0035 * np.sin(np.pi * q), lid)
    return _blurred(layer, 1.6)


def _paint_stubble(person: Person, rng: np.random.Generator) -> np.ndarray:
    """Where a beard grows, with an uneven grain."""
    grain = textures()[FINE] * 0.5 + textures()[STRAND] * 0.2
    shift = tuple(rng.integers(0, SIZE, 2))
    grain = np.roll(grain, shift, (0, 1))
    return beard_shape(person.beard_style) * (0.72 + 0.28 * np.clip(0.5 + 0.5 * grain, 0, 1))


@cache
def beard_shape(style: str) -> np.ndarray:
    """Where a beard grows: `[512, 512] float32` in 0..1."""
    angle = np.abs(np.linspace(-1, 1, SIZE) * ANGLE)[None]
    z = (TOP - np.linspace(0, 1, SIZE) * HEIGHT)[:, None]
    edge = 0.838 - 0.012 * np.cos(angle * 2.2) + 0.10 * np.clip(angle - 0.50, 0, 1)
    full = np.clip((edge - z) / 0.014, 0, 1) * np.clip((z - 0.768) / 0.014, 0, 1)
    full = full * np.clip((1.27 - angle) / 0.15, 0, 1)
    moustache = np.exp(-((angle / 0.215) ** 4 + ((z - 0.8455 + 0.03 * angle**2) / 0.0058) ** 2))
    chin = np.exp(-((angle / 0.27) ** 4 + ((z - 0.797) / 0.019) ** 4))
    corner = np.exp(-(((angle - 0.235) / 0.045) ** 2 + ((z - 0.825) / 0.022) ** 4))
    parts = {
        "none": 0 * full,
        "moustache": moustache,
        "goatee": np.maximum(np.maximum(moustache, chin), 0.8 * corner),
        "full": np.maximum(full * (0.8 + 0.2 * chin), moustache),
        "stubble": np.maximum(full * (0.75 + 0.25 * chin), 0.9 * moustache),
    }
    shape = parts[style] * (1 - np.exp(-((angle / 0.27) ** 4 + ((z - 0.829) / 0.0092) ** 4)))
    return np.clip(shape, 0, 1).astype(np.float32)
