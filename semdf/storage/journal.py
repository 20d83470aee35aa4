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

from semdf.artifacts import writing
from semdf.errors import DataError, WriteError

__all__ = ["PartReader", "PartWriter", "claim"]

ROWS = "rows.json"


class PartWriter:
    """Appends pieces of work to a new tar in `folder`. Raises WriteError where the disk is full or writing is not
    allowed; what was put before counts all the same.
    """

    def __init__(self, folder: Path) -> None:
        self.path = Path(folder) / f"{uuid.uuid4().hex}.tar"
        with writing(self.path):
            self._file = self.path.open("wb")
        self._tar = tarfile.open(fileobj=self._file, mode="w", format=tarfile.PAX_FORMAT)

    def put(self, key: str, members: Mapping[str, bytes], rows: list[dict]) -> None:
        """Append one piece; when this returns it outlives the process."""
        whole = self._file.tell()
        try:
            with writing(self.path):
                for name, data in [*members.items(), (ROWS, json.dumps(rows).encode())]:
                    info = tarfile.TarInfo(f"{key}/{name}")
                    info.size = len(data)
                    self._tar.addfile(info, io.BytesIO(data))
                self._file.flush()
        except WriteError:  # half a piece must not be filled up by what a later write adds
            with suppress(OSError):
                self._file.close()
            with suppress(OSError):
                os.truncate(self.path, whole)
            raise

    def close(self) -> None:
        """Nothing more will come. The end of the tar is not marked: a reader stops where the last piece ends."""
        self._file.close()


class PartReader:
    """The finished pieces in the tars of `folder`."""

    def __init__(self, folder: Path) -> None:
        self._pieces: dict[str, tuple[Path, dict[str, tuple[int, int]]]] = {}
        self._open: dict[Path, int] = {}
        for path in sorted(Path(folder).glob("*.tar")):
            self._scan(path)

    def _scan(self, path: Path) -> None:
        begun: dict[str, dict[str, tuple[int, int]]] = {}
        whole = path.stat().st_size
        try:
            with tarfile.open(path, "r:") as tar:
                for info in tar:
                    if info.offset_data + info.size > whole:
                        break
                    key, _, name = info.name.partition("/")
                    begun.setdefault(key, {})[name] = info.offset_data, info.size
                    if name == ROWS:
                        self._pieces.setdefault(key, (path, begun.pop(key)))
        except tarfile.TarError:
            return  # the process was killed here: what came before counts

    def __contains__(self, key: str) -> bool:
        return key in self._pieces

    def __len__(self) -> int:
        return len(self._pieces)

    def get(self, key: str) -> tuple[dict[str, bytes], list[dict]]:
        """The members and the rows of one piece."""
        path, places = self._pieces[key]
        if path not in self._open:
            self._open[path] = os.open(path, os.O_RDONLY)
        found = {name: os.pread(self._open[path], size, offset) for name, (offset, size) in places.items()}
        return found, json.loads(found.pop(ROWS))

    def close(self) -> None:
        """Close the files; a later `get` opens them again."""
        while self._open:
            os.close(self._open.popitem()[1])


@contextmanager
def claim(folder: Path) -> Iterator[None]:
    """Make `folder` if need be and hold it: one process at a time works in it. A killed process holds nothing.

    Raises DataError when another process holds it.
    """
    with writing(folder):
        Path(folder).mkdir(parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DataError(f"{folder}: expected a folder in which no other process works. Found one.") from error
        yield
    finally:
        os.close(lock)
