"""Frames of videos and pictures: evenly spread numbers, and the pixels of just those frames."""

from __future__ import annotations

import io
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from semdf.errors import DataError, MissingError, ParameterError
from semdf.extraction.decoding import decode, reason, shortfall
from semdf.storage.pictures import PICTURES, allow, ended, kind, with_pillow

__all__ = ["Limits", "Sample", "flaw", "read_frames", "spread"]

#: Kinds of pictures that Pillow reads for us. OpenCV reads the others, except for GIF, which may be a film.
BY_PILLOW = ("AVIF", "HEIC")
#: Endings of films that are pictures one after another.
ROWS_OF_PICTURES = (".gif", ".mjpeg", ".mjpg")
#: Kinds of pictures whose bytes tell that they are whole.
TELLING = ("JPEG", "PNG", "WebP", "BMP")
#: Levels by which colours may differ from sRGB and still be taken for it (ours): profiles round.
SAME = 2


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
    """`count` evenly spread frames of a video, or the one frame of a picture, as a player shows them, in sRGB.

    The bytes, not the name, tell a picture from a video. A video that breaks off gives the frames that are there, and
    says so in `problem`. A picture of 16 bits is read as 8, a grey one as RGB, and transparency is dropped.

    Raises:
        MissingError: If there is no file.
        DataError: If no frame of it can be read or it exceeds a limit.
    """
    path = Path(path)
    found = _kind(path, limits)
    if found:
        return Sample([0], [_read_picture(path, found, limits.pixels)], 1)
    return _read_video(path, count, limits.pixels)


def flaw(path: Path, limits: Limits = Limits()) -> str:
    """Why a video is known to be incomplete, or "": told by its header and its end, without decoding it.

    Raises:
        MissingError: If there is no file.
        DataError: If it cannot be read, is a picture that breaks off, or exceeds a limit.
    """
    path = Path(path)
    found = _kind(path, limits)
    if not found:
        with _named(path):
            return shortfall(path, limits.pixels)
    if found in TELLING:
        _whole(path, limits.pixels)
    else:
        _read_picture(path, found, limits.pixels)
    return ""


def _kind(path: Path, limits: Limits) -> str:
    """The kind of picture in a file; "" for a video.

    Raises:
        MissingError: If there is no file.
        DataError: If its size exceeds the limit.
    """
    try:
        state = path.stat()
    except OSError as error:  # not there, or a name that is too long for a file
        raise MissingError(f"{path}: must be a picture or video, found nothing: {error.strerror}") from error
    if not stat.S_ISREG(state.st_mode):
        raise MissingError(f"{path}: must be a picture or video, found no file")
    size = state.st_size
    if size == 0:
        raise DataError(f"{path.name}: must be a picture or video, found an empty file")
    if size > limits.file_size:
        raise DataError(f"{path.name}: must have at most {limits.file_size} bytes, the limit set, found {size}")
    try:
        with path.open("rb") as file:
            found = kind(file.read(16))
    except OSError as error:
        raise DataError(f"{path.name}: must be a readable file, found {error.strerror}") from error
    if found == "GIF" or path.suffix.lower() in ROWS_OF_PICTURES:
        return ""
    return found or ("unknown" if path.suffix.lower() in PICTURES else "")


def _whole(path: Path, most: int) -> bytes:
    """The bytes of a picture.

    Raises:
        DataError: It breaks off or has more than `most` pixels.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path.name}: must be a readable picture, found {type(error).__name__}") from error
    allow(data, path.name, most)
    if not ended(data):
        raise DataError(f"{path.name}: must be a whole picture, found one that breaks off")
    return data


def _read_picture(path: Path, kind: str, most: int) -> np.ndarray:
    """[H, W, 3] uint8 sRGB, turned as the picture says."""
    data = _whole(path, most)
    image = _by_pillow(data, path.name) if kind in BY_PILLOW else _by_opencv(data, path.name)
    pixels = image.shape[0] * image.shape[1]
    if pixels > most:  # where two readers do not agree on a header
        raise DataError(f"{path.name}: a picture must have at most {most} pixels, the limit set, found {pixels}")
    return _in_srgb(image, data)


def _by_opencv(data: bytes, name: str) -> np.ndarray:
    try:
        # turns the picture as its EXIF data say
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:  # damaged in a way that OpenCV does not foresee
        raise DataError(f"{name}: must be a readable picture, found {type(error).__name__}") from error
    if image is None:
        raise DataError(f"{name}: must be a picture, found bytes that cannot be decoded as one")
    return np.ascontiguousarray(image[:, :, ::-1])


def _by_pillow(data: bytes, name: str) -> np.ndarray:
    from PIL import ImageOps

    try:
        with with_pillow(data) as picture:
            return np.array(ImageOps.exif_transpose(picture).convert("RGB"))
    except Exception as error:  # the decoders raise many kinds for damaged data
        raise DataError(f"{name}: must be a readable picture, found {type(error).__name__}") from error


def _in_srgb(image: np.ndarray, data: bytes) -> np.ndarray:
    """The image with its colours as the profile in the file means them; as it is where that is sRGB or none."""
    from PIL import Image, ImageCms

    try:
        with with_pillow(data) as picture:
            profile = picture.info.get("icc_profile")
        if not profile:
            return image
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != "RGB":  # of colours that the image has not any more
            return image
        change = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), "RGB", "RGB")
        levels = np.arange(0, 256, 51, dtype=np.uint8)
        cube = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3)
        changed = np.asarray(ImageCms.applyTransform(Image.fromarray(cube), change))
        if np.abs(changed.astype(int) - cube).max() <= SAME:
            return image
        return np.array(ImageCms.applyTransform(Image.fromarray(image), change))
    except (ImageCms.PyCMSError, OSError):  # a profile that cannot be read: players pass over it, too
        return image


def _read_video(path: Path, count: int, most: int) -> Sample:
    with _named(path):
        decoded = decode(path, lambda total: spread(total, count), most)
    if not decoded.images:
        raise DataError(f"{path.name}: must have at least one frame, found {decoded.problem or 'none'}")
    indices = sorted(decoded.images)
    return Sample(indices, [decoded.images[index] for index in indices], decoded.total, decoded.problem)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Errors of FFmpeg within the block become a DataError that names the file."""
    import av

    av.logging.set_level(av.logging.PANIC)  # its messages go to stderr; ours carry the reason
    try:
        yield
    except DataError:
        raise
    except (av.FFmpegError, ValueError) as error:
        raise DataError(f"{path.name}: must be a video, found {reason(error)}") from error
