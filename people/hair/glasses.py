"""Spectacles: frames as thick strands before the eyes, and lenses that tint and reflect."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from people.body import head as heads
from people.body.parameters import Glasses
from people.drawing.raster import EYE_LEFT, EYE_RIGHT
from people.hair.growth import FRAME, Strands

__all__ = ["Spectacles", "put_on"]


class _Outline(NamedTuple):
    """A superellipse."""

    across: float  # half width, metres
    high: float  # half height, metres
    power: float  # exponent


SHAPES = {
    "round": _Outline(0.0225, 0.0215, 2.0),
    "oval": _Outline(0.0255, 0.0180, 2.2),
    "square": _Outline(0.0265, 0.0180, 5.0),
    "aviator": _Outline(0.0275, 0.0235, 2.6),
    "cat-eye": _Outline(0.0265, 0.0185, 2.8),
}
WIDTHS = {"thin": 0.0012, "thick": 0.0030, "sun": 0.0026}  # of the frame, metres
POINTS = 25  # of each strand of the frame


@dataclass(frozen=True, eq=False)
class Spectacles:
    """Glasses on one person."""

    frame: Strands
    lenses: np.ndarray  # [2, 25, 3] offsets of the outlines from the frame's root
    tint: np.ndarray  # [3] share of light that passes
    mirror: float  # strength of reflections


def put_on(glasses: Glasses, body: np.ndarray, size: float) -> Spectacles:
    """Glasses on the neutral mesh; they move with the skull, not with the expression."""
    head = heads.load()
    left, right = (body[head.vertices_of(eye)].mean(0) for eye in (EYE_LEFT, EYE_RIGHT))
    root = int(np.linalg.norm(head.canonical - np.array([0, -0.14, 0.965]), axis=1).argmin())
    face = (np.abs(head.canonical[:, 0]) < 0.05) & (np.abs(head.canonical[:, 2] - 0.905) < 0.022)
    front = body[face & (np.abs(head.canonical[:, 0]) > 0.016), 1].min() - 0.004 * size
    across, high, power = SHAPES[glasses.shape]
    turn = np.linspace(0, 2 * np.pi, POINTS)
    x = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** (2 / power) * across
    z = np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** (2 / power) * high
    if glasses.shape == "aviator":
        x = x * (1 + 0.12 * z / high)
    if glasses.shape == "cat-eye":
        z = z + 0.0045 * np.clip(x / across, 0, 1) ** 2 * (z > -0.004)
    middle = (left[2] + right[2]) / 2 - 0.004 * size
    scale = size * glasses.width
    outlines = []
    for side, eye in ((1, left), (-1, right)):
        centre = 0.5 * abs(eye[0]) + 0.5 * (across * glasses.width + 0.0095) * size
        px = side * (centre + x * scale)
        py = front + 2.2 * px**2 / size - 0.06 * (z * scale)
        outlines.append(np.stack([px, py, middle + z * scale], -1))
    inner = [line[np.abs(line[:, 0]).argmin()] for line in outlines]
    outer = [line[np.abs(line[:, 0]).argmax()] for line in outlines]
    t = np.linspace(0, 1, POINTS)[:, None]
    bridge = inner[1] + (inner[0] - inner[1]) * t + np.sin(np.pi * t) * np.array([0, -0.003, 0.0045]) * size
    lines = [*outlines, bridge]
    ears = np.abs(body[head.ears > 0.5][:, 0]).max() - 0.010 * size
    for end in outer:
        hinge = end + np.array([np.sign(end[0]) * 0.003, 0.002, 0.004]) * size
        hook = np.array([np.sign(end[0]) * ears, front + 0.115 * size, middle + 0.012 * size])
        swell = np.array([np.sign(end[0]) * 0.007 * size, 0, 0]) * np.sin(np.pi * t)
        lines.append(hinge + (hook - hinge) * t + swell)
    offsets = np.stack(lines) - body[root]
    count = len(lines)
    width = np.full(count, WIDTHS[glasses.kind]) * size
    width[3:] *= 1.15  # the temples
    frame = Strands(
        corners=np.full((count, 3), root),
        weights=np.tile(np.array([1, 0, 0], np.float32), (count, 1)),
        offsets=offsets.astype(np.float32),
        rise=np.ones((count, POINTS), np.float32),
        colour=np.tile(np.asarray(glasses.colour, np.float32), (count, 1)),
        width=width.astype(np.float32),
        kind=FRAME,
    )
    sun = glasses.kind == "sun"
    return Spectacles(
        frame=frame,
        lenses=offsets[:2].astype(np.float32),
        tint=np.asarray(glasses.tint if sun else (0.93, 0.94, 0.94), np.float32),
        mirror=0.10 if sun else 0.06,
    )
