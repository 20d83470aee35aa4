"""Videos and pictures to aligned face crops: sampled frames, a status for every one, parallel, resumable, in shards."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import pandas as pd
from tqdm.auto import tqdm

from semdf import __version__
from semdf.artifacts import checked, digest, read_json, write_json
from semdf.errors import DataError, ParameterError
from semdf.extraction.one_video import Settings, cut, stem
from semdf.extraction.pool import worker_pool
from semdf.extraction.video import Limits
from semdf.faces.finders import FaceFinder
from semdf.storage.columns import EXTRACTION_INPUT
from semdf.storage.journal import PartReader, PartWriter, claim
from semdf.storage.manifest import COLUMNS, Piece, assemble, completed, join, part_of
from semdf.storage.paths import below, leaves

__all__ = ["COLUMNS", "CROP", "Settings", "extract", "join"]

#: What extraction asks of a layout's table.
NEEDED = EXTRACTION_INPUT
#: Changes when equal settings make other bytes: unfinished work of another number is void.
FORM = 3
#: Name of the file that says how the crops are cut, which training asks for.
CROP = "crop.json"


def extract(
    rows: pd.DataFrame,
    root: Path,
    out: Path,
    finder: FaceFinder,
    *,
    frames: int = 32,
    size: int = 317,
    alignment: str = "similarity",
    margin: float = 1.3,
    format: str = "png",
    quality: int = 95,
    limits: Limits | None = None,
    workers: int = 1,
    shard: tuple[int, int] | None = None,
    scratch: Path | None = None,
) -> pd.DataFrame:
    """Write `out/<data set>/<manipulation>.tar`, `out/manifest.parquet` and `out/crop.json` (size, alignment and
    margin), and return the manifest: a row for each crop or failure, in the order of `rows`.

    rows: a layout's table; root: the folder below which its paths lie. Defaults: Zou et al. (2025), released code.
    workers: processes; the bytes written do not depend on it.
    shard: (i, n), 0 <= i < n: every n-th row from row i on, into `out/shard-<i>-of-<n>/`; `join` puts them together.
    scratch: where finished videos wait until all are done, `<out>.parts` beside `out` unless named. A run
        that was interrupted takes them up; a change of video, settings or finder makes them void. Removed at
        the end. What is complete is not made again.
    Raises DataError if a path leaves the root, a video key repeats, or shards in `out` are cut in another way.
    """
    settings = Settings(frames, size, alignment, margin, format, quality, limits or Limits())
    if workers < 1:
        raise ParameterError(f"workers should be at least 1. Found {workers}.")
    out, records = Path(out), checked(rows, "table", NEEDED).to_dict("records")
    _check(records)
    common = [__version__, FORM, finder.fingerprint(), asdict(settings)]
    table = digest(common, records)
    if shard is not None:
        i, n = shard
        if not 0 <= i < n:
            raise ParameterError(f"shard i/n should have 0 <= i < n. Found {i}/{n}.")
        _note(out, settings, shared=True)
        records, out = records[i::n], part_of(out, shard)
    scratch = Path(scratch) if scratch else out.with_name(out.name + ".parts")
    jobs = [_job(row, Path(root), common) for row in records]
    record = {"table": table, "shard": shard and list(shard), "videos": len(jobs)}
    record["files"] = digest([job.key for job in jobs])
    manifest = completed(out, record)
    if manifest is not None:
        shutil.rmtree(scratch, ignore_errors=True)  # there if the process was killed just before the end
    else:
        with claim(scratch):
            done = PartReader(scratch)
            left = [job for job in jobs if job.key not in done]
            _run(left, len(jobs), workers, _Worker(scratch, root, finder, settings))
            manifest = assemble(_pieces(jobs, PartReader(scratch)), rows.columns, out, record)
            shutil.rmtree(scratch)
    if shard is None:
        _note(out, settings)
    return manifest


def _note(out: Path, settings: Settings, *, shared: bool = False) -> None:
    """Write how the crops in a folder are cut. shared: by shards, which must all be cut alike, else DataError."""
    made = {name: getattr(settings, name) for name in ("size", "alignment", "margin")}
    if shared and (out / CROP).is_file():
        if (found := read_json(out / CROP)) != made:
            raise DataError(f"{out / CROP}: expected {made} as of the other shards; else remove all. Found {found}.")
        return
    write_json(made, out / CROP)


def _check(rows: list[dict]) -> None:
    """Raise DataError unless the table names files below the root, and every video and crop once."""
    seen: set[str] = set()
    for row in rows:
        video, names = row["video"], (row["dataset"], row["manipulation"])
        if leaves(row["path"]):
            raise DataError(f"{video}: the path should lie below the root. Found {row['path']!r}.")
        if any(leaves(name) or "/" in name for name in names) or leaves(video):
            raise DataError(f"{video}: dataset, manipulation and video should be names. Found {names}.")
        place = f"{row['dataset']}/{row['manipulation']}/{stem(row)}"
        if row["video"] in seen or place in seen:
            raise DataError(f"a video key should be unique. Found {row['video']!r} twice.")
        seen |= {row["video"], place}


@dataclass(frozen=True)
class _Job:
    """One video to do. key: of its place in the journal, which changes with whatever the crops depend on."""

    row: dict
    key: str


def _job(row: dict, root: Path, common: list) -> _Job:
    try:
        state = below(root, row["path"], "path").stat()
        stamp = [state.st_size, state.st_mtime_ns]
    except (OSError, DataError):  # not there, not to be read, or led to by a link that may not
        stamp = None
    text = json.dumps([*common, row, stamp], sort_keys=True, default=str)
    return _Job(row, hashlib.sha256(text.encode()).hexdigest()[:24])


def _pieces(jobs: list[_Job], parts: PartReader) -> Iterator[Piece]:
    for job in jobs:
        yield job.row, *parts.get(job.key)
    parts.close()


class _Worker:
    """Does videos and writes them to the journal. It loads the finder's network once, in whichever process it is."""

    def __init__(self, scratch: Path, root: Path, finder: FaceFinder, settings: Settings) -> None:
        self.scratch, self.root, self.finder, self.settings = scratch, Path(root), finder, settings
        self.journal: PartWriter | None = None

    def run(self, job: _Job) -> None:
        """Do one video."""
        members, cells = cut(job.row, self.root, self.finder, self.settings)
        self.journal = self.journal or PartWriter(self.scratch)
        self.journal.put(job.key, members, cells)

    def close(self) -> None:
        """Nothing more will come."""
        if self.journal is not None:
            self.journal.close()
            self.journal = None


