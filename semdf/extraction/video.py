"""Frames of videos and pictures: evenly spread numbers, and the pixels of just those frames."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from semdf.errors import DataError, MissingError, ParameterError
from semdf.extraction.decoding import decode, reason
from semdf.storage.pictures import PICTURES, allow

__all__ = ["Limits", "Sample", "read_frames", "spread"]

#: A marker of a JPEG: within a scan, a byte 255 stands for itself before 0 and for a mere restart before 208 to 215.
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])", re.DOTALL)
#: Markers of a JPEG: its start and end, and the two kinds that have no data behind them.
_JPEG_START = b"\xff\xd8"
_JPEG_END = b"\xd9"
_WITHOUT_DATA = b"\x01\xd8"


@dataclass(frozen=True)
class Limits:
    """What is read at all, so that no single file takes all memory. Both defaults are ours.

    Attributes:
        pixels: Of a picture or a frame, at most 2**30, where OpenCV ends.
        file_size: Bytes.
    """

    pixels: int = 100_000_000
    file_size: int = 16_000_000_000

    def __post_init__(self) -> None:
        if not 1 <= self.pixels <= 2**30 or self.file_size < 1:
            raise ParameterError(f"limits must have 1 <= pixels <= 2**30 and file_size >= 1, found {self}")


@dataclass(frozen=True)
class Sample:
    """Frames of one video.

    Attributes:
        indices: Their numbers.
        images: [H, W, 3] uint8 sRGB each.
        total: Frames of the whole video.
        problem: "" or why some of the wanted frames are missing.
    """

    indices: list[int]
    images: list[np.ndarray]
    total: int
    problem: str = ""


def spread(total: int, count: int) -> list[int]:
    """`count` frame numbers evenly over `0 ... total - 1`; all of them if `total` is smaller.

    They are the middles of `count` equal parts.

    >>> spread(300, 3)
    [50, 150, 250]
    """
    if count < 1:
        raise ParameterError(f"frames must be at least 1, found {count}")
    if total <= count:
        return list(range(total))
    return [int((2 * i + 1) * total // (2 * count)) for i in range(count)]


def read_frames(path: Path, count: int, limits: Limits = Limits()) -> Sample:
    """`count` evenly spread frames of a video, or the one frame of a picture, turned upright.

    A video that breaks off gives the frames before that, and says so in `problem`. A picture of 16 bits is read as 8,
    a grey one as RGB, and transparency is dropped.

    Raises:
        MissingError: If there is no file.
        DataError: If no frame of it can be read or it exceeds a limit.
    """
    path = Path(path)
    try:
        found = path.stat()
    except OSError as error:  # not there, or a name that is too long for a file
        raise MissingError(f"{path}: must be a picture or video, found nothing: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode):
        raise MissingError(f"{path}: must be a picture or video, found no file")
    size = found.st_size
    if size == 0:
        raise DataError(f"{path.name}: must be a picture or video, found an empty file")
    if size > limits.file_size:
        raise DataError(f"{path.name}: must have at most {limits.file_size} bytes, the limit set, found {size}")
    if path.suffix.lower() in PICTURES:
        return _read_picture(path, limits.pixels)
    return _read_video(path, count, limits.pixels)


def _read_picture(path: Path, most: int) -> Sample:
    try:
        data = path.read_bytes()
        allow(data, path.name, most)
        # turns the picture as its EXIF data say
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error) as error:  # not allowed; damaged in a way that OpenCV does not foresee
        raise DataError(f"{path.name}: must be a readable picture, found {type(error).__name__}") from error
    if image is None:
        raise DataError(f"{path.name}: must be a picture, found bytes that cannot be decoded as one")
    pixels = image.shape[0] * image.shape[1]
    if pixels > most:  # where two readers do not agree on a header
        raise DataError(f"{path.name}: a picture must have at most {most} pixels, the limit set, found {pixels}")
    if _cut_off(data):
        raise DataError(f"{path.name}: must be a whole picture, found one that breaks off")
    return Sample([0], [np.ascontiguousarray(image[:, :, ::-1])], 1)


def _cut_off(data: bytes) -> bool:
    """Whether a JPEG or PNG lacks its end: OpenCV then fills in grey and says nothing.

    What follows the end, such as the video of a phone's moving photograph, does not count.
    """
    if data[:2] == _JPEG_START:
        return not _ended(data)
    place = 8
    while data[:4] == b"\x89PNG" and data[place + 4 : place + 8] != b"IEND":  # length, kind, content, checksum
        if place >= len(data):
            return True
        place += 12 + int.from_bytes(data[place : place + 4], "big")
    return False


def _ended(jpeg: bytes) -> bool:
    """Whether the end of the image comes where the segments lead; a thumbnail's own end lies within one of them."""
    place = 2
    while marker := _MARKER.search(jpeg, place):
        kind = marker[1]
        place = marker.end()
        if kind == _JPEG_END:
            return True
        if kind not in _WITHOUT_DATA:  # the others tell their length
            place += int.from_bytes(jpeg[place : place + 2], "big")
    return False


def _read_video(path: Path, count: int, most: int) -> Sample:
    import av

    av.logging.set_level(av.logging.PANIC)  # its messages go to stderr; ours carry the reason
    try:
        decoded = decode(path, lambda total: spread(total, count), most)
    except DataError:
        raise
    except (av.FFmpegError, ValueError) as error:
        raise DataError(f"{path.name}: must be a video, found {reason(error)}") from error
    if not decoded.images:
        raise DataError(f"{path.name}: must have at least one frame, found {decoded.problem or 'none'}")
    indices = sorted(decoded.images)
    return Sample(indices, [decoded.images[index] for index in indices], decoded.total, decoded.problem)
