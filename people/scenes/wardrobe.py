"""Random clothes, hats and glasses."""

import numpy as np

from people.body.parameters import GLASSES, HATS, LENSES, PATTERNS, TOPS, Clothes, Colour, Glasses, Hat, triple

__all__ = ["CLOTH_COLOURS", "draw_clothes", "draw_glasses"]

CLOTH_COLOURS = {
    "black": (0.012, 0.012, 0.014),
    "dark grey": (0.05, 0.05, 0.055),
    "grey": (0.20, 0.20, 0.21),
    "white": (0.68, 0.67, 0.65),
    "navy": (0.014, 0.024, 0.075),
    "blue": (0.05, 0.13, 0.36),
    "light blue": (0.30, 0.44, 0.62),
    "red": (0.36, 0.03, 0.03),
    "burgundy": (0.11, 0.014, 0.025),
    "green": (0.04, 0.17, 0.06),
    "olive": (0.11, 0.11, 0.045),
    "brown": (0.12, 0.065, 0.035),
    "beige": (0.48, 0.39, 0.28),
    "pink": (0.62, 0.27, 0.33),
    "purple": (0.14, 0.05, 0.21),
    "yellow": (0.62, 0.45, 0.07),
    "orange": (0.52, 0.18, 0.035),
    "teal": (0.02, 0.17, 0.19),
}
#: How often each is drawn (ours).
COLOUR_WEIGHTS = np.array([5, 3, 3, 5, 4, 3, 3, 2, 1.5, 1.5, 1.5, 1.5, 2, 1, 1, 0.8, 0.8, 1])
FRAMES = {
    "black": (0.012, 0.012, 0.012),
    "brown": (0.06, 0.028, 0.012),
    "gold": (0.50, 0.36, 0.14),
    "silver": (0.45, 0.45, 0.46),
    "blue": (0.02, 0.04, 0.16),
    "red": (0.24, 0.02, 0.02),
}
#: Heights of the collar that each garment has, metres.
COLLARS = {
    "crew neck": (0.752, 0.764),
    "v-neck": (0.745, 0.758),
    "shirt": (0.752, 0.762),
    "turtleneck": (0.775, 0.788),
    "hoodie": (0.750, 0.762),
}


def _shade(rng: np.random.Generator, colour: Colour) -> Colour:
    """A colour as it is after some washing."""
    washed = 0.82 * np.array(colour) + 0.18 * np.mean(colour)
    return triple(np.clip(washed * np.exp(rng.normal(0, 0.1, 3)), 0.008, 0.8))


def _pick(rng: np.random.Generator) -> str:
    """One of `CLOTH_COLOURS`."""
    return str(rng.choice(list(CLOTH_COLOURS), p=COLOUR_WEIGHTS / COLOUR_WEIGHTS.sum()))


def draw_clothes(rng: np.random.Generator, gender: float, hat_share: float = 0.13) -> Clothes:
    """A garment, with a hat for a share of the people."""
    name = _pick(rng)
    second = _pick(rng)
    top = str(rng.choice(TOPS, p=[0.34, 0.22, 0.24, 0.08, 0.12]))
    pattern = str(rng.choice(PATTERNS, p=[0.66, 0.16, 0.12, 0.06]))
    necklines = {"v-neck": rng.uniform(0.03, 0.075), "shirt": rng.uniform(0.02, 0.045)}
    neckline = necklines.get(top, 0.0)
    if top == "crew neck" and gender > 0.5 and rng.random() < 0.5:
        neckline = rng.uniform(0.015, 0.04)
    return Clothes(
        colour=_shade(rng, CLOTH_COLOURS[name]),
        second=_shade(rng, CLOTH_COLOURS[second]),
        stripe=float(rng.uniform(140, 420)) if pattern != "plain" else 0.0,
        collar=float(rng.uniform(*COLLARS[top])),
        neckline=float(neckline),
        top=top,
        pattern=pattern,
        colour_name=name,
        hat=_draw_hat(rng, gender) if rng.random() < hat_share else None,
    )


def _draw_hat(rng: np.random.Generator, gender: float) -> Hat:
    """A hat in one colour or two; headscarves are women's."""
    shares = [0.35, 0.35, 0.3] if gender > 0.5 else [0.58, 0.42, 0.0]
    kind = str(rng.choice(HATS, p=shares))
    first = _pick(rng)
    other = _pick(rng)
    second = first if rng.random() < 0.6 else other
    return Hat(
        kind,
        colour=_shade(rng, CLOTH_COLOURS[first]),
        second=_shade(rng, CLOTH_COLOURS[second]),
        tilt=float(rng.uniform(-0.004, 0.006)),
    )


def draw_glasses(rng: np.random.Generator, years: float) -> Glasses | None:
    """Glasses for some, more often for the old."""
    if rng.random() > 0.16 + 0.25 * np.clip((years - 35) / 40, 0, 1):
        return None
    kind = str(rng.choice(GLASSES, p=[0.46, 0.38, 0.16]))
    names = ["gold", "silver", "black", "brown"] if kind == "thin" else ["black", "black", "brown", "blue", "red"]
    name = str(rng.choice(names))
    shape = str(rng.choice(LENSES, p=[0.2, 0.27, 0.3, 0.13, 0.1]))
    tint = np.array([0.030, 0.028, 0.030]) * np.exp(rng.normal(0, 0.5)) * np.exp(rng.normal(0, 0.3, 3))
    return Glasses(
        kind,
        shape,
        colour=FRAMES[name],
        width=float(rng.uniform(0.94, 1.08)),
        tint=triple(np.clip(tint, 0, 0.3)),
        colour_name=name,
    )
