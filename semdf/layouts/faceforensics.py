"""FaceForensics++ (Roessler et al., ICCV 2019): the tree that the official download script makes.

original_sequences/youtube/<compression>/videos/NNN.mp4
manipulated_sequences/<manipulation>/<compression>/videos/<target>_<source>.mp4
{train,val,test}.json or splits/{train,val,test}.json: pairs of ids; a pair gives both directions
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from semdf.errors import DataError, MissingError, ParameterError
from semdf.layouts.rows import folder, table

__all__ = ["LAYOUT", "FaceForensics"]

NAME = "FaceForensics++"
SPLITS = ("train", "val", "test")
#: Manipulation -> label row. FaceShifter replaces the identity as Deepfakes does and takes its row (ours).
LABELS = {
    "Deepfakes": "Deepfakes",
    "Face2Face": "Face2Face",
    "FaceSwap": "FaceSwap",
    "NeuralTextures": "NeuralTextures",
    "FaceShifter": "Deepfakes",
}


@dataclass(frozen=True)
class FaceForensics:
    """The videos of one compression.

    compression: "raw", "c0", "c23", "c40", or "" for the only one that is there.
    manipulations: the forgeries to read; each must have its folder.
    """

    compression: str = ""
    manipulations: tuple[str, ...] = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")

    def __post_init__(self) -> None:
        for name in self.manipulations:
            if name not in LABELS:
                raise ParameterError(f"{NAME}: a manipulation should be one of {', '.join(LABELS)}. Found {name!r}.")

    def read(self, root: Path) -> pd.DataFrame:
        """A row for every video on disk or in a split file; one that has no file gets the status "missing
        file"."""
        root = folder(Path(root), NAME)
        pairs = _pairs(root)
        originals = folder(root / "original_sequences" / "youtube", f"{NAME}, original videos")
        compression = self.compression or _only(originals)
        return table(self._rows(root, compression, pairs), root, NAME)

    def _rows(self, root: Path, compression: str, pairs: dict[tuple[str, str], str]) -> Iterator[dict]:
        split_of = {identity: split for pair, split in pairs.items() for identity in pair}
        where = Path("original_sequences", "youtube", compression, "videos")
        for stem in sorted(_stems(root / where) | set(split_of)):
            yield _row("original", where, stem) | {
                "split": split_of.get(stem, ""),
                "target": stem,
                "label": "real",
            }
        for name in self.manipulations:
            where = Path("manipulated_sequences", name, compression, "videos")
            for stem in sorted(_stems(root / where) | {"_".join(pair) for pair in pairs}):
                target, _, source = stem.partition("_")
                if not (target and source):
                    raise DataError(f"{NAME}: a forged video is called <target>_<source>. Found {where / stem}.mp4.")
                yield _row(name, where, stem) | {
                    "label": LABELS[name],
                    "split": pairs.get((target, source), ""),
                    "target": target,
                    "source": source,
                    "pristine": f"{NAME}/original/{target}",
                }


def _row(manipulation: str, where: Path, stem: str) -> dict:
    return {
        "dataset": NAME,
        "manipulation": manipulation,
        "video": f"{NAME}/{manipulation}/{stem}",
        "path": (where / f"{stem}.mp4").as_posix(),
        "compression": where.parts[-2],
    }


def _stems(videos: Path) -> set[str]:
    return {path.stem for path in folder(videos, f"{NAME}, videos").glob("*.mp4")}


def _only(originals: Path) -> str:
    found = sorted(path.name for path in originals.iterdir() if (path / "videos").is_dir())
    if len(found) != 1:
        rule = "name the compression to read" if found else "expected <compression>/videos"
        raise ParameterError(f"{NAME}: {rule}. Found {', '.join(found) or 'none'} in {originals}.")
    return found[0]


def _pairs(root: Path) -> dict[tuple[str, str], str]:
    """(target, source) -> split, both directions of every pair. Raises DataError when an identity is in two
    splits."""
    pairs: dict[tuple[str, str], str] = {}
    home: dict[str, str] = {}
    for split in SPLITS:
        path = next((p for p in (root / f"{split}.json", root / "splits" / f"{split}.json") if p.is_file()), None)
        if path is None:
            raise MissingError(
                f"{NAME}: expected the split file {split}.json in {root} or its folder splits. Found none."
            )
        for first, second in _read_pairs(path):
            for identity in (first, second):
                if home.setdefault(identity, split) != split:
                    raise DataError(f"{path}: an id belongs to one split. Found {identity!r} in {home[identity]} too.")
            pairs[first, second] = pairs[second, first] = split
    return pairs


def _read_pairs(path: Path) -> list[tuple[str, str]]:
    try:
        content = json.loads(path.read_text())
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{path}: expected a JSON list of id pairs. Found {error}.") from error
    if not isinstance(content, list):
        raise DataError(f"{path}: expected a JSON list of id pairs. Found {type(content).__name__}.")
    for pair in content:
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(item, str) for item in pair)):
            raise DataError(f'{path}: expected pairs of ids such as ["000", "003"]. Found {pair!r}.')
    return [tuple(pair) for pair in content]


LAYOUT = FaceForensics
