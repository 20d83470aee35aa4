"""Landmarks carried from one picture of a person to another, by optical flow.

Of a person of whom several pictures were taken in one place and light, the landmarks of one picture are enough. Dense
inverse search (Kroeger et al., ECCV 2016, in OpenCV) finds where each of its pixels is in another picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

from semdf.errors import DataError
from semdf.faces.crops import Face
from semdf.faces.landmarks import from_tem, ibug, read_template, span
from semdf.storage.paths import below
from semdf.storage.pictures import PICTURES
from semdf.storage.tars import decode_image

__all__ = ["FARTHEST", "Carried", "carry"]

#: The way there and back may miss its start by so much, in parts of the face's span, in the mean over the landmarks
#: inside the face (ours). Of 102 smiling photographs, carried from neutral ones, 101 stay below.
FARTHEST = 0.05

#: The face of the one picture and what the flow finds in the other correlate by so much at least, in brightness (ours).
#: Photographs of one person, neutral and smiling, reach .97.
LEAST = 0.6


@dataclass(frozen=True)
class Carried:
    """The faces of pictures without landmarks (NAME.tem) beside them, of whose person another picture has some.

    Who is shown is what stands before the first "_" in a picture's name.

    Attributes:
        root: The data set's folder.
    """

    root: Path

    def fingerprint(self) -> str:
        """The kind of finder, and the templates that it starts from."""
        names = sorted(path.relative_to(self.root).as_posix() for path in Path(self.root).rglob("*.tem"))
        return f"carried from {len(names)} templates: {', '.join(names)}"

    def find(self, frames: Sequence[np.ndarray], key: str, indices: Sequence[int]) -> list[Face | None]:  # noqa: ARG002
        """The face in every frame; None where no picture of the person has landmarks.

        Raises:
            DataError: The landmarks cannot be carried over.
        """
        start = self._start(key)
        if start is None:
            return [None] * len(frames)
        picture, points = start
        return [_face(carry(picture, frame, points), key) for frame in frames]

    def _start(self, key: str) -> tuple[np.ndarray, np.ndarray] | None:
        """A picture `[H, W, 3]` of the person of `key` that has landmarks, and those `[189, 2]`; None without one."""
        person = PurePosixPath(key).name.split("_")[0]
        folder = below(self.root, f"{key}.tem", "templates").parent
        for template in sorted(folder.glob(f"{person}_*.tem")):
            for ending in PICTURES:
                picture = template.with_suffix(ending)
                if picture.is_file():
                    return decode_image(picture.read_bytes(), picture.name), read_template(template)
        return None


def carry(start: np.ndarray, end: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Where the landmarks of one picture are in another one of the same person.

    Args:
        start: [H, W, 3] uint8, sRGB.
        end: The same, of the same size.
        points: [K, 2], pixels of `start`; 68 or 189.

    Returns:
        [K, 2], pixels of `end`.

    Raises:
        DataError: The pictures differ in size, or show different things (see `FARTHEST` and `LEAST`).
    """
    if start.shape != end.shape:
        raise DataError(f"landmarks: pictures must have one size, found {list(start.shape)} and {list(end.shape)}")
    first, second = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (start, end))
    flow: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow.setFinestScale(1)
    there = flow.calc(first, second, None)
    alike = _likeness(first, second, there, points)
    if not alike >= LEAST:
        raise DataError(f"landmarks: the pictures must correlate by {LEAST} or more, found {alike:.2g}")
    moved = points + _at(there, points)
    back = moved + _at(flow.calc(second, first, None), moved)
    missed = np.linalg.norm(back - points, axis=1)
    inside = missed[np.isin(np.arange(len(points)), _inner(len(points)))]
    found = float(inside.mean() / span(points))
    if found > FARTHEST:
        raise DataError(f"landmarks: the way there and back must miss by {FARTHEST} spans or less, found {found:.2g}")
    return moved


def _likeness(first: np.ndarray, second: np.ndarray, flow: np.ndarray, points: np.ndarray) -> float:
    """Correlation of the face in the first picture with what the flow finds in the second; 0 where one is even."""
    low = np.clip(np.floor(points.min(0)).astype(int), 0, None)
    high = np.ceil(points.max(0)).astype(int) + 1
    window = slice(low[1], high[1]), slice(low[0], high[0])
    rows, columns = np.mgrid[: first.shape[0], : first.shape[1]].astype(np.float32)
    seen = cv2.remap(second, columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_LINEAR)[window].astype(float)
    own = first[window].astype(float)
    spread = own.std() * seen.std()
    return float(np.mean((own - own.mean()) * (seen - seen.mean())) / spread) if spread > 0 else 0.0


def _inner(count: int) -> np.ndarray:
    """Numbers of the landmarks inside the face: eyes, nose and mouth."""
    return np.arange(36, 68) if count == 68 else np.arange(109)


def _at(field: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Values `[K, 2]` of a flow `[H, W, 2]` at some places, bilinear."""
    columns, rows = (points[None, :, axis].astype(np.float32) for axis in (0, 1))
    return np.stack([cv2.remap(field[..., axis], columns, rows, cv2.INTER_LINEAR)[0] for axis in (0, 1)], axis=1)


def _face(points: np.ndarray, key: str) -> Face:
    if not np.isfinite(points).all():
        raise DataError(f"landmarks of {key}: must be finite, found others")
    points = from_tem(points) if len(points) == 189 else ibug(points)
    return Face(np.concatenate([points.min(0), points.max(0)]), points)
