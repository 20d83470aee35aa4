"""Cost of evaluation and of tables over 10^2 to 10^6 rows: `python -m benchmarks.evaluation [--size 100 1000] [--dry]`.

Score tables are made up: 8 data sets, 20 frames a video, 10 videos a person; scores of reals and fakes overlap.
Bootstraps draw RESAMPLES times, a tenth of the pipeline's number; their cost is proportional to it. Manifests have the
columns of the stage `extract`, with 68 landmarks a row. One process and one thread.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.scaling import Make, run
from semdf.artifacts import read_table, write_table
from semdf.evaluation import evaluate, intervals
from semdf.storage.manifest import COLUMNS, LAYOUT

RESAMPLES = 100
FRAMES = 20  # of a video
VIDEOS = 10  # of a person
DATASETS = 8
NODES = ("fake", "expression", "identity", "inconsistency", "eye", "eyebrow", "lip", "mouth", "nose", "skin")


def scores(rows: int, frames: int, seed: int = 0) -> pd.DataFrame:
    """A score table of so many rows, `frames` of each video; every other video is a fake."""
    random = np.random.default_rng(seed)
    number = np.arange(rows)
    video = number // frames
    fake = video % 2
    dataset = np.char.add("set", (video // 2 % DATASETS).astype(str))
    p = 1 / (1 + np.exp(-random.normal(fake[:, None], 1.5, (rows, len(NODES)))))
    return pd.DataFrame(
        {
            "dataset": dataset,
            "manipulation": np.where(fake == 1, "swapped", "original"),
            "video": np.char.add(np.char.add(dataset, "/"), video.astype(str)),
            "target": np.char.add("person", (video // VIDEOS).astype(str)),
            "pristine": "",
            "label": np.where(fake == 1, "swapped", "real"),
            "split": "test",
            "frame": number % frames,
            "status": "ok",
            **{f"p_{node}": p[:, i] for i, node in enumerate(NODES)},
        }
    )


def videos(rows: int) -> pd.DataFrame:
    """A table of so many videos, as `video_scores` makes it."""
    table = scores(rows, 1).drop(columns="frame")
    return table.assign(frames=FRAMES, fake=(table["label"] != "real").astype(int))


def manifest(rows: int) -> pd.DataFrame:
    """A manifest of so many crops."""
    table = scores(rows, FRAMES)
    random = np.random.default_rng(1)
    names = table["video"] + "/" + table["frame"].astype(str)
    shard = table["dataset"] + "/" + table["manipulation"] + ".tar"
    made = table[[*LAYOUT, "label", "split", "target", "pristine", "frame", "status"]].assign(
        sample=names, shard=shard, member=names + ".png", regions_member=names + ".regions.png", score=1.0
    )
    made["box"] = list(random.uniform(0, 200, (rows, 4)))
    made["landmarks"] = list(random.uniform(0, 112, (rows, 136)).round(3))
    return made


class Scored(NamedTuple):
    """Arrays of so many videos: whether they are fakes, the scores of two detectors, who is shown."""

    fake: np.ndarray
    p: np.ndarray
    other: np.ndarray
    people: np.ndarray


def scored(rows: int) -> Scored:
    """The columns of `videos`; the score of another node stands for that of a second detector."""
    table = videos(rows)
    return Scored(*(table[name].to_numpy() for name in ("fake", "p_fake", "p_identity", "target")))


def _video_scores(rows: int, how: str = "mean") -> Callable[[], object]:
    table = scores(rows, FRAMES)
    return lambda: evaluate.video_scores(table, how)


def _measure(rows: int) -> Callable[[], object]:
    of = scored(rows)
    return lambda: evaluate.measure(of.fake, of.p, 0.5)


def _bootstrap(rows: int) -> Callable[[], object]:
    of = scored(rows)
    return lambda: intervals.auc_interval(of.fake, of.p, clusters=of.people, resamples=RESAMPLES, seed=0)


def _paired(rows: int) -> Callable[[], object]:
    of = scored(rows)
    return lambda: intervals.auc_difference(of.fake, of.p, of.other, clusters=of.people, resamples=RESAMPLES, seed=0)


def _delong(rows: int) -> Callable[[], object]:
    of = scored(rows)
    return lambda: intervals.delong_test(of.fake, of.p, of.other)


def _summarise(rows: int) -> Callable[[], object]:
    table = videos(rows)
    return lambda: evaluate.summarise(table, resamples=RESAMPLES, seed=0)


def _write(rows: int) -> Callable[[], object]:
    table = manifest(rows)
    folder = tempfile.TemporaryDirectory()
    return lambda: write_table(table, Path(folder.name) / "manifest.parquet")


def _read(rows: int) -> Callable[[], object]:
    folder = tempfile.TemporaryDirectory()
    path = write_table(manifest(rows), Path(folder.name) / "manifest.parquet")

    def read() -> tuple[object, pd.DataFrame]:
        return folder, read_table(path, (*LAYOUT, *COLUMNS))  # the folder is named here, so that it is not yet removed

    return read


THINGS: dict[str, Make] = {
    "evaluate/video_scores": _video_scores,
    "evaluate/video_scores_top3": lambda rows: _video_scores(rows, "top3"),
    "evaluate/measure": _measure,
    "evaluate/bootstrap": _bootstrap,
    "evaluate/paired_bootstrap": _paired,
    "evaluate/delong": _delong,
    "evaluate/summarise": _summarise,
    "manifest/write": _write,
    "manifest/read": _read,
}

if __name__ == "__main__":
    run("evaluation", __doc__, THINGS)
