"""One person ready to be rendered: neutral mesh, painted skin, hair; and the mesh of any expression."""

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from people.body import head as heads
from people.body.hairstyles import HairShape, shape_hair
from people.body.head import Head
from people.body.parameters import Person
from people.body.skull import Skull
from people.drawing.raster import EYE_LEFT, EYE_RIGHT, MOUTH, SKIN, TEETH, vertex_normals
from people.hair.facial_hair import grow_beard, grow_brows, grow_lashes
from people.hair.glasses import Spectacles, put_on
from people.hair.growth import Strands, grow_hair
from people.hair.hats import wear
from people.rendering.landmarks import locate
from people.skin.painting import paint

__all__ = ["Mesh", "Sitter", "sit"]


@dataclass(frozen=True, eq=False)
class Mesh:
    """Head, teeth and hat as one mesh; the head's vertices come first."""

    vertices: np.ndarray  # [V, 3] float32
    normals: np.ndarray  # [V, 3]
    canonical: np.ndarray  # [V, 3] texture position
    turning: np.ndarray  # [V]
    masks: np.ndarray  # [V, 4]: lips, lashes, ears, eyelids
    faces: np.ndarray  # [T, 3] int32
    material: np.ndarray  # [T] int8


@dataclass(frozen=True, eq=False)
class Sitter:
    """A person with everything that does not depend on expression, pose or light."""

    person: Person
    neutral: np.ndarray
    layers: np.ndarray
    hair: HairShape
    strands: tuple[Strands, ...]  # drawn in this order
    hat: list[tuple]
    spectacles: Spectacles | None
    landmarks: tuple[np.ndarray, np.ndarray]
    eyes: np.ndarray  # [3] between the eyes
    mouth: np.ndarray  # [3] middle of the lips
    size: float  # of the face against the canonical one

    def mesh(self, expression: np.ndarray) -> Mesh:
        """The mesh with facial actions of the given strengths `[52]`."""
        head = heads.load()
        body = head.expressed(self.neutral, expression)
        normals = vertex_normals(body, head.faces)
        cloth = np.clip((self.person.clothes.collar - 0.004 - head.canonical[:, 2]) / 0.01, 0, 1)
        body = body + normals * (0.006 * cloth * (head.ears < 0.1))[:, None].astype(np.float32)
        masks = np.stack([head.lips, head.lashes, head.ears, head.eyelids], -1)
        parts = [(body, normals, head.canonical, head.turning, masks, head.faces, head.material)]
        parts.append(_teeth_part(head, self.neutral, body))
        return _join(parts + self.hat)


@lru_cache(maxsize=6)
def sit(person: Person) -> Sitter:
    """Prepare a person (about 40 ms; the last six are kept)."""
    head = heads.load()
    neutral = head.neutral(person).astype(np.float32)
    left, right = (neutral[head.vertices_of(eye)].mean(0) for eye in (EYE_LEFT, EYE_RIGHT))
    mouth = neutral[head.lips > 0.5].mean(0)
    eyes = (left + right) / 2
    size = float(0.5 * np.linalg.norm(eyes - mouth) / 0.075 + 0.5 * np.linalg.norm(left - right) / 0.0628)
    shape, hat = shape_hair(person), person.clothes.hat
    grown = (
        grow_brows(person, size),
        grow_lashes(person, size),
        grow_beard(person, size),
        grow_hair(person, shape, neutral, size),
    )
    strands = tuple(part for part in grown if part is not None)
    worn = wear(hat, Skull(neutral), size) if hat else []
    spectacles = put_on(person.glasses, neutral, size) if person.glasses else None
    return Sitter(
        person, neutral, paint(person), shape, strands, worn, spectacles, locate(person.brows), eyes, mouth, size
    )


def _blank(count: int) -> np.ndarray:
    return np.zeros((count, 4), np.float32)


@cache
def _dental_arches() -> tuple[np.ndarray, np.ndarray, int]:
    """Vertices of the upper and lower row of teeth, triangles, and where the lower row starts."""
    steps = np.linspace(-1.25, 1.25, 21)

    def row(top: float, bottom: float, front: float, width: float, depth: float) -> np.ndarray:
        x, y = width * np.sin(steps), front + depth * (1 - np.cos(steps))
        return np.concatenate([np.stack([x, y, np.full_like(x, z)], -1) for z in (top, bottom)])

    upper = row(0.8395, 0.8285, -0.1525, 0.0235, 0.028)
    lower = row(0.8275, 0.8180, -0.1500, 0.0220, 0.026)
    first = np.concatenate([np.arange(20), 42 + np.arange(20)])
    faces = np.concatenate(
        [np.stack([first, first + 1, first + 21], -1), np.stack([first + 1, first + 22, first + 21], -1)]
    )
    return np.concatenate([upper, lower]).astype(np.float32), faces.astype(np.int32), len(upper)


@cache
def _jaw_points() -> tuple[np.ndarray, np.ndarray]:
    """Vertices of the palate, which the upper teeth follow, and of the chin, which the lower teeth follow."""
    head = heads.load()
    points = head.canonical
    inner = head.vertices_of(MOUTH)
    palate = inner[(points[inner, 2] > 0.838) & (np.abs(points[inner, 0]) < 0.02)]
    chin = (np.abs(points[:, 0]) < 0.012) & (points[:, 2] < 0.795) & (points[:, 2] > 0.78) & (points[:, 1] < -0.13)
    return palate, np.intersect1d(np.flatnonzero(chin), head.vertices_of(SKIN))


def _teeth_part(head: Head, neutral: np.ndarray, body: np.ndarray) -> tuple:
    canonical, faces, lower = _dental_arches()
    palate, chin = _jaw_points()
    shift = (neutral[palate] - head.canonical[palate]).mean(0)
    teeth = canonical + shift
    teeth[lower:] += (body[chin] - neutral[chin]).mean(0) * np.array([1, 1, 0.92], np.float32)
    kind = np.full(len(faces), TEETH, np.int8)
    return (
        teeth,
        vertex_normals(teeth, faces),
        canonical,
        np.ones(len(teeth)),
        _blank(len(teeth)),
        faces,
        kind,
    )


def _join(parts: list[tuple]) -> Mesh:
    offsets = np.cumsum([0] + [len(part[0]) for part in parts[:-1]])
    columns = [np.concatenate([part[i] for part in parts]).astype(np.float32) for i in range(5)]
    faces = np.concatenate([part[5] + offset for part, offset in zip(parts, offsets, strict=True)]).astype(np.int32)
    return Mesh(*columns, faces, np.concatenate([part[6] for part in parts]))
