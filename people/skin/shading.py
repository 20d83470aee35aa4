"""The shading loop: material of each visible point, soft shadow, ambient light, key light, highlight."""

import math

import numpy as np

from people.drawing.compiled import compiled
from people.drawing.light import LightField
from people.drawing.noise import clamp, ramp
from people.drawing.raster import BRIM, CAVITY, EYE_LEFT, EYE_RIGHT, HAT, MOUTH, SKIN, TEETH
from people.drawing.surface import ClothLook, EyeLook, HatLook, SkinLook, Surface
from people.skin.materials import shade_eye, shade_hat, shade_mouth
from people.skin.skin import shade_skin

__all__ = ["shade"]


@compiled
def _lit_share(px: float, py: float, pz: float, bias: float, light: LightField) -> float:
    """Share of the key light that reaches a point; shadows widen with the distance of what casts them."""
    u = (px * light.right[0] + py * light.right[1] + pz * light.right[2] - light.origin_u) * light.scale
    v = (px * light.up[0] + py * light.up[1] + pz * light.up[2] - light.origin_v) * light.scale
    i = int(u)
    j = int(v)
    if i <= 8 or j <= 8 or i >= light.depth.shape[1] - 9 or j >= light.depth.shape[0] - 9:
        return 1.0
    distance = -(px * light.direction[0] + py * light.direction[1] + pz * light.direction[2])
    blocker = 0.0
    found = 0
    for row in range(j - 6, j + 7, 3):
        for column in range(i - 6, i + 7, 3):
            if light.depth[row, column] < distance - bias:
                blocker += light.depth[row, column]
                found += 1
    if found == 0:
        return 1.0
    reach = clamp((distance - blocker / found) * light.softness * light.scale, 1.2, 7.5)
    shaded = 0.0
    for tap in range(16):  # on a spiral of the golden angle
        radius = reach * math.sqrt((tap + 0.5) / 16)
        angle = 2.39996 * tap
        row = int(v + radius * math.sin(angle))
        column = int(u + radius * math.cos(angle))
        shaded += clamp((distance - bias - light.depth[row, column]) * 600.0, 0.0, 1.0)
    return 1 - shaded / 16


@compiled
def _light_up(
    s: Surface, ex: float, ey: float, ez: float, lit: float, openness: float, light: LightField, out: np.ndarray
) -> None:
    """Write the radiance of a surface towards the eye (ex, ey, ez) to `out` [3]."""
    lx, ly, lz = light.direction[0], light.direction[1], light.direction[2]
    facing = s.nx * lx + s.ny * ly + s.nz * lz
    hx, hy, hz = lx + ex, ly + ey, lz + ez
    half = max(0.0, (s.nx * hx + s.ny * hy + s.nz * hz) / (math.sqrt(hx * hx + hy * hy + hz * hz) + 1e-6))
    lobe = 0.65 * half**s.shininess * (s.shininess + 4) / 8
    lobe += 0.35 * half ** (3 * s.shininess) * (3 * s.shininess + 4) / 8
    highlight = s.specular * lobe * lit * ramp(0.0, 0.1, facing)
    rim = s.specular * 0.8 * (1 - max(0.0, s.nx * ex + s.ny * ey + s.nz * ez)) ** 4
    way = light.fill_direction
    second = s.nx * way[0] + s.ny * way[1] + s.nz * way[2]
    for channel in range(3):
        a = light.ambient[channel]
        ambient = max(0.02, a[0] + a[1] * s.nx + a[2] * s.ny + a[3] * s.nz) * openness
        wrap = (s.wrap_red, s.wrap_green, s.wrap_blue)[channel]
        key = light.key[channel] * max(0.0, (facing + wrap) / (1 + wrap)) * (0.5 + 0.5 * openness)
        key *= lit**0.8 if channel == 0 else lit  # red light bleeds through skin
        key += light.fill[channel] * max(0.0, (second + wrap) / (1 + wrap)) * (0.4 + 0.6 * openness)
        albedo = (s.red, s.green, s.blue)[channel]
        out[channel] = albedo * (ambient + key) + light.key[channel] * highlight + ambient * rim


