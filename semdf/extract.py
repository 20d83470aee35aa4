"""Videos to aligned face crops: sampled frames, a status for every video, resumable, parallel."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path, PurePosixPath

import cv2
import pandas as pd
from tqdm.auto import tqdm

from semdf import __version__
from semdf.errors import DataError, MissingError, ParameterError
from semdf.faces import ALIGNMENTS, FaceFinder, crop
from semdf.shards import ShardReader, ShardWriter, encode_png
from semdf.video import read_frames

__all__ = ["COLUMNS", "Settings", "extract"]

#: What a manifest has after the layout's columns; `frame` is -1 in the one row of a video without a frame.
COLUMNS = ("frame", "sample", "shard", "member", "regions_member", "landmarks", "score", "status")


@dataclass(frozen=True)
class Settings:
    """How crops are made. frames: a video; size: pixels; alignment, margin: see `semdf.crops.placement`."""

    frames: int = 32
    size: int = 317
    alignment: str = "similarity"
    margin: float = 1.3

    def __post_init__(self) -> None:
        if self.alignment not in ALIGNMENTS:
            raise ParameterError(f"alignment should be one of {', '.join(ALIGNMENTS)}. Found {self.alignment!r}.")
        if self.frames < 1 or self.size < 8 or self.margin <= 0:
            raise ParameterError(f"expected frames >= 1, size >= 8 and margin > 0. Found {self}.")


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
    workers: int = 1,
    scratch: Path | None = None,
) -> pd.DataFrame:
    """Write `out/<data set>/<manipulation>.tar` and return the manifest: a row for each crop or failure.

    rows: a layout's table; root: the folder its paths start from. Defaults: Zou et al. (2025), released code.
    workers: processes; the bytes written do not depend on it.
    scratch: where finished videos wait until all are done, `<out>.parts` beside `out` unless named. A run
        that was interrupted takes them up; a change of video, settings or finder makes them void. Removed at
        the end.
    """
    settings = Settings(frames, size, alignment, margin)
    out, root = Path(out), Path(root)
    scratch = Path(scratch) if scratch else out.with_name(out.name + ".parts")
    scratch.mkdir(parents=True, exist_ok=True)
    jobs = [_Job(row, root, scratch, finder, settings) for row in rows.to_dict("records")]
    _run([job for job in jobs if not job.done], workers)
    manifest = _assemble(jobs, out)
    shutil.rmtree(scratch)
    return manifest


class _Job:
    """One video: its part is a tar with the crops and, last, their rows."""

    def __init__(self, row: dict, root: Path, scratch: Path, finder: FaceFinder, settings: Settings) -> None:
        self.row, self.path, self.finder, self.settings = row, root / row["path"], finder, settings
        state = self.path.stat() if self.path.is_file() else None
        stamp = state and [state.st_size, state.st_mtime_ns]
        self.key = json.dumps([__version__, row, stamp, finder.fingerprint(), asdict(settings)], sort_keys=True)
        self.part = scratch / f"{hashlib.sha256(self.key.encode()).hexdigest()[:24]}.tar"

    @property
    def done(self) -> bool:
        return self.part.is_file()

    def run(self) -> None:
        """Decode, find, cut and write the part. What is wrong with the video becomes the status of its
        rows."""
        cells = []
        with ShardWriter(self.part) as part:
            for cell, members in self._cells():
                for name, data in members.items():
                    part.add(name, data)
                cells.append(cell)
            part.add("rows.json", json.dumps(cells).encode())

    def _cells(self) -> Iterator[tuple[dict, dict[str, bytes]]]:
        nothing = {"frame": -1, "member": "", "regions_member": "", "landmarks": [], "score": 0.0}
        try:
            sample = read_frames(self.path, self.settings.frames)
        except MissingError:
            yield nothing | {"status": "missing file"}, {}
            return
        except DataError as error:
            yield nothing | {"status": f"unreadable video: {error}"}, {}
            return
        key = str(PurePosixPath(self.row["path"]).with_suffix(""))
        try:
            faces = self.finder.find(sample.images, key, sample.indices)
        except DataError as error:
            yield nothing | {"status": f"unreadable landmarks: {error}"}, {}
            return
        stem = PurePosixPath(self.row["video"]).name
        for image, index, face in zip(sample.images, sample.indices, faces, strict=True):
            if face is None:
                yield nothing | {"frame": index, "status": "no face"}, {}
                continue
            cut = crop(image, face, self.settings.size, self.settings.margin, self.settings.alignment)
            members = {f"{stem}/{index:04d}.png": encode_png(cut.image)}
            if cut.regions is not None:
                members[f"{stem}/{index:04d}.regions.png"] = encode_png(cut.regions)
            names = list(members) + [""]
            points = [round(float(value), 3) for value in cut.landmarks.ravel()]
            yield {"frame": index, "member": names[0], "regions_member": names[1], "landmarks": points,
                   "score": round(face.score, 6), "status": "ok"}, members  # fmt: skip
        if sample.problem:
            yield nothing | {"status": f"incomplete video: {sample.problem}"}, {}


def _run(jobs: list[_Job], workers: int) -> None:
    if workers < 1:
        raise ParameterError(f"workers should be at least 1. Found {workers}.")
    with tqdm(total=len(jobs), desc="videos", unit="video", mininterval=1, disable=not jobs) as bar:
        if workers == 1 or len(jobs) < 2:
            with _serial_opencv():
                for job in jobs:
                    job.run()
                    bar.update()
            return
        chunks = [jobs[start : start + 8] for start in range(0, len(jobs), 8)]
        with ProcessPoolExecutor(workers, get_context("spawn"), initializer=cv2.setNumThreads, initargs=(1,)) as pool:
            for future in as_completed([pool.submit(_run_all, chunk) for chunk in chunks]):
                bar.update(future.result())


@contextmanager
def _serial_opencv() -> Iterator[None]:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def _run_all(jobs: list[_Job]) -> int:
    for job in jobs:
        job.run()
    return len(jobs)


def _assemble(jobs: list[_Job], out: Path) -> pd.DataFrame:
    """Join the parts, in the order of the table, to one tar a manipulation, and their rows to the
    manifest."""
    groups: dict[str, list[_Job]] = {}
    for job in jobs:
        groups.setdefault(f"{job.row['dataset']}/{job.row['manipulation']}.tar", []).append(job)
    cells = []
    for shard, members in groups.items():
        with ShardWriter(out / shard) as writer:
            for job in members:
                part = ShardReader(job.part)
                for name in part.members[:-1]:
                    writer.add(name, part.read(name))
                for cell in json.loads(part.read("rows.json")):
                    sample = f"{job.row['video']}/{cell['frame']:04d}" if cell["frame"] >= 0 else job.row["video"]
                    cells.append(job.row | cell | {"sample": sample, "shard": shard if cell["member"] else ""})
                part.close()
    columns = [name for name in (jobs[0].row if jobs else ()) if name not in COLUMNS]
    return pd.DataFrame(cells, columns=columns + list(COLUMNS))
