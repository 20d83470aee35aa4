"""Which stream is the film, what is a frame of it, and what is said when a part of it is missing."""

import json
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import av
import numpy as np
import pandas as pd
import pytest
from _films import write_fields
from _media import counting, moving, write_video
from click.testing import CliRunner

from semdf.cli import main
from semdf.errors import DataError
from semdf.evaluation import detector
from semdf.extraction import check
from semdf.extraction.extract import extract
from semdf.extraction.video import flaw, read_frames, spread
from semdf.faces.finders import Whole
from semdf.method import hierarchy
from semdf.storage.columns import LAYOUT


def grey(sample) -> list[float]:
    """The mean level of each frame."""
    return [image.mean() for image in sample.images]


def write_streams(path, *streams, dispositions=()):
    """A file of streams, each with its codec and frames; the first frames of all come first."""
    with av.open(str(path), "w") as target:
        made = []
        for codec, images in streams:
            stream = target.add_stream(codec, rate=25)
            stream.height, stream.width = images[0].shape[:2]
            stream.pix_fmt = {"mjpeg": "yuvj420p", "png": "rgb24"}.get(codec, "yuv420p")
            made.append(stream)
        for number, disposition in enumerate(dispositions):
            made[number].disposition = disposition
        packets = []
        for stream, (_, images) in zip(made, streams, strict=True):
            for number, image in enumerate(images):
                frame = av.VideoFrame.from_ndarray(image)
                frame.pts = number
                frame.time_base = Fraction(1, 25)
                packets += stream.encode(frame)
            packets += stream.encode(None)
        for packet in packets:
            target.mux(packet)
    return path


FILM = [np.full((48, 64, 3), 60 + number, np.uint8) for number in range(20)]
SMALL = [np.full((32, 32, 3), 200, np.uint8)]
LARGE = [np.full((256, 256, 3), 200, np.uint8)]
NONE = av.stream.Disposition(0)
DEFAULT = av.stream.Disposition.default
COVER = av.stream.Disposition.attached_pic


@pytest.mark.parametrize(
    ("name", "streams", "dispositions"),
    [
        ("thumbnail first.mp4", [("mjpeg", SMALL), ("libx264", FILM)], ()),
        ("large picture first.mp4", [("mjpeg", LARGE), ("libx264", FILM)], ()),
        ("cover first.mp4", [("mjpeg", LARGE), ("libx264", FILM)], (COVER, DEFAULT)),
        ("cover behind.mp4", [("libx264", FILM), ("png", LARGE)], (DEFAULT, COVER)),
        ("thumbnail first.mkv", [("mjpeg", SMALL), ("libx264", FILM)], ()),
        ("thumbnail first.mov", [("png", SMALL), ("libx264", FILM)], ()),
        ("large picture first.mkv", [("mjpeg", LARGE), ("libx264", FILM)], ()),
        ("preview first.mkv", [("libx264", [image[:16, :16] + 90 for image in FILM]), ("libx264", FILM)], ()),
        (
            "default behind.mkv",
            [("libx264", [np.tile(image, (2, 2, 1)) + 90 for image in FILM]), ("libx264", FILM)],
            (NONE, DEFAULT),
        ),
    ],
)
def test_the_film_is_the_stream_that_a_player_shows(tmp_path, name, streams, dispositions):
    sample = read_frames(write_streams(tmp_path / name, *streams, dispositions=dispositions), 4)
    assert sample.total == 20 and sample.indices == spread(20, 4) and not sample.problem
    np.testing.assert_allclose(grey(sample), [60 + number for number in sample.indices], atol=2)
    assert not flaw(tmp_path / name)


def test_a_cover_is_no_film(tmp_path):
    path = write_streams(tmp_path / "song.mp4", ("mjpeg", SMALL), dispositions=(COVER,))
    with pytest.raises(DataError, match="song.mp4: must have a video stream, found only pictures that go with a film"):
        read_frames(path, 1)


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("name", ["a.h264", "a.ts", "a.mp4", "a.mov", "a.mkv"])
def test_two_field_pictures_are_one_frame(tmp_path, name, together):
    path = write_fields(tmp_path / name, 60, together)
    for count in (16, 5, 99):
        sample = read_frames(path, count)
        assert sample.total == 60 and sample.indices == spread(60, count) and not sample.problem
        expected = [(16 + 3 * index - 16) * 255 / 219 for index in sample.indices]
        np.testing.assert_allclose(grey(sample), expected, atol=1)


