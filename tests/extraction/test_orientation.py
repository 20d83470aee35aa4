"""Films and pictures are seen as a player shows them: turned, mirrored and transposed, in every container."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest
from _media import moving, write_video
from PIL import Image

from semdf.extraction.video import read_frames

#: Rows of display matrices, (x, y) -> (a x + c y, b x + d y): the eight ways to lay a rectangle on a screen.
WAYS = {
    "upright": (1, 0, 0, 1),
    "mirrored": (-1, 0, 0, 1),
    "flipped": (1, 0, 0, -1),
    "half a turn": (-1, 0, 0, -1),
    "transposed": (0, 1, 1, 0),
    "a quarter to the right": (0, 1, -1, 0),
    "a quarter to the left": (0, -1, 1, 0),
    "transposed over the other diagonal": (0, -1, -1, 0),
}


def matrix(way: tuple[int, int, int, int], scale: float = 1.0) -> list[int]:
    """The nine numbers of ISO/IEC 14496-12, 6.2.2."""
    a, b, c, d = (round(65536 * scale * value) for value in way)
    return [a, b, 0, c, d, 0, 0, 0, 1 << 30]


def placed(image: np.ndarray, way: tuple[int, int, int, int]) -> np.ndarray:
    """The oracle: every pixel is put where the matrix says."""
    a, b, c, d = way
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width]
    right = a * x + c * y
    down = b * x + d * y
    right -= right.min()
    down -= down.min()
    out = np.zeros((down.max() + 1, right.max() + 1, 3), np.uint8)
    out[down, right] = image
    return out


def with_message(path, frames, way):
    """H.264 whose keyframes say how the film lies (ITU-T H.264, D.2.27: flipped first, then turned)."""
    turns = {
        "upright": {},
        "mirrored": {"flip": "horizontal"},
        "flipped": {"flip": "vertical"},
        "half a turn": {"rotate": "180"},
        "transposed": {"rotate": "90", "flip": "horizontal"},
        "a quarter to the right": {"rotate": "-90"},
        "a quarter to the left": {"rotate": "90"},
        "transposed over the other diagonal": {"rotate": "-90", "flip": "horizontal"},
    }[way]
    plain = write_video(path.with_name("plain" + path.suffix), frames)
    options = ":".join(["display_orientation=insert", *(f"{name}={value}" for name, value in turns.items())])
    with av.open(str(plain)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        change = av.bitstream.BitStreamFilterContext(f"h264_metadata={options}", source.streams.video[0])
        number = 0
        for packet in source.demux(video=0):
            for changed in change.filter(packet if packet.size else None):
                changed.stream = stream
                if changed.pts is None:
                    changed.pts = changed.dts = number
                    changed.time_base = Fraction(1, 25)
                number += 1
                target.mux(changed)
    return path


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.3gp", "a.mkv"])
def test_a_container_s_matrix_is_obeyed(tmp_path, random, name, way):
    frames = moving(3, random, 48, 64)
    plain = read_frames(write_video(tmp_path / f"plain{name[1:]}", frames), 3).images
    for scale in (1.0, 0.5):
        path = write_video(tmp_path / name, frames, matrix=matrix(WAYS[way], scale))
        for one, two in zip(plain, read_frames(path, 3).images, strict=True):
            np.testing.assert_array_equal(placed(one, WAYS[way]), two)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["a.ts", "a.h264", "a.flv", "a.avi"])
def test_a_stream_s_own_word_is_obeyed(tmp_path, random, name, way):
    frames = moving(3, random, 48, 64)
    path = with_message(tmp_path / name, frames, way)
    plain = read_frames(tmp_path / f"plain{path.suffix}", 3).images
    for one, two in zip(plain, read_frames(path, 3).images, strict=True):
        np.testing.assert_array_equal(placed(one, WAYS[way]), two)


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (6, -1), (3, 2), (8, 1)])
@pytest.mark.parametrize("name", ["a.avi", "a.mkv", "a.mov"])
def test_motion_jpeg_of_a_camera_is_turned(tmp_path, random, name, orientation, turns):
    """Its frames carry EXIF data."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = moving(1, random, 48, 64)[0]
    data = io.BytesIO()
    Image.fromarray(image).save(data, "JPEG", exif=exif, quality=95, subsampling=0)
    path = tmp_path / name
    with av.open(str(path), "w") as target:
        stream = target.add_stream("mjpeg", rate=25)
        stream.height, stream.width = image.shape[:2]
        stream.pix_fmt = "yuvj444p"
        stream.codec_context.open()
        for number in range(5):
            packet = av.Packet(data.getvalue())
            packet.stream = stream
            packet.pts = packet.dts = number
            packet.time_base = Fraction(1, 25)
            packet.is_keyframe = True
            target.mux(packet)
    sample = read_frames(path, 3)
    assert sample.total == 5 and not sample.problem
    assert np.abs(sample.images[0].astype(int) - np.rot90(image, turns)).mean() < 12
