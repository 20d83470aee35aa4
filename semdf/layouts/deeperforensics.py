"""DeeperForensics-1.0 (Jiang et al., CVPR 2020): face swaps onto the videos of FaceForensics++.

manipulated_videos/<variant>/<NNN>_<actor>.mp4: NNN is the id of an original of FaceForensics++ (the target),
actor (M004, W101) the person whose face is pasted. lists/splits/{train,val,test}.txt: a file name a line; the same
of each variant, with or without folders, in lists/manipulated_videos_lists/manipulated_videos_<variant>_list.txt
source_videos/ shows the actors; the authors say that these are not reals for detection: the reals are the
originals of FaceForensics++, which are not distributed with it
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from semdf.errors import DataError, ParameterError
from semdf.layouts.faceforensics import FaceForensics, read_pairs
from semdf.layouts.lists import inside, lines, splits
from semdf.layouts.rows import files, folder, refuse, table

__all__ = ["LAYOUTS", "VARIANTS", "DeeperForensics"]

NAME = "DeeperForensics-1.0"
_RAW = "end_to_end"
VARIANTS = (
    _RAW,
    "reenact_postprocess",
    *(f"{_RAW}_level_{level}" for level in range(1, 6)),
    f"{_RAW}_random_level",
    *(f"{_RAW}_mix_{count}_distortions" for count in range(2, 5)),
)
_FORM = re.compile(r"(?P<target>\d{3})_(?P<source>[MW]\d{3})")


@dataclass(frozen=True)
class DeeperForensics:
    """The fakes of some variants, with the reals if it is said where they lie.

    variants: of the eleven folders; "end_to_end" is the standard set.
    originals: folder of FaceForensics++, absolute or relative to the working directory; "" for fakes alone.
    reals: whether the originals are in the table too; false where FaceForensics++ is read for itself.
    compression: of the originals in the table; the authors take c23.
    split: "lists" for the authors' lists, or "originals" to give a fake the split of its target in FaceForensics++
        (needs `originals`): no background of a training video is then in the test set, and all fakes of the test set of
        `semdf.layouts.protocols` count as test (ours). The lists put 703 of 1000 fakes into training.
    """

    variants: tuple[str, ...] = (_RAW,)
    originals: str = ""
    reals: bool = True
    compression: str = "c23"
    split: str = "lists"

    def __post_init__(self) -> None:
        for name in self.variants:
            if name not in VARIANTS:
                raise ParameterError(f"{NAME}: a variant should be one of {', '.join(VARIANTS)}. Found {name!r}.")
        if self.split not in ("lists", "originals") or (self.split == "originals" and not self.originals):
            rule = 'split should be "lists", or "originals" with the folder of FaceForensics++ in `originals`'
            raise ParameterError(f"{NAME}: {rule}. Found {self.split!r}, originals {self.originals!r}.")

    @staticmethod
    def marks(root: Path) -> bool:
        return (root / "manipulated_videos").is_dir()

    @classmethod
    def present(cls, root: Path) -> list[DeeperForensics]:
        """The layout of all variants that are there. Raises ParameterError for another folder."""
        tops = sorted(path.name for path in (root / "manipulated_videos").glob("*") if path.is_dir())
        return [cls(tuple(tops))]

    def read(self, root: Path) -> pd.DataFrame:
        """A row for every fake on disk or in a list, and for every original of FaceForensics++ if asked for.

        The originals keep their own data set and key; their paths lead out of `root`.
        """
        root = folder(Path(root), NAME)
        rows = table(self._rows(root), root, NAME)
        if not (self.originals and self.reals):
            return rows
        home = Path(self.originals)
        reals = FaceForensics(self.compression, ()).read(home)
        there = os.path.relpath(home.absolute(), root.absolute())
        reals = reals.assign(path=[Path(there, path).as_posix() for path in reals["path"]])
        return pd.concat([rows, reals], ignore_index=True)

    def _rows(self, root: Path) -> Iterator[dict]:
        listed = splits(root / "lists" / "splits", NAME) if self.split == "lists" else {}
        pairs = read_pairs(folder(Path(self.originals), "FaceForensics++")) if self.originals else {}
        by_target = {identity: split for pair, split in pairs.items() for identity in pair}
        for variant in self.variants:
            top = folder(root / "manipulated_videos" / variant, f"{NAME}, {variant}")
            named = {NAME: {Path(path).name for path in files(top, root, (".mp4",), deep=False)}}
            named |= {f"{NAME}, {split}.txt": {n for n in listed if listed[n] == split} for split in listed.values()}
            named[f"{NAME}, {_list(variant)}"] = _names(root, variant)
            rule = "a video is called <three digits>_<M or W and three digits>.mp4"
            for where, group in named.items():
                refuse([name for name in group if not _well_named(name)], where, rule)
            names = set().union(*named.values())
            for name in sorted(names):
                match = _FORM.fullmatch(Path(name).stem)
                assert match, "others are refused"
                part = match.groupdict()
                if self.originals and part["target"] not in by_target:
                    rule = "the target of a fake is an original of FaceForensics++, by its split files"
                    raise DataError(f"{NAME}: {rule}. Found {name}.")
                yield {
                    "dataset": NAME,
                    "manipulation": variant,
                    "video": f"{NAME}/{variant}/{Path(name).stem}",
                    "path": f"manipulated_videos/{variant}/{name}",
                    "label": "DeeperForensics",
                    "split": by_target[part["target"]] if self.split == "originals" else listed.get(name, ""),
                    **part,
                    "pristine": f"FaceForensics++/original/{part['target']}",
                }


def _well_named(name: str) -> bool:
    return bool(_FORM.fullmatch(Path(name).stem)) and Path(name).suffix.lower() == ".mp4" and "/" not in name


def _list(variant: str) -> str:
    return f"manipulated_videos_{variant}_list.txt"


def _names(root: Path, variant: str) -> set[str]:
    """File names in the list of a variant; empty if there is no list."""
    path = root / "lists" / "manipulated_videos_lists" / _list(variant)
    found = lines(path, NAME) if path.is_file() else ()
    return {Path(inside(line, f"{path}, line {number}")).name for number, line in found}


LAYOUTS = {"deeperforensics-1.0": DeeperForensics}
