"""Test sets as the field uses them, and what is published of each data set: the facts of protocols.yaml.

Which manipulations count, at which level, against which reals; some data sets have no reals of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd
from ruamel.yaml import YAML

from semdf.errors import DataError, ParameterError

__all__ = ["Part", "Protocol", "Published", "counts", "load", "names", "select"]


@dataclass(frozen=True)
class Part:
    """Rows of one data set: those of some manipulations and a split ("" is any)."""

    dataset: str
    manipulations: tuple[str, ...]
    split: str

    def of(self, rows: pd.DataFrame) -> pd.Series:
        """Which of `rows` (columns dataset, manipulation, split) belong to it, bool."""
        own = (rows["dataset"] == self.dataset) & rows["manipulation"].isin(self.manipulations)
        return own & (rows["split"] == self.split) if self.split else own


@dataclass(frozen=True)
class Published:
    """How many rows of a manipulation, label and split ("" is any) the complete data set has.

    absent: "problem" or "note", what it means that there are none.
    """

    count: int
    manipulation: str = ""
    label: str = ""
    split: str = ""
    absent: str = "problem"

    def __str__(self) -> str:
        return ", ".join(filter(None, (self.manipulation, self.label, self.split)))

    def of(self, rows: pd.DataFrame) -> pd.Series:
        """Which of `rows` are counted, bool."""
        same = pd.Series(True, rows.index)
        for name in ("manipulation", "label", "split"):
            if getattr(self, name):
                same &= rows[name] == getattr(self, name)
        return same


@dataclass(frozen=True)
class Protocol:
    """A test set.

    Attributes:
        layout: Name of its layout.
        level: "video" or "image": what one score is made of.
        fakes, reals: The rows that count.
        paired: Whether only fakes count whose pristine video is among the reals.
        complete: How many fakes and reals the test set of the complete data set has; None where it is not known.
        train: Manipulations to train on, where the data set has a protocol of its own.
        published: Counts of the complete data set.
        sources: Where the protocol and the counts come from.
        notes: What is easily done wrong with it.
    """

    dataset: str
    layout: str
    level: str
    fakes: Part
    reals: Part
    paired: bool
    complete: tuple[int, int] | None
    train: tuple[str, ...]
    published: tuple[Published, ...]
    sources: tuple[str, str]
    notes: tuple[str, ...]


def names() -> tuple[str, ...]:
    """The data sets that have a protocol."""
    return tuple(_all())


def load(dataset: str) -> Protocol:
    """The protocol of a data set."""
    if dataset not in _all():
        raise ParameterError(f"data set should be one of {', '.join(names())}. Found {dataset!r}.")
    return _all()[dataset]


def select(rows: pd.DataFrame, dataset: str) -> pd.DataFrame:
    """The rows of a test set, reals included even where they belong to another data set.

    rows: a layout's table, a manifest or scores, of as many data sets as needed; columns dataset, manipulation, video,
        split and, for a paired protocol, pristine.
    Raises DataError if the fakes or the reals are missing.
    """
    protocol = load(dataset)
    reals, fakes = protocol.reals.of(rows), protocol.fakes.of(rows)
    if protocol.paired:
        fakes &= rows["pristine"].isin(rows.loc[reals, "video"])
    for found, part, what in ((fakes, protocol.fakes, "fakes"), (reals, protocol.reals, "reals")):
        if not found.any():
            raise DataError(f"test set {dataset}: {what} are rows of {part}. Found none.")
    return rows[reals | fakes]


def counts(rows: pd.DataFrame, dataset: str) -> dict[str, tuple[int, int | None]]:
    """Fakes and reals of a test set: how many different videos (or pictures) there are, how many there should be.

    rows: as for `select`, with the columns video and label. None where the complete number is not known.
    Raises DataError if the fakes or the reals are missing.
    """
    selected = select(rows, dataset)
    real = selected["label"] == "real"
    found = (int(selected.loc[mask, "video"].nunique()) for mask in (~real, real))
    complete = load(dataset).complete or (None, None)
    return dict(zip(("fakes", "reals"), zip(found, complete, strict=True), strict=True))


@cache
def _all() -> dict[str, Protocol]:
    content = YAML(typ="safe").load(Path(__file__).with_suffix(".yaml"))
    return {name: _protocol(name, entry) for name, entry in content.items()}


def _protocol(name: str, entry: dict) -> Protocol:
    test = entry["test"]
    return Protocol(
        dataset=name,
        layout=entry["layout"],
        level=entry["level"],
        fakes=_part(test["fakes"]),
        reals=_part(test["reals"]),
        paired=test.get("paired", False),
        complete=tuple(test["complete"]) if "complete" in test else None,
        train=tuple(entry.get("train", ())),
        published=tuple(Published(**item) for item in entry["published"]),
        sources=(test["source"], entry["source"]),
        notes=tuple(entry["notes"]),
    )


def _part(entry: dict) -> Part:
    return Part(entry["dataset"], tuple(entry["manipulations"]), entry["split"])
