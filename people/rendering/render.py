"""From a scene to linear light, region masks and landmarks."""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from people.body.expressions import actions
from people.body.parameters import Light, Scene
from people.drawing.light import LightField
from people.drawing.mesh import Mesh
from people.drawing.noise import textures
from people.drawing.raster import depth_from_light, rasterise
from people.drawing.strands import shade_from_strands
from people.drawing.surface import Region
from people.hair.growth import FRAME, HAIR
from people.rendering.background import draw_background
from people.rendering.camera import develop
from people.rendering.placing import Canvas, Placed, paint_strands, place, place_strands, project
from people.rendering.sitter import sit
from people.skin.looks import cloth_look, eye_look, hat_look, skin_look
from people.skin.shading import shade
from semdf.errors import ParameterError

__all__ = ["SIZE", "Picture", "Window", "photograph", "render"]

SIZE = 192  # pixels; the face is then 70-90 px from brows to chin
SAMPLES = 2  # supersampling along each side


class Window(NamedTuple):
    """A part of a frame, pixels; the edges on the right and below are not in it."""

    left: int
    top: int
    right: int
    bottom: int


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

    Only the pixels of `window` are computed; others are black and have no region.

    Raises:
        ParameterError: the size is below 32 or above 2048.
    """
    if not 32 <= size <= 2048:
        raise ParameterError(f"size: must be 32 to 2048 pixels, found {size}")
    person = scene.person
    sitter = sit(person)
    samples = size * SAMPLES  # along each side of the frame
    window = window or Window(0, 0, size, size)
    left, top, right, bottom = (SAMPLES * edge for edge in window)
    mesh = sitter.mesh(actions(scene.expression))
    vertices, normals = place(sitter, mesh, scene.pose)
    hairs = place_strands(sitter, mesh, scene.pose)

    # which triangle shows in each sample of the window
    sx, sy, inverse = project(vertices, scene.pose, samples)
    sx = sx - np.float32(left)
    sy = sy - np.float32(top)
    triangle = np.full((bottom - top, right - left), -1, np.int32)
    weights = np.zeros((*triangle.shape, 2), np.float32)
    depth = np.zeros(triangle.shape, np.float32)
    rasterise(sx, sy, inverse, mesh.faces, mesh.material, triangle, weights, depth)

    # background, surfaces, strands
    image = draw_background(scene.background, samples, scene.camera.depth_of_field)[top:bottom, left:right]
    image = np.ascontiguousarray(image * (float(np.mean(scene.light.ambient, 0)[0]) + 0.3), np.float32)
    regions = np.zeros(triangle.shape, np.uint8)
    field = _light_field(scene.light, vertices, mesh, hairs)
    shade(
        triangle,
        weights,
        mesh.faces,
        mesh.material,
        vertices,
        normals,
        mesh.canonical,
        mesh.masks,
        sitter.layers,
        textures(),
        sitter.hair.hairline,
        _openness(triangle, depth, samples),
        skin_look(person, sitter.hair),
        cloth_look(person),
        eye_look(person, vertices),
        hat_look(person),
        field,
        image,
        regions,
    )
    canvas = Canvas(image, depth, regions, np.zeros_like(depth), left, top, samples, scene.pose)
    paint_strands(hairs, field, canvas, sitter)

    # from samples to pixels of the whole frame
    small = cv2.resize(image, (window.right - window.left, window.bottom - window.top), interpolation=cv2.INTER_AREA)
    inside = slice(window.top, window.bottom), slice(window.left, window.right)
    light = np.zeros((size, size, 3), np.float32)
    light[inside] = small * scene.light.exposure
    bits = np.zeros((size, size), np.uint8)
    bits[inside] = _hair_region(_shrink(regions), canvas.cover, size)
    x, y, _ = project(sitter.landmarks.at(vertices), scene.pose, size)
    return Picture(light, bits, np.stack([x, y], -1))


def _openness(triangle: np.ndarray, depth: np.ndarray, size: int) -> np.ndarray:
    """Ambient occlusion from the depth picture: points behind their blurred surroundings get less light."""
    height, width = triangle.shape
    seen = (triangle >= 0).astype(np.float32)
    distance = np.where(seen > 0, 1 / np.maximum(depth, 1e-6), 0).astype(np.float32)
    half = (width // 2, height // 2)
    small = cv2.resize(distance, half, interpolation=cv2.INTER_AREA)
    mask = cv2.resize(seen, half, interpolation=cv2.INTER_AREA)
    openness = np.ones((height, width), np.float32)
    for sigma, strength in ((0.0092 * size, 38.0), (0.029 * size, 14.0)):
        blurred = cv2.GaussianBlur(small, (0, 0), sigma / 2)
        mean = blurred / np.maximum(cv2.GaussianBlur(mask, (0, 0), sigma / 2), 1e-3)
        around = cv2.resize(mean, (width, height), interpolation=cv2.INTER_LINEAR)
        openness *= np.exp(-np.clip(distance - around, 0, 0.03) * strength)
    return openness


def _light_field(light: Light, vertices: np.ndarray, mesh: Mesh, hairs: list[Placed]) -> LightField:
    """The lights of a scene, with the depth map that the key light sees: 256 pixels across the head."""
    direction = np.asarray(light.direction, np.float32)
    direction = direction / np.linalg.norm(direction)
    right = np.cross(np.array([0, 1, 0], np.float32), direction)
    right = (right / (np.linalg.norm(right) + 1e-9)).astype(np.float32)
    up = np.cross(direction, right).astype(np.float32)
    u = vertices @ right
    v = vertices @ up
    upper = mesh.turning > 0.15
    u0 = float(u[upper].min() - 0.01)
    v0 = float(v[upper].min() - 0.01)
    scale = 255 / (max(float(u[upper].max()) - u0, float(v[upper].max()) - v0) + 0.02)
    depth = np.full((256, 256), 1e9, np.float32)
    away = -(vertices @ direction)
    depth_from_light((u - u0) * scale, (v - v0) * scale, away, mesh.faces, mesh.material, depth)
    for placed in hairs:
        if placed.strands.kind in (HAIR, FRAME):
            across = (placed.points @ right - u0) * scale
            along = (placed.points @ up - v0) * scale
            every = 2 if placed.strands.kind == HAIR else 1
            shade_from_strands(across, along, -(placed.points @ direction), every, depth)
    fill_way = np.asarray(light.fill_direction, np.float32)
    fill_way = fill_way / (np.linalg.norm(fill_way) + 1e-6)
    return LightField(
        direction=direction,
        key=np.asarray(light.key, np.float32),
        ambient=np.asarray(light.ambient, np.float32),
        shadow=light.shadow,
        depth=depth,
        right=right,
        up=up,
        origin_u=u0,
        origin_v=v0,
        scale=scale,
        softness=light.softness,
        fill_direction=fill_way,
        fill=np.asarray(light.fill, np.float32),
    )


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
        count = np.stack([(part >> bit) & 1 for part in samples]).sum(0)
        shrunk |= (count * 2 >= len(samples)).astype(np.uint8) << bit
    return shrunk