@pytest.mark.parametrize("suffix", [".webm", ".mkv", ".ivf"])
def test_hidden_frames_do_not_count(tmp_path, random, suffix):
    """Of VP8: packets that show nothing, as encoders write for pictures to which others refer."""
    options = {"deadline": "realtime", "cpu-used": "8", "g": "10", "lag-in-frames": "0"}
    plain = write_video(tmp_path / f"plain{suffix}", moving(40, random), False, "libvpx", options)
    path = tmp_path / f"a{suffix}"
    with av.open(str(plain)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if packet.size:
                data = bytearray(bytes(packet))
                data[0] &= 0xEF if number in (7, 21, 22, 35) else 0xFF  # RFC 6386, 9.1: show_frame
                changed = av.Packet(bytes(data))
                changed.pts = packet.pts
                changed.dts = packet.dts
                changed.time_base = packet.time_base
                changed.is_keyframe = packet.is_keyframe
                changed.stream = stream
                target.mux(changed)
    with av.open(str(path)) as container:
        truth = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(truth) == 36
    for count in (8, 99):
        sample = read_frames(path, count)
        assert sample.total == 36 and sample.indices == spread(36, count) and not sample.problem
        for index, image in zip(sample.indices, sample.images, strict=True):
            np.testing.assert_array_equal(image, truth[index])


@pytest.mark.parametrize("lost", [20, 40, 90, 150])
def test_a_lost_packet_costs_only_its_neighbourhood(tmp_path, random, lost):
    """188 bytes less of a transport stream."""
    path = write_video(tmp_path / "a.ts", moving(200, random), options={"x264-params": "keyint=20:scenecut=0"})
    whole = read_frames(path, 200)
    data = path.read_bytes()
    film_of = [at for at in range(0, len(data), 188) if data[at + 1] & 31 == 1 and data[at + 2] == 0]
    at = film_of[len(film_of) * lost // 200]
    path.write_bytes(data[:at] + data[at + 188 :])
    sample = read_frames(path, 200)
    assert sample.total in (199, 200)
    assert len(sample.images) >= 175 and sample.problem.startswith("the video breaks off")
    for image in sample.images[-20:]:
        assert any((image == other).all() for other in whole.images[-22:])


KINDS = {
    "a.mp4": "libx264",
    "a.mkv": "libx264",
    "a.webm": "libvpx-vp9",
    "a.avi": "mpeg4",
    "b.avi": "libx264",
    "a.flv": "libx264",
    "a.mxf": "mpeg2video",
    "a.ivf": "libvpx-vp9",
    "a.rm": "rv10",
    "a.asf": "mpeg4",
    "a.wmv": "msmpeg4",
    "a.gif": "gif",
}
#: Those that are written with what a reader needs at their end, so that halves cannot be opened at all.
CLOSED = {"a.mov": "libx264", "a.3gp": "libx264", "a.wtv": "mpeg2video"}


def film(path, random, codec):
    options = {"deadline": "realtime", "cpu-used": "8"} if "vpx" in codec else {}
    pixels = "rgb8" if codec == "gif" else "yuv420p"
    return write_video(path, moving(60, random), False, codec, options, pixels)


@pytest.mark.parametrize("name", [*KINDS, *CLOSED])
def test_half_a_film_is_not_taken_for_whole(tmp_path, random, name):
    path = film(tmp_path / name, random, (KINDS | CLOSED)[name])
    assert not flaw(path) and not read_frames(path, 8).problem
    for share in (0.5, 0.75):
        half = tmp_path / f"half {name}"
        half.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
        if name in CLOSED:
            for read in (flaw, lambda path: read_frames(path, 8)):
                with pytest.raises(DataError, match=f"half {name}: must be a video"):
                    read(half)
            continue
        assert flaw(half).startswith("the video breaks off: ")
        sample = read_frames(half, 8)
        assert sample.images and sample.problem


def test_fragments_of_a_film_are_held_against_what_is_announced(tmp_path, random):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w", options={"movflags": "frag_keyframe+empty_moov+dash+global_sidx"}) as target:
        stream = target.add_stream("libx264", rate=25, options={"x264-params": "keyint=10"})
        stream.width = 64
        stream.height = 48
        for number, image in enumerate([*moving(60, random), None]):
            frame = image if image is None else av.VideoFrame.from_ndarray(image)
            if frame is not None:
                frame.pts = number
                frame.time_base = Fraction(1, 25)
            for packet in stream.encode(frame):
                target.mux(packet)
    assert read_frames(path, 8).total == 60 and not read_frames(path, 8).problem and not flaw(path)
    data = path.read_bytes()
    for share in (0.4, 0.6):
        path.write_bytes(data[: int(len(data) * share)])
        assert flaw(path).startswith("the video breaks off")
        assert read_frames(path, 8).problem


def test_a_film_that_ends_a_little_early_is_whole(tmp_path):
    """Writers round; the sound of a film may outlast it."""
    path = write_video(tmp_path / "a.mkv", counting(50))
    data = bytearray(path.read_bytes())
    at = data.index(b"\x44\x89\x88") + 3  # Duration, 8 bytes
    milliseconds = np.frombuffer(data[at : at + 8], ">f8")[0]
    for more, problem in ((300, False), (1200, True)):
        data[at : at + 8] = np.array([milliseconds + more], ">f8").tobytes()
        path.write_bytes(data)
        assert bool(flaw(path)) == problem == bool(read_frames(path, 4).problem)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".avi", ".flv"])
