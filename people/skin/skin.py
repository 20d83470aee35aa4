"""Shading of skin, lips, brows, stubble and cloth: two pigments and painted layers, in compiled code."""

import math

import numpy as np

from people.body.parameters import PATTERNS, TOPS
from people.drawing.compiled import compiled
from people.drawing.noise import BLOTCH, FINE, clamp, ramp, sample
from people.drawing.raster import hairline_height
from people.drawing.surface import ClothLook, Region, SkinLook, Surface
from people.skin.painting import ANGLE, BROW, BROW_REGION, CREASE, HEIGHT, SPOT, STUBBLE

__all__ = ["shade_skin", "skin_regions"]

# Compiled code reads no attributes of classes.
SKIN_BIT = Region.SKIN
EYE_BIT = Region.EYE
BROW_BIT = Region.EYEBROW
NOSE_BIT = Region.NOSE
LIP_BIT = Region.LIP
MOUTH_BIT = Region.MOUTH
CLOTH_BIT = Region.OTHER

STRIPES = PATTERNS.index("stripes")
CHECKS = PATTERNS.index("checks")
DOTS = PATTERNS.index("dots")
SHIRT = TOPS.index("shirt")
HOODIE = TOPS.index("hoodie")


@compiled
def _layer(layer: np.ndarray, u: float, v: float) -> float:
    """Bilinear value of a painted layer at pixel (u, v)."""
    i = int(u)
    j = int(v)
    fu = u - i
    fv = v - j
    upper = layer[j, i] * (1 - fu) + layer[j, i + 1] * fu
    return upper * (1 - fv) + (layer[j + 1, i] * (1 - fu) + layer[j + 1, i + 1] * fu) * fv


@compiled
def _bell(x: float, z: float, centre_x: float, centre_z: float, width: float, height: float) -> float:
    """A bump of height 1 at (centre_x, centre_z) and its mirror image."""
    return math.exp(-(((abs(x) - centre_x) / width) ** 2) - ((z - centre_z) / height) ** 2)


@compiled
def _mix(a: float, b: float, share: float) -> float:
    """`a` and a share of `b`."""
    return a + (b - a) * share


@compiled
def skin_regions(x: float, y: float, z: float, lip: float, brow: float) -> int:
    """Region bits of a skin point of the canonical face (metres)."""
    if z < 0.779 + (y + 0.15) * 0.45 or y > -0.02:
        return CLOTH_BIT if z < 0.83 else SKIN_BIT
    bits = SKIN_BIT
    if z > 0.76:
        if brow > 0.18:
            bits |= BROW_BIT
        if ((abs(x) - 0.0314) / 0.021) ** 2 + ((z - 0.9035) / 0.0115) ** 2 < 1 and y < -0.10:
            bits |= EYE_BIT
        if 0.8475 < z < 0.909 and abs(x) < min(0.0085 + (0.909 - z) * 0.26, 0.0195) and y < -0.128:
            bits |= NOSE_BIT
        if lip > 0.4:
            bits |= LIP_BIT
        if (x / 0.034) ** 2 + ((z - 0.8285) / 0.0205) ** 2 < 1 and y < -0.115:
            bits |= MOUTH_BIT
    return bits


