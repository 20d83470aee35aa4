"""Celeb-DF v2 (Li et al., CVPR 2020): the tree of the official archive.

Celeb-real/id0_0000.mp4, YouTube-real/00000.mp4, Celeb-synthesis/id0_id1_0000.mp4 (target, source, clip of
target) List_of_testing_videos.txt: lines "1 Celeb-real/id1_0007.mp4"; here 1 means real
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from semdf.errors import DataError, MissingError
from semdf.layouts.rows import folder, table

__all__ = ["LAYOUT", "CelebDF"]

NAME = "Celeb-DF-v2"
LIST = "List_of_testing_videos.txt"
#: Folder -> label row and the form of a file's stem. The row of Celeb-synthesis is ours: an identity swap.
FOLDERS = {
    "Celeb-real": ("real", re.compile(r"(?P<target>id\d+)_(?P<clip>\d+)")),
    "Celeb-synthesis": ("Celeb-synthesis", re.compile(r"(?P<target>id\d+)_(?P<source>id\d+)_(?P<clip>\d+)")),
    "YouTube-real": ("real", re.compile(r"(?P<target>\d+)")),
}


@dataclass(frozen=True)
class CelebDF:
    """All videos; the listed ones are the test set, the others are for training, as the authors have it."""

    def read(self, root: Path) -> pd.DataFrame:
        """A row for every video on disk or in the list; one that has no file gets the status "missing
        file"."""
        root = folder(Path(root), NAME)
        listed = _listed(root / LIST)
        on_disk = {f"{name}/{path.name}" for name in FOLDERS for path in folder(root / name, NAME).glob("*.mp4")}
        return table(_rows(on_disk | listed, listed), root, NAME)


def _rows(paths: set[str], listed: set[str]) -> Iterator[dict]:
    for path in sorted(paths):
        name, stem = Path(path).parts[0], Path(path).stem
        label, form = FOLDERS[name]
        match = form.fullmatch(stem)
        if match is None:
            raise DataError(f"{NAME}: a video of {name} is called {form.pattern}. Found {path}.")
        part = match.groupdict()
        original = f"Celeb-real/{part['target']}_{part['clip']}" if part.get("source") else ""
        yield {
            "dataset": NAME,
            "manipulation": name,
            "video": f"{NAME}/{name}/{stem}",
            "path": path,
            "label": label,
            "split": "test" if path in listed else "train",
            "target": part["target"],
            "source": part.get("source", ""),
            "pristine": f"{NAME}/{original}" if f"{original}.mp4" in paths else "",
        }


def _listed(path: Path) -> set[str]:
    """The paths of the test set. Raises DataError where the list's flag (1 = real) and the folder
    disagree."""
    if not path.is_file():
        raise MissingError(f"{NAME}: expected the list of test videos at {path}. Found none.")
    found = set()
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        flag, _, name = line.strip().partition(" ")
        name = name.strip()
        place = name.partition("/")[0]
        if flag not in "01" or place not in FOLDERS:
            raise DataError(f'{path}, line {number}: expected "<0 or 1> <folder>/<video>.mp4". Found {line!r}.')
        if (flag == "1") != (FOLDERS[place][0] == "real"):
            raise DataError(f"{path}, line {number}: the flag of a real video is 1, of a forged one 0. Found {line!r}.")
        found.add(name)
    return found


LAYOUT = CelebDF