def test_every_command_says_what_is_missing(tmp_path, random, monkeypatch, suffix):
    """`check`, `extract`, `score` and `score --json`; the answer on the rest is given."""
    codec = {".webm": "libvpx-vp9", ".avi": "mpeg4"}.get(suffix, "libx264")
    root = tmp_path / "films"
    for name in ("whole", "half"):
        film(root / "real" / f"{name}{suffix}", random, codec)
    half = root / "real" / f"half{suffix}"
    half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
    common = dict.fromkeys(LAYOUT, "") | {
        "dataset": "films",
        "manipulation": "original",
        "label": "real",
        "status": "ok",
    }
    paths = [f"real/{name}{suffix}" for name in ("whole", "half")]
    rows = pd.DataFrame([common | {"path": path, "video": f"films/original/{path}"} for path in paths])
    made = extract(rows, root, tmp_path / "out", Whole(), frames=6, size=16)
    said = made.loc[made["path"] == f"real/half{suffix}", "status"]
    assert (said.iloc[:-1] == "ok").all() and said.iloc[-1].startswith("incomplete video: the video ")
    assert (made.loc[made["path"] == f"real/whole{suffix}", "status"] == "ok").all()

    findings = list(check._unreadable(rows, root, headers=True))
    assert [finding.kind for finding in findings] == ["incomplete"] and findings[0].problem
    assert f"1 (real/half{suffix}); the first: the video breaks off" in findings[0].text

    monkeypatch.setattr(detector, "find_detector", lambda: Path("run"))
    monkeypatch.setattr(detector, "load_detector", lambda path: Detector())
    words = ["score", "--finder", "whole", str(half), str(root / "real" / f"whole{suffix}")]
    result = CliRunner().invoke(main, words)
    first, second, *_ = result.stdout.splitlines()
    assert result.exit_code == 1 and " (incomplete video: the video " in first
    assert "probability of a forgery 90 %" in first
    assert "incomplete" not in second
    result = CliRunner().invoke(main, [*words, "--json"])
    first, second = map(json.loads, result.stdout.splitlines())
    assert result.exit_code == 1 and first["status"].startswith("incomplete video: the video ") and first["faces"]
    assert second["status"] == "ok"


class Detector:
    """Takes everything for a fake."""

    hierarchy = hierarchy.load("ffpp")
    nodes = hierarchy.nodes
    crop: ClassVar = {"size": 64, "alignment": "similarity", "margin": 1.3}

    def score(self, crops):
        return np.full((len(crops), len(self.nodes)), 0.9, np.float32)
