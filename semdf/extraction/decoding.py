"""The wanted frames of a video by their exact numbers, decoding as little as the codec allows.

All packets are read first, without decoding: their presentation times, sorted, number the frames, whatever the frame
rate does. Then only groups of pictures that hold a wanted frame are decoded, each from its keyframe up to the last
wanted frame, and in H.264 pictures to which no other refers are passed over. The pixels are those of decoding it all.
Where packets are not frames (two field pictures of H.264 are one frame), or do not tell their times, all is decoded and
the frames are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from semdf.errors import DataError
from semdf.extraction.shown import Shown

__all__ = ["Decoded", "decode", "opened", "reason", "shortfall"]

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
#: What is said of a video whose packets cannot all be read or decoded.
DAMAGED = "the video breaks off: damaged data"
INCOMPLETE = "the video breaks off: incomplete packet"
UNENDED = "the video breaks off: the file ends before it says"
#: Errors of a container behind which reading goes on (ours).
ERRORS = 100
#: Kinds of streams that lie beside a film: covers, thumbnails, stills.
BESIDE = ("attached_pic", "timed_thumbnails", "still_image")
#: Codecs of pictures: a stream of these may be a thumbnail that is not marked as one, and another one is preferred.
STILLS = ("bmp", "mjpeg", "png", "tiff", "webp")
#: Containers whose header tells how long the video is. Of others, FFmpeg estimates it from what is there.
TELLING = ("mov", "matroska", "flv", "mxf", "ivf", "rm", "avi", "asf")
#: By how much a header may announce more than there is: seconds, and a part of the whole (ours; some writers round).
SLACK_SECONDS = 0.5
SLACK_PART = 0.01
#: The first bytes of an ASF's file properties (its specification, 3.2): 24 behind them, the size of the file.
ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
#: Seconds at the end of a video that are read to see whether it is whole (ours).
TAIL = 5


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
        DataError: For a file without a film or with larger frames.
        av.FFmpegError: If it is no video.
    """
    with opened(path, most) as container:
        film = _film(container, path.name)
        codec = _codec(film, path.name, most)
        show = Shown(film, most)
        index = _read(container, film, KEPT)
        if not _marked(container, path):
            index.problem = index.problem or UNENDED
        total = index.total()
        wanted = choose(total)
        times = index.times()
        found = None
        if times is not None:
            numbers = {times[number]: number for number in wanted if number < len(times)}
            found = _by_time(path, codec, index, numbers, show)
    if found is None:
        counted = _in_order(path, index.stream, choose, total, show)
        found = counted.found
        total = counted.total
        wanted = choose(total)
    problem = index.problem or found.problem
    if len(found.images) < len(wanted) and not problem:
        problem = f"the video has fewer frames than the {total} it announces"
    return Decoded(found.images, total, problem)


def shortfall(path: Path, most: int) -> str:
    """Why a video is known to be incomplete, or "": told by its header and its last seconds.

    Args:
        path: Of the video.
        most: Pixels that a frame may have.

    Raises:
        DataError: For a file without a film.
        av.FFmpegError: If it is no video.
    """
    with opened(path, most) as container:
        film = _film(container, path.name)
        _codec(film, path.name, most)
        if any(entry.pos + entry.size > container.size for entry in film.index_entries):
            return "the video breaks off: its index leads behind the end of the file"
        if not _marked(container, path):
            return UNENDED
        seconds = _announced(container, film)
        if not seconds or ("mp4" in container.format.name and film.frames):  # that index is of all frames
            return ""
        container.seek(max(int((seconds - TAIL) * 1_000_000), 0))
        problems: list[str] = []
        end = max((_end(packet) for packet in _packets(container, problems)), default=0.0)
        return _short(seconds, end) or "".join(problems[:1])


def _film(container: Any, name: str) -> Any:
    """The stream that a player shows: as FFmpeg's own program chooses, the largest one, or the one marked as default.

    Covers and thumbnails are none, and what may be one that is not marked as such comes last: a stream of one frame, or
    of a codec of pictures.

    Raises:
        DataError: There is no film.
    """
    from av.stream import Disposition

    beside = Disposition(0)
    for kind in BESIDE:
        beside |= Disposition[kind]
    films = [stream for stream in container.streams.video if not stream.disposition & beside]
    if not films:
        found = "only pictures that go with a film" if container.streams.video else "none"
        raise DataError(f"{name}: must have a video stream, found {found}")
    return max(films, key=_rank)


def _rank(stream: Any) -> tuple[bool, bool, int]:
    from av.stream import Disposition

    codec = stream.codec_context
    if codec is None:
        return False, False, 0
    bonus = 5_000_000 if stream.disposition & Disposition.default else 0  # FFmpeg's, in pixels
    return stream.frames != 1, codec.name not in STILLS, codec.width * codec.height + bonus


