"""Names that others wrote, as paths: they stay below a folder, and so do the links on their way.

A link may lead out of its folder into two places alone: a cache of DVC, whose files are named by their content (so that
`cache.type: symlink` works), and what the environment variable SEMDF_LINKS names, folders separated as in PATH.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath

from semdf.errors import DataError

__all__ = ["LINKS", "Bounds", "below", "inside", "leaves", "real_paths"]

#: The environment variable that names further folders that links may lead to, such as those of large disks.
LINKS = "SEMDF_LINKS"
#: What the path of a file in a cache of DVC ends with.
_CACHED = re.compile(r"/files/md5/[0-9a-f]{2}/[0-9a-f]{30}$")


def leaves(name: object) -> bool:
    """Whether `name` is no path below a folder.

    Such are: what is no text or none that UTF-8 can hold, and text that is empty, absolute, leads upwards or has a NUL.
    What is a root, a drive or a separator to Windows counts everywhere.

    >>> [leaves(name) for name in ("a/b.png", "../b.png", "C:/b.png", "")]
    [False, True, True, True]
    """
    if not isinstance(name, str) or "\0" in name:
        return True
    try:
        name.encode()
    except UnicodeEncodeError:  # half a character, or bytes of a file name in no known encoding
        return True
    path = PureWindowsPath(name)
    return not path.name or bool(path.anchor) or ".." in path.parts


def inside(name: object, where: str) -> str:
    r"""A name, perhaps with the separators of Windows, as a posix path below the data set.

    >>> inside("Celeb-real\\id0_0000.mp4", "list")
    'Celeb-real/id0_0000.mp4'

    Args:
        name: The name.
        where: The place that it stands at, for messages.

    Raises:
        DataError: It would leave the data set.
    """
    text = str(name).replace("\\", "/").strip()
    if leaves(text):
        raise DataError(f"{where}: a path must be relative and stay below the data set, found {str(name)!r}")
    return PurePosixPath(text).as_posix()


def below(root: Path, name: object, where: str) -> Path:
    """`root / name`, which need not exist; it stays below the root, and so do links on its way.

    Args:
        root: The folder.
        name: The name.
        where: The place that it stands at, for messages.

    Raises:
        DataError: The name leaves the root, or a link on its way leads to a place that is not allowed.
    """
    if leaves(name):
        raise DataError(f"{where}: the path must lie below the root, found {name!r}")
    path = Path(root) / str(name)
    if not Bounds(root).allow(os.path.realpath(path)):
        rule = f"a link must stay below the root, or lead to DVC's cache or a folder named in ${LINKS}"
        raise DataError(f"{where}: {rule}, found {name!r}, which leads outside")
    return path


class Bounds:
    """Where links below a root may lead: the one rule for whatever lists or reads files.

    Args:
        root: The folder. It may be a link itself.
    """

    def __init__(self, root: Path) -> None:
        others = [place for place in os.environ.get(LINKS, "").split(os.pathsep) if place]
        self.folders = [os.path.realpath(place) for place in (str(root), *others)]

    def allow(self, real: str) -> bool:
        """Whether a path without links may be read."""
        return any(_holds(place, real) for place in self.folders) or bool(_CACHED.search(real))


def real_paths(root: Path, names: Iterable[str]) -> list[str]:
    """Where files below a root lie once all links are followed, as `os.path.realpath` says, but folder by folder."""
    folders: dict[str, str] = {}
    found = []
    for name in names:
        place, _, last = name.rpartition("/")
        if place not in folders:
            folders[place] = os.path.realpath(Path(root) / place)
        path = os.path.join(folders[place], last)
        found.append(os.path.realpath(path) if os.path.islink(path) else path)
    return found


def _holds(folder: str, path: str) -> bool:
    """Whether a path is a folder or lies below it; both are absolute and without links."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
