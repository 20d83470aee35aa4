"""Hair as geometry: a hair line, a cap that thickens the scalp, and a curtain for long hair."""

from dataclasses import dataclass

import numpy as np

from semdf.people.head import Head
from semdf.people.parameters import Person
from semdf.people.raster import SKIN, vertex_normals

__all__ = ["STYLES", "HairShape", "Style", "cap_faces", "grow_cap", "hang_curtain", "shape_hair"]

#: Knots of the hair line: angle from the front (0) to the back (pi).
KNOTS = np.array([0.0, 0.30, 0.58, 0.78, 0.98, 1.15, 1.32, 1.45, 1.75, 2.2, np.pi])
#: Height of the hair line at the knots for short hair: forehead, temple corner, temple, sideburn, nape.
SHORT = np.array([0.976, 0.977, 0.977, 0.962, 0.934, 0.914, 0.900, 0.893, 0.872, 0.848, 0.835])
TABLE = np.linspace(-np.pi, np.pi, 97)


@dataclass(frozen=True)
class Style:
    """Thickness on top and at the sides, fray of the hair line, additions to its knots; metres."""

    top: float
    side: float
    fray: float = 0.005
    line: tuple[float, ...] = (0.0,) * 6  # metres, added to the first knots
    curtain: float = 0.0  # length, metres
    quiff: float = 0.0  # extra thickness over the forehead, metres
    lumps: float = 0.12
    bun: bool = False
    tilted: bool = False
    curl: float = 0.0  # 0 straight .. 1 tight curls


