"""Tar files of images: written once, the same bytes each time; read in any order."""

from __future__ import annotations

import io
import os
import tarfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from semdf.artifacts import writing
from semdf.errors import DataError, MissingError, ParameterError
from semdf.storage.paths import below
from semdf.storage.pictures import allow

__all__ = [
    "FORMATS",
    "ShardReader",
    "ShardWriter",
    "decode_image",
    "decode_png",
    "encode_image",
    "encode_png",
    "read_image",
    "read_member",
]

#: Larger pictures are not decoded, pixels (ours): a crop is never as large.
LARGEST = 100_000_000
#: How pictures are stored, and the ending of their names.
FORMATS = {"png": ".png", "jpeg": ".jpg"}


def encode_png(image: np.ndarray) -> bytes:
    """The PNG of an image `[H, W, 3]` (RGB) or `[H, W]`, uint8.

    Quickly rather than tightly packed: differences to the row above for photographs, none for maps of labels.
    """
    row = cv2.IMWRITE_PNG_FILTER_UP if image.ndim == 3 else cv2.IMWRITE_PNG_FILTER_NONE
    return _encode(image, ".png", [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, row])


def encode_image(image: np.ndarray, kind: str = "png", quality: int = 95) -> bytes:
    """A file of an image `[H, W, 3]` (RGB) or `[H, W]`, uint8. kind: of `FORMATS`; quality: of a JPEG, 1 to 100; its
    colours keep the full resolution (4:4:4).
    """
    if kind not in FORMATS or not 1 <= quality <= 100:
        raise ParameterError(
            f"a picture is stored as {' or '.join(FORMATS)}, of quality 1 to 100. Found {kind!r}, {quality}."
        )
    if kind == "png":
        return encode_png(image)
    colours = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    return _encode(image, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality, *colours])


def _encode(image: np.ndarray, suffix: str, options: list[int]) -> bytes:
    bgr = image[:, :, ::-1] if image.ndim == 3 else image
    ok, data = cv2.imencode(suffix, np.ascontiguousarray(bgr), options)
    if not ok:
        raise DataError(f"image: expected [H, W, 3] or [H, W] uint8. Found {image.shape} {image.dtype}.")
    return data.tobytes()


def decode_image(data: bytes, name: str = "picture") -> np.ndarray:
    """The image of a PNG or JPEG: `[H, W, 3]` uint8 (RGB) or `[H, W]` uint8.

    Raises DataError, which names the picture, for other bytes and for more than `LARGEST` pixels.
    """
    if not data.startswith((b"\x89PNG", b"\xff\xd8")):
        raise DataError(f"{name}: expected a PNG or JPEG. Found {len(data)} bytes that are none.")
    allow(data, name, LARGEST)
    image = None
    with suppress(cv2.error):  # raised for damage that OpenCV does not foresee; else it gives None
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise DataError(f"{name}: expected a PNG or JPEG. Found one that cannot be decoded.")
    if image.dtype != np.uint8 or image.shape[2:] not in ((), (3,)):
        raise DataError(f"{name}: expected [H, W, 3] or [H, W] uint8. Found {image.shape} {image.dtype}.")
    return np.ascontiguousarray(image[:, :, ::-1]) if image.ndim == 3 else image


decode_png = decode_image


class ShardWriter:
    """Writes members to a tar in the order given; the file appears under its name only when complete.

    Members carry no time, owner or mode of this machine, so equal members make equal bytes.
    Raises WriteError where the disk is full or writing is not allowed.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._partial = self.path.with_name(f"{self.path.name}.{os.getpid()}.partial")
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._tar = tarfile.open(self._partial, "w", format=tarfile.PAX_FORMAT)

    def __repr__(self) -> str:
        return f"ShardWriter({self.path.name!r})"

    def add(self, member: str, data: bytes) -> None:
        """Append one member."""
        info = tarfile.TarInfo(member)
        info.size, info.mode = len(data), 0o644
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
                with suppress(OSError):  # what could not be written cannot always be closed either
                    self._tar.fileobj.close()
                self._partial.unlink(missing_ok=True)


class ShardReader:
    """Random access to the members of a tar. The index is read once; reading is safe from threads and
    forks.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise MissingError(f"shard: expected a tar file at {self.path}. Found none.")
        try:
            self._index = _index(self.path)
        except (tarfile.TarError, ValueError, OverflowError, OSError) as error:
            raise DataError(f"shard: expected a tar file. Found {self.path}: {error}.") from error
        self._handle: tuple[int, int] | None = None  # process, file descriptor

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

    def read(self, member: str) -> bytes:
        """The bytes of one member. Raises MissingError for an unknown name."""
        if member not in self._index:
            raise MissingError(f"{self.path}: expected a member {member!r}. Found {len(self)} others.")
        if self._handle is None or self._handle[0] != os.getpid():
            self._handle = (os.getpid(), os.open(self.path, os.O_RDONLY))
        offset, size = self._index[member]
        return os.pread(self._handle[1], size, offset)

    def image(self, member: str) -> np.ndarray:
        """One member decoded."""
        return decode_image(self.read(member), f"{self.path}, {member}")

    def close(self) -> None:
        """Close the file; a later read opens it again."""
        if self._handle is not None and self._handle[0] == os.getpid():
            os.close(self._handle[1])
        self._handle = None

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            self.close()

    def __getstate__(self) -> dict:
        return {"path": self.path, "_index": self._index, "_handle": None}


def _index(path: Path) -> dict[str, tuple[int, int]]:
    """Offset and size of every member that is a plain file. Raises ValueError where one does not lie in the file, or
    not after the one before it: sizes in a header may be anything.
    """
    index: dict[str, tuple[int, int]] = {}
    whole, end = path.stat().st_size, 0
    with tarfile.open(path, "r:") as tar:
        for info in tar:
            if info.size < 0 or info.offset_data < end or info.offset_data + info.size * info.isfile() > whole:
                raise ValueError(f"member {info.name!r} does not lie in the file")
            end = info.offset_data
            if info.isfile():
                index[info.name] = info.offset_data, info.size
    return index


@lru_cache(maxsize=64)
def _reader(path: Path, size: int, changed: int) -> ShardReader:
    return ShardReader(path)


def _open(root: Path, shard: str) -> ShardReader:
    path = below(root, shard, "shard")
    try:
        state = path.stat()
    except OSError as error:  # not there, or a name that is too long for one
        raise MissingError(f"shard: expected a tar file at {path}. Found none: {error.strerror}.") from error
    return _reader(path, state.st_size, state.st_mtime_ns)


def read_member(root: Path, shard: str, member: str) -> bytes:
    """The bytes of one member of the tar `root/shard`; its index is kept for the next call.

    Raises DataError if `shard` or a link on its way leads out of `root`.
    """
    return _open(root, shard).read(member)


def read_image(root: Path, shard: str, member: str) -> np.ndarray:
    """One image of the tar `root/shard`: `[H, W, 3]` uint8 sRGB, or `[H, W]` uint8."""
    return _open(root, shard).image(member)
