"""Shading of eyes, mouth, teeth and hats, in compiled code."""

import math

import numpy as np

from people.drawing.compiled import compiled
from people.drawing.noise import BLOTCH, FINE, LOCK, STRAND, clamp, ramp, sample
from people.drawing.raster import BRIM, CAVITY, EYE_RIGHT, HAT, MOUTH, TONGUE
from people.drawing.surface import EyeLook, HatLook, Region, Surface

__all__ = ["shade_eye", "shade_hat", "shade_mouth"]

# Compiled code reads no attributes of classes.
EYE_BITS = Region.SKIN | Region.EYE
MOUTH_BITS = Region.SKIN | Region.MOUTH
HAT_BITS = Region.OTHER


@compiled
def shade_eye(
    kind: int, x: float, y: float, z: float, px: float, py: float, pz: float, look: EyeLook, noise: np.ndarray
) -> Surface:
    """An eyeball as an exact sphere: canonical point (x, y, z), posed point (px, py, pz) in camera space."""
    i = 1 if kind == EYE_RIGHT else 0
    dx, dy, dz = x - look.centres[i, 0], y - look.centres[i, 1], z - look.centres[i, 2]
    length = math.sqrt(dx * dx + dy * dy + dz * dz) + 1e-9
    nx, ny, nz = px - look.posed[i, 0], py - look.posed[i, 1], pz - look.posed[i, 2]
    radius = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
    angle = math.acos(clamp(-dy / length, -1.0, 1.0))
    red, green, blue = 0.54, 0.49, 0.455
    veins = ramp(look.iris_angle * 1.2, 1.25, angle) * 0.5
    green, blue = green * (1 - 0.4 * veins), blue * (1 - 0.4 * veins)
    if angle < look.iris_angle * 1.08:
        share = ramp(look.iris_angle * 1.08, look.iris_angle * 0.93, angle)
        q = angle / look.iris_angle
        around = math.atan2(dx, dz) / (2 * math.pi)
        fibres = sample(noise[LOCK], around * 3 + look.shift, q * 0.1) * 0.16
        fibres += sample(noise[STRAND], around * 2, q * 0.1) * 0.12
        tone = (1 + fibres) * (1 - 0.65 * ramp(0.78, 1.0, q)) * (1 + 0.5 * ramp(0.65, 0.4, q))
        tone *= 1 - ramp(look.pupil * 1.1, look.pupil * 0.9, q)
        red += (look.iris[0] * tone - red) * share
        green += (look.iris[1] * tone - green) * share
        blue += (look.iris[2] * tone - blue) * share
    lid_shadow = (0.28 + 0.72 * ramp(0.0075, -0.002, z - look.centres[i, 2] + 0.15 * abs(dx))) * (
        1 - 0.55 * ramp(0.6, 1.1, angle)
    )
    return Surface(
        red=red,
        green=green,
        blue=blue,
        nx=nx / radius,
        ny=ny / radius,
        nz=nz / radius,
        wrap_red=0.5,
        wrap_green=0.5,
        wrap_blue=0.5,
        specular=0.05,
        shininess=480.0,
        occlusion=lid_shadow,
        region=EYE_BITS,
    )


@compiled
def _moist(
    red: float,
    green: float,
    blue: float,
    nx: float,
    ny: float,
    nz: float,
    specular: float,
    shininess: float,
    occlusion: float,
    region: int,
) -> Surface:
    """A surface that light enters as it enters skin: red light comes out farthest from where it went in."""
    return Surface(red, green, blue, nx, ny, nz, 0.35, 0.18, 0.12, specular, shininess, occlusion, region)


@compiled
def shade_mouth(kind: int, x: float, nx: float, ny: float, nz: float) -> Surface:
    """Eye sockets, the mouth's inside, the tongue and the teeth, with their normal in camera axes."""
    if kind == CAVITY:
        return _moist(0.30, 0.13, 0.11, nx, ny, nz, 0.0, 20.0, 0.45, EYE_BITS)
    if kind == MOUTH:
        return _moist(0.10, 0.022, 0.020, nx, ny, nz, 0.0, 20.0, 0.6, MOUTH_BITS)
    if kind == TONGUE:
        return _moist(0.36, 0.13, 0.12, nx, ny, nz, 0.08, 30.0, 0.8, MOUTH_BITS)
    gap = ramp(0.0, 0.18, abs(math.sin(x * 420.0)))
    red = 0.66 * (0.55 + 0.45 * gap)
    green = 0.61 * (0.5 + 0.5 * gap)
    blue = 0.50 * (0.48 + 0.52 * gap)
    return _moist(red, green, blue, nx, ny, nz, 0.25, 60.0, 0.75, MOUTH_BITS)


@compiled
def shade_hat(
    kind: int,
    u: float,
    v: float,
    cuff: float,
    nx: float,
    ny: float,
    nz: float,
    hat: HatLook,
    noise: np.ndarray,
) -> Surface:
    """Knitted or woven cloth of a hat; `u` runs around, `v` from the top to the edge, `cuff` is 1 on the rim."""
    rough = sample(noise[FINE], u * 0.7, v * 1.1) * 0.06 + sample(noise[BLOTCH], u * 0.4, v * 0.5) * 0.05
    if hat.ribs > 0:
        wave = math.sin(u * (hat.ribs if cuff > 0.5 else hat.ribs * 0.8))
        knit = math.sin(v * 130.0 + 1.5 * wave)
        rough += 0.16 * wave + 0.06 * knit
        nx += 0.35 * math.cos(u * hat.ribs)
    elif hat.seams > 0 and kind == HAT:
        seam = abs(math.sin(u * 3.0))
        rough -= 0.30 * ramp(0.05, 0.0, seam)
    length = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
    tone = 0.95 * math.exp(rough)
    colour = hat.second if kind == BRIM else hat.colour
    return Surface(
        red=colour[0] * tone,
        green=colour[1] * tone,
        blue=colour[2] * tone,
        nx=nx / length,
        ny=ny / length,
        nz=nz / length,
        wrap_red=0.2,
        wrap_green=0.2,
        wrap_blue=0.2,
        specular=0.012,
        shininess=10.0,
        occlusion=1.0,
        region=HAT_BITS,
    )
