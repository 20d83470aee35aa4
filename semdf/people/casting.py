"""Random people, light, cameras and scenes, each from a generator."""

import math

import numpy as np

from semdf.people import head as heads
from semdf.people.expressions import draw_expression
from semdf.people.parameters import Brows, Camera, Clothes, Hair, Light, Person, Pose, Scene

__all__ = ["draw_camera", "draw_light", "draw_person", "draw_pose", "draw_scene"]

HAIR_COLOURS = {
    "black": (0.02, 0.016, 0.012), "blue black": (0.022, 0.021, 0.023), "dark brown": (0.035, 0.02, 0.012),
    "brown": (0.06, 0.033, 0.018), "light brown": (0.12, 0.065, 0.03), "red": (0.18, 0.06, 0.022),
    "blond": (0.26, 0.16, 0.07), "light blond": (0.40, 0.28, 0.14),
}  # fmt: skip
IRIS_COLOURS = {
    "dark": (0.045, 0.022, 0.012), "brown": (0.07, 0.035, 0.015), "light brown": (0.11, 0.06, 0.025),
    "grey": (0.10, 0.13, 0.16), "blue": (0.07, 0.13, 0.21), "green": (0.08, 0.11, 0.06),
    "hazel": (0.11, 0.09, 0.05),
}  # fmt: skip
#: Styles by gender and age group with their weights (ours).
STYLE_WEIGHTS = {
    "young woman": dict(long=3, middle=3, longfringe=2, bob=2, updo=2.5, pixie=0.7, side=0.3),
    "old woman": dict(bob=2.5, pixie=3, updo=2, curls=2, long=0.6, side=1),
    "young man": dict(crop=3, quiff=2, side=2.5, fringe=1.2, buzz=1.5, curls=1, receding=0.3, long=0.3),
    "old man": dict(receding=3, crop=2, side=2, bald=2, buzz=1.2),
}  # fmt: skip
MELANIN = (1.25, 0.42, 0.20)  # of the three ancestries
SMALL = ("head-age", "head-trans", "nose-trans-out", "mouth-trans-out", "head-angle", "neck")
CALM = ("mouth-lowerlip-ext", "mouth-trans", "chin-prog", "mouth-upperlip-ext")


def draw_person(rng: np.random.Generator) -> Person:
    """A random adult."""
    ancestry = rng.dirichlet([0.45, 0.45, 0.45])
    gender = float(rng.random() < 0.5) * 0.8 + rng.random() * 0.2
    age = rng.choice([rng.uniform(0.55, 0.75), rng.uniform(0.6, 0.85), rng.uniform(0.75, 1.0)])
    melanin = float(np.clip(ancestry @ MELANIN + rng.normal(0, 0.12), 0.06, 1.6))
    dark = melanin > 0.35
    irises = ["dark", "brown", "light brown"] if dark else list(IRIS_COLOURS)[1:]
    return Person(
        seed=int(rng.integers(1 << 30)),
        age=float(age),
        gender=float(gender),
        weight=float(np.clip(rng.normal(0.5, 0.18), 0.1, 0.95)),
        ancestry=tuple(float(share) for share in ancestry),
        local=_draw_local(rng),
        melanin=melanin,
        blood=float(rng.uniform(0.26, 0.46)),
        gloss=float(rng.uniform(0.5, 1.4)),
        iris=IRIS_COLOURS[str(rng.choice(irises))],
        pupil=float(rng.uniform(0.3, 0.5)),
        brows=_draw_brows(rng),
        hair=_draw_hair(rng, age, gender, melanin, ancestry),
        clothes=_draw_clothes(rng),
        beard=0.0 if rng.random() < 0.45 else float(rng.uniform(0.1, 0.9)),
        freckles=max(0.0, float(rng.normal(0.1, 0.4))) if melanin < 0.4 else 0.0,
        lip_redness=float(rng.uniform(0.3, 0.7)),
        makeup=float(rng.random() < 0.5) * float(rng.uniform(0.1, 0.5)),
        makeup_colour=tuple(float(part) for part in rng.uniform(0.03, 0.3) * rng.uniform(0.6, 1.4, 3)),
        eye_bags=float(rng.random()),
    )


def _draw_local(rng: np.random.Generator, spread: float = 0.28) -> tuple[float, ...]:
    """Local changes of the face: mirrored with a little asymmetry, mild where wide ones look odd."""
    names = heads.load().local_names
    change = np.clip(rng.normal(0, spread, len(names)), -0.9, 0.9)
    for i, name in enumerate(names):
        if name.startswith("l-"):
            change[names.index("r-" + name[2:])] = np.clip(change[i] + rng.normal(0, 0.06), -1, 1)
    for i, name in enumerate(names):
        if name.startswith(SMALL):
            change[i] *= 0.25
        if name == "mouth-angles-up" or "eye-height" in name:
            change[i] = np.clip(0.7 * change[i] + 0.22, -0.8, 0.8)  # nobody looks grumpy at rest
        if name.startswith(CALM) or "eye-trans" in name or "eye-scale" in name or "push" in name:
            change[i] *= 0.6
    return tuple(float(value) for value in change)


