"""The miniature benchmarks in the official folder layouts.

Made by `python -m people.benchmarks.build --out data --seed 0`. What is finished waits in scratch/, so that an
interrupted rendering goes on where it stopped; the folder is put in place when all of it is there.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import click
import pandas as pd
from tqdm import tqdm

from people.benchmarks.annotations import merge_annotations
from people.benchmarks.jobs import ANNOTATIONS, PROVENANCE, finish_job, run_job
from people.benchmarks.lists import Splits, write_lists
from people.benchmarks.picture_plans import diff_jobs, diffusionface_jobs, ffsc_jobs
from people.benchmarks.plan import (
    CELEB,
    DATASETS,
    DEEPER,
    DFDC,
    DIFF,
    DIFFUSIONFACE,
    FFPP,
    FFSC,
    Counts,
    Job,
    split_pairs,
)
from people.benchmarks.provenance import write_provenance
from people.benchmarks.readme import describe
from people.benchmarks.stills import render_stills
from people.benchmarks.video_plans import celeb_jobs, deeper_jobs, dfdc_jobs, ffpp_jobs
from people.body.distil import ensure_head
from semdf.errors import ParameterError, SemdfError
from semdf.pipeline import ROOT

__all__ = ["plan_jobs", "render_benchmarks", "run_job"]

PACKAGE = Path(__file__).parent.parent  # people/
STILLS = "people"  # the single pictures of `people.benchmarks.stills`
PLANS = {
    FFPP: ffpp_jobs,
    CELEB: celeb_jobs,
    DFDC: dfdc_jobs,
    DEEPER: deeper_jobs,
    FFSC: ffsc_jobs,
    DIFF: diff_jobs,
    DIFFUSIONFACE: diffusionface_jobs,
}


def plan_jobs(counts: Counts, seed: int, only: Iterable[str] = DATASETS) -> list[Job]:
    """The jobs of some data sets, by default of all.

    Raises:
        ParameterError: a data set is unknown.
    """
    return [job for dataset in _known(only) for job in PLANS[dataset](counts, seed)]


def _known(only: Iterable[str]) -> list[str]:
    """The data sets of these names, in the order of `DATASETS`.

    Raises:
        ParameterError: a name is none of them.
    """
    names = list(only)
    for name in names:
        if name not in DATASETS:
            raise ParameterError(f"only: must be among {', '.join(DATASETS)}, found {name!r}")
    return [name for name in DATASETS if name in names]


def render_benchmarks(
    out: Path,
    counts: Counts,
    seed: int,
    workers: int = 2,
    only: Iterable[str] = DATASETS,
    stills: int = 0,
    scratch: Path | None = None,
) -> float:
    """Render some data sets into folder `out`; whatever else `out` holds stays. Returns pictures per second.

    Args:
        out: The folder.
        counts: How much to render.
        seed: Of everything.
        workers: Processes; the bytes do not depend on their number.
        only: The data sets.
        stills: How many single pictures to render as well (see `people.benchmarks.stills`), 0 for none.
        scratch: Where finished jobs wait, `scratch/` of the repository unless named; removed at the end.

    Raises:
        ParameterError: a number is too small, or a data set unknown.
    """
    for name, value, least in (("workers", workers, 1), ("seed", seed, 0), ("stills", stills, 0)):
        if value < least:
            raise ParameterError(f"{name}: must be at least {least}, found {value}")
    out = Path(out).resolve()
    datasets = _known(only)
    jobs = plan_jobs(counts, seed, datasets)
    beside = ROOT / "scratch" if out.parent == ROOT else out.parent  # scratch/ is git-ignored
    parts = Path(scratch or beside) / f"rendering-{_fingerprint(counts, seed)}"
    parts.mkdir(parents=True, exist_ok=True)
    _recover(out, beside)
    rate = _run(jobs, parts, workers)
    if stills and not (parts / STILLS).is_dir():
        render_stills(parts / STILLS, stills, seed, workers=workers)
    part = beside / f".{out.name}.{os.getpid()}.part"
    try:
        _assemble(part, out, jobs, parts, datasets, split_pairs(counts, seed))
        (part / "README.md").write_text(describe(part, seed))
        _put_in_place(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    shutil.rmtree(parts, ignore_errors=True)
    return rate


def _fingerprint(counts: Counts, seed: int) -> str:
    """What the pictures depend on: counts, seed, this package's code, the head, the libraries that compute."""
    digest = hashlib.sha256(json.dumps([vars(counts), seed]).encode())
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(path.read_bytes())
    digest.update(ensure_head().read_bytes())
    for package in ("numpy", "opencv-python", "av", "numba"):
        digest.update(version(package).encode())
    return digest.hexdigest()[:16]


