"""Colours and the shape of pixels: what a player for sRGB shows of HLG, PQ, wide gamuts and profiles."""

import io
from fractions import Fraction

import cv2
import numpy as np
import pytest
from _media import moving, write_video
from PIL import Image, ImageCms

from semdf.extraction.video import read_frames
from semdf.storage.tars import encode_png

#: ITU-R BT.2087: linear light of BT.709 in the primaries of BT.2020; and of P3-D65, from SMPTE EG 432-1.
IN_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
IN_P3 = np.array([[0.8225, 0.1774, 0.0], [0.0332, 0.9669, 0.0], [0.0171, 0.0724, 0.9108]])
#: Numbers of ITU-T H.273.
BT709, BT2020, P3, PQ, HLG = 1, 9, 12, 16, 18
COLOURS = [(224, 172, 140), (128, 128, 128), (40, 30, 20), (250, 250, 250), (90, 60, 50)]


def linear(colour) -> np.ndarray:
    value = np.asarray(colour) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def hlg(light: np.ndarray) -> np.ndarray:
    """ITU-R BT.2100, table 5, for a display of 1000 cd/m2; white is shown at 203 (ITU-R BT.2408)."""
    shown = light * 203 / 1000
    scene = shown * (shown @ np.array([0.2627, 0.6780, 0.0593])) ** (1 / 1.2 - 1)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)


def pq(light: np.ndarray) -> np.ndarray:
    """ITU-R BT.2100, table 4; white is shown at 203 cd/m2 (ITU-R BT.2408)."""
    y = (light * 203 / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375


def plain(light: np.ndarray) -> np.ndarray:
    """The curve of sRGB."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def film(path, signal, codec, primaries, curve, matrix):
    """Three frames of one colour, whose numbers are `signal`, coded as 10 bits YCbCr by `matrix`."""
    red, blue = {BT709: (0.2126, 0.0722), BT2020: (0.2627, 0.0593)}[matrix]
    y = red * signal[0] + (1 - red - blue) * signal[1] + blue * signal[2]
    cb = (signal[2] - y) / (2 - 2 * blue)
    cr = (signal[0] - y) / (2 - 2 * red)
    planes = [round(64 + 876 * y), round(512 + 896 * cb), round(512 + 896 * cr)]
    image = np.concatenate(
        [np.full(size, level, np.uint16) for size, level in zip((4096, 1024, 1024), planes, strict=True)]
    )
    colours = {"color_primaries": primaries, "color_trc": curve, "colorspace": matrix, "color_range": 1}
    options = {"x265-params": "log-level=none:keyint=1"} if codec == "libx265" else {}
    frames = [image.reshape(96, 64)] * 3
    return write_video(path, frames, False, codec, options, "yuv420p10le", colours=colours)


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov"])
@pytest.mark.parametrize(("curve", "number"), [(hlg, HLG), (pq, PQ)])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_hdr_is_shown_as_sdr(tmp_path, codec, curve, number, name, colour):
    path = film(tmp_path / name, curve(IN_2020 @ linear(colour)), codec, BT2020, number, BT2020)
    sample = read_frames(path, 1)
    assert not sample.problem
    np.testing.assert_allclose(sample.images[0][20, 20], colour, atol=5)


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize(("gamut", "primaries", "matrix"), [(IN_2020, BT2020, BT2020), (IN_P3, P3, BT709)])
def test_wide_gamuts_become_srgb(tmp_path, gamut, primaries, matrix, colour):
    path = film(tmp_path / "a.mp4", plain(gamut @ linear(colour)), "libx264", primaries, 13, matrix)
    np.testing.assert_allclose(read_frames(path, 1).images[0][20, 20], colour, atol=5)


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("curve", [1, 2, 4, 6, 13])
def test_usual_curves_are_left_alone(tmp_path, curve, colour):
    path = film(tmp_path / "a.mp4", np.asarray(colour) / 255, "libx264", BT709, curve, BT709)
    np.testing.assert_allclose(read_frames(path, 1).images[0][20, 20], colour, atol=2)


def picture(image, form, profile) -> bytes:
    data = io.BytesIO()
    Image.fromarray(image).save(data, form, icc_profile=profile, **({"quality": 100} if form == "JPEG" else {}))
    return data.getvalue()


def p3_profile() -> bytes:
    """Display P3, made of that of sRGB by other primaries (ICC.1, 9.2: XYZ of D50 in 16.16)."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    primaries = {
        b"rXYZ": (0.51512, 0.24120, -0.00105),
        b"gXYZ": (0.29198, 0.69225, 0.04189),
        b"bXYZ": (0.15710, 0.06657, 0.78407),
    }
    for number in range(int.from_bytes(data[128:132], "big")):
        place = 132 + 12 * number
        values = primaries.get(bytes(data[place : place + 4]))
        if values:
            offset = int.from_bytes(data[place + 4 : place + 8], "big") + 8
            data[offset : offset + 12] = np.round(np.array(values) * 65536).astype(">i4").tobytes()
    return bytes(data)


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize(("name", "form"), [("a.png", "PNG"), ("a.jpg", "JPEG"), ("a.webp", "WEBP"), ("a.tif", "TIFF")])
def test_profiles_of_pictures_are_obeyed(tmp_path, name, form, colour):
    stored = np.round(plain(IN_P3 @ linear(colour)) * 255).astype(np.uint8)
    image = np.broadcast_to(stored, (40, 50, 3)).copy()
    (tmp_path / name).write_bytes(picture(image, form, p3_profile()))
    np.testing.assert_allclose(read_frames(tmp_path / name, 1).images[0][20, 20], colour, atol=5)


def test_a_profile_of_srgb_or_none_changes_nothing(tmp_path, random):
    image = random.integers(0, 255, (40, 50, 3), dtype=np.uint8)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb, b"no profile at all", None):
        (tmp_path / "a.png").write_bytes(picture(image, "PNG", profile))
        np.testing.assert_array_equal(read_frames(tmp_path / "a.png", 1).images[0], image)
    (tmp_path / "a.png").write_bytes(encode_png(image))
    np.testing.assert_array_equal(read_frames(tmp_path / "a.png", 1).images[0], image)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi", "a.mov"])
@pytest.mark.parametrize("aspect", [Fraction(4, 3), Fraction(16, 11), Fraction(8, 9), Fraction(2, 3)])
def test_pixels_become_square(tmp_path, random, name, aspect):
    """The shorter side grows; a circle is a circle."""
    image = np.full((96, 128, 3), 40, np.uint8)
    cv2.ellipse(
        image,
        (64, 48),
        (round(30 / float(aspect) ** 0.5), round(30 * float(aspect) ** 0.5)),
        0,
        0,
        360,
        (220, 220, 220),
        -1,
    )
    sample = read_frames(write_video(tmp_path / name, [image] * 3, aspect=aspect), 1)
    height, width = sample.images[0].shape[:2]
    assert (width, height) == ((round(128 * aspect), 96) if aspect > 1 else (128, round(96 / aspect)))
    disc = sample.images[0][:, :, 0] > 130
    assert abs(disc.any(0).sum() - disc.any(1).sum()) <= 3


def test_square_pixels_are_left_alone(tmp_path, random):
    frames = moving(3, random)
    one = read_frames(write_video(tmp_path / "a.mp4", frames), 3)
    two = read_frames(write_video(tmp_path / "b.mp4", frames, aspect=Fraction(1)), 3)
    for left, right in zip(one.images, two.images, strict=True):
        np.testing.assert_array_equal(left, right)
