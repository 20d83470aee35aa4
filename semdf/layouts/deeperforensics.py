"""DeeperForensics-1.0 (Jiang et al., CVPR 2020): face swaps onto the videos of FaceForensics++.

manipulated_videos/<variant>/<NNN>_<actor>.mp4: NNN is the id of an original of FaceForensics++ (the target), the actor
(M004, W101) is the person whose face is pasted. lists/splits/{train,val,test}.txt have a file name a line.
lists/manipulated_videos_lists/manipulated_videos_<variant>_list.txt has those of a variant, with or without folders.
source_videos/ shows the actors; the authors say that these are not reals for detection: the reals are the originals of
FaceForensics++, which are not distributed with it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd

from semdf.errors import DataError, ParameterError
from semdf.layouts import Layout
from semdf.layouts.faceforensics import FaceForensics, read_pairs
from semdf.layouts.lists import inside, lines, splits
from semdf.layouts.protocols import Part, Protocol, Published, Sizes, Sources
from semdf.layouts.rows import files, folder, known, located, refuse, table

__all__ = ["LAYOUTS", "ORDER", "PROTOCOLS", "VARIANTS", "DeeperForensics"]

NAME = "DeeperForensics-1.0"
VARIANTS = (
    "end_to_end",
    "reenact_postprocess",
    "end_to_end_level_1",
    "end_to_end_level_2",
    "end_to_end_level_3",
    "end_to_end_level_4",
    "end_to_end_level_5",
    "end_to_end_random_level",
    "end_to_end_mix_2_distortions",
    "end_to_end_mix_3_distortions",
    "end_to_end_mix_4_distortions",
)
_FORM = re.compile(r"(?P<target>\d{3})_(?P<source>[MW]\d{3})")


@dataclass(frozen=True)
class DeeperForensics(Layout):
    """The fakes of some variants, with the reals if it is said where they lie.

    Attributes:
        variants: Of the eleven folders; "end_to_end" is the standard set.
        originals: Folder of FaceForensics++, absolute or relative to the working directory; "" for fakes alone.
        reals: Whether the originals are in the table too; false where FaceForensics++ is read for itself.
        compression: Of the originals in the table; the authors take c23.
        split: "lists" for the authors' lists, or "originals" to give a fake the split of its target in FaceForensics++
            (needs `originals`): no background of a training video is then in the test set, and all fakes of the test
            set of `semdf.layouts.protocols` count as test (ours). The lists put 703 of 1000 fakes into training.
    """

    variants: tuple[str, ...] = ("end_to_end",)
    originals: str = ""
    reals: bool = True
    compression: str = "c23"
    split: str = "lists"
    lists_name_all: ClassVar[bool] = True
    apart: ClassVar[Mapping[str, str]] = {"source_videos/*": "films of the actors, which are no reals for detection"}

    def __post_init__(self) -> None:
        for name in self.variants:
            if name not in VARIANTS:
                raise ParameterError(f"{NAME}: a variant must be one of {', '.join(VARIANTS)}, found {name!r}")
        if self.split not in ("lists", "originals") or (self.split == "originals" and not self.originals):
            rule = 'split must be "lists", or "originals" with the folder of FaceForensics++ in `originals`'
            raise ParameterError(f"{NAME}: {rule}, found {self.split!r} and originals {self.originals!r}")

    @staticmethod
    def marks(root: Path) -> bool:
        """Whether the folder of the forged videos is there."""
        return (root / "manipulated_videos").is_dir()

    @classmethod
    def present(cls, root: Path) -> list[DeeperForensics]:
        """The layout of all variants that are there.

        Raises:
            ParameterError: For another folder.
        """
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
        home = {known(name): split for name, split in listed.items()}
        split_of_target = {identity: split for pair, split in pairs.items() for identity in pair}
        for variant in self.variants:
            for name in sorted(_names(root, variant, listed)):
                match = _FORM.fullmatch(Path(name).stem)
                assert match, "others are refused"
                target = match["target"]
                if self.originals and target not in split_of_target:
                    rule = "the target of a fake must be an original of FaceForensics++, by its split files"
                    raise DataError(f"{NAME}: {rule}, found {name}")
                yield {
                    "dataset": NAME,
                    "manipulation": variant,
                    "video": f"{NAME}/{variant}/{Path(name).stem}",
                    "path": f"manipulated_videos/{variant}/{name}",
                    "label": "DeeperForensics",
                    "split": split_of_target[target] if self.split == "originals" else home.get(known(name), ""),
                    "target": target,
                    "source": match["source"],
                    "pristine": f"FaceForensics++/original/{target}",
                }


def _names(root: Path, variant: str, listed: dict[str, str]) -> set[str]:
    """File names of a variant: on disk, in the lists of the splits (`listed`: name -> split), in the variant's list.

    Raises:
        DataError: For a name of another form; the message says where it stands.
    """
    top = folder(root / "manipulated_videos" / variant, f"{NAME}, {variant}")
    on_disk = {Path(path).name for path in files(top, root, (".mp4",), deep=False)}
    sources = {NAME: on_disk}
    for split in dict.fromkeys(listed.values()):
        sources[f"{NAME}, {split}.txt"] = {name for name in listed if listed[name] == split}
    sources[f"{NAME}, {_list_of(variant)}"] = _read_list(root, variant)
    rule = "a video must be called <three digits>_<M or W and three digits>.mp4"
    for where, names in sources.items():
        refuse([name for name in names if not _well_named(name)], where, rule)
    return set(located(set().union(*sources.values()), on_disk).values())


def _well_named(name: str) -> bool:
    return bool(_FORM.fullmatch(Path(name).stem)) and Path(name).suffix.lower() == ".mp4" and "/" not in name


def _list_of(variant: str) -> str:
    return f"manipulated_videos_{variant}_list.txt"


def _read_list(root: Path, variant: str) -> set[str]:
    """File names in the list of a variant; empty if there is no list."""
    path = root / "lists" / "manipulated_videos_lists" / _list_of(variant)
    found = lines(path, NAME) if path.is_file() else ()
    return {Path(inside(line, f"{path}, line {number}")).name for number, line in found}


ORDER = 60
LAYOUTS = {"deeperforensics-1.0": DeeperForensics}
PROTOCOLS = (
    Protocol(
        dataset=NAME,
        layout="deeperforensics-1.0",
        level="video",
        fakes=Part(NAME, ("end_to_end",), ""),
        reals=Part("FaceForensics++", ("original",), "test"),
        paired=True,
        complete=Sizes(fakes=140, reals=140),
        published=(
            Published(1000, "end_to_end"),
            Published(703, "end_to_end", split="train"),
            Published(96, "end_to_end", split="val"),
            Published(201, "end_to_end", split="test"),
            Published(1000, "reenact_postprocess", absent="note"),
        ),
        sources=Sources(
            test=(
                "the authors' released code: end_to_end, as many fakes as test originals of FaceForensics++ (c23), "
                "drawn at random; ours: those whose target is a test original, which are as many and share no "
                "background with training videos"
            ),
            counts="github.com/EndlessSora/DeeperForensics-1.0, dataset/README.md (which prints 703 : 96 : 21)",
        ),
        notes=(
            "It has no reals of its own; they are the originals of FaceForensics++ (c23). "
            "source_videos/ shows the actors.",
            "Its lists put most fakes of test originals of FaceForensics++ into training; "
            "`split=originals` has them in the test.",
        ),
    ),
)
