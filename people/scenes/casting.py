"""Random people, light, cameras and scenes, each from a generator."""

import numpy as np

from people.body import head as heads
from people.body.expressions import draw_expression
from people.body.parameters import YEARS, Brows, Camera, Hair, Person, Pose, Scene, triple
from people.scenes.lighting import draw_light
from people.scenes.wardrobe import draw_clothes, draw_glasses

__all__ = ["draw_camera", "draw_light", "draw_person", "draw_pose", "draw_scene", "draw_years"]

HAIR_COLOURS = {
    "black": (0.016, 0.013, 0.011),
    "blue black": (0.018, 0.018, 0.020),
    "dark brown": (0.034, 0.020, 0.012),
    "brown": (0.065, 0.036, 0.019),
    "light brown": (0.13, 0.075, 0.038),
    "red": (0.19, 0.065, 0.024),
    "blond": (0.28, 0.18, 0.085),
    "light blond": (0.42, 0.31, 0.17),
}
IRIS_COLOURS = {
    "dark": (0.045, 0.022, 0.012),
    "brown": (0.07, 0.035, 0.015),
    "light brown": (0.11, 0.06, 0.025),
    "grey": (0.10, 0.13, 0.16),
    "blue": (0.07, 0.13, 0.21),
    "green": (0.08, 0.11, 0.06),
    "hazel": (0.11, 0.09, 0.05),
}
#: Styles by gender and age group with their weights (ours).
STYLE_WEIGHTS = {
    "girl": {"ponytail": 3, "long straight": 2, "long wavy": 1.5, "long with fringe": 2, "bob": 1.5, "curly": 0.5},
    "young woman": {"long wavy": 3, "long straight": 2.5, "long with fringe": 1.5, "bob": 1.8, "bun": 1.7, "pixie": 0.8,
                    "ponytail": 2.4, "long curly": 1.5, "shaggy": 0.4},
    "middle-aged woman": {"bob": 3, "long wavy": 2, "pixie": 1.5, "ponytail": 1.5, "bun": 1.2, "long curly": 1,
                          "long straight": 1, "shaggy": 0.8},
    "elderly woman": {"bob": 2.5, "pixie": 2.5, "bun": 1.5, "curly": 2.2, "shaggy": 1, "long wavy": 0.5},
    "boy": {"crop": 3, "fringe": 2.5, "side part": 2, "spiky": 1, "curly": 1, "crew cut": 1, "shaggy": 1},
    "young man": {"crop": 2.4, "quiff": 2, "side part": 2.2, "fringe": 1, "buzz cut": 1.2, "curly": 1.3, "spiky": 1.2,
                  "crew cut": 2, "shaggy": 1, "slicked back": 1, "receding": 0.3, "ponytail": 0.25, "bald": 0.2},
    "middle-aged man": {"crop": 2, "side part": 2.3, "crew cut": 1.8, "buzz cut": 1.3, "receding": 1.8, "quiff": 0.8,
                        "slicked back": 1.3, "bald": 1, "horseshoe": 0.6, "curly": 0.8, "shaggy": 0.5},
    "elderly man": {"receding": 2.6, "side part": 1.8, "horseshoe": 1.8, "bald": 1.3, "crew cut": 1, "slicked back": 1,
                    "crop": 0.8},
}  # fmt: skip
#: Styles of coiled hair, of women and of men.
COILED_WOMEN = {"afro": 2, "bun": 1.5, "long curly": 1.5, "curly": 1, "ponytail": 0.7, "buzz cut": 0.4}
COILED_MEN = {"buzz cut": 3, "afro": 1.3, "curly": 1, "crew cut": 1.5, "bald": 0.8}
MELANIN = (1.25, 0.42, 0.20)  # of the three ancestries
#: First words of local changes that are drawn at a quarter of their size.
SMALL = ("head-age", "head-trans", "nose-trans-out", "mouth-trans-out", "head-angle", "neck")
#: What makes a face look like a woman's beyond the body model (ours); the opposite makes it a man's.
FEMININE = {
    "chin-width-incr": -0.35,
    "chin-bones-incr": -0.3,
    "chin-height-incr": -0.15,
    "*-eye-scale-incr": 0.35,
    "nose-scale-horiz-incr": -0.25,
    "nose-volume-incr": -0.2,
    "nose-hump-incr": -0.25,
    "mouth-upperlip-volume-incr": 0.3,
    "mouth-lowerlip-volume-incr": 0.3,
    "eyebrows-trans-up": 0.25,
    "forehead-nubian-incr": 0.15,
    "*-cheek-bones-incr": 0.15,
    "neck-scale-horiz-incr": -0.8,
}
#: First words of those that are drawn at three fifths of it.
CALM = ("mouth-lowerlip-ext", "mouth-trans", "chin-prog", "mouth-upperlip-ext")
#: Ages in years of children, young, middle-aged and old people, and how often they are drawn (ours).
AGES = ((8, 15), (18, 36), (36, 60), (60, 84))
AGE_SHARES = (0.07, 0.41, 0.33, 0.19)


