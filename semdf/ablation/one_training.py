"""One training of the matrix of ablations: what it sees, and the scores of every video that it leaves."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from semdf.artifacts import write_table
from semdf.evaluation.evaluate import FRAME_COLUMNS, VIDEO_COLUMNS, video_scores
from semdf.layouts import protocols
from semdf.method import hierarchy as hierarchies
from semdf.method.model import Detector
from semdf.params import TRAINED
from semdf.training.datasets import Reading, Samples, load, select
from semdf.training.runs import Config
from semdf.training.train import fit, predict

__all__ = ["Data", "Job", "perform", "rounded", "score", "scored_samples", "training_samples"]


@dataclass(frozen=True)
class Data:
    """What a run is trained on.

    Attributes:
        dataset: Name of the data set.
        without: Labels that training does not see.
        share: Of the people who were filmed, drawn by the run's seed: training sees all pictures of these people and
            none of the others. The donors of forgeries may be anyone.
        expand: Changes of the block `expand`; the forgeries of `expanded/` are then replaced by others.
        main: The test sets that such a run is about, instead of the usual ones.
        passes: Factor of the epochs, for data sets so small that an epoch is short (ours).
    """

    dataset: str = TRAINED
    without: tuple[str, ...] = ()
    share: float = 1.0
    expand: Mapping[str, Any] = field(default_factory=dict)
    main: tuple[str, ...] = ()
    passes: int = 1


class Job(NamedTuple):
    """One training.

    Attributes:
        run: Its name.
        seed: Its seed.
        config: What is trained, and how.
        data: What it is trained on.
        manifests: Of the faces and of the forgeries that it sees.
        scored: Manifests of the faces and of the forgeries whose scores are kept.
        frames: How many crops of a video are scored at most.
        folder: Where the result is put.
    """

    run: str
    seed: int
    config: Config
    data: Data
    manifests: tuple[Path, Path]
    scored: tuple[Path, Path]
    frames: int
    folder: Path

    @property
    def done(self) -> bool:
        """Whether the result is there."""
        return (self.folder / "scores.parquet").is_file()


def perform(job: Job) -> None:
    """Train and score; leaves `curve.parquet` and, when all is done, `scores.parquet` in the folder of the job.

    An interrupted training resumes from its last epoch.
    """
    checkpoints = job.folder / "checkpoints"
    samples = training_samples(job)
    t = job.config.train
    faces, forgeries = scored_samples(*job.scored, t.hierarchy, job.frames, t.reading)
    record = fit(samples, _watched(faces), job.config, checkpoints=checkpoints)
    write_table(record.history.assign(steps=record.steps), job.folder / "curve.parquet")
    tables = [score(record.model, part, job.config) for part in (faces, forgeries)]
    write_table(pd.concat(tables, ignore_index=True), job.folder / "scores.parquet")
    shutil.rmtree(checkpoints, ignore_errors=True)


def training_samples(job: Job) -> Samples:
    """The pictures of the training split that a job may see."""
    samples = _training(job.manifests, job.config.train.hierarchy, job.data.dataset, job.config.train.reading)
    seen = ~samples.rows["label"].isin(job.data.without)
    few = _few(samples.rows["target"], job.data.share, job.seed)
    chosen = seen & few
    return samples if chosen.all() else select(samples, chosen.to_numpy())


def _few(people: pd.Series, share: float, seed: int) -> pd.Series:
    """Which rows show one of a drawn `share` of the people, of at least one person, [n] bool."""
    names = sorted(set(people))
    count = max(1, round(share * len(names)))
    drawn = np.random.default_rng(seed).permutation(len(names))[:count]
    return people.isin([names[i] for i in drawn])


@lru_cache(maxsize=2)
def _training(manifests: tuple[Path, Path], hierarchy: str, dataset: str, reading: Reading) -> Samples:
    """The training split of one data set, which stays in memory for the next job."""
    return load(manifests, hierarchies.load(hierarchy), ["train"], datasets=[dataset], reading=reading)


@lru_cache(maxsize=2)
def scored_samples(
    faces: Path, expanded: Path, hierarchy: str, frames: int, reading: Reading = "memory"
) -> tuple[Samples, Samples]:
    """Validation of `TRAINED` with the test sets of all protocols, and the validation forgeries.

    Args:
        faces: Manifest of the faces.
        expanded: Manifest of the forgeries.
        hierarchy: Name of the label hierarchy.
        frames: How many crops of a video are taken at most, evenly spread.
        reading: How the pictures are read, see `semdf.training.datasets.load`.
    """
    tree = hierarchies.load(hierarchy)
    whole = load([faces], tree, ["val", "test"], reading=reading)
    rows = whole.rows
    wanted = ((rows["dataset"] == TRAINED) & (rows["split"] == "val")).to_numpy()
    for name in set(rows["dataset"]) & set(protocols.names()):
        wanted = wanted | rows.index.isin(protocols.select(rows, name).index)
    forged = load([expanded], tree, ["val"], datasets=[TRAINED], reading=reading)
    kept = select(whole, wanted & _spread(rows, frames))
    return kept, select(forged, _spread(forged.rows, frames))


def _spread(rows: pd.DataFrame, frames: int) -> np.ndarray:
    """Which rows are among `frames` evenly spread ones of their video, [n] bool."""
    videos = rows.groupby("video")
    place = videos.cumcount()
    size = videos["video"].transform("size")
    share = np.minimum(frames, size)
    # a row is taken where the running number of taken rows, place * share // size, rises
    return ((place * share) // size != ((place - 1) * share) // size).to_numpy()


def _watched(samples: Samples) -> Samples:
    """One crop of each validation video, for the curve after each epoch; nothing is chosen by it."""
    rows = samples.rows
    own = (rows["dataset"] == TRAINED) & (rows["split"] == "val") & ~rows["video"].duplicated()
    return select(samples, own.to_numpy())


def score(model: Detector, samples: Samples, config: Config) -> pd.DataFrame:
    """A row a video: `VIDEO_COLUMNS` and `p_<node>`, the mean over its frames, as float32."""
    p = predict(model, samples, resample=config.crop.resampled, readers=config.train.readers)
    known = [name for name in FRAME_COLUMNS if not name.startswith("p_")]
    names = [f"p_{node}" for node in config.nodes]
    frames = samples.rows[known].copy()
    for i, name in enumerate(names):
        frames[name] = p[:, i]
    videos = video_scores(frames)
    return videos[list(VIDEO_COLUMNS)].join(videos[names].apply(rounded))


def rounded(p: pd.Series) -> pd.Series:
    """Probabilities whose logits have two decimals: a small file that keeps the order near 0 and 1 as elsewhere."""
    logits = logit(np.clip(p.to_numpy(dtype=float), 1e-7, 1 - 1e-7))
    return pd.Series(expit(np.round(logits, 2)).astype(np.float32), p.index)
