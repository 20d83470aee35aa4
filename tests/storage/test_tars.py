"""Reading pictures and tars the quick way gives what the careful way gives, and leaves to it whatever is unusual."""

import io
import tarfile

import cv2
import numpy as np
import pytest
from PIL import Image

from semdf.errors import DataError
from semdf.storage.pictures import plain_jpeg
from semdf.storage.tars import ShardReader, ShardWriter, decode_image, encode_image

LIMIT = 10**6


def photograph() -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return cv2.resize(coarse, (145, 101), interpolation=cv2.INTER_CUBIC)


def jpeg(mode: str = "RGB", turned: int = 1, **settings) -> bytes:
    exif = Image.Exif()
    exif[274] = turned
    file = io.BytesIO()
    Image.fromarray(photograph()).convert(mode).save(file, "JPEG", exif=exif, **settings)
    return file.getvalue()


@pytest.mark.parametrize("turned", [1, 6])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_a_jpeg_decodes_to_the_same_pixels_in_rgb(subsampling, progressive, turned):
    data = jpeg(subsampling=subsampling, progressive=progressive, quality=80, turned=turned)
    assert plain_jpeg(data, LIMIT)
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(decode_image(data), bgr[:, :, ::-1])


def test_unusual_jpegs_are_left_to_the_careful_way():
    assert not plain_jpeg(jpeg("L"), LIMIT) and decode_image(jpeg("L")).ndim == 2
    assert not plain_jpeg(jpeg("CMYK"), LIMIT)
    assert not plain_jpeg(jpeg(), 145 * 101 - 1)
    assert not plain_jpeg(jpeg()[:40], LIMIT) and not plain_jpeg(encode_image(photograph()), LIMIT)
    hidden = b"\xff\xd8\xff\xd0\xff\xc0\x00\x11\x08\x00\x10\x00\x10\x03" + bytes(
        20
    )  # a marker without data comes first
    assert not plain_jpeg(hidden, LIMIT)
    with pytest.raises(DataError, match="cannot be decoded|damaged one"):
        decode_image(jpeg()[:700])


def plain_index(path) -> dict:
    """Name -> bytes, as `tarfile` reads them."""
    with tarfile.open(path, "r:") as tar:
        return {info.name: tar.extractfile(info).read() for info in tar if info.isfile()}


@pytest.mark.parametrize("names", [["a", "b/c.png"], ["ä.png", "b"], ["x" * 120, "y"], ["d/" * 60 + "z", "y"]])
def test_members_are_found_where_tarfile_finds_them(tmp_path, names):
    path = tmp_path / "a.tar"
    with ShardWriter(path) as tar:
        for number, name in enumerate(names):
            tar.add(name, bytes([number]) * (700 * number + 512))
    reader = ShardReader(path)
    assert {name: reader.read(name) for name in reader.members} == plain_index(path)
    assert list(reader.members) == names


def test_a_tar_of_another_hand_is_read(tmp_path):
    """Folders, links and the format of GNU are none of ours."""
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        folder = tarfile.TarInfo("d")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name in ("d/a", "e" * 130):
            info = tarfile.TarInfo(name)
            info.size = 3
            tar.addfile(info, io.BytesIO(b"abc"))
    reader = ShardReader(path)
    assert {name: reader.read(name) for name in reader.members} == plain_index(path)
