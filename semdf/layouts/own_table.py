"""A CSV file of one's own: a line a video or picture, the label by name.

The columns path and label and, as wanted, dataset, manipulation, video, split, target, source, pristine, compression.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from semdf.errors import DataError
from semdf.layouts import Layout
from semdf.layouts.lists import first, inside, read_table
from semdf.layouts.rows import COLUMNS, flat, folder, table
from semdf.method import hierarchy

__all__ = ["LAYOUTS", "ORDER", "Table"]


@dataclass(frozen=True)
class Table(Layout):
    """The rows of a CSV file in the root.

    Attributes:
        file: Its name. Paths in it are relative to the root.
        dataset: The data set's name where the file has no such column.
        hierarchy: Whose label rows are known; "real" and "fake" (nothing else is said of it) are among them.
    """

    file: str = "videos.csv"
    dataset: str = "own"
    hierarchy: str = "ffpp"

    @staticmethod
    def marks(root: Path) -> bool:
        """Whether the file is there under its usual name."""
        return (root / "videos.csv").is_file()

    def read(self, root: Path) -> pd.DataFrame:
        """A row for every line."""
        root = folder(Path(root), self.dataset)
        path = first([root / inside(self.file, "file")], self.dataset)
        return table(self._rows(path), root, self.dataset)

    def _rows(self, path: Path) -> Iterator[dict]:
        known = hierarchy.load(self.hierarchy).labels
        for number, row in read_table(path, ("path", "label")):
            where = f"{path}, line {number}"
            if row["label"] not in known:
                raise DataError(f"{where}: label must be one of {', '.join(known)}, found {row['label']!r}")
            if row.get("split", "") not in ("train", "val", "test", ""):
                raise DataError(f"{where}: split must be train, val, test or empty, found {row['split']!r}")
            place = inside(row["path"], where)
            dataset = row.get("dataset") or self.dataset
            manipulation = row.get("manipulation") or ("original" if row["label"] == "real" else row["label"])
            yield {
                **{name: value for name, value in row.items() if name in COLUMNS and name != "status"},
                "dataset": dataset,
                "manipulation": manipulation,
                "video": row.get("video") or f"{dataset}/{manipulation}/{flat(place)}",
                "path": place,
            }


ORDER = 200
LAYOUTS = {"table": Table}
