"""Crops on disk: tars of pictures, the table that names each, and the record that says they are complete."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from glob import escape
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from semdf.artifacts import digest, read_json, read_table, write_json, write_table, writing
from semdf.errors import DataError, MissingError
from semdf.storage.columns import CROP, MEMBERS, VIDEO_KEY
from semdf.storage.paths import below
from semdf.storage.tars import ShardReader, ShardWriter

__all__ = [
    "COLUMNS",
    "EXPANSION",
    "EXTRACTION",
    "LAYOUT",
    "RECORDS",
    "Piece",
    "assemble",
    "completed",
    "join",
    "part_of",
    "written",
]

#: What a manifest has at least of the layout's columns: they name the place of a crop.
LAYOUT = VIDEO_KEY
#: What a manifest has after the layout's columns.
COLUMNS = CROP
#: Name of the record that says that a folder of crops is complete; its pieces of work are videos.
EXTRACTION = "extract.json"
#: Name of the record that says that a folder of forgeries is complete; its pieces of work are pictures.
EXPANSION = "expand.json"
RECORDS = (EXTRACTION, EXPANSION)
#: A tar that has grown beyond this is followed by another, bytes (ours).
LARGEST = 1_000_000_000


class Piece(NamedTuple):
    """A piece of work.

    Attributes:
        row: What the layout says of the video.
        members: The files of its pictures, by their names in the tar.
        rows: What the manifest says besides, a row for each frame.
    """

    row: dict
    members: dict[str, bytes]
    rows: list[dict]


def part_of(out: Path, shard: tuple[int, int]) -> Path:
    """The folder of shard i of n below `out`."""
    return Path(out) / f"shard-{shard[0]:04d}-of-{shard[1]:04d}"


def completed(out: Path, record: dict, name: str = EXTRACTION) -> pd.DataFrame | None:
    """The manifest in `out` if the run of this record was completed there and nothing was put over it, else None.

    Args:
        out: The folder.
        record: What the run would write.
        name: Name of the record's file.
    """
    path = out / "manifest.parquet"
    if not ((out / name).is_file() and path.is_file()):
        return None
    try:
        if read_json(out / name) != record | {"manifest": digest(path)}:
            return None
        manifest = read_table(path, (*LAYOUT, *COLUMNS))
        shards = set(manifest["shard"]) - {""}
        whole = all(below(out, shard, "shard").is_file() for shard in shards)
    except DataError:  # a damaged record or manifest is that of no complete run
        return None
    return manifest if whole else None


def assemble(
    pieces: Iterable[Piece], columns: Iterable[str], out: Path, record: dict, name: str = EXTRACTION
) -> pd.DataFrame:
    """Write `<data set>/<manipulation>.tar`, the manifest and, last, the record.

    Args:
        pieces: In the order of the manifest's rows.
        columns: Those of the layout, after which `COLUMNS` are put; or all columns of the manifest, in their order.
        out: The folder.
        record: What says later that this run is complete; the digest of the manifest is added.
        name: Name of the record's file.

    Returns:
        The manifest as it is read back.

    Raises:
        DataError: A complete run of the other kind lies in the folder: this one would replace its manifest.
    """
    out = Path(out)
    columns = list(columns)
    if other := [kind for kind in RECORDS if kind != name and (out / kind).is_file()]:
        raise DataError(f"{out}: must be a folder of its own for what {name} records, found {other[0]}")
    with writing(out):
        (out / name).unlink(missing_ok=True)
        for left in (*out.glob(".manifest.parquet.*"), *out.glob(f".{name}.*")):
            left.unlink()  # a killed process left it
    rows = written(pieces, out)
    if not set(COLUMNS) <= set(columns):
        columns = [column for column in columns if column not in COLUMNS] + list(COLUMNS)
    path = write_table(pd.DataFrame(rows, columns=columns), out / "manifest.parquet")
    write_json(record | {"manifest": digest(path)}, out / name)
    return read_table(path)


def written(pieces: Iterable[Piece], out: Path) -> list[dict]:
    """Write the tars alone, without manifest and record; the rows of the manifest."""
    manifest = []
    with _Tars(out) as tars:
        for row, members, rows in pieces:
            shard = tars.put(f"{row['dataset']}/{row['manipulation']}", members)
            for cells in rows:
                sample = f"{row['video']}/{cells['frame']:04d}" if cells["frame"] >= 0 else row["video"]
                place = {"sample": sample, "shard": shard if cells["member"] else ""}
                manifest.append({**row, **cells, **place})
    return manifest


@dataclass
class _Tar:
    """A tar that is being written: its writer, its path below the folder, and the bytes put into it so far."""

    writer: ShardWriter
    shard: str
    size: int = 0


class _Tars:
    """The tars that are being written, one for each manipulation and a further one for each `LARGEST` bytes."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.open: dict[str, _Tar] = {}
        self.count: dict[str, int] = {}  # how many tars of a manipulation were begun
        self.used: set[str] = set()

    def put(self, name: str, members: dict[str, bytes]) -> str:
        """Append the files of one video; the path of the tar below `out`."""
        if name in self.open and self.open[name].size > LARGEST:
            self.open.pop(name).writer.__exit__(None)
        if name not in self.open:
            self.open[name] = self._begin(name)
        tar = self.open[name]
        for member, data in members.items():
            tar.writer.add(member, data)
            tar.size += len(data)
        return tar.shard

    def _begin(self, name: str) -> _Tar:
        """The next tar of a manipulation: NAME.tar, NAME.1.tar, ..."""
        number = self.count.get(name, 0)
        self.count[name] = number + 1
        shard = f"{name}.{number}.tar" if number else f"{name}.tar"
        path = below(self.out, shard, "dataset and manipulation")
        if shard in self.used:  # "a" that has grown beyond one tar, and "a.1"
            raise DataError(f"{self.out}: names of manipulations must not make equal tars, found {shard} twice")
        self.used.add(shard)
        with writing(path):
            for left in path.parent.glob(f"{escape(path.name)}.*.partial"):
                left.unlink()  # a killed process left it
        return _Tar(ShardWriter(path), shard)

    def __enter__(self) -> _Tars:
        return self

    def __exit__(self, *error: Any) -> None:
        stack = ExitStack()  # closes the others, too, where one cannot be closed
        for tar in self.open.values():
            stack.push(tar.writer)
        self.open.clear()
        stack.__exit__(*error)


