"""Hair as strands: locks grow from the scalp along the style's comb, and every hair follows its lock."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from people.body.hairstyles import TABLE, HairShape, Style
from people.body.parameters import Hat, Person
from people.body.skull import MIDDLE, Skull, unit
from people.hair.follicles import GUIDES, Follicles, scalp_follicles
from people.hair.hats import edge_height

__all__ = ["BEARD", "BROW", "FRAME", "HAIR", "LASH", "Strands", "grow_hair"]

POINTS = 14  # of a lock
#: Kinds of strands.
HAIR, BEARD, BROW, LASH, FRAME = range(5)
#: The direction of combing `[P, 3]` at points `[P, 3]` relative to the head's middle.
Comb = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Strands:
    """S polylines of K points: roots on the mesh and offsets from them."""

    corners: np.ndarray  # [S, 3] vertices of the root
    weights: np.ndarray  # [S, 3] float32
    offsets: np.ndarray  # [S, K, 3] float32, metres
    rise: np.ndarray  # [S, K] float32, height over the skin, 0 shaded .. 1 open
    colour: np.ndarray  # [S, 3] float32 linear
    width: np.ndarray  # [S] float32 metres
    kind: int = HAIR


def _along(way: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The part of directions that runs along the scalp at points relative to the head's middle."""
    out = unit(place)
    return unit(way - 0.92 * (way * out).sum(-1, keepdims=True) * out)


def _field(style: Style, comb: Comb, place: np.ndarray) -> np.ndarray:
    """Where the comb pulls hair at points relative to the head's middle: along the scalp, or straight to a tie."""
    if style.comb == "up":
        return 0.0 * place
    return unit(comb(place)) if style.comb == "tie" else _along(comb(place), place)


def _comb(style: Style, parting: float, side: float) -> Comb:
    """The style's way of combing; `side` is 1 or -1, the side that hair is swept to."""

    def down(p: np.ndarray) -> np.ndarray:
        return np.stack([p[:, 0] - parting, p[:, 1] - 0.065, np.full(len(p), -0.03)], -1)

    def forward(p: np.ndarray) -> np.ndarray:
        top = np.clip((p[:, 2] - 0.03) / 0.05, 0, 1)
        return np.stack([0.25 * side * top + p[:, 0] * 2, -0.25 - 0.8 * top, -0.9 + 0.6 * top], -1)

    def back(p: np.ndarray) -> np.ndarray:
        top = np.clip((p[:, 2] - 0.03) / 0.05, 0, 1)
        return np.stack([0.25 * side * top, 0.4 + 0.6 * top, -0.8 + 0.8 * top], -1)

    def sweep(p: np.ndarray) -> np.ndarray:
        top = np.clip((p[:, 2] - 0.045) / 0.04, 0, 1)
        over = np.where((p[:, 0] - 1.2 * parting) * side < 0, 1.0, -1.0) if parting else np.ones(len(p))
        across = np.stack([side * over, 0.15 - 0.5 * (p[:, 1] < -0.06), np.full(len(p), -0.1)], -1)
        beside = np.stack([0 * top, np.full(len(p), 0.45), np.full(len(p), -0.9)], -1)
        return across * top[:, None] + beside * (1 - top)[:, None]

    def part(p: np.ndarray) -> np.ndarray:
        away = np.tanh((p[:, 0] - parting) / 0.008)
        behind = np.clip((p[:, 1] + 0.01) / 0.06, 0, 1)
        apart = np.stack([away, np.full(len(p), 0.12), np.full(len(p), -0.35)], -1)
        return apart * (1 - behind)[:, None] + unit(down(p)) * behind[:, None]

    def fringe(p: np.ndarray) -> np.ndarray:
        front = (p[:, 1] < -0.035) & (np.abs(p[:, 0]) < 0.062)
        ahead = np.stack([2.0 * p[:, 0], np.full(len(p), -1.0), np.full(len(p), -0.5)], -1)
        return np.where(front[:, None], ahead, part(p))

    def tie(p: np.ndarray) -> np.ndarray:
        return np.asarray(style.tie or (0, 0, 0)) - p

    def up(p: np.ndarray) -> np.ndarray:
        return p + np.array([0, 0, 0.03])

    combs = (down, forward, back, sweep, part, fringe, tie, up)
    return {comb.__name__: comb for comb in combs}[style.comb]


