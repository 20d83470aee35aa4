"""Light as the compiled loops take it."""

from typing import NamedTuple

import numpy as np

__all__ = ["LightField"]


class LightField(NamedTuple):
    """Lights of a scene; vectors in camera axes (right, up, towards the camera)."""

    direction: np.ndarray  # [3] float32
    key: np.ndarray  # [3] float32, of the first light, which casts shadows
    ambient: np.ndarray  # [3, 4] float32: per colour everywhere, and by how much more to x, y and z
    shadow: float  # share of the key light that a shadow takes
    depth: np.ndarray  # [256, 256] float32, distance from the light
    right: np.ndarray  # [3] axis of the depth map
    up: np.ndarray  # [3] its other axis
    origin_u: float  # of the depth map along `right`, metres
    origin_v: float  # and along `up`
    scale: float  # pixels of the depth map per metre
    softness: float  # size of the light against its distance
    fill_direction: np.ndarray  # [3]
    fill: np.ndarray  # [3] second light, which casts no shadow
