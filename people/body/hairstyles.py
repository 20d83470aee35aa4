"""Hair styles: hair line, lengths, the way the hair is combed, curls and what it is tied to."""

from dataclasses import dataclass

import numpy as np

from people.body.parameters import Person

__all__ = ["STYLES", "TABLE", "HairShape", "Style", "shape_hair"]

#: Knots of the hair line: angle from the front (0) to the back (pi).
KNOTS = np.array([0.0, 0.30, 0.58, 0.78, 0.98, 1.15, 1.32, 1.45, 1.75, 2.2, np.pi])
#: Height of the hair line at the knots for short hair: forehead, temple corner, temple, sideburn, nape.
SHORT = np.array([0.975, 0.977, 0.978, 0.964, 0.938, 0.918, 0.900, 0.896, 0.884, 0.862, 0.846])
#: Angles that a person's hair line is tabulated at.
TABLE = np.linspace(-np.pi, np.pi, 97)


@dataclass(frozen=True)
class Style:
    """Lengths in metres; `comb` names the way that the hair is combed (see `people.hair.growth`)."""

    top: float  # length on top
    side: float  # and at the sides
    comb: str
    lift: float = 0.4  # 0 lies on the scalp .. 1 stands
    gravity: float = 0.25
    line: tuple[float, ...] = (0.0,) * 6  # metres, added to the first knots of the hair line
    quiff: float = 0.0  # extra lift over the forehead
    cut: float | None = None  # lowest height against the eyes, metres
    fringe: float | None = None  # height against the eyes at which hair over the forehead ends
    curl: float = 0.0  # radius of curls in centimetres
    frizz: float = 0.0  # random turns, 0 .. 1
    clump: float = 0.45  # how much hairs join to locks
    tie: tuple[float, float, float] | None = None  # where the hair is tied, from the head's middle
    tail: float = 0.0  # length of a ponytail; below 0 the radius of a bun
    count: int = 6000
    width: float = 0.0009
    bare: float = 0.0  # height over the eyes above which no hair grows (0: everywhere)


STYLES = {
    "bald": Style(0.0, 0.0, "down", count=0),
    "horseshoe": Style(0.022, 0.014, "down", lift=0.35, bare=0.058, width=0.0007, count=6000,
                       line=(0.03, 0.03, 0.02, 0, 0, 0)),
    "buzz cut": Style(0.006, 0.004, "down", lift=0.7, clump=0.0, width=0.0007, count=9000),
    "crew cut": Style(0.020, 0.007, "forward", lift=0.75, clump=0.3, width=0.0008, count=8500),
    "crop": Style(0.034, 0.012, "forward", lift=0.45, quiff=0.2),
    "side part": Style(0.062, 0.020, "sweep", lift=0.42, gravity=0.12, quiff=0.25, clump=0.6),
    "quiff": Style(0.060, 0.011, "back", lift=0.55, gravity=0.06, quiff=0.6, clump=0.6),
    "slicked back": Style(0.085, 0.035, "back", lift=0.18, gravity=0.1, quiff=0.15, clump=0.7),
    "spiky": Style(0.042, 0.014, "up", lift=0.85, gravity=0.0, clump=0.85),
    "fringe": Style(0.075, 0.030, "forward", lift=0.35, gravity=0.4, fringe=0.034, clump=0.6),
    "receding": Style(0.036, 0.018, "back", lift=0.35, line=(0.010, 0.026, 0.034, 0.016, 0, 0), count=4800),
    "shaggy": Style(0.115, 0.085, "part", lift=0.5, gravity=0.45, cut=-0.035, clump=0.65),
    "curly": Style(0.075, 0.045, "down", lift=0.7, gravity=0.2, curl=0.65, frizz=0.25, clump=0.75, count=4200),
    "afro": Style(0.050, 0.042, "up", lift=1.0, gravity=0.0, curl=0.25, frizz=1.6, clump=0.2, count=9500,
                  width=0.0013),
    "pixie": Style(0.065, 0.032, "sweep", lift=0.45, gravity=0.3, fringe=0.026, clump=0.65,
                   line=(0, 0, -0.004, -0.006, -0.008, -0.008)),
    "bob": Style(0.24, 0.20, "part", lift=0.35, gravity=0.6, cut=-0.105, count=5600),
    "long straight": Style(0.40, 0.36, "part", lift=0.2, gravity=0.7, cut=-0.26, count=6200, clump=0.3, width=0.0011),
    "long wavy": Style(0.38, 0.34, "part", lift=0.4, gravity=0.6, cut=-0.23, curl=0.9, clump=0.55, count=5800,
                       width=0.0011),
    "long curly": Style(0.30, 0.26, "part", lift=0.55, gravity=0.45, cut=-0.18, curl=1.0, frizz=0.3, clump=0.8,
                        count=4600),
    "long with fringe": Style(0.38, 0.34, "fringe", lift=0.3, gravity=0.65, fringe=0.026, cut=-0.22, count=6200,
                              clump=0.35, width=0.0011),
    "ponytail": Style(0.20, 0.20, "tie", lift=0.08, gravity=0.0, tie=(0.0, 0.098, 0.035), tail=0.24, count=6500,
                      clump=0.2),
    "bun": Style(0.20, 0.20, "tie", lift=0.08, gravity=0.0, tie=(0.0, 0.062, 0.100), tail=-0.033, count=6500,
                 clump=0.25),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class HairShape:
    """The style as it sits on one person."""

    style: Style
    hairline: np.ndarray  # [97] float32, height over the angle -pi..pi
    base: float  # strength of the dark scalp that shows between the hairs, 0..1


def shape_hair(person: Person) -> HairShape:
    """Hair line of a person; men's recede with age, and no line is even."""
    hair = person.hair
    style = STYLES[hair.style]
    rng = np.random.default_rng(person.seed + 7)
    height = SHORT + hair.lift
    height[:6] += style.line
    height[:4] += 0.004 * rng.standard_normal() * np.array([0.3, 1, 1, 0.5])
    if person.gender < 0.5:
        height[:4] += np.array([0.002, 0.012, 0.012, 0.004]) * 1.6 * person.ageing * rng.random()
    else:
        height[1:5] -= 0.004  # rounder
    line = np.interp(np.abs(TABLE), KNOTS, height)
    line -= 0.006 * hair.tilt * np.sin(TABLE) * (np.abs(TABLE) < np.pi / 2)
    phases = rng.uniform(0, 2 * np.pi, 3)
    line += 0.0012 * (np.sin(9 * TABLE + phases[0]) + 0.7 * np.sin(21 * TABLE + phases[1]))
    base = 0.4 if hair.style in ("horseshoe", "receding") else 0.93
    if style.count == 0:  # bald: no hair line, no scalp between hairs
        line += 1.0
        base = 0.0
    return HairShape(style, line.astype(np.float32), base)
