"""Frames of videos and pictures: evenly spread numbers, and the pixels of just those frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from semdf.errors import DataError, MissingError, ParameterError

__all__ = ["PICTURES", "Sample", "read_frames", "spread"]

#: Endings of files that are pictures; everything else is taken for a video.
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


@dataclass(frozen=True)
class Sample:
    """Frames of one video. indices: their numbers; images: [H, W, 3] uint8 sRGB each; total: frames of the
    whole video; problem: "" or why some of the wanted frames are missing."""

    indices: list[int]
    images: list[np.ndarray]
    total: int
    problem: str = ""


def spread(total: int, count: int) -> list[int]:
    """`count` frame numbers evenly over `0 ... total - 1`: the middles of `count` equal parts; all if `total`
    is smaller.

    >>> spread(300, 3)
    [50, 150, 250]
    """
    if count < 1:
        raise ParameterError(f"frames should be at least 1. Found {count}.")
    if total <= count:
        return list(range(total))
    return [int((2 * i + 1) * total // (2 * count)) for i in range(count)]


def read_frames(path: Path, count: int) -> Sample:
    """`count` evenly spread frames of a video, or the one frame of a picture.

    A video that breaks off gives the frames before that, and says so in `problem`.
    Raises MissingError if there is no file and DataError if no frame of it can be read.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingError(f"expected a picture or video at {path}. Found none.")
    if path.stat().st_size == 0:
        raise DataError(f"{path.name}: expected a picture or video. Found an empty file.")
    return _read_picture(path) if path.suffix.lower() in PICTURES else _read_video(path, count)


def _read_picture(path: Path) -> Sample:
    try:
        data = path.read_bytes()
        # turns the picture as its EXIF data say
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error) as error:  # not allowed; more pixels than OpenCV takes
        raise DataError(f"{path.name}: expected a readable picture. Found {type(error).__name__}.") from error
    if image is None:
        raise DataError(f"{path.name}: expected a picture. Found bytes that cannot be decoded as one.")
    if _cut_off(data):
        raise DataError(f"{path.name}: expected a whole picture. Found one that breaks off.")
    return Sample([0], [np.ascontiguousarray(image[:, :, ::-1])], 1)


def _cut_off(data: bytes) -> bool:
    """Whether a JPEG or PNG lacks its end: OpenCV then fills in grey and says nothing."""
    if data[:2] == b"\xff\xd8":  # the last end of image must follow the last start of scan
        return data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda")
    return data[:4] == b"\x89PNG" and b"IEND" not in data[-64:]


def _read_video(path: Path, count: int) -> Sample:
    import av

    av.logging.set_level(av.logging.PANIC)  # its messages go to stderr; ours carry the reason
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise DataError(f"{path.name}: expected a video stream. Found none.")
            total = container.streams.video[0].frames or _count(path)
            wanted = spread(total, count)
            images, problem = _decode(container, set(wanted))
    except (av.FFmpegError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path.name}: expected a video. Found {_reason(error)}.") from error
    if not images:
        raise DataError(f"{path.name}: expected at least one frame. Found {problem or 'none'}.")
    if len(images) < len(wanted) and not problem:
        problem = f"the video has fewer frames than the {total} it announces"
    return Sample(sorted(images), [images[index] for index in sorted(images)], total, problem)


def _decode(container, wanted: set[int]) -> tuple[dict[int, np.ndarray], str]:
    """The wanted frames by number. Only they are turned into RGB, which costs more than decoding."""
    import av
    from av.video.reformatter import VideoReformatter

    images: dict[int, np.ndarray] = {}
    convert = VideoReformatter().reformat  # one for all frames: setting it up costs more than a frame
    container.streams.video[0].codec_context.thread_count = 1  # processes share the cores
    last = max(wanted, default=-1)
    try:
        for number, frame in enumerate(container.decode(video=0)):
            if number in wanted:
                image = convert(frame, format="rgb24", threads=1).to_ndarray()
                images[number] = np.ascontiguousarray(np.rot90(image, round(frame.rotation / 90)))
            if number >= last:
                break
    except av.FFmpegError as error:
        return images, f"the video breaks off: {_reason(error)}"
    return images, ""


def _count(path: Path) -> int:
    """Frames of a container that does not announce their number."""
    import av

    with av.open(str(path)) as container:
        return sum(packet.size > 0 for packet in container.demux(video=0))


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
