"""What a picture of a person is made of: named parameters with their ranges.

Lengths are metres of the body model, angles radians, colours linear RGB. A person's left is +x and appears on
the right of the picture. A value out of range is refused by its name. How they are drawn: `people.scenes.casting`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from people.body.checks import SEEDS, Checked

__all__ = [
    "Brows",
    "Camera",
    "Clothes",
    "Colour",
    "Expression",
    "Field",
    "Glasses",
    "Hair",
    "Hat",
    "Light",
    "Person",
    "Pose",
    "Scene",
    "triple",
]

Colour = tuple[float, float, float]
#: Light of one colour: everywhere, and by how much more to x, y and z.
Field = tuple[float, float, float, float]
BEARDS = ("none", "stubble", "moustache", "goatee", "full")
GLASSES = ("thin", "thick", "sun")
LENSES = ("round", "oval", "square", "aviator", "cat-eye")
HATS = ("cap", "beanie", "headscarf")
TOPS = ("crew neck", "v-neck", "shirt", "turtleneck", "hoodie")
PATTERNS = ("plain", "stripes", "checks", "dots")
LIGHTS = ("soft", "key", "side", "window", "backlight", "sun", "coloured", "flash", "overhead")
SKIN_TONES = ("very fair", "fair", "tan", "brown", "dark")
HAIR_STYLES = (
    "bald",
    "horseshoe",
    "buzz cut",
    "crew cut",
    "crop",
    "side part",
    "quiff",
    "slicked back",
    "spiky",
    "fringe",
    "receding",
    "shaggy",
    "curly",
    "afro",
    "pixie",
    "bob",
    "long straight",
    "long wavy",
    "long curly",
    "long with fringe",
    "ponytail",
    "bun",
)
EXPRESSIONS = (
    "neutral",
    "smile",
    "laugh",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "pucker",
    "shout",
    "smirk",
    "speaking",
)
#: Ages of the body model's meshes, 0..1, and what they are in years (ours).
YEARS = ((0.0, 1 / 3, 2 / 3, 1.0), (1.0, 11.0, 25.0, 85.0))


def triple(values: Iterable[float]) -> Colour:
    """Three numbers, such as those of an array, as a tuple of floats."""
    first, second, third = (float(value) for value in values)
    return first, second, third


@dataclass(frozen=True)
class Brows(Checked):
    """Eyebrows; 1 is average for thickness and density."""

    thickness: float
    arch: float
    density: float
    spacing: float  # metres, added to the distance from the middle
    lift: float  # metres

    ranges: ClassVar = dict(
        thickness=(0.2, 2.5), arch=(-1, 2), density=(0, 1.5), spacing=(-0.006, 0.01), lift=(-0.008, 0.008)
    )


@dataclass(frozen=True)
class Hair(Checked):
    """Hair of the head; `style` is one of `HAIR_STYLES`."""

    style: str
    colour: Colour
    thickness: float  # 1 is average
    length: float  # 1 is average for the style
    parting: float  # metres from the middle
    tilt: float  # slope of the hair line, side-swept
    lift: float  # metres, height of the hair line
    grey: float  # 0..1
    wave: float = 0.2  # 0 straight .. 1 wavy
    curl: float = 0.0  # added to the style's curl, 0 .. 1
    mess: float = 0.4  # 0 combed .. 1 untidy
    colour_name: str = ""

    ranges: ClassVar = dict(
        thickness=(0.3, 2),
        length=(0.3, 1.8),
        parting=(-0.06, 0.06),
        tilt=(-1, 1),
        lift=(-0.03, 0.03),
        grey=(0, 1),
        wave=(0, 1),
        curl=(0, 1),
        mess=(0, 1.5),
        colour=(0, 1),
    )
    choices: ClassVar = dict(style=HAIR_STYLES)


@dataclass(frozen=True)
class Hat(Checked):
    """A cap, a beanie or a headscarf."""

    kind: str
    colour: Colour
    second: Colour = (0.3, 0.3, 0.3)  # of the brim or the rim
    tilt: float = 0.0  # metres, height of its edge against the usual one

    ranges: ClassVar = dict(colour=(0, 1), second=(0, 1), tilt=(-0.02, 0.02))
    choices: ClassVar = dict(kind=HATS)


@dataclass(frozen=True)
class Glasses(Checked):
    """Spectacles: `thin` metal, `thick` plastic or `sun` glasses, with a shape of lens."""

    kind: str
    shape: str = "oval"
    colour: Colour = (0.02, 0.02, 0.02)
    width: float = 1.0  # 1 is average
    tint: Colour = (0.03, 0.03, 0.035)  # light that sun glasses let through
    colour_name: str = "black"

    ranges: ClassVar = dict(colour=(0, 1), width=(0.8, 1.25), tint=(0, 1))
    choices: ClassVar = dict(kind=GLASSES, shape=LENSES)


@dataclass(frozen=True)
class Clothes(Checked):
    """Garment, cloth with a pattern (`stripe` = radians per metre, 0 = plain), and what is worn on the head."""

    colour: Colour
    second: Colour
    stripe: float
    collar: float  # height, metres
    neckline: float  # depth of the V, metres
    top: str = "crew neck"
    pattern: str = "plain"
    colour_name: str = ""
    hat: Hat | None = None

    ranges: ClassVar = dict(colour=(0, 1), second=(0, 1), stripe=(0, 900), collar=(0.72, 0.80), neckline=(0, 0.12))
    choices: ClassVar = dict(top=TOPS, pattern=PATTERNS)


@dataclass(frozen=True)
class Person(Checked):
    """Everything that stays the same when a person moves: the identity and its looks."""

    seed: int
    age: float  # 0.33 child, 0.67 young adult, 1 old; see `years`
    gender: float  # 0 male .. 1 female
    weight: float
    ancestry: tuple[float, float, float]  # African, Asian, European; sums to 1
    local: tuple[float, ...]  # the face's local changes, -1..1
    melanin: float  # 0.05 very fair .. 1.6 very dark
    blood: float
    gloss: float
    iris: Colour
    pupil: float  # share of the iris
    brows: Brows
    hair: Hair
    clothes: Clothes
    beard: float  # density, 0..1
    freckles: float  # 0..1
    lip_redness: float
    makeup: float  # 0..1
    makeup_colour: Colour
    eye_bags: float
    beard_style: str = "full"  # of the beard that `beard` > 0 shows
    beard_length: float = 0.4  # 0 stubble .. 1 long
    glasses: Glasses | None = None
    moles: int = 3
    wrinkles: float = 1.0  # 1 is usual for the age
    iris_name: str = ""

    ranges: ClassVar = dict(
        seed=SEEDS,
        age=(0.2, 1),
        gender=(0, 1),
        weight=(0, 1),
        ancestry=(0, 1.001),
        local=(-1, 1),
        melanin=(0, 2),
        blood=(0, 1),
        gloss=(0, 3),
        iris=(0, 1),
        pupil=(0.15, 0.8),
        beard=(0, 1),
        freckles=(0, 2),
        lip_redness=(0, 2),
        makeup=(0, 1),
        makeup_colour=(0, 1),
        eye_bags=(0, 1),
        beard_length=(0, 1),
        moles=(0, 60),
        wrinkles=(0, 2),
    )
    lengths: ClassVar = dict(local=139)  # as many as the distilled head has
    shares: ClassVar = ("ancestry",)
    choices: ClassVar = dict(beard_style=BEARDS)

    @property
    def years(self) -> float:
        """Apparent age in years."""
        return float(np.interp(self.age, *YEARS))

    @property
    def ageing(self) -> float:
        """Visible signs of age: 0 until 27 years, 1 from 80 years on."""
        return float(np.clip((self.years - 27) / 53, 0, 1))

    @property
    def age_group(self) -> str:
        """Words for the age: a child until 16 years, a young adult until 38, middle-aged until 60, then elderly."""
        words = ("child", "young adult", "middle-aged adult", "elderly adult")
        return words[int(np.searchsorted((16, 38, 60), self.years))]

    @property
    def gender_name(self) -> str:
        """The word for gender and age: boy or girl, man or woman."""
        words = ("boy", "girl") if self.age_group == "child" else ("man", "woman")
        return words[self.gender > 0.5]

    @property
    def skin_tone(self) -> str:
        """One of `SKIN_TONES`, by melanin."""
        return SKIN_TONES[int(np.searchsorted((0.15, 0.3, 0.55, 0.95), self.melanin))]

    @property
    def beard_name(self) -> str:
        """The beard's style, `none` where no beard shows: a low density, a woman, a child."""
        shown = self.beard > 0.08 and self.gender < 0.5 and self.years > 17
        return self.beard_style if shown else "none"

    @property
    def hair_colour_name(self) -> str:
        """White or grey where grey hairs prevail, else the colour's own name."""
        if self.hair.grey > 0.85:
            return "white"
        return "grey" if self.hair.grey > 0.45 else self.hair.colour_name

    @property
    def glasses_name(self) -> str:
        """One of `GLASSES`, or `none`."""
        return self.glasses.kind if self.glasses else "none"

    @property
    def hat_name(self) -> str:
        """One of `HATS`, or `none`."""
        return self.clothes.hat.kind if self.clothes.hat else "none"