@compiled
def _shade_cloth(  # noqa: C901 - the tailoring of each garment is a branch or two
    x: float,
    z: float,
    nx: float,
    ny: float,
    nz: float,
    edge: float,
    look: SkinLook,
    cloth: ClothLook,
    noise: np.ndarray,
) -> Surface:
    """Cloth `edge` metres below the neckline: weave, folds, a collar, a pattern."""
    folds = sample(noise[BLOTCH], x * 1.1 + look.shift_u, z * 0.8 + look.shift_v)
    nx += 0.16 * sample(noise[BLOTCH], x * 1.4 + look.shift_v, z * 0.9 + 0.3)
    ny += 0.12 * folds
    weave = 0.93 + 0.06 * sample(noise[FINE], x * 9, z * 9) + 0.05 * folds
    phase = cloth.stripe
    second = 0.0  # share of the second colour
    if cloth.pattern == STRIPES:
        second = ramp(-0.1, 0.1, math.sin(z * phase))
    elif cloth.pattern == CHECKS:  # a tartan of crossing bands
        second = 0.5 * ramp(0.2, 0.4, math.sin(z * phase * 1.5)) + 0.5 * ramp(0.2, 0.4, math.sin(x * phase * 1.5))
        second = 0.8 * max(second, 0.6 * ramp(0.9, 1.0, math.sin(z * phase * 1.5 + 2.6)))
    elif cloth.pattern == DOTS:
        second = ramp(0.5, 0.6, math.sin(z * phase) * math.sin(x * phase))
    if cloth.top == SHIRT:  # its collar lies over it and throws a line of shadow; buttons below
        if edge < 0.020:
            weave *= 1.06 - 0.25 * ramp(0.017, 0.020, edge)
            ny += 0.25
        elif edge < 0.026:
            weave *= 0.62
        elif abs(x) < 0.0012:
            weave *= 0.7
        elif abs(x + 0.006) < 0.0022 and abs(math.sin(z * 75.0)) < 0.16:
            weave *= 0.45
    elif cloth.top == HOODIE:  # a hood's folds around the neck, and its strings
        weave *= 0.72 + 0.28 * ramp(0.0, 0.016, abs(edge - 0.020))
        ny += 0.5 * math.sin(edge * 160.0) * ramp(0.06, 0.01, edge)
        if abs(abs(x) - 0.032) < 0.0022 and edge > 0.02:
            weave = 1.35
    elif edge < 0.0065:
        weave *= 0.80 + 0.08 * math.sin(x * 1400.0)
        second = 0.0
    weave *= 0.75 if edge < 0.0015 else 1.0
    length = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
    return Surface(
        red=_mix(cloth.colour[0], cloth.second[0], second) * weave,
        green=_mix(cloth.colour[1], cloth.second[1], second) * weave,
        blue=_mix(cloth.colour[2], cloth.second[2], second) * weave,
        nx=nx / length,
        ny=ny / length,
        nz=nz / length,
        wrap_red=0.1,
        wrap_green=0.1,
        wrap_blue=0.1,
        specular=0.008,
        shininess=14.0,
        occlusion=1.0,
        region=CLOTH_BIT,
    )


