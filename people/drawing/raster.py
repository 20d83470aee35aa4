"""Compiled rasteriser: which triangle shows in which pixel, vertex normals, and depth seen from the light."""

import math

import numpy as np

from people.drawing.compiled import njit

__all__ = ["depth_from_light", "rasterise", "vertex_normals"]

#: Materials of triangles.
SKIN, EYE_LEFT, EYE_RIGHT, CAVITY, MOUTH, TONGUE, TEETH, HAT, BRIM = range(9)


@njit(cache=True, fastmath=True)
def hairline_height(hairline, x, y):
    """Height of the hair line above the canonical point (x, y); `hairline` is a table over -pi..pi."""
    t = (math.atan2(x, -(y + 0.06)) / math.pi + 1) * 0.5 * (hairline.shape[0] - 1)
    i = min(int(t), hairline.shape[0] - 2)
    return hairline[i] + (hairline[i + 1] - hairline[i]) * (t - i)


@njit(cache=True, fastmath=True)
def rasterise(sx, sy, inverse_depth, faces, material, triangle, weights, depth):
    """Fill `triangle` [H, W] (-1: none), perspective-correct `weights` [H, W, 2], `depth` [H, W] (1 / z).

    Teeth show only where the mouth's inside is seen, so that they never pierce the lips.
    """
    height, width = triangle.shape
    for t in range(faces.shape[0]):
        a, b, c = faces[t, 0], faces[t, 1], faces[t, 2]
        x0, y0, x1, y1, x2, y2 = sx[a], sy[a], sx[b], sy[b], sx[c], sy[c]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if abs(area) < 1e-9:
            continue
        kind = material[t]
        for row in range(
            int(max(0, math.floor(min(y0, y1, y2)))), int(min(height - 1, math.ceil(max(y0, y1, y2)))) + 1
        ):
            py = row + 0.5
            for column in range(
                int(max(0, math.floor(min(x0, x1, x2)))), int(min(width - 1, math.ceil(max(x0, x1, x2)))) + 1
            ):
                px = column + 0.5
                w0 = ((x1 - px) * (y2 - py) - (x2 - px) * (y1 - py)) / area
                w1 = ((x2 - px) * (y0 - py) - (x0 - px) * (y2 - py)) / area
                w2 = 1 - w0 - w1
                if w0 < -1e-6 or w1 < -1e-6 or w2 < -1e-6:
                    continue
                near = w0 * inverse_depth[a] + w1 * inverse_depth[b] + w2 * inverse_depth[c]
                if kind == TEETH:
                    behind = triangle[row, column]
                    if behind < 0:
                        continue
                    below = material[behind]
                    if below != MOUTH and (near <= depth[row, column] or (below != TONGUE and below != TEETH)):
                        continue
                elif near <= depth[row, column]:
                    continue
                p0, p1 = w0 * inverse_depth[a] / near, w1 * inverse_depth[b] / near
                depth[row, column] = near
                triangle[row, column] = t
                weights[row, column, 0] = p0
                weights[row, column, 1] = p1


@njit(cache=True, fastmath=True)
def _accumulate_normals(vertices, faces, normals):
    for t in range(faces.shape[0]):
        a, b, c = faces[t, 0], faces[t, 1], faces[t, 2]
        ux, uy, uz = (
            vertices[b, 0] - vertices[a, 0],
            vertices[b, 1] - vertices[a, 1],
            vertices[b, 2] - vertices[a, 2],
        )
        vx, vy, vz = (
            vertices[c, 0] - vertices[a, 0],
            vertices[c, 1] - vertices[a, 1],
            vertices[c, 2] - vertices[a, 2],
        )
        for i in (a, b, c):
            normals[i, 0] += uy * vz - uz * vy
            normals[i, 1] += uz * vx - ux * vz
            normals[i, 2] += ux * vy - uy * vx
    for i in range(normals.shape[0]):
        length = math.sqrt(normals[i, 0] ** 2 + normals[i, 1] ** 2 + normals[i, 2] ** 2) + 1e-12
        normals[i] /= length


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals `[V, 3]`, weighted by area."""
    normals = np.zeros_like(vertices)
    _accumulate_normals(vertices, faces, normals)
    return normals


@njit(cache=True, fastmath=True)
def depth_from_light(u, v, distance, faces, material, buffer):
    """Orthographic depth map: the smallest `distance` per pixel of `buffer` [H, W]."""
    height, width = buffer.shape
    for t in range(faces.shape[0]):
        if CAVITY <= material[t] <= TEETH:
            continue
        a, b, c = faces[t, 0], faces[t, 1], faces[t, 2]
        x0, y0, x1, y1, x2, y2 = u[a], v[a], u[b], v[b], u[c], v[c]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if abs(area) < 1e-9:
            continue
        for row in range(
            int(max(0, math.floor(min(y0, y1, y2)))), int(min(height - 1, math.ceil(max(y0, y1, y2)))) + 1
        ):
            for column in range(
                int(max(0, math.floor(min(x0, x1, x2)))), int(min(width - 1, math.ceil(max(x0, x1, x2)))) + 1
            ):
                px, py = column + 0.5, row + 0.5
                w0 = ((x1 - px) * (y2 - py) - (x2 - px) * (y1 - py)) / area
                w1 = ((x2 - px) * (y0 - py) - (x0 - px) * (y2 - py)) / area
                w2 = 1 - w0 - w1
                if w0 < 0 or w1 < 0 or w2 < 0:
                    continue
                value = w0 * distance[a] + w1 * distance[b] + w2 * distance[c]
                if value < buffer[row, column]:
                    buffer[row, column] = value
