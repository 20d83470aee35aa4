"""What shading needs to know of a surface point, and the looks (per-person numbers) of each material."""

from typing import NamedTuple

import numpy as np

__all__ = ["ClothLook", "EyeLook", "HatLook", "Region", "SkinLook", "Surface"]


class Region:
    """Bits of a region mask; `OTHER` is clothes and neck. Skin is the whole face with its features."""

    SKIN, EYE, EYEBROW, NOSE, LIP, MOUTH, HAIR, OTHER = (1 << k for k in range(8))


class Surface(NamedTuple):
    """Albedo, normal (camera axes), wrap of diffuse light per channel, highlight, occlusion, region bits."""

    red: float
    green: float
    blue: float
    nx: float
    ny: float
    nz: float
    wrap_red: float
    wrap_green: float
    wrap_blue: float
    specular: float
    shininess: float
    occlusion: float
    region: int


class SkinLook(NamedTuple):
    """Numbers of one person's skin; colours linear RGB `[3]`."""

    melanin: float
    blood: float
    gloss: float
    shift_u: float
    shift_v: float
    mottle: float  # strength of blotches
    flush: float  # redness of cheeks and nose
    spots: float
    eye_rings: float
    lip_redness: float
    lip_melanin: float
    lip_gloss: float
    beard: float
    beard_colour: np.ndarray
    brow_colour: np.ndarray
    crease_bump: float
    pore_bump: float
    crease_dark: float
    lashes: float
    scalp: float
    scalp_colour: np.ndarray
    makeup: float
    makeup_colour: np.ndarray


class ClothLook(NamedTuple):
    colour: np.ndarray
    second: np.ndarray
    stripe: float
    collar: float
    slope: float
    neckline: float
    pattern: int  # index in parameters.PATTERNS
    top: int  # index in parameters.TOPS


class EyeLook(NamedTuple):
    """Iris and eyeballs: canonical and posed centres `[2, 3]` (left, right)."""

    iris: np.ndarray
    iris_angle: float
    pupil: float
    shift: float
    centres: np.ndarray
    posed: np.ndarray


class HatLook(NamedTuple):
    colour: np.ndarray
    second: np.ndarray
    ribs: float  # knitted ribs around the head, 0 = none
    seams: float
