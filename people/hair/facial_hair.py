"""Brows, lashes and beards as strands on the face's skin."""

import numpy as np

from people.body.parameters import Person
from people.hair.follicles import beard_follicles, face_points, lash_follicles
from people.hair.growth import BEARD, BROW, LASH, Strands
from people.skin.painting import ANGLE, HEIGHT, SIZE, TOP, beard_shape, brow_line

__all__ = ["grow_beard", "grow_brows", "grow_lashes", "hair_colours"]


def _strands(
    corners: np.ndarray,
    weights: np.ndarray,
    offsets: np.ndarray,
    rise: np.ndarray,
    colour: np.ndarray,
    width: np.ndarray,
    kind: int,
) -> Strands:
    """Strands of single precision."""
    return Strands(
        corners=corners,
        weights=np.asarray(weights, np.float32),
        offsets=np.asarray(offsets, np.float32),
        rise=np.asarray(rise, np.float32),
        colour=np.asarray(colour, np.float32),
        width=np.asarray(width, np.float32),
        kind=kind,
    )


def hair_colours(person: Person, count: int, rng: np.random.Generator, shade: float, grey: float) -> np.ndarray:
    """Linear colours `[count, 3]`: the person's times `shade`, uneven, a share `grey` of them grey."""
    tone = np.exp(0.25 * rng.standard_normal((count, 1)))
    colour = np.asarray(person.hair.colour) * shade * tone
    silver = np.array([0.36, 0.35, 0.33]) * tone**0.5
    return np.where((rng.random(count) < grey)[:, None], silver, colour)


def grow_brows(person: Person, size: float) -> Strands:
    """Hairs along the line of each brow, pointing up at the nose and outwards at its end."""
    rng = np.random.default_rng(person.seed + 21)
    brows = person.brows
    thick = brows.thickness * (1.12 - 0.40 * person.gender)
    x, z, half = brow_line(brows)
    count = int(250 * brows.density * (0.6 + 0.4 * thick))
    corners: list[np.ndarray] = []
    weights: list[np.ndarray] = []
    offsets: list[np.ndarray] = []
    place: list[np.ndarray] = []
    for side in (1, -1):
        t = rng.beta(1.15, 1.25, count)
        i = (t * 39).astype(int)
        across = np.clip(rng.normal(0, 0.55, count), -1, 1.1)
        root_x = side * x[i] + rng.normal(0, 0.0006, count)
        root_z = z[i] + across * half[i] * thick
        length = rng.uniform(0.0045, 0.0085, count) * (0.75 + 0.25 * thick) * np.clip(1.25 - 0.5 * t, 0.5, 1.2)
        angle = 1.25 - 1.45 * t + rng.normal(0, 0.16, count) - 0.35 * across
        along = np.linspace(0, 1, 5)
        bent = angle[:, None] - 0.45 * along[None]
        step = (length / 4)[:, None]
        path_x = np.cumsum(side * np.cos(bent) * step, 1)
        path_z = np.cumsum(np.sin(bent) * step, 1) * 0.9
        path_y = -0.0014 * np.sin(np.pi * 0.8 * along)[None] + 0.25 * np.abs(path_x)
        roots = face_points(root_x, root_z)
        corners.append(roots.corners)
        weights.append(roots.weights)
        place.append(t)
        offsets.append((np.stack([path_x, path_y - 0.0004, path_z], -1) + roots.rest[:, None]) * size)
    t = np.concatenate(place)
    colour = hair_colours(person, len(t), rng, 0.62, 0.55 * person.hair.grey) * 0.85
    bright = np.asarray(person.hair.colour).mean()
    if bright > 0.15:  # brows of the fair are darker than their hair
        colour = colour * 0.55
    ends = np.clip(t * 4 + 0.35, 0, 1) * np.clip((1.08 - t) * 3, 0.3, 1)
    width = 0.00055 * np.clip(brows.density * ends, 0.2, 1.2) * size
    return _strands(
        np.concatenate(corners),
        np.concatenate(weights),
        np.concatenate(offsets),
        np.ones((len(t), 5)),
        colour,
        width,
        BROW,
    )


