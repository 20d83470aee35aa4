"""Photographs of people who consented: who is in which split, their faces, and forgeries of them.

Made for the Face Research Lab London Set (DeBruine and Jones, 2017, see `SOURCE`): of each adult a neutral picture
NNN_03.jpg with hand-placed landmarks NNN_03.tem, and a smiling one NNN_08.jpg without. The Canadian pictures of the
same authors were taken by another camera. The photographs themselves are no part of this project.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from semdf import layouts
from semdf.artifacts import read_table, write_table
from semdf.errors import DataError, MissingError, ParameterError
from semdf.extraction.extract import extract
from semdf.faces.carried import Carried
from semdf.faces.finders import Templates
from semdf.forging.expand import expand
from semdf.forging.presets import load

__all__ = ["FOLDERS", "LEFT_OUT", "SOURCE", "TRAINED", "Forged", "cut", "forge_all", "read", "split_people"]

#: Where the photographs can be had.
SOURCE = "Face Research Lab London Set, doi 10.6084/m9.figshare.5047666, CC BY 4.0"

#: Name of a set in tables -> its folder. The people of the first are split; all of the second are tests.
FOLDERS = {"London": "london", "Canada": "canada"}

#: The splits, in the order in which people are drawn for them.
SPLITS = ("train", "val", "test")

#: Presets that training sees, and those whose operators it never sees.
TRAINED = ("photographs", "photographs_own")
LEFT_OUT = ("photographs_poisson", "photographs_warped", "photographs_morph", "photographs_pieces")

#: Added to the seed for what is watched and tested, beyond the number of any pass.
APART = 100_000


def read(folder: str | Path, people: Mapping[Any, int], seed: int) -> pd.DataFrame:
    """A row for every photograph: the columns of a layout, paths below `folder`, and the split of each person.

    Args:
        folder: Holds `FOLDERS`; "" for none.
        people: How many of London are in each split.
        seed: Of who is in which.

    Raises:
        MissingError: The photographs are not there.
        DataError: A folder is empty, or one picture is in two splits under two names.
        ParameterError: The splits do not add up to the people.
    """
    rule = f"photographs must be a folder with {' and '.join(FOLDERS.values())} ({SOURCE})"
    if not str(folder):
        raise MissingError(f"{rule}, found none named: set detector.photographs in params.yaml")
    tables = []
    for dataset, name in FOLDERS.items():
        place = Path(folder) / name
        if not place.is_dir():
            raise MissingError(f"{rule}, found no {name!r} in {Path(folder).name!r}")
        rows = layouts.load("pictures", dataset=dataset, split="test").read(place)
        tables.append(rows.assign(path=name + "/" + rows["path"]))
    rows = pd.concat(tables, ignore_index=True)
    first = rows["dataset"] == next(iter(FOLDERS))
    splits = split_people(sorted(set(rows.loc[first, "target"])), people, seed)
    rows.loc[first, "split"] = rows.loc[first, "target"].map(splits)
    _check_pictures(rows, Path(folder))
    return rows


def split_people(names: Sequence[str], people: Mapping[Any, int], seed: int) -> dict[str, str]:
    """The split of each person, drawn by a seed.

    >>> split_people(["a", "b", "c"], {"train": 1, "val": 1, "test": 1}, 0)
    {'c': 'train', 'a': 'val', 'b': 'test'}

    Raises:
        ParameterError: The splits do not add up to the people.
    """
    counts = [people.get(split, 0) for split in SPLITS]
    if set(people) - set(SPLITS) or min(counts) < 1 or sum(counts) != len(names):
        raise ParameterError(f"people must be {', '.join(SPLITS)} that add up to {len(names)}, found {dict(people)}")
    order = np.random.default_rng(seed).permutation(len(names))
    assigned = np.repeat(SPLITS, counts)
    return {names[place]: str(split) for place, split in zip(order, assigned, strict=True)}


def _check_pictures(rows: pd.DataFrame, folder: Path) -> None:
    """Raise DataError if one picture has two names in two splits: its person would be in both."""
    seen: dict[str, tuple[str, str]] = {}
    for row in rows[rows["status"] == "ok"].itertuples():
        content = hashlib.sha256((folder / str(row.path)).read_bytes()).hexdigest()
        before = seen.setdefault(content, (str(row.path), str(row.split)))
        if before[1] != row.split:
            found = f"{before[0]} in {before[1]} and {row.path} in {row.split}, which are one picture"
            raise DataError(f"photographs: a person must be in one split, found {found}")


def cut(rows: pd.DataFrame, folder: str | Path, out: Path, *, size: int, workers: int = 1) -> pd.DataFrame:
    """Cut the face out of every photograph into `out/`, as native crops; return their manifest.

    Landmarks come from NAME.tem beside a picture, else from another picture of the person (`semdf.faces.carried`). A
    picture that cannot be used keeps a row whose status says why.

    Args:
        rows: What `read` returned.
        folder: As for `read`.
        out: Folder to write to.
        size: Side of the crops, pixels.
        workers: Processes.

    Raises:
        DataError: No picture of a set gives a face.
    """
    folder = Path(folder)
    finder = Templates(folder, Carried(folder))
    manifest = extract(rows, folder, out, finder, frames=1, size=size, alignment="native", workers=workers)
    for dataset, part in manifest.groupby("dataset"):
        if not (part["status"] == "ok").any():
            reasons = ", ".join(sorted(set(part["status"])))
            raise DataError(f"{dataset}: must show a face in some of {len(part)} pictures, found {reasons}")
    return manifest


class Forged(NamedTuple):
    """A folder of forgeries: what it is for, by which preset, and its manifest."""

    split: str
    preset: str
    manifest: Path


def forge_all(
    faces: Mapping[int, Path],
    out: Path,
    *,
    passes: int,
    per_image: Mapping[str, int],
    seed: int,
    left_out: Sequence[str] = LEFT_OUT,
    workers: int = 1,
) -> list[Forged]:
    """All forgeries that a detector is trained, watched and tested with, in folders of their own; made once.

    Training gets `passes` times forgeries of its people, each pass with other donors, masks and operators, of crops of
    the sizes in turn. Watched and tested are those of the first size, of every region once, and `left_out` ones thrice.

    Args:
        faces: Side of the crops -> folder that `cut` wrote; the first is that of the tests.
        out: Folder to write to.
        passes: How often training crops are forged by each preset.
        per_image: Preset -> forgeries of a training crop in a pass.
        seed: Of the first pass; the others count on.
        left_out: Presets for tests alone.
        workers: Processes that forge.

    Raises:
        ParameterError: A preset that is not known.
    """
    sides = list(faces)
    made = []
    for number in range(passes):
        for preset, count in per_image.items():
            place = out / f"train-{preset}-{number:02d}"
            chosen = faces[sides[number % len(sides)]]
            made.append(_forge("train", preset, chosen, place, count, seed + number, workers))
    for split in ("val", "test"):
        for preset in per_image:
            place = out / f"{split}-{preset}"
            every = len(load(preset).regions)
            made.append(_forge(split, preset, faces[sides[0]], place, every, seed + APART, workers))
    for preset in left_out:
        regions = len(load(preset).regions)
        count = regions if regions > 1 else 3
        made.append(_forge("test", preset, faces[sides[0]], out / f"test-{preset}", count, seed + APART, workers))
    return made


def _forge(split: str, preset: str, faces: Path, out: Path, per_image: int, seed: int, workers: int) -> Forged:
    """Forgeries of the crops of one split, unless they are there."""
    manifest = out / "manifest.parquet"
    if not manifest.is_file():
        rows = read_table(faces / "manifest.parquet")
        rows = rows[rows["split"] == split]
        made = expand(rows, faces, out, preset=preset, per_image=per_image, seed=seed, workers=workers)
        write_table(made, manifest)
    return Forged(split, preset, manifest)
