"""Reading: evenly spread frames, exactly those of decoding everything, whatever the codec; pictures of every kind."""

import io
import zlib

import av
import cv2
import numpy as np
import pytest
from _media import counting, moving, write_video
from PIL import Image

from semdf.errors import DataError, MissingError, ParameterError
from semdf.extraction import decoding
from semdf.extraction.video import Limits, read_frames, spread
from semdf.storage.tars import encode_png


@pytest.mark.parametrize(("total", "count"), [(300, 32), (33, 32), (32, 32), (5, 32), (1, 1), (7, 3), (0, 4)])
def test_frames_are_spread_over_the_whole_video(total, count):
    found = spread(total, count)
    assert len(found) == min(total, count) == len(set(found))
    assert found == sorted(found) and all(0 <= i < total for i in found)
    steps = np.diff(found)
    assert not len(steps) or steps.max() - steps.min() <= 1
    assert not found or (found[0] <= total / count and total - 1 - found[-1] <= total / count)


def test_read_frames_gives_the_frames_it_names(tmp_path):
    sample = read_frames(write_video(tmp_path / "a.mp4", counting(50)), 5)
    assert sample.indices == [5, 15, 25, 35, 45] and sample.total == 50 and not sample.problem
    assert [round((image.mean() - 16) / 4) for image in sample.images] == sample.indices


def every_frame(path):
    """The oracle: decode all."""
    with av.open(str(path)) as container:
        return [
            np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))
            for frame in container.decode(video=0)
        ]


KINDS = {
    "one keyframe.mp4": ("libx264", {}),
    "many keyframes.mp4": ("libx264", {"x264-params": "keyint=9:bframes=3:b-pyramid=normal"}),
    "open groups.mp4": ("libx264", {"x264-params": "keyint=9:open-gop=1:bframes=3"}),
    "no keyframes.mp4": ("libx264", {"x264-params": "keyint=9:intra-refresh=1:bframes=0"}),
    "stream.ts": ("libx264", {"x264-params": "keyint=9"}),
    "bare.h264": ("libx264", {"x264-params": "keyint=9"}),
    "hevc.mp4": ("libx265", {"x265-params": "log-level=none:keyint=9:temporal-layers=3"}),
    "old.avi": ("mpeg4", {"g": "9", "bf": "2"}),
    "vp9.webm": ("libvpx-vp9", {"g": "9", "deadline": "realtime", "cpu-used": "8"}),
}


@pytest.mark.parametrize("name", KINDS)
def test_sampled_frames_are_those_of_decoding_everything(tmp_path, random, monkeypatch, name):
    """Bit by bit, for packets in memory and for packets read again, with seeks near and far."""
    codec, options = KINDS[name]
    times = None if name.endswith((".avi", ".h264")) else [0, *np.cumsum(random.integers(5, 90, 59)).tolist()]
    pixels = "yuv420p10le" if codec == "libx265" else "yuv420p"
    path = write_video(tmp_path / name, moving(60, random), False, codec, options, pixels, times)
    truth = every_frame(path)
    assert len(truth) == 60
    for kept, far in ((decoding.KEPT, 500), (0, 500), (0, 4)):
        monkeypatch.setattr(decoding, "KEPT", kept)
        monkeypatch.setattr(decoding, "FAR", far)
        for count in (1, 4, 25, 99):
            sample = read_frames(path, count)
            assert sample.total == 60 and sample.indices == spread(60, count) and not sample.problem
            for index, image in zip(sample.indices, sample.images, strict=True):
                np.testing.assert_array_equal(image, truth[index])


def test_only_what_is_needed_is_decoded(tmp_path, random):
    """Of twenty groups of pictures, those with the three wanted frames, each up to its frame."""
    path = write_video(
        tmp_path / "a.mp4", moving(200, random), options={"x264-params": "keyint=10:scenecut=0:bframes=0"}
    )
    with av.open(str(path)) as container:
        index = decoding._read(container, container.streams.video[0], 10**9)
    wanted = {index.times()[number] for number in spread(200, 3)}
    assert index.runs(wanted) == [(30, 33), (100, 100), (160, 166)]


def test_videos_are_turned_upright(tmp_path, random):
    frames = moving(3, random, 48, 64)
    plain = read_frames(write_video(tmp_path / "a.mp4", frames), 3).images
    for degrees, turns in ((90, 1), (180, 2), (-90, 3)):
        turned = read_frames(write_video(tmp_path / f"{turns}.mp4", frames, turned=degrees), 3).images
        for one, two in zip(plain, turned, strict=True):
            np.testing.assert_array_equal(np.rot90(one, turns), two)


def test_unreadable_files(tmp_path):
    whole = write_video(tmp_path / "a.mp4", counting(50)).read_bytes()
    cases = {
        "empty.mp4": b"",
        "cut.mp4": whole[:900],
        "text.mp4": b"no video at all",
        "text.jpg": b"no picture",
        "cut.png": encode_png(np.arange(3000, dtype=np.uint8).reshape(25, 40, 3))[:-40],
        "none": b"\0" * 100,
    }
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=name):
            read_frames(tmp_path / name, 3)
    write_video(tmp_path / "sound.mp4", [], audio=True)
    with pytest.raises(DataError, match="sound.mp4: must have a video stream"):
        read_frames(tmp_path / "sound.mp4", 3)
    with pytest.raises(MissingError, match="gone.mp4"):
        read_frames(tmp_path / "gone.mp4", 3)


