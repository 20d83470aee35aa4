"""The 68 landmarks (iBUG 300-W order) as points of the mesh; they move with shape and expression."""

from functools import cache
from typing import NamedTuple

import numpy as np

from people.body import head as heads
from people.body.front import front_map
from people.body.head import Head
from people.body.parameters import Brows
from people.drawing.raster import CAVITY, EYE_LEFT, MOUTH, SKIN
from people.skin.painting import brow_line

__all__ = ["Anchors", "locate"]

#: The person's right half of the jaw, ear to chin, as (x, z) of the canonical face in metres (ours).
JAW = np.array(
    [
        (-0.0685, 0.898),
        (-0.0680, 0.881),
        (-0.0665, 0.864),
        (-0.0640, 0.847),
        (-0.0590, 0.830),
        (-0.0500, 0.815),
        (-0.0370, 0.802),
        (-0.0200, 0.792),
        (0.0, 0.788),
    ]
)
BRIDGE = np.array([(0.0, 0.9085), (0.0, 0.895), (0.0, 0.8815), (0.0, 0.868)])
NOSTRILS = np.array([(-0.0155, 0.8525), (-0.008, 0.850), (0.0, 0.8485), (0.008, 0.850), (0.0155, 0.8525)])


class Anchors(NamedTuple):
    """N points of the mesh: weighted sums of three vertices each."""

    corners: np.ndarray  # [N, 3] vertices
    weights: np.ndarray  # [N, 3]

    def at(self, vertices: np.ndarray) -> np.ndarray:
        """The points `[N, 3]` of a mesh with these vertices `[V, 3]`."""
        return (vertices[self.corners] * self.weights[..., None]).sum(1)


def locate(brows: Brows) -> Anchors:
    """The 68 landmarks of a face with these brows."""
    corners, weights = (part.copy() for part in _fixed())
    x, z, _ = brow_line(brows)
    inside_out = np.stack([x, z], -1)[[2, 10, 19, 29, 37]]
    right = (inside_out * [-1, 1])[::-1]
    corners[17:27], weights[17:27] = _anchor(np.concatenate([right, inside_out]))
    return Anchors(corners, weights)


@cache
def _fixed() -> Anchors:
    """All landmarks but the brows (17-26, left zero)."""
    head = heads.load()
    corners = np.zeros((68, 3), np.int64)
    weights = np.zeros((68, 3), np.float32)
    left_jaw = (JAW * [-1, 1])[-2::-1]
    groups = {
        0: _anchor(np.concatenate([JAW, left_jaw])),
        27: _anchor(np.concatenate([BRIDGE, NOSTRILS])),
        36: _vertices(_eye_corners(head)),
        48: _anchor(_outer_lips(head)),
        60: _vertices(_inner_lips(head)),
    }
    for first, found in groups.items():
        own = slice(first, first + len(found.corners))
        corners[own] = found.corners
        weights[own] = found.weights
    return Anchors(corners, weights)


def _anchor(points: np.ndarray) -> Anchors:
    """The face's front at points (x, z), or the nearest skin."""
    grid = front_map()
    rows, columns = np.nonzero(grid.corners[..., 0] >= 0)
    row, column = grid.cell(points[:, 0], points[:, 1])
    nearest = ((rows[None] - row[:, None]) ** 2 + (columns[None] - column[:, None]) ** 2).argmin(1)
    cells = rows[nearest], columns[nearest]
    return Anchors(grid.corners[cells], grid.weights[cells])


def _vertices(indices: list[int]) -> Anchors:
    """Vertices themselves."""
    corners = np.repeat(np.array(indices)[:, None], 3, 1)
    return Anchors(corners, np.tile(np.array([1, 0, 0], np.float32), (len(indices), 1)))


class _Eye(NamedTuple):
    """Vertices on the rim of one eye; `far` is nearer to the outer corner, `near` to the inner one."""

    outer: int
    inner: int
    upper_near: int
    upper_far: int
    lower_near: int
    lower_far: int


def _eye_corners(head: Head) -> list[int]:
    """Rim vertices of both eyes: corner, two upper, corner, two lower (person's right eye first)."""
    points = head.canonical
    rim = np.intersect1d(head.faces[head.material == SKIN], head.faces[head.material == CAVITY])
    middle = points[head.vertices_of(EYE_LEFT), 2].mean()

    def eye(side: int) -> _Eye:
        own = rim[side * points[rim, 0] > 0]
        reach = np.abs(points[own, 0])

        def lid(sign: int, share: float) -> int:
            """The vertex of a lid (sign: 1 upper, -1 lower) at a share of the way from inner to outer corner."""
            half = own[sign * (points[own, 2] - middle) > 0.001]
            x = reach.min() + share * (reach.max() - reach.min())
            return half[np.abs(np.abs(points[half, 0]) - x).argmin()]

        return _Eye(
            outer=own[reach.argmax()],
            inner=own[reach.argmin()],
            upper_near=lid(1, 1 / 3),
            upper_far=lid(1, 2 / 3),
            lower_near=lid(-1, 1 / 3),
            lower_far=lid(-1, 2 / 3),
        )

    right = eye(-1)
    left = eye(1)
    return [
        *(right.outer, right.upper_far, right.upper_near, right.inner, right.lower_near, right.lower_far),
        *(left.inner, left.upper_near, left.upper_far, left.outer, left.lower_far, left.lower_near),
    ]


def _outer_lips(head: Head) -> np.ndarray:
    """Outline of the lips' colour as (x, z): right corner, five upper, left corner, five lower."""
    red = front_map().carry(head.lips) > 0.5
    columns = np.flatnonzero(red.any(0))
    reach = (columns.max() - 100 + 0.5) / 1000 - 0.0015
    upper_x = np.array([-0.62, -0.25, 0, 0.25, 0.62]) * reach
    lower_x = np.array([0.6, 0.3, 0, -0.3, -0.6]) * reach

    def edge(x: float, top: bool) -> tuple[float, float]:
        rows = np.flatnonzero(red[:, round((x + 0.1) * 1000)])
        row = rows.min() + 1 if top else rows.max() - 1
        return x, 1.05 - (row + 0.5) / 1000

    corner = np.flatnonzero(red[:, columns.max() - 1]).mean()
    height = 1.05 - (corner + 0.5) / 1000
    upper = [edge(x, True) for x in upper_x]
    lower = [edge(x, False) for x in lower_x]
    return np.array([(-reach, height), *upper, (reach, height), *lower])


def _inner_lips(head: Head) -> list[int]:
    """Vertices where the lips meet the mouth: right corner, three upper, left corner, three lower."""
    points = head.canonical
    rim = np.intersect1d(head.faces[head.material == SKIN], head.faces[head.material == MOUTH])
    rim = rim[points[rim, 1] < -0.1]
    drop = head.actions[head.action("jawOpen")].reshape(-1, 3)[rim, 2]
    lower = drop < (drop.min() + drop.max()) / 2
    reach = np.abs(points[rim, 0]).max()

    def nearest(group: np.ndarray, share: float) -> int:
        return int(group[np.abs(points[group, 0] - share * reach).argmin()])

    top = rim[~lower]
    bottom = rim[lower]
    upper = [nearest(top, share) for share in (-0.5, 0, 0.5)]
    under = [nearest(bottom, share) for share in (0.5, 0, -0.5)]
    return [nearest(rim, -0.93), *upper, nearest(rim, 0.93), *under]