def _codec(film: Any, name: str, most: int) -> Any:
    """The decoder of a film, set up to run in one thread."""
    codec = film.codec_context
    if codec is None:
        raise DataError(f"{name}: must be a video of a known codec, found none")
    codec.thread_count = 1  # processes share the cores
    codec.options = {"max_pixels": str(_padded(most))}
    pixels = codec.width * codec.height
    if pixels > most:
        raise DataError(f"{name}: a frame must have at most {most} pixels, the limit set, found {pixels}")
    return codec


def _announced(container: Any, film: Any) -> float:
    """The seconds that the header says the video has; 0 if it says nothing."""
    if not any(name in TELLING for name in container.format.name.split(",")):
        return 0.0
    frames = float(film.frames / film.average_rate) if film.average_rate else 0.0
    return max(frames, (container.duration or 0) / 1_000_000)


def _marked(container: Any, path: Path) -> bool:
    """Whether a GIF or ASF ends where it says; True for other containers, whose packets tell."""
    if container.format.name not in ("gif", "asf"):
        return True
    with path.open("rb") as file:
        head = file.read(65536)
        size = file.seek(0, 2)
        file.seek(-1, 2)
        last = file.read(1)
    if container.format.name == "gif":
        return last == b";"
    place = head.find(ASF_PROPERTIES)
    return place < 0 or int.from_bytes(head[place + 40 : place + 48], "little") <= size


def _end(packet: Any) -> float:
    """When what a packet holds has been shown, seconds."""
    time = packet.dts if packet.pts is None else packet.pts
    if time is None or packet.time_base is None:
        return 0.0
    return float((time + (packet.duration or 0)) * packet.time_base)


def _short(announced: float, end: float) -> str:
    """A sentence if the packets end before the header says, in seconds; else ""."""
    if end + SLACK_SECONDS + SLACK_PART * announced >= announced:
        return ""
    return f"the video breaks off: its header announces {announced:.1f} seconds, and its data end at {end:.1f}"


def _packets(container: Any, problems: list[str]) -> Iterator[Any]:
    """The packets of all streams; errors are noted in `problems`, and what lies behind them is read."""
    import av

    for _ in range(ERRORS):
        fresh = False
        try:
            for packet in container.demux():
                if packet.size:  # else it is the end, or a repeated frame of an AVI
                    fresh = True
                    yield packet
            return
        except av.FFmpegError as error:
            problems.append(f"the video breaks off: {reason(error)}")
        if not fresh:
            return


class _Run(NamedTuple):
    """Packets that are decoded in one go, by their numbers; `last` is one of them."""

    first: int
    last: int


@dataclass
class _Index:
    """What is known of the packets, in the order of the file.

    Attributes:
        stream: Which stream of the file they are of.
        announced: How many of them the file says it has; 0 if it says nothing.
        pts: Presentation times.
        dts: Decoding times.
        key: Whether they are keyframes.
        shown: Whether their frames are to be shown.
        kept: The packets, or None if they are too large.
        problem: "" or the first thing that is wrong with them.
    """

    stream: int
    announced: int = 0
    pts: list[int | None] = field(default_factory=list)
    dts: list[int | None] = field(default_factory=list)
    key: list[bool] = field(default_factory=list)
    shown: list[bool] = field(default_factory=list)
    kept: list[Any] | None = field(default_factory=list)
    problem: str = ""

    def total(self) -> int:
        """The number of frames, if each packet holds one."""
        return max(len(self.pts), self.announced) - self.shown.count(False)

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


def _read(container: Any, film: Any, most: int) -> _Index:
    """Read every packet of the film, and keep them up to `most` bytes; reading goes on behind damage."""
    index = _Index(film.index)
    if "mp4" in container.format.name:  # its table counts also frames of which a file that was cut off has no data
        index.announced = film.frames
    announced = _announced(container, film)
    name = film.codec_context.name
    size = 0
    end = 0.0
    problems: list[str] = []
    for packet in _packets(container, problems):
        end = max(end, _end(packet))
        if packet.stream_index != film.index:
            continue
        if packet.is_corrupt:
            problems.append(INCOMPLETE)
        index.pts.append(packet.pts)
        index.dts.append(packet.dts)
        index.key.append(packet.is_keyframe)
        index.shown.append(not packet.is_discard and not _hidden(name, packet))
        size += packet.size
        if size > most:
            index.kept = None
        if index.kept is not None:
            index.kept.append(packet)
    if not index.announced:  # frames are counted there
        problems.append(_short(announced, end))
    index.problem = next(filter(None, problems), "")
    return index


def _hidden(codec: str, packet: Any) -> bool:
    """Whether a packet of VP8 holds only a picture to which others refer: `show_frame` is 0 (RFC 6386, 9.1)."""
    return codec in ("vp8", "libvpx") and not memoryview(packet)[0] & 0x10


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
            self.container.seek(time, stream=self.container.streams[self.index.stream])
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
        return (packet for packet in _packets(self.container, []) if packet.stream_index == self.index.stream)

    def __del__(self) -> None:
        if self.container is not None:
            self.container.close()


