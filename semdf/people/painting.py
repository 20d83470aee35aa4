"""The painted layers of one person's skin: brows, spots, wrinkles, beard, drawn once per identity."""

from functools import cache

import cv2
import numpy as np

from semdf.people.front import front_map
from semdf.people.noise import FINE, STRAND, textures
from semdf.people.parameters import Brows, Person

__all__ = ["ANGLE", "BROW", "BROW_REGION", "CREASE", "HEIGHT", "SPOT", "STUBBLE", "brow_line", "paint"]

BROW, SPOT, CREASE, STUBBLE, BROW_REGION = range(5)
SIZE = 512
ANGLE, TOP, HEIGHT = 1.3, 1.0, 0.25  # half width in radians about the vertical axis; metres


def paint(person: Person) -> np.ndarray:
    """Layers `[5, 512, 512] float32` in 0..1 over (angle about the vertical axis, height)."""
    rng = np.random.default_rng(person.seed)
    layers = np.empty((5, SIZE, SIZE), np.float32)
    layers[BROW], layers[BROW_REGION] = _paint_brows(person, rng)
    layers[SPOT] = _paint_spots(person, rng)
    layers[CREASE] = _paint_wrinkles(person, rng)
    layers[STUBBLE] = _paint_stubble(rng)
    return layers


