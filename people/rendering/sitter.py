"""One person ready to be rendered: neutral mesh, painted skin, hair; and the mesh of any expression."""

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from people.body import head as heads
from people.body.hairstyles import HairShape, shape_hair
from people.body.head import Head
from people.body.parameters import Person
from people.body.skull import Skull
from people.drawing.mesh import Mesh, join
from people.drawing.raster import EYE_LEFT, EYE_RIGHT, MOUTH, SKIN, TEETH, vertex_normals
from people.hair.facial_hair import grow_beard, grow_brows, grow_lashes
from people.hair.glasses import Spectacles, put_on
from people.hair.growth import Strands, grow_hair
from people.hair.hats import wear
from people.rendering.landmarks import Anchors, locate
from people.skin.painting import paint

__all__ = ["Sitter", "sit"]


@dataclass(frozen=True, eq=False)
class Sitter:
    """A person with everything that does not depend on expression, pose or light."""

    person: Person
    neutral: np.ndarray  # [V, 3] float32, the head at rest
    layers: np.ndarray  # [5, 512, 512] painted skin
    hair: HairShape
    strands: tuple[Strands, ...]
    hat: list[Mesh]
    spectacles: Spectacles | None
    landmarks: Anchors
    eyes: np.ndarray  # [3] between the eyes
    mouth: np.ndarray  # [3] middle of the lips
    size: float  # of the face against the canonical one

    def mesh(self, expression: np.ndarray) -> Mesh:
        """Head, teeth and hat with facial actions of the given strengths `[52]`; the head's vertices come first."""
        head = heads.load()
        body = head.expressed(self.neutral, expression)
        normals = vertex_normals(body, head.faces)
        cloth = np.clip((self.person.clothes.collar - 0.004 - head.canonical[:, 2]) / 0.01, 0, 1)
        body = body + normals * (0.006 * cloth * (head.ears < 0.1))[:, None].astype(np.float32)
        skin = Mesh(
            vertices=body,
            normals=normals,
            canonical=head.canonical,
            turning=head.turning,
            masks=np.stack([head.lips, head.lashes, head.ears, head.eyelids], -1),
            faces=head.faces,
            material=head.material,
        )
        return join([skin, _teeth(head, self.neutral, body), *self.hat])


@lru_cache(maxsize=6)
def sit(person: Person) -> Sitter:
    """Prepare a person (about 40 ms; the last six are kept)."""
    head = heads.load()
    neutral = head.neutral(person).astype(np.float32)
    left, right = (neutral[head.vertices_of(eye)].mean(0) for eye in (EYE_LEFT, EYE_RIGHT))
    mouth = neutral[head.lips > 0.5].mean(0)
    eyes = (left + right) / 2
    size = float(0.5 * np.linalg.norm(eyes - mouth) / 0.075 + 0.5 * np.linalg.norm(left - right) / 0.0628)
    shape = shape_hair(person)
    grown = (
        grow_brows(person, size),
        grow_lashes(person, size),
        grow_beard(person, size),
        grow_hair(person, shape, neutral, size),
    )
    hat = person.clothes.hat
    return Sitter(
        person=person,
        neutral=neutral,
        layers=paint(person),
        hair=shape,
        strands=tuple(part for part in grown if part is not None),
        hat=wear(hat, Skull(neutral), size) if hat else [],
        spectacles=put_on(person.glasses, neutral, size) if person.glasses else None,
        landmarks=locate(person.brows),
        eyes=eyes,
        mouth=mouth,
        size=size,
    )


class _Arches(NamedTuple):
    """Both rows of teeth."""

    vertices: np.ndarray  # [84, 3] float32
    faces: np.ndarray  # [T, 3] int32
    lower: int  # the lower row's first vertex


@cache
def _dental_arches() -> _Arches:
    """The teeth of the canonical head."""
    steps = np.linspace(-1.25, 1.25, 21)

    def row(top: float, bottom: float, front: float, width: float, depth: float) -> np.ndarray:
        x = width * np.sin(steps)
        y = front + depth * (1 - np.cos(steps))
        return np.concatenate([np.stack([x, y, np.full_like(x, z)], -1) for z in (top, bottom)])

    upper = row(0.8395, 0.8285, -0.1525, 0.0235, 0.028)
    lower = row(0.8275, 0.8180, -0.1500, 0.0220, 0.026)
    first = np.concatenate([np.arange(20), 42 + np.arange(20)])
    faces = np.concatenate(
        [np.stack([first, first + 1, first + 21], -1), np.stack([first + 1, first + 22, first + 21], -1)]
    )
    return _Arches(np.concatenate([upper, lower]).astype(np.float32), faces.astype(np.int32), len(upper))


@cache
def _jaw_points() -> tuple[np.ndarray, np.ndarray]:
    """Vertices of the palate, which the upper teeth follow, and of the chin, which the lower teeth follow."""
    head = heads.load()
    points = head.canonical
    inner = head.vertices_of(MOUTH)
    palate = inner[(points[inner, 2] > 0.838) & (np.abs(points[inner, 0]) < 0.02)]
    chin = (np.abs(points[:, 0]) < 0.012) & (points[:, 2] < 0.795) & (points[:, 2] > 0.78) & (points[:, 1] < -0.13)
    return palate, np.intersect1d(np.flatnonzero(chin), head.vertices_of(SKIN))


def _teeth(head: Head, neutral: np.ndarray, body: np.ndarray) -> Mesh:
    """Teeth of a head; the lower ones move with the chin from the neutral head to the expression `body`."""
    arches = _dental_arches()
    palate, chin = _jaw_points()
    shift = (neutral[palate] - head.canonical[palate]).mean(0)
    vertices = arches.vertices + shift
    vertices[arches.lower :] += (body[chin] - neutral[chin]).mean(0) * np.array([1, 1, 0.92], np.float32)
    return Mesh(
        vertices=vertices,
        normals=vertex_normals(vertices, arches.faces),
        canonical=arches.vertices,
        turning=np.ones(len(vertices)),
        masks=np.zeros((len(vertices), 4), np.float32),
        faces=arches.faces,
        material=np.full(len(arches.faces), TEETH, np.int8),
    )
