"""Crops on disk: tars of pictures, the table that names each, and the record that says they are complete."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from glob import escape
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from semdf.artifacts import digest, read_json, read_table, write_json, write_table, writing
from semdf.errors import DataError, MissingError
from semdf.storage.columns import CROP, MEMBERS, VIDEO_KEY
from semdf.storage.paths import below
from semdf.storage.tars import ShardReader, ShardWriter

__all__ = [
    *("COLUMNS", "EXPANSION", "EXTRACTION", "LAYOUT", "Piece", "assemble", "completed", "join", "part_of", "written")
]

#: What a manifest has at least of the layout's columns: they name the place of a crop.
LAYOUT = VIDEO_KEY
#: What a manifest has after the layout's columns.
COLUMNS = CROP
#: Names of the record that says that a folder is complete: of crops, whose pieces of work are videos, and of
#: forgeries, whose pieces are pictures.
EXTRACTION, EXPANSION = RECORDS = ("extract.json", "expand.json")
#: A tar that has grown beyond this is followed by another, bytes (ours).
LARGEST = 1_000_000_000

#: A piece of work: a video's row of the layout, the files of its crops, the rows on its frames.
Piece = tuple[dict, dict[str, bytes], list[dict]]


def part_of(out: Path, shard: tuple[int, int]) -> Path:
    """The folder of shard i of n below `out`."""
    return Path(out) / f"shard-{shard[0]:04d}-of-{shard[1]:04d}"


def completed(out: Path, record: dict, name: str = EXTRACTION) -> pd.DataFrame | None:
    """The manifest in `out` if the run of this record was completed there and nothing was put over it, else None.

    name: of the record's file.
    """
    path = out / "manifest.parquet"
    if not ((out / name).is_file() and path.is_file()):
        return None
    try:
        if read_json(out / name) == record | {"manifest": digest(path)}:
            manifest = read_table(path, (*LAYOUT, *COLUMNS))
            if all(below(out, shard, "shard").is_file() for shard in set(manifest["shard"]) - {""}):
                return manifest
    except DataError:  # a damaged record is that of no complete run
        return None
    return None


def assemble(
    pieces: Iterable[Piece], columns: Iterable[str], out: Path, record: dict, name: str = EXTRACTION
) -> pd.DataFrame:
    """Write `<data set>/<manipulation>.tar`, the manifest and, last, the record; the manifest as it is read back.

    pieces: in the order of the rows. columns: of the layout, or all in their order. name: of the record's file.
    Raises DataError where a complete run of the other kind lies: this one would replace its manifest.
    """
    out, columns = Path(out), list(columns)
    if other := [kind for kind in RECORDS if kind != name and (out / kind).is_file()]:
        raise DataError(f"{out}: expected a folder of its own for what {name} records. Found {other[0]}.")
    with writing(out):
        (out / name).unlink(missing_ok=True)
        for left in (*out.glob(".manifest.parquet.*"), *out.glob(f".{name}.*")):
            left.unlink()  # of a process that was killed
    rows = written(pieces, out)
    if not set(COLUMNS) <= set(columns):
        columns = [column for column in columns if column not in COLUMNS] + list(COLUMNS)
    path = write_table(pd.DataFrame(rows, columns=columns), out / "manifest.parquet")
    write_json(record | {"manifest": digest(path)}, out / name)
    return read_table(path)


def written(pieces: Iterable[Piece], out: Path) -> list[dict]:
    """Write the tars alone; the rows of the manifest."""
    cells = []
    with _Tars(out) as tars:
        for row, members, rows in pieces:
            shard = tars.put(f"{row['dataset']}/{row['manipulation']}", members)
            for cell in rows:
                sample = f"{row['video']}/{cell['frame']:04d}" if cell["frame"] >= 0 else row["video"]
                cells.append(row | cell | {"sample": sample, "shard": shard if cell["member"] else ""})
    return cells


class _Tars:
    """The tars that are being written, one for each manipulation and a further one for each `LARGEST` bytes."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.open: dict[str, tuple[ShardWriter, str, int]] = {}
        self.count: dict[str, int] = {}
        self.used: set[str] = set()

    def put(self, name: str, members: dict[str, bytes]) -> str:
        """Append the files of one video; the path of the tar below `out`."""
        if name not in self.open or self.open[name][2] > LARGEST:
            if name in self.open:
                self.open.pop(name)[0].__exit__(None)
            number = self.count[name] = self.count.get(name, -1) + 1
            shard = f"{name}.{number}.tar" if number else f"{name}.tar"
            path = below(self.out, shard, "dataset and manipulation")
            if shard in self.used:  # "a" that has grown beyond one tar, and "a.1"
                raise DataError(f"{self.out}: names of manipulations should not make equal tars. Found {shard} twice.")
            self.used.add(shard)
            with writing(path):
                for left in path.parent.glob(f"{escape(path.name)}.*.partial"):
                    left.unlink()  # of a process that was killed
            self.open[name] = ShardWriter(path), shard, 0
        writer, shard, size = self.open[name]
        for member, data in members.items():
            writer.add(member, data)
        self.open[name] = writer, shard, size + sum(map(len, members.values()))
        return shard

    def __enter__(self) -> _Tars:
        return self

    def __exit__(self, *error: Any) -> None:
        stack = ExitStack()  # closes all, even where one cannot be
        for writer, *_ in self.open.values():
            stack.push(writer)
        self.open.clear()
        stack.__exit__(*error)


