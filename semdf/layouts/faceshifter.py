"""FaceShifter (Li et al., 2019) as FaceForensics++ distributes it, a test set of its own in cross-data-set studies.

The tree is that of FaceForensics++: manipulated_sequences/FaceShifter/<compression>/videos/<target>_<source>.mp4
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from semdf.layouts.faceforensics import FaceForensics

__all__ = ["LAYOUTS", "FaceShifter"]

NAME = "FaceShifter"


@dataclass(frozen=True)
class FaceShifter:
    """The FaceShifter videos of one compression; the splits are those of FaceForensics++.

    compression: as for FaceForensics++.
    originals: whether the reals, which are those of FaceForensics++ and keep their keys, are in the table too.
    """

    compression: str = ""
    originals: bool = False

    @staticmethod
    def marks(root: Path) -> bool:
        return False  # the tree is recognised as FaceForensics++

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


LAYOUTS = {"faceshifter": FaceShifter}
