"""Caps, beanies and headscarves as meshes over the skull."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from people.body.parameters import Hat
from people.body.skull import Skull
from people.drawing.mesh import Mesh
from people.drawing.raster import BRIM, HAT, vertex_normals

__all__ = ["edge_height", "wear"]

#: Height of the edge over the angle from the front to the back (canonical metres).
EDGES = {
    "cap": ((0.0, 0.7, 1.4, 2.2, np.pi), (0.968, 0.962, 0.945, 0.915, 0.900)),
    "beanie": ((0.0, 0.7, 1.4, 2.2, np.pi), (0.957, 0.950, 0.925, 0.885, 0.870)),
    "headscarf": ((0.0, 1.0, 1.2, np.pi), (0.965, 0.80, 0.6, 0.6)),
}
THICKNESS = {"cap": 0.008, "beanie": 0.008, "headscarf": 0.008}  # metres
AROUND = 65  # columns of a hat's grid, from the back over the front to the back


class _Grid(NamedTuple):
    """A surface of R rows and C columns."""

    points: np.ndarray  # [R, C, 3]
    texture: np.ndarray  # [R, C, 3]


def edge_height(hat: Hat, angle: np.ndarray) -> np.ndarray:
    """Canonical height of a hat's edge at angles about the vertical axis."""
    return np.interp(np.abs(angle), *EDGES[hat.kind]) + hat.tilt


def wear(hat: Hat, skull: Skull, size: float) -> list[Mesh]:
    """The parts of a hat."""
    if hat.kind == "headscarf":
        return [_scarf(skull, size), _drape(skull, size)]
    parts = [_crown(hat, skull, size)]
    if hat.kind == "cap":
        parts.append(_peak(hat, skull, size))
    else:
        parts.append(_cuff(hat, skull, size))
    return parts


def _surface(grid: _Grid, kind: int, turning: np.ndarray | None = None) -> Mesh:
    """A grid as triangles; it turns with the head unless `turning` `[R, C]` says less."""
    rows, columns = grid.points.shape[:2]
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(columns - 1), indexing="ij")
    a = (i * columns + j).ravel()
    faces = np.concatenate([np.stack([a, a + 1, a + columns], -1), np.stack([a + 1, a + columns + 1, a + columns], -1)])
    faces = faces.astype(np.int32)
    vertices = grid.points.reshape(-1, 3).astype(np.float32)
    return Mesh(
        vertices=vertices,
        normals=vertex_normals(vertices, faces),
        canonical=grid.texture.reshape(-1, 3),
        turning=np.ones(len(vertices)) if turning is None else turning.ravel(),
        masks=np.zeros((len(vertices), 4), np.float32),
        faces=faces,
        material=np.full(len(faces), kind, np.int8),
    )


def _radius(skull: Skull, polar: np.ndarray, around: np.ndarray) -> np.ndarray:
    """Smooth distance of the skull in directions (angle from the top, angle about the vertical axis)."""
    table = ndimage.gaussian_filter(skull.table, (1.2, 2.2), mode=("nearest", "wrap"))
    place = [polar / np.pi * 35.999, (around / np.pi + 1) * 35.999]
    return ndimage.map_coordinates(table, place, order=1, mode="nearest")


def _shell(hat: Hat, skull: Skull, size: float, low: np.ndarray, high: np.ndarray, rows: int, extra: float) -> _Grid:
    """A layer over the skull between two angles from the top, `[65]` each; `extra` metres thicker than the hat."""
    around = np.linspace(-np.pi, np.pi, AROUND)
    share = np.linspace(0, 1, rows)[:, None]
    polar = low[None] * (1 - share) + high[None] * share
    turn = np.broadcast_to(around[None], polar.shape)
    radius = _radius(skull, polar, turn) + (THICKNESS[hat.kind] + extra) * size
    way = np.stack([np.sin(polar) * np.sin(turn), -np.sin(polar) * np.cos(turn), np.cos(polar)], -1)
    texture = np.stack([turn, polar, np.zeros_like(polar)], -1)
    return _Grid(way * radius[..., None] + skull.middle, texture)


def _edge_polar(hat: Hat, skull: Skull, size: float) -> np.ndarray:
    """Angle of a hat's edge from the top, `[65]` from the back over the front to the back."""
    around = np.linspace(-np.pi, np.pi, AROUND)
    height = (edge_height(hat, around) - 0.910) * size
    polar = np.full(AROUND, 1.2)
    for _ in range(4):
        polar = np.arccos(np.clip(height / (_radius(skull, polar, around) + 0.01), -0.9, 0.95))
    return polar


