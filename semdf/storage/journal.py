"""The journal of an interrupted run: finished pieces of work, appended to tars as they come, found again by key.

Every process appends to a tar of its own, so that thousands of tiny pieces make a handful of files. A piece counts
once its last member, the rows, is there in full: whatever a killed process left half written is passed over.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import tarfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from semdf.artifacts import writing
from semdf.errors import DataError, WriteError
from semdf.storage.tars import Extent

__all__ = ["PartReader", "PartWriter", "claim"]

#: Name of a piece's last member: its rows.
ROWS = "rows.json"


class PartWriter:
    """Appends pieces of work to a new tar in `folder`.

    Raises:
        WriteError: The disk is full, or writing is not allowed. Pieces that were put before count all the same.
    """

    def __init__(self, folder: Path) -> None:
        self.path = Path(folder) / f"{uuid.uuid4().hex}.tar"
        with writing(self.path):
            self._file = self.path.open("wb")
        self._tar = tarfile.open(  # noqa: SIM115  # open until `close`
            fileobj=self._file, mode="w", format=tarfile.PAX_FORMAT
        )

    def put(self, key: str, members: Mapping[str, bytes], rows: list[dict]) -> None:
        """Append one piece; from then on it outlives the process."""
        end = self._file.tell()
        try:
            with writing(self.path):
                for name, data in [*members.items(), (ROWS, json.dumps(rows).encode())]:
                    info = tarfile.TarInfo(f"{key}/{name}")
                    info.size = len(data)
                    self._tar.addfile(info, io.BytesIO(data))
                self._file.flush()
        except WriteError:  # remove the half piece: what a later write adds must not complete it
            with suppress(OSError):
                self._file.close()
            with suppress(OSError):
                os.truncate(self.path, end)
            raise

    def close(self) -> None:
        """Close the file. The end of the tar is not marked: a reader stops where the last piece ends."""
        self._file.close()


class _Found(NamedTuple):
    """A finished piece: its tar, and where its members lie in it."""

    path: Path
    members: dict[str, Extent]


class PartReader:
    """The finished pieces in the tars of `folder`."""

    def __init__(self, folder: Path) -> None:
        self._pieces: dict[str, _Found] = {}
        self._open: dict[Path, int] = {}  # tar -> file descriptor
        for path in sorted(Path(folder).glob("*.tar")):
            self._scan(path)

    def _scan(self, path: Path) -> None:
        """Take the pieces of one tar that are there in full."""
        begun: dict[str, dict[str, Extent]] = {}
        end = path.stat().st_size
        try:
            with tarfile.open(path, "r:") as tar:
                for info in tar:
                    if info.offset_data + info.size > end:
                        break
                    key, _, name = info.name.partition("/")
                    begun.setdefault(key, {})[name] = Extent(info.offset_data, info.size)
                    if name == ROWS:
                        self._pieces.setdefault(key, _Found(path, begun.pop(key)))
        except tarfile.TarError:
            return  # the process was killed here: the pieces before this place count

    def __contains__(self, key: str) -> bool:
        return key in self._pieces

    def __len__(self) -> int:
        return len(self._pieces)

    def get(self, key: str) -> tuple[dict[str, bytes], list[dict]]:
        """The members and the rows of one piece."""
        piece = self._pieces[key]
        if piece.path not in self._open:
            self._open[piece.path] = os.open(piece.path, os.O_RDONLY)
        file = self._open[piece.path]
        members = {name: os.pread(file, extent.size, extent.offset) for name, extent in piece.members.items()}
        rows = json.loads(members.pop(ROWS))
        return members, rows

    def close(self) -> None:
        """Close the files; a later `get` opens them again."""
        while self._open:
            os.close(self._open.popitem()[1])


@contextmanager
def claim(folder: Path) -> Iterator[None]:
    """Make `folder` if need be and hold it: one process at a time works in it. A killed process holds nothing.

    Raises:
        DataError: Another process holds it.
    """
    with writing(folder):
        Path(folder).mkdir(parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DataError(f"{folder}: must be a folder in which no other process works, found one") from error
        yield
    finally:
        os.close(lock)
