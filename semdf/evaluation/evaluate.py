"""From score tables to video scores, metrics and intervals. No torch: every published number is recomputed here."""

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
#: And of every frame, besides `p_<node>` for the other nodes.
FRAME_COLUMNS = FRAME_SCORES
Aggregation = Literal["mean", "median", "top3"]
AGGREGATIONS = get_args(Aggregation)
FALSE_ALARMS = (0.01, 0.05)  # at which the true positive rate is read


def video_scores(frames: pd.DataFrame, aggregation: Aggregation = "mean") -> pd.DataFrame:
    """One score a video from its scored frames: the mean as in the paper, the median, or the mean of the top three.

    A video without a scored frame keeps its row: its probabilities are NaN and `status` says why. Of a data set
    of pictures, every picture is a video of one frame.

    Args:
        frames: A row a frame with FRAME_COLUMNS.

    Returns:
        A row a video: VIDEO_COLUMNS, fake (0 or 1), frames (scored), status, p_<node>.
    """
    if missing := [c for c in FRAME_COLUMNS if c not in frames]:
        raise DataError(f"score table must have the columns {missing}, found {list(frames)}")
    if aggregation not in AGGREGATIONS:
        raise ParameterError(f"aggregation must be one of {', '.join(AGGREGATIONS)}, found {aggregation!r}")
    nodes = [c for c in frames if c.startswith("p_")]
    ok = frames["status"] == "ok"
    keys = frames[list(VIDEO_COLUMNS)].drop_duplicates("video").set_index("video")
    groups = frames[ok].groupby("video", sort=False)
    if aggregation == "top3":
        highest = {node: frames.loc[ok, ["video", node]].sort_values(node, ascending=False) for node in nodes}
        scores = pd.DataFrame({n: h.groupby("video").head(3).groupby("video")[n].mean() for n, h in highest.items()})
    else:
        scores = groups[nodes].agg(aggregation)
    videos = keys.join(scores, how="left").reset_index()
    scored = frames[ok].groupby("video").size()
    reason = frames[~ok].groupby("video")["status"].first()
    videos["frames"] = videos["video"].map(scored).fillna(0).astype(int)
    videos["status"] = np.where(videos["frames"] > 0, "ok", videos["video"].map(reason))
    videos["fake"] = (videos["label"] != "real").astype(int)
    return videos


def measure(fake: np.ndarray, p: np.ndarray, validation_threshold: float = np.nan) -> dict[str, float]:
    """What the field reports of one set of scores, and how well they are calibrated.

    `auc`, `ap` (average precision), `eer` (equal error rate), `accuracy` at 0.5, `accuracy_validation` at a
    threshold chosen elsewhere (NaN without one), `tpr_fpr1` and `tpr_fpr5` (highest true positive rate at a false
    positive rate of at most 1 and 5 %), `brier`, `ece` (see `calibration_error`). AP, accuracy, Brier and ECE depend
    on the share of fakes.

    Args:
        fake: [n], 1 for fakes.
        p: [n], probability of fake.
        validation_threshold: From `threshold` on validation samples.

    Raises:
        DataError: only one class, or a probability that is not finite.
    """
    fake, p = checked(fake, p)
    false_alarm, hit, _ = metrics.roc_curve(fake, p, drop_intermediate=False)
    crossing = np.argmin(np.abs(false_alarm - (1 - hit)))
    known = not np.isnan(validation_threshold)
    return {
        "auc": float(metrics.roc_auc_score(fake, p)),
        "ap": float(metrics.average_precision_score(fake, p)),
        "eer": float((false_alarm[crossing] + 1 - hit[crossing]) / 2),
        "accuracy": float(metrics.accuracy_score(fake, p >= 0.5)),
        "accuracy_validation": float(metrics.accuracy_score(fake, p >= validation_threshold)) if known else np.nan,
        **{f"tpr_fpr{round(100 * rate)}": float(hit[false_alarm <= rate].max()) for rate in FALSE_ALARMS},
        "brier": float(metrics.brier_score_loss(fake, p)),
        "ece": calibration_error(fake, p),
    }


