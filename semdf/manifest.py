"""Crops on disk: tars of pictures, the table that names each, and the record that says they are complete."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from glob import escape
from itertools import islice
from pathlib import Path

import pandas as pd

from semdf.artifacts import digest, read_json, read_table, write_json, write_table, writing
from semdf.errors import DataError, MissingError
from semdf.paths import below
from semdf.shards import ShardReader, ShardWriter

__all__ = ["COLUMNS", "LAYOUT", "Piece", "assemble", "completed", "join", "part_of"]

#: What a manifest has after the layout's columns. frame: its number, -1 in the one row of a video without a frame;
#: box: [4] x0, y0, x1, y1 in the frame; landmarks: x, y in turn, in the crop (both pixels; empty without a face);
#: status: "ok" or why there is no crop.
#: Before them, at least what names a crop's place.
LAYOUT = ("dataset", "manipulation", "video")
COLUMNS = ("frame", "sample", "shard", "member", "regions_member", "box", "landmarks", "score", "status")
#: A tar that has grown beyond this is followed by another, bytes (ours).
LARGEST = 1_000_000_000

#: A video's row of the layout, the files of its crops, the rows on its frames.
Piece = tuple[dict, dict[str, bytes], list[dict]]


def part_of(out: Path, shard: tuple[int, int]) -> Path:
    """The folder of shard i of n below `out`."""
    return Path(out) / f"shard-{shard[0]:04d}-of-{shard[1]:04d}"


def completed(out: Path, record: dict) -> pd.DataFrame | None:
    """The manifest in `out` if the run of this record was completed there and nothing was put over it, else None."""
    path = out / "manifest.parquet"
    if not ((out / "extract.json").is_file() and path.is_file()):
        return None
    try:
        if read_json(out / "extract.json") == record | {"manifest": digest(path)}:
            manifest = read_table(path, (*LAYOUT, *COLUMNS))
            if all(below(out, shard, "shard").is_file() for shard in set(manifest["shard"]) - {""}):
                return manifest
    except DataError:  # a damaged record is that of no complete run
        return None
    return None


def assemble(pieces: Iterable[Piece], columns: Iterable[str], out: Path, record: dict) -> pd.DataFrame:
    """Write `<data set>/<manipulation>.tar`, the manifest and, last, the record; the manifest as it is read back.

    pieces: in the order of the rows. columns: of the layout.
    """
    out = Path(out)
    with writing(out):
        (out / "extract.json").unlink(missing_ok=True)
        for left in (*out.glob(".manifest.parquet.*"), *out.glob(".extract.json.*")):
            left.unlink()  # of a process that was killed
    cells = []
    with _Tars(out) as tars:
        for row, members, rows in pieces:
            shard = tars.put(f"{row['dataset']}/{row['manipulation']}", members)
            for cell in rows:
                sample = f"{row['video']}/{cell['frame']:04d}" if cell["frame"] >= 0 else row["video"]
                cells.append(row | cell | {"sample": sample, "shard": shard if cell["member"] else ""})
    names = [name for name in columns if name not in COLUMNS]
    path = write_table(pd.DataFrame(cells, columns=names + list(COLUMNS)), out / "manifest.parquet")
    write_json(record | {"manifest": digest(path)}, out / "extract.json")
    return read_table(path)


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
            path = below(self.out, shard, "data set and manipulation")
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

    def __exit__(self, *error) -> None:
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
    done = {path: _record(path) for path in found if (path / "extract.json").is_file()}
    if not done:
        raise MissingError(f"{out}: expected folders shard-I-of-N of finished shards. Found {len(found)} unfinished.")
    runs = {(record["table"], record["shard"][1]) for record in done.values()}
    if len(runs) > 1:
        raise DataError(f"{out}: expected the shards of one run. Found those of {len(runs)}: remove the older ones.")
    ((table, n),) = runs
    if missing := list(islice((i for i in range(n) if part_of(out, (i, n)) not in done), 20)):
        more = ", ..." if len(missing) == 20 else ""
        raise MissingError(f"{out}: expected {n} finished shards. Found none for {', '.join(map(str, missing))}{more}.")
    videos = sum(record["videos"] for record in done.values())
    record = {"table": table, "shard": None, "videos": videos, "files": [r["files"] for r in done.values()]}
    manifest = completed(out, record)
    if manifest is not None:
        return manifest
    parts = [part_of(out, (i, n)) for i in range(n)]
    columns = read_table(parts[0] / "manifest.parquet", (*LAYOUT, *COLUMNS)).columns
    return assemble(_in_turn([_pieces(part) for part in parts]), columns, out, record)


def _record(part: Path) -> dict:
    """The record of a finished shard. Raises DataError if it is not of this folder or the manifest is another one."""
    record = read_json(part / "extract.json")
    shard = record.get("shard") if isinstance(record, dict) else None
    if not (isinstance(shard, list) and [type(i) for i in shard] == [int, int] and part_of(part.parent, shard) == part):
        raise DataError(f"{part}/extract.json: expected the record of this shard. Found {str(record)[:80]}.")
    kinds = {"table": str, "videos": int, "files": str, "manifest": str}
    if odd := [name for name, kind in kinds.items() if not isinstance(record.get(name), kind)]:
        raise DataError(f"{part}/extract.json: expected {odd[0]}. Found {str(record.get(odd[0]))[:80]}.")
    path = part / "manifest.parquet"
    if not path.is_file() or digest(path) != record["manifest"]:
        raise DataError(f"{path}: expected the manifest that was written with its record. Found another or none.")
    return record


def _in_turn(streams: list[Iterator[Piece]]) -> Iterator[Piece]:
    """The first of each, the second of each, ...: undoes the dealing out of rows to shards."""
    while True:
        for stream in streams:
            piece = next(stream, None)
            if piece is None:
                if any(next(other, None) is not None for other in streams):
                    raise DataError("shards: expected the videos dealt out in turn. Found a shard that has too few.")
                return
            yield piece


def _pieces(part: Path) -> Iterator[Piece]:
    """The videos of one shard, in the order of its manifest."""
    manifest = read_table(part / "manifest.parquet", (*LAYOUT, *COLUMNS))
    layout = [name for name in manifest if name not in COLUMNS]
    readers: dict[str, ShardReader] = {}
    for _, group in manifest.groupby("video", sort=False):
        rows = group.to_dict("records")
        members = {}
        for row in rows:
            if bool(row["shard"]) != bool(row["member"]):
                found = f"{row['shard']!r} and {row['member']!r}"
                raise DataError(f"{part}, {row['sample']}: expected shard and member, or neither. Found {found}.")
            if not row["shard"]:
                continue
            if row["shard"] not in readers:
                readers[row["shard"]] = ShardReader(below(part, row["shard"], "shard"))
            names = [name for name in (row["member"], row["regions_member"]) if name]
            members |= {name: readers[row["shard"]].read(name) for name in names}
        cells = [{name: row[name] for name in COLUMNS if name not in ("sample", "shard")} for row in rows]
        yield {name: rows[0][name] for name in layout}, members, cells
