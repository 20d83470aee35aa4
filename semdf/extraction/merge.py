"""Data sets that were extracted one by one, made the one folder of faces that the later stages read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from semdf.artifacts import digest, read_json, read_table, write_json, write_table
from semdf.errors import DataError, MissingError
from semdf.extraction.extract import CROP
from semdf.storage.manifest import COLUMNS, EXTRACTION, LAYOUT, RECORDS

__all__ = ["merge"]


def merge(out: Path, names: Iterable[str] = ()) -> pd.DataFrame:
    """Write `out/manifest.parquet` and `out/crop.json` over the extractions in folders of `out`, which stay where they
    are, and return the manifest.

    names: of the folders, in the order of the rows; all that hold a manifest, by name, if there are none.
    Raises MissingError for an extraction that is not finished (shards are to be joined first), DataError if crops are
    not cut alike, a video is in two data sets, or `out` holds an extraction or expansion itself.
    """
    out = Path(out)
    if own := [name for name in RECORDS if (out / name).is_file()]:
        raise DataError(f"{out}: expected a folder that has data sets in folders of their own. Found {own[0]} in it.")
    parts = [out / name for name in names]
    parts = parts or sorted(p.parent for p in out.glob("*/manifest.parquet") if not p.parent.match("shard-*-of-*"))
    if not parts:
        raise MissingError(f"{out}: expected a folder of `semdf extract` for each data set. Found none.")
    manifests = [_manifest(part) for part in parts]
    crop = read_json(parts[0] / CROP)
    for part in parts[1:]:
        if (found := read_json(part / CROP)) != crop:
            raise DataError(f"{part}: expected crops as of {parts[0].name}, {crop}. Found {found}.")
    manifest = pd.concat(manifests, ignore_index=True)
    videos = pd.concat([m["video"].drop_duplicates() for m in manifests])
    if videos.duplicated().any():
        found = videos[videos.duplicated()].iloc[0]
        raise DataError(f"{out}: expected each video in one data set. Found {found} in two.")
    write_json(crop, out / CROP)
    write_table(manifest, out / "manifest.parquet")
    return manifest


def _manifest(part: Path) -> pd.DataFrame:
    """The manifest of a finished extraction, its shards named from the folder above."""
    path = part / "manifest.parquet"
    record = read_json(part / EXTRACTION) if (part / EXTRACTION).is_file() else None
    if not (isinstance(record, dict) and path.is_file() and record.get("manifest") == digest(path)):
        raise MissingError(f"{part}: expected a finished extraction ({EXTRACTION} and its manifest). Found none.")
    manifest = read_table(path, (*LAYOUT, *COLUMNS))
    return manifest.assign(shard=manifest["shard"].where(manifest["shard"] == "", f"{part.name}/" + manifest["shard"]))
