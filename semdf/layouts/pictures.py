"""A plain folder of pictures: each is taken as a real video of one frame."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from semdf.errors import DataError, ParameterError
from semdf.layouts.rows import folder, table
from semdf.video import PICTURES

__all__ = ["LAYOUTS", "Pictures"]


@dataclass(frozen=True)
class Pictures:
    """Every picture of a folder, its sub-folders included; a sub-folder plays the part of the manipulation.

    dataset: the name of the data set in the table.
    identity: a regular expression that must match at the start of a stem; its first group, or else the whole
        match, is the identity within its folder. The default takes everything before the first "_": "001_03"
        is person "001".
    split: the split of every picture.
    """

    dataset: str = "pictures"
    identity: str = r"[^_]+"
    split: str = "train"

    def __post_init__(self) -> None:
        try:
            re.compile(self.identity)
        except re.error as error:
            raise ParameterError(
                f"identity should be a regular expression. Found {self.identity!r}: {error}."
            ) from error

    @staticmethod
    def marks(root: Path) -> bool:
        return False  # any folder would do

    def read(self, root: Path) -> pd.DataFrame:
        """A row for every picture."""
        root = folder(Path(root), self.dataset)
        found = sorted(path for path in root.rglob("*") if path.suffix.lower() in PICTURES and path.is_file())
        return table(self._rows(root, found), root, self.dataset)

    def _rows(self, root: Path, found: list[Path]) -> Iterator[dict]:
        stems = Counter(path.with_suffix("") for path in found)
        for path in found:
            place = path.relative_to(root)
            match = re.match(self.identity, path.stem)
            if match is None:
                raise DataError(f"{path}: the file name should start with {self.identity!r}. Found {path.stem!r}.")
            group = "-".join(place.parent.parts) or "original"
            stem = path.name if stems[path.with_suffix("")] > 1 else path.stem  # a.jpg beside a.png
            person = match.group(1) if match.re.groups else match.group()
            yield {
                "dataset": self.dataset, "manipulation": group, "video": f"{self.dataset}/{group}/{stem}",
                "path": place.as_posix(), "label": "real", "split": self.split, "target": f"{group}/{person}",
            }  # fmt: skip


LAYOUTS = {"pictures": Pictures}
