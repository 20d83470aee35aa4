"""What shading needs to know of a surface point, and the looks (per-person numbers) of each material."""

from typing import NamedTuple

import numpy as np

__all__ = ["ClothLook", "EyeLook", "HatLook", "Region", "SkinLook", "Surface"]


class Region:
    """Bits of a region mask; `OTHER` is clothes and neck. Skin is the whole face with its features."""

    SKIN, EYE, EYEBROW, NOSE, LIP, MOUTH, HAIR, OTHER = (1 << k for k in range(8))


class Surface(NamedTuple):
    """A point of a surface as the light finds it."""

    red: float  # albedo
    green: float
    blue: float
    nx: float  # normal, camera axes
    ny: float
    nz: float
    wrap_red: float  # how far diffuse light reaches round the edge of a shadow
    wrap_green: float
    wrap_blue: float
    specular: float  # strength of the highlight
    shininess: float  # exponent of the highlight
    occlusion: float  # share of the light around that reaches the point
    region: int  # bits of `Region`


class SkinLook(NamedTuple):
    """Numbers of one person's skin; colours linear RGB `[3]`."""

    melanin: float
    blood: float
    gloss: float
    shift_u: float  # where in the noise textures this skin begins
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
    """Numbers of one garment; colours linear RGB `[3]`, lengths in metres."""

    colour: np.ndarray
    second: np.ndarray
    stripe: float  # radians per metre
    collar: float  # height
    slope: float  # of the collar towards the shoulders
    neckline: float  # depth of the V
    pattern: int  # index in parameters.PATTERNS
    top: int  # index in parameters.TOPS


class EyeLook(NamedTuple):
    """Iris and eyeballs."""

    iris: np.ndarray  # [3] linear RGB
    iris_angle: float  # radians from the eye's axis
    pupil: float  # share of the iris
    shift: float  # of the iris' fibres
    centres: np.ndarray  # [2, 3] of the canonical eyeballs, left and right
    posed: np.ndarray  # [2, 3] of the posed ones, camera axes


class HatLook(NamedTuple):
    """Numbers of one hat; colours linear RGB `[3]`."""

    colour: np.ndarray
    second: np.ndarray  # of the brim or the rim
    ribs: float  # knitted ribs around the head, 0 = none
    seams: float  # 1 where the cloth has seams, 0 where not
