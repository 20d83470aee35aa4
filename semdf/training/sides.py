"""Native crops at another side: equal parts of faces at another number of pixels."""

from __future__ import annotations

import cv2
import numpy as np

__all__ = ["at_side"]


def at_side(crops: np.ndarray, side: int) -> np.ndarray:
    """The crops `[n, H, H, 3] uint8` at `side` pixels: averaged if they shrink, bicubic if they grow.

    A native crop shows a face in a fixed part of its side, so that crops of two sides show the same at two scales.
    """
    if crops.shape[1] == crops.shape[2] == side or not len(crops):
        return crops
    how = cv2.INTER_AREA if side < crops.shape[1] else cv2.INTER_CUBIC
    return np.stack([cv2.resize(crop, (side, side), interpolation=how) for crop in crops])