def _run(jobs: list[Job], parts: Path, workers: int) -> float:
    """Make the jobs that are not in `parts` yet; returns pictures per second."""
    todo = [job for job in jobs if not (parts / job.name).is_dir()]
    begin = time.perf_counter()
    pictures = 0
    bar = tqdm(total=len(jobs), initial=len(jobs) - len(todo), unit="job", desc="rendering")
    with bar, ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        futures = [pool.submit(finish_job, job, parts) for job in todo]
        try:
            for future in as_completed(futures):
                pictures += future.result()
                bar.set_postfix_str(f"{pictures / (time.perf_counter() - begin):.1f} pictures/s", refresh=False)
                bar.update()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return pictures / (time.perf_counter() - begin)


def _assemble(part: Path, out: Path, jobs: list[Job], parts: Path, datasets: list[str], splits: Splits) -> None:
    """The whole folder: the rendered data sets from their parts, and links to what else `out` holds."""
    stills = parts / STILLS
    fresh = {*datasets, "README.md", "provenance.parquet"}
    if stills.is_dir():
        fresh.add(STILLS)
    part.mkdir(parents=True)
    for path in out.glob("*"):
        if path.name not in fresh:
            _link(path, part / path.name)
    for dataset in datasets:
        own = [job for job in jobs if job.dataset == dataset]
        for job in own:
            _link(parts / job.name / "files", part)
        write_lists(part, dataset, own, splits)
        (part / "annotations" / f"{dataset}.npz").unlink(missing_ok=True)
        merge_annotations(part / "annotations" / f"{dataset}.npz", [parts / job.name / ANNOTATIONS for job in own])
    if stills.is_dir():
        _link(stills, part / STILLS)
    rows = [row for job in jobs for row in json.loads((parts / job.name / PROVENANCE).read_text())]
    table = out / "provenance.parquet"
    kept = None
    if table.is_file():
        known = pd.read_parquet(table)
        kept = known[~known["dataset"].isin(datasets)]
    write_provenance(part / "provenance.parquet", rows, kept)


def _link(source: Path, target: Path) -> None:
    """Hard links at `target` to a file, or to all files below a folder."""
    for path in sorted(source.rglob("*")) if source.is_dir() else [source]:
        if path.is_file():
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            _place(path, place)


def _place(path: Path, place: Path) -> None:
    """A hard link, or a copy."""
    try:
        os.link(path, place)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(path, place)


def _recover(out: Path, beside: Path) -> None:
    """Tidy up after a run that was killed while it put the folder in place."""
    for old in beside.glob(f".{out.name}.*.old"):
        if out.exists():
            shutil.rmtree(old)
        else:
            old.rename(out)
    for part in beside.glob(f".{out.name}.*.part"):
        shutil.rmtree(part)


def _put_in_place(part: Path, out: Path) -> None:
    """Rename the new folder to `out`, and remove what was there."""
    old = part.with_suffix(".old")
    if out.exists():
        out.rename(old)
    part.rename(out)
    shutil.rmtree(old, ignore_errors=True)


@click.command()
@click.option("--out", default="data", type=click.Path(path_type=Path), help="The folder to write.")
@click.option("--seed", default=0, help="Seed of everything.")
@click.option("--scale", default=1.0, help="Share of the full size, for trials.")
@click.option("--workers", default=2, help="Processes.")
@click.option("--only", multiple=True, help="A data set, or people; may be given several times. All, unless named.")
@click.option("--stills", default=1850, help="Single pictures of people for pretraining.")
def main(out: Path, seed: int, scale: float, workers: int, only: tuple[str, ...], stills: int) -> None:
    """Render the miniature benchmarks and single pictures of people."""
    datasets = [name for name in only if name != STILLS] if only else list(DATASETS)
    stills = stills if not only or STILLS in only else 0
    try:
        rate = render_benchmarks(out, Counts().scaled(scale), seed, workers, datasets, stills)
    except SemdfError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{rate:.1f} pictures per second")


if __name__ == "__main__":
    main()
