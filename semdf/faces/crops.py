"""The cut around a face: alignment, and the crop with its landmarks and region map."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from semdf.errors import ParameterError
from semdf.faces.landmarks import TEMPLATE, five, similarity, span

__all__ = [
    "ALIGNMENTS",
    "NATIVE_CENTRE",
    "NATIVE_SPAN",
    "REGION_BITS",
    "Crop",
    "Face",
    "crop",
    "placement",
    "rescale",
]

ALIGNMENTS = ("native", "similarity")
#: Bits of a region map.
REGION_BITS = {"skin": 1, "eye": 2, "eyebrow": 4, "nose": 8, "lip": 16, "mouth": 32, "hair": 64, "other": 128}
#: Native crops put the mean of the five points here, in parts of the side: brows and chin then lie equally
#: far from the border (ours).
NATIVE_CENTRE = (0.5, 0.55)
#: The `span` of a face in native crops, in parts of the side: the mean over the embedded data.
NATIVE_SPAN = 0.34


@dataclass(frozen=True)
class Face:
    """One face. box: [4] x0, y0, x1, y1; landmarks: [5 or 68, 2]; regions: [H, W] uint8 of `REGION_BITS`, or
    None."""

    box: np.ndarray
    landmarks: np.ndarray
    score: float = 1.0
    regions: np.ndarray | None = None


@dataclass(frozen=True)
class Crop:
    """A face cut out. image: [size, size, 3] uint8; landmarks in pixels of the crop; regions cut along, or
    None."""

    image: np.ndarray
    landmarks: np.ndarray
    regions: np.ndarray | None = None


def placement(face: Face, size: int, margin: float, alignment: str) -> np.ndarray:
    """The affine map `[2, 3]` from the frame to a crop of `size` pixels.

    "native": a shift by whole pixels, nothing is resampled; `margin` has no effect.
    "similarity": the five points go to `TEMPLATE`, whose margin is 1.3, scaled to `size` and `margin`.
    """
    points = five(face.landmarks)
    if alignment == "native":
        shift = np.round(np.array(NATIVE_CENTRE) * size - points.mean(0))
        return np.column_stack([np.eye(2), shift])
    if alignment == "similarity":
        return similarity(points, (TEMPLATE - 158.5) * (1.3 / margin) * size / 317 + size / 2)
    raise ParameterError(f"alignment should be one of {', '.join(ALIGNMENTS)}. Found {alignment!r}.")


def crop(frame: np.ndarray, face: Face, size: int, margin: float, alignment: str) -> Crop:
    """The face cut out of `frame [H, W, 3] uint8`; outside the frame the border is repeated.

    Shrinking is preceded by a Gaussian blur of half the step, so that fine patterns do not alias (ours).
    """
    if size < 8 or margin <= 0:
        raise ParameterError(f"a crop has size >= 8 and margin > 0. Found size {size}, margin {margin}.")
    matrix = placement(face, size, margin, alignment)
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if alignment == "native":
        image, regions = _shifted(frame, matrix, size), face.regions
        regions = None if regions is None else _shifted(regions, matrix, size)
    else:
        blur = 0.5 * np.sqrt(max(scale**-2 - 1, 0))
        smooth = cv2.GaussianBlur(frame, (0, 0), blur) if blur > 0.3 else frame
        image = cv2.warpAffine(smooth, matrix, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        regions = (
            None
            if face.regions is None
            else cv2.warpAffine(face.regions, matrix, (size, size), flags=cv2.INTER_NEAREST)
        )
    points = np.asarray(face.landmarks, dtype=float) @ matrix[:, :2].T + matrix[:, 2]
    return Crop(image, points.astype(np.float32), regions)


def rescale(frame: np.ndarray, face: Face, size: int) -> tuple[np.ndarray, Face]:
    """Frame and face at the scale that native crops of `size` pixels expect, for pictures from elsewhere.

    A face within a fifth of that scale is left as it is: resampling costs traces of forging.
    """
    scale = NATIVE_SPAN * size / span(face.landmarks)
    if 0.8 <= scale <= 1.25:
        return frame, face
    limit = np.array(frame.shape[1::-1])
    centre = five(face.landmarks).mean(0)  # what lies a crop's side away is not needed
    low = np.clip(np.floor(centre - size / scale), 0, limit - 1).astype(int)
    high = np.clip(np.ceil(centre + size / scale), low + 1, limit).astype(int)
    window = slice(low[1], high[1]), slice(low[0], high[0])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    image = cv2.resize(np.ascontiguousarray(frame[window]), None, fx=scale, fy=scale, interpolation=how)
    factor = np.array(image.shape[1::-1]) / (high - low)
    regions = None
    if face.regions is not None:
        regions = cv2.resize(face.regions[window], image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    box = (face.box.reshape(2, 2) - low) * factor
    return image, Face(box.ravel(), (face.landmarks - low) * factor, face.score, regions)


def _shifted(array: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """A window of `array [H, W, ...]` moved by whole pixels; the border is repeated."""
    columns = np.clip(np.arange(size) - int(matrix[0, 2]), 0, array.shape[1] - 1)
    rows = np.clip(np.arange(size) - int(matrix[1, 2]), 0, array.shape[0] - 1)
    return np.ascontiguousarray(array[rows[:, None], columns])
