"""Tar files of images: written once, the same bytes each time; read in any order."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from semdf.artifacts import writing
from semdf.errors import DataError, MissingError, ParameterError
from semdf.storage.paths import below
from semdf.storage.pictures import allow, plain_jpeg

__all__ = [
    "BLOCK",
    "FORMATS",
    "Extent",
    "Header",
    "ShardReader",
    "ShardWriter",
    "decode_image",
    "decode_png",
    "describe_header",
    "encode_image",
    "encode_png",
    "read_image",
    "read_member",
]

#: Larger pictures are not decoded, pixels (ours); no crop is that large.
LARGEST = 100_000_000
#: A tar is made of blocks of so many bytes; a header is one, the data of a member are filled up to whole ones.
BLOCK = 512
#: The end of a tar: a block of zeros where a header would be.
_END = bytes(BLOCK)
#: Places of fields in a header (POSIX.1-1988, ustar).
_NAME = slice(0, 100)
_SIZE = slice(124, 135)
_TYPE = slice(156, 157)
_MAGIC = slice(257, 262)
_PREFIX = slice(345, 346)
#: How pictures are stored, and the ending of their names.
FORMATS = {"png": ".png", "jpeg": ".jpg"}


def encode_png(image: np.ndarray) -> bytes:
    """The PNG of an image `[H, W, 3]` (RGB) or `[H, W]`, uint8.

    It is packed quickly rather than tightly. Photographs are stored as differences to the row above, maps of labels as
    they are.
    """
    row = cv2.IMWRITE_PNG_FILTER_UP if image.ndim == 3 else cv2.IMWRITE_PNG_FILTER_NONE
    return _encode(image, ".png", [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, row])


def encode_image(image: np.ndarray, kind: str = "png", quality: int = 95) -> bytes:
    """The file of an image `[H, W, 3]` (RGB) or `[H, W]`, uint8.

    Args:
        image: The image.
        kind: Of `FORMATS`. The colours of a JPEG keep the full resolution (4:4:4).
        quality: Of a JPEG, 1 to 100.

    Raises:
        ParameterError: Another kind or quality.
        DataError: The image has another form.
    """
    if kind not in FORMATS:
        raise ParameterError(f"format must be {' or '.join(FORMATS)}, found {kind!r}")
    if not 1 <= quality <= 100:
        raise ParameterError(f"quality must be 1 to 100, found {quality}")
    if kind == "png":
        return encode_png(image)
    colours = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    return _encode(image, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality, *colours])


def _encode(image: np.ndarray, suffix: str, options: list[int]) -> bytes:
    bgr = image[:, :, ::-1] if image.ndim == 3 else image
    ok, data = cv2.imencode(suffix, np.ascontiguousarray(bgr), options)
    if not ok:
        raise DataError(f"image: must be [H, W, 3] or [H, W] uint8, found {image.shape} {image.dtype}")
    return data.tobytes()


def decode_image(data: bytes, name: str = "picture") -> np.ndarray:
    """The image of a PNG or JPEG: `[H, W, 3]` uint8 (RGB) or `[H, W]` uint8.

    Args:
        data: The file's bytes.
        name: Of the picture, for messages.

    Raises:
        DataError: The bytes are no such picture, or it has more than `LARGEST` pixels.
    """
    if not data.startswith((b"\x89PNG", b"\xff\xd8")):
        raise DataError(f"{name}: must be a PNG or JPEG, found {len(data)} bytes that are none")
    image = None
    with suppress(cv2.error):  # OpenCV raises for some kinds of damage and returns None for others
        if plain_jpeg(data, LARGEST):
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
            if image is not None:
                return image
    allow(data, name, LARGEST)
    with suppress(cv2.error):
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise DataError(f"{name}: must be a PNG or JPEG, found one that cannot be decoded")
    if image.dtype != np.uint8 or image.shape[2:] not in ((), (3,)):
        raise DataError(f"{name}: must be [H, W, 3] or [H, W] uint8, found {image.shape} {image.dtype}")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB) if image.ndim == 3 else image


decode_png = decode_image


class Extent(NamedTuple):
    """Where a member lies in its tar, bytes."""

    offset: int
    size: int


class ShardWriter:
    """Writes members to a tar in the order given; the file appears under its name only when complete.

    Members carry no time, owner or mode of this machine, so equal members make equal bytes.

    Raises:
        WriteError: The disk is full, or writing is not allowed.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._partial = self.path.with_name(f"{self.path.name}.{os.getpid()}.partial")
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._tar = tarfile.open(  # noqa: SIM115  # `__exit__` closes it
                self._partial, "w", format=tarfile.PAX_FORMAT
            )

    def __repr__(self) -> str:
        return f"ShardWriter({self.path.name!r})"

    def add(self, member: str, data: bytes) -> None:
        """Append one member."""
        info = tarfile.TarInfo(member)
        info.size = len(data)
        info.mode = 0o644
        with writing(self.path):
            self._tar.addfile(info, io.BytesIO(data))

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        with writing(self.path):
            try:
                if kind is None:
                    self._tar.close()
                    os.replace(self._partial, self.path)
            finally:
                with suppress(OSError):  # closing writes what is left, which fails where the disk is full
                    self._tar.fileobj.close()
                self._partial.unlink(missing_ok=True)


class _Handle(NamedTuple):
    """An open file: the process that opened it, and its descriptor."""

    process: int
    file: int


