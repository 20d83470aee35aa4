"""Colours that a screen for sRGB does not show as meant, HLG, PQ and wide gamuts, brought to sRGB.

What is as bright as white paper, 203 cd/m2 (ITU-R BT.2408), becomes the white of sRGB, and what is brighter is cut off.
Below that nothing is bent: a face keeps its colours.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

__all__ = ["CONVERTED", "PLAIN_CURVES", "PLAIN_PRIMARIES", "in_srgb"]

#: Numbers of ITU-T H.273. Curves and primaries that a player shows on a screen for sRGB without a change.
PLAIN_CURVES = (0, 1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
PLAIN_PRIMARIES = (0, 1, 2, 3, 4, 5, 6, 7, 22)
LINEAR = 8
PQ = 16
HLG = 18
#: Other curves that are converted.
CONVERTED = (LINEAR, PQ, HLG)
#: Places of red, green and blue in the plane of colours, x and y, by the number of the primaries (H.273, table 2).
PRIMARIES = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
#: The place of white, D65. The white of other primaries is taken for it: grey stays grey.
WHITE = (0.3127, 0.3290)
#: cd/m2: white paper, and the peak of the screen for which HLG is made (ITU-R BT.2408 and BT.2100).
PAPER = 203
PEAK = 1000
#: By which power of its brightness HLG's light is enhanced on such a screen (ITU-R BT.2100, table 5).
ENHANCED = 0.2
#: Shares of red, green and blue of BT.2020 in brightness.
BRIGHTNESS = np.array([0.2627, 0.6780, 0.0593], np.float32)


def in_srgb(image: np.ndarray, curve: int, primaries: int) -> np.ndarray | None:
    """The picture in sRGB; None for a curve or primaries that are not known.

    Args:
        image: [H, W, 3] uint16, full range.
        curve: Number of the transfer function, H.273.
        primaries: Number of the primaries, H.273.
    """
    if primaries in PLAIN_PRIMARIES:
        primaries = 1
    if primaries not in PRIMARIES or curve not in (*CONVERTED, *PLAIN_CURVES):
        return None
    light = _light(curve)[image]
    if curve == HLG:
        light *= (light @ BRIGHTNESS)[..., None] ** ENHANCED * (PEAK / PAPER)
    light @= _matrix(primaries)
    np.clip(light, 0, 1, out=light)
    return _levels()[(light * 65535 + 0.5).astype(np.uint16)]


@lru_cache
def _light(curve: int) -> np.ndarray:
    """[65536] float32: the light that a level means; 1 is white, or for HLG the brightest that a camera records."""
    signal = np.arange(65536) / 65535
    if curve == LINEAR:
        light = signal
    elif curve == PQ:  # ITU-R BT.2100, table 4
        power = signal ** (1 / 78.84375)
        light = (np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578125)
        light *= 10000 / PAPER
    elif curve == HLG:  # ITU-R BT.2100, table 5
        a = 0.17883277
        b = 0.28466892
        c = 0.55991073
        light = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    else:  # a screen for sRGB shows them by its own curve (IEC 61966-2-1)
        light = np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)


@lru_cache
def _levels() -> np.ndarray:
    """[65536] uint8: the level of sRGB that shows a light (IEC 61966-2-1)."""
    light = np.arange(65536) / 65535
    signal = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(signal * 255).astype(np.uint8)


@lru_cache
def _matrix(primaries: int) -> np.ndarray:
    """[3, 3] float32: rows of light in these primaries times it are light in those of sRGB."""
    return (_to_xyz(primaries) @ np.linalg.inv(_to_xyz(1))).astype(np.float32)


def _to_xyz(primaries: int) -> np.ndarray:
    """[3, 3]: rows of light times it are CIE XYZ."""
    places = np.array([*PRIMARIES[primaries], WHITE])
    x = places[:, 0]
    y = places[:, 1]
    xyz = np.column_stack([x / y, np.ones(4), (1 - x - y) / y])
    shares = xyz[3] @ np.linalg.inv(xyz[:3])
    return shares[:, None] * xyz[:3]
