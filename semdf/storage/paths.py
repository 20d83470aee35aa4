"""Names that others wrote, as paths: they stay below a folder, and so do the links on their way.

A link may lead out of its folder into two places alone: a cache of DVC, whose files are named by their content (so that
`cache.type: symlink` works), and what the environment variable SEMDF_LINKS names, folders separated as in PATH.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath, PureWindowsPath

from semdf.errors import DataError

__all__ = ["LINKS", "below", "inside", "leaves"]

#: Names the folders that links may lead to besides: a setting of the machine, as where its large disks are.
LINKS = "SEMDF_LINKS"
_CACHED = re.compile(r"/files/md5/[0-9a-f]{2}/[0-9a-f]{30}$")


def leaves(name: object) -> bool:
    """Whether `name` is no path below a folder: no text or none that UTF-8 can hold, empty, absolute, upwards, with a
    NUL. What is a root, a drive or a separator to Windows counts everywhere.

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
    """`name`, perhaps with the separators of Windows, as a posix path below the data set.

    Raises DataError, which names `where` it stands, if it would leave the data set.

    >>> inside("Celeb-real\\\\id0_0000.mp4", "list")
    'Celeb-real/id0_0000.mp4'
    """
    text = str(name).replace("\\", "/").strip()
    if leaves(text):
        raise DataError(f"{where}: a path should be relative and stay below the data set. Found {str(name)!r}.")
    return PurePosixPath(text).as_posix()


def below(root: Path, name: object, where: str) -> Path:
    """`root / name`, which need not exist, links on the way followed.

    Raises DataError, which names `where` it stands, if the name leaves the root or a link on its way leads outside.
    """
    if leaves(name):
        raise DataError(f"{where}: the path should lie below the root. Found {name!r}.")
    path = Path(root) / str(name)
    real, allowed = os.path.realpath(path), [os.path.realpath(root)]
    if not _holds(allowed[0], real):
        allowed += [os.path.realpath(place) for place in os.environ.get(LINKS, "").split(os.pathsep) if place]
        if not _CACHED.search(real) and not any(_holds(place, real) for place in allowed):
            rule = f"a link should stay below the root, or lead to DVC's cache or a folder named in ${LINKS}"
            raise DataError(f"{where}: {rule}. Found {name!r}, which leads outside.")
    return path


def _holds(folder: str, path: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
