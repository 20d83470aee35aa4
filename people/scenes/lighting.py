"""Random light: what stands where, how large and of which colour."""

import math
from typing import NamedTuple

import numpy as np

from people.body.parameters import Colour, Field, Light, triple

__all__ = ["draw_light"]

#: How often each kind of light is drawn (ours).
SHARES = {
    "soft": 0.22,
    "key": 0.22,
    "side": 0.09,
    "window": 0.13,
    "backlight": 0.08,
    "sun": 0.10,
    "coloured": 0.05,
    "flash": 0.05,
    "overhead": 0.06,
}
Range = tuple[float, float]


class _Kind(NamedTuple):
    """Ranges of one kind of light."""

    azimuth: Range  # radians
    height: Range  # radians
    key: Range  # strength of the key light
    ambient: Range  # and of the light around
    softness: Range  # size of the light against its distance


KINDS = {
    "soft": _Kind((-0.9, 0.9), (0.3, 1.0), (0.45, 0.80), (0.50, 0.75), (0.55, 0.9)),
    "key": _Kind((-1.0, 1.0), (0.3, 0.9), (0.85, 1.25), (0.26, 0.45), (0.2, 0.5)),
    "side": _Kind((1.0, 1.4), (0.1, 0.6), (0.9, 1.4), (0.16, 0.34), (0.2, 0.5)),
    "window": _Kind((0.7, 1.2), (0.1, 0.5), (0.9, 1.3), (0.22, 0.40), (0.7, 1.0)),
    "backlight": _Kind((-0.6, 0.6), (0.3, 0.9), (0.30, 0.55), (0.38, 0.60), (0.4, 0.8)),
    "sun": _Kind((-1.1, 1.1), (0.6, 1.1), (1.2, 1.7), (0.28, 0.45), (0.03, 0.10)),
    "coloured": _Kind((-1.0, 1.0), (0.1, 0.7), (0.6, 1.0), (0.14, 0.30), (0.2, 0.6)),
    "flash": _Kind((-0.12, 0.12), (0.05, 0.25), (1.0, 1.4), (0.14, 0.26), (0.05, 0.12)),
    "overhead": _Kind((-0.6, 0.6), (1.05, 1.25), (0.7, 1.0), (0.32, 0.50), (0.3, 0.6)),
}
GELS = {
    "red": (1.0, 0.12, 0.10),
    "blue": (0.12, 0.25, 1.0),
    "magenta": (0.9, 0.12, 0.7),
    "green": (0.15, 0.9, 0.3),
    "amber": (1.0, 0.55, 0.12),
    "cyan": (0.1, 0.8, 0.9),
}


def _way(azimuth: float, height: float) -> Colour:
    """The direction (right, up, to the camera) of an azimuth and a height."""
    return math.sin(azimuth) * math.cos(height), math.sin(height), math.cos(azimuth) * math.cos(height)


def _tint(warmth: float) -> np.ndarray:
    """The colour of a light, -1 cold .. 1 warm."""
    return np.array([1 + 0.16 * warmth, 1.0 + 0.01 * warmth, 1 - 0.18 * warmth])


def draw_light(rng: np.random.Generator, kind: str | None = None) -> Light:
    """A light of a kind (a random one by default)."""
    shares = np.array(list(SHARES.values())) / sum(SHARES.values())
    kind = kind or str(rng.choice(list(SHARES), p=shares))
    ranges = KINDS[kind]
    azimuth = rng.uniform(*ranges.azimuth)
    height = rng.uniform(*ranges.height)
    strength = rng.uniform(*ranges.key)
    fill = rng.uniform(*ranges.ambient)
    softness = rng.uniform(*ranges.softness)
    azimuth *= rng.choice([-1.0, 1.0])
    warm = rng.normal(0.15, 0.45)
    cool = rng.normal(-0.05, 0.4)
    if kind == "sun":
        warm = rng.uniform(0.2, 0.7)
        cool = rng.uniform(-0.8, -0.2)
    key = strength * _tint(np.clip(warm, -1, 1))
    around = fill * _tint(np.clip(cool, -1, 1))
    slope = rng.normal(0, 0.15, 3) + np.array([0, 0.14, 0.12])
    if kind == "overhead":
        slope[1] += 0.2
    second = np.zeros(3)
    second_way = _way(rng.choice([-1, 1]) * rng.uniform(1.9, 2.7), rng.uniform(0.1, 0.7))
    if kind == "backlight":
        second = rng.uniform(0.9, 2.0) * _tint(rng.uniform(0, 0.8))
    elif kind == "coloured":
        first, other = rng.choice(list(GELS), 2, replace=False)
        mix = rng.uniform(0.25, 0.6)
        key = key * (1 - mix) + strength * mix * 1.3 * np.array(GELS[first])
        second = rng.uniform(0.4, 1.0) * np.array(GELS[other])
        second_way = _way(-np.sign(azimuth) * rng.uniform(0.9, 1.8), rng.uniform(0, 0.5))
    elif rng.random() < 0.35:
        second = rng.uniform(0.1, 0.6) * _tint(rng.normal(0, 0.5))
    red, green, blue = (_field(part, slope) for part in around)
    level = 0.80 / (0.55 * float(key.mean()) + float(around.mean()) + 0.08 * float(second.mean()))
    return Light(
        direction=_way(azimuth, height),
        key=triple(key),
        ambient=(red, green, blue),
        shadow=float(rng.uniform(0.7, 0.98)),
        exposure=float(np.clip(level * np.exp(rng.normal(0, 0.13)), 0.4, 1.4)),
        kind=kind,
        softness=float(softness),
        fill_direction=second_way,
        fill=triple(np.clip(second, 0, 5)),
    )


def _field(strength: float, slope: np.ndarray) -> Field:
    """Ambient light of one colour that changes by `slope` `[3]` of its strength."""
    right, up, near = slope
    return float(strength), float(strength * right), float(strength * up), float(strength * near)
