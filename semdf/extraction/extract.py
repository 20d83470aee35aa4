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
#: Videos that a process of the pool gets at once, at most (ours).
CHUNK = 32


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
    """Cut the faces out of the videos and pictures of a table, and return the manifest.

    Writes `out/<data set>/<manipulation>.tar`, `out/manifest.parquet` (a row for each crop or failure, in the order of
    `rows`) and `out/crop.json` (size, alignment and margin). What is complete is not made again. The defaults are those
    of Zou et al. (2025), released code.

    Args:
        rows: A layout's table.
        root: The folder below which its paths lie.
        out: The folder of the results.
        finder: Finds the faces.
        frames: See `Settings`, as for the other arguments of crops.
        workers: Processes; the bytes written do not depend on it.
        shard: (i, n), 0 <= i < n: every n-th row from row i on, into `out/shard-<i>-of-<n>/`; `join` puts them
            together.
        scratch: Where finished videos wait until all are done, `<out>.parts` beside `out` unless named. A run that was
            interrupted takes them up; a change of video, settings or finder makes them void. Removed at the end.

    Raises:
        DataError: If a path leaves the root, a video key repeats, or shards in `out` are cut in another way.
    """
    settings = Settings(frames, size, alignment, margin, format, quality, limits or Limits())
    if workers < 1:
        raise ParameterError(f"workers must be at least 1, found {workers}")
    root = Path(root)
    out = Path(out)
    records = checked(rows, "table", NEEDED).to_dict("records")
    _check(records)
    common = [__version__, FORM, finder.fingerprint(), asdict(settings)]
    table = digest(common, records)
    if shard is not None:
        i, n = shard
        if not 0 <= i < n:
            raise ParameterError(f"shard i/n must have 0 <= i < n, found {i}/{n}")
        _note(out, settings, shared=True)
        records = records[i::n]
        out = part_of(out, shard)
    scratch = Path(scratch) if scratch else out.with_name(out.name + ".parts")
    jobs = [_job(row, root, common) for row in records]
    record = {
        "table": table,
        "shard": shard and list(shard),
        "videos": len(jobs),
        "files": digest([job.key for job in jobs]),
    }
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
    """Write how the crops in a folder are cut.

    Args:
        out: The folder.
        settings: How they are cut.
        shared: By shards, which must all be cut alike.

    Raises:
        DataError: If another shard was cut in another way.
    """
    made = {"size": settings.size, "alignment": settings.alignment, "margin": settings.margin}
    path = out / CROP
    if shared and path.is_file():
        found = read_json(path)
        if found != made:
            raise DataError(f"{path}: must be {made} as of the other shards, found {found}; else remove all")
        return
    write_json(made, path)


def _check(rows: list[dict]) -> None:
    """Raise DataError unless the table names files below the root, and every video and crop once."""
    seen: set[str] = set()
    for row in rows:
        video = row["video"]
        names = (row["dataset"], row["manipulation"])
        if leaves(row["path"]):
            raise DataError(f"{video}: the path must lie below the root, found {row['path']!r}")
        if any(leaves(name) or "/" in name for name in names) or leaves(video):
            raise DataError(f"{video}: dataset, manipulation and video must be names, found {names}")
        place = f"{row['dataset']}/{row['manipulation']}/{stem(row)}"
        if video in seen or place in seen:
            raise DataError(f"a video key must be unique, found {video!r} twice")
        seen |= {video, place}


@dataclass(frozen=True)
class _Job:
    """One video to do.

    Attributes:
        row: Of the table.
        key: Of its place in the journal, which changes with whatever the crops depend on.
    """

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
    """The finished videos, in the order of the jobs."""
    for job in jobs:
        members, cells = parts.get(job.key)
        yield Piece(job.row, members, cells)
    parts.close()


class _Worker:
    """Does videos and writes them to the journal. It loads the finder's network once, in whichever process it is."""

    def __init__(self, scratch: Path, root: Path, finder: FaceFinder, settings: Settings) -> None:
        self.scratch = scratch
        self.root = root
        self.finder = finder
        self.settings = settings
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
    """Do the jobs, here or in processes; `total` counts those that were done before, too."""
    with tqdm(total=total, initial=total - len(jobs), desc="videos", unit="video", mininterval=1) as bar:
        if workers == 1 or len(jobs) < 2:
            _run_here(jobs, worker, bar)
        else:
            _run_in_pool(jobs, workers, worker, bar)


def _run_here(jobs: list[_Job], worker: _Worker, bar: tqdm) -> None:
    with _serial_opencv():
        try:
            for job in jobs:
                worker.run(job)
                bar.update()
        finally:
            worker.close()


def _run_in_pool(jobs: list[_Job], workers: int, worker: _Worker, bar: tqdm) -> None:
    step = min(max(len(jobs) // (8 * workers), 1), CHUNK)
    chunks = [jobs[start : start + step] for start in range(0, len(jobs), step)]
    with worker_pool(workers, _start, worker) as pool:
        try:
            for future in as_completed([pool.submit(_run_all, chunk) for chunk in chunks]):
                bar.update(future.result())
        except BrokenProcessPool as error:
            raise DataError(
                "extraction: the worker processes must live, found one killed, perhaps for want of memory: "
                "start again to go on from there, with fewer workers if need be"
            ) from error
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


@contextmanager
def _serial_opencv() -> Iterator[None]:
    """One thread of OpenCV inside the block."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


#: The worker of a process of the pool.
_WORKER: _Worker | None = None


def _start(worker: _Worker) -> None:
    """Keep the worker of this process of the pool."""
    global _WORKER
    _WORKER = worker


def _run_all(jobs: list[_Job]) -> int:
    """Do some jobs in a process of the pool; how many they were."""
    assert _WORKER, "`_start` was first"
    for job in jobs:
        _WORKER.run(job)
    return len(jobs)
