"""From score tables to video scores, metrics and intervals. No torch: every published number is recomputed here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from scipy import stats
from sklearn import metrics

from semdf.errors import DataError

__all__ = ["FRAME_COLUMNS", "auc_interval", "measure", "node_aucs", "roc_points", "summarise", "video_scores"]

#: What a score table holds of every frame, besides `p_<node>` for every node.
FRAME_COLUMNS = ("dataset", "manipulation", "video", "frame", "label", "split", "status", "p_fake")


def video_scores(frames: pd.DataFrame) -> pd.DataFrame:
    """Mean of every probability over a video's scored frames, as the paper averages p(fake).

    A video without a scored frame keeps its row: its probabilities are NaN and `status` says why.

    Args:
        frames: A row a frame with FRAME_COLUMNS.

    Returns:
        A row a video: data set, manipulation, video, label, split, fake (0 or 1), frames (scored), status, p_<node>.
    """
    if missing := [c for c in FRAME_COLUMNS if c not in frames]:
        raise DataError(f"score table must have the columns {missing}, found {list(frames)}")
    nodes = [c for c in frames if c.startswith("p_")]
    ok = frames["status"] == "ok"
    keys = frames[["dataset", "manipulation", "video", "label", "split"]].drop_duplicates("video").set_index("video")
    means = frames[ok].groupby("video", sort=False)[nodes].mean()
    videos = keys.join(means, how="left").reset_index()
    scored = frames[ok].groupby("video").size()
    reason = frames[~ok].groupby("video")["status"].first()
    videos["frames"] = videos["video"].map(scored).fillna(0).astype(int)
    videos["status"] = np.where(videos["frames"] > 0, "ok", videos["video"].map(reason))
    videos["fake"] = (videos["label"] != "real").astype(int)
    return videos


def measure(fake: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """ROC-AUC, average precision, equal error rate, and accuracy at 0.5.

    Args:
        fake: [n], 1 for fakes.
        p: [n], probability of fake.

    Raises:
        DataError: only one class, or a probability that is not finite.
    """
    fake, p = _checked(fake, p)
    false_alarm, hit, _ = metrics.roc_curve(fake, p)
    crossing = np.argmin(np.abs(false_alarm - (1 - hit)))
    return {
        "auc": float(metrics.roc_auc_score(fake, p)),
        "ap": float(metrics.average_precision_score(fake, p)),
        "eer": float((false_alarm[crossing] + 1 - hit[crossing]) / 2),
        "accuracy": float(metrics.accuracy_score(fake, p >= 0.5)),
    }


def auc_interval(fake: np.ndarray, p: np.ndarray, *, resamples: int, seed: int) -> tuple[float, float]:
    """95 % percentile interval of the AUC; reals and fakes are resampled apart (stratified bootstrap).

    (NaN, NaN) where a class has one member only: one cannot be resampled.
    """
    fake, p = _checked(fake, p)
    if min((fake == 1).sum(), (fake == 0).sum()) < 2:
        return np.nan, np.nan
    result = stats.bootstrap(
        (p[fake == 1], p[fake == 0]),
        _auc,
        n_resamples=resamples,
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def _auc(fakes: np.ndarray, reals: np.ndarray, axis: int = -1) -> np.ndarray:
    """AUC as the Mann-Whitney statistic: the share of pairs in which the fake scores higher, ties half."""
    u = stats.mannwhitneyu(fakes, reals, axis=axis, method="asymptotic").statistic
    return u / (fakes.shape[axis] * reals.shape[axis])


def summarise(videos: pd.DataFrame, *, resamples: int, seed: int) -> pd.DataFrame:
    """One row per data set, and per manipulation where a data set has several, with AUC and its interval.

    Each manipulation is held against all reals of its data set.

    Args:
        videos: Rows of `video_scores`, of one run and one split.
    """
    table = []
    for dataset, manipulation, part in _parts(videos):
        scored = part[part["status"] == "ok"]
        fake, p = scored["fake"].to_numpy(), scored["p_fake"].to_numpy()
        low, high = auc_interval(fake, p, resamples=resamples, seed=seed)
        table.append(
            {
                "dataset": dataset,
                "manipulation": manipulation,
                **measure(fake, p),
                "auc_low": low,
                "auc_high": high,
                "reals": int((fake == 0).sum()),
                "fakes": int((fake == 1).sum()),
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


def node_aucs(rows: pd.DataFrame, targets: np.ndarray, nodes: Sequence[str]) -> pd.DataFrame:
    """AUC of every node's probability against its label; NaN where all labels of a node are equal.

    Args:
        rows: [n] rows with `p_<node>`.
        targets: [n, N] label rows.
        nodes: N names.
    """
    table = []
    for i, node in enumerate(nodes):
        varies = 0 < targets[:, i].sum() < len(targets)
        value = metrics.roc_auc_score(targets[:, i], rows[f"p_{node}"]) if varies else np.nan
        table.append({"node": node, "auc": value, "positives": int(targets[:, i].sum()), "samples": len(targets)})
    return pd.DataFrame(table)


def roc_points(fake: np.ndarray, p: np.ndarray) -> pd.DataFrame:
    """The ROC curve as a table of false and true positive rates."""
    false_alarm, hit, threshold = metrics.roc_curve(*_checked(fake, p))
    return pd.DataFrame({"false_positive_rate": false_alarm, "true_positive_rate": hit, "threshold": threshold})


def _checked(fake: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    fake, p = np.asarray(fake), np.asarray(p, dtype=float)
    if not np.isfinite(p).all():
        raise DataError(f"probabilities must be finite, found {int((~np.isfinite(p)).sum())} that are not")
    if len(np.unique(fake)) != 2:
        raise DataError(
            f"an AUC needs reals and fakes, found {int((fake == 0).sum())} reals and {int((fake == 1).sum())} fakes"
        )
    return fake, p
