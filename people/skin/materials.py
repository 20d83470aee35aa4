"""Shading of eyes, mouth, teeth and hats, in compiled code."""

import math

from people.drawing.compiled import njit
from people.drawing.noise import BLOTCH, FINE, LOCK, STRAND, clamp, ramp, sample
from people.drawing.raster import BRIM, CAVITY, EYE_RIGHT, HAT, MOUTH, TONGUE
from people.drawing.surface import Surface

__all__ = ["shade_eye", "shade_hat", "shade_mouth"]


@njit(cache=True, fastmath=True)
def shade_eye(kind, x, y, z, px, py, pz, look, noise):
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
        share, q = ramp(look.iris_angle * 1.08, look.iris_angle * 0.93, angle), angle / look.iris_angle
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
    return Surface(red, green, blue, nx / radius, ny / radius, nz / radius, 0.5, 0.5, 0.5, 0.05, 480.0,
                   lid_shadow, 1 | 2)  # fmt: skip


@njit(cache=True, fastmath=True)
def shade_mouth(kind, x, nx, ny, nz):
    """Eye sockets, the mouth's inside, the tongue and the teeth."""
    if kind == CAVITY:
        return Surface(0.30, 0.13, 0.11, nx, ny, nz, 0.35, 0.18, 0.12, 0.0, 20.0, 0.45, 1 | 2)
    if kind == MOUTH:
        return Surface(0.10, 0.022, 0.020, nx, ny, nz, 0.35, 0.18, 0.12, 0.0, 20.0, 0.6, 1 | 32)
    if kind == TONGUE:
        return Surface(0.36, 0.13, 0.12, nx, ny, nz, 0.35, 0.18, 0.12, 0.08, 30.0, 0.8, 1 | 32)
    gap = ramp(0.0, 0.18, abs(math.sin(x * 420.0)))
    red, green, blue = 0.66 * (0.55 + 0.45 * gap), 0.61 * (0.5 + 0.5 * gap), 0.50 * (0.48 + 0.52 * gap)
    return Surface(red, green, blue, nx, ny, nz,
                   0.35, 0.18, 0.12, 0.25, 60.0, 0.75, 1 | 32)  # fmt: skip


@njit(cache=True, fastmath=True)
def shade_hat(kind, u, v, cuff, nx, ny, nz, hat, noise):
    """Knitted or woven cloth of a hat; `u` runs around, `v` from the top to the edge."""
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
    return Surface(colour[0] * tone, colour[1] * tone, colour[2] * tone, nx / length, ny / length, nz / length,
                   0.2, 0.2, 0.2, 0.012, 10.0, 1.0, 128)  # fmt: skip