def join(out: Path) -> pd.DataFrame:
    """Put the shards below `out` together: the same files and rows as of a run without shards. They stay.

    Raises MissingError, which names the shards that are not complete, and DataError if they are not of one run.
    """
    out = Path(out)
    found = sorted(path for path in out.glob("shard-*-of-*") if path.is_dir() and path.suffix != ".parts")
    kinds = {path: [name for name in RECORDS if (path / name).is_file()] for path in found}
    done = {(path, name): _record(path, name) for path, names in kinds.items() for name in names}
    if not done:
        raise MissingError(f"{out}: expected folders shard-I-of-N of finished shards. Found {len(found)} unfinished.")
    runs = {(name, record["table"], record["shard"][1]) for (_, name), record in done.items()}
    if len(runs) > 1:
        raise DataError(f"{out}: expected the shards of one run. Found those of {len(runs)}: remove the older ones.")
    ((name, table, n),) = runs
    if missing := list(islice((i for i in range(n) if (part_of(out, (i, n)), name) not in done), 20)):
        more = ", ..." if len(missing) == 20 else ""
        raise MissingError(f"{out}: expected {n} finished shards. Found none for {', '.join(map(str, missing))}{more}.")
    videos = sum(record["videos"] for record in done.values())
    record = {"table": table, "shard": None, "videos": videos, "files": [r["files"] for r in done.values()]}
    manifest = completed(out, record, name)
    if manifest is not None:
        return manifest
    parts = [part_of(out, (i, n)) for i in range(n)]
    columns = read_table(parts[0] / "manifest.parquet", (*LAYOUT, *COLUMNS)).columns
    return assemble(_in_turn([_pieces(part, name) for part in parts]), columns, out, record, name)


def _record(part: Path, name: str) -> dict:
    """The record of a finished shard. Raises DataError if it is not of this folder or the manifest is another one."""
    record = read_json(part / name)
    shard = record.get("shard") if isinstance(record, dict) else None
    if not (
        isinstance(shard, list)
        and [type(i) for i in shard] == [int, int]
        and part_of(part.parent, (shard[0], shard[1])) == part
    ):
        raise DataError(f"{part}/{name}: expected the record of this shard. Found {str(record)[:80]}.")
    kinds = {"table": str, "videos": int, "files": str, "manifest": str}
    if odd := [key for key, kind in kinds.items() if not isinstance(record.get(key), kind)]:
        raise DataError(f"{part}/{name}: expected {odd[0]}. Found {str(record.get(odd[0]))[:80]}.")
    path = part / "manifest.parquet"
    if not path.is_file() or digest(path) != record["manifest"]:
        raise DataError(f"{path}: expected the manifest that was written with its record. Found another or none.")
    return record


def _in_turn(streams: list[Iterator[Piece]]) -> Iterator[Piece]:
    """The first of each, the second of each, ...: undoes the dealing out of pieces to shards."""
    while True:
        for stream in streams:
            piece = next(stream, None)
            if piece is None:
                if any(next(other, None) is not None for other in streams):
                    raise DataError("shards: expected them dealt out in turn. Found a shard that has too few pieces.")
                return
            yield piece


def _pieces(part: Path, name: str) -> Iterator[Piece]:
    """The pieces of one shard, in the order of its manifest."""
    path = part / "manifest.parquet"
    named = MEMBERS if name == EXPANSION else MEMBERS[:2]
    manifest = read_table(path, dict.fromkeys((*LAYOUT, *COLUMNS, *named)))
    layout = [column for column in manifest if column not in COLUMNS]
    each = manifest["video"] if name == EXTRACTION else manifest.index
    readers: dict[str, ShardReader] = {}
    for _, group in manifest.groupby(each, sort=False):
        rows = group.to_dict("records")
        members: dict[str, bytes] = {}
        for row in rows:
            if bool(row["shard"]) != bool(row["member"]):
                found = f"{row['shard']!r} and {row['member']!r}"
                raise DataError(f"{part}, {row['sample']}: expected shard and member, or neither. Found {found}.")
            if not row["shard"]:
                continue
            if row["shard"] not in readers:
                readers[row["shard"]] = ShardReader(below(part, row["shard"], "shard"))
            members |= {row[column]: readers[row["shard"]].read(row[column]) for column in named if row[column]}
        cells = [{column: row[column] for column in COLUMNS if column not in ("sample", "shard")} for row in rows]
        yield {column: rows[0][column] for column in layout}, members, cells
