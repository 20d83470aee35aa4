"""Clips: one person before one camera, with smooth head movement, speech, expression, gaze and blinks.

A frame stands for 0.12 s by default: eight frames then hold a syllable, a blink or a change of expression.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from people.body.expressions import draw_expression
from people.body.parameters import Camera, Expression, Light, Person, Pose, Scene
from people.scenes.casting import draw_light, draw_person, draw_pose

__all__ = ["Clip", "draw_clip"]


@dataclass(frozen=True, eq=False)
class Clip:
    """A video before it is rendered; T frames."""

    person: Person
    light: Light
    camera: Camera
    background: int
    expressions: tuple[Expression, ...]
    poses: tuple[Pose, ...]

    def __len__(self) -> int:
        return len(self.poses)

    def scene(self, frame: int, **changes: Any) -> Scene:
        """The scene of one frame, with fields such as `person`, `light` or `expression` replaced."""
        own = Scene(self.person, self.expressions[frame], self.poses[frame], self.light, self.camera, self.background)
        return replace(own, **changes)


def draw_clip(
    rng: np.random.Generator, frames: int, camera: Camera, person: Person | None = None, *, step: float = 0.12
) -> Clip:
    """A random clip of `person` (a random one by default); `step` is the time between frames in seconds."""
    person = person or draw_person(rng)
    pose = draw_pose(rng)
    light = draw_light(rng)
    background = int(rng.integers(1 << 30))
    seconds = np.arange(frames) * step
    expressions = _expressions(rng, seconds)
    return Clip(person, light, camera, background, expressions, _poses(rng, seconds, pose))


def _expressions(rng: np.random.Generator, seconds: np.ndarray) -> tuple[Expression, ...]:
    """From one expression to another every second or two, speech on top, blinks, a gaze that rests and jumps."""
    end = float(seconds[-1]) + 1e-6 if len(seconds) else 0.0
    moods = [draw_expression(rng) for _ in range(2 + int(end / 1.6))]
    changes = (np.arange(1, len(moods)) - 1 + rng.uniform(0.2, 0.8, len(moods) - 1)) * min(1.6, end)
    speed = rng.uniform(0.12, 0.3)
    talk = rng.uniform(0.08, 0.28) * (rng.random() < 0.6)
    syllables = _wave(rng, seconds, 1.4, 2.2)
    lips = _wave(rng, seconds, 0.7, 1.2)
    pauses = np.clip(0.6 + 0.8 * (_wave(rng, seconds, 0.2, 0.4) - 0.3), 0, 1)
    closing = _blinks(rng, seconds, end)
    frames = []
    for i, t in enumerate(seconds):
        part = 1 / (1 + np.exp(-(t - changes) / (0.25 * speed)))
        now = int(np.sum(part > 0.999)) if len(part) else 0
        now = min(now, len(moods) - 2)
        first = moods[now]
        second = moods[now + 1]
        share = float(part[now])
        look = 1 / (1 + np.exp(-(t - changes[now] + 0.15) / 0.025))
        frames.append(
            Expression(
                name=first.name,
                strength=first.strength * (1 - share),
                other=second.name,
                other_strength=second.strength * share,
                speech=float(talk * syllables[i] * pauses[i]),
                rounding=float(talk * lips[i] * pauses[i]),
                blink=float(np.clip(max(first.blink + (second.blink - first.blink) * share, closing[i]), 0, 1)),
                gaze_yaw=float(first.gaze_yaw + (second.gaze_yaw - first.gaze_yaw) * look),
                gaze_pitch=float(first.gaze_pitch + (second.gaze_pitch - first.gaze_pitch) * look),
                seed=moods[0].seed,
            )
        )
    return tuple(frames)


def _wave(rng: np.random.Generator, seconds: np.ndarray, low: float, high: float) -> np.ndarray:
    """A smooth irregular oscillation in 0..1 with frequencies (per second) between `low` and `high`."""
    rates = rng.uniform(low, high, 3)
    phases = rng.uniform(0, 2 * np.pi, 3)
    total = np.sin(2 * np.pi * rates * seconds[:, None] + phases).mean(1)
    return np.clip(0.5 + 0.7 * total, 0, 1)


def _blinks(rng: np.random.Generator, seconds: np.ndarray, end: float) -> np.ndarray:
    """Closing of the lids 0..1: one blink in two to five seconds, each about 0.35 s long."""
    closing = np.zeros(len(seconds))
    at = rng.uniform(-1.5, 2.5)
    while at < end + 0.3:
        closing = np.maximum(closing, np.exp(-(((seconds - at) / 0.13) ** 4)))
        at += rng.uniform(2, 5)
    return closing


def _poses(rng: np.random.Generator, seconds: np.ndarray, middle: Pose) -> tuple[Pose, ...]:
    """Slow sways of the head about a middle pose."""
    size = np.array([0.09, 0.05, 0.03, 0.003, 0.002]) * rng.uniform(0.3, 1.3, 5)
    rates = rng.uniform(0.15, 0.75, (2, 5))
    phases = rng.uniform(0, 2 * np.pi, (2, 5))
    sway = size * np.sin(2 * np.pi * rates[:, None] * seconds[:, None] + phases[:, None]).mean(0)
    return tuple(
        replace(
            middle,
            yaw=middle.yaw + yaw,
            pitch=middle.pitch + pitch,
            roll=middle.roll + roll,
            x=middle.x + x,
            y=middle.y + y,
        )
        for yaw, pitch, roll, x, y in sway.tolist()
    )
