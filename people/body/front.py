"""The canonical face from the front: from a point (x, z) to the mesh, for brows, wrinkles, landmarks."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from people.body import head as heads
from people.drawing.raster import SKIN, rasterise

__all__ = ["FrontMap", "front_map"]

LEFT = 0.1  # metres from the middle to the grid's left edge
TOP = 1.05  # height of its upper edge, metres
STEPS = 1000  # pixels per metre


@dataclass(frozen=True, eq=False)
class FrontMap:
    """Triangle and barycentric weights of the frontmost skin at each point of a 1 mm grid."""

    corners: np.ndarray  # [300, 200, 3] vertex indices, -1 where there is no skin
    weights: np.ndarray  # [300, 200, 3]
    depth: np.ndarray  # [300, 200] y of the skin, -0.08 where there is none

    def at(self, layer: np.ndarray, x: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Values of a grid at points (x, z) in metres."""
        row, column = self.cell(x, z)
        return layer[row, column]

    def cell(self, x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of the grid at points (x, z) in metres."""
        column = np.clip((np.asarray(x) + LEFT) * STEPS, 0, self.depth.shape[1] - 1).astype(int)
        row = np.clip((TOP - np.asarray(z)) * STEPS, 0, self.depth.shape[0] - 1).astype(int)
        return row, column

    def carry(self, values: np.ndarray) -> np.ndarray:
        """Interpolate values `[V]` of the vertices onto the grid (0 where there is no skin)."""
        return (values[self.corners] * self.weights).sum(-1) * (self.corners[..., 0] >= 0)


@cache
def front_map() -> FrontMap:
    """The grid of the canonical head, made once."""
    head = heads.load()
    points = head.canonical
    chosen = (points[:, 2] > 0.76) & (points[:, 1] < -0.03)
    faces = head.faces[(head.material == SKIN) & chosen[head.faces].all(1)]
    shape = (300, 200)
    triangle = np.full(shape, -1, np.int32)
    weights = np.zeros((*shape, 2), np.float32)
    depth = np.zeros(shape, np.float32)
    column = ((points[:, 0] + LEFT) * STEPS).astype(np.float32)
    row = ((TOP - points[:, 2]) * STEPS).astype(np.float32)
    near = (1 / (points[:, 1] + 1)).astype(np.float32)
    rasterise(column, row, near, faces, np.zeros(len(faces), np.int8), triangle, weights, depth)
    full = np.concatenate([weights, 1 - weights.sum(-1, keepdims=True)], -1)
    corners = np.where(triangle[..., None] >= 0, faces[triangle], -1)
    y = np.where(triangle >= 0, (points[corners, 1] * full).sum(-1), -0.08)
    return FrontMap(corners, full, y.astype(np.float32))
