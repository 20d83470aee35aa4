"""What a picture of a person is made of: named parameters, and how they are drawn at random.

Lengths are metres of the body model, angles radians, colours linear RGB. A person's left is +x and appears on
the right of the picture.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["Brows", "Camera", "Clothes", "Hair", "Light", "Person", "Pose", "Scene"]

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Brows:
    """Eyebrows; 1 is average for thickness and density."""

    thickness: float
    arch: float
    density: float
    spacing: float  # metres, added to the distance from the middle
    lift: float  # metres


@dataclass(frozen=True)
class Hair:
    """Hair of the head; `style` is a key of `semdf.people.hairstyles.STYLES`."""

    style: str
    colour: Colour
    thickness: float  # 1 is average
    length: float  # 1 is average for the style
    parting: float  # metres from the middle
    tilt: float  # slope of the hair line, side-swept
    lift: float  # metres, height of the hair line
    grey: float  # 0..1


@dataclass(frozen=True)
class Clothes:
    """A collar and cloth with optional stripes (`stripe` = radians per metre, 0 = plain)."""

    colour: Colour
    second: Colour
    stripe: float
    collar: float  # height, metres
    neckline: float  # depth of the V, metres


@dataclass(frozen=True)
class Person:
    """Everything that stays the same when a person moves: the identity and its looks."""

    seed: int
    age: float  # 0.33 child, 0.67 young adult, 1 old
    gender: float  # 0 male .. 1 female
    weight: float
    ancestry: tuple[float, float, float]  # African, Asian, European; sums to 1
    local: tuple[float, ...]  # the face's local changes, -1..1
    melanin: float
    blood: float
    gloss: float
    iris: Colour
    pupil: float
    brows: Brows
    hair: Hair
    clothes: Clothes
    beard: float
    freckles: float
    lip_redness: float
    makeup: float
    makeup_colour: Colour
    eye_bags: float


@dataclass(frozen=True)
class Pose:
    """Head angles (radians) and the camera's place: distance in metres, zoom, shift in metres."""

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    distance: float = 1.1
    zoom: float = 1.0
    x: float = 0.0
    y: float = 0.0


@dataclass(frozen=True)
class Light:
    """A key light (direction: right, up, to the camera) and a first-order ambient field per channel."""

    direction: Colour
    key: Colour
    ambient: tuple[tuple[float, float, float, float], ...]
    shadow: float
    exposure: float


@dataclass(frozen=True)
class Camera:
    """Sensor and processing: noise (standard deviation), blur (pixels), colour."""

    noise: float
    blur: float
    saturation: float
    contrast: float
    white_balance: Colour
    seed: int


@dataclass(frozen=True, eq=False)
class Scene:
    """One picture; `expression` `[52] float32` holds the strength of each facial action."""

    person: Person
    expression: np.ndarray
    pose: Pose
    light: Light
    camera: Camera
    background: int
