"""From a scene to linear light, region masks and landmarks."""

from dataclasses import dataclass

import cv2
import numpy as np

from semdf.people.background import draw_background
from semdf.people.camera import develop
from semdf.people.looks import cloth_look, eye_look, hair_look, skin_look
from semdf.people.noise import textures
from semdf.people.parameters import Light, Pose, Scene
from semdf.people.raster import depth_from_light, rasterise
from semdf.people.shading import LightField, shade
from semdf.people.sitter import Mesh, Sitter, sit

__all__ = ["SIZE", "Picture", "photograph", "render"]

SIZE = 192  # pixels; the face is then 70-90 px from brows to chin
SAMPLES = 2  # supersampling along each side
FIELD = 0.324  # metres that a frame shows at zoom 1

Window = tuple[int, int, int, int]
FULL: Window = (0, 0, SIZE, SIZE)


@dataclass(frozen=True, eq=False)
class Picture:
    """A rendered scene before the camera."""

    light: np.ndarray  # [H, W, 3] float32, linear
    regions: np.ndarray  # [H, W] uint8, bits of surface.Region
    landmarks: np.ndarray  # [68, 2] float32 pixels, x right, y down


def photograph(scene: Scene, frame: int = 0) -> np.ndarray:
    """A finished picture `[H, W, 3] uint8` of a scene."""
    return develop(render(scene).light, scene.camera, frame)


def render(scene: Scene, window: Window = FULL) -> Picture:
    """Render one scene at 192 x 192; equal scenes give equal bytes.

    Only the pixels of `window` (left, top, right, bottom) are computed; others are black and have no region.
    """
    sitter, size = sit(scene.person), SIZE * SAMPLES
    left, top, right, bottom = (SAMPLES * edge for edge in window)
    mesh = sitter.mesh(scene.expression)
    vertices, normals = _place(sitter, mesh, scene.pose)
    sx, sy, inverse = _project(vertices, scene.pose, SAMPLES)
    triangle = np.full((bottom - top, right - left), -1, np.int32)
    weights, depth = np.zeros((*triangle.shape, 2), np.float32), np.zeros(triangle.shape, np.float32)
    hair, person = sitter.hair, scene.person
    rasterise(
        sx - np.float32(left), sy - np.float32(top), inverse, mesh.faces, mesh.material, mesh.canonical,
        hair.hairline, hair.style.fray, *hair.shifts, person.hair.parting, textures(),
        triangle, weights, depth,
    )  # fmt: skip
    image = draw_background(scene.background, size)[top:bottom, left:right]
    image = np.ascontiguousarray(image * (float(np.mean(scene.light.ambient, 0)[0]) + 0.3), np.float32)
    regions = np.zeros(triangle.shape, np.uint8)
    looks = skin_look(person), cloth_look(person), eye_look(person, vertices), hair_look(person, hair)
    shade(
        triangle, weights, mesh.faces, mesh.material, vertices, normals, mesh.canonical, mesh.masks,
        sitter.layers, textures(), hair.hairline, _openness(triangle, depth), *looks,
        _light_field(scene.light, vertices, mesh), image, regions,
    )  # fmt: skip
    small = cv2.resize(image, (window[2] - window[0], window[3] - window[1]), interpolation=cv2.INTER_AREA)
    light, bits = np.zeros((SIZE, SIZE, 3), np.float32), np.zeros((SIZE, SIZE), np.uint8)
    inside = slice(window[1], window[3]), slice(window[0], window[2])
    light[inside], bits[inside] = small * scene.light.exposure, _shrink(regions)
    corners, shares = sitter.landmarks
    x, y, _ = _project((vertices[corners] * shares[..., None]).sum(1), scene.pose, 1)
    return Picture(light, bits, np.stack([x, y], -1))