def _draw_brows(rng: np.random.Generator) -> Brows:
    thickness, arch, density = rng.uniform(0.7, 1.3), rng.uniform(-0.3, 1.0), rng.uniform(0.6, 1.0)
    spacing, lift = rng.uniform(-0.002, 0.003), rng.uniform(-0.002, 0.002)
    return Brows(float(thickness), float(arch), float(density), float(spacing), float(lift))


def _draw_hair(rng: np.random.Generator, age: float, gender: float, melanin: float, ancestry: np.ndarray) -> Hair:
    group = ("old " if age > 0.8 else "young ") + ("woman" if gender > 0.5 else "man")
    weights = STYLE_WEIGHTS[group]
    if ancestry[0] > 0.55 and rng.random() < 0.65:
        weights = dict(afro=2, updo=2, curls=1) if gender > 0.5 else dict(buzz=3, afro=1, curls=1, bald=1)
    share = np.array(list(weights.values()), float)
    colours = ["black", "blue black", "dark brown", "black"] if melanin > 0.35 else list(HAIR_COLOURS)[2:]
    side = rng.choice([-1, 1])
    return Hair(
        style=str(rng.choice(list(weights), p=share / share.sum())),
        colour=HAIR_COLOURS[str(rng.choice(colours))],
        thickness=float(rng.uniform(0.75, 1.3)),
        length=float(rng.uniform(0.75, 1.2)),
        parting=float(side * rng.choice([0, 0.02, 0.03])),
        tilt=float(side * rng.uniform(-0.1, 0.45)),
        lift=float(rng.normal(0, 0.004)),
        grey=float(np.clip((age - 0.76) * 4.4, 0, 1) * rng.uniform(0.2, 1.0)),
    )


def _draw_clothes(rng: np.random.Generator) -> Clothes:
    neckline = rng.uniform(0.01, 0.05) if rng.random() < 0.5 else 0.0
    stripe = rng.uniform(120, 500) if rng.random() < 0.2 else 0.0
    collar = rng.uniform(0.750, 0.772)
    return Clothes(_cloth_colour(rng), _cloth_colour(rng), float(stripe), float(collar), float(neckline))


def _cloth_colour(rng: np.random.Generator) -> tuple[float, float, float]:
    brightness = rng.choice([rng.uniform(0.01, 0.06), rng.uniform(0.05, 0.25), rng.uniform(0.35, 0.7)])
    tint = rng.normal(0, 0.35, 3) * rng.choice([0.15, 0.5, 1.2])
    return tuple(float(part) for part in np.clip(brightness * np.exp(tint), 0.01, 0.8))


def draw_pose(rng: np.random.Generator) -> Pose:
    """A head pose near the front; the face stays within the frame's middle."""
    return Pose(
        yaw=float(np.clip(rng.normal(0, 0.24), -0.6, 0.6)),
        pitch=float(np.clip(rng.normal(0.02, 0.09), -0.25, 0.25)),
        roll=float(rng.normal(0, 0.05)),
        distance=float(rng.uniform(0.7, 1.6)),
        zoom=float(rng.uniform(0.93, 1.07)),
        x=float(rng.normal(0, 0.004)),
        y=float(rng.normal(0, 0.003)),
    )


def draw_light(rng: np.random.Generator) -> Light:
    """One key light from the front half, warm or cool, and an ambient field."""
    azimuth, height = rng.uniform(-1.3, 1.3), rng.uniform(0.1, 1.1)
    warmth, second = rng.uniform(-1, 1, 2)
    tint = np.array([1 + 0.12 * warmth, 1.0, 1 - 0.14 * warmth])
    fill = np.array([1 + 0.08 * second, 1.0, 1 - 0.10 * second]) * rng.uniform(0.28, 0.7)
    slope = rng.normal(0, 0.16, 3) + np.array([0, 0.1, 0.1])
    ambient = tuple(tuple(float(level * part) for part in (1, *slope)) for level in fill)
    direction = (math.sin(azimuth) * math.cos(height), math.sin(height), math.cos(azimuth) * math.cos(height))
    key = tuple(float(part) for part in rng.uniform(0.5, 1.4) * tint)
    return Light(direction, key, ambient, float(rng.uniform(0.55, 0.95)), float(rng.uniform(0.78, 1.05)))


def draw_camera(rng: np.random.Generator, noise: tuple[float, float] = (0.003, 0.008),
                blur: tuple[float, float] = (0.35, 0.65), cast: float = 0.04) -> Camera:  # fmt: skip
    """A camera; `noise` and `blur` are ranges, `cast` the half range of the white balance."""
    return Camera(
        noise=float(rng.uniform(*noise)),
        blur=float(rng.uniform(*blur)),
        saturation=float(rng.uniform(0.85, 1.1)),
        contrast=float(rng.uniform(0.92, 1.1)),
        white_balance=tuple(float(part) for part in rng.uniform(1 - cast, 1 + cast, 3)),
        seed=int(rng.integers(1 << 30)),
    )


def draw_scene(rng: np.random.Generator) -> Scene:
    """One random picture."""
    person, expression = draw_person(rng), draw_expression(rng)
    return Scene(person, expression, draw_pose(rng), draw_light(rng), draw_camera(rng), int(rng.integers(1 << 30)))