def draw_years(rng: np.random.Generator) -> float:
    """An age in years: some children, most adults, some old."""
    youngest, oldest = AGES[rng.choice(4, p=AGE_SHARES)]
    return float(rng.uniform(youngest, oldest))


def draw_person(rng: np.random.Generator, *, years: float | None = None, gender: float | None = None) -> Person:
    """A random person, of the given age and gender where they are given."""
    ancestry = rng.dirichlet([0.45, 0.45, 0.45])
    drawn_gender = float(rng.random() < 0.5) * 0.84 + rng.random() * 0.16
    drawn_years = draw_years(rng)
    gender = drawn_gender if gender is None else gender
    years = drawn_years if years is None else years
    age = float(np.interp(years, YEARS[1], YEARS[0]))
    melanin = float(np.clip(ancestry @ MELANIN + rng.normal(0, 0.12), 0.06, 1.6))
    irises = ["dark", "brown", "light brown"] if melanin > 0.35 else list(IRIS_COLOURS)[1:]
    iris = str(rng.choice(irises))
    beard = str(rng.choice(["none", "stubble", "full", "goatee", "moustache"], p=[0.42, 0.25, 0.19, 0.08, 0.06]))
    bearded = beard != "none" and gender < 0.5 and years > 19
    return Person(
        seed=int(rng.integers(1 << 30)),
        age=age,
        gender=float(gender),
        weight=float(np.clip(rng.normal(0.5, 0.2), 0.05, 0.98)),
        ancestry=triple(ancestry),
        local=_draw_local(rng, gender),
        melanin=melanin,
        blood=float(rng.uniform(0.26, 0.44)),
        gloss=float(rng.uniform(0.5, 1.4)),
        iris=IRIS_COLOURS[iris],
        pupil=float(rng.uniform(0.3, 0.5)),
        brows=_draw_brows(rng),
        hair=_draw_hair(rng, years, gender, melanin, ancestry),
        clothes=draw_clothes(rng, gender),
        beard=float(rng.uniform(0.35, 1.0)) if bearded else 0.0,
        freckles=float(np.clip(rng.normal(0.0, 0.4), 0, 1)) if melanin < 0.4 else 0.0,
        lip_redness=float(rng.uniform(0.3, 0.7)),
        makeup=float(rng.random() < 0.55) * float(rng.uniform(0.1, 0.7)) * float(years > 16),
        makeup_colour=triple(rng.uniform(0.03, 0.3) * rng.uniform(0.6, 1.4, 3)),
        eye_bags=float(rng.random()),
        beard_style=beard,
        beard_length=float(rng.beta(1.3, 2.2)),
        glasses=draw_glasses(rng, years),
        moles=int(rng.poisson(2.5)),
        wrinkles=float(rng.uniform(0.7, 1.25)),
        iris_name=iris,
    )


def _draw_local(rng: np.random.Generator, gender: float, spread: float = 0.26) -> tuple[float, ...]:
    """Local changes of the face: mirrored with a little asymmetry, mild where wide ones look odd."""
    names = heads.load().local_names
    change = np.clip(rng.normal(0, spread, len(names)), -0.9, 0.9)
    for i, name in enumerate(names):
        if name.startswith("l-"):
            change[names.index("r-" + name[2:])] = np.clip(change[i] + rng.normal(0, 0.06), -1, 1)
    for name, shift in FEMININE.items():
        both = ("l-" + name[2:], "r-" + name[2:])
        for full in both if name.startswith("*-") else (name,):
            change[names.index(full)] += shift * (gender - 0.35)
    change = np.clip(change, -0.95, 0.95)
    for i, name in enumerate(names):
        if name.startswith(SMALL):
            change[i] *= 0.25
        if name == "mouth-angles-up" or "eye-height" in name:
            change[i] = np.clip(0.7 * change[i] + 0.30, -0.8, 0.9)  # nobody looks grumpy at rest
        if name.startswith(CALM) or "eye-trans" in name or "eye-scale" in name or "push" in name:
            change[i] *= 0.6
    return tuple(float(value) for value in change)


def _draw_brows(rng: np.random.Generator) -> Brows:
    """Brows near the average."""
    return Brows(
        thickness=float(rng.uniform(0.7, 1.3)),
        arch=float(rng.uniform(-0.3, 1.0)),
        density=float(rng.uniform(0.6, 1.0)),
        spacing=float(rng.uniform(-0.002, 0.003)),
        lift=float(rng.uniform(-0.002, 0.002)),
    )