def _project(points: np.ndarray, pose: Pose, samples: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels x, y (times `samples`) and inverse depth of points in camera axes."""
    size = SIZE * samples
    focal = size * pose.distance / FIELD * pose.zoom
    inverse = (-1 / points[:, 2]).astype(np.float32)
    x = size / 2 + focal * (points[:, 0] + pose.x) * inverse
    y = size * 0.49 - focal * (points[:, 1] + pose.y) * inverse
    return x.astype(np.float32), y.astype(np.float32), inverse


def _place(sitter: Sitter, mesh: Mesh, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and normals in camera axes (right, up, towards the camera at the origin), in canonical metres.

    The head bends about the base of the neck; the shoulders keep a third of the turn.
    """
    pivot = sitter.eyes + np.array([0, 0.09, -0.12], np.float32)
    share = 0.35 + 0.65 * mesh.turning
    points = _turn(mesh.vertices - pivot, pose, share) + pivot
    normals = _turn(mesh.normals, pose, share)
    face = np.stack([sitter.eyes, sitter.mouth]) - pivot
    eyes, mouth = _turn(face, pose, np.ones(2, np.float32)) + pivot
    centre = 0.6 * eyes + 0.4 * mouth
    points = (points - centre)[:, [0, 2, 1]] * np.array([1, 1, -1]) / sitter.size
    points[:, 2] -= pose.distance
    normals = normals[:, [0, 2, 1]] * np.array([1, 1, -1])
    return points.astype(np.float32), np.ascontiguousarray(normals, np.float32)


def _turn(points: np.ndarray, pose: Pose, share: np.ndarray) -> np.ndarray:
    """Roll, nod and turn points `[V, 3]` (left, back, up) by a share of the head's angles."""
    x, y, z = points.T.astype(np.float64)
    angle = pose.roll * share**2
    x, z = x * np.cos(angle) + z * np.sin(angle), z * np.cos(angle) - x * np.sin(angle)
    angle = pose.pitch * share**2
    y, z = y * np.cos(angle) - z * np.sin(angle), z * np.cos(angle) + y * np.sin(angle)
    angle = pose.yaw * share
    x, y = x * np.cos(angle) - y * np.sin(angle), y * np.cos(angle) + x * np.sin(angle)
    return np.stack([x, y, z], -1)


def _openness(triangle: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Ambient occlusion from the depth picture: points behind their blurred surroundings get less light."""
    height, width = triangle.shape
    seen = (triangle >= 0).astype(np.float32)
    distance = np.where(seen > 0, 1 / np.maximum(depth, 1e-6), 0).astype(np.float32)
    half = (width // 2, height // 2)
    small, mask = (cv2.resize(a, half, interpolation=cv2.INTER_AREA) for a in (distance, seen))
    openness = np.ones((height, width), np.float32)
    for sigma, strength in ((0.0092 * SIZE * SAMPLES, 38.0), (0.029 * SIZE * SAMPLES, 14.0)):
        around = cv2.GaussianBlur(small, (0, 0), sigma / 2)
        around /= np.maximum(cv2.GaussianBlur(mask, (0, 0), sigma / 2), 1e-3)
        around = cv2.resize(around, (width, height), interpolation=cv2.INTER_LINEAR)
        openness *= np.exp(-np.clip(distance - around, 0, 0.03) * strength)
    return openness


def _light_field(light: Light, vertices: np.ndarray, mesh: Mesh) -> LightField:
    """Axes and depth map of the key light."""
    direction = np.asarray(light.direction, np.float32)
    direction = direction / np.linalg.norm(direction)
    right = np.cross(np.array([0, 1, 0], np.float32), direction)
    right = (right / (np.linalg.norm(right) + 1e-9)).astype(np.float32)
    up = np.cross(direction, right).astype(np.float32)
    u, v = vertices @ right, vertices @ up
    upper = mesh.turning > 0.15
    u0, v0 = float(u[upper].min() - 0.01), float(v[upper].min() - 0.01)
    scale = 255 / (max(float(u[upper].max()) - u0, float(v[upper].max()) - v0) + 0.02)
    depth = np.full((256, 256), 1e9, np.float32)
    away = -(vertices @ direction)
    depth_from_light((u - u0) * scale, (v - v0) * scale, away, mesh.faces, mesh.material, depth)
    key, ambient = np.asarray(light.key, np.float32), np.asarray(light.ambient, np.float32)
    return LightField(direction, key, ambient, light.shadow, depth, right, up, u0, v0, scale)


def _shrink(regions: np.ndarray) -> np.ndarray:
    """Region bits at frame size: a bit is set when at least half of the samples have it."""
    samples = [regions[i::SAMPLES, j::SAMPLES] for i in range(SAMPLES) for j in range(SAMPLES)]
    shrunk = np.zeros_like(samples[0])
    for bit in range(8):
        count = sum((part >> bit) & 1 for part in samples)
        shrunk |= (count * 2 >= len(samples)).astype(np.uint8) << bit
    return shrunk
