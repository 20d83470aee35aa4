"""Crops and forgeries in the form of DeepfakeBench (Yan et al., NeurIPS 2023): PNG files in folders, and lists in JSON.

Of each data set there is one list, `semdf-<data set>.json`: label -> split -> video -> its label and the paths of its
frames. Names that begin so are none of theirs, so their code looks for no level of compressions. Beside
`frames/<video>/<number>.png` lie `masks/` with the blending masks of forgeries and `landmarks/` with the points of
crops, where their code looks for them.

What they have a label for gets it, such as `FF-real`. Other rows get one of ours, which says all that a row has:
`semdf:<data set>:<manipulation>:<label row>`. Their configuration must know these labels: `label_dict.yaml` has the
lines for it. `semdf.layouts.deepfakebench` reads the lists back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from semdf.artifacts import atomic, read_table, write_json
from semdf.errors import DataError
from semdf.layouts.deepfakebench import OWN, SPLITS, label_of
from semdf.storage.columns import TRAINING_INPUT
from semdf.storage.paths import leaves
from semdf.storage.tars import decode_image, encode_png, read_member

__all__ = ["DeepfakeBenchFiles", "to_deepfakebench"]

#: What the export needs of a manifest. Masks are exported where it has the column `mask_member`.
NEEDED = (*TRAINING_INPUT, "landmarks")


class DeepfakeBenchFiles(NamedTuple):
    """What an export wrote.

    Attributes:
        lists: The lists.
        rows: The rows of all manifests with their status: "ok" for those that were written, else why not.
    """

    lists: list[Path]
    rows: pd.DataFrame


def to_deepfakebench(sources: Sequence[Path], out: Path) -> DeepfakeBenchFiles:
    """Write the crops of manifests; equal sources give equal bytes.

    Args:
        sources: Folders of `semdf extract`, `semdf merge` or `semdf expand`, each with its manifest.
        out: The folder that gets everything: DeepfakeBench's `rgb_dir` and its `dataset_json_folder`.

    Raises:
        DataError: Two rows would be one file, or a name cannot be a file's.
    """
    out = Path(out)
    tables = []
    for source in sources:
        table = read_table(Path(source) / "manifest.parquet", NEEDED).assign(source_folder=str(source))
        tables.append(table.assign(mask_member="") if "mask_member" not in table else table)
    rows = pd.concat(tables, ignore_index=True)
    unsplit = (rows["status"] == "ok") & ~rows["split"].isin(SPLITS)
    rows.loc[unsplit, "status"] = "in no split"
    good = rows[rows["status"] == "ok"]
    places = {place.frame: place for place in _places(good)}
    if len(places) < len(good):
        raise DataError(f"manifests: must name each crop once, found {len(good) - len(places)} again")
    lists = []
    for dataset, part in good.groupby("dataset", sort=True):
        name = f"{OWN}{dataset}"
        lists.append(write_json({name: _listed(part)}, out / f"{name}.json"))
    for row, place in zip(good.itertuples(), places.values(), strict=True):
        _write(row, place, out)
    known = sorted({(_label(row), int(row.label != "real")) for row in good.itertuples()})
    with atomic(out / "label_dict.yaml") as draft:
        draft.write_text("label_dict:\n" + "".join(f"  '{label}': {fake}\n" for label, fake in known), encoding="utf-8")
    return DeepfakeBenchFiles(lists, rows)


class _Place(NamedTuple):
    """Where the files of a crop lie below the folder of the export."""

    frame: str
    mask: str
    landmarks: str


def _place(row: Any) -> _Place:
    """Where the files of a row lie."""
    top = f"{OWN}{row.dataset}/{row.manipulation}"
    rest = f"{PurePosixPath(row.video).name}/{row.frame:04d}"
    place = _Place(f"{top}/frames/{rest}.png", f"{top}/masks/{rest}.png", f"{top}/landmarks/{rest}.npy")
    if leaves(place.frame) or "frames" in top + rest:
        raise DataError(f"manifests: names must be files', without the word frames, found {place.frame!r}")
    return place


def _places(rows: pd.DataFrame) -> Iterator[_Place]:
    for row in rows.itertuples():
        yield _place(row)


def _label(row: Any) -> str:
    """What a row is called in the lists."""
    return label_of(row.dataset, row.manipulation, row.label)


def _listed(rows: pd.DataFrame) -> dict[str, dict[str, dict]]:
    """The list of one data set: label -> split -> video -> entry; every label has all splits, as their code expects."""
    listed: dict[str, dict[str, dict]] = {}
    for row in rows.itertuples():
        label = _label(row)
        by_split = listed.setdefault(label, {split: {} for split in SPLITS})
        entry = by_split[row.split].setdefault(PurePosixPath(row.video).name, {"label": label, "frames": []})
        entry["frames"].append(_place(row).frame)
    return listed


def _write(row: Any, place: _Place, out: Path) -> None:
    """The files of one crop: its picture as it is, or as PNG if it is a JPEG, its mask, and its landmarks."""
    root = Path(row.source_folder)
    data = read_member(root, row.shard, row.member)
    if PurePosixPath(row.member).suffix != ".png":
        data = encode_png(decode_image(data, row.member))
    with atomic(out / place.frame) as draft:
        draft.write_bytes(data)
    if isinstance(row.mask_member, str) and row.mask_member:
        with atomic(out / place.mask) as draft:
            draft.write_bytes(read_member(root, row.shard, row.mask_member))
    points = np.asarray(row.landmarks, np.float32).reshape(-1, 2)
    if len(points):
        with atomic(out / place.landmarks) as draft, draft.open("wb") as file:
            np.save(file, points)