def _group(years: float, woman: bool) -> str:
    """The key of `STYLE_WEIGHTS`."""
    if years < 16:
        return "girl" if woman else "boy"
    if years < 36:
        return "young woman" if woman else "young man"
    if years < 60:
        return "middle-aged woman" if woman else "middle-aged man"
    return "elderly woman" if woman else "elderly man"


def _draw_hair(rng: np.random.Generator, years: float, gender: float, melanin: float, ancestry: np.ndarray) -> Hair:
    """Hair that fits age, gender, skin and ancestry; some is dyed, some is grey."""
    woman = gender > 0.5
    coiled = ancestry[0] > 0.55 and rng.random() < 0.7
    weights = STYLE_WEIGHTS[_group(years, woman)]
    if coiled:
        weights = COILED_WOMEN if woman else COILED_MEN
    share = np.array(list(weights.values()), float)
    colours = ["black", "blue black", "dark brown", "black"] if melanin > 0.35 else list(HAIR_COLOURS)[2:]
    colour = str(rng.choice(colours))
    side = rng.choice([-1, 1])
    if rng.random() < (0.12 if woman else 0.02) and years < 55 and melanin > 0.2:
        colour = str(rng.choice(["brown", "light brown", "blond", "red"]))  # dyed
    grey = np.clip((years - 42) / 28, 0, 1) * rng.beta(1.6, 1.2) * (0.55 if woman and rng.random() < 0.5 else 1.0)
    return Hair(
        style=str(rng.choice(list(weights), p=share / share.sum())),
        colour=HAIR_COLOURS[colour],
        thickness=float(rng.uniform(0.7, 1.3)),
        length=float(rng.uniform(0.72, 1.3)),
        parting=float(side * rng.choice([0, 0.015, 0.03])),
        tilt=float(side * rng.uniform(-0.1, 0.45)),
        lift=float(np.clip(rng.normal(0, 0.004), -0.01, 0.01)),
        grey=float(np.clip(grey * 1.15, 0, 1)),
        wave=float(rng.beta(1.2, 1.8)),
        curl=float(rng.uniform(0.2, 0.8)) if coiled else float(max(0, rng.normal(-0.1, 0.2))),
        mess=float(rng.beta(1.6, 2.4)),
        colour_name=colour,
    )


def draw_pose(rng: np.random.Generator) -> Pose:
    """A head pose, mostly near the front; the face stays within the frame's middle."""
    wide = rng.random() < 0.18
    yaw = rng.choice([-1, 1]) * rng.uniform(0.4, 0.8) if wide else rng.normal(0, 0.2)
    return Pose(
        yaw=float(np.clip(yaw, -0.8, 0.8)),
        pitch=float(np.clip(rng.normal(0.02, 0.10), -0.28, 0.28)),
        roll=float(np.clip(rng.normal(0, 0.06), -0.3, 0.3)),
        distance=float(np.exp(rng.uniform(np.log(0.55), np.log(2.2)))),
        zoom=float(rng.uniform(0.92, 1.08)),
        x=float(rng.normal(0, 0.004)),
        y=float(rng.normal(0, 0.003)),
    )


def draw_camera(
    rng: np.random.Generator,
    noise: tuple[float, float] = (0.003, 0.008),
    blur: tuple[float, float] = (0.35, 0.75),
    cast: float = 0.05,
) -> Camera:
    """A camera; `noise` and `blur` are ranges, `cast` the half range of the white balance."""
    return Camera(
        noise=float(rng.uniform(*noise)),
        blur=float(rng.uniform(*blur)),
        saturation=float(rng.uniform(0.85, 1.15)),
        contrast=float(rng.uniform(0.90, 1.10)),
        white_balance=triple(rng.uniform(1 - cast, 1 + cast, 3)),
        seed=int(rng.integers(1 << 30)),
        motion=float(rng.uniform(0.5, 2.0)) if rng.random() < 0.12 else 0.0,
        motion_angle=float(rng.uniform(-0.6, 0.6)),
        sharpening=float(rng.uniform(0.0, 0.5)) if rng.random() < 0.6 else 0.0,
        vignette=float(rng.uniform(0.0, 0.3)) if rng.random() < 0.5 else 0.0,
        depth_of_field=float(rng.uniform(0.3, 1.7)),
        fade=float(rng.uniform(0.0, 0.04)) if rng.random() < 0.4 else 0.0,
    )


def draw_scene(rng: np.random.Generator) -> Scene:
    """One random picture."""
    return Scene(
        person=draw_person(rng),
        expression=draw_expression(rng),
        pose=draw_pose(rng),
        light=draw_light(rng),
        camera=draw_camera(rng),
        background=int(rng.integers(1 << 30)),
    )
