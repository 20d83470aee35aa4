"""From score tables to video scores, metrics and intervals: every published number is computed here.

Nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, get_args

import numpy as np
import pandas as pd
from sklearn import metrics

from semdf.errors import DataError, ParameterError
from semdf.evaluation.intervals import auc_interval, checked
from semdf.storage.columns import FRAME_SCORES, VIDEO

__all__ = [
    "AGGREGATIONS",
    "FRAME_COLUMNS",
    "calibration_error",
    "measure",
    "node_scores",
    "people",
    "reliability",
    "roc_points",
    "summarise",
    "threshold",
    "video_scores",
]

#: What a score table holds of every video, besides `fake` (0 or 1), `frames` (scored), `status` and `p_<node>`.
VIDEO_COLUMNS = VIDEO
#: What a score table holds of every frame, besides `p_<node>` for the other nodes.
FRAME_COLUMNS = FRAME_SCORES

#: Ways to make one score of a video's frames.
Aggregation = Literal["mean", "median", "top3"]
AGGREGATIONS = get_args(Aggregation)


def video_scores(frames: pd.DataFrame, aggregation: Aggregation = "mean") -> pd.DataFrame:
    """One score a video from its scored frames: the mean as in the paper, the median, or the mean of the top three.

    A video without a scored frame keeps its row: its probabilities are NaN and `status` says why. In a data set of
    pictures, every picture is a video of one frame.

    Args:
        frames: A row a frame, with `FRAME_COLUMNS`.

    Returns:
        A row a video: `VIDEO_COLUMNS`, fake (0 or 1), frames (scored), status, p_<node>.

    Raises:
        DataError: A column is missing.
        ParameterError: An unknown aggregation.
    """
    if missing := [c for c in FRAME_COLUMNS if c not in frames]:
        raise DataError(f"score table must have the columns {missing}, found {list(frames)}")
    if aggregation not in AGGREGATIONS:
        raise ParameterError(f"aggregation must be one of {', '.join(AGGREGATIONS)}, found {aggregation!r}")
    nodes = [c for c in frames if c.startswith("p_")]
    ok = frames["status"] == "ok"
    scored = frames[ok]
    if aggregation == "top3":
        scores = pd.DataFrame({node: _mean_of_highest(scored, node, 3) for node in nodes})
    else:
        scores = scored.groupby("video", sort=False)[nodes].agg(aggregation)
    keys = frames[list(VIDEO_COLUMNS)].drop_duplicates("video").set_index("video")
    videos = keys.join(scores, how="left").reset_index()
    count = scored.groupby("video").size()
    reason = frames[~ok].groupby("video")["status"].first()
    videos["frames"] = videos["video"].map(count).fillna(0).astype(int)
    videos["status"] = np.where(videos["frames"] > 0, "ok", videos["video"].map(reason))
    videos["fake"] = (videos["label"] != "real").astype(int)
    return videos


def _mean_of_highest(scored: pd.DataFrame, node: str, count: int) -> pd.Series:
    """The mean of the `count` highest values of a column, for each video."""
    falling = scored[["video", node]].sort_values(node, ascending=False)
    highest = falling.groupby("video").head(count)
    return highest.groupby("video")[node].mean()


def measure(fake: np.ndarray, p: np.ndarray, validation_threshold: float = np.nan) -> dict[str, float]:
    """What the field reports of one set of scores, and how well they are calibrated.

    AP, accuracy, Brier and ECE depend on the share of fakes.

    Args:
        fake: [n], 1 for fakes.
        p: [n], probability of fake.
        validation_threshold: From `threshold` on validation samples.

    Returns:
        `auc`, `ap` (average precision), `eer` (equal error rate), `accuracy` at 0.5, `accuracy_validation` at the
        validation threshold (NaN without one), `tpr_fpr1` and `tpr_fpr5` (highest true positive rate at a false
        positive rate of at most 1 and 5 %), `brier`, `ece` (see `calibration_error`).

    Raises:
        DataError: Only one class, or a probability that is not finite.
    """
    fake, p = checked(fake, p)
    false_alarm, hit, _ = metrics.roc_curve(fake, p, drop_intermediate=False)
    crossing = np.argmin(np.abs(false_alarm - (1 - hit)))
    at_validation = np.nan
    if not np.isnan(validation_threshold):
        at_validation = float(metrics.accuracy_score(fake, p >= validation_threshold))
    return {
        "auc": float(metrics.roc_auc_score(fake, p)),
        "ap": float(metrics.average_precision_score(fake, p)),
        "eer": float((false_alarm[crossing] + 1 - hit[crossing]) / 2),
        "accuracy": float(metrics.accuracy_score(fake, p >= 0.5)),
        "accuracy_validation": at_validation,
        "tpr_fpr1": float(hit[false_alarm <= 0.01].max()),
        "tpr_fpr5": float(hit[false_alarm <= 0.05].max()),
        "brier": float(metrics.brier_score_loss(fake, p)),
        "ece": calibration_error(fake, p),
    }


def threshold(fake: np.ndarray, p: np.ndarray) -> float:
    """The score at which sensitivity and specificity have the largest sum (Youden); to be chosen on validation."""
    false_alarm, hit, at = metrics.roc_curve(*checked(fake, p))
    gain = hit - false_alarm
    best = int(np.argmax(gain[1:])) + 1  # the first point of the curve lies above all scores: it is no threshold
    return float(at[best])


def reliability(fake: np.ndarray, p: np.ndarray, bins: int = 10) -> pd.DataFrame:
    """The reliability diagram as a table: in equal bins of p, mean p, share of fakes and number of samples.

    Empty bins have no row.

    Raises:
        DataError: A probability outside [0, 1], or see `checked`.
    """
    fake, p = checked(fake, p)
    if p.min() < 0 or p.max() > 1:
        raise DataError(f"probabilities must lie in [0, 1], found {p.min():.4g} to {p.max():.4g}")
    place = np.clip((p * bins).astype(int), 0, bins - 1)
    table = pd.DataFrame({"bin": place, "p": p, "share": fake, "samples": 1})
    return table.groupby("bin", as_index=False).agg({"p": "mean", "share": "mean", "samples": "sum"})


def calibration_error(fake: np.ndarray, p: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error: mean distance of the share of fakes from the mean p over bins, by their samples.

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, here of p(fake).
    """
    table = reliability(fake, p, bins)
    return float(np.average((table["p"] - table["share"]).abs(), weights=table["samples"]))


