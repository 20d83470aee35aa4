"""The crops of a manifest while forgeries of them are planned: rows in memory, landmarks when they are asked for."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from semdf.artifacts import checked, read_parts, writing
from semdf.errors import DataError
from semdf.storage.columns import FORGING_INPUT

__all__ = ["Crops", "Mapped", "gather"]

#: Rows that are made into dictionaries at once.
PART = 4096
#: How many numbers the landmarks of a face may be: x and y of 5, 68 or 189 points.
NUMBERS = (10, 136, 378)


class Mapped(Sequence[np.ndarray]):
    """Arrays of numbers in a nameless file of $TMPDIR that is mapped into memory: the system may drop what it read.

    Args:
        parts: The arrays, some at a time.
    """

    def __init__(self, parts: Iterable[Sequence[np.ndarray]]) -> None:
        lengths: list[int] = []
        with writing("the temporary folder"), tempfile.TemporaryFile() as file:
            for part in parts:
                lengths += [len(numbers) for numbers in part]
                if len(part):
                    file.write(np.concatenate(part).astype(np.float64).tobytes())
            file.flush()
            self._ends = np.cumsum([0, *lengths])
            size = int(self._ends[-1])
            self._numbers = np.memmap(file, np.float64, "r", shape=(size,)) if size else np.empty(0)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: Any) -> Any:
        """A copy of one array."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        return np.array(self._numbers[self._ends[number] : self._ends[number + 1]])


@dataclass(frozen=True, eq=False)
class Crops:
    """The usable rows of a manifest.

    Attributes:
        columns: Those of the manifest, in its order.
        rows: Without the landmarks, with the index 0 ... n - 1.
        landmarks: Of each row: x and y of its points in turn, pixels.
    """

    columns: list[str]
    rows: pd.DataFrame
    landmarks: Sequence[np.ndarray]

    def __len__(self) -> int:
        return len(self.rows)

    def records(self, numbers: Sequence[int]) -> list[dict]:
        """Some rows as dictionaries, with their landmarks, in the order of the manifest's columns."""
        found = []
        for number, row in zip(numbers, self.rows.iloc[list(numbers)].to_dict("records"), strict=True):
            row["landmarks"] = self.landmarks[number]
            found.append({column: row[column] for column in self.columns})
        return found

    def __iter__(self) -> Iterator[dict]:
        """All rows, one after the other."""
        for start in range(0, len(self), PART):
            yield from self.records(range(start, min(start + PART, len(self))))


def gather(manifest: pd.DataFrame | Path) -> Crops:
    """The rows of a manifest that have a crop.

    Args:
        manifest: A table, which whoever calls holds in memory, or the file: its landmarks are then never in memory
            together.

    Raises:
        MissingError: There is no such file.
        DataError: A column is missing, a cell is of the wrong kind, or a crop has another number of landmarks.
    """
    if isinstance(manifest, pd.DataFrame):
        columns = list(manifest.columns)
        checked(manifest, "manifest", dict.fromkeys((*FORGING_INPUT, *columns)))
        rows = manifest[manifest["status"] == "ok"].reset_index(drop=True)
        landmarks = rows["landmarks"].tolist()
        _check(rows["sample"], landmarks)
        return Crops(columns, rows.drop(columns="landmarks"), landmarks)

    columns = []
    tables = []

    def landmarks_of_parts() -> Iterator[list[np.ndarray]]:
        for part in read_parts(manifest, FORGING_INPUT):
            columns[:] = part.columns
            usable = part[part["status"] == "ok"]
            tables.append(usable.drop(columns="landmarks"))
            found = usable["landmarks"].tolist()
            _check(usable["sample"], found)
            yield found

    mapped = Mapped(landmarks_of_parts())
    return Crops(columns, pd.concat(tables, ignore_index=True), mapped)


def _check(samples: Iterable[str], landmarks: Sequence[np.ndarray]) -> None:
    for sample, points in zip(samples, landmarks, strict=True):
        if len(points) not in NUMBERS:
            raise DataError(f"manifest, {sample}: must have 5, 68 or 189 landmarks, found {len(points) / 2:g}")
