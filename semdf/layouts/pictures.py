"""A plain folder of pictures: each is taken as a real video of one frame."""

from __future__ import annotations

import os
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from semdf.errors import DataError, ParameterError
from semdf.layouts import Layout
from semdf.layouts.rows import files, folder, table
from semdf.storage.paths import real_paths

__all__ = ["LAYOUTS", "ORDER", "Pictures"]


@dataclass(frozen=True)
class Pictures(Layout):
    """Every picture of a folder, its sub-folders included; a sub-folder plays the part of the manipulation.

    Any folder would do, so that this layout must be named.

    Attributes:
        dataset: The name of the data set in the table.
        identity: A regular expression that must match at the start of a stem; its first group, or else the whole
            match, is the identity within its folder. "" takes what comes before the first "_" ("001_03" is person
            "001") unless all pictures were then of one person, as with the names that cameras give ("IMG_0001"): each
            picture is then a person of its own. A warning says when that is so, or when an expression makes all one
            person.
        split: The split of every picture.
    """

    dataset: str = "pictures"
    identity: str = ""
    split: str = "train"

    def __post_init__(self) -> None:
        try:
            re.compile(self.identity)
        except re.error as error:
            rule = "identity must be a regular expression"
            raise ParameterError(f"{rule}, found {self.identity!r}: {error}") from error

    def read(self, root: Path) -> pd.DataFrame:
        """A row for every picture."""
        root = folder(Path(root), self.dataset)
        found = _once(root)
        people = {path: f"{_group(path, root)}/{self._person(path)}" for path in found}
        if len(found) > 1 and len(set(people.values())) == 1:
            what = f"{root}: the names of all {len(found)} pictures say {self._person(found[0])!r}"
            if self.identity:
                warnings.warn(f"{what}, so that all are of one person", stacklevel=2)
            else:
                warnings.warn(f"{what}: each is taken for a person of its own, unless `identity` is set", stacklevel=2)
                people = {path: f"{_group(path, root)}/{path.stem}" for path in found}
        return table(self._rows(root, people), root, self.dataset)

    def _person(self, path: Path) -> str:
        match = re.match(self.identity or r"[^_]+|.*", path.stem)
        if match is None:
            raise DataError(f"{path}: the file name must start with {self.identity!r}, found {path.stem!r}")
        return match.group(1) if match.re.groups else match.group()

    def _rows(self, root: Path, people: dict[Path, str]) -> Iterator[dict]:
        """A row for every picture. `people`: path -> identity."""
        stems = Counter(path.with_suffix("") for path in people)
        for path, person in people.items():
            group = _group(path, root)
            alone = stems[path.with_suffix("")] == 1
            name = path.stem if alone else path.name  # a.jpg beside a.png
            yield {
                "dataset": self.dataset,
                "manipulation": group,
                "video": f"{self.dataset}/{group}/{name}",
                "path": path.relative_to(root).as_posix(),
                "label": "real",
                "split": self.split,
                "target": person,
            }


def _once(root: Path) -> list[Path]:
    """The pictures; one that links give several names comes once, so that it is no donor for itself."""
    names = files(root, root)
    places: dict[str, str] = {}
    for name, real in zip(names, real_paths(root, names), strict=True):
        if os.path.isfile(real):
            places.setdefault(real, name)
    return [root / name for name in sorted(places.values())]


def _group(path: Path, root: Path) -> str:
    return "-".join(path.relative_to(root).parent.parts) or "original"


ORDER = 210
LAYOUTS = {"pictures": Pictures}
