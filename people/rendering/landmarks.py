"""The 68 landmarks (iBUG 300-W order) as points of the mesh; they move with shape and expression."""

from functools import cache

import numpy as np

from people.body import head as heads
from people.body.front import front_map
from people.body.head import Head
from people.body.parameters import Brows
from people.drawing.raster import CAVITY, EYE_LEFT, MOUTH, SKIN
from people.skin.painting import brow_line

__all__ = ["locate"]

#: The person's right half of the jaw, ear to chin, as (x, z) of the canonical face in metres (ours).
JAW = np.array(
    [(-0.0685, 0.898), (-0.0680, 0.881), (-0.0665, 0.864), (-0.0640, 0.847), (-0.0590, 0.830),
     (-0.0500, 0.815), (-0.0370, 0.802), (-0.0200, 0.792), (0.0, 0.788)]
)  # fmt: skip
BRIDGE = np.array([(0.0, 0.9085), (0.0, 0.895), (0.0, 0.8815), (0.0, 0.868)])
NOSTRILS = np.array([(-0.0155, 0.8525), (-0.008, 0.850), (0.0, 0.8485), (0.008, 0.850), (0.0155, 0.8525)])


def locate(brows: Brows) -> tuple[np.ndarray, np.ndarray]:
    """Vertices `[68, 3]` and weights `[68, 3]`: their weighted sums are the landmarks, given the brows."""
    corners, weights = (part.copy() for part in _fixed())
    x, z, _ = brow_line(brows)
    inside_out = np.stack([x, z], -1)[[2, 10, 19, 29, 37]]
    right = (inside_out * [-1, 1])[::-1]
    corners[17:27], weights[17:27] = _anchor(np.concatenate([right, inside_out]))
    return corners, weights


@cache
def _fixed() -> tuple[np.ndarray, np.ndarray]:
    """All landmarks but the brows (17-26, left zero)."""
    head = heads.load()
    corners, weights = np.zeros((68, 3), np.int64), np.zeros((68, 3), np.float32)
    left_jaw = (JAW * [-1, 1])[-2::-1]
    groups = {
        0: _anchor(np.concatenate([JAW, left_jaw])),
        27: _anchor(np.concatenate([BRIDGE, NOSTRILS])),
        36: _vertices(_eye_corners(head)),
        48: _anchor(_outer_lips(head)),
        60: _vertices(_inner_lips(head)),
    }
    for first, (found, share) in groups.items():
        corners[first : first + len(found)], weights[first : first + len(found)] = found, share
    return corners, weights


def _anchor(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Triangle and weights of the face's front at points (x, z), or of the nearest skin."""
    grid = front_map()
    rows, columns = np.nonzero(grid.corners[..., 0] >= 0)
    row, column = grid.cell(points[:, 0], points[:, 1])
    nearest = ((rows[None] - row[:, None]) ** 2 + (columns[None] - column[:, None]) ** 2).argmin(1)
    return grid.corners[rows[nearest], columns[nearest]], grid.weights[rows[nearest], columns[nearest]]


def _vertices(indices: list[int]) -> tuple[np.ndarray, np.ndarray]:
    corners = np.repeat(np.array(indices)[:, None], 3, 1)
    return corners, np.tile(np.array([1, 0, 0], np.float32), (len(indices), 1))


def _eye_corners(head: Head) -> list[int]:
    """Rim vertices of both eyes: corner, two upper, corner, two lower (person's right eye first)."""
    points = head.canonical
    rim = np.intersect1d(head.faces[head.material == SKIN], head.faces[head.material == CAVITY])
    middle = points[head.vertices_of(EYE_LEFT), 2].mean()
    chosen = {}
    for side in (-1, 1):
        own = rim[side * points[rim, 0] > 0]
        reach = np.abs(points[own, 0])
        outer, inner = own[reach.argmax()], own[reach.argmin()]
        lid = {}
        for name, sign in (("upper", 1), ("lower", -1)):
            half = own[sign * (points[own, 2] - middle) > 0.001]
            for share in (1 / 3, 2 / 3):  # of the way from the inner to the outer corner
                x = reach.min() + share * (reach.max() - reach.min())
                lid[name, share] = half[np.abs(np.abs(points[half, 0]) - x).argmin()]
        chosen[side] = outer, inner, lid
    outer, inner, lid = chosen[-1]
    near, far = 1 / 3, 2 / 3
    right = [outer, lid["upper", far], lid["upper", near], inner, lid["lower", near], lid["lower", far]]
    outer, inner, lid = chosen[1]
    left = [inner, lid["upper", near], lid["upper", far], outer, lid["lower", far], lid["lower", near]]
    return right + left


def _outer_lips(head: Head) -> np.ndarray:
    """Outline of the lips' colour as (x, z): right corner, five upper, left corner, five lower."""
    red = front_map().carry(head.lips) > 0.5
    columns = np.flatnonzero(red.any(0))
    reach = (columns.max() - 100 + 0.5) / 1000 - 0.0015
    upper_x, lower_x = (
        np.array([-0.62, -0.25, 0, 0.25, 0.62]) * reach,
        np.array([0.6, 0.3, 0, -0.3, -0.6]) * reach,
    )

    def edge(x: float, top: bool) -> tuple[float, float]:
        rows = np.flatnonzero(red[:, int(round((x + 0.1) * 1000))])
        row = rows.min() + 1 if top else rows.max() - 1
        return x, 1.05 - (row + 0.5) / 1000

    corner = np.flatnonzero(red[:, columns.max() - 1]).mean()
    height = 1.05 - (corner + 0.5) / 1000
    upper, lower = [edge(x, True) for x in upper_x], [edge(x, False) for x in lower_x]
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

    top, bottom = rim[~lower], rim[lower]
    upper = [nearest(top, share) for share in (-0.5, 0, 0.5)]
    under = [nearest(bottom, share) for share in (0.5, 0, -0.5)]
    return [nearest(rim, -0.93), *upper, nearest(rim, 0.93), *under]
