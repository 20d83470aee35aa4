"""Tar files of images: written once, the same bytes each time; read in any order."""

from __future__ import annotations

import io
import os
import tarfile
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from semdf.errors import DataError, MissingError

__all__ = ["ShardReader", "ShardWriter", "decode_png", "encode_png", "read_image", "read_member"]


def encode_png(image: np.ndarray) -> bytes:
    """The PNG of an image `[H, W, 3]` (RGB) or `[H, W]`, uint8."""
    bgr = image[:, :, ::-1] if image.ndim == 3 else image
    ok, data = cv2.imencode(".png", np.ascontiguousarray(bgr), [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not ok:
        raise DataError(f"image: expected [H, W, 3] or [H, W] uint8. Found {image.shape} {image.dtype}.")
    return data.tobytes()


def decode_png(data: bytes) -> np.ndarray:
    """The image of a PNG: `[H, W, 3]` uint8 (RGB) or `[H, W]` uint8."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise DataError(f"expected a PNG. Found {len(data)} bytes that are none.")
    return np.ascontiguousarray(image[:, :, ::-1]) if image.ndim == 3 else image


class ShardWriter:
    """Writes members to a tar in the order given; the file appears under its name only when complete.

    Members carry no time, owner or mode of this machine, so equal members make equal bytes.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._partial = self.path.with_name(f"{self.path.name}.{os.getpid()}.partial")
        self._tar = tarfile.open(self._partial, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115

    def __repr__(self) -> str:
        return f"ShardWriter({self.path.name!r})"

    def add(self, member: str, data: bytes) -> None:
        """Append one member."""
        info = tarfile.TarInfo(member)
        info.size, info.mode = len(data), 0o644
        self._tar.addfile(info, io.BytesIO(data))

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, kind, *_) -> None:
        self._tar.close()
        if kind is None:
            os.replace(self._partial, self.path)
        else:
            self._partial.unlink(missing_ok=True)


class ShardReader:
    """Random access to the members of a tar. The index is read once; reading is safe from threads and
    forks."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise MissingError(f"shard: expected a tar file at {self.path}. Found none.")
        try:
            with tarfile.open(self.path, "r:") as tar:
                self._index = {info.name: (info.offset_data, info.size) for info in tar if info.isfile()}
        except tarfile.TarError as error:
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
        return decode_png(self.read(member))

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


@lru_cache(maxsize=64)
def _reader(path: Path, size: int, changed: int) -> ShardReader:
    return ShardReader(path)


def _open(root: Path, shard: str) -> ShardReader:
    path = Path(root) / shard
    if not path.is_file():
        raise MissingError(f"shard: expected a tar file at {path}. Found none.")
    state = path.stat()
    return _reader(path, state.st_size, state.st_mtime_ns)


def read_member(root: Path, shard: str, member: str) -> bytes:
    """The bytes of one member of the tar `root/shard`; its index is kept for the next call."""
    return _open(root, shard).read(member)


def read_image(root: Path, shard: str, member: str) -> np.ndarray:
    """One image of the tar `root/shard`: `[H, W, 3]` uint8 sRGB, or `[H, W]` uint8."""
    return decode_png(read_member(root, shard, member))
