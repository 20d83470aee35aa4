"""Pictures that stay in their tars until they are drawn, and processes that read batches ahead of the training.

A fake and its source lie in different tars, often in different folders. So pictures are not read tar by tar, as
webdataset does: each is read by its place in its tar, which is no compressed file, and the system is asked for all
pictures of a batch at once. Batches are then those of a training from memory, to the bit. The processes are those of
torch's `DataLoader`, which gives back what they made in the order in which it was asked for, however many they are.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from semdf.errors import DataError, MissingError, SemdfError
from semdf.storage.paths import below
from semdf.storage.tars import BLOCK, ShardReader, decode_image, describe_header, read_image

__all__ = ["Stream", "ahead", "find"]

#: Tars that one process keeps open (ours); a system may allow no more than 256 files a process.
OPEN = 64
#: Tars whose headers are read at the same time when a stream is made (ours): a disk answers many questions at once.
WALKERS = 16
#: Batches that each process is ahead (ours).
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

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_files"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()


class _Files:
    """The files that were opened last; reading by place needs no position, so forked processes may share them."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.kept: OrderedDict[str, int] = OrderedDict()

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

    def __del__(self) -> None:
        for number in self.kept.values():
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


def ahead(work: Callable[[Any], Any], items: Iterable[Any], readers: int) -> Iterator[Any]:
    """`work(item)` of each item, in their order, made by processes of its own before it is asked for.

    Args:
        work: Can be pickled, where processes are not forked.
        items: Drawn in this process.
        readers: How many processes; 0: none, the work is done in this one when it is asked for.

    Raises:
        SemdfError: What `work` raises.
        DataError: A process was killed.
    """
    if not readers:
        yield from map(work, items)
        return
    loader = DataLoader(
        _Work(work),
        batch_size=None,
        sampler=items,
        num_workers=readers,
        collate_fn=_unchanged,
        prefetch_factor=BATCHES,
        worker_init_fn=_begin,
        generator=torch.Generator(),  # else it would draw from the one that training draws from
    )
    made = iter(loader)
    try:
        while (one := _next(made, readers)) is not None:
            if isinstance(one, SemdfError):
                raise one
            yield one
    finally:
        del made  # ends the processes now; the frame of an error that is raised may live on for long


def _next(made: Iterator[Any], readers: int) -> Any:
    """What is made next; None at the end.

    Raises:
        DataError: A process was killed.
    """
    try:
        return next(made, None)
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        lost = str(error)
    raise DataError(f"readers: must all live to the end, found one of {readers} that did not: {lost}")


class _Work(Dataset):
    """What the processes do; an error of the package comes back as it is, not as the text of a traceback."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self.work = work

    def __getitem__(self, item: Any) -> Any:
        try:
            return self.work(item)
        except SemdfError as error:
            return error


def _unchanged(made: Any) -> Any:
    return made


def _begin(_: int) -> None:
    """What each process does first."""
    cv2.setNumThreads(1)
