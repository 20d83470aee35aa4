"""Where things are in camera axes and in the picture: the head's turn, projection, strands, lenses."""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from people.body.parameters import Pose
from people.drawing.light import LightField
from people.drawing.mesh import Mesh
from people.drawing.strands import draw_strands, light_strands
from people.drawing.surface import Region
from people.hair.glasses import Spectacles
from people.hair.growth import BEARD, BROW, FRAME, HAIR, LASH, Strands
from people.rendering.sitter import Sitter

__all__ = ["Canvas", "Placed", "paint_strands", "place", "place_strands", "project", "turn"]

FIELD = 0.324  # metres that a frame shows at zoom 1


class _Gloss(NamedTuple):
    """How a kind of strand is drawn, see `people.drawing.strands`."""

    shine: float
    scatter: float
    slack: float


#: By kind, in the order that they are drawn in.
GLOSS = {
    BROW: _Gloss(0.3, 0.8, 0.010),
    LASH: _Gloss(0.0, 0.5, 0.012),
    BEARD: _Gloss(0.5, 0.9, 0.006),
    FRAME: _Gloss(1.2, 0.9, 0.0),
    HAIR: _Gloss(1.0, 1.0, 0.002),
}


@dataclass(frozen=True, eq=False)
class Placed:
    """Strands in camera axes, `points` `[S, K, 3]`."""

    strands: Strands
    points: np.ndarray


@dataclass(frozen=True, eq=False)
class Canvas:
    """What strands are blended into; samples of a window whose corner is at (left, top) of `size` samples."""

    image: np.ndarray  # [H, W, 3] float32, linear
    depth: np.ndarray  # [H, W] float32, 1 / depth
    regions: np.ndarray  # [H, W] uint8, bits
    cover: np.ndarray  # [H, W] float32, share that strands of the last kind cover
    left: int
    top: int
    size: int
    pose: Pose