@dataclass(frozen=True)
class Expression(Checked):
    """A named expression, a second one that it turns into, speech, blink and gaze.

    Scenes take this or an array of the strengths of the 52 facial actions.
    """

    name: str = "neutral"  # one of `EXPRESSIONS`
    strength: float = 1.0  # 1 is a full expression
    other: str = "neutral"
    other_strength: float = 0.0
    speech: float = 0.0  # opening of the jaw while speaking
    rounding: float = 0.0  # of the lips while speaking
    blink: float = 0.0  # 1 closed
    gaze_yaw: float = 0.0  # radians, positive to the person's left
    gaze_pitch: float = 0.0  # radians, positive up
    seed: int = 0  # of the small irregularities of a real face; 0 none

    ranges: ClassVar = dict(
        strength=(0, 1.5),
        other_strength=(0, 1.5),
        speech=(0, 1),
        rounding=(0, 1),
        blink=(0, 1),
        gaze_yaw=(-0.5, 0.5),
        gaze_pitch=(-0.35, 0.35),
        seed=SEEDS,
    )
    choices: ClassVar = dict(name=EXPRESSIONS, other=EXPRESSIONS)


@dataclass(frozen=True)
class Pose(Checked):
    """Head angles (radians) and the camera's place: distance in metres, zoom, shift in metres."""

    yaw: float = 0.0  # positive turns to the person's left, the right of the picture
    pitch: float = 0.0  # positive nods down
    roll: float = 0.0
    distance: float = 1.1
    zoom: float = 1.0
    x: float = 0.0
    y: float = 0.0

    ranges: ClassVar = dict(
        yaw=(-1.2, 1.2),
        pitch=(-0.8, 0.8),
        roll=(-0.8, 0.8),
        distance=(0.3, 8),
        zoom=(0.3, 3),
        x=(-0.3, 0.3),
        y=(-0.3, 0.3),
    )

    @property
    def focal_length(self) -> float:
        """Millimetres on a 36 mm wide sensor that would show this frame."""
        return 36 * self.distance * self.zoom / 0.324