STYLES = {
    "bald": Style(0.0, 0.0),
    "buzz": Style(0.0035, 0.0025, fray=0.003),
    "crop": Style(0.010, 0.004, fray=0.004, line=(-0.003, -0.002, 0, 0, 0, 0), tilted=True),
    "quiff": Style(0.012, 0.004, fray=0.003, line=(0.001, 0.001, 0.002, 0, 0, 0), quiff=0.020, tilted=True),
    "side": Style(0.017, 0.008, fray=0.0035, line=(0.001, 0, 0.001, 0, 0, 0), quiff=0.008, tilted=True),
    "fringe": Style(0.016, 0.008, fray=0.012, line=(-0.022, -0.021, -0.018, -0.010, -0.004, -0.004),
                    tilted=True),
    "receding": Style(0.007, 0.006, fray=0.003, line=(0.008, 0.022, 0.030, 0.014, 0, 0)),
    "long": Style(0.015, 0.013, fray=0.003, line=(0.002, -0.003, -0.014, -0.022, -0.020, -0.014),
                  curtain=0.27, quiff=0.006, tilted=True),
    "middle": Style(0.014, 0.012, fray=0.003, line=(0.006, -0.005, -0.018, -0.026, -0.022, -0.014),
                    curtain=0.25),
    "longfringe": Style(0.017, 0.013, fray=0.009, line=(-0.030, -0.028, -0.026, -0.022, -0.022, -0.014),
                        curtain=0.26),
    "bob": Style(0.018, 0.016, fray=0.0035, line=(0, -0.004, -0.014, -0.024, -0.022, -0.016), curtain=0.155,
                 quiff=0.004, tilted=True),
    "updo": Style(0.010, 0.007, fray=0.003, line=(0.002, 0.001, -0.002, -0.004, -0.004, -0.002), bun=True),
    "pixie": Style(0.017, 0.008, fray=0.007, line=(-0.008, -0.007, -0.006, -0.006, -0.006, -0.008),
                   quiff=0.006, tilted=True),
    "afro": Style(0.038, 0.032, fray=0.006, lumps=0.10, curl=1.0),
    "curls": Style(0.022, 0.012, fray=0.008, lumps=0.30, curl=0.8),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class HairShape:
    """The style as it sits on one person."""

    style: Style
    hairline: np.ndarray  # [97] float32, height over the angle -pi..pi
    scale: float  # thickness, 1 is average
    length: float  # of the curtain, metres, 0 = none
    shifts: tuple[float, float]  # texture shifts
    phases: np.ndarray  # [6] random angles


def shape_hair(person: Person) -> HairShape:
    """Hair line and sizes of a person's hair; men's hair lines recede with age."""
    style, hair = STYLES[person.hair.style], person.hair
    rng = np.random.default_rng(person.seed + 7)
    height = SHORT + hair.lift
    height[:6] += style.line
    if person.gender < 0.5:
        height[:4] += np.array([0.004, 0.014, 0.012, 0.004]) * 4 * max(0.0, person.age - 0.75)
    line = np.interp(np.abs(TABLE), KNOTS, height)
    if style.tilted:
        line -= hair.tilt * 0.04 * np.sin(TABLE) * (np.abs(TABLE) < np.pi / 2)
    phases = rng.uniform(0, 2 * np.pi, 6)
    line += 0.3 * style.fray * (np.sin(9 * TABLE + phases[0]) + 0.7 * np.sin(21 * TABLE + phases[1]))
    if style.top == 0:
        line += 1.0
    shifts = (float(rng.random()), float(rng.random()))
    length = style.curtain * hair.length
    return HairShape(style, line.astype(np.float32), hair.thickness, length, shifts, phases)


def cap_faces(head: Head) -> tuple[np.ndarray, np.ndarray]:
    """Scalp vertices and the triangles `[T, 3]` among them (indices into the scalp vertices)."""
    skin = np.zeros(len(head.canonical), bool)
    skin[head.vertices_of(SKIN)] = True
    scalp = skin & (head.canonical[:, 2] > 0.80) & (head.ears < 0.15)
    faces = head.faces[(head.material == SKIN) & scalp[head.faces].all(1)]
    used = np.unique(faces)
    index = np.zeros(len(scalp), np.int32)
    index[used] = np.arange(len(used))
    return used, index[faces].astype(np.int32)


def grow_cap(hair: HairShape, points: np.ndarray, vertices: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Vertices of the cap: the scalp `vertices` [C, 3] (canonically at `points`) moved out by the hair."""
    angle = np.arctan2(points[:, 0], -(points[:, 1] + 0.06))
    above = points[:, 2] - np.interp(angle, TABLE, hair.hairline)
    grown = np.clip((above + 2 * hair.style.fray) / 0.028, 0, 1)
    grown = grown**2 * (3 - 2 * grown)
    phase = hair.phases
    lumps = np.sin(90 * points[:, 0] + phase[2]) * np.sin(80 * points[:, 2] + phase[3])
    lumps += 0.6 * np.sin(170 * points[:, 0] + phase[4]) * np.sin(160 * points[:, 1] + phase[5])
    on_top = np.clip((points[:, 2] - 0.945) / 0.06, 0, 1)
    thickness = hair.style.side + (hair.style.top - hair.style.side) * on_top
    forehead = np.exp(-((angle / 0.7) ** 2)) * np.clip((points[:, 2] - 0.955) / 0.02, 0, 1)
    forehead *= np.clip((-points[:, 1] - 0.02) / 0.05, 0, 1)
    thickness = thickness + hair.style.quiff * forehead
    reach = thickness * hair.scale * grown * (1 + hair.style.lumps * lumps)
    reach += 0.0012 * (above > -3 * hair.style.fray)
    outward = points - np.array([0, -0.05, 0.91], np.float32)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    direction = 0.5 * outward + 0.5 * normals
    return (vertices + direction * reach[:, None]).astype(np.float32)


def hang_curtain(hair: HairShape, shift: np.ndarray) -> tuple[np.ndarray, ...]:
    """Long hair around the head: vertices, normals, texture, share of the head's turn, triangles."""
    around, down = 56, 18
    start = 0.98 + 0.25 * (hair.phases[0] / (2 * np.pi))
    angle, t = np.meshgrid(np.linspace(start, 2 * np.pi - start, around), np.linspace(0, 1, down))
    swell = 0.010 * np.sin(np.clip(t * 2.2, 0, 1) * np.pi / 2)
    wave = (0.004 * np.sin(9 * angle + hair.phases[1] + 5 * t) + 0.003 * np.sin(23 * angle + hair.phases[2])) * t
    flare = 0.012 * np.clip(t * hair.length - 0.15, 0, 1) / 0.15
    pinch = 1 - 0.25 * np.clip(1 - t * hair.length / 0.07, 0, 1) ** 2
    curl = 1 - 0.10 * np.clip((t - 0.75) / 0.25, 0, 1) ** 2
    x = (0.080 + swell + flare + 0.012 * hair.scale + wave) * np.sin(angle) * pinch * curl
    y = -0.048 - (0.098 + 0.8 * swell + 0.010 * hair.scale + wave) * np.cos(angle) * 0.92 * pinch
    z = 0.975 - t * (hair.length + 0.02)
    vertices = (np.stack([x, y, z], -1).reshape(-1, 3) + shift).astype(np.float32)
    edge = np.minimum(angle - start, 2 * np.pi - start - angle) / 0.35
    texture = np.stack([angle / (2 * np.pi) * 3, np.clip(edge + 0.25, 0, 1), 0.93 * t], -1)
    i, j = np.meshgrid(np.arange(down - 1), np.arange(around - 1), indexing="ij")
    first = (i * around + j).ravel()
    faces = np.concatenate(
        [
            np.stack([first, first + 1, first + around], -1),
            np.stack([first + 1, first + around + 1, first + around], -1),
        ]
    ).astype(np.int32)
    turning = np.clip(1 - (t.ravel() * hair.length - 0.12) / 0.16 * 0.6, 0.4, 1)
    return vertices, vertex_normals(vertices, faces), texture.reshape(-1, 3), turning, faces
