"""The table that every layout returns, and the checks that all of them share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from semdf.errors import DataError, MissingError

__all__ = ["COLUMNS", "OK", "MISSING", "folder", "table"]

#: One row a video. `video`: "<data set>/<manipulation>/<stem>"; `path`: posix, relative to the root; `label`:
#: name of a label row of the hierarchy; `split`: train, val, test or ""; `target`, `source`: identities (""
#: if none); `pristine`: key of the untouched video of the same frames ("" for reals and where unknown);
#: `status`: "ok" or why not.
COLUMNS = (
    "dataset",
    "manipulation",
    "video",
    "path",
    "label",
    "split",
    "target",
    "source",
    "pristine",
    "compression",
    "status",
)
OK = "ok"
MISSING = "missing file"


def folder(path: Path, what: str) -> Path:
    """`path` if it is a folder; else MissingError, which says `what` it should hold."""
    if not path.is_dir():
        raise MissingError(f"{what}: expected a folder at {path}. Found {'a file' if path.exists() else 'nothing'}.")
    return path


def table(rows: Iterable[dict], root: Path, what: str) -> pd.DataFrame:
    """The rows in order of their video key, each with its status. Raises DataError if there is none or a key
    repeats."""
    empty = {"source": "", "pristine": "", "compression": ""}
    filled = [{**empty, **row, "status": OK if (root / row["path"]).is_file() else MISSING} for row in rows]
    if not filled:
        raise DataError(f"{what}: expected at least one video under {root}. Found none.")
    frame = pd.DataFrame(filled, columns=list(COLUMNS)).sort_values(["manipulation", "video"], ignore_index=True)
    twice = frame["video"][frame["video"].duplicated()]
    if len(twice):
        raise DataError(f"{what}: a video key should be unique. Found {twice.iloc[0]!r} twice.")
    return frame
