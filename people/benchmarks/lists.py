"""The list files of the official releases."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

from people.benchmarks.picture_plans import ffsc_label
from people.benchmarks.plan import CELEB, DEEPER, DFDC, DIFFUSIONFACE, FFPP, FFSC, Job

__all__ = ["Splits", "write_lists"]


#: Split -> pairs of identities, see `people.benchmarks.plan.split_pairs`.
Splits = dict[str, list[list[str]]]


def write_lists(root: Path, dataset: str, jobs: list[Job], splits: Splits) -> None:
    """Write the lists of one data set below `root`/<data set>.

    Args:
        jobs: Those of the data set.
        splits: Of FaceForensics++.
    """
    folder = root / dataset
    if dataset == FFPP:
        _faceforensics(folder, splits)
    elif dataset == DEEPER:
        _deeper(folder, jobs, splits)
    elif dataset in WRITERS:  # DiFF's lists are its folders
        WRITERS[dataset](folder, jobs)


def _faceforensics(folder: Path, splits: Splits) -> None:
    for split, pairs in splits.items():
        (folder / f"{split}.json").write_text(json.dumps(pairs, indent=1) + "\n")


def _celeb(folder: Path, jobs: list[Job]) -> None:
    """Label and path a line; 1 is real here."""
    lines = [f"1 {job.path}" for job in jobs]
    lines += [f"0 {forgery.path}" for job in jobs for forgery in job.forgeries]
    _write(folder / "List_of_testing_videos.txt", sorted(lines, reverse=True))


def _dfdc(folder: Path, jobs: list[Job]) -> None:
    """Name and label a line; 1 is fake here. The names are in order of the alphabet."""
    labels = {job.path: 0 for job in jobs}
    labels.update({forgery.path: 1 for job in jobs for forgery in job.forgeries})
    lines = sorted(f"{path.rsplit('/', 1)[1]},{label}" for path, label in labels.items())
    _write(folder / "test" / "labels.csv", ["filename,label", *lines])


def _deeper(folder: Path, jobs: list[Job], splits: Splits) -> None:
    """Names of the splits' videos, and of all."""
    names = sorted(forgery.path.rsplit("/", 1)[1] for job in jobs for forgery in job.forgeries)
    for split, pairs in splits.items():
        targets = {identity for pair in pairs for identity in pair}
        _write(folder / "lists" / "splits" / f"{split}.txt", [name for name in names if name[:3] in targets])
    listed = [f"end_to_end/{name}" for name in names]
    _write(folder / "lists" / "manipulated_videos_lists" / "manipulated_videos_end_to_end_list.txt", listed)


def _ffsc(folder: Path, jobs: list[Job]) -> None:
    """Path and digits a line, a file for each split."""
    paths = [job.path for job in jobs]
    paths += [forgery.path for job in jobs for forgery in job.forgeries]
    for split in ("Train", "Val", "Test"):
        own = sorted(path for path in paths if path.startswith(f"{split}/"))
        _write(folder / f"{split}.txt", [f"{path} {ffsc_label(path)}" for path in own])


def _diffusionface(folder: Path, jobs: list[Job]) -> None:
    """Whose face each swap puts on whom."""
    with (folder / "DiffSwap" / "target_source.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["image", "target", "source"])
        for job in jobs:
            for forgery in job.forgeries:
                if forgery.method == "DiffSwap":
                    name = forgery.path.rsplit("/", 1)[1]
                    table.writerow([name, job.path.rsplit("/", 1)[1], f"{forgery.identity:05d}.png"])


def _write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


#: Lists that ask for the data set's jobs alone.
WRITERS: dict[str, Callable[[Path, list[Job]], None]] = {
    CELEB: _celeb,
    DFDC: _dfdc,
    FFSC: _ffsc,
    DIFFUSIONFACE: _diffusionface,
}