@compiled
def shade_skin(
    x: float,
    y: float,
    z: float,
    nx: float,
    ny: float,
    nz: float,
    lip: float,
    lash: float,
    ear: float,
    lid: float,
    layers: np.ndarray,
    noise: np.ndarray,
    look: SkinLook,
    cloth: ClothLook,
    hairline: np.ndarray,
) -> Surface:
    """Surface at canonical (x, y, z) with camera-space normal; `lip`, `lash`, `ear`, `lid` are masks 0..1."""
    neck = min(cloth.collar + cloth.slope * x * x * 6, 0.80)
    neck -= cloth.neckline * math.exp(-((x / 0.035) ** 2)) * (1.0 if y < 0 else 0.0)
    if z < neck and z < 0.81:
        return _shade_cloth(x, z, nx, ny, nz, neck - z, look, cloth, noise)

    angle = math.atan2(x, -(y + 0.06))
    u = (angle / ANGLE + 1) * 0.5 * 511
    v = (1.0 - z) / HEIGHT * 511
    brow = spot = crease = stubble = brow_region = 0.0
    if 1 < u < 510 and 1 < v < 510:
        brow = _layer(layers[BROW], u, v)
        spot = _layer(layers[SPOT], u, v)
        crease = _layer(layers[CREASE], u, v)
        stubble = _layer(layers[STUBBLE], u, v)
        i = int(u)
        j = int(v)
        brow_region = max(brow, layers[BROW_REGION, j, i])
        nx += (layers[CREASE, j, i + 1] - layers[CREASE, j, i - 1]) * look.crease_bump
        ny -= (layers[CREASE, j + 1, i] - layers[CREASE, j - 1, i]) * look.crease_bump
    fine = sample(noise[FINE], angle * 0.9 + look.shift_u, z * 10.6 + look.shift_v)
    wide = sample(noise[BLOTCH], angle * 0.33 + look.shift_u, z * 3.9 + look.shift_v)
    small = sample(noise[BLOTCH], angle * 1.1 + look.shift_v, z * 13.0 + look.shift_u)
    ny += fine * look.pore_bump
    nx += sample(noise[FINE], angle * 0.9 + look.shift_v, z * 10.6 + look.shift_u) * look.pore_bump
    length = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
    nx, ny, nz = nx / length, ny / length, nz / length

    # two pigments absorb: melanin mostly blue, blood mostly green
    cheek = _bell(x, z, 0.043, 0.862, 0.02, 0.018)
    nose = math.exp(-((x / 0.014) ** 2) - ((z - 0.858) / 0.012) ** 2)
    ring = _bell(x, z, 0.0314, 0.898, 0.019, 0.009)
    melanin = look.melanin * (1 + (0.10 * wide + 0.05 * small) * look.mottle) + spot * look.spots
    melanin += ring * look.eye_rings * 0.25
    blood = look.blood + look.flush * (0.28 * cheek + 0.25 * nose) + 0.18 * ear + 0.06 * small + 0.04 * wide
    blood += ring * look.eye_rings * 0.2
    if lip > 0:
        share = ramp(0.25, 0.75, lip)
        blood += share * look.lip_redness
        melanin = melanin * (1 - 0.35 * share) + share * look.lip_melanin
    grain = 1 + 0.022 * fine * look.mottle + 0.012 * small - 0.35 * crease * look.crease_dark
    red = grain * math.exp(-(melanin * 1.10 + blood * 0.15 + 0.17))
    green = grain * math.exp(-(melanin * 1.45 + blood * 0.75 + 0.28))
    blue = grain * math.exp(-(melanin * 1.78 + blood * 0.62 + 0.50))

    # what is painted over it; s: share of the paint, c: its colour
    if stubble > 0:
        s = clamp(stubble * look.beard * (1 + 0.5 * fine), 0.0, 0.92)
        c = look.beard_colour
        red, green, blue = _mix(red, c[0], s), _mix(green, c[1], s), _mix(blue, c[2], s)
    if brow > 0:
        s = clamp(brow, 0.0, 1.0)
        c = look.brow_colour
        red, green, blue = _mix(red, c[0], s), _mix(green, c[1], s), _mix(blue, c[2], s)
    if lid > 0.05 and look.makeup > 0:
        s = ramp(0.05, 0.7, lid) * look.makeup * (1.0 if z > 0.9035 else 0.25)
        c = look.makeup_colour
        red, green, blue = _mix(red, c[0], s), _mix(green, c[1], s), _mix(blue, c[2], s)
    if lash > 0:
        s = 1 - ramp(0.35, 0.95, lash) * look.lashes
        red, green, blue = red * s, green * s, blue * s
    if look.scalp > 0 and ear < 0.1 and z > 0.83 and lid < 0.05:
        # hair shades the scalp between its roots
        s = ramp(-0.003, 0.012, z - hairline_height(hairline, x, y)) * look.scalp
        c = look.scalp_colour
        red, green, blue = _mix(red, c[0], s), _mix(green, c[1], s), _mix(blue, c[2], s)

    shine = 1 + 0.9 * nose + 0.5 * math.exp(-((x / 0.03) ** 2) - ((z - 0.95) / 0.02) ** 2)
    specular = 0.042 * look.gloss * shine * (1 + 0.22 * fine)
    shininess = 16.0
    if lip > 0.4:
        specular = 0.07 * look.lip_gloss
        shininess = 34.0
    return Surface(
        red=red,
        green=green,
        blue=blue,
        nx=nx,
        ny=ny,
        nz=nz,
        wrap_red=0.35,
        wrap_green=0.18,
        wrap_blue=0.12,
        specular=specular,
        shininess=shininess,
        occlusion=1.0,
        region=skin_regions(x, y, z, lip, brow_region),
    )
