"""Pictures by their bytes: tiles joined, any ending, and messages that name the rule that was broken."""

import io
import sys

import cv2
import numpy as np
import pytest
from _films import heic_of_tiles
from _media import moving, write_video
from PIL import Image

from semdf.errors import DataError
from semdf.extraction.video import Limits, flaw, read_frames
from semdf.storage.tars import encode_png

COLOURS = [[(200, 40, 40), (40, 200, 40), (90, 10, 200)], [(40, 40, 200), (200, 200, 40), (10, 90, 90)]]


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    """Two rows of three tiles, 64 pixels each."""
    folder = tmp_path_factory.mktemp("tiles")
    options = {"x265-params": "log-level=none:keyint=1"}

    def tile(row, column):
        image = np.full((64, 64, 3), COLOURS[row][column], np.uint8)
        return write_video(folder / f"{row}{column}.mp4", [image], False, "libx265", options)

    return [[tile(row, column) for column in range(3)] for row in range(2)]


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("name", ["a.heic", "a.HEIF", "a.jpg", "a.mp4", "a"])
def test_tiles_are_joined_and_turned(tmp_path, tiles, name, turns):
    pytest.importorskip("pi_heif", reason="reads HEIC")
    path = tmp_path / name
    path.write_bytes(heic_of_tiles(tiles, 64, turns))
    image = np.rot90(read_frames(path, 4).images[0], -turns)
    assert image.shape == (128, 192, 3) and not flaw(path)
    found = [[image[32 + 64 * row, 32 + 64 * column] for column in range(3)] for row in range(2)]
    np.testing.assert_allclose(found, COLOURS, atol=4)
    with pytest.raises(DataError, match=f"at most {128 * 192 - 1} pixels, the limit set, found {128 * 192}"):
        read_frames(path, 1, Limits(128 * 192 - 1))


def test_half_a_heic_is_refused(tmp_path, tiles):
    pytest.importorskip("pi_heif", reason="reads HEIC")
    data = heic_of_tiles(tiles, 64)
    for share in (0.3, 0.6, 0.95):
        (tmp_path / "a.heic").write_bytes(data[: int(share * len(data))])
        for read in (flaw, lambda path: read_frames(path, 1)):
            with pytest.raises(DataError, match="a.heic: must be a"):
                read(tmp_path / "a.heic")


def test_without_its_package_a_heic_says_what_to_install(tmp_path, tiles, monkeypatch):
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    (tmp_path / "a.heic").write_bytes(heic_of_tiles(tiles, 64))
    with pytest.raises(DataError, match=r"a.heic: reading a HEIC must have the package pi-heif .*semdf\[heic\]"):
        read_frames(tmp_path / "a.heic", 1)


def picture(image, form, **options) -> bytes:
    data = io.BytesIO()
    Image.fromarray(image).save(data, form, **options)
    return data.getvalue()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "WEBP", "TIFF", "AVIF", "GIF"])
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.jfif", "a.jpeg_large", "a.mp4", "a"])
def test_the_bytes_tell_a_picture_from_a_video(tmp_path, random, form, name):
    image = cv2.GaussianBlur(random.integers(0, 255, (40, 60, 3), dtype=np.uint8), (0, 0), 4)
    (tmp_path / name).write_bytes(picture(image, form))
    sample = read_frames(tmp_path / name, 32)
    assert sample.indices == [0] and sample.total == 1 and not sample.problem
    assert np.abs(sample.images[0].astype(int) - image).mean() < 4
    assert not flaw(tmp_path / name)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("share", [0.4, 0.7, 0.97])
def test_half_a_picture_is_refused(tmp_path, random, form, share):
    data = picture(random.integers(0, 255, (90, 120, 3), dtype=np.uint8), form)
    (tmp_path / "a").write_bytes(data[: int(share * len(data))])
    for read in (flaw, lambda path: read_frames(path, 1)):
        with pytest.raises(DataError, match="a: must be a"):
            read(tmp_path / "a")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_avif_lies_as_it_says(tmp_path, random, orientation):
    image = cv2.GaussianBlur(random.integers(0, 255, (40, 60, 3), dtype=np.uint8), (0, 0), 4)
    for name, form in (("a.avif", "AVIF"), ("a.png", "PNG")):
        exif = Image.Exif()  # Pillow takes the orientation out of it when it writes an AVIF
        exif[0x0112] = orientation
        (tmp_path / name).write_bytes(picture(image, form, exif=exif))
    one = read_frames(tmp_path / "a.avif", 1).images[0]
    two = read_frames(tmp_path / "a.png", 1).images[0]
    assert one.shape == two.shape and np.abs(one.astype(int) - two).mean() < 4


@pytest.mark.parametrize(
    ("kind", "shape", "found"),
    [
        (np.float32, (20, 30), "floating point numbers of 32 bits"),
        (np.float32, (20, 30, 3), "floating point numbers of 32 bits"),
        (np.float64, (20, 30, 3), "floating point numbers of 64 bits"),
        (np.int32, (20, 30), "signed numbers of 32 bits"),
    ],
)
def test_samples_that_cannot_be_shown_are_named(tmp_path, random, kind, shape, found):
    samples = (100 * random.random(shape)).astype(kind)
    plain = [cv2.IMWRITE_TIFF_COMPRESSION, 1]  # without it OpenCV 4 writes colours of 32 bits as their logarithms
    (tmp_path / "a.tif").write_bytes(cv2.imencode(".tif", samples, plain)[1].tobytes())
    for read in (flaw, lambda path: read_frames(path, 1)):
        with pytest.raises(DataError, match=f"a.tif: samples of a picture must be whole numbers .* found {found}"):
            read(tmp_path / "a.tif")


def test_a_message_names_the_rule_that_was_broken(tmp_path, random):
    film = write_video(tmp_path / "film.mp4", moving(3, random)).read_bytes()
    cases = {
        "film.jpg": (film, "must be a picture with a header that Pillow can read"),
        "text.webp": (b"no picture", "must be a picture with a header that Pillow can read"),
        "text.avi": (b"no film", "must be a video"),
        "picture.mp4": (encode_png(np.zeros((9, 9, 3), np.uint8))[:-9], "must be a whole picture"),
    }
    for name, (data, rule) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match=f"{name}: {rule}") as refused:
            read_frames(tmp_path / name, 1)
        assert "limit" not in str(refused.value)