class _Finished(NamedTuple):
    """A finished shard: its folder, the name of its record's file, and the record."""

    part: Path
    name: str
    record: dict


def join(out: Path) -> pd.DataFrame:
    """Put the shards below `out` together: the same files and rows as of a run without shards. The shards stay.

    Raises:
        MissingError: Shards are not complete; the message names them.
        DataError: The shards are not of one run.
    """
    out = Path(out)
    parts = sorted(path for path in out.glob("shard-*-of-*") if path.is_dir() and path.suffix != ".parts")
    done = [_Finished(part, name, _record(part, name)) for part in parts for name in RECORDS if (part / name).is_file()]
    if not done:
        raise MissingError(f"{out}: must have folders shard-I-of-N of finished shards, found {len(parts)} unfinished")
    runs = {(shard.name, shard.record["table"], shard.record["shard"][1]) for shard in done}
    if len(runs) > 1:
        raise DataError(f"{out}: must hold the shards of one run, found those of {len(runs)}: remove the older ones")
    ((name, table, n),) = runs
    folders = {shard.part for shard in done}
    missing = list(islice((i for i in range(n) if part_of(out, (i, n)) not in folders), 20))
    if missing:
        numbers = ", ".join(map(str, missing)) + (", ..." if len(missing) == 20 else "")
        raise MissingError(f"{out}: must have {n} finished shards, found none for {numbers}")
    record = {
        "table": table,
        "shard": None,
        "videos": sum(shard.record["videos"] for shard in done),
        "files": [shard.record["files"] for shard in done],
    }
    manifest = completed(out, record, name)
    if manifest is not None:
        return manifest
    parts = [part_of(out, (i, n)) for i in range(n)]  # in the order of their numbers
    columns = read_table(parts[0] / "manifest.parquet", (*LAYOUT, *COLUMNS)).columns
    return assemble(_in_turn([_pieces(part, name) for part in parts]), columns, out, record, name)


def _record(part: Path, name: str) -> dict:
    """The record of a finished shard.

    Raises:
        DataError: It is not of this folder, or the manifest beside it is another one.
    """
    record = read_json(part / name)
    shard = record.get("shard") if isinstance(record, dict) else None
    if not (
        isinstance(shard, list)
        and [type(i) for i in shard] == [int, int]
        and part_of(part.parent, (shard[0], shard[1])) == part
    ):
        raise DataError(f"{part}/{name}: must be the record of this shard, found {str(record)[:80]}")
    kinds = {"table": str, "videos": int, "files": str, "manifest": str}
    for key, kind in kinds.items():
        if not isinstance(record.get(key), kind):
            raise DataError(f"{part}/{name}: must have {key}, found {str(record.get(key))[:80]}")
    path = part / "manifest.parquet"
    if not path.is_file() or digest(path) != record["manifest"]:
        raise DataError(f"{path}: must be the manifest that was written with its record, found another or none")
    return record


def _in_turn(streams: list[Iterator[Piece]]) -> Iterator[Piece]:
    """The first piece of each stream, the second piece of each, ...: the order before they were dealt out to shards.

    Raises:
        DataError: A stream ends too early.
    """
    while True:
        for stream in streams:
            piece = next(stream, None)
            if piece is None:
                if any(next(other, None) is not None for other in streams):
                    raise DataError("shards: must have been dealt out in turn, found one that has too few pieces")
                return
            yield piece


def _pieces(part: Path, name: str) -> Iterator[Piece]:
    """The pieces of one shard, in the order of its manifest."""
    path = part / "manifest.parquet"
    named = MEMBERS if name == EXPANSION else MEMBERS[:2]
    manifest = read_table(path, dict.fromkeys((*LAYOUT, *COLUMNS, *named)))
    layout = [column for column in manifest if column not in COLUMNS]
    cells = [column for column in COLUMNS if column not in ("sample", "shard")]  # `written` makes these two anew
    each = manifest["video"] if name == EXTRACTION else manifest.index
    readers: dict[str, ShardReader] = {}
    for _, group in manifest.groupby(each, sort=False):
        rows = group.to_dict("records")
        members: dict[str, bytes] = {}
        for row in rows:
            shard = row["shard"]
            if bool(shard) != bool(row["member"]):
                found = f"{shard!r} and {row['member']!r}"
                raise DataError(f"{part}, {row['sample']}: must have shard and member, or neither, found {found}")
            if not shard:
                continue
            if shard not in readers:
                readers[shard] = ShardReader(below(part, shard, "shard"))
            for column in named:
                if row[column]:
                    members[row[column]] = readers[shard].read(row[column])
        yield Piece(
            row={column: rows[0][column] for column in layout},
            members=members,
            rows=[{column: row[column] for column in cells} for row in rows],
        )
