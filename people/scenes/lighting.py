"""Random light: what stands where, how large and of which colour."""

import math

import numpy as np

from people.body.parameters import Colour, Light

__all__ = ["draw_light"]

#: How often each kind of light is drawn (ours).
SHARES = {"soft": 0.22, "key": 0.22, "side": 0.09, "window": 0.13, "backlight": 0.08, "sun": 0.10, "coloured": 0.05,
          "flash": 0.05, "overhead": 0.06}  # fmt: skip
#: Azimuth and height (radians), strength of key and ambient light, size of the light, per kind: ranges.
KINDS = {
    "soft": ((-0.9, 0.9), (0.3, 1.0), (0.45, 0.80), (0.50, 0.75), (0.55, 0.9)),
    "key": ((-1.0, 1.0), (0.3, 0.9), (0.85, 1.25), (0.26, 0.45), (0.2, 0.5)),
    "side": ((1.0, 1.4), (0.1, 0.6), (0.9, 1.4), (0.16, 0.34), (0.2, 0.5)),
    "window": ((0.7, 1.2), (0.1, 0.5), (0.9, 1.3), (0.22, 0.40), (0.7, 1.0)),
    "backlight": ((-0.6, 0.6), (0.3, 0.9), (0.30, 0.55), (0.38, 0.60), (0.4, 0.8)),
    "sun": ((-1.1, 1.1), (0.6, 1.1), (1.2, 1.7), (0.28, 0.45), (0.03, 0.10)),
    "coloured": ((-1.0, 1.0), (0.1, 0.7), (0.6, 1.0), (0.14, 0.30), (0.2, 0.6)),
    "flash": ((-0.12, 0.12), (0.05, 0.25), (1.0, 1.4), (0.14, 0.26), (0.05, 0.12)),
    "overhead": ((-0.6, 0.6), (1.05, 1.25), (0.7, 1.0), (0.32, 0.50), (0.3, 0.6)),
}
GELS = {"red": (1.0, 0.12, 0.10), "blue": (0.12, 0.25, 1.0), "magenta": (0.9, 0.12, 0.7), "green": (0.15, 0.9, 0.3),
        "amber": (1.0, 0.55, 0.12), "cyan": (0.1, 0.8, 0.9)}  # fmt: skip


def _way(azimuth: float, height: float) -> Colour:
    return math.sin(azimuth) * math.cos(height), math.sin(height), math.cos(azimuth) * math.cos(height)


def _colour(values: np.ndarray) -> Colour:
    return tuple(float(part) for part in values)


def _tint(warmth: float) -> np.ndarray:
    return np.array([1 + 0.16 * warmth, 1.0 + 0.01 * warmth, 1 - 0.18 * warmth])


def draw_light(rng: np.random.Generator, kind: str | None = None) -> Light:
    """A light of a kind (a random one by default)."""
    kind = kind or str(rng.choice(list(SHARES), p=np.array(list(SHARES.values())) / sum(SHARES.values())))
    azimuth, height, strength, fill, softness = (rng.uniform(*pair) for pair in KINDS[kind])
    azimuth *= rng.choice([-1.0, 1.0])
    warm, cool = rng.normal(0.15, 0.45), rng.normal(-0.05, 0.4)
    if kind == "sun":
        warm, cool = rng.uniform(0.2, 0.7), rng.uniform(-0.8, -0.2)
    key, around = strength * _tint(np.clip(warm, -1, 1)), fill * _tint(np.clip(cool, -1, 1))
    slope = rng.normal(0, 0.15, 3) + np.array([0, 0.14, 0.12])
    if kind == "overhead":
        slope[1] += 0.2
    second, second_way = np.zeros(3), _way(rng.choice([-1, 1]) * rng.uniform(1.9, 2.7), rng.uniform(0.1, 0.7))
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
    level = 0.80 / (0.55 * float(key.mean()) + float(around.mean()) + 0.08 * float(second.mean()))
    return Light(
        direction=_way(azimuth, height),
        key=_colour(key),
        ambient=tuple(tuple(float(part * value) for value in (1, *slope)) for part in around),
        shadow=float(rng.uniform(0.7, 0.98)),
        exposure=float(np.clip(level * np.exp(rng.normal(0, 0.13)), 0.4, 1.4)),
        kind=kind,
        softness=float(softness),
        fill_direction=second_way,
        fill=_colour(np.clip(second, 0, 5)),
    )
