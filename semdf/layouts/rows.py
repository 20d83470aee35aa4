"""The table that every layout returns, and the checks that all of them share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import pandas as pd

from semdf.errors import DataError, MissingError
from semdf.storage.columns import LAYOUT
from semdf.storage.pictures import PICTURES

__all__ = ["COLUMNS", "MISSING", "OK", "files", "flat", "folder", "refuse", "table"]

#: One row a video or picture; `semdf.storage.columns` says what each column means.
COLUMNS = LAYOUT
OK = "ok"
MISSING = "missing file"


def folder(path: Path, what: str) -> Path:
    """The `path` itself if it is a folder.

    Raises:
        MissingError: Otherwise; the message says `what` the folder should hold.
    """
    if not path.is_dir():
        raise MissingError(f"{what}: must be a folder at {path}, found {'a file' if path.exists() else 'nothing'}")
    return path


def files(top: Path, root: Path, endings: tuple[str, ...] = PICTURES, *, deep: bool = True) -> list[str]:
    """Paths below `top`, relative to `root`, of the files with one of `endings`; hidden ones do not count."""
    found = top.rglob("*") if deep else top.glob("*")
    kept = (path.relative_to(root) for path in found if path.suffix.lower() in endings)
    return sorted(path.as_posix() for path in kept if not any(part.startswith(".") for part in path.parts))


def flat(path: str) -> str:
    """A path below the data set as the last part of a video key: without ending, "--" between folders.

    >>> flat("train/AVSpeech/_-926WzaH2A_215/0037.png")
    'train--AVSpeech--_-926WzaH2A_215--0037'
    """
    return "--".join(PurePosixPath(path).with_suffix("").parts)


def refuse(odd: Iterable[str], what: str, rule: str) -> None:
    """Do nothing if there are no `odd` file names.

    Raises:
        DataError: Otherwise; the message has the rule, counts the names and shows the first three.
    """
    odd = sorted(odd)
    if odd:
        more = f", ... ({len(odd)} files)" if len(odd) > 3 else ""
        raise DataError(f"{what}: {rule}, found {', '.join(odd[:3])}{more}")


def table(rows: Iterable[dict], root: Path, what: str) -> pd.DataFrame:
    """The rows in order of their video key, each with its status.

    Raises:
        DataError: If there is no row, a cell is no text, or a key repeats.
    """
    empty = {"split": "", "target": "", "source": "", "pristine": "", "compression": ""}
    filled = [{**empty, **row, "status": OK if _there(root / row["path"]) else MISSING} for row in rows]
    for row in filled:
        odd = [name for name in COLUMNS if not _text(row[name])]
        if odd:
            raise DataError(f"{what}: {odd[0]} must be text in UTF-8, found {row[odd[0]]!r}")
    if not filled:
        raise DataError(f"{what}: must have at least one video or picture under {root}, found none")
    frame = pd.DataFrame(filled, columns=list(COLUMNS)).sort_values(["manipulation", "video"], ignore_index=True)
    twice = frame[frame["video"].duplicated(keep=False)]
    if len(twice):
        first = twice[twice["video"] == twice["video"].iloc[0]]
        raise DataError(f"{what}: a video key must be unique, found {', '.join(first['path'])} for one key")
    return frame


def _there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is longer than the file system takes, or in a folder that is closed to us
        return False


def _text(cell: object) -> bool:
    """Whether a cell is text that UTF-8 can hold."""
    if not isinstance(cell, str):
        return False
    try:
        cell.encode()
    except UnicodeEncodeError:  # bytes of a file name in another encoding, half a character in JSON
        return False
    return True
