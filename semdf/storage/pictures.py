"""What the bytes of a picture tell before it is decoded: its kind, how many pixels it has, whether it is whole."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from semdf.errors import DataError

__all__ = ["PICTURES", "allow", "ended", "kind", "plain_jpeg", "with_pillow"]

#: Endings of picture files, in lower case.
PICTURES = (
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".png",
    ".bmp",
    ".webp",
    ".tif",
    ".tiff",
    ".gif",
    ".avif",
    ".heic",
    ".heif",
)
#: Kinds of pictures by how their bytes start.
STARTS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"GIF8": "GIF",
}
#: Kinds of pictures in an ISO base media file by the brand there, bytes 8 to 12. Other brands are films.
BRANDS = {b"avif": "AVIF", b"mif1": "HEIC", b"heic": "HEIC", b"heix": "HEIC", b"heim": "HEIC", b"heis": "HEIC"}
#: A marker of a JPEG: within a scan, a byte 255 stands for itself before 0 and for a mere restart before 208 to 215.
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])", re.DOTALL)
#: Markers of a JPEG: its end, and the two kinds that have no data behind them.
_JPEG_END = b"\xd9"
_WITHOUT_DATA = b"\x01\xd8"
#: Segments that usually stand before the frame of a JPEG: tables, the restart interval, applications' data, comments.
_BEFORE_FRAME = frozenset((0xC4, 0xDB, 0xDD, *range(0xE0, 0xF0), 0xFE))
#: Tags of a TIFF (its specification, 6.0).
_WIDTH = 256
_HEIGHT = 257
_BITS = 258
_FORMAT = 339


def kind(head: bytes) -> str:
    """The kind of picture, told by the first 16 bytes; "" for none that is known."""
    for start, name in STARTS.items():
        if head.startswith(start):
            return name
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WebP"
    return BRANDS.get(head[8:12], "") if head[4:8] == b"ftyp" else ""


def allow(data: bytes, name: str, most: int) -> None:
    """Do nothing if a picture has at most `most` pixels, of samples that can be shown.

    A picture of a kind whose header Pillow does not know is refused: OpenCV would decode some such kinds, whatever
    their size.

    Raises:
        DataError: There are more, the header is of no known kind, or the package that reads the kind is not there.
    """
    if kind(data[:16]) == "HEIC":
        _learn_heic(name)
    found = _header(data)
    if found is None:
        raise DataError(f"{name}: must be a picture with a header that Pillow can read, found another or damaged one")
    if found.pixels > most:
        raise DataError(f"{name}: a picture must have at most {most} pixels, the limit set, found {found.pixels}")
    if found.samples:
        raise DataError(f"{name}: samples of a picture must be whole numbers of 1 to 16 bits, found {found.samples}")


def plain_jpeg(data: bytes, most: int) -> bool:
    """Whether the header is that of a JPEG of three components, 8 bits each, and of at most `most` pixels.

    For other pictures, and for damaged ones, ask `allow`, which is slower and says what is wrong.
    """
    if not data.startswith(b"\xff\xd8"):
        return False
    place = 2
    while place + 10 <= len(data) and data[place] == 255:
        code = data[place + 1]
        if 0xC0 <= code <= 0xC2:  # a frame in one of the usual codings (ITU-T T.81, B.2.2)
            height, width = struct.unpack_from(">HH", data, place + 5)
            return data[place + 4] == 8 and data[place + 9] == 3 and 0 < height * width <= most
        if code not in _BEFORE_FRAME:
            return False
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return False


def ended(data: bytes) -> bool:
    """Whether a JPEG, PNG, WebP or BMP has its end; True for other kinds, which are known only when decoded.

    What follows the end, such as the video of a phone's moving photograph, does not count.
    """
    found = kind(data[:16])
    if found == "JPEG":
        return _jpeg_ended(data)
    if found == "PNG":
        return _png_ended(data)
    if found == "WebP":
        return int.from_bytes(data[4:8], "little") + 8 <= len(data)
    if found == "BMP":
        return int.from_bytes(data[2:6], "little") <= len(data)
    return True


def _jpeg_ended(jpeg: bytes) -> bool:
    """Whether the end of the image comes where the segments lead; a thumbnail's own end lies within one of them."""
    place = 2
    while marker := _MARKER.search(jpeg, place):
        code = marker[1]
        place = marker.end()
        if code == _JPEG_END:
            return True
        if code not in _WITHOUT_DATA:  # the others tell their length
            place += int.from_bytes(jpeg[place : place + 2], "big")
    return False


def _png_ended(png: bytes) -> bool:
    place = 8
    while png[place + 4 : place + 8] != b"IEND":  # length, kind, content, checksum
        if place >= len(png):
            return False
        place += 12 + int.from_bytes(png[place : place + 4], "big")
    return True


@contextmanager
def with_pillow(data: bytes) -> Iterator[Any]:
    """The picture, opened by Pillow, whatever its size: only the limit of `allow` counts."""
    from PIL import Image

    usual = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        with Image.open(io.BytesIO(data)) as picture:
            yield picture
    finally:
        Image.MAX_IMAGE_PIXELS = usual


def _learn_heic(name: str) -> None:
    """Teach Pillow to read HEIC, whose tiles FFmpeg takes for films of their own.

    Raises:
        DataError: The package that does so is not there.
    """
    try:
        from pi_heif import register_heif_opener
    except ImportError as error:
        why = "reading a HEIC must have the package pi-heif (pip install 'semdf[heic]'), found none"
        raise DataError(f"{name}: {why}") from error
    register_heif_opener(thumbnails=False)


class _Header(NamedTuple):
    """The number of pixels, and what is odd about their samples, "" if nothing."""

    pixels: int
    samples: str


def _header(data: bytes) -> _Header | None:
    """What the header says; None for no header that Pillow knows."""
    try:
        if kind(data[:16]) == "TIFF":
            return _tiff(data)
        with with_pillow(data) as picture:
            return _Header(picture.width * picture.height, "")
    except Exception:  # Pillow raises many kinds for damaged headers
        return None


def _tiff(data: bytes) -> _Header:
    """The header of a TIFF, of kinds of samples, too, for which Pillow has no mode."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    file = io.BytesIO(data)
    tags = ImageFileDirectory_v2(file.read(16 if b"+" in data[2:4] else 8))
    file.seek(tags.next)
    tags.load(file)
    bits = max(tags.get(_BITS, (1,)))
    formats = set(tags.get(_FORMAT, (1,))) - {4}  # 4: not said
    samples = ""
    if formats - {1}:
        names = {2: "signed numbers", 3: "floating point numbers"}
        samples = f"{names.get(max(formats), 'complex numbers')} of {bits} bits"
    elif bits > 16:
        samples = f"{bits} bits"
    return _Header(tags[_WIDTH] * tags[_HEIGHT], samples)
