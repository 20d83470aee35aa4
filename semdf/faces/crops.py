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

#: Ways to place a crop, see `placement`.
ALIGNMENTS = ("native", "similarity")
#: Bits of a region map: a pixel has the sum of those of its regions.
REGION_BITS = {"skin": 1, "eye": 2, "eyebrow": 4, "nose": 8, "lip": 16, "mouth": 32, "hair": 64, "other": 128}
#: Where native crops have the mean of the five points, x and y in parts of the side: brows and chin then lie equally
#: far from the border (ours).
NATIVE_CENTRE = (0.5, 0.55)
#: The `span` of a face in native crops, in parts of the side: the mean over the embedded data.
NATIVE_SPAN = 0.34


@dataclass(frozen=True)
class Face:
    """One face in a frame.

    Attributes:
        box: [4], x0, y0, x1, y1, pixels.
        landmarks: [5 or 68, 2], pixels.
        score: Confidence of the finder, 0 to 1.
        regions: [H, W] uint8, bits of `REGION_BITS`, of the whole frame; None where unknown.
    """

    box: np.ndarray
    landmarks: np.ndarray
    score: float = 1.0
    regions: np.ndarray | None = None


@dataclass(frozen=True)
class Crop:
    """A face that was cut out.

    Attributes:
        image: [size, size, 3] uint8, sRGB.
        landmarks: [5 or 68, 2] float32, pixels of the crop.
        regions: [size, size] uint8, the region map cut in the same way; None where unknown.
    """

    image: np.ndarray
    landmarks: np.ndarray
    regions: np.ndarray | None = None


def placement(face: Face, size: int, margin: float, alignment: str) -> np.ndarray:
    """The affine map `[2, 3]` from the frame to a crop of `size` pixels.

    Args:
        face: Whose landmarks place the crop.
        size: Side of the crop, pixels.
        margin: Side of the crop in parts of the face; it has no effect on native crops.
        alignment: "native" shifts by whole pixels, so that nothing is resampled. "similarity" takes the five points to
            those of `TEMPLATE`, whose margin is 1.3, scaled to `size` and `margin`.

    Raises:
        ParameterError: Another alignment.
    """
    points = five(face.landmarks)
    if alignment == "native":
        shift = np.round(np.array(NATIVE_CENTRE) * size - points.mean(0))
        return np.column_stack([np.eye(2), shift])
    if alignment == "similarity":
        return similarity(points, (TEMPLATE - 158.5) * (1.3 / margin) * size / 317 + size / 2)
    raise ParameterError(f"alignment must be one of {', '.join(ALIGNMENTS)}, found {alignment!r}")


def crop(frame: np.ndarray, face: Face, size: int, margin: float, alignment: str) -> Crop:
    """The face cut out of a frame; outside the frame the border is repeated.

    Shrinking is preceded by a Gaussian blur of half the step, so that fine patterns do not alias (ours).

    Args:
        frame: [H, W, 3] uint8.
        face: In that frame.
        size: See `placement`, at least 8.
        margin: See `placement`, above 0.
        alignment: See `placement`.

    Raises:
        ParameterError: An argument is out of range.
    """
    if size < 8 or margin <= 0:
        raise ParameterError(f"a crop must have size >= 8 and margin > 0, found size {size}, margin {margin}")
    matrix = placement(face, size, margin, alignment)
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    regions = face.regions
    if alignment == "native":
        image = _shifted(frame, matrix, size)
        if regions is not None:
            regions = _shifted(regions, matrix, size)
    else:
        blur = 0.5 * np.sqrt(max(scale**-2 - 1, 0))
        smooth = cv2.GaussianBlur(frame, (0, 0), blur) if blur > 0.3 else frame
        image = cv2.warpAffine(smooth, matrix, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        if regions is not None:
            regions = cv2.warpAffine(regions, matrix, (size, size), flags=cv2.INTER_NEAREST)
    points = np.asarray(face.landmarks, dtype=float) @ matrix[:, :2].T + matrix[:, 2]
    return Crop(image, points.astype(np.float32), regions)


def rescale(frame: np.ndarray, face: Face, size: int) -> tuple[np.ndarray, Face]:
    """Frame and face at the scale that native crops of `size` pixels expect, for pictures from elsewhere.

    A face within a fifth of that scale is left as it is: resampling costs traces of forging. Of a larger frame only the
    part around the face is kept.
    """
    scale = NATIVE_SPAN * size / span(face.landmarks)
    if 0.8 <= scale <= 1.25:
        return frame, face
    limit = np.array(frame.shape[1::-1])
    centre = five(face.landmarks).mean(0)  # nothing is needed that lies more than a crop's side away from it
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