def brow_line(brows: Brows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centre line (x, z) and half width of the left brow from the nose outwards: 40 points, metres."""
    t = np.linspace(0, 1, 40)
    x = 0.0115 + brows.spacing + 0.0395 * t
    rise = 0.0035 * np.sin(np.pi * t**1.3) * (0.5 + brows.arch) + 0.0035 * t
    z = 0.9195 + brows.lift + rise - 0.006 * np.clip(t - 0.62, 0, 1) * (1 + brows.arch)
    return x, z, 0.0048 * np.clip(0.55 + 1.2 * t, 0, 1) * np.clip((1.04 - t) * 1.7, 0, 1)


def _pixels(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Layer coordinates `[..., 2]` in sixteenths of a pixel of points (x, z) on the face's front."""
    x, z = np.asarray(x, float), np.asarray(z, float)
    y = front_map().at(front_map().depth, x, z)
    angle = np.arctan2(x, -(y + 0.06))
    u, v = (angle / ANGLE + 1) * 0.5 * (SIZE - 1), (TOP - z) / HEIGHT * (SIZE - 1)
    return np.round(np.stack([u, v], -1) * 16).astype(np.int32)


def _line(layer: np.ndarray, x: np.ndarray, z: np.ndarray, value: float, thickness: int = 2) -> None:
    cv2.polylines(layer, [_pixels(x, z)], False, float(int(value)), thickness, cv2.LINE_AA, 4)


def _blurred(layer: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(layer, (0, 0), sigma).astype(np.float32) / 255


def _paint_brows(person: Person, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    hairs, area = np.zeros((SIZE, SIZE), np.uint8), np.zeros((SIZE, SIZE), np.uint8)
    brows = person.brows
    thickness = brows.thickness * (1.15 - 0.45 * person.gender)
    x, z, half = brow_line(brows)
    half = half * thickness
    count = int(190 * brows.density * thickness)
    for side in (1, -1):
        outline = np.concatenate([_pixels(side * x, z + half), _pixels(side * x, z - 0.75 * half)[::-1]])
        cv2.fillPoly(area, [outline], 255, cv2.LINE_AA, 4)
        t = rng.random(count)
        i = (t * 39).astype(int)
        offset = rng.uniform(-0.75, 1, count) * half[i]
        length = rng.uniform(0.004, 0.0075, count)
        angle = 1.15 - 1.25 * t + rng.normal(0, 0.18, count) - np.where(offset > 0, 0.55, -0.1) * t
        along = np.linspace(0, 1, 3)[None]
        strokes = _pixels(
            side * (x[i][:, None] + along * (length * np.cos(angle))[:, None]),
            (z[i] + offset)[:, None] + along * (length * np.sin(angle) * 0.8)[:, None],
        )
        for k, value in enumerate(rng.uniform(120, 235, 4)):
            cv2.polylines(hairs, list(strokes[k::4]), False, float(value), 1, cv2.LINE_AA, 4)
    paint = np.clip(_blurred(hairs, 0.7) * 1.25 + 0.33 * _blurred(area, 3.0) * brows.density, 0, 0.95)
    region = cv2.dilate(area, np.ones((7, 5), np.uint8)) > 60
    return paint * (0.75 + 0.25 * (1 - person.gender)), region.astype(np.float32)


def _paint_spots(person: Person, rng: np.random.Generator) -> np.ndarray:
    """Moles, freckles on the cheeks, and the spots of old age."""
    layer = np.zeros((SIZE, SIZE), np.uint8)

    def dot(u: float, v: float, radius: float, value: float) -> None:
        centre = (int(u * 16), int(v * 16))
        cv2.circle(layer, centre, int(radius), float(int(value)), -1, cv2.LINE_AA, 4)

    for _ in range(rng.poisson(3 + 9 * max(0, person.age - 0.7))):
        dot(rng.uniform(90, 420), rng.uniform(60, 470), rng.uniform(16, 44), rng.uniform(60, 200))
    for _ in range(int(300 * min(1, person.freckles))):
        u = (rng.normal(0, 0.38) / ANGLE + 1) * 0.5 * (SIZE - 1)
        v = (TOP - 0.868 - rng.normal(0, 0.014)) / HEIGHT * (SIZE - 1)
        dot(u, v, rng.uniform(10, 22), rng.uniform(25, 80))
    for _ in range(int(200 * max(0, person.age - 0.8))):
        dot(rng.uniform(60, 450), rng.uniform(20, 470), rng.uniform(16, 50), rng.uniform(15, 60))
    return _blurred(layer, 0.9)


def _paint_wrinkles(person: Person, rng: np.random.Generator) -> np.ndarray:
    """Forehead lines, crow's feet, folds beside nose and mouth, bags, lid creases; they deepen with age."""
    old = float(np.clip((person.age - 0.55) / 0.42, 0, 1))
    layer = np.zeros((SIZE, SIZE), np.uint8)
    t, q = np.linspace(-1, 1, 24), np.linspace(0, 1, 14)
    for k in range(5):
        reach, phase = rng.uniform(0.02, 0.04), rng.uniform(0, 6)
        z = 0.938 + 0.0068 * k + rng.normal(0, 0.001) + 0.002 * np.cos(2 * t) + 0.0012 * np.sin(9 * t + phase)
        _line(layer, t * reach + rng.normal(0, 0.004), z, rng.uniform(80, 200) * old)
    for side in (1, -1):
        for k in range(4):
            angle = -0.55 + 0.4 * k + rng.normal(0, 0.06)
            x, z = 0.0525 + q * 0.014 * np.cos(angle), 0.9025 + q * 0.014 * np.sin(angle)
            _line(layer, side * x, z, rng.uniform(70, 170) * old)
        fold = (45 + 165 * old) * rng.uniform(0.5, 1)
        _line(layer, side * (0.0185 + 0.0135 * q + 0.003 * np.sin(3 * q)), 0.853 - 0.031 * q**1.2, fold, 3)
        bag = (20 + 165 * old) * (0.4 + 0.6 * person.eye_bags)
        _line(layer, side * (0.016 + 0.03 * q), 0.8925 - 0.0065 * np.sin(np.pi * q), bag)
        _line(layer, side * (0.018 + 0.024 * q), 0.887 - 0.007 * np.sin(np.pi * q), 120 * old)
        _line(layer, side * (0.031 + 0.003 * q), 0.818 - 0.02 * q, 150 * old, 3)
        _line(layer, side * (0.0045 + 0.001 * q), 0.916 + 0.012 * q, 130 * old)
        lid = 120 * rng.uniform(0.4, 1)
        _line(layer, side * (0.0175 + 0.028 * q), 0.9115 + 0.0035 * np.sin(np.pi * q), lid)
    return _blurred(layer, 1.6)


def _paint_stubble(rng: np.random.Generator) -> np.ndarray:
    shape = _beard_shapes()[int(rng.random() < 0.3)]
    grain = textures()[FINE] * 0.5 + textures()[STRAND] * 0.4
    shift = tuple(rng.integers(0, SIZE, 2))
    return shape * (0.62 + 0.38 * np.clip(0.5 + 0.5 * np.roll(grain, shift, (0, 1)), 0, 1))


@cache
def _beard_shapes() -> tuple[np.ndarray, np.ndarray]:
    """Where a full beard and a goatee grow."""
    angle = np.abs(np.linspace(-1, 1, SIZE) * ANGLE)[None]
    z = (TOP - np.linspace(0, 1, SIZE) * HEIGHT)[:, None]
    edge = 0.842 - 0.02 * np.cos(angle * 2.2) + 0.07 * np.clip(angle - 0.55, 0, 1)
    full = np.clip((edge - z) / 0.008, 0, 1) * np.clip((z - 0.768) / 0.01, 0, 1)
    full = full * np.clip((1.25 - angle) / 0.15, 0, 1)
    moustache = np.exp(-((angle / 0.2) ** 4 + ((z - 0.8455) / 0.0065) ** 2))
    chin = np.exp(-((angle / 0.25) ** 4 + ((z - 0.80) / 0.014) ** 4))
    shape = np.maximum(full * (0.75 + 0.25 * chin), moustache)
    shape = shape * (1 - np.exp(-((angle / 0.28) ** 4 + ((z - 0.829) / 0.0095) ** 4)))
    shape = np.clip(shape, 0, 1).astype(np.float32)
    return shape, shape * np.clip(1.3 - 1.6 * angle, 0, 1).astype(np.float32)