def _grow_locks(
    person: Person, style: Style, skull: Skull, roots: np.ndarray, size: float, rng: np.random.Generator
) -> np.ndarray:
    """Paths `[G, K, 3]` of the locks, in metres of the person."""
    hair = person.hair
    count = len(roots)
    side = 1.0 if hair.tilt >= 0 else -1.0
    comb = _comb(style, hair.parting, side)
    start = (roots - skull.middle) / size
    on_top = np.clip((start[:, 2] - 0.025) / 0.045, 0, 1)
    length = (style.side + (style.top - style.side) * on_top) * hair.length * np.exp(rng.normal(0, 0.12, count)) * size
    if style.cut is None and style.curl == 0:
        length = length * np.clip((start[:, 2] + 0.065) / 0.08, 0.12, 1)  # short at the nape
    front = np.clip((-start[:, 1] - 0.05) / 0.03, 0, 1) * np.clip((start[:, 2] - 0.05) / 0.02, 0, 1)
    lift = np.clip((style.lift + style.quiff * front) * (0.7 + 0.3 * hair.thickness), 0, 1.1)
    out = unit(roots - skull.middle)
    if person.clothes.hat is not None:  # pressed down
        lift = 0.3 * lift
        length = np.where(length < 0.15 * size, (0.35 if style.curl else 0.6) * length, length)
    mess = 0.35 * hair.mess * (0.4 if style.comb == "tie" else 1.0)
    combed = _field(style, comb, start) * (1 - 0.75 * lift)[:, None]
    way = unit(out * lift[:, None] + combed + mess * rng.normal(0, 0.5, (count, 3)))
    fringed = (start[:, 1] < -0.03) & (np.abs(start[:, 0]) < 0.066) & (start[:, 2] > 0.02)
    lowest = _lowest(person, style, start, fringed, rng)
    wobble = rng.normal(0, 1, (count, 3))
    opened = np.abs(start[:, 0]) > 0.004 if style.fringe is None else ~fringed  # locks that part before the face
    paths = np.empty((count, POINTS, 3))
    point = roots.copy()
    finer = 3 if style.top > 0.15 else 1  # steps between two points of a path
    step = (length / (POINTS - 1) / finer)[:, None]
    stopped = np.zeros(count, bool)
    for k in range((POINTS - 1) * finer + 1):
        if k % finer == 0:
            paths[:, k // finer] = point
        place = (point - skull.middle) / size
        near = np.clip(1 - skull.height(point) / 0.03, 0, 1)[:, None]
        field = _field(style, comb, place)
        way = unit(way + 0.55 * near * field + style.gravity * np.array([0, 0, -0.8]) + 0.10 * mess * wobble)
        new = skull.push(point + way * step, (0.0035 + 0.004 * hair.thickness) * size)
        if style.cut is not None:  # long hair frames the face
            ahead = (place[:, 2] < 0.045) & (place[:, 1] < -0.02) & opened
            open_to = 0.064 + 0.006 * np.sin(np.arange(count) * 2.4)
            open_to = open_to * np.clip((0.05 - place[:, 2]) / 0.06, 0, 1) * size
            x = new[:, 0] - skull.middle[0]
            aside = skull.middle[0] + np.sign(x) * np.maximum(np.abs(x), open_to)
            new[:, 0] = np.where(ahead, aside, new[:, 0])
        stopped |= place[:, 2] < lowest
        if style.tie is not None:
            stopped |= np.linalg.norm(place - np.asarray(style.tie), axis=1) < 0.014
        point = np.where(stopped[:, None], point, new)
    return paths


def _lowest(
    person: Person, style: Style, start: np.ndarray, fringed: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Height relative to the head's middle at which each lock `[G]` is cut; `fringed` are those over the forehead."""
    hair = person.hair
    count = len(start)
    lowest = np.full(count, -9.0)  # far below: not cut
    if style.cut is not None:
        lowest = style.cut * hair.length + rng.normal(0, 0.006, count)
    if style.fringe is None:
        return lowest
    edge = (
        style.fringe
        + rng.uniform(-0.004, 0.014)
        - 0.12 * np.maximum(np.abs(start[:, 0]) - 0.03, 0)
        + 0.003 * hair.mess * rng.normal(0, 1, count)
    )
    return np.where(fringed, edge, lowest)


def grow_hair(person: Person, shape: HairShape, body: np.ndarray, size: float) -> Strands | None:
    """Hair of a person on the neutral mesh `body`; None for bald heads."""
    style = shape.style
    if style.count == 0:
        return None
    rng = np.random.default_rng(person.seed + 4)
    roots = scalp_follicles()
    skull = Skull(body, ears=style.cut is not None)
    base = roots.at(body)
    locks = _grow_locks(person, style, skull, base[:GUIDES], size, rng)
    angle = np.arctan2(roots.points[:, 0], -(roots.points[:, 1] + 0.06))
    above = roots.points[:, 2] - np.interp(angle, TABLE, shape.hairline)
    chosen = _choose(person, style, roots, angle, above, rng)
    parts = [_follow_locks(person, style, skull, roots, base, locks, chosen, above, size, rng)]
    if style.tail and person.clothes.hat is None:
        parts.append(_tail(person, style, skull, roots, base, size, rng))
    return Strands(
        corners=np.concatenate([part.corners for part in parts]),
        weights=np.concatenate([part.weights for part in parts]).astype(np.float32),
        offsets=np.concatenate([part.offsets for part in parts]).astype(np.float32),
        rise=np.concatenate([part.rise for part in parts]).astype(np.float32),
        colour=np.concatenate([part.colour for part in parts]).astype(np.float32),
        width=np.concatenate([part.width for part in parts]).astype(np.float32),
    )


def _choose(
    person: Person, style: Style, roots: Follicles, angle: np.ndarray, above: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Numbers of the roots that grow hair: above the hair line, where the style is not bare, outside a hat.

    Args:
        angle: [R], of the roots about the vertical axis.
        above: [R], their height over the hair line, metres.
    """
    hair = person.hair
    lumps = rng.normal(0, 0.0022, GUIDES)[roots.lock] + rng.normal(0, 0.0022, len(angle))
    keep = above + lumps * (1.6 if hair.mess > 0.6 else 1.0) > 0
    if style.bare:
        height = roots.points[:, 2] - MIDDLE[2] + 0.03 * (np.abs(angle) > 2)
        keep &= height + lumps * 3 < style.bare
    if person.clothes.hat is not None:
        keep &= _outside_hat(person.clothes.hat, roots.points)
    most = int(style.count * (0.75 + 0.25 * hair.thickness) * (1 - 0.25 * person.ageing))
    return np.flatnonzero(keep)[:most]


def _follow_locks(
    person: Person,
    style: Style,
    skull: Skull,
    roots: Follicles,
    base: np.ndarray,
    locks: np.ndarray,
    chosen: np.ndarray,
    above: np.ndarray,
    size: float,
    rng: np.random.Generator,
) -> Strands:
    """A hair at each chosen root along the path of its lock, with an end, a curl and a colour of its own."""
    hair = person.hair
    count = len(chosen)
    lock = roots.lock[chosen]
    if style.curl:  # curls need more points
        between = np.stack([locks[:, :-1], (locks[:, :-1] + locks[:, 1:]) / 2], 2).reshape(GUIDES, -1, 3)
        locks = np.concatenate([between, locks[:, -1:]], 1)
    path = locks[lock] - base[lock][:, None]
    t = np.linspace(0, 1, path.shape[1])[None, :, None]
    join = style.clump * rng.uniform(0.7, 1.2, (count, 1, 1)) * t**0.8
    apart = (base[chosen] - base[lock])[:, None]
    short = np.clip((above[chosen] + 0.012) / 0.024, 0.45, 1) if style.cut is None else 1.0
    scale = np.asarray(short * np.clip(rng.normal(0.95, 0.1, count), 0.5, 1.15)).reshape(-1, 1, 1)
    offsets = path * scale - apart * np.clip(join, 0, 0.95)
    length = np.linalg.norm(np.diff(offsets, axis=1), axis=-1).sum(1)[:, None, None]
    loose = 0.045 * (0.35 + hair.mess) * rng.normal(0, 1, (count, 1, 3)) * t**1.3
    offsets += loose * np.minimum(length, 0.12) * (0.4 if style.comb == "tie" else 1.0)
    fly = rng.random((count, 1, 1)) < 0.03 + 0.03 * hair.mess
    offsets += fly * rng.normal(0, 0.10, (count, 1, 3)) * t * np.minimum(length, 0.10)
    offsets = offsets + _curls(style, hair.wave, hair.curl, rng, lock, length, t)
    world = skull.push(base[chosen][:, None] + offsets, 0.0012)
    rise = np.clip(skull.height(world) / (0.010 + 0.02 * (style.curl > 0)), 0.0, 1)
    colour = _colours(person, rng, lock)
    return Strands(
        corners=roots.corners[chosen],
        weights=roots.weights[chosen],
        offsets=world - base[chosen][:, None],
        rise=rise,
        colour=colour,
        width=style.width * rng.uniform(0.7, 1.3, count) * size,
    )


def _curls(
    style: Style,
    wave: float,
    curl: float,
    rng: np.random.Generator,
    lock: np.ndarray,
    length: np.ndarray,
    t: np.ndarray,
) -> np.ndarray:
    """Helices of the locks, slow waves, and the random turns of frizzy hair: offsets `[S, K, 3]`.

    Args:
        lock: [S], that each hair belongs to.
        length: [S, 1, 1], metres.
        t: [1, K, 1], place along the hair, 0..1.
    """
    count = len(lock)
    phase = rng.uniform(0, 2 * np.pi, GUIDES)[lock][:, None] + rng.normal(0, 0.35, (count, 1))
    axes = rng.normal(0, 1, (2, GUIDES, 3))[:, lock]
    first, second = (unit(part)[:, None] for part in axes)
    radius = 0.01 * (style.curl + 0.5 * curl) * np.minimum(1, t * 3)
    turns = np.clip(length[:, :, 0] / (0.035 if style.curl < 0.8 else 0.085), 0.3, 3.4) * 2 * np.pi * t[..., 0]
    total = radius * (first * np.cos(turns + phase)[..., None] + second * np.sin(turns + phase)[..., None])
    total = total - total[:, :1]
    slow = 0.035 * wave * np.minimum(length, 0.15) * np.minimum(1, t * 2)
    total = total + slow * first * np.sin(2 * np.pi * t * np.clip(length / 0.09, 0.3, 3) + phase[..., None])
    if style.frizz:
        walk = np.cumsum(rng.normal(0, 1, (count, t.shape[1], 3)), 1)
        total = total + style.frizz * (walk - walk[:, :1]) * 0.0015
    return total


def _tail(
    person: Person,
    style: Style,
    skull: Skull,
    roots: Follicles,
    base: np.ndarray,
    size: float,
    rng: np.random.Generator,
) -> Strands:
    """A ponytail that falls from the tie, or a bun around it."""
    knot = skull.middle + np.asarray(style.tie) * size
    near = int(np.linalg.norm(base - knot, axis=1).argmin())
    count = 1500
    t = np.linspace(0, 1, POINTS)[None, :, None]
    if style.tail > 0:
        length = style.tail * person.hair.length * np.exp(rng.normal(0, 0.12, (count, 1, 1)))
        spread = rng.normal(0, 1, (count, 1, 3)) * np.array([0.018, 0.012, 0.006])
        swing = np.array([0.02 * np.sign(person.hair.tilt), 0.055, 0.0])
        path = swing * np.sin(np.pi / 2 * np.minimum(1, 2.2 * t)) + np.array([0, 0, -1]) * length * t**1.4
        path = path + spread * (0.5 + np.sin(np.pi * t))
        path = path + np.array([0, 0, 0.012]) * np.sin(np.pi * np.minimum(1, 2 * t))
        phase = rng.uniform(0, 6, (count, 1, 1))
        path = path + 0.006 * person.hair.wave * np.sin(9 * t + phase) * t
        rise = np.full((count, POINTS), 0.75) * rng.uniform(0.5, 1.2, (count, 1))
    else:
        radius = -style.tail * (0.75 + 0.35 * person.hair.thickness) * rng.uniform(0.55, 1.05, (count, 1, 1))
        first = unit(rng.normal(0, 1, (count, 1, 3)))
        second = unit(np.cross(first, rng.normal(0, 1, (count, 1, 3))))
        turn = rng.uniform(0, 6, (count, 1, 1)) + t * rng.uniform(1.0, 2.5, (count, 1, 1))
        path = radius * (first * np.cos(turn) + second * np.sin(turn)) + np.array([0, 0.012, 0.022])
        loose = np.where(rng.random((count, 1, 1)) < 0.03, 0.012, 0.003)
        path = path + loose * rng.normal(0, 1, (count, 1, 3)) * t
        rise = np.clip(radius[..., 0] / -style.tail - 0.3, 0, 1) * np.ones((1, POINTS))
    lock = rng.integers(0, GUIDES, count)
    return Strands(
        corners=np.repeat(roots.corners[near][None], count, 0),
        weights=np.repeat(roots.weights[near][None], count, 0),
        offsets=knot - base[near] + path * size,
        rise=np.clip(rise, 0, 1),
        colour=_colours(person, rng, lock),
        width=np.full(count, 0.0009 * size),
    )


def _outside_hat(hat: Hat, points: np.ndarray) -> np.ndarray:
    """Whether canonical points `[R, 3]` lie below a hat's edge."""
    angle = np.arctan2(points[:, 0], -(points[:, 1] + 0.06))
    return points[:, 2] < edge_height(hat, angle) + 0.004


def _colours(person: Person, rng: np.random.Generator, lock: np.ndarray) -> np.ndarray:
    """Colour of each hair: locks differ a little, grey hairs are among the others."""
    hair = person.hair
    count = len(lock)
    tone = np.exp(0.18 * rng.normal(0, 1, GUIDES)[lock] + 0.20 * rng.normal(0, 1, count))[:, None]
    warm = np.array([1.0, 0.96, 0.9]) ** rng.normal(0, 1, (count, 1))
    colour = np.asarray(hair.colour) * tone * warm
    grey = (rng.random(count) < hair.grey)[:, None]
    silver = np.array([0.36, 0.35, 0.335]) * tone**0.5
    return np.where(grey, 0.78 * silver + 0.22 * colour, colour * (1 - 0.25 * hair.grey) + 0.04 * hair.grey)
