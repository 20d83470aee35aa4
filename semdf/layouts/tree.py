"""Everything below a data set's folder: the files that a layout may read, and a reason for each that is no row.

Links are followed by the rule of `semdf.storage.paths`, here as in extraction.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from semdf.errors import MissingError
from semdf.storage.paths import LINKS, Bounds, leaves, real_paths
from semdf.storage.pictures import PICTURES

__all__ = [
    "ANOTHER_NAME",
    "BESIDE",
    "ENDING",
    "HIDDEN",
    "LEFT",
    "NAMELESS",
    "NO_FILE",
    "OUTSIDE",
    "Entry",
    "rest",
    "unseen",
    "walk",
]

#: Why a file is no row, or a folder is not entered.
HIDDEN = "hidden"
OUTSIDE = f"a link that leads outside; ${LINKS} names folders that may be read"
ANOTHER_NAME = "another name of what is read"
NAMELESS = "a name that a table cannot hold"
NO_FILE = "a link that leads nowhere, or no file"
BESIDE = "a list, a text or landmarks"
ENDING = "an ending that is not read"
LEFT = "in no list that gives a label, or not read by this layout"

#: Endings of what may lie beside videos and pictures.
_BESIDE_ENDINGS = (
    *(".csv", ".htm", ".html", ".json", ".log", ".md", ".md5", ".pdf", ".py", ".rst", ".sh", ".sha256", ".tem"),
    *(".tsv", ".txt", ".xlsx", ".xml", ".yaml", ".yml"),
)
_BESIDE_NAMES = ("license", "md5sums", "readme", "sha256sums")
#: Names without a dot in front that programs give to what people do not look at: copies, thumbnails, notes.
_HIDDEN_NAMES = (
    "$recycle.bin",
    "__macosx",
    "@eadir",
    "desktop.ini",
    "lost+found",
    "system volume information",
    "thumbs.db",
)


class Entry(NamedTuple):
    """A file, or a folder that is not entered.

    Attributes:
        path: Below the root, with the separator /.
        real: Where it lies once all links are followed.
        reason: "" for a file that a layout may read; else why it is not read.
    """

    path: str
    real: str
    reason: str


def walk(top: Path, root: Path, *, deep: bool = True) -> Iterator[Entry]:
    """Every file below `top`, and every folder that is not entered.

    A folder is entered once, under its own name before that of a link. Hidden folders are not entered, nor are links
    to places that are not allowed.

    Args:
        top: A folder, which is `root` or lies below it.
        root: The data set's folder.
        deep: Whether folders in `top` are entered; else they are passed over.

    Raises:
        MissingError: A folder may not be listed.
    """
    bounds = Bounds(root)
    start = top.relative_to(root).as_posix() if top != root else ""
    waiting = [(start, os.path.realpath(top))]
    links: list[tuple[str, str]] = []
    entered: set[str] = set()
    while waiting or links:
        place, real = waiting.pop() if waiting else links.pop(0)
        if not bounds.allow(real):
            yield Entry(place, real, OUTSIDE)
            continue
        if real in entered:
            yield Entry(place, real, ANOTHER_NAME)
            continue
        entered.add(real)
        for entry in _listing(real, root / place):
            path = f"{place}/{entry.name}" if place else entry.name
            target = os.path.realpath(entry.path) if entry.is_symlink() else entry.path
            is_folder = os.path.isdir(target)
            if not is_folder or (deep and unseen(entry.name)):
                yield Entry(path, target, unseen(entry.name))
            elif deep:
                (links if entry.is_symlink() else waiting).append((path, target))


def rest(root: Path, paths: Iterable[str], apart: Mapping[str, str]) -> dict[str, list[str]]:
    """Reason -> what lies below `root` and is no row: files, and folders that are not entered.

    Args:
        root: The data set's folder.
        paths: Of the rows.
        apart: What belongs to the data set and is not read, see `semdf.layouts.Layout.apart`.

    Raises:
        MissingError: A folder may not be listed.
    """
    known = set(paths)
    read = set(real_paths(root, known))
    bounds = Bounds(root)
    found: dict[str, list[str]] = {}
    for entry in walk(root, root):
        if entry.path in known:
            continue
        if entry.reason:
            reason = entry.reason
        elif entry.real in read:
            reason = ANOTHER_NAME
        elif not bounds.allow(entry.real):
            reason = OUTSIDE
        elif not os.path.isfile(entry.real):
            reason = NO_FILE
        else:
            reason = _why(entry.path, apart)
        found.setdefault(reason, []).append(entry.path)
    return {reason: sorted(names) for reason, names in sorted(found.items())}


def _listing(real: str, shown: Path) -> list[os.DirEntry[str]]:
    """What is in a folder, by name."""
    try:
        with os.scandir(real) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise MissingError(f"{shown}: must be a folder that may be listed, found {error.strerror}") from error


def unseen(name: str) -> str:
    """Why a file or folder of this name is not looked at; "" if it is."""
    if name.startswith(".") or name.casefold() in _HIDDEN_NAMES:
        return HIDDEN
    plain = name.isascii() and not {":", "\\"} & set(name)
    return NAMELESS if not plain and leaves(name) else ""


def _why(path: str, apart: Mapping[str, str]) -> str:
    """Why a file that could be read is no row."""
    for pattern, reason in apart.items():
        if fnmatchcase(path, pattern):
            return reason
    name = PurePosixPath(path)
    ending = name.suffix.lower()
    if ending in _BESIDE_ENDINGS or (not ending and name.name.lower() in _BESIDE_NAMES):
        return BESIDE
    return LEFT if ending in (".mp4", *PICTURES) else ENDING
