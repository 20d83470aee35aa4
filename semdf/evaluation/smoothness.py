"""How much of a detector is a filter? Twelve numbers of a crop that know nothing of faces, and AUC beyond them.

Forged faces tend to be smoother than photographed ones. A classifier on colours, sharpness, noise and spectrum sees
that and no more, so it is the baseline which a detector has to beat; `adjusted_auc` asks what a detector still tells
among crops which that baseline takes for alike. Nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from semdf.errors import DataError, ParameterError
from semdf.evaluation.intervals import Interval, checked, student, weighted_auc
from semdf.storage.columns import VIDEO
from semdf.storage.tars import read_image

__all__ = ["KEYS", "STRATA", "adjusted_auc", "classifier", "numbers", "strata", "video_numbers"]

#: What `video_numbers` keeps of a manifest, besides the numbers.
KEYS = VIDEO
#: As many remove some 90 % of a bias that one number causes (Cochran, Biometrics 24, 1968).
STRATA = 5


def numbers(picture: np.ndarray) -> dict[str, float]:
    """Twelve numbers of a picture `[H, W, 3] uint8` (sRGB), `statistics.<name>` and `spectrum.<name>`.

    Mean and standard deviation of each channel, mean saturation, logarithm of the Laplacian's variance (sharpness),
    mean distance from a median of 3 x 3 pixels (noise); slope and level of logarithmic power over logarithmic
    frequency, logarithm of the finest octave's share of the power.
    """
    return {**_statistics(picture), **_spectrum(picture)}


def _statistics(picture: np.ndarray) -> dict[str, float]:
    values = picture.reshape(-1, 3).astype(np.float32)
    grey = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine = grey - cv2.medianBlur(grey, 3)
    named = {f"statistics.mean_{c}": mean for c, mean in zip("rgb", values.mean(0), strict=True)}
    named |= {f"statistics.deviation_{c}": deviation for c, deviation in zip("rgb", values.std(0), strict=True)}
    named["statistics.saturation"] = float((values.max(1) - values.min(1)).mean())
    named["statistics.sharpness"] = float(np.log(cv2.Laplacian(grey, cv2.CV_32F).var() + 1e-6))
    named["statistics.noise"] = float(np.abs(fine).mean())
    return named


def _spectrum(picture: np.ndarray) -> dict[str, float]:
    grey = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY).astype(np.float32)
    grey = (grey - grey.mean()) * np.outer(np.hanning(len(grey)), np.hanning(grey.shape[1])).astype(np.float32)
    power = np.abs(np.fft.fft2(grey)) ** 2
    frequency = np.hypot(np.fft.fftfreq(len(grey))[:, None], np.fft.fftfreq(grey.shape[1])[None])
    edges = np.geomspace(0.02, 0.5, 13)
    which = np.digitize(frequency.ravel(), edges) - 1
    inside = (which >= 0) & (which < 12)
    total, count = np.bincount(which[inside], power.ravel()[inside], 12), np.bincount(which[inside], minlength=12)
    radial = total / np.maximum(count, 1)
    slope, level = np.polyfit(np.log(np.sqrt(edges[1:] * edges[:-1])), np.log(radial + 1e-6), 1)
    finest, whole = power[(frequency > 0.25) & (frequency <= 0.5)].sum(), power[frequency > 0.02].sum()
    share = finest / max(whole, 1e-6)  # a picture of one colour has no power at all
    return {"spectrum.slope": slope, "spectrum.level": level, "spectrum.high": float(np.log(share + 1e-9))}


def video_numbers(manifest: pd.DataFrame, faces: Path) -> pd.DataFrame:
    """Mean numbers of each video's crops; a video without a crop keeps its row, its numbers are NaN.

    Args:
        manifest: A row a frame, with KEYS, shard, member and status.
        faces: The folder of its shards.

    Returns:
        A row a video in the order of the manifest: KEYS and the twelve numbers.
    """
    ok = manifest[manifest["status"] == "ok"]
    if ok.empty:
        raise DataError(f"numbers of crops need one row with the status ok, found none of {len(manifest)}")
    measured = pd.DataFrame([numbers(read_image(faces, row.shard, row.member)) for row in ok.itertuples()], ok.index)
    each = measured.groupby(ok["video"], sort=False).mean()
    return manifest[list(KEYS)].drop_duplicates("video").join(each, on="video").reset_index(drop=True)


def classifier(seed: int = 0) -> VotingClassifier:
    """A vote of a logistic regression and a random forest, both of which weigh reals and fakes alike (ours)."""
    linear = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
    forest = RandomForestClassifier(50, min_samples_leaf=10, class_weight="balanced", random_state=seed, n_jobs=1)
    return VotingClassifier([("linear", linear), ("forest", forest)], voting="soft")


def strata(by: np.ndarray, count: int = STRATA) -> np.ndarray:
    """[n] int, in which of `count` equally large parts by size each of `by` [n] lies; equal values lie in one.

    Raises:
        ParameterError: count is below 1.
    """
    if count < 1:
        raise ParameterError(f"strata must be at least 1, found {count}")
    by = np.asarray(by, dtype=float)
    return np.searchsorted(np.quantile(by, np.arange(1, count) / count), by, side="right")


def adjusted_auc(
    fake: np.ndarray,
    p: np.ndarray,
    by: np.ndarray,
    *,
    clusters: Sequence,
    resamples: int,
    seed: int,
    count: int = STRATA,
) -> Interval:
    """AUC of `p` among samples that `by` takes for alike: over pairs of a fake and a real of one of its strata.

    Where `p` follows `by` and sees nothing else, this is near 0.5 however high its AUC is. The idea is that of the
    covariate-adjusted ROC curve (Janes and Pepe, Biometrika 96, 2009), which weighs strata by their fakes; here each
    pair counts alike (ours), so that a stratum with a single real does not count as much as one with many. The interval
    is Student's t with the standard error of a bootstrap of the clusters, the strata being held; in simulations of 26
    and 40 people with a real and one or four fakes each it held the mean in 95 to 96 % of 500 draws.

    Args:
        fake: [n], 1 for fakes.
        p: [n], probability of fake.
        by: [n], what is held, such as the probability that a `classifier` on `numbers` gives.
        clusters: [n], names of what is resampled.
        resamples: Number of resamples.
        seed: Of the resampling.
        count: Of the strata.

    Returns:
        Value and ends within [0, 1], NaN where no stratum holds both kinds.

    Raises:
        DataError: see `intervals.checked`, or arrays of different lengths.
    """
    fake, p = checked(fake, p)
    if not len(fake) == len(by) == len(clusters):
        raise DataError(f"p, by and clusters must have one length, found {len(fake)}, {len(by)} and {len(clusters)}")
    codes, names = pd.factorize(np.asarray(clusters))
    drawn = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), resamples)
    weights = np.concatenate([np.ones((1, len(fake))), drawn[:, codes]])
    sums, which = np.zeros((2, len(weights))), strata(by, count)
    with np.errstate(invalid="ignore"):
        for stratum in np.unique(which):
            here = which == stratum
            if len(np.unique(fake[here])) == 2:
                part = weights[:, here]
                pairs = part[:, fake[here] == 1].sum(1) * part[:, fake[here] == 0].sum(1)
                sums += pairs * np.nan_to_num(weighted_auc(fake[here], p[here], part)), pairs
        aucs = sums[0] / sums[1]
    fewest = min(len(np.unique(codes[fake == kind])) for kind in (0, 1))
    if np.isnan(aucs[0]) or fewest < 2:
        return Interval(float(aucs[0]), np.nan, np.nan)
    low, high, _ = student(float(aucs[0]), float(np.nanstd(aucs[1:], ddof=1)), fewest - 1)
    return Interval(float(aucs[0]), max(low, 0.0), min(high, 1.0))
