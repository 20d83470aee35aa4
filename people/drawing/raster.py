"""Compiled rasteriser: which triangle shows in which pixel, vertex normals, and depth seen from the light."""

import math

import numpy as np

from people.drawing.compiled import compiled

__all__ = [
    "BRIM",
    "CAVITY",
    "EYE_LEFT",
    "EYE_RIGHT",
    "HAT",
    "MOUTH",
    "SKIN",
    "TEETH",
    "TONGUE",
    "depth_from_light",
    "hairline_height",
    "rasterise",
    "vertex_normals",
]

#: Materials of triangles.
SKIN, EYE_LEFT, EYE_RIGHT, CAVITY, MOUTH, TONGUE, TEETH, HAT, BRIM = range(9)


@compiled
def hairline_height(hairline: np.ndarray, x: float, y: float) -> float:
    """Height of the hair line above the canonical point (x, y); `hairline` is a table over -pi..pi."""
    t = (math.atan2(x, -(y + 0.06)) / math.pi + 1) * 0.5 * (hairline.shape[0] - 1)
    i = min(int(t), hairline.shape[0] - 2)
    return hairline[i] + (hairline[i + 1] - hairline[i]) * (t - i)


@compiled
def _first(a: float, b: float, c: float) -> int:
    """The first pixel, in a row or column, that a triangle with these corners can touch."""
    return int(max(0, math.floor(min(a, b, c))))


@compiled
def _last(a: float, b: float, c: float, size: int) -> int:
    """The last such pixel of `size`."""
    return int(min(size - 1, math.ceil(max(a, b, c))))


@compiled
def rasterise(
    sx: np.ndarray,
    sy: np.ndarray,
    inverse_depth: np.ndarray,
    faces: np.ndarray,
    material: np.ndarray,
    triangle: np.ndarray,
    weights: np.ndarray,
    depth: np.ndarray,
) -> None:
    """Find the nearest triangle of every pixel.

    Teeth show only where the mouth's inside is seen, so that they never pierce the lips.

    Args:
        sx: [V], pixels from the left.
        sy: [V], pixels from the top.
        inverse_depth: [V], 1 / z.
        faces: [T, 3], vertices of the triangles.
        material: [T].
        triangle: [H, W], filled with numbers of triangles; pixels without one keep what they hold.
        weights: [H, W, 2], filled with the perspective-correct shares of the first two corners.
        depth: [H, W], filled with 1 / z; nothing behind what it holds is drawn.
    """
    height, width = triangle.shape
    for t in range(faces.shape[0]):
        a, b, c = faces[t, 0], faces[t, 1], faces[t, 2]
        x0, y0 = sx[a], sy[a]
        x1, y1 = sx[b], sy[b]
        x2, y2 = sx[c], sy[c]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if abs(area) < 1e-9:
            continue
        kind = material[t]
        for row in range(_first(y0, y1, y2), _last(y0, y1, y2, height) + 1):
            py = row + 0.5
            for column in range(_first(x0, x1, x2), _last(x0, x1, x2, width) + 1):
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
                depth[row, column] = near
                triangle[row, column] = t
                weights[row, column, 0] = w0 * inverse_depth[a] / near
                weights[row, column, 1] = w1 * inverse_depth[b] / near


@compiled
def _accumulate_normals(vertices: np.ndarray, faces: np.ndarray, normals: np.ndarray) -> None:
    """Add the normal of every triangle to its corners' (its length is twice the area), then make them unit vectors."""
    for t in range(faces.shape[0]):
        a, b, c = faces[t, 0], faces[t, 1], faces[t, 2]
        ux = vertices[b, 0] - vertices[a, 0]
        uy = vertices[b, 1] - vertices[a, 1]
        uz = vertices[b, 2] - vertices[a, 2]
        vx = vertices[c, 0] - vertices[a, 0]
        vy = vertices[c, 1] - vertices[a, 1]
        vz = vertices[c, 2] - vertices[a, 2]
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


@compiled
def depth_from_light(
    u: np.ndarray, v: np.ndarray, distance: np.ndarray, faces: np.ndarray, material: np.ndarray, buffer: np.ndarray
) -> None:
    """Draw an orthographic depth map, the inside of eyes and mouth left out.

    Args:
        u: [V], pixels of the map from the left.
        v: [V], pixels from the top.
        distance: [V], from the light.
        faces: [T, 3].
        material: [T].
        buffer: [H, W], filled with the smallest distance in each pixel where that is below what it holds.
    """
    height, width = buffer.shape
    for t in range(faces.shape[0]):
        if CAVITY <= material[t] <= TEETH:
            continue
        a, b, c = faces[t, 0], faces[t, 1], faces[t, 2]
        x0, y0 = u[a], v[a]
        x1, y1 = u[b], v[b]
        x2, y2 = u[c], v[c]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if abs(area) < 1e-9:
            continue
        for row in range(_first(y0, y1, y2), _last(y0, y1, y2, height) + 1):
            for column in range(_first(x0, x1, x2), _last(x0, x1, x2, width) + 1):
                px = column + 0.5
                py = row + 0.5
                w0 = ((x1 - px) * (y2 - py) - (x2 - px) * (y1 - py)) / area
                w1 = ((x2 - px) * (y0 - py) - (x0 - px) * (y2 - py)) / area
                w2 = 1 - w0 - w1
                if w0 < 0 or w1 < 0 or w2 < 0:
                    continue
                value = w0 * distance[a] + w1 * distance[b] + w2 * distance[c]
                if value < buffer[row, column]:
                    buffer[row, column] = value
