"""Celeb-DF v1 and v2 (Li et al., CVPR 2020): the tree of the official archives.

Celeb-real/id0_0000.mp4, YouTube-real/00000.mp4, Celeb-synthesis/id0_id1_0000.mp4 (target, source, clip of the target).
List_of_testing_videos.txt has lines such as "1 Celeb-real/id1_0007.mp4"; here 1 means real.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import pandas as pd

from semdf.errors import DataError
from semdf.layouts import Layout
from semdf.layouts.lists import inside, lines
from semdf.layouts.protocols import Part, Protocol, Published, Sizes, Sources
from semdf.layouts.rows import files, folder, known, located, refuse, table

__all__ = ["LAYOUTS", "ORDER", "PROTOCOLS", "CelebDF", "CelebDFv1"]

LIST = "List_of_testing_videos.txt"


class _Videos(NamedTuple):
    """The videos of a folder: their label row, and the form of a file's stem."""

    label: str
    form: re.Pattern[str]


FOLDERS = {
    "Celeb-real": _Videos("real", re.compile(r"(?P<target>id\d+)_(?P<clip>\d+)")),
    "Celeb-synthesis": _Videos("Celeb-synthesis", re.compile(r"(?P<target>id\d+)_(?P<source>id\d+)_(?P<clip>\d+)")),
    "YouTube-real": _Videos("real", re.compile(r"(?P<target>\d+)")),
}


@dataclass(frozen=True)
class CelebDF(Layout):
    """All videos; the listed ones are the test set, the others are for training, as the authors have it."""

    name: ClassVar[str] = "Celeb-DF-v2"

    @staticmethod
    def marks(root: Path) -> bool:
        """Whether the folder Celeb-synthesis is there, and it is not version 1."""
        return (root / "Celeb-synthesis").is_dir() and not CelebDFv1.marks(root)

    def read(self, root: Path) -> pd.DataFrame:
        """A row for every video on disk or in the list; one that has no file gets the status "missing file"."""
        root = folder(Path(root), self.name)
        on_disk: set[str] = set()
        for name in FOLDERS:
            on_disk |= set(files(folder(root / name, self.name), root, (".mp4",), deep=False))
        listed = set(located(_listed(root / LIST, self.name), on_disk).values())
        return table(self._rows(on_disk | listed, listed), root, self.name)

    def _rows(self, paths: set[str], listed: set[str]) -> Iterator[dict]:
        names = {known(path) for path in paths}
        for name, videos in FOLDERS.items():
            own = {path: videos.form.fullmatch(Path(path).stem) for path in paths if path.startswith(f"{name}/")}
            odd = [path for path, match in own.items() if match is None]
            where = f"{self.name}, {LIST}" if listed.intersection(odd) else self.name
            refuse(odd, where, f"a video of {name} must be called {videos.form.pattern}")
            for path, match in sorted(own.items()):
                assert match, "others are refused"
                part = match.groupdict()
                original = f"Celeb-real/{part['target']}_{part['clip']}" if part.get("source") else ""
                yield {
                    "dataset": self.name,
                    "manipulation": name,
                    "video": f"{self.name}/{name}/{Path(path).stem}",
                    "path": path,
                    "label": videos.label,
                    "split": "test" if path in listed else "train",
                    "target": part["target"],
                    "source": part.get("source", ""),
                    "pristine": f"{self.name}/{original}" if f"{original}.mp4" in names else "",
                }


@dataclass(frozen=True)
class CelebDFv1(CelebDF):
    """Version 1: the same tree, smaller. A folder is taken for it by its name (our reading)."""

    name: ClassVar[str] = "Celeb-DF-v1"

    @staticmethod
    def marks(root: Path) -> bool:
        """Whether the folder Celeb-synthesis is there, in a folder with "v1" in its name."""
        return (root / "Celeb-synthesis").is_dir() and "v1" in root.absolute().name.lower()


def _listed(path: Path, what: str) -> set[str]:
    """The paths of the test set.

    Raises:
        DataError: Where the list's flag (1 = real) and the folder disagree.
    """
    found = set()
    for number, line in lines(path, f"{what}, the list of test videos {LIST}"):
        where = f"{path}, line {number}"
        flag, _, name = line.partition(" ")
        name = inside(name, where)
        place, _, video = name.partition("/")
        if flag not in ("0", "1") or place not in FOLDERS or "/" in video or not video.lower().endswith(".mp4"):
            raise DataError(f'{where}: must be "<0 or 1> <folder>/<video>.mp4", found {line!r}')
        if (flag == "1") != (FOLDERS[place].label == "real"):
            raise DataError(f"{where}: the flag must be 1 for a real video and 0 for a forged one, found {line!r}")
        found.add(name)
    return found


ORDER = 30
LAYOUTS = {"celeb-df-v1": CelebDFv1, "celeb-df-v2": CelebDF}
PROTOCOLS = (
    Protocol(
        dataset="Celeb-DF-v1",
        layout="celeb-df-v1",
        level="video",
        fakes=Part("Celeb-DF-v1", ("Celeb-synthesis",), "test"),
        reals=Part("Celeb-DF-v1", ("Celeb-real", "YouTube-real"), "test"),
        complete=Sizes(fakes=62, reals=38),
        published=(
            Published(158, "Celeb-real"),
            Published(250, "YouTube-real"),
            Published(795, "Celeb-synthesis"),
            Published(38, label="real", split="test"),
            Published(62, label="Celeb-synthesis", split="test"),
        ),
        sources=Sources(
            test="List_of_testing_videos.txt",
            counts=(
                "github.com/yuezunli/celeb-deepfakeforensics (408 reals, 795 fakes); parts and list as users count them"
            ),
        ),
        notes=("In the list 1 means real; the authors of most other lists mean fake.",),
    ),
    Protocol(
        dataset="Celeb-DF-v2",
        layout="celeb-df-v2",
        level="video",
        fakes=Part("Celeb-DF-v2", ("Celeb-synthesis",), "test"),
        reals=Part("Celeb-DF-v2", ("Celeb-real", "YouTube-real"), "test"),
        complete=Sizes(fakes=340, reals=178),
        published=(
            Published(590, "Celeb-real"),
            Published(300, "YouTube-real"),
            Published(5639, "Celeb-synthesis"),
            Published(178, label="real", split="test"),
            Published(340, label="Celeb-synthesis", split="test"),
        ),
        sources=Sources(
            test="List_of_testing_videos.txt",
            counts="github.com/yuezunli/celeb-deepfakeforensics; 518 listed videos are 178 reals and 340 fakes",
        ),
        notes=(
            "In the list 1 means real; the authors of most other lists mean fake.",
            "The list does not part people, so the videos that it leaves out show people of the test set.",
        ),
    ),
)
