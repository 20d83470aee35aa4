"""The table that every layout returns, and the checks that all of them share."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import pandas as pd

from semdf.errors import DataError, MissingError
from semdf.layouts.tree import rest, walk
from semdf.storage.columns import LAYOUT
from semdf.storage.paths import Bounds, real_paths
from semdf.storage.pictures import PICTURES

__all__ = ["COLUMNS", "LINKED", "MISSING", "OK", "files", "flat", "folder", "known", "located", "refuse", "table"]

#: One row a video or picture; `semdf.storage.columns` says what each column means.
COLUMNS = LAYOUT
OK = "ok"
MISSING = "missing file"
#: Of a file behind a link that `semdf.storage.paths` does not allow.
LINKED = "link that leads outside"


def folder(path: Path, what: str) -> Path:
    """The `path` itself if it is a folder.

    Raises:
        MissingError: Otherwise; the message says `what` the folder should hold.
    """
    if not os.path.isdir(path):  # unlike Path.is_dir, False in a folder that is closed to us
        found = "a file" if os.path.exists(path) else _reason(path)
        raise MissingError(f"{what}: must be a folder at {path}, found {found}")
    return path


def _reason(path: Path) -> str:
    """Why there is nothing at a path."""
    try:
        path.stat()
    except FileNotFoundError:
        return "a link that leads nowhere" if path.is_symlink() else "nothing"
    except OSError as error:
        return str(error.strerror)
    return "nothing"


def files(top: Path, root: Path, endings: tuple[str, ...] = PICTURES, *, deep: bool = True) -> list[str]:
    """Paths below `top`, relative to `root`, of the files with one of `endings`, in any letter case.

    Links are followed where they may lead; hidden files and folders do not count (see `semdf.layouts.tree.walk`).
    """
    if not os.path.isdir(top):
        return []
    found = [entry.path for entry in walk(top, root, deep=deep) if not entry.reason]
    return sorted(path for path in found if PurePosixPath(path).suffix.lower() in endings)


def known(path: str) -> str:
    """What the names of one file have in common, in a list and on disk: Unicode's composed form, a small ending.

    >>> known("Celeb-real/id0_0000.MP4")
    'Celeb-real/id0_0000.mp4'
    """
    stem, dot, ending = unicodedata.normalize("NFC", path).rpartition(".")
    return stem + dot + ending.lower()


def located(listed: Iterable[str], found: Iterable[str]) -> dict[str, str]:
    """Path in a list -> path on disk of the same file, or the listed one where there is none, or more than one.

    Args:
        listed: Paths as a list has them.
        found: Paths on disk.
    """
    on_disk = set(found)
    alike: dict[str, list[str]] = {}
    for path in on_disk:
        alike.setdefault(known(path), []).append(path)
    places = {}
    for path in listed:
        same = alike.get(known(path), [])
        places[path] = path if path in on_disk or len(same) != 1 else same[0]
    return places


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

    The path of a row whose file has another form of the name on disk (see `known`) becomes that on disk.

    Raises:
        DataError: If there is no row, a cell is no text, a key repeats, or one file has two labels.
    """
    empty = {"split": "", "target": "", "source": "", "pristine": "", "compression": ""}
    filled = [{**empty, **row} for row in rows]
    for row in filled:
        odd = [name for name in COLUMNS if name != "status" and not _text(row[name])]
        if odd:
            raise DataError(f"{what}: {odd[0]} must be text in UTF-8, found {row[odd[0]]!r}")
    if not filled:
        others = "; ".join(f"{len(names)}: {reason}" for reason, names in rest(root, (), {}).items())
        found = f"none, but {others}" if others else "none"
        raise DataError(f"{what}: must have at least one video or picture under {root}, found {found}")
    _find(filled, root)
    frame = pd.DataFrame(filled, columns=list(COLUMNS)).sort_values(["manipulation", "video"], ignore_index=True)
    twice = frame[frame["video"].duplicated(keep=False)]
    if len(twice):
        first = twice[twice["video"] == twice["video"].iloc[0]]
        raise DataError(f"{what}: a video key must be unique, found {', '.join(first['path'])} for one key")
    _one_label(frame, what)
    return frame


def _find(rows: list[dict], root: Path) -> None:
    """Set the status of every row, and its path where the name on disk has another form."""
    bounds = Bounds(root)
    paths = [row["path"] for row in rows]
    siblings: dict[str, list[str]] = {}
    taken = set(paths)
    for row, real in zip(rows, real_paths(root, paths), strict=True):
        row["status"] = _status(real, bounds)
        if row["status"] != MISSING:
            continue
        place = row["path"].rpartition("/")[0]
        if place not in siblings:
            siblings[place] = _names(root, place)
        there = located([row["path"]], siblings[place])[row["path"]]
        if there not in taken:
            taken.add(there)
            row["path"] = there
            row["status"] = _status(real_paths(root, [there])[0], bounds)


def _names(root: Path, place: str) -> list[str]:
    """Paths of what lies in a folder, as far as it may be read."""
    if not os.path.isdir(root / place):
        return []
    return [entry.path for entry in walk(root / place, root, deep=False) if not entry.reason]


def _status(real: str, bounds: Bounds) -> str:
    """What becomes of a file at a path without links."""
    if not bounds.allow(real):
        return LINKED
    return OK if os.path.isfile(real) else MISSING  # False for a name that is too long, or in a closed folder


def _one_label(frame: pd.DataFrame, what: str) -> None:
    """Raise DataError where rows call one file by two labels."""
    named = frame[["path", "label"]].drop_duplicates()
    twice = named[named["path"].duplicated(keep=False)]
    if len(twice):
        first = twice["path"].iloc[0]
        labels = " and ".join(sorted(twice.loc[twice["path"] == first, "label"]))
        raise DataError(f"{what}: a file must have one label, found {first} as {labels}")


def _text(cell: object) -> bool:
    """Whether a cell is text that UTF-8 can hold."""
    if not isinstance(cell, str):
        return False
    try:
        cell.encode()
    except UnicodeEncodeError:  # bytes of a file name in another encoding, half a character in JSON
        return False
    return True