def threshold(fake: np.ndarray, p: np.ndarray) -> float:
    """The score at which sensitivity and specificity have the largest sum (Youden); to be chosen on validation."""
    false_alarm, hit, at = metrics.roc_curve(*checked(fake, p))
    best = int(np.argmax((hit - false_alarm)[1:])) + 1  # the first point, above all scores, is no threshold
    return float(at[best])


def reliability(fake: np.ndarray, p: np.ndarray, bins: int = 10) -> pd.DataFrame:
    """The reliability diagram as a table: in equal bins of p, mean p, share of fakes and number of samples.

    Empty bins have no row.
    """
    fake, p = checked(fake, p)
    if p.min() < 0 or p.max() > 1:
        raise DataError(f"probabilities must lie in [0, 1], found {p.min():.4g} to {p.max():.4g}")
    place = np.clip((p * bins).astype(int), 0, bins - 1)
    table = pd.DataFrame({"bin": place, "p": p, "share": fake, "samples": 1})
    return table.groupby("bin", as_index=False).agg({"p": "mean", "share": "mean", "samples": "sum"})


def calibration_error(fake: np.ndarray, p: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error: mean distance of share and mean p over the bins, by their samples.

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, here of p(fake).
    """
    table = reliability(fake, p, bins)
    return float(np.average((table["p"] - table["share"]).abs(), weights=table["samples"]))


def people(videos: pd.DataFrame) -> pd.Series:
    """Who each video shows: the target, with the data set that the target comes from; the video where none is named.

    Two data sets may call other people by one number, so the name alone does not do. One without originals of its own
    (FaceShifter) shows the people of another one's `pristine` videos, and shares them with it.

    Args:
        videos: VIDEO_COLUMNS.

    Returns:
        A name a row, with the index of `videos`.
    """
    home = videos["video"].where(videos["pristine"] == "", videos["pristine"]).str.split("/").str[0]
    return (home + "/" + videos["target"]).where(videos["target"] != "", videos["video"])


def summarise(
    videos: pd.DataFrame, *, resamples: int, seed: int, cluster: str = "target", validation_threshold: float = np.nan
) -> pd.DataFrame:
    """One row per data set, per manipulation where a data set has several, and one for all pooled.

    Each manipulation is held against all reals of its data set. The pooled AUC also suffers where scores of one data
    set lie higher than those of another, which no single data set shows; what several test sets share counts once.

    Args:
        videos: Rows of `video_scores`, of one run and one split.
        cluster: What the intervals resample: "target" (whom `people` names, with all their videos; as in DFDC, whose
            lists name nobody, a video may be its own) or "video".
        validation_threshold: See `measure`.
    """
    if cluster not in ("target", "video"):
        raise ParameterError(f"cluster must be 'target' or 'video', found {cluster!r}")
    table = []
    for dataset, manipulation, part in _parts(videos):
        scored = part[part["status"] == "ok"]
        fake, p = scored["fake"].to_numpy(), scored["p_fake"].to_numpy()
        names = (scored["video"] if cluster == "video" else people(scored)).to_numpy()
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
    for dataset, group in videos.groupby("dataset", sort=False):
        yield str(dataset), "all", group
        manipulations = list(dict.fromkeys(group.loc[group["fake"] == 1, "manipulation"]))
        for name in manipulations if len(manipulations) > 1 else []:
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
        truth, p = targets[known, i], rows[f"p_{node}"].to_numpy()[known]
        row = {"node": node, "auc": np.nan, "ap": np.nan, "positives": int(truth.sum()), "samples": len(truth)}
        if 0 < truth.sum() < len(truth):
            row |= {
                "auc": float(metrics.roc_auc_score(truth, p)),
                "ap": float(metrics.average_precision_score(truth, p)),
            }
        table.append(row)
    return pd.DataFrame(table)


def roc_points(fake: np.ndarray, p: np.ndarray) -> pd.DataFrame:
    """The ROC curve as a table of false and true positive rates."""
    false_alarm, hit, at = metrics.roc_curve(*checked(fake, p))
    return pd.DataFrame({"false_positive_rate": false_alarm, "true_positive_rate": hit, "threshold": at})
