"""Shading of eyes, mouth, teeth and hair, in compiled code."""

import math

from semdf.people.compiled import njit
from semdf.people.noise import BLOTCH, FINE, LOCK, STRAND, clamp, ramp, sample
from semdf.people.raster import CAVITY, EYE_RIGHT, HAIR_CAP, MOUTH, TONGUE, hair_coordinates
from semdf.people.surface import Surface

__all__ = ["shade_eye", "shade_hair", "shade_mouth"]


@njit(cache=True, fastmath=True)
def shade_eye(kind, x, y, z, px, py, pz, look, noise):
    """An eyeball as an exact sphere: canonical point (x, y, z), posed point (px, py, pz) in camera space."""
    i = 1 if kind == EYE_RIGHT else 0
    dx, dy, dz = x - look.centres[i, 0], y - look.centres[i, 1], z - look.centres[i, 2]
    length = math.sqrt(dx * dx + dy * dy + dz * dz) + 1e-9
    nx, ny, nz = px - look.posed[i, 0], py - look.posed[i, 1], pz - look.posed[i, 2]
    radius = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
    angle = math.acos(clamp(-dy / length, -1.0, 1.0))
    red, green, blue = 0.62, 0.58, 0.55
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
    lid_shadow = 0.35 + 0.65 * ramp(0.0085, -0.002, z - look.centres[i, 2] + 0.15 * abs(dx))
    return Surface(red, green, blue, nx / radius, ny / radius, nz / radius, 0.5, 0.5, 0.5, 0.35, 260.0,
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
def shade_hair(kind, x, y, z, nx, ny, nz, lx, ly, lz, ex, ey, ez, look, noise):
    """Strands with a highlight along them (Kajiya and Kay 1989); l and e: directions of light and eye."""
    if kind == HAIR_CAP:
        u, v = hair_coordinates(x, y, z, look.shift_u, look.shift_v, look.parting)
    else:
        u, v = x * 0.5 + look.shift_u, z * 0.12
    strands = sample(noise[STRAND], u * 2.3, v) * 0.26 + sample(noise[LOCK], u * 1.3, v) * 0.24
    strands += sample(noise[FINE], u * 3.0, v * 0.9) * 0.05
    if look.curl > 0:
        curls = sample(noise[BLOTCH], u * 3.1, v * 6.3) * 0.35 + sample(noise[BLOTCH], u * 7.3, v * 14.9) * 0.25
        strands += (curls - strands) * look.curl
        nx += sample(noise[BLOTCH], u * 3.1 + 0.37, v * 6.3) * 0.35 * look.curl
        ny += sample(noise[BLOTCH], u * 3.1 + 0.71, v * 6.3) * 0.35 * look.curl
    tone = math.exp(strands * 0.8)
    red, green, blue = look.colour[0] * tone, look.colour[1] * tone, look.colour[2] * tone
    if look.grey > 0 and sample(noise[STRAND], u * 3.1 + 0.3, v) > 1.5 - 1.8 * look.grey:
        red, green, blue = red * 0.7 + 0.1, green * 0.7 + 0.1, blue * 0.7 + 0.1
    # tangent: downwards, along the surface
    tx, ty, tz = -ny * nx, 1 - ny * ny, -ny * nz
    length = math.sqrt(tx * tx + ty * ty + tz * tz) + 1e-6
    hx, hy, hz = lx + ex, ly + ey, lz + ez
    half = math.sqrt(hx * hx + hy * hy + hz * hz) + 1e-6
    along = (tx * hx + ty * hy + tz * hz) / (length * half) + strands * 0.25
    shine = math.sqrt(max(0.0, 1 - along * along)) ** 40 * look.shine
    shine *= max(0.0, lx * nx + ly * ny + lz * nz + 0.3)
    red, green, blue = red + shine * (0.2 + red), green + shine * (0.2 + green), blue + shine * (0.2 + blue)
    return Surface(red, green, blue, nx, ny, nz, 0.4, 0.4, 0.4, 0.0, 20.0, 1.0, 64)
