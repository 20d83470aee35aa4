"""Short clips: one person before one camera, with smooth head movement, speech, expression and blinks.

Eight frames stand for a longer video: they move about three times as fast as life, so that a blink and a
syllable fit.
"""

from dataclasses import dataclass, replace

import numpy as np

from semdf.people.casting import draw_light, draw_person, draw_pose
from semdf.people.expressions import add, draw_expression
from semdf.people.parameters import Camera, Light, Person, Pose, Scene

__all__ = ["Clip", "draw_clip"]


@dataclass(frozen=True, eq=False)
class Clip:
    """A video before it is rendered; T frames."""

    person: Person
    light: Light
    camera: Camera
    background: int
    expressions: np.ndarray  # [T, 52] float32
    poses: tuple[Pose, ...]

    def __len__(self) -> int:
        return len(self.poses)

    def scene(self, frame: int, **changes) -> Scene:
        """The scene of one frame, with fields such as `person`, `light` or `expression` replaced."""
        own = Scene(self.person, self.expressions[frame], self.poses[frame], self.light, self.camera, self.background)
        return replace(own, **changes)


def draw_clip(rng: np.random.Generator, frames: int, camera: Camera, person: Person | None = None) -> Clip:
    """A random clip of `person` (a random one by default)."""
    person = person or draw_person(rng)
    pose, light, background = draw_pose(rng), draw_light(rng), int(rng.integers(1 << 30))
    return Clip(person, light, camera, background, _expressions(rng, frames), _poses(rng, frames, pose))


def _expressions(rng: np.random.Generator, frames: int) -> np.ndarray:
    """From one expression to another, speech on top, sometimes a blink."""
    start, end = draw_expression(rng), draw_expression(rng)
    t = np.linspace(0, 1, frames)
    turn = 1 / (1 + np.exp(-rng.uniform(4, 9) * (t - rng.uniform(0.2, 0.9))))
    track = start + (end - start) * turn[:, None]
    gaze = (start + end) / 2
    speech = rng.uniform(0.05, 0.22) * (rng.random() < 0.6)
    beat, phase = rng.uniform(0.8, 1.8), rng.uniform(0, 2 * np.pi, 2)
    blink = rng.uniform(0, 1) if rng.random() < 0.4 else 9.0
    for frame in range(frames):
        syllable = 0.5 + 0.5 * np.sin(2 * np.pi * beat * t[frame] + phase[0])
        rounding = 0.5 + 0.5 * np.sin(2 * np.pi * 0.6 * beat * t[frame] + phase[1])
        add(track[frame], {"jawOpen": 1.0, "mouthLowerDown*": 0.5}, speech * syllable)
        add(track[frame], {"mouthFunnel": 0.8, "mouthPucker": 0.4}, speech * rounding)
        closing = max(0.0, 1 - abs(t[frame] - blink) / 0.2)
        add(track[frame], {"eyeBlink*": closing * max(0.0, 1 - gaze.max() * 0.1)})
    return np.clip(track, 0, 1.2).astype(np.float32)


def _poses(rng: np.random.Generator, frames: int, middle: Pose) -> tuple[Pose, ...]:
    """Slow sways of the head about a middle pose."""
    t = np.linspace(0, 1, frames)
    size = np.array([0.06, 0.035, 0.02, 0.002, 0.0015]) * rng.uniform(0.4, 1.3, 5)
    speed, phase = rng.uniform(0.3, 0.9, 5), rng.uniform(0, 2 * np.pi, 5)
    sway = size * np.sin(2 * np.pi * (speed * t[:, None]) + phase)
    return tuple(
        replace(
            middle,
            yaw=middle.yaw + float(row[0]),
            pitch=middle.pitch + float(row[1]),
            roll=middle.roll + float(row[2]),
            x=middle.x + float(row[3]),
            y=middle.y + float(row[4]),
        )
        for row in sway
    )
