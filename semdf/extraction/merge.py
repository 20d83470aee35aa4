"""Data sets that were extracted one by one, made the one folder of faces that the later stages read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from semdf.artifacts import digest, read_json, read_table, write_json, write_table
from semdf.errors import DataError, MissingError
from semdf.extraction.extract import CROP
from semdf.storage.manifest import COLUMNS, EXTRACTION, LAYOUT, RECORDS
from semdf.storage.paths import below

__all__ = ["merge"]


def merge(out: Path, names: Iterable[str] = ()) -> pd.DataFrame:
    """Join the extractions in folders of `out` to one, and return its manifest.

    Writes `out/manifest.parquet` and `out/crop.json`; the folders stay where they are and are needed.

    Args:
        out: The folder that has the extractions in folders of their own.
        names: Of these folders, in the order of the rows; all that hold a manifest, by name, if there are none.

    Raises:
        MissingError: For an extraction that is not finished (shards are to be joined first), named or not.
        DataError: If crops are not cut alike, a video is in two data sets, a folder is a link to a place that is not
            allowed, or `out` holds an extraction or expansion itself.
    """
    out = Path(out)
    own = [name for name in RECORDS if (out / name).is_file()]
    if own:
        raise DataError(f"{out}: must be a folder that has data sets in folders of their own, found {own[0]} in it")
    parts = [out / name for name in names]
    if not parts:
        parts = _finished(out)
    if not parts:
        raise MissingError(f"{out}: must have a folder of `semdf extract` for each data set, found none")
    for part in parts:
        below(out, part.name, f"{out}")
    manifests = [_manifest(part) for part in parts]
    crop = read_json(parts[0] / CROP)
    for part in parts[1:]:
        found = read_json(part / CROP)
        if found != crop:
            raise DataError(f"{part}: must have crops as of {parts[0].name}, {crop}, found {found}")
    videos = pd.concat([manifest["video"].drop_duplicates() for manifest in manifests])
    if videos.duplicated().any():
        twice = videos[videos.duplicated()].iloc[0]
        raise DataError(f"{out}: each video must be in one data set, found {twice} in two")
    merged = pd.concat(manifests, ignore_index=True)
    write_json(crop, out / CROP)
    write_table(merged, out / "manifest.parquet")
    return merged


def _finished(out: Path) -> list[Path]:
    """The folders of `out` that hold an extraction, by name; hidden ones do not count.

    Raises:
        MissingError: One holds work that was not brought to its end.
    """
    found = []
    for part in sorted(path for path in out.iterdir() if path.is_dir() and not path.name.startswith(".")):
        if part.match("shard-*-of-*"):
            continue
        begun = part.name.endswith(".parts") or any(part.glob("shard-*-of-*"))
        if (part / "manifest.parquet").is_file():
            found.append(part)
        elif begun:
            way = "go on with `semdf extract`, join its shards, or move it away"
            raise MissingError(f"{part}: must hold a finished extraction, found one that is not: {way}")
    return found


def _manifest(part: Path) -> pd.DataFrame:
    """The manifest of a finished extraction, its shards named from the folder above."""
    path = part / "manifest.parquet"
    record = read_json(part / EXTRACTION) if (part / EXTRACTION).is_file() else None
    if not (isinstance(record, dict) and path.is_file() and record.get("manifest") == digest(path)):
        raise MissingError(f"{part}: must hold a finished extraction ({EXTRACTION} and its manifest), found none")
    manifest = read_table(path, (*LAYOUT, *COLUMNS))
    return manifest.assign(shard=manifest["shard"].where(manifest["shard"] == "", f"{part.name}/" + manifest["shard"]))
