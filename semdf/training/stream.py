"""Pictures that stay in their tars until they are drawn, and threads that read batches ahead of the training.

A fake and its source lie in different tars, often in different folders. So pictures are not read tar by tar, as
webdataset does: each is read by its place in its tar, which is no compressed file, and the system is asked for all
pictures of a batch at once. Batches are then those of a training from memory, to the bit.

Threads serve here because decoding, which is most of the work, is done outside of Python's lock. The processes of
torch's `DataLoader` did the same work in 1.8 times the processor time, because each batch passes through new shared
memory (`benchmarks/README.md`), and each of them needs memory of its own.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from semdf.errors import DataError, MissingError
from semdf.storage.paths import below
from semdf.storage.tars import BLOCK, ShardReader, decode_image, describe_header, read_image

__all__ = ["Stream", "ahead", "find"]

Item = TypeVar("Item")
Made = TypeVar("Made")

#: Tars that each thread keeps open (ours).
OPEN = 32
#: Tars whose headers are read at the same time when a stream is made (ours): a disk answers many questions at once.
WALKERS = 16
#: Batches that each thread is ahead (ours).
BATCHES = 2


@dataclass(frozen=True, eq=False)
class Stream:
    """Pictures `[n, H, W, 3] uint8` (sRGB) that lie in tars: `stream[indices]` reads some of them.

    Attributes:
        tars: The files.
        number: [n] int32, the number of each picture's tar.
        offset: [n] int64, where its bytes begin in the tar.
        size: [n] int64, how many bytes it has there.
        side: Height and width of all pictures.
    """

    tars: tuple[str, ...]
    number: np.ndarray
    offset: np.ndarray
    size: np.ndarray
    side: tuple[int, int]
    _files: _Files = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_files", _Files(OPEN))

    def __len__(self) -> int:
        return len(self.number)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(n, H, W, 3), as of a tensor."""
        return (len(self), *self.side, 3)

    def __getitem__(self, chosen: Tensor | np.ndarray | slice) -> Tensor:
        """The chosen pictures, `[m, H, W, 3] uint8`.

        Raises:
            MissingError: A tar is not there any more.
            DataError: A tar is not what it was when the stream was made, or a picture is damaged or of another size.
        """
        numbers = np.arange(len(self))[chosen] if isinstance(chosen, slice) else np.asarray(chosen)
        return torch.from_numpy(np.stack(list(self.pictures(numbers))))

    def pictures(self, numbers: np.ndarray) -> Iterator[np.ndarray]:
        """The pictures `[H, W, 3] uint8` of these numbers, one after the other; raises as `stream[numbers]`."""
        for number in numbers:
            self._announce(number)
        for number in numbers:
            yield self._read(number)

    def select(self, kept: np.ndarray) -> Stream:
        """The stream of these pictures `[m] int64`."""
        return Stream(self.tars, self.number[kept], self.offset[kept], self.size[kept], self.side)

    def _announce(self, number: int) -> None:
        """Tell the system that a picture is going to be read, so that it fetches all of a batch together."""
        if hasattr(os, "posix_fadvise"):
            file = self._files.open(self.tars[self.number[number]])
            start = int(self.offset[number]) - BLOCK
            os.posix_fadvise(file, start, int(self.size[number]) + BLOCK, os.POSIX_FADV_WILLNEED)

    def _read(self, number: int) -> np.ndarray:
        """Read and decode one picture. Its header is read with it: another one there means another tar."""
        tar = self.tars[self.number[number]]
        offset = int(self.offset[number])
        size = int(self.size[number])
        data = os.pread(self._files.open(tar), BLOCK + size, offset - BLOCK)
        header = describe_header(data[:BLOCK])
        if header is None or header.size != size or len(data) < BLOCK + size:
            raise DataError(
                f"{tar}: must stay as it was when training began, found no picture of {size} bytes at byte {offset}"
            )
        name = f"{tar}, {header.name}"
        picture = decode_image(data[BLOCK:], name)
        if picture.shape != self.shape[1:]:
            raise DataError(
                f"{name}: pictures of one training must have one size, found {picture.shape} and {self.shape[1:]}"
            )
        return picture


class _Files(threading.local):
    """The files that a thread opened last. Threads share none, so that no other can close one while it is read."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.kept = _Kept()

    def open(self, path: str) -> int:
        """The descriptor of a file.

        Raises:
            MissingError: It cannot be opened.
        """
        if path in self.kept:
            self.kept.move_to_end(path)
            return self.kept[path]
        try:
            self.kept[path] = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise MissingError(f"shard: a tar file must be at {path}, found none: {error.strerror}") from error
        if len(self.kept) > self.most:
            os.close(self.kept.popitem(last=False)[1])
        return self.kept[path]


class _Kept(OrderedDict[str, int]):
    """Descriptors by path; they are closed when their thread ends."""

    def __del__(self) -> None:
        for number in self.values():
            with suppress(OSError):
                os.close(number)


class _Wanted(NamedTuple):
    """Members of one tar that are looked for: the folder and name of the tar, the rows, and their members."""

    folder: str
    shard: str
    rows: np.ndarray
    members: list[str]


class _Found(NamedTuple):
    """Where they are: the path of the tar, and offset and size `[n, 2]` of each."""

    tar: str
    extents: np.ndarray


def find(rows: pd.DataFrame) -> Stream:
    """The pictures of some rows; only the headers of their tars are read, and one picture, whose size all must have.

    Args:
        rows: With the columns `folder` (of the manifest), `shard` and `member`, and the index 0 ... n - 1.

    Raises:
        MissingError: A tar or a member is not there.
        DataError: A file is no tar, or the first picture cannot be decoded.
    """
    wanted = []
    for (folder, shard), places in rows.groupby(["folder", "shard"], sort=False, observed=True).indices.items():
        wanted.append(_Wanted(folder, shard, places, rows["member"].iloc[places].tolist()))
    number = np.empty(len(rows), np.int32)
    extents = np.empty((len(rows), 2), np.int64)
    tars: list[str] = []
    with ThreadPoolExecutor(WALKERS) as pool:
        for part, found in zip(wanted, pool.map(_find_in_one, wanted), strict=True):
            number[part.rows] = len(tars)
            extents[part.rows] = found.extents
            tars.append(found.tar)
    first = rows.iloc[0]
    height, width = read_image(Path(first["folder"]), first["shard"], first["member"]).shape[:2]
    offset = np.ascontiguousarray(extents[:, 0])
    size = np.ascontiguousarray(extents[:, 1])
    return Stream(tuple(tars), number, offset, size, (height, width))


def _find_in_one(wanted: _Wanted) -> _Found:
    tar = below(Path(wanted.folder), wanted.shard, "shard")
    return _Found(str(tar), ShardReader(tar).extents(wanted.members))


def ahead(work: Callable[[Item], Made], items: Iterable[Item], readers: int) -> Iterator[Made]:
    """`work(item)` of each item, in their order, done by threads before it is asked for.

    Args:
        work: May be called by several threads at once.
        items: Drawn by the thread that asks.
        readers: How many threads; 0: none, the work is done when it is asked for.
    """
    if not readers:
        yield from map(work, items)
        return
    pool = ThreadPoolExecutor(readers)
    made: deque[Future[Made]] = deque()
    try:
        for item in items:
            made.append(pool.submit(work, item))
            if len(made) == readers * BATCHES:
                yield made.popleft().result()
        while made:
            yield made.popleft().result()
    finally:  # also where who asks stops early
        pool.shutdown(cancel_futures=True)