class ShardReader:
    """Random access to the members of a tar.

    The index is read once. Several threads may read, and so may processes that were forked.

    Raises:
        MissingError: There is no such file.
        DataError: It is no tar, or its headers contradict its size.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise MissingError(f"shard: a tar file must be at {self.path}, found none")
        try:
            self._index = _index(self.path)
        except (tarfile.TarError, ValueError, OverflowError, OSError) as error:
            raise DataError(f"shard: {self.path} must be a tar file: {error}") from error
        self._handle: _Handle | None = None

    def __repr__(self) -> str:
        return f"ShardReader({self.path.name!r}, {len(self)} members)"

    def __len__(self) -> int:
        return len(self._index)

    def __contains__(self, member: str) -> bool:
        return member in self._index

    @property
    def members(self) -> tuple[str, ...]:
        """The names, in the order of the file."""
        return tuple(self._index)

    def extents(self, members: Sequence[str]) -> np.ndarray:
        """Where some members lie: offset and size `[n, 2] int64` of each, bytes.

        Raises:
            MissingError: There is no member of one of these names.
        """
        try:
            found = [self._index[member] for member in members]
        except KeyError as error:
            others = len(self)
            raise MissingError(f"{self.path}: must have a member {error.args[0]!r}, found {others} others") from None
        numbers = np.fromiter(chain.from_iterable(found), np.int64, 2 * len(found))
        return numbers.reshape(-1, 2)

    def read(self, member: str) -> bytes:
        """The bytes of one member.

        Raises:
            MissingError: There is no member of that name.
        """
        ((offset, size),) = self.extents([member]).tolist()
        if self._handle is None or self._handle.process != os.getpid():
            self._handle = _Handle(os.getpid(), os.open(self.path, os.O_RDONLY))
        return os.pread(self._handle.file, size, offset)

    def image(self, member: str) -> np.ndarray:
        """One member decoded."""
        return decode_image(self.read(member), f"{self.path}, {member}")

    def close(self) -> None:
        """Close the file; a later read opens it again."""
        if self._handle is not None and self._handle.process == os.getpid():
            os.close(self._handle.file)
        self._handle = None

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            self.close()

    def __getstate__(self) -> dict:
        return {"path": self.path, "_index": self._index, "_handle": None}


def _index(path: Path) -> dict[str, Extent]:
    """Where every member that is a plain file lies.

    Raises:
        ValueError: A member does not lie in the file, or not after the one before it: a header may claim any size.
    """
    quick = _index_of_plain(path)
    if quick is not None:
        return quick
    index: dict[str, Extent] = {}
    whole = path.stat().st_size
    last = 0  # where the data of the member before begin
    with tarfile.open(path, "r:") as tar:
        for info in tar:
            stored = info.size if info.isfile() else 0
            if info.size < 0 or info.offset_data < last or info.offset_data + stored > whole:
                raise ValueError(f"member {info.name!r} does not lie in the file")
            last = info.offset_data
            if info.isfile():
                index[info.name] = Extent(info.offset_data, info.size)
    return index


def _index_of_plain(path: Path) -> dict[str, Extent] | None:
    """The index of a tar whose members are plain files of short names; None for any other, and for a damaged one.

    It does what `tarfile` does, in a tenth of the time: training asks for a million members when it starts. Whatever is
    not as `ShardWriter` writes it is left to `tarfile`, and so are the errors.
    """
    index: dict[str, Extent] = {}
    with path.open("rb", buffering=0) as file:
        number = file.fileno()
        whole = os.fstat(number).st_size
        place = 0
        while True:
            block = os.pread(number, BLOCK, place)
            if block == _END:
                return index
            header = describe_header(block)
            if header is None or not header.plain:
                return None
            place += BLOCK
            if place + header.size > whole:
                return None
            index[header.name] = Extent(place, header.size)
            place += -(-header.size // BLOCK) * BLOCK


class Header(NamedTuple):
    """What the header of a member says.

    Attributes:
        name: Of the member; cut short or changed unless it is `plain`.
        size: Of its data, bytes.
        plain: Whether the member is a file whose whole name stands in this header.
    """

    name: str
    size: int
    plain: bool


def describe_header(block: bytes) -> Header | None:
    """What a block of a tar says if it is the header of a member; else None."""
    if len(block) < BLOCK or block[_MAGIC] != b"ustar":
        return None
    octal = block[_SIZE]
    if octal.strip(b"01234567"):
        return None
    name = block[_NAME].rstrip(b"\0")
    plain = block[_TYPE] == b"0" and block[_PREFIX] == b"\0" and name.isascii() and b"\0" not in name
    return Header(name.decode(errors="replace"), int(octal, 8), plain)


@lru_cache(maxsize=64)
def _reader(path: Path, _size: int, _changed: int) -> ShardReader:
    """The reader of a tar. Size and time of change belong to the cache's key, so that a new tar is read anew."""
    return ShardReader(path)


def _open(root: Path, shard: str) -> ShardReader:
    """The reader of the tar `root/shard`, kept from the last call if the tar is the same."""
    path = below(root, shard, "shard")
    try:
        state = path.stat()
    except OSError as error:  # not there, or a name that is too long for one
        raise MissingError(f"shard: a tar file must be at {path}, found none: {error.strerror}") from error
    return _reader(path, state.st_size, state.st_mtime_ns)


def read_member(root: Path, shard: str, member: str) -> bytes:
    """The bytes of one member of the tar `root/shard`; the tar's index is kept for the next call.

    Raises:
        MissingError: There is no such tar or member.
        DataError: `shard` or a link on its way leads out of `root`, or the tar is none.
    """
    return _open(root, shard).read(member)


def read_image(root: Path, shard: str, member: str) -> np.ndarray:
    """One image of the tar `root/shard`: `[H, W, 3]` uint8 sRGB, or `[H, W]` uint8."""
    return _open(root, shard).image(member)