def project(points: np.ndarray, pose: Pose, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels x, y of a frame of `size` pixels, and inverse depth, of points in camera axes."""
    focal = size * pose.distance / FIELD * pose.zoom
    inverse = (-1 / points[:, 2]).astype(np.float32)
    x = size / 2 + focal * (points[:, 0] + pose.x) * inverse
    y = size * 0.49 - focal * (points[:, 1] + pose.y) * inverse
    return x.astype(np.float32), y.astype(np.float32), inverse


def place(sitter: Sitter, mesh: Mesh, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and normals in camera axes (right, up, towards the camera at the origin), in canonical metres.

    The head bends about the base of the neck; the shoulders keep a third of the turn.
    """
    points = _camera_axes(mesh.vertices, mesh.turning, sitter, pose)
    normals = turn(mesh.normals, pose, 0.35 + 0.65 * mesh.turning)
    normals = normals[:, [0, 2, 1]] * np.array([1, 1, -1])
    return points, np.ascontiguousarray(normals, np.float32)


def _camera_axes(points: np.ndarray, turning: np.ndarray, sitter: Sitter, pose: Pose) -> np.ndarray:
    """Points `[V, 3]` of the person's own axes after the head's turn; the face stays near the frame's middle."""
    pivot = sitter.eyes + np.array([0, 0.09, -0.12], np.float32) * sitter.size
    face = np.stack([sitter.eyes, sitter.mouth, sitter.eyes + np.array([0, 0.09, 0]) * sitter.size]) - pivot
    eyes, mouth, head = turn(face, pose, np.ones(3, np.float32)) + pivot
    centre = 0.6 * eyes + 0.4 * mouth
    centre[0] += 0.3 * (head[0] - eyes[0])
    points = turn(points - pivot, pose, 0.35 + 0.65 * turning) + pivot
    points = (points - centre)[:, [0, 2, 1]] * np.array([1, 1, -1]) / sitter.size
    points[:, 2] -= pose.distance
    return points.astype(np.float32)


def place_strands(sitter: Sitter, mesh: Mesh, pose: Pose) -> list[Placed]:
    """All strands of a person; long hair follows the head's turn less towards its ends."""
    strands = list(sitter.strands)
    if sitter.spectacles:
        strands.append(sitter.spectacles.frame)
    placed = []
    for part in strands:
        roots = (mesh.vertices[part.corners] * part.weights[..., None]).sum(1)
        points = (roots[:, None] + part.offsets).reshape(-1, 3)
        below = (points[:, 2] - sitter.eyes[2]) / sitter.size + 0.10
        turning = np.clip(1 + 3 * below, 0.4, 1) if part.kind == HAIR else np.ones(len(points))
        placed.append(Placed(part, _camera_axes(points, turning, sitter, pose).reshape(part.offsets.shape)))
    return placed


def paint_strands(placed: list[Placed], field: LightField, canvas: Canvas, sitter: Sitter) -> None:
    """Light and blend brows, lashes, beard, lenses, frames and hair, in this order; `canvas.cover` is the hair's."""
    kinds = list(GLOSS)
    order = sorted(placed, key=lambda part: kinds.index(part.strands.kind))
    for part in order:
        if part.strands.kind == FRAME and sitter.spectacles:
            _paint_lenses(part, field, canvas, sitter.spectacles)
        _paint_group(part, field, canvas)
    if order[-1].strands.kind != HAIR:
        canvas.cover[:] = 0


def _paint_group(part: Placed, field: LightField, canvas: Canvas) -> None:
    """Light and blend the strands of one kind; `canvas.cover` is theirs afterwards."""
    strands = part.strands
    gloss = GLOSS[strands.kind]
    middle = np.array([0, 0.02, -canvas.pose.distance - 0.06], np.float32)
    radiance = np.empty(part.points.shape, np.float32)
    light_strands(part.points, strands.rise, strands.colour, gloss.shine, gloss.scatter, field, middle, radiance)
    shape = strands.offsets.shape[:2]
    x, y, inverse = (a.reshape(shape) for a in project(part.points.reshape(-1, 3), canvas.pose, canvas.size))
    width = strands.width * np.float32(canvas.size * canvas.pose.zoom / FIELD)
    bits = Region.OTHER if strands.kind == FRAME else 0  # hair's region comes from its cover
    taper = 0.0 if strands.kind == FRAME else 0.75
    canvas.cover[:] = 0
    x = x - np.float32(canvas.left)
    y = y - np.float32(canvas.top)
    draw_strands(
        x,
        y,
        inverse,
        radiance,
        width,
        taper,
        bits,
        gloss.slack,
        canvas.image,
        canvas.depth,
        canvas.cover,
        canvas.regions,
    )


def _paint_lenses(part: Placed, field: LightField, canvas: Canvas, spectacles: Spectacles) -> None:
    """Tint what is behind each lens and lay a streak of reflected light over it."""
    for outline in part.points[:2]:
        x, y, inverse = project(outline, canvas.pose, canvas.size)
        x = x - canvas.left
        y = y - canvas.top
        mask = np.zeros(canvas.depth.shape, np.uint8)
        cv2.fillPoly(mask, [np.round(np.stack([x, y], -1) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        rows, columns = np.nonzero(mask)
        if len(rows) == 0:
            continue
        plane = np.linalg.lstsq(np.stack([x, y, np.ones_like(x)], -1), inverse, rcond=None)[0]  # linear on the screen
        near = plane[0] * columns + plane[1] * rows + plane[2]
        shown = near > canvas.depth[rows, columns] * 0.998
        rows = rows[shown]
        columns = columns[shown]
        near = near[shown]
        share = (mask[rows, columns] / 255.0)[:, None]
        u = (columns - x.mean()) / (np.ptp(x) + 1e-6)
        v = (rows - y.mean()) / (np.ptp(y) + 1e-6)
        at = 0.9 * field.direction[0] - 1.6 * canvas.pose.yaw
        broad = np.exp(-(((u + 0.5 * v - at) / 0.13) ** 2))
        narrow = np.exp(-(((u + 0.5 * v - at - 0.3) / 0.05) ** 2))
        streak = broad + 0.5 * narrow
        sky = np.clip(0.35 - 0.7 * v, 0.05, 1)
        reflected = (streak[:, None] * field.key * 0.35 + sky[:, None] * field.ambient[:, 0]) * spectacles.mirror
        behind = canvas.image[rows, columns]
        canvas.image[rows, columns] = behind + (behind * spectacles.tint + reflected - behind) * share
        if spectacles.tint.mean() < 0.4:  # sun glasses
            most = share[:, 0] > 0.5
            canvas.regions[rows[most], columns[most]] = Region.OTHER
            canvas.depth[rows, columns] = near


def turn(points: np.ndarray, pose: Pose, share: np.ndarray) -> np.ndarray:
    """Roll, nod and turn points `[V, 3]` (left, back, up) by a share of the head's angles."""
    x, y, z = points.T.astype(np.float64)
    z, x = _rotate(z, x, pose.roll * share**2)
    y, z = _rotate(y, z, pose.pitch * share**2)
    x, y = _rotate(x, y, pose.yaw * share)
    return np.stack([x, y, z], -1)


def _rotate(a: np.ndarray, b: np.ndarray, angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates along two axes after a turn from the first to the second one."""
    return a * np.cos(angle) - b * np.sin(angle), b * np.cos(angle) + a * np.sin(angle)
