"""FaceShifter (Li et al., 2019) as FaceForensics++ distributes it, a test set of its own in cross-data-set studies.

The tree is that of FaceForensics++: manipulated_sequences/FaceShifter/<compression>/videos/<target>_<source>.mp4
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd

from semdf.layouts import Layout
from semdf.layouts.faceforensics import MANIPULATIONS, FaceForensics
from semdf.layouts.protocols import Part, Protocol, Published, Sizes, Sources

__all__ = ["LAYOUTS", "ORDER", "PROTOCOLS", "FaceShifter"]

NAME = "FaceShifter"


@dataclass(frozen=True)
class FaceShifter(Layout):
    """The FaceShifter videos of one compression; the splits are those of FaceForensics++.

    The tree is recognised as FaceForensics++, so that this layout must be named.

    Attributes:
        compression: As for FaceForensics++.
        originals: Whether the reals, which are those of FaceForensics++ and keep their keys, are in the table too.
    """

    compression: str = ""
    originals: bool = False
    lists_name_all: ClassVar[bool] = True
    apart: ClassVar[Mapping[str, str]] = {
        f"{place}/*": "of FaceForensics++, which the layout faceforensics++ reads"
        for place in (
            "original_sequences",
            *(f"manipulated_sequences/{name}" for name in MANIPULATIONS if name != NAME),
            f"manipulated_sequences/{NAME}/*/masks",
        )
    }

    @classmethod
    def present(cls, root: Path) -> list[FaceShifter]:
        """A layout for each compression."""
        tops = (root / "manipulated_sequences" / NAME).glob("*/videos")
        return [cls(name) for name in sorted(top.parent.name for top in tops)] or [cls()]

    def read(self, root: Path) -> pd.DataFrame:
        """A row for every video on disk or in a split file of FaceForensics++ at `root`."""
        rows = FaceForensics(self.compression, (NAME,)).read(root)
        own = rows["manipulation"] == NAME
        rows.loc[own, "dataset"] = NAME
        rows.loc[own, "video"] = rows.loc[own, "video"].str.replace(r"^[^/]+", NAME, regex=True)
        return rows if self.originals else rows[own].reset_index(drop=True)


ORDER = 20
LAYOUTS = {"faceshifter": FaceShifter}
PROTOCOLS = (
    Protocol(
        dataset=NAME,
        layout="faceshifter",
        level="video",
        fakes=Part(NAME, (NAME,), "test"),
        reals=Part("FaceForensics++", ("original",), "test"),
        complete=Sizes(fakes=140, reals=140),
        published=(
            Published(1000, NAME),
            Published(140, NAME, split="test"),
        ),
        sources=Sources(
            test="the authors' released code: c23, test ids of FaceForensics++, whose originals are the reals",
            counts="github.com/ondyari/FaceForensics, dataset/FaceShifter",
        ),
        notes=("The reals are the originals of FaceForensics++.",),
    ),
)
