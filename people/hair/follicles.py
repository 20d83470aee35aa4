"""Where hairs grow: fixed points of the head's skin (scalp, beard, brows, lashes), each tied to a triangle."""

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from people.body import head as heads
from people.body.front import front_map
from people.drawing.raster import CAVITY, EYE_LEFT, EYE_RIGHT, SKIN

__all__ = [
    "GUIDES",
    "FacePoints",
    "Follicles",
    "LidPoints",
    "beard_follicles",
    "face_points",
    "lash_follicles",
    "scalp_follicles",
]

#: Locks of hair; each hair of the scalp follows one.
GUIDES = 420


@dataclass(frozen=True, eq=False)
class Follicles:
    """Roots as weighted corners of a triangle, their canonical places, and a lock that each belongs to."""

    corners: np.ndarray  # [R, 3]
    weights: np.ndarray  # [R, 3] float32
    points: np.ndarray  # [R, 3] canonical
    lock: np.ndarray  # [R] index of the nearest guide; the first roots are the guides themselves

    def at(self, vertices: np.ndarray) -> np.ndarray:
        """Roots `[R, 3]` on the skin of a mesh."""
        return (vertices[self.corners] * self.weights[..., None]).sum(1)


def _scatter(chosen: np.ndarray, count: int, seed: int) -> Follicles:
    """Points spread evenly over the skin triangles whose three vertices are `chosen`."""
    head = heads.load()
    rng = np.random.default_rng(seed)
    faces = head.faces[(head.material == SKIN) & chosen[head.faces].all(1)]
    a, b, c = (head.canonical[faces[:, i]] for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    picked = np.sort(rng.choice(len(faces), count, p=area / area.sum()))
    shares = rng.random((count, 2))
    shares = np.where(shares.sum(1, keepdims=True) > 1, 1 - shares, shares)
    weights = np.concatenate([1 - shares.sum(1, keepdims=True), shares], 1).astype(np.float32)
    order = rng.permutation(count)
    corners = faces[picked][order]
    weights = weights[order]
    points = (head.canonical[corners] * weights[..., None]).sum(1)
    lock = cKDTree(points[:GUIDES]).query(points)[1]
    return Follicles(corners, weights, points, lock)


@cache
def scalp_follicles() -> Follicles:
    """Where hair of the head can grow; style and hair line choose among these roots."""
    head = heads.load()
    chosen = (head.canonical[:, 2] > 0.815) & (head.ears < 0.12) & (head.canonical[:, 1] > -0.17)
    return _scatter(chosen, 16000, 11)


@cache
def beard_follicles() -> Follicles:
    """Where a beard can grow."""
    points = heads.load().canonical
    chosen = (points[:, 2] > 0.755) & (points[:, 2] < 0.905) & (points[:, 1] < -0.035)
    return _scatter(chosen, 12000, 12)


class FacePoints(NamedTuple):
    """Points of the face's front: weighted corners of a triangle, and what these leave."""

    corners: np.ndarray  # [R, 3]
    weights: np.ndarray  # [R, 3] float32
    rest: np.ndarray  # [R, 3] float32, metres


def face_points(x: np.ndarray, z: np.ndarray) -> FacePoints:
    """Points (x, z) on the front of the canonical face."""
    grid = front_map()
    row, column = grid.cell(x, z)
    corners = np.maximum(grid.corners[row, column], 0)
    weights = grid.weights[row, column].astype(np.float32)
    found = (heads.load().canonical[corners] * weights[..., None]).sum(1)
    rest = np.stack([x - found[:, 0], np.zeros(len(x)), z - found[:, 2]], -1)
    return FacePoints(corners, weights, rest.astype(np.float32))


class LidPoints(NamedTuple):
    """Points on the rims of the lids: left eye, then right."""

    corners: np.ndarray  # [R, 3] pairs of vertices, the first one again at the end
    weights: np.ndarray  # [R, 3] float32
    place: np.ndarray  # [R] along the lid, -1 (inner) .. 1
    upper: np.ndarray  # [R] whether on the upper lid


@cache
def lash_follicles() -> LidPoints:
    """Where lashes grow."""
    head = heads.load()
    rim = np.intersect1d(head.faces[head.material == SKIN], head.faces[head.material == CAVITY])
    corners: list[np.ndarray] = []
    weights: list[np.ndarray] = []
    place: list[np.ndarray] = []
    upper: list[np.ndarray] = []
    for eye, side in ((EYE_LEFT, 1), (EYE_RIGHT, -1)):
        centre = head.canonical[head.vertices_of(eye)].mean(0)
        own = rim[side * head.canonical[rim, 0] > 0]
        for up in (True, False):
            half = own[(head.canonical[own, 2] > centre[2] - 0.0005) == up]
            half = half[np.argsort(head.canonical[half, 0] * side)]
            reach = head.canonical[half, 0] * side
            t = np.linspace(0.04, 0.97, 46 if up else 26)
            x = reach[0] + t * (reach[-1] - reach[0])
            i = np.clip(np.searchsorted(reach, x) - 1, 0, len(half) - 2)
            share = np.clip((x - reach[i]) / np.maximum(reach[i + 1] - reach[i], 1e-6), 0, 1)
            corners.append(np.stack([half[i], half[i + 1], half[i]], -1))
            weights.append(np.stack([1 - share, share, 0 * share], -1))
            place.append(2 * t - 1)
            upper.append(np.full(len(t), up))
    return LidPoints(
        corners=np.concatenate(corners),
        weights=np.concatenate(weights).astype(np.float32),
        place=np.concatenate(place),
        upper=np.concatenate(upper),
    )
