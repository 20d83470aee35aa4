"""Bringing a file of weights here: asked for by name, resumed where it stopped, and compared with its SHA-256.

No library that is kept well resumes a download and checks it (pooch 1.9 begins anew each time), so the range request is
made here, with requests.
"""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import requests

from semdf.errors import DataError, MissingError, ParameterError, WriteError
from semdf.weights.registry import Weights, folder, missing

__all__ = ["Fetched", "fetch", "sha256_of"]

#: Bytes that are written at once; an interruption loses at most so many.
CHUNK = 1 << 16
#: Seconds to wait for a connection, and for the next bytes.
PATIENCE = (15, 60)

#: Called with the bytes that are here and, where the server tells it, those of the whole file.
Progress = Callable[[int, int | None], None]


class Fetched(NamedTuple):
    """A file of weights that is here.

    Attributes:
        path: The file.
        sha256: What was computed of it.
        compared: Whether the table knows its SHA-256; it is then the same.
    """

    path: Path
    sha256: str
    compared: bool


def fetch(entry: Weights, into: Path | None = None, progress: Progress | None = None) -> Fetched:
    """Download a file of weights; one that is here already is only compared.

    Until the file is whole it is called NAME.part. What an interruption leaves of it is kept, and the next call asks
    for the rest alone.

    Args:
        entry: What to fetch.
        into: The folder; None for `semdf.weights.registry.folder`.
        progress: Is told how far the download is.

    Raises:
        ParameterError: The file comes with a package or this repository, or has no fixed address.
        MissingError: The server cannot be reached or does not send the whole file.
        DataError: The file has another SHA-256 than the recorded one. What was downloaded is then removed.
        WriteError: The folder cannot be written, or has too little space.
    """
    if not entry.address:
        kept = entry.package or entry.path
        how = f"they come with {kept}" if kept else missing(entry.name)
        raise ParameterError(f"weights {entry.name!r}: must have a fixed address to be fetched, found none: {how}")
    path = (folder() if into is None else Path(into)) / entry.file
    if path.is_file():
        found = sha256_of(path)
        _compare(entry, path, found, "move it away to fetch it anew")
        return Fetched(path, found, bool(entry.sha256))
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _download(entry.address, part, progress)
        found = sha256_of(part)
    except requests.RequestException as error:  # a kind of OSError
        size = part.stat().st_size if part.is_file() else 0
        kept = f"; the next try goes on behind the {size:,} bytes in {part}" if size else ""
        raise MissingError(
            f"weights {entry.name!r}: {entry.address} must send the file, found {_said(error)}{kept}"
        ) from error
    except OSError as error:
        raise WriteError(f"weights {entry.name!r}: {part} must be writable, found {_said(error)}") from error
    try:
        _compare(entry, part, found, "it is removed")
    except DataError:
        part.unlink()
        raise
    part.replace(path)
    return Fetched(path, found, bool(entry.sha256))


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(address: str, part: Path, progress: Progress | None) -> None:
    """Bring the rest of a file, or all of it where the server sends no rest.

    Raises:
        requests.RequestException: The server is not reached, refuses, or stops before the end.
        OSError: The file cannot be written, or the disk has too little space for the rest.
    """
    begun = part.stat().st_size if part.is_file() else 0
    headers = {"Accept-Encoding": "identity"}  # the bytes of the file itself, which ranges count
    if begun:
        headers["Range"] = f"bytes={begun}-"
    with requests.get(address, headers=headers, stream=True, timeout=PATIENCE) as answer:
        if begun and answer.status_code == requests.codes.requested_range_not_satisfiable:
            return  # there is no rest: the SHA-256 tells whether the file is whole
        answer.raise_for_status()
        if answer.status_code != requests.codes.partial_content:
            begun = 0
        length = answer.headers.get("Content-Length", "")
        rest = int(length) if length.isdecimal() else None
        free = shutil.disk_usage(part.parent).free
        if rest is not None and rest > free:
            raise OSError(errno.ENOSPC, f"{rest:,} bytes are needed and {free:,} are free", str(part.parent))
        with part.open("ab" if begun else "wb") as file:
            for chunk in answer.iter_content(CHUNK):
                file.write(chunk)
                if progress:
                    progress(file.tell(), None if rest is None else begun + rest)


def _compare(entry: Weights, path: Path, found: str, hint: str) -> None:
    """Raise a DataError with a hint if the SHA-256 that was found is not the recorded one."""
    if entry.sha256 and found != entry.sha256:
        raise DataError(f"weights {entry.name!r}: {path} must have the SHA-256 {entry.sha256}, found {found}: {hint}")


def _said(error: Exception) -> str:
    """What a library says, in a line, with the kind of the error."""
    return f"{type(error).__name__} {error}".strip().partition("\n")[0][:200].rstrip(".")
