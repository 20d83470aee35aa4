"""How well a face can be judged: how large and sharp it is, how far it is turned away, how bright.

A detector is measured on faces for which these numbers lie in some ranges. Of other faces its error rates say nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from semdf.faces.landmarks import five, span

__all__ = ["MEANINGS", "SPAN_OF_BOX", "Quality", "quality", "size_of"]

#: The `span` of a face in parts of the side of its box, where only five landmarks are known: the mean of RetinaFace's
#: boxes in 60 frontal photographs, with a standard deviation of 0.015 (ours).
SPAN_OF_BOX = 0.40
#: The part of a crop's side, around its middle, that sharpness and brightness are measured in (ours): the face.
INNER = 0.6


class Quality(NamedTuple):
    """The numbers of one face; see `MEANINGS`."""

    size: float
    sharpness: float
    brightness: float
    turn: float
    nod: float
    tilt: float


#: What each number means, with its unit.
MEANINGS = {
    "size": "mean of the distances between the eyes and from eyes to mouth, pixels of the file",
    "sharpness": "standard deviation of the Laplacian over that of the grey levels, in the middle of the crop",
    "brightness": "mean grey level in the middle of the crop, 0 to 255",
    "turn": "how far the nose lies beside the line from eyes to mouth, in parts of the size: 0 from the front",
    "nod": "how far down from the eyes to the mouth the nose lies, in parts of that distance",
    "tilt": "angle of the line between the eyes, degrees, in the crop",
}


def quality(crop: np.ndarray, landmarks: np.ndarray, size: float) -> Quality:
    """The numbers of one face.

    Args:
        crop: [H, W, 3] uint8, sRGB.
        landmarks: [5, 68 or 189, 2], pixels of the crop.
        size: See `size_of`.
    """
    points = five(landmarks)
    eyes = points[:2].mean(0)
    down = points[3:].mean(0) - eyes
    across = points[1] - points[0]
    length = max(float(down @ down), 1e-6)
    nose = points[2] - eyes
    beside = (nose[0] * down[1] - nose[1] * down[0]) / np.sqrt(length)
    grey = cv2.cvtColor(_middle(crop), cv2.COLOR_RGB2GRAY).astype(np.float32)
    return Quality(
        size=float(size),
        sharpness=float(cv2.Laplacian(grey, cv2.CV_32F).std() / max(float(grey.std()), 1.0)),
        brightness=float(grey.mean()),
        turn=float(abs(beside) / max(span(points), 1e-6)),
        nod=float(nose @ down / length),
        tilt=float(abs(np.degrees(np.arctan2(across[1], across[0])))),
    )


def size_of(landmarks: np.ndarray, box: np.ndarray) -> float:
    """The size of a face in its frame, pixels, from its landmarks in a crop and its box in the frame.

    A crop of 68 landmarks or more tells its scale, because the box of such a face is that of its landmarks. With five
    landmarks the size is `SPAN_OF_BOX` of the box's side.

    Args:
        landmarks: [5, 68 or 189, 2], pixels of the crop.
        box: [4], pixels of the frame.
    """
    points = np.asarray(landmarks, dtype=float).reshape(-1, 2)
    side = np.sqrt(max((box[2] - box[0]) * (box[3] - box[1]), 0.0))
    if len(points) == 5:
        return float(SPAN_OF_BOX * side)
    return float(span(points) * side / max(float(np.sqrt(np.prod(np.ptp(points, axis=0)))), 1e-6))


def _middle(crop: np.ndarray) -> np.ndarray:
    """The inner part of a crop, at least 3 x 3 pixels where the crop has as many."""
    height, width = crop.shape[:2]
    top = round(height * (1 - INNER) / 2)
    left = round(width * (1 - INNER) / 2)
    return np.ascontiguousarray(crop[top : height - top, left : width - left])
