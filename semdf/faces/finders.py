"""Faces of frames: where they are (boxes, landmarks, region maps), behind one small protocol.

`Face`, `Crop` and `crop` of `semdf.faces.crops` and `RetinaFace` of `semdf.faces.retinaface` are offered here too.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from semdf.artifacts import FAR
from semdf.errors import DataError, MissingError, ParameterError
from semdf.faces.crops import ALIGNMENTS, NATIVE_SPAN, REGION_BITS, Crop, Face, crop, placement, rescale
from semdf.faces.landmarks import TEMPLATE, from_tem, read_template, span
from semdf.faces.retinaface import RetinaFace, find_weights
from semdf.storage.paths import below

__all__ = [
    "ALIGNMENTS",
    "LARGEST",
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


#: Bytes of the largest array of annotations that is read: 960 region maps of 1920 x 1080 pixels (ours).
LARGEST = 2_000_000_000


class FaceFinder(Protocol):
    """Finds the main face of each frame."""

    def find(self, frames: Sequence[np.ndarray], key: str, indices: Sequence[int]) -> list[Face | None]:
        """One face a frame, None where there is none.

        Args:
            frames: [H, W, 3] uint8 each.
            key: The video's path within its data set, posix, without suffix.
            indices: The frames' numbers in the video.
        """

    def fingerprint(self) -> str:
        """What the result depends on besides the frames; extraction reuses unfinished work of equal fingerprints."""


@dataclass(frozen=True)
class Annotated:
    """Faces that were written down with the data, in an npz file.

    It holds `<key>/landmarks` [T, 68, 2] and, for some videos, `<key>/regions` [T, H, W] uint8: T frames from the
    video's first on, H and W those of the frames.

    Attributes:
        path: The file.
        largest: Arrays that claim to have more bytes than this, once inflated, are not read.

    Raises:
        MissingError: The file is not there.
        ParameterError: `largest` is below 1.
    """

    path: Path
    largest: int = LARGEST

    def __post_init__(self) -> None:
        if self.largest < 1:
            raise ParameterError(f"annotations: largest must be at least 1 byte, found {self.largest}")
        if not Path(self.path).is_file():
            raise MissingError(f"annotations: an npz file must be at {self.path}, found none")

    @cached_property
    def _archive(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.path)
        except Exception as error:  # zipfile raises many kinds for a damaged archive
            raise DataError(f"annotations: {Path(self.path).name} must be an npz file: {_said(error)}") from error

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(self._archive.namelist())

    def load(self) -> None:
        """Open the file now, and not with the first frame.

        Raises:
            DataError: It is no npz file.
        """
        assert self._names is not None

    def _read(self, name: str) -> np.ndarray:
        """An array of the archive.

        Raises:
            DataError: It is damaged, no array of numbers, or larger than allowed.
        """
        where = f"annotations: {name} of {Path(self.path).name}"
        size = self._archive.getinfo(f"{name}.npy").file_size  # zipfile inflates no more
        if size > self.largest:
            raise DataError(f"{where} must have at most {self.largest} bytes, the limit set, found {size}")
        try:
            with self._archive.open(f"{name}.npy") as file:
                array = np.lib.format.read_array(file, allow_pickle=False)
                beyond = file.read(1)
        except Exception as error:  # besides zipfile's kinds those of three inflaters and of NumPy's header
            raise DataError(f"{where} must be whole: {_said(error)}") from error
        if beyond:
            raise DataError(f"{where} must be whole, found bytes behind its {array.shape} numbers")
        return array

    def _annotated(self, key: str) -> tuple[np.ndarray, np.ndarray | None]:
        """Landmarks [T, 68, 2] and regions [T, H, W], or None, of a video; their form is checked."""
        file = Path(self.path).name
        points = self._read(f"{key}/landmarks")
        if points.dtype.kind not in "fiu" or points.ndim != 3 or points.shape[1:] != (68, 2):
            found = f"{points.dtype} {list(points.shape)}"
            raise DataError(f"annotations: {key}/landmarks of {file} must be real numbers [T, 68, 2], found {found}")
        if f"{key}/regions.npy" not in self._names:
            return points, None
        regions = self._read(f"{key}/regions")
        if regions.dtype != np.uint8 or regions.ndim != 3 or len(regions) != len(points):
            found = f"{regions.dtype} {list(regions.shape)}"
            rule = f"must be uint8 [{len(points)}, H, W]"
            raise DataError(f"annotations: {key}/regions of {file} {rule}, found {found}")
        return points, regions

    def __getstate__(self) -> dict:
        return {"path": self.path, "largest": self.largest}  # the open archive cannot go to another process

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)

    def fingerprint(self) -> str:
        """The file, its size and time, and a limit other than the usual one."""
        raised = "" if self.largest == LARGEST else f" {self.largest}"
        return f"annotated {_stamp(Path(self.path))}{raised}"

    def locate(self, path: Path) -> str:
        """The key of a file that is named by any path: the longest ending of the path that was annotated.

        Raises:
            DataError: None was.
        """
        parts = Path(path).with_suffix("").parts
        for start in range(len(parts)):
            key = "/".join(parts[start:])
            if f"{key}/landmarks.npy" in self._names:
                return key
        raise DataError(f"annotations: {path.name} must be in {Path(self.path).name}, found no such video")

    def find(self, frames: Sequence[np.ndarray], key: str, indices: Sequence[int]) -> list[Face | None]:
        """The faces as written; a frame without an entry, or whose landmarks are all NaN, has none.

        Raises:
            DataError: What is written is damaged, of another form, or does not belong to these frames.
        """
        if f"{key}/landmarks.npy" not in self._names:
            return [None] * len(frames)
        landmarks, regions = self._annotated(key)
        faces: list[Face | None] = []
        for frame, index in zip(frames, indices, strict=True):
            if index >= len(landmarks) or np.isnan(landmarks[index]).all():
                faces.append(None)
                continue
            where = f"annotations: frame {index} of {key} in {Path(self.path).name}"
            if regions is not None and regions.shape[1:] != frame.shape[:2]:
                size = list(frame.shape[:2])
                raise DataError(
                    f"{where}: regions must have {size} pixels, as the frame, found {list(regions.shape[1:])}"
                )
            points = _finite(landmarks[index], where)
            box = np.concatenate([points.min(0), points.max(0)])
            faces.append(Face(box, points, 1.0, None if regions is None else regions[index]))
        return faces


def _stamp(path: Path) -> str:
    """Name, size and time of change of a file."""
    state = path.stat()
    return f"{path.name}:{state.st_size}:{state.st_mtime_ns}"


def _finite(points: np.ndarray, where: str) -> np.ndarray:
    """`points [K, 2]` if all are numbers below `FAR`.

    Raises:
        DataError: They are not; the message names `where` they stand.
    """
    near = np.abs(points) < FAR
    if not near.all():
        found = points[~near.all(1)][0].tolist()
        raise DataError(f"{where}: landmarks must be finite and below {FAR:.0e} pixels, found {found}")
    return points


def _said(error: Exception) -> str:
    """What a library says, in a line, with the kind of the error."""
    return f"{type(error).__name__} {error}".strip().partition("\n")[0][:200].rstrip(".")


def fitted(frame: np.ndarray, face: Face, finder: FaceFinder, size: int, alignment: str) -> tuple[np.ndarray, Face]:
    """Frame and face as `crop` should get them: for native crops of `size` pixels at the scale that these have.

    Annotated faces are left alone: the data were made at that scale. See `semdf.faces.crops.rescale`.

    Raises:
        DataError: The face is smaller than a pixel, so that a crop of that scale would show nothing.
    """
    if alignment != "native" or isinstance(finder, Annotated):
        return frame, face
    found = span(face.landmarks)
    if found < NATIVE_SPAN:  # a crop's side is then less than a pixel
        raise DataError(f"landmarks: the face must span {NATIVE_SPAN} pixels or more, found {found:.3g}")
    return rescale(frame, face, size)


def annotations_of(path: Path) -> Path | None:
    """The annotations that come with the data set in which `path` lies; None without.

    They are `annotations/NAME.npz` beside the data set's folder `NAME`.
    """
    for folder in (Path(path).absolute(), *Path(path).absolute().parents):
        found = folder.parent / "annotations" / f"{folder.name}.npz"
        if found.is_file():
            return found
    return None


@dataclass(frozen=True)
class Templates:
    """Hand-placed landmarks: a file NAME.tem beside the picture NAME.

    Attributes:
        root: The data set's folder.
        otherwise: Finds the faces of pictures without such a file; None leaves them without a face.
    """

    root: Path
    otherwise: FaceFinder | None = None

    def fingerprint(self) -> str:
        """The kind of finder, and what finds the other faces."""
        return "templates " + (self.otherwise.fingerprint() if self.otherwise else "alone")

    def find(self, frames: Sequence[np.ndarray], key: str, indices: Sequence[int]) -> list[Face | None]:
        """The face of the template in every frame.

        Raises:
            DataError: The template cannot be read or is none.
        """
        path = below(self.root, f"{key}.tem", "templates")
        if path.is_file():
            try:
                points = from_tem(_finite(read_template(path), f"templates: {path.name}"))
            except OSError as error:
                raise DataError(f"templates: {path.name} must be readable: {_said(error)}") from error
            return [Face(np.concatenate([points.min(0), points.max(0)]), points)] * len(frames)
        return self.otherwise.find(frames, key, indices) if self.otherwise else [None] * len(frames)


@dataclass(frozen=True)
class Whole:
    """The frame is the face: the five points lie where the aligned crop has them."""

    def fingerprint(self) -> str:
        """The kind of finder."""
        return "whole"

    def find(
        self,
        frames: Sequence[np.ndarray],
        key: str,  # noqa: ARG002  # the protocol's signature
        indices: Sequence[int],  # noqa: ARG002  # the protocol's signature
    ) -> list[Face | None]:
        """A face in the middle of every frame, as large as the frame allows."""
        faces: list[Face | None] = []
        for frame in frames:
            height, width = frame.shape[:2]
            side = min(height, width)
            corner = np.array([(width - side) / 2, (height - side) / 2])
            box = np.concatenate([corner, corner + side])
            faces.append(Face(box, TEMPLATE * side / 317 + corner))
        return faces