def _run(jobs: list[_Job], total: int, workers: int, worker: _Worker) -> None:
    with tqdm(total=total, initial=total - len(jobs), desc="videos", unit="video", mininterval=1) as bar:
        if workers == 1 or len(jobs) < 2:
            with _serial_opencv():
                try:
                    for job in jobs:
                        worker.run(job)
                        bar.update()
                finally:
                    worker.close()
            return
        step = min(max(len(jobs) // (8 * workers), 1), 32)
        chunks = [jobs[start : start + step] for start in range(0, len(jobs), step)]
        with worker_pool(workers, _start, worker) as pool:
            try:
                for future in as_completed([pool.submit(_run_all, chunk) for chunk in chunks]):
                    bar.update(future.result())
            except BrokenProcessPool as error:
                raise DataError(
                    "extraction: expected the worker processes to live. Found one killed, perhaps for want of "
                    "memory: start again to go on from there, with fewer workers if need be."
                ) from error
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise


@contextmanager
def _serial_opencv() -> Iterator[None]:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


_WORKER: _Worker | None = None


def _start(worker: _Worker) -> None:
    """Keep the worker of this process of the pool."""
    global _WORKER
    _WORKER = worker


def _run_all(jobs: list[_Job]) -> int:
    assert _WORKER, "`_start` was first"
    for job in jobs:
        _WORKER.run(job)
    return len(jobs)
