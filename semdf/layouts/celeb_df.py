"""Celeb-DF v1 and v2 (Li et al., CVPR 2020): the tree of the official archives.

Celeb-real/id0_0000.mp4, YouTube-real/00000.mp4, Celeb-synthesis/id0_id1_0000.mp4 (target, source, clip of
target) List_of_testing_videos.txt: lines "1 Celeb-real/id1_0007.mp4"; here 1 means real
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd

from semdf.errors import DataError
from semdf.layouts.lists import inside, lines
from semdf.layouts.rows import files, folder, refuse, table

__all__ = ["LAYOUTS", "CelebDF", "CelebDFv1"]

LIST = "List_of_testing_videos.txt"
#: Folder -> label row and the form of a file's stem.
FOLDERS = {
    "Celeb-real": ("real", re.compile(r"(?P<target>id\d+)_(?P<clip>\d+)")),
    "Celeb-synthesis": ("Celeb-synthesis", re.compile(r"(?P<target>id\d+)_(?P<source>id\d+)_(?P<clip>\d+)")),
    "YouTube-real": ("real", re.compile(r"(?P<target>\d+)")),
}


@dataclass(frozen=True)
class CelebDF:
    """All videos; the listed ones are the test set, the others are for training, as the authors have it."""

    name: ClassVar[str] = "Celeb-DF-v2"

    @staticmethod
    def marks(root: Path) -> bool:
        return (root / "Celeb-synthesis").is_dir() and not CelebDFv1.marks(root)

    def read(self, root: Path) -> pd.DataFrame:
        """A row for every video on disk or in the list; one that has no file gets the status "missing
        file".
        """
        root = folder(Path(root), self.name)
        listed = _listed(root / LIST, self.name)
        on_disk = {
            path for name in FOLDERS for path in files(folder(root / name, self.name), root, (".mp4",), deep=False)
        }
        return table(self._rows(on_disk | listed, listed), root, self.name)

    def _rows(self, paths: set[str], listed: set[str]) -> Iterator[dict]:
        for name, (label, form) in FOLDERS.items():
            own = {path: form.fullmatch(Path(path).stem) for path in paths if path.startswith(f"{name}/")}
            odd = [path for path, match in own.items() if match is None]
            where = f"{self.name}, {LIST}" if listed.intersection(odd) else self.name
            refuse(odd, where, f"a video of {name} is called {form.pattern}")
            for path, match in sorted(own.items()):
                assert match, "others are refused"
                part = match.groupdict()
                original = f"Celeb-real/{part['target']}_{part['clip']}" if part.get("source") else ""
                yield {
                    "dataset": self.name,
                    "manipulation": name,
                    "video": f"{self.name}/{name}/{Path(path).stem}",
                    "path": path,
                    "label": label,
                    "split": "test" if path in listed else "train",
                    "target": part["target"],
                    "source": part.get("source", ""),
                    "pristine": f"{self.name}/{original}" if f"{original}.mp4" in paths else "",
                }


@dataclass(frozen=True)
class CelebDFv1(CelebDF):
    """Version 1: the same tree, smaller. A folder is taken for it by its name (our reading)."""

    name: ClassVar[str] = "Celeb-DF-v1"

    @staticmethod
    def marks(root: Path) -> bool:
        return (root / "Celeb-synthesis").is_dir() and "v1" in root.absolute().name.lower()


def _listed(path: Path, what: str) -> set[str]:
    """The paths of the test set. Raises DataError where the list's flag (1 = real) and the folder
    disagree.
    """
    found = set()
    for number, line in lines(path, f"{what}, the list of test videos {LIST}"):
        flag, _, name = line.partition(" ")
        name = inside(name, f"{path}, line {number}")
        place, _, video = name.partition("/")
        if flag not in ("0", "1") or place not in FOLDERS or "/" in video or not video.lower().endswith(".mp4"):
            raise DataError(f'{path}, line {number}: expected "<0 or 1> <folder>/<video>.mp4". Found {line!r}.')
        if (flag == "1") != (FOLDERS[place][0] == "real"):
            raise DataError(f"{path}, line {number}: the flag of a real video is 1, of a forged one 0. Found {line!r}.")
        found.add(name)
    return found


LAYOUTS = {"celeb-df-v1": CelebDFv1, "celeb-df-v2": CelebDF}