@dataclass(frozen=True)
class Light(Checked):
    """A key light (direction: right, up, to the camera), a second light, and a first-order ambient field."""

    direction: Colour
    key: Colour
    ambient: tuple[Field, Field, Field]
    shadow: float
    exposure: float
    kind: str = "key"
    softness: float = 0.3  # size of the light against its distance; 0 hard shadows
    fill_direction: Colour = (0.7, 0.2, -0.6)
    fill: Colour = (0.0, 0.0, 0.0)  # rim or coloured second light

    ranges: ClassVar = dict(
        direction=(-1, 1),
        key=(0, 30),
        ambient=(-30, 30),
        shadow=(0, 1),
        exposure=(0.05, 8),
        softness=(0, 1),
        fill_direction=(-1, 1),
        fill=(0, 30),
    )
    directions: ClassVar = ("direction", "fill_direction")
    choices: ClassVar = dict(kind=LIGHTS)


@dataclass(frozen=True)
class Camera(Checked):
    """Sensor and processing; blur and motion in pixels of a 192 px frame, noise as a standard deviation."""

    noise: float
    blur: float  # focus
    saturation: float
    contrast: float
    white_balance: Colour
    seed: int
    motion: float = 0.0  # length of motion blur
    motion_angle: float = 0.0  # radians
    sharpening: float = 0.0  # strength of the halo
    vignette: float = 0.0  # light lost in the corners
    depth_of_field: float = 1.0  # blur of the background, 1 is average
    fade: float = 0.0  # black level

    ranges: ClassVar = dict(
        noise=(0, 0.2),
        blur=(0.05, 8),
        saturation=(0, 2),
        contrast=(0.3, 2),
        white_balance=(0.3, 3),
        seed=SEEDS,
        motion=(0, 20),
        motion_angle=(-3.15, 3.15),
        sharpening=(0, 2),
        vignette=(0, 0.9),
        depth_of_field=(0, 4),
        fade=(0, 0.2),
    )


@dataclass(frozen=True, eq=False)
class Scene(Checked):
    """One picture; `expression` is named or holds the strength of each facial action, `[52] float32`, -1 to 4."""

    person: Person
    expression: Expression | np.ndarray
    pose: Pose
    light: Light
    camera: Camera
    background: int = 0  # a seed

    ranges: ClassVar = dict(background=SEEDS, expression=(-1, 4))
    lengths: ClassVar = dict(expression=52)
