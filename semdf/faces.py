"""Faces of frames: where they are (boxes, landmarks, region maps), behind one small protocol.

`Face`, `Crop` and `crop` of `semdf.crops` and `RetinaFace` of `semdf.retinaface` are offered here too.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from semdf.crops import ALIGNMENTS, REGION_BITS, Crop, Face, crop, placement, rescale
from semdf.errors import DataError, MissingError
from semdf.landmarks import TEMPLATE, read_tem
from semdf.paths import below
from semdf.retinaface import RetinaFace, find_weights

__all__ = [
    "ALIGNMENTS",
    "REGION_BITS",
    "Annotated",
    "Crop",
    "Face",
    "FaceFinder",
    "RetinaFace",
    "Templates",
    "Whole",
    "annotations_of",
    "crop",
    "find_weights",
    "fitted",
    "placement",
]


class FaceFinder(Protocol):
    """Finds the main face of each frame."""

    def find(self, frames: Sequence[np.ndarray], key: str, indices: Sequence[int]) -> list[Face | None]:
        """One face a frame, None where there is none.

        frames: [H, W, 3] uint8 each. key: the video's path within its data set, posix, without suffix.
        indices: the frames' numbers in the video.
        """

    def fingerprint(self) -> str:
        """What the result depends on besides the frames: extraction reuses unfinished work of equal
        fingerprints."""


def _stamp(path: Path) -> str:
    state = path.stat()
    return f"{path.name}:{state.st_size}:{state.st_mtime_ns}"


@dataclass(frozen=True)
class Annotated:
    """Faces that were written down with the data: `<key>/landmarks` [T, 68, 2] and `<key>/regions` [T, H, W]
    of an npz."""

    path: Path

    def __post_init__(self) -> None:
        if not Path(self.path).is_file():
            raise MissingError(f"annotations: expected an npz file at {self.path}. Found none.")

    @cached_property
    def _arrays(self) -> np.lib.npyio.NpzFile:
        try:
            return np.load(self.path, allow_pickle=False)
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise DataError(f"annotations: expected an npz file. Found {self.path}: {error}.") from error

    def _read(self, name: str) -> np.ndarray:
        try:
            return self._arrays[name]
        except (OSError, ValueError, zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise DataError(
                f"annotations: {name} of {Path(self.path).name} should be whole. Found: {error}."
            ) from error

    def __getstate__(self) -> dict:
        return {"path": self.path}  # an open file does not travel to another process

    def __setstate__(self, state: dict) -> None:
        object.__setattr__(self, "path", state["path"])

    def fingerprint(self) -> str:
        return f"annotated {_stamp(Path(self.path))}"

    def locate(self, path: Path) -> str:
        """The key of a file that is named by any path: its longest ending that was annotated. DataError if
        none."""
        parts = Path(path).with_suffix("").parts
        for start in range(len(parts)):
            key = "/".join(parts[start:])
            if f"{key}/landmarks" in self._arrays:
                return key
        raise DataError(f"annotations: expected {path.name} in {Path(self.path).name}. Found no such video.")

    def find(self, frames: Sequence[np.ndarray], key: str, indices: Sequence[int]) -> list[Face | None]:
        """The faces as written; a frame without an entry, or with landmarks that are not finite, has none."""
        if f"{key}/landmarks" not in self._arrays:
            return [None] * len(frames)
        landmarks = self._read(f"{key}/landmarks")
        regions = self._read(f"{key}/regions") if f"{key}/regions" in self._arrays else None
        faces: list[Face | None] = []
        for index in indices:
            points = landmarks[index] if index < len(landmarks) else np.full((68, 2), np.nan)
            known = bool(np.isfinite(points).all())
            box = np.concatenate([points.min(0), points.max(0)])
            faces.append(Face(box, points, 1.0, None if regions is None else regions[index]) if known else None)
        return faces


def fitted(frame: np.ndarray, face: Face, finder: FaceFinder, size: int, alignment: str) -> tuple[np.ndarray, Face]:
    """Frame and face as `crop` should get them: for native crops of `size` pixels at the scale that these have.

    Annotated faces are left alone: the data were made at that scale. See `semdf.crops.rescale`.
    """
    if alignment != "native" or isinstance(finder, Annotated):
        return frame, face
    return rescale(frame, face, size)


def annotations_of(path: Path) -> Path | None:
    """The annotations that come with the data set in which `path` lies: annotations/NAME.npz beside folder
    NAME."""
    for folder in (Path(path).absolute(), *Path(path).absolute().parents):
        found = folder.parent / "annotations" / f"{folder.name}.npz"
        if found.is_file():
            return found
    return None


@dataclass(frozen=True)
class Templates:
    """Hand-placed landmarks: a file NAME.tem beside the picture NAME; without one, what `otherwise` finds."""

    root: Path
    otherwise: FaceFinder | None = None

    def fingerprint(self) -> str:
        return "templates " + (self.otherwise.fingerprint() if self.otherwise else "alone")

    def find(self, frames: Sequence[np.ndarray], key: str, indices: Sequence[int]) -> list[Face | None]:
        path = below(self.root, f"{key}.tem", "templates")
        if path.is_file():
            points = read_tem(path)
            return [Face(np.concatenate([points.min(0), points.max(0)]), points)] * len(frames)
        return self.otherwise.find(frames, key, indices) if self.otherwise else [None] * len(frames)


@dataclass(frozen=True)
class Whole:
    """The frame is the face: the five points lie where the aligned crop has them."""

    def fingerprint(self) -> str:
        return "whole"

    def find(self, frames: Sequence[np.ndarray], key: str, indices: Sequence[int]) -> list[Face | None]:
        faces: list[Face | None] = []
        for frame in frames:
            height, width = frame.shape[:2]
            side = min(height, width)
            corner = np.array([(width - side) / 2, (height - side) / 2])
            box = np.concatenate([corner, corner + side])
            faces.append(Face(box, TEMPLATE * side / 317 + corner))
        return faces