class _Found(NamedTuple):
    """Frames by their number, or by their time within a run, "" or the first problem, and whether fields were seen."""

    images: dict[int, np.ndarray]
    problem: str
    fields: bool = False


def _by_time(path: Path, codec: Any, index: _Index, numbers: dict[int, int], show: Shown) -> _Found | None:
    """The frames whose presentation times are the keys of `numbers`, by the number there.

    None if that does not find them: packets may be fields, or a codec does not start afresh at its keyframes.
    """
    between = index.between if index.kept is not None else _Reader(path, index, show.most).between
    images: dict[int, np.ndarray] = {}
    problem = ""
    for run in index.runs(set(numbers)):
        found = _decode_run(codec, between(*run), run.last - run.first + 1, set(numbers), show)
        if found.fields:
            return None
        images |= {numbers[time]: image for time, image in found.images.items()}
        problem = problem or found.problem
    problem = problem or show.problem
    if len(images) < len(numbers) and not problem:
        return None
    return _Found(images, problem)


def _decode_run(codec: Any, packets: Iterable, count: int, wanted: set[int], show: Shown) -> _Found:
    """The frames of the wanted times within a run of `count` packets, by time.

    Decoders fill in what is damaged and go on: such a frame, and what is decoded after it in its run, is left out.
    """
    import av

    h264 = codec.name == "h264"
    sized = codec.width > 0
    place: dict[int, int] = {}  # time -> number of the packet in this run
    images: dict[int, np.ndarray] = {}
    damaged = count  # the number of the first packet whose frame is damaged
    problem = ""
    codec.flush_buffers()
    try:
        for number, packet in enumerate(chain(packets, [None])):  # None: give out what is held back
            if packet is not None:
                place[packet.pts] = number
                # pictures to which no other refers are passed over, unless wanted
                codec.skip_frame = "NONREF" if h264 and packet.pts not in wanted else "DEFAULT"
                if packet.is_corrupt:
                    damaged = min(damaged, number)
            for frame in codec.decode(packet):
                show.see(frame)
                if h264 and frame.interlaced_frame:
                    return _Found({}, "", fields=True)
                # not those shown before the keyframe; a frame without a known time is of the packet just read
                if frame.is_corrupt and (frame.pts is None or frame.pts >= next(iter(place), 0)):
                    damaged = min(damaged, place.get(frame.pts, number))
                image = show(frame) if frame.pts in wanted else None
                if image is not None:
                    images[frame.pts] = image
            if damaged < number:
                problem = DAMAGED
                break
    except av.FFmpegError as error:
        problem = _why(error, codec, show, sized)
    whole = {time: image for time, image in images.items() if place.get(time, damaged) < damaged}
    return _Found(whole, problem)


class _Counted(NamedTuple):
    """Frames by their number, and the number of all."""

    found: _Found
    total: int


def _in_order(path: Path, stream: int, choose: Callable[[int], list[int]], total: int, show: Shown) -> _Counted:
    """The chosen frames by decoding all; once more if there turn out to be more or fewer than `total`."""
    counted = _count(path, stream, set(choose(total)), show)
    if counted.total != total:
        counted = _count(path, stream, set(choose(counted.total)), show)
    return counted


def _count(path: Path, stream: int, wanted: set[int], show: Shown) -> _Counted:
    """The wanted frames, counted while decoding all; behind damage, frames are left out up to the next keyframe."""
    import av

    images: dict[int, np.ndarray] = {}
    problems: list[str] = []
    total = 0
    whole = True
    with opened(path, show.most) as container:
        film = container.streams[stream]
        codec = _codec(film, path.name, show.most)
        sized = codec.width > 0
        packets = (packet for packet in _packets(container, problems) if packet.stream_index == stream)
        for packet in chain(packets, [None]):
            frames = []
            try:
                frames = codec.decode(packet)
            except av.FFmpegError as error:
                problems.append(_why(error, codec, show, sized))
                whole = False
            for frame in frames:
                show.see(frame)
                if frame.is_corrupt:
                    problems.append(DAMAGED)
                    whole = False
                elif frame.key_frame:
                    whole = True
                image = show(frame) if whole and total in wanted else None
                if image is not None:
                    images[total] = image
                total += 1
    return _Counted(_Found(images, next(iter(problems), show.problem)), total)


def _why(error: Exception, codec: Any, show: Shown, sized: bool) -> str:
    """The reason of an error: a codec that refuses a frame for its size has none itself from then on."""
    if sized and not codec.width:
        return f"a frame has far more than {show.most} pixels, the limit set"
    return f"the video breaks off: {reason(error)}"


def reason(error: Exception) -> str:
    """What FFmpeg says of an error."""
    return (getattr(error, "strerror", None) or str(error)).lower()
