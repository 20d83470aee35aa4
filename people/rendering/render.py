"""From a scene to linear light, region masks and landmarks."""

from dataclasses import dataclass

import cv2
import numpy as np

from people.body.expressions import actions
from people.body.parameters import Light, Scene
from people.drawing.noise import textures
from people.drawing.raster import depth_from_light, rasterise
from people.drawing.strands import shade_from_strands
from people.drawing.surface import Region
from people.hair.growth import FRAME, HAIR
from people.rendering.background import draw_background
from people.rendering.camera import develop
from people.rendering.placing import Canvas, Placed, paint_strands, place, place_strands, project
from people.rendering.sitter import Mesh, sit
from people.skin.looks import cloth_look, eye_look, hat_look, skin_look
from people.skin.shading import LightField, shade
from semdf.errors import ParameterError

__all__ = ["SIZE", "Picture", "photograph", "render"]

SIZE = 192  # pixels; the face is then 70-90 px from brows to chin
SAMPLES = 2  # supersampling along each side

Window = tuple[int, int, int, int]
FULL: Window = (0, 0, SIZE, SIZE)


@dataclass(frozen=True, eq=False)
class Picture:
    """A rendered scene before the camera.

    Clear lenses keep the bits of what is seen through them; sun glasses, frames, hats, clothes and neck are OTHER.
    Beards and lashes keep the bits of the skin below.
    """

    light: np.ndarray  # [H, W, 3] float32, linear
    regions: np.ndarray  # [H, W] uint8, bits of surface.Region
    landmarks: np.ndarray  # [68, 2] float32 pixels, x right, y down


def photograph(scene: Scene, frame: int = 0, *, size: int = SIZE) -> np.ndarray:
    """A finished picture `[size, size, 3] uint8` of a scene."""
    return develop(render(scene, size=size).light, scene.camera, frame)


def render(scene: Scene, window: Window | None = None, *, size: int = SIZE) -> Picture:
    """Render one scene at `size` x `size` pixels; equal scenes give equal bytes, other sizes the same view.

    Only the pixels of `window` (left, top, right, bottom) are computed; others are black and have no region.
    """
    frame = size
    if not 32 <= frame <= 2048:
        raise ParameterError(f"size: 32 to 2048 pixels, found {size}")
    sitter, size = sit(scene.person), frame * SAMPLES
    window = window or (0, 0, frame, frame)
    left, top, right, bottom = (SAMPLES * edge for edge in window)
    mesh = sitter.mesh(actions(scene.expression))
    vertices, normals = place(sitter, mesh, scene.pose)
    sx, sy, inverse = project(vertices, scene.pose, size)
    triangle = np.full((bottom - top, right - left), -1, np.int32)
    weights, depth = np.zeros((*triangle.shape, 2), np.float32), np.zeros(triangle.shape, np.float32)
    person, hairs = scene.person, place_strands(sitter, mesh, scene.pose)
    sx, sy = sx - np.float32(left), sy - np.float32(top)
    rasterise(sx, sy, inverse, mesh.faces, mesh.material, triangle, weights, depth)
    image = draw_background(scene.background, size, scene.camera.depth_of_field)[top:bottom, left:right]
    image = np.ascontiguousarray(image * (float(np.mean(scene.light.ambient, 0)[0]) + 0.3), np.float32)
    regions = np.zeros(triangle.shape, np.uint8)
    looks = skin_look(person, sitter.hair), cloth_look(person), eye_look(person, vertices), hat_look(person)
    field = _light_field(scene.light, vertices, mesh, hairs)
    shade(
        triangle, weights, mesh.faces, mesh.material, vertices, normals, mesh.canonical, mesh.masks,
        sitter.layers, textures(), sitter.hair.hairline, _openness(triangle, depth, size), *looks, field,
        image, regions,
    )  # fmt: skip
    canvas = Canvas(image, depth, regions, np.zeros_like(depth), left, top, size, scene.pose)
    paint_strands(hairs, field, canvas, sitter)
    small = cv2.resize(image, (window[2] - window[0], window[3] - window[1]), interpolation=cv2.INTER_AREA)
    light, bits = np.zeros((frame, frame, 3), np.float32), np.zeros((frame, frame), np.uint8)
    inside = slice(window[1], window[3]), slice(window[0], window[2])
    light[inside], bits[inside] = small * scene.light.exposure, _hair_region(_shrink(regions), canvas.cover, frame)
    corners, shares = sitter.landmarks
    x, y, _ = project((vertices[corners] * shares[..., None]).sum(1), scene.pose, frame)
    return Picture(light, bits, np.stack([x, y], -1))


def _openness(triangle: np.ndarray, depth: np.ndarray, size: int) -> np.ndarray:
    """Ambient occlusion from the depth picture: points behind their blurred surroundings get less light."""
    height, width = triangle.shape
    seen = (triangle >= 0).astype(np.float32)
    distance = np.where(seen > 0, 1 / np.maximum(depth, 1e-6), 0).astype(np.float32)
    half = (width // 2, height // 2)
    small, mask = (cv2.resize(a, half, interpolation=cv2.INTER_AREA) for a in (distance, seen))
    openness = np.ones((height, width), np.float32)
    for sigma, strength in ((0.0092 * size, 38.0), (0.029 * size, 14.0)):
        around = cv2.GaussianBlur(small, (0, 0), sigma / 2)
        around /= np.maximum(cv2.GaussianBlur(mask, (0, 0), sigma / 2), 1e-3)
        around = cv2.resize(around, (width, height), interpolation=cv2.INTER_LINEAR)
        openness *= np.exp(-np.clip(distance - around, 0, 0.03) * strength)
    return openness


def _light_field(light: Light, vertices: np.ndarray, mesh: Mesh, hairs: list[Placed]) -> LightField:
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
    for placed in hairs:
        if placed.strands.kind in (HAIR, FRAME):
            a, b = (placed.points @ right - u0) * scale, (placed.points @ up - v0) * scale
            every = 2 if placed.strands.kind == HAIR else 1
            shade_from_strands(a, b, -(placed.points @ direction), every, depth)
    fill_way = np.asarray(light.fill_direction, np.float32)
    fill_way = fill_way / (np.linalg.norm(fill_way) + 1e-6)
    key, ambient = np.asarray(light.key, np.float32), np.asarray(light.ambient, np.float32)
    return LightField(direction, key, ambient, light.shadow, depth, right, up, u0, v0, scale, light.softness, fill_way,
                      np.asarray(light.fill, np.float32))  # fmt: skip


def _hair_region(regions: np.ndarray, cover: np.ndarray, frame: int) -> np.ndarray:
    """Regions `[H, W]` with the hair bit alone where strands cover more than half of a pixel's surroundings."""
    small = cv2.resize(cover, regions.shape[::-1], interpolation=cv2.INTER_AREA)
    hair = cv2.GaussianBlur(small, (0, 0), 0.7 * frame / SIZE) > 0.5
    return np.where(hair, np.uint8(Region.HAIR), regions)


def _shrink(regions: np.ndarray) -> np.ndarray:
    """Region bits at frame size: a bit is set when at least half of the samples have it."""
    samples = [regions[i::SAMPLES, j::SAMPLES] for i in range(SAMPLES) for j in range(SAMPLES)]
    shrunk = np.zeros_like(samples[0])
    for bit in range(8):
        count = sum((part >> bit) & 1 for part in samples)
        shrunk |= (count * 2 >= len(samples)).astype(np.uint8) << bit
    return shrunk
