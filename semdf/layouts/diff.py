"""DiFF, diffusion facial forgeries (Cheng et al., ACM MM 2024, arXiv 2401.15859): pictures.

{train,val,test}/<condition>/<method>/**/*.jpg or .png
DiFF_real/{train,val,test}/**/*.jpg or .png: the pristine pictures, which are given out on request, apart from the rest
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from semdf.errors import DataError, MissingError, ParameterError
from semdf.layouts import Layout
from semdf.layouts.protocols import Part, Protocol, Sources
from semdf.layouts.rows import files, flat, folder, table

__all__ = ["CONDITIONS", "LAYOUTS", "ORDER", "PROTOCOLS", "DiFF"]

NAME = "DiFF"
REAL = "DiFF_real"
SPLITS = ("train", "val", "test")
#: Condition (face swap, face editing, image to image, text to image) -> its methods, 13 in all. The label row of a
#: method is that of its condition, "DiFF-FS" and so on.
CONDITIONS = {
    "FS": ("DCFace", "DiffFace"),
    "FE": ("CoDiff", "cycle_diff", "Imagic"),
    "I2I": ("DreamBooth", "FreeDoM_I", "LoRA", "SDXL_Refine"),
    "T2I": ("FreeDoM_T", "HPS", "Midjourney", "SDXL"),
}


@dataclass(frozen=True)
class DiFF(Layout):
    """Every picture; an identity is what stands before the first "_" of a file's name (our reading).

    Attributes:
        conditions: Those to read; empty for all that are there.
        reals: Whether the pristine pictures must be there.
    """

    conditions: tuple[str, ...] = ()
    reals: bool = True

    def __post_init__(self) -> None:
        for name in self.conditions:
            if name not in CONDITIONS:
                raise ParameterError(f"{NAME}: a condition must be one of {', '.join(CONDITIONS)}, found {name!r}")

    @staticmethod
    def marks(root: Path) -> bool:
        """Whether the folder of the pristine pictures or of a condition is there."""
        return (root / REAL).is_dir() or any((root / split / c).is_dir() for split in SPLITS for c in CONDITIONS)

    @classmethod
    def present(cls, root: Path) -> list[DiFF]:
        """The layout of what is there, which may be the forged pictures alone."""
        return [cls(reals=(root / REAL).is_dir())]

    def read(self, root: Path) -> pd.DataFrame:
        """A row for every picture.

        Raises:
            MissingError: If the pristine pictures are not there.
        """
        root = folder(Path(root), NAME)
        if self.reals and not (root / REAL).is_dir():
            rule = f"must have the pristine pictures in {root / REAL}, which the authors give out on request"
            raise MissingError(f"{NAME}: {rule}, found nothing")
        return table(self._rows(root), root, NAME)

    def _rows(self, root: Path) -> Iterator[dict]:
        for split in SPLITS:
            for path in files(root / REAL / split, root):
                yield _row(path, split, "real", "real", without=(REAL,))
            for condition in self.conditions or CONDITIONS:
                for path in files(root / split / condition, root):
                    method = PurePosixPath(path).parts[2]
                    if method not in CONDITIONS[condition]:
                        known = ", ".join(CONDITIONS[condition])
                        raise DataError(f"{NAME}: a method of {condition} must be one of {known}, found {path}")
                    yield _row(path, split, method, f"{NAME}-{condition}", without=(condition, method, REAL))


def _row(path: str, split: str, manipulation: str, label: str, without: tuple[str, ...]) -> dict:
    """The row of a picture, whose key has no folder of the names in `without`."""
    parts = [part for part in PurePosixPath(path).parts if part not in without]
    target, _, rest = PurePosixPath(path).stem.partition("_")
    return {
        "dataset": NAME,
        "manipulation": manipulation,
        "video": f"{NAME}/{manipulation}/{flat('/'.join(parts))}",
        "path": path,
        "label": label,
        "split": split,
        "target": target,
        "source": rest.partition("_")[0] if label == f"{NAME}-FS" else "",
    }


ORDER = 80
LAYOUTS = {"diff": DiFF}
PROTOCOLS = (
    Protocol(
        dataset=NAME,
        layout="diff",
        level="image",
        fakes=Part(NAME, ("DCFace", "DiffFace"), "test"),
        reals=Part(NAME, ("real",), "test"),
        sources=Sources(
            test="the authors' README: without the purely synthesised faces; their download holds the face swaps (FS)",
            counts=(
                "github.com/xaCheng1996/DiFF: 13 methods, over 500000 pictures; no counts by folder that we could read"
            ),
        ),
        notes=("The pristine pictures (DiFF_real) are given out on request, apart from the rest.",),
    ),
)