@pytest.mark.parametrize("suffix", [".mp4", ".ts"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_video_that_breaks_off_gives_the_frames_before(tmp_path, random, suffix, share):
    path = write_video(tmp_path / f"a{suffix}", moving(40, random), options={"x264-params": "keyint=10"})
    truth = every_frame(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    sample = read_frames(path, 8)
    if suffix == ".mp4":  # its table, which comes first, tells how many frames there should be
        assert sample.total == 40 and sample.problem and len(sample.images) < 8
        assert sample.indices == spread(40, 8)[: len(sample.indices)]
    assert all((image == truth[i]).all() for i, image in zip(sample.indices, sample.images, strict=True))


@pytest.mark.parametrize("kind", ["zeros", "noise"])
def test_damage_in_the_middle_costs_only_its_neighbourhood(tmp_path, random, kind):
    path = write_video(tmp_path / "a.mp4", moving(60, random), options={"x264-params": "keyint=10:scenecut=0"})
    truth = every_frame(path)
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][20]  # a keyframe, of frames 20 to 29
        assert packet.is_keyframe
    data = bytearray(path.read_bytes())
    start = packet.pos + 60
    end = packet.pos + packet.size
    data[start:end] = bytes(end - start) if kind == "zeros" else random.bytes(end - start)
    path.write_bytes(data)
    sample = read_frames(path, 6)
    assert sample.indices == [5, 15, 35, 45, 55] and sample.problem == "the video breaks off: damaged data"
    for index, image in zip(sample.indices, sample.images, strict=True):
        np.testing.assert_array_equal(image, truth[index])


def picture(image, form, **options):
    data = io.BytesIO()
    Image.fromarray(image).save(data, form, **options)
    return data.getvalue()


def test_pictures_of_every_kind_become_rgb_of_8_bits(tmp_path, random):
    image = random.integers(0, 255, (20, 30, 3), dtype=np.uint8)
    grey = image[:, :, 0]
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned clockwise
    deep = cv2.imencode(".png", image[:, :, ::-1].astype(np.uint16) * 257)[1].tobytes()
    cases = {
        "a.png": (encode_png(image), image),
        "b.PNG": (deep, image),
        "grey.png": (encode_png(grey), np.dstack([grey] * 3)),
        "a.webp": (picture(image, "WEBP", lossless=True), image),
        "clear.png": (picture(np.dstack([image, grey]), "PNG"), image),
        "a.tif": (picture(image, "TIFF"), image),
        "a.bmp": (picture(image, "BMP"), image),
    }
    for name, (data, truth) in cases.items():
        (tmp_path / name).write_bytes(data)
        sample = read_frames(tmp_path / name, 32)
        assert sample.indices == [0] and sample.images[0].dtype == np.uint8, name
        np.testing.assert_array_equal(sample.images[0], truth, name)
    (tmp_path / "turned.jpg").write_bytes(picture(image, "JPEG", quality=99, subsampling=0, exif=turned))
    found = read_frames(tmp_path / "turned.jpg", 1).images[0]
    assert np.abs(found.astype(int) - np.rot90(image, -1)).mean() < 3


def test_limits(tmp_path, random):
    """The header alone is read before a picture is refused: this one would take 3 GB."""
    bomb = bytearray(encode_png(np.zeros((8, 8, 3), np.uint8)))
    bomb[16:24] = (32000).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    (tmp_path / "bomb.png").write_bytes(bomb)
    with pytest.raises(DataError, match="at most 100000000 pixels, the limit set, found 1024000000"):
        read_frames(tmp_path / "bomb.png", 1)
    video = write_video(tmp_path / "a.mp4", moving(3, random))
    with pytest.raises(DataError, match="at most 3071 pixels"):
        read_frames(video, 1, Limits(48 * 64 - 1))
    with pytest.raises(DataError, match="at most 50 bytes"):
        read_frames(video, 1, Limits(file_size=50))
    assert read_frames(video, 1, Limits(48 * 64)).indices == [1]
    for senseless in ((0,), (2**31,), (5, 0)):
        with pytest.raises(ParameterError):
            Limits(*senseless)


def test_what_follows_a_picture_is_no_part_of_it(tmp_path, random):
    """A phone puts a video behind its photographs, with the codes of a JPEG by chance; a camera a second JPEG."""
    image = cv2.GaussianBlur(random.integers(0, 255, (60, 80, 3), dtype=np.uint8), (0, 0), 2)
    thumbnail = Image.Exif()
    thumbnail[0x927C] = picture(image[:16, :16], "JPEG")  # a whole JPEG within a segment
    kinds = {
        "a.jpg": picture(image, "JPEG", quality=95, exif=thumbnail),
        "b.jpg": picture(image, "JPEG", progressive=True, restart_marker_blocks=2),
        "c.png": encode_png(image),
    }
    for name, data in kinds.items():
        (tmp_path / name).write_bytes(data)
        alone = read_frames(tmp_path / name, 1).images[0]
        behind = [random.bytes(300_000) + b"\xff\xda" + bytes([i]) for i in range(5)]
        for more in (*behind, picture(image, "JPEG"), b"\xff\xda", b"\0" * 100):
            (tmp_path / name).write_bytes(data + more)
            np.testing.assert_array_equal(read_frames(tmp_path / name, 1).images[0], alone)
        for length in random.integers(len(data) // 2, len(data) - 8, 20):  # with and without something behind
            for more in (b"", b"\0" * 5000):
                (tmp_path / name).write_bytes(data[:length] + more)
                with pytest.raises(DataError, match=f"{name}: must be a"):
                    read_frames(tmp_path / name, 1)
