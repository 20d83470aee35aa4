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
from semdf.training.datasets import Samples, load, select
from semdf.training.runs import Config
from semdf.training.train import fit, predict

__all__ = ["Data", "Job", "perform", "rounded", "score", "scored_samples", "training_samples"]


@dataclass(frozen=True)
class Data:
    """What a run is trained on.

    without: labels that training does not see. share: of the filmed people, drawn by the run's seed, all of whose
    pictures training sees; donors may be anyone. expand: changes of the block `expand`; the forgeries of `expanded/`
    are then replaced by others. main: the test sets that such a run is about, instead of the usual ones.
    passes: factor of the epochs, for data sets so small that an epoch is short (ours).
    """

    dataset: str = TRAINED
    without: tuple[str, ...] = ()
    share: float = 1.0
    expand: Mapping[str, Any] = field(default_factory=dict)
    main: tuple[str, ...] = ()
    passes: int = 1


class Job(NamedTuple):
    """One training. manifests: the faces and the forgeries that it sees; scored: those whose scores are kept.

    frames: crops of a video that are scored. folder: where the result is put.
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
        return (self.folder / "scores.parquet").is_file()


def perform(job: Job) -> None:
    """Train and score; leaves `curve.parquet` and, when all is done, `scores.parquet` in the folder of the job.

    An interrupted training resumes from its last epoch.
    """
    checkpoints = job.folder / "checkpoints"
    samples = training_samples(job)
    parts = scored_samples(*job.scored, job.config.train.hierarchy, job.frames)
    record = fit(samples, _watched(parts[0]), job.config, checkpoints=checkpoints)
    write_table(record.history.assign(steps=record.steps), job.folder / "curve.parquet")
    scores = pd.concat([score(record.model, part, job.config) for part in parts], ignore_index=True)
    write_table(scores, job.folder / "scores.parquet")
    shutil.rmtree(checkpoints, ignore_errors=True)


def training_samples(job: Job) -> Samples:
    """The pictures of the training split that a job may see."""
    samples = _training(job.manifests, job.config.train.hierarchy, job.data.dataset)
    chosen = ~samples.rows["label"].isin(job.data.without) & _few(samples.rows["target"], job.data.share, job.seed)
    return samples if chosen.all() else select(samples, chosen.to_numpy())


def _few(people: pd.Series, share: float, seed: int) -> pd.Series:
    """Which rows show one of a `share` of the people, at least one, [n] bool."""
    names = sorted(set(people))
    drawn = np.random.default_rng(seed).permutation(len(names))[: max(1, round(share * len(names)))]
    return people.isin([names[i] for i in drawn])


@lru_cache(maxsize=2)
def _training(manifests: tuple[Path, Path], hierarchy: str, dataset: str) -> Samples:
    return load(manifests, hierarchies.load(hierarchy), ["train"], datasets=[dataset])


@lru_cache(maxsize=2)
def scored_samples(faces: Path, expanded: Path, hierarchy: str, frames: int) -> tuple[Samples, Samples]:
    """Validation of `TRAINED` with the test sets of all protocols, and the validation forgeries.

    frames: at most so many crops of a video, evenly spread.
    """
    tree = hierarchies.load(hierarchy)
    whole = load([faces], tree, ["val", "test"])
    rows = whole.rows
    wanted = ((rows["dataset"] == TRAINED) & (rows["split"] == "val")).to_numpy()
    for name in set(rows["dataset"]) & set(protocols.names()):
        wanted = wanted | rows.index.isin(protocols.select(rows, name).index)
    forged = load([expanded], tree, ["val"], datasets=[TRAINED])
    return select(whole, wanted & _spread(rows, frames)), select(forged, _spread(forged.rows, frames))


def _spread(rows: pd.DataFrame, frames: int) -> np.ndarray:
    """Which rows are among `frames` evenly spread ones of their video, [n] bool."""
    place, size = rows.groupby("video").cumcount(), rows.groupby("video")["video"].transform("size")
    share = np.minimum(frames, size)
    return ((place * share) // size != ((place - 1) * share) // size).to_numpy()


def _watched(samples: Samples) -> Samples:
    """One crop of each validation video, for the curve: it is looked at, nothing is chosen by it."""
    rows = samples.rows
    own = (rows["dataset"] == TRAINED) & (rows["split"] == "val") & ~rows["video"].duplicated()
    return select(samples, own.to_numpy())


def score(model: Detector, samples: Samples, config: Config) -> pd.DataFrame:
    """A row a video: `VIDEO_COLUMNS` and `p_<node>`, the mean over its frames, as float32."""
    p = predict(model, samples, resample=config.crop.resampled)
    frames = samples.rows[list(FRAME_COLUMNS[:-1])].assign(**{f"p_{n}": p[:, i] for i, n in enumerate(config.nodes)})
    videos = video_scores(frames)
    names = [f"p_{n}" for n in config.nodes]
    return videos[list(VIDEO_COLUMNS)].join(videos[names].apply(rounded))


def rounded(p: pd.Series) -> pd.Series:
    """Probabilities with logits of two decimals: a small file, in which order is kept near 0 and 1 as elsewhere."""
    logits = logit(np.clip(p.to_numpy(dtype=float), 1e-7, 1 - 1e-7))
    return pd.Series(expit(np.round(logits, 2)).astype(np.float32), p.index)