def people(videos: pd.DataFrame) -> pd.Series:
    """Who each video shows: the target with the data set that it comes from, or the video where no target is named.

    The data set is part of the name, because two data sets may give one number to different people. A data set without
    originals of its own (FaceShifter) shows the people of another one's `pristine` videos, and shares them with it.

    Args:
        videos: Rows with `VIDEO_COLUMNS`.

    Returns:
        A name a row, with the index of `videos`.
    """
    original = videos["video"].where(videos["pristine"] == "", videos["pristine"])
    home = original.str.split("/").str[0]
    person = home + "/" + videos["target"]
    return person.where(videos["target"] != "", videos["video"])


def summarise(
    videos: pd.DataFrame, *, resamples: int, seed: int, cluster: str = "target", validation_threshold: float = np.nan
) -> pd.DataFrame:
    """One row per data set, per manipulation where a data set has several, and one for all pooled.

    Each manipulation is compared with all reals of its data set. The pooled AUC is also lower if the scores of one data
    set lie higher than those of another, which no single data set shows. A video of several test sets is pooled once.

    Args:
        videos: Rows of `video_scores`, of one run and one split.
        resamples: Number of resamples for the intervals.
        seed: Of the resampling.
        cluster: What the intervals resample: "target", the people that `people` names, each with all their videos
            (where a data set names nobody, as DFDC, each video is a cluster), or "video".
        validation_threshold: See `measure`.

    Returns:
        dataset, manipulation ("all" for all of them), the metrics of `measure`, auc_low and auc_high (95 %), reals,
        fakes, clusters (numbers of what was scored), missing (number of videos without a score).

    Raises:
        ParameterError: An unknown cluster.
        DataError: A row would hold reals or fakes only.
    """
    if cluster not in ("target", "video"):
        raise ParameterError(f"cluster must be 'target' or 'video', found {cluster!r}")
    table = []
    for dataset, manipulation, part in _parts(videos):
        scored = part[part["status"] == "ok"]
        fake = scored["fake"].to_numpy()
        p = scored["p_fake"].to_numpy()
        names = scored["video"].to_numpy() if cluster == "video" else people(scored).to_numpy()
        interval = auc_interval(fake, p, clusters=names, resamples=resamples, seed=seed)
        table.append(
            {
                "dataset": dataset,
                "manipulation": manipulation,
                **measure(fake, p, validation_threshold),
                "auc_low": interval.low,
                "auc_high": interval.high,
                "reals": int((fake == 0).sum()),
                "fakes": int((fake == 1).sum()),
                "clusters": len(set(names)),
                "missing": int(len(part) - len(scored)),
            }
        )
    return pd.DataFrame(table)


def _parts(videos: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Data set, manipulation and videos of each row of `summarise`."""
    for dataset, group in videos.groupby("dataset", sort=False):
        yield str(dataset), "all", group
        manipulations = list(dict.fromkeys(group.loc[group["fake"] == 1, "manipulation"]))
        if len(manipulations) > 1:
            for name in manipulations:
                yield str(dataset), name, group[(group["fake"] == 0) | (group["manipulation"] == name)]
    if len(videos["dataset"].unique()) > 1:
        yield "all data sets", "all", videos.drop_duplicates("video")


def node_scores(
    rows: pd.DataFrame, targets: np.ndarray, nodes: Sequence[str], observed: np.ndarray | None = None
) -> pd.DataFrame:
    """AUC and average precision of every node's probability; NaN where all observed labels of a node are equal.

    Args:
        rows: [n] rows with `p_<node>`.
        targets: [n, N] label rows.
        nodes: N names.
        observed: [n, N], False where a label row leaves a node open; all are observed by default.
    """
    table = []
    for i, node in enumerate(nodes):
        known = np.ones(len(rows), bool) if observed is None else np.asarray(observed)[:, i].astype(bool)
        truth = targets[known, i]
        p = rows[f"p_{node}"].to_numpy()[known]
        row = {"node": node, "auc": np.nan, "ap": np.nan, "positives": int(truth.sum()), "samples": len(truth)}
        if 0 < truth.sum() < len(truth):
            row["auc"] = float(metrics.roc_auc_score(truth, p))
            row["ap"] = float(metrics.average_precision_score(truth, p))
        table.append(row)
    return pd.DataFrame(table)


def roc_points(fake: np.ndarray, p: np.ndarray) -> pd.DataFrame:
    """The ROC curve as a table of false and true positive rates."""
    false_alarm, hit, at = metrics.roc_curve(*checked(fake, p))
    return pd.DataFrame({"false_positive_rate": false_alarm, "true_positive_rate": hit, "threshold": at})