@compiled
def shade(
    triangle: np.ndarray,
    weights: np.ndarray,
    faces: np.ndarray,
    material: np.ndarray,
    vertices: np.ndarray,
    normals: np.ndarray,
    canonical: np.ndarray,
    masks: np.ndarray,
    layers: np.ndarray,
    noise: np.ndarray,
    hairline: np.ndarray,
    openness: np.ndarray,
    skin: SkinLook,
    cloth: ClothLook,
    eyes: EyeLook,
    hat: HatLook,
    light: LightField,
    image: np.ndarray,
    regions: np.ndarray,
) -> None:
    """Shade every pixel that shows a triangle.

    Args:
        triangle: [H, W], number of the triangle, below 0 for none.
        weights: [H, W, 2], shares of its first two corners.
        faces: [T, 3].
        material: [T].
        vertices: [V, 3], camera axes.
        normals: [V, 3], camera axes.
        canonical: [V, 3], texture position.
        masks: [V, 4], lips, lashes, ears, eyelids.
        layers: [5, 512, 512], see `people.skin.painting`.
        noise: [4, 512, 512], see `people.drawing.noise`.
        hairline: [97], height over the angle -pi..pi.
        openness: [H, W], share of the light around that reaches the pixel.
        skin: Looks of the materials.
        cloth: Likewise.
        eyes: Likewise.
        hat: Likewise.
        light: The lights.
        image: [H, W, 3], filled with linear light.
        regions: [H, W], filled with bits.
    """
    for row in range(triangle.shape[0]):
        for column in range(triangle.shape[1]):
            t = triangle[row, column]
            if t < 0:
                continue
            a, b, c = faces[t, 0], faces[t, 1], faces[t, 2]
            w0, w1 = weights[row, column, 0], weights[row, column, 1]
            w2 = 1 - w0 - w1
            # p: place, n: normal, e: to the eye, all in camera axes; (x, y, z): texture position
            px = vertices[a, 0] * w0 + vertices[b, 0] * w1 + vertices[c, 0] * w2
            py = vertices[a, 1] * w0 + vertices[b, 1] * w1 + vertices[c, 1] * w2
            pz = vertices[a, 2] * w0 + vertices[b, 2] * w1 + vertices[c, 2] * w2
            nx = normals[a, 0] * w0 + normals[b, 0] * w1 + normals[c, 0] * w2
            ny = normals[a, 1] * w0 + normals[b, 1] * w1 + normals[c, 1] * w2
            nz = normals[a, 2] * w0 + normals[b, 2] * w1 + normals[c, 2] * w2
            x = canonical[a, 0] * w0 + canonical[b, 0] * w1 + canonical[c, 0] * w2
            y = canonical[a, 1] * w0 + canonical[b, 1] * w1 + canonical[c, 1] * w2
            z = canonical[a, 2] * w0 + canonical[b, 2] * w1 + canonical[c, 2] * w2
            length = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
            nx, ny, nz = nx / length, ny / length, nz / length
            length = math.sqrt(px * px + py * py + pz * pz)
            ex, ey, ez = -px / length, -py / length, -pz / length
            kind = material[t]
            eye = EYE_LEFT <= kind <= EYE_RIGHT
            if kind >= TEETH and nx * ex + ny * ey + nz * ez < 0:  # the inside of teeth and hats
                nx, ny, nz = -nx, -ny, -nz
            bias = 0.0045
            if kind == SKIN:
                lip = masks[a, 0] * w0 + masks[b, 0] * w1 + masks[c, 0] * w2
                lash = masks[a, 1] * w0 + masks[b, 1] * w1 + masks[c, 1] * w2
                ear = masks[a, 2] * w0 + masks[b, 2] * w1 + masks[c, 2] * w2
                lid = masks[a, 3] * w0 + masks[b, 3] * w1 + masks[c, 3] * w2
                s = shade_skin(x, y, z, nx, ny, nz, lip, lash, ear, lid, layers, noise, skin, cloth, hairline)
            elif eye:
                s = shade_eye(kind, x, y, z, px, py, pz, eyes, noise)
            elif HAT <= kind <= BRIM:
                s = shade_hat(kind, x, y, z, nx, ny, nz, hat, noise)
            else:
                s = shade_mouth(kind, x, nx, ny, nz)
            lit = 1.0
            if kind != CAVITY and kind != MOUTH:
                lit = _lit_share(px, py, pz, bias, light) * light.shadow + 1 - light.shadow
            if eye:
                lit = max(lit, 0.2)  # a catch light stays even under brows
            _light_up(s, ex, ey, ez, lit, openness[row, column] * s.occlusion, light, image[row, column])
            regions[row, column] = s.region
