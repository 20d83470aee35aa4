"""Test sets as the field uses them, and what is published of each data set.

Which manipulations count, at which level, against which reals; some data sets have no reals of their own. The facts
stand beside the layouts, in the `PROTOCOLS` of their modules; a layout whose module has none is no test set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import pandas as pd

from semdf import layouts
from semdf.errors import DataError, ParameterError

__all__ = [
    "Counted",
    "Part",
    "Protocol",
    "Published",
    "Sizes",
    "Sources",
    "counts",
    "load",
    "names",
    "of_layout",
    "select",
]


@dataclass(frozen=True)
class Part:
    """Rows of one data set: those of some manipulations and a split ("" is any)."""

    dataset: str
    manipulations: tuple[str, ...]
    split: str

    def __str__(self) -> str:
        return f"{self.dataset} ({', '.join(self.manipulations)}; split {self.split or 'any'})"

    def of(self, rows: pd.DataFrame) -> pd.Series:
        """Which of `rows` (columns dataset, manipulation, split) belong to it, bool."""
        own = (rows["dataset"] == self.dataset) & rows["manipulation"].isin(self.manipulations)
        return own & (rows["split"] == self.split) if self.split else own


@dataclass(frozen=True)
class Published:
    """How many rows of a manipulation, label and split ("" is any) the complete data set has, on disk or in a list.

    Attributes:
        absent: "problem" or "note", what it means that there are none.
    """

    count: int
    manipulation: str = ""
    label: str = ""
    split: str = ""
    absent: Literal["problem", "note"] = "problem"

    def __str__(self) -> str:
        return ", ".join(filter(None, (self.manipulation, self.label, self.split)))

    def of(self, rows: pd.DataFrame) -> pd.Series:
        """Which of `rows` are counted, bool."""
        same = pd.Series(True, rows.index)
        for name in ("manipulation", "label", "split"):
            if getattr(self, name):
                same &= rows[name] == getattr(self, name)
        return same


class Sizes(NamedTuple):
    """How many fakes and reals a complete test set has."""

    fakes: int
    reals: int


class Sources(NamedTuple):
    """Where the test set and the published counts come from; "ours" is our choice."""

    test: str
    counts: str


class Counted(NamedTuple):
    """How many videos or pictures were found, and how many there should be; None where that is not known."""

    found: int
    complete: int | None


@dataclass(frozen=True)
class Protocol:
    """A test set.

    Attributes:
        layout: Name of its layout.
        level: What one score is made of.
        fakes: The forged rows that count.
        reals: The real rows that count, perhaps of another data set.
        sources: Where the facts come from.
        paired: Whether only fakes count whose pristine video is among the reals.
        complete: How many fakes and reals that are when nothing is missing; None where it is not known.
        train: Manipulations to train on, where the data set has a protocol of its own.
        published: Counts of the complete data set.
        notes: What is easily done wrong with it; `semdf check` prints them.
    """

    dataset: str
    layout: str
    level: Literal["video", "image"]
    fakes: Part
    reals: Part
    sources: Sources
    paired: bool = False
    complete: Sizes | None = None
    train: tuple[str, ...] = ()
    published: tuple[Published, ...] = ()
    notes: tuple[str, ...] = ()


def names() -> tuple[str, ...]:
    """The data sets that have a protocol, in the order of their layouts."""
    return tuple(_all())


def load(dataset: str) -> Protocol:
    """The protocol of a data set."""
    found = _all().get(dataset)
    if found is None:
        raise ParameterError(f"data set must be one of {', '.join(names())}, found {dataset!r}")
    return found


def of_layout(layout: str) -> Protocol | None:
    """The protocol of the data set that a layout reads; None for a layout without, such as a table of one's own."""
    return next((protocol for protocol in _all().values() if protocol.layout == layout), None)


def select(rows: pd.DataFrame, dataset: str) -> pd.DataFrame:
    """The rows of a test set, reals included even where they belong to another data set.

    Args:
        rows: A layout's table, a manifest or scores, of as many data sets as needed; columns dataset, manipulation,
            video, split and, for a paired protocol, pristine.
        dataset: One of `names()`.

    Raises:
        DataError: If the fakes or the reals are missing.
    """
    protocol = load(dataset)
    reals = protocol.reals.of(rows)
    fakes = protocol.fakes.of(rows)
    if protocol.paired:
        fakes &= rows["pristine"].isin(rows.loc[reals, "video"])
    for found, part, what in ((fakes, protocol.fakes, "fakes"), (reals, protocol.reals, "reals")):
        if not found.any():
            raise DataError(f"test set {dataset}: {what} must be rows of {part}, found none")
    return rows[reals | fakes]


def counts(rows: pd.DataFrame, dataset: str) -> dict[str, Counted]:
    """Fakes and reals of a test set: how many different videos (or pictures) there are, and should be.

    Args:
        rows: As for `select`, with the columns video and label.
        dataset: One of `names()`.

    Raises:
        DataError: If the fakes or the reals are missing.
    """
    selected = select(rows, dataset)
    real = selected["label"] == "real"
    fakes = int(selected.loc[~real, "video"].nunique())
    reals = int(selected.loc[real, "video"].nunique())
    complete = load(dataset).complete
    if complete is None:
        return {"fakes": Counted(fakes, None), "reals": Counted(reals, None)}
    return {"fakes": Counted(fakes, complete.fakes), "reals": Counted(reals, complete.reals)}


def _all() -> dict[str, Protocol]:
    """Data set -> protocol, in the order of the layouts' modules."""
    return {protocol.dataset: protocol for module in layouts.modules() for protocol in getattr(module, "PROTOCOLS", ())}