def grow_lashes(person: Person, size: float) -> Strands:
    """Short dark hairs on the lids' rims; made-up lashes are longer and thicker."""
    rng = np.random.default_rng(person.seed + 22)
    corners, weights, place, upper = lash_follicles()
    count = len(place)
    side = np.where(np.arange(count) < count // 2, 1, -1)
    strong = 0.8 + 0.5 * person.gender + 0.5 * person.makeup * person.gender
    length = np.where(upper, 0.0062, 0.0030) * strong * (0.75 + 0.175 * (place + 1))
    length = length * rng.uniform(0.8, 1.2, count)
    along = np.linspace(0, 1, 4)
    fan = 0.55 * place * side
    lift = np.where(upper, 0.30, -0.45)
    path_x = (fan * length)[:, None] * along
    path_y = -length[:, None] * along * 0.85
    path_z = length[:, None] * (lift[:, None] * along**2 + np.where(upper, -0.08, -0.1)[:, None] * along)
    offsets = np.stack([path_x, path_y - 0.0006, path_z], -1) * size
    dark = np.clip(0.35 - 0.3 * person.makeup, 0.05, 0.35) * np.asarray(person.hair.colour) + 0.006
    width = np.where(upper, 0.00042, 0.00022) * strong * size
    return _strands(corners, weights, offsets, np.ones((count, 4)), np.tile(dark, (count, 1)), width, LASH)


def grow_beard(person: Person, size: float) -> Strands | None:
    """A beard of the person's style; `beard` is its density, `beard_length` its length. None where none shows."""
    if person.beard_name == "none":
        return None
    rng = np.random.default_rng(person.seed + 23)
    roots = beard_follicles()
    angle = np.arctan2(roots.points[:, 0], -(roots.points[:, 1] + 0.06))
    row = np.clip((TOP - roots.points[:, 2]) / HEIGHT * (SIZE - 1), 0, SIZE - 1).astype(int)
    column = np.clip((angle / ANGLE + 1) * 0.5 * (SIZE - 1), 0, SIZE - 1).astype(int)
    grown = beard_shape(person.beard_style)[row, column]
    chosen = np.flatnonzero(rng.random(len(grown)) < grown * (0.35 + 0.65 * person.beard))
    count = len(chosen)
    if count == 0:
        return None
    points = roots.points[chosen]
    stubble = person.beard_style == "stubble"
    long = 0.0025 if stubble else 0.005 + 0.020 * person.beard_length**1.5
    chin = np.exp(-((points[:, 0] / 0.035) ** 2) - ((points[:, 2] - 0.79) / 0.025) ** 2)
    lip = points[:, 2] > 0.838
    length = long * rng.uniform(0.6, 1.2, count) * (0.7 + 0.8 * chin) * np.where(lip, 0.65, 1)
    out = points - np.array([0, -0.05, 0.86])
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    aside = np.where(lip, 1.2, 0.3) * np.sign(points[:, 0]) * (np.abs(points[:, 0]) > 0.004)
    fall = np.stack([aside, 0 * length, -np.ones(count)], -1)
    way = 0.55 * out + 0.6 * fall + rng.normal(0, 0.22, (count, 3))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    t = np.linspace(0, 1, 5)[None, :, None]
    curl = rng.normal(0, 0.18 + 0.3 * person.hair.curl, (count, 1, 3)) * t**2
    path = (way[:, None] * t + np.array([0, 0.10, -0.25]) * t**2 + curl) * length[:, None, None] * size
    colour = hair_colours(person, count, rng, 0.8, min(1.0, 1.15 * person.hair.grey))
    width = (0.00045 if stubble else 0.00065) * rng.uniform(0.7, 1.2, count) * size
    rise = np.clip(0.35 + 0.65 * np.linspace(0, 1, 5), 0, 1)[None].repeat(count, 0)
    return _strands(roots.corners[chosen], roots.weights[chosen], path, rise, colour, width, BEARD)