def _crown(hat: Hat, skull: Skull, size: float) -> Mesh:
    """What covers the top of the head; a beanie's stands a little, and leans back."""
    high = _edge_polar(hat, skull, size)
    grid = _shell(hat, skull, size, np.zeros(AROUND), high, 14, 0.0)
    if hat.kind == "beanie":
        grid.points[..., 2] += 0.014 * size * np.clip(np.cos(grid.texture[..., 1]), 0, 1) ** 2
        grid.points[..., 1] += 0.010 * size * np.clip(np.cos(grid.texture[..., 1]), 0, 1) ** 2
    return _surface(grid, HAT)


def _cuff(hat: Hat, skull: Skull, size: float) -> Mesh:
    """The rim of a beanie, turned up."""
    high = _edge_polar(hat, skull, size)
    grid = _shell(hat, skull, size, high - 0.36, high + 0.015, 6, 0.003)
    grid.texture[..., 2] = 1.0
    return _surface(grid, BRIM)


def _peak(hat: Hat, skull: Skull, size: float) -> Mesh:
    """The brim of a cap, bent at its sides."""
    u, v = np.meshgrid(np.linspace(-1, 1, 25), np.linspace(0, 1, 8))
    around = u * 1.05
    edge = np.interp(around[0], np.linspace(-np.pi, np.pi, AROUND), _edge_polar(hat, skull, size))
    polar = edge[None].repeat(8, 0)
    radius = _radius(skull, polar, around) + THICKNESS["cap"] * size
    way = np.stack([np.sin(polar) * np.sin(around), -np.sin(polar) * np.cos(around), np.cos(polar)], -1)
    rim = way * radius[..., None]
    reach = 0.078 * np.sqrt(np.clip(1 - u**2, 0, 1)) ** 0.8 * v
    bend = -0.016 * u**2 * v - 0.030 * v
    points = rim + np.stack([0.06 * u * reach, -reach, bend], -1) * size + skull.middle
    return _surface(_Grid(points, np.stack([u, v, np.zeros_like(u)], -1)), BRIM)


def _scarf(skull: Skull, size: float) -> Mesh:
    """Cloth from the face's outline to the back of the head."""
    turn, share = np.meshgrid(np.linspace(0, 2 * np.pi, 61), np.linspace(0, 1, 18))
    # opening angle from the face's axis: chin, side, top
    first = np.interp(np.cos(turn), [-1, 0, 1], [1.02, 0.98, 0.72])
    tilt = first + (np.pi - first) * share
    way = np.stack([np.sin(tilt) * np.sin(turn), -np.cos(tilt), np.sin(tilt) * np.cos(turn)], -1)
    polar = np.arccos(np.clip(way[..., 2], -1, 1))
    around = np.arctan2(way[..., 0], -way[..., 1])
    folds = 0.0022 * np.sin(turn * 7 + 6 * share) * np.clip(share * 4, 0, 1)
    radius = np.clip(_radius(skull, polar, around), 0.06 * size, 0.14 * size)
    radius += (0.006 + 0.007 * np.clip(share * 5, 0, 1) + folds) * size
    texture = np.stack([turn, share, np.zeros_like(turn)], -1)
    return _surface(_Grid(way * radius[..., None] + skull.middle, texture), HAT)


def _drape(skull: Skull, size: float) -> Mesh:
    """Cloth around the neck, down to the shoulders."""
    around, v = np.meshgrid(np.linspace(-np.pi, np.pi, 61), np.linspace(0, 1, 12))
    folds = 0.004 * np.sin(9 * around + 4 * v) * v + 0.003 * np.sin(17 * around - 5 * v) * v
    wide = 0.074 + 0.075 * v**1.5 + folds
    deep = 0.084 + 0.045 * v**1.5 + folds
    x = wide * np.sin(around)
    y = -deep * np.cos(around) + 0.012 - 0.022 * (1 - v)
    z = -0.098 - 0.115 * v - 0.02 * np.cos(around) * v
    points = np.stack([x, y, z], -1) * size + skull.middle
    turning = np.clip(0.9 - 0.6 * v, 0.3, 1)
    return _surface(_Grid(points, np.stack([around, v, np.zeros_like(v)], -1)), HAT, turning)
