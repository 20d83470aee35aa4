"""The wanted frames of a video by their exact numbers, decoding as little as the codec allows.

All packets are read first, without decoding: their presentation times, sorted, number the frames, whatever the frame
rate does. Then only groups of pictures that hold a wanted frame are decoded, each from its keyframe up to the last
wanted frame, and in H.264 pictures to which no other refers are passed over. The pixels are those of decoding it all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from semdf.errors import DataError

__all__ = ["Decoded", "decode", "opened", "reason"]

#: Packets of a file are kept in memory up to this size, bytes; those of a larger file are read again (ours).
KEPT = 64_000_000
#: Packets of a file that are read in passing rather than sought: a seek costs about as much (ours).
FAR = 500
#: Containers that hold their own pictures, by FFmpeg's names. Others, such as playlists (hls, dash, concat, sdp), name
#: further files or hosts, which FFmpeg would open: what a file says never chooses what else is read.
CONTAINERS = (
    "mov",
    "matroska",
    "webm",
    "avi",
    "mpegts",
    "mpeg",
    "mpegvideo",
    "m4v",
    "h264",
    "hevc",
    "vvc",
    "av1",
    "obu",
    "ivf",
    "flv",
    "ogg",
    "asf",
    "mxf",
    "nut",
    "dv",
    "rm",
    "3gp",
    "mjpeg",
    "gif",
    "vc1",
    "y4m",
    "yuv4mpegpipe",
    "wtv",
    "swf",
)
#: What is said of a video whose packets cannot all be decoded.
DAMAGED = "the video breaks off: damaged data"


class Decoded(NamedTuple):
    """What was decoded of a video.

    Attributes:
        images: The wanted frames `[H, W, 3]` uint8 (RGB, upright), by number.
        total: The number of all frames.
        problem: "" or why wanted frames are missing.
    """

    images: dict[int, np.ndarray]
    total: int
    problem: str


def opened(path: Path, most: int = 2**30) -> Any:
    """A video container of one of the kinds in `CONTAINERS`.

    FFmpeg refuses frames beyond twice the bound before it takes memory for them (it pads frames, so that the bound is
    not exact).

    Args:
        path: Of the file.
        most: Pixels that a frame may have.

    Raises:
        av.FFmpegError: If the file is no such container.
    """
    import av

    options = {
        "format_whitelist": ",".join(CONTAINERS),
        "protocol_whitelist": "file",
        "max_pixels": str(_padded(most)),
    }
    return av.open(f"file:{path}", options=options)


def _padded(most: int) -> int:
    return 2 * most + 2**16


def decode(path: Path, choose: Callable[[int], list[int]], most: int) -> Decoded:
    """The frames whose numbers are wanted.

    Args:
        path: Of the video.
        choose: The number of all frames -> the wanted numbers, rising.
        most: Pixels that a frame may have.

    Raises:
        DataError: For a file without a video stream or with larger frames.
        av.FFmpegError: If it is no video.
    """
    with opened(path, most) as container:
        codec = _codec(container, path.name, most)
        # the table of an MP4 still counts the frames of which a file that was cut off has no data
        announced = container.streams.video[0].frames if "mp4" in container.format.name else 0
        convert = _Converter(codec, most)
        index = _read(container, KEPT)
        total = max(len(index.pts), announced) - index.shown.count(False)
        wanted = choose(total)
        times = index.times()
        if times is None:
            found = _in_order(path, set(wanted), convert)
        else:
            numbers = {times[number]: number for number in wanted if number < len(times)}
            found = _by_time(path, codec, index, numbers, convert)
    problem = index.problem or found.problem
    if len(found.images) < len(wanted) and not problem:
        problem = f"the video has fewer frames than the {total} it announces"
    return Decoded(found.images, total, problem)


def _codec(container: Any, name: str, most: int) -> Any:
    """The decoder of the first video stream, set up to run in one thread."""
    if not container.streams.video:
        raise DataError(f"{name}: must have a video stream, found none")
    codec = container.streams.video[0].codec_context
    if codec is None:
        raise DataError(f"{name}: must be a video of a known codec, found none")
    codec.thread_count = 1  # processes share the cores
    codec.options = {"max_pixels": str(_padded(most))}
    pixels = codec.width * codec.height
    if pixels > most:
        raise DataError(f"{name}: a frame must have at most {most} pixels, the limit set, found {pixels}")
    return codec


class _Run(NamedTuple):
    """Packets that are decoded in one go, by their numbers; `last` is one of them."""

    first: int
    last: int


@dataclass
class _Index:
    """What is known of the packets, in the order of the file.

    Attributes:
        pts: Presentation times.
        dts: Decoding times.
        key: Whether they are keyframes.
        shown: Whether their frames are to be shown.
        kept: The packets, or None if they are too large.
        problem: "" or why reading ended early.
    """

    pts: list[int | None] = field(default_factory=list)
    dts: list[int | None] = field(default_factory=list)
    key: list[bool] = field(default_factory=list)
    shown: list[bool] = field(default_factory=list)
    kept: list[Any] | None = field(default_factory=list)
    problem: str = ""

    def times(self) -> list[int] | None:
        """The presentation time of each frame by its number; None if the packets do not tell."""
        if None in self.pts or len(set(self.pts)) < len(self.pts) or self.key[:1] != [True]:
            return None
        return sorted(pts for pts, shown in zip(self.pts, self.shown, strict=True) if shown and pts is not None)

    def runs(self, wanted: set[int]) -> list[_Run]:
        """What to decode for the frames of these times, without what lies between keyframes."""
        times: list[Any] = self.pts  # all there: see `times`
        keys = [number for number, key in enumerate(self.key) if key]
        runs: list[_Run] = []
        at = 0
        for number in (number for number, time in enumerate(self.pts) if time in wanted):
            while at + 1 < len(keys) and keys[at + 1] <= number:
                at += 1
            first = at  # a frame shown before the keyframe it follows in the file needs the keyframe before
            while first and times[keys[first]] > times[number]:
                first -= 1
            if runs and keys[first] <= runs[-1].last:
                runs[-1] = _Run(runs[-1].first, number)
            else:
                runs.append(_Run(keys[first], number))
        return runs

    def between(self, first: int, last: int) -> list:
        """Packets `first ... last`."""
        assert self.kept is not None, "asked for where packets are kept"
        return self.kept[first : last + 1]


def _read(container: Any, most: int) -> _Index:
    """Read every packet of the video, and keep them up to `most` bytes; reading ends where the file is damaged."""
    import av

    index = _Index()
    size = 0
    try:
        for packet in container.demux(video=0):
            if packet.size == 0:  # the end, or a repeated frame of an AVI
                continue
            if packet.is_corrupt:
                index.problem = "the video breaks off: incomplete packet"
                break
            index.pts.append(packet.pts)
            index.dts.append(packet.dts)
            index.key.append(packet.is_keyframe)
            index.shown.append(not packet.is_discard)
            size += packet.size
            if size > most:
                index.kept = None
            if index.kept is not None:
                index.kept.append(packet)
    except av.FFmpegError as error:
        index.problem = f"the video breaks off: {reason(error)}"
    return index


class _Reader:
    """Packets of a file by their numbers, read again, with a seek where many lie between."""

    def __init__(self, path: Path, index: _Index, most: int) -> None:
        self.path = path
        self.index = index
        self.most = most
        self.position = {dts: number for number, dts in enumerate(index.dts)}
        self.container: Any = None
        self.packets: Iterator[Any] = iter(())
        self.next = 0

    def between(self, first: int, last: int) -> Iterator:
        """Packets `first ... last`."""
        if self.container is None or not self.next <= first <= self.next + FAR:
            self._seek(first)
        for packet in self.packets:
            self.next += 1
            if self.next > first:
                yield packet
            if self.next > last:
                return

    def _seek(self, first: int) -> None:
        """Stand at packet `first` or before it: at the start of the file where the format does not seek well."""
        time = self.index.dts[first]
        if self.container is None:
            self._open()
        if first > FAR and time is not None:
            self.container.seek(time, stream=self.container.streams.video[0])
            self.packets = self._demux()
            packet = next(self.packets, None)
            found = None if packet is None else packet.dts
            self.next = self.position.get(found, first + 1)
            self.packets = chain([packet], self.packets)
        if self.next > first:
            self._open()

    def _open(self) -> None:
        if self.container is not None:
            self.container.close()
        self.container = opened(self.path, self.most)
        self.next = 0
        self.packets = self._demux()

    def _demux(self) -> Iterator:
        return (packet for packet in self.container.demux(video=0) if packet.size)

    def __del__(self) -> None:
        if self.container is not None:
            self.container.close()


class _Found(NamedTuple):
    """Frames by their number, or by their time within a run, and "" or the first problem."""

    images: dict[int, np.ndarray]
    problem: str


def _by_time(path: Path, codec: Any, index: _Index, numbers: dict[int, int], convert: _Converter) -> _Found:
    """The frames whose presentation times are the keys of `numbers`, by the number there."""
    between = index.between if index.kept is not None else _Reader(path, index, convert.most).between
    found = _decode(codec, between, index.runs(set(numbers)), numbers, convert, skip=codec.name == "h264")
    if len(found.images) < len(numbers) and not found.problem:  # a codec that does not start afresh at its keyframes
        whole = [_Run(0, len(index.pts) - 1)]
        found = _decode(codec, between, whole, numbers, convert, skip=False)
    return found


def _decode(
    codec: Any,
    between: Callable[[int, int], Iterable],
    runs: list[_Run],
    numbers: dict[int, int],
    convert: _Converter,
    *,
    skip: bool,
) -> _Found:
    """The frames whose times are the keys of `numbers`, by the number there.

    Args:
        codec: The decoder.
        between: Gives the packets from the first to the last number of a run.
        runs: What to decode.
        numbers: Presentation time -> number of the frame.
        convert: Makes pictures of frames.
        skip: Pass over pictures to which no other refers, unless wanted.
    """
    images: dict[int, np.ndarray] = {}
    problem = ""
    for run in runs:
        found = _decode_run(codec, between(*run), run.last - run.first + 1, set(numbers), convert, skip=skip)
        images |= {numbers[time]: image for time, image in found.images.items()}
        problem = problem or found.problem
    return _Found(images, problem or convert.problem)


def _decode_run(
    codec: Any, packets: Iterable, count: int, wanted: set[int], convert: _Converter, *, skip: bool
) -> _Found:
    """The frames of the wanted times within a run of `count` packets, by time.

    Decoders fill in what is damaged and go on: such a frame, and what is decoded after it in its run, is left out.
    """
    import av

    place: dict[int, int] = {}  # time -> number of the packet in this run
    images: dict[int, np.ndarray] = {}
    damaged = count  # the number of the first packet whose frame is damaged
    problem = ""
    codec.flush_buffers()
    try:
        for number, packet in enumerate(chain(packets, [None])):  # None: give out what is held back
            if packet is not None:
                place[packet.pts] = number
                codec.skip_frame = "NONREF" if skip and packet.pts not in wanted else "DEFAULT"
            for frame in codec.decode(packet):
                # not those shown before the keyframe; a frame without a known time is of the packet just read
                if frame.is_corrupt and (frame.pts is None or frame.pts >= next(iter(place), 0)):
                    damaged = min(damaged, place.get(frame.pts, number))
                image = convert(frame) if frame.pts in wanted else None
                if image is not None:
                    images[frame.pts] = image
            if damaged < number:
                problem = DAMAGED
                break
    except av.FFmpegError as error:
        problem = convert.why(error, codec)
    whole = {time: image for time, image in images.items() if place.get(time, damaged) < damaged}
    return _Found(whole, problem)


def _in_order(path: Path, wanted: set[int], convert: _Converter) -> _Found:
    """The wanted frames, counted while decoding from the start: for packets that do not tell their time."""
    import av

    images: dict[int, np.ndarray] = {}
    last = max(wanted, default=-1)
    with opened(path, convert.most) as container:
        codec = container.streams.video[0].codec_context
        codec.thread_count = 1
        codec.options = {"max_pixels": str(_padded(convert.most))}
        try:
            for number, frame in enumerate(container.decode(video=0)):
                if frame.is_corrupt:
                    return _Found(images, DAMAGED)
                image = convert(frame) if number in wanted else None
                if image is not None:
                    images[number] = image
                if number >= last:
                    break
        except av.FFmpegError as error:
            return _Found(images, convert.why(error, codec))
    return _Found(images, convert.problem)


class _Converter:
    """Frame -> `[H, W, 3]` uint8, RGB, turned upright; None, with the reason in `problem`, if it is too large."""

    def __init__(self, codec: Any, most: int) -> None:
        from av.video.reformatter import VideoReformatter

        self.most = most
        self.sized = codec.width > 0
        self.problem = ""
        self.reformat = VideoReformatter().reformat  # one for all frames: setting it up costs more than a frame

    def __call__(self, frame: Any) -> np.ndarray | None:
        if frame.width * frame.height > self.most:
            self.problem = f"a frame has {frame.width} x {frame.height} pixels, more than {self.most}, the limit set"
            return None
        image = self.reformat(frame, format="rgb24", threads=1).to_ndarray()
        return np.ascontiguousarray(np.rot90(image, round(frame.rotation / 90)))

    def why(self, error: Exception, codec: Any) -> str:
        """The reason of an error: a codec that refuses a frame for its size has none itself from then on."""
        if self.sized and not codec.width:
            return f"a frame has far more than {self.most} pixels, the limit set"
        return f"the video breaks off: {reason(error)}"


def reason(error: Exception) -> str:
    """What FFmpeg says of an error."""
    return (getattr(error, "strerror", None) or str(error)).lower()
