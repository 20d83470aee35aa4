"""Tests of a detector on photographs: by kind of forgery, under everyday processing, by node, and its calibration.

All intervals are over people, each with all their pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from semdf.artifacts import read_table
from semdf.errors import DataError, ParameterError
from semdf.evaluation import evaluate
from semdf.evaluation.detector import SCORED, Detector
from semdf.evaluation.intervals import Interval, auc_interval
from semdf.method.hierarchy import Hierarchy
from semdf.storage.columns import SCORING_INPUT
from semdf.storage.tars import read_image
from semdf.training.perturb import jpeg

__all__ = [
    "AS_THEY_ARE",
    "CONDITIONS",
    "UNTOUCHED",
    "Tables",
    "auc_by_kind",
    "calibration",
    "choose_threshold",
    "false_alarms",
    "fit_temperature",
    "naming",
    "pairs",
    "score",
    "share_interval",
    "summarise",
    "temper",
]

Picture = np.ndarray

#: The set of the photographs that nobody forged, and the condition in which nothing happens to them.
UNTOUCHED = "untouched"
AS_THEY_ARE = "as they are"


def _half(image: Picture) -> Picture:
    """At half the resolution and back."""
    height, width = image.shape[:2]
    small = cv2.resize(image, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def _phone(image: Picture) -> Picture:
    """Denoised, then sharpened, then compressed, as phones do it."""
    smooth = cv2.bilateralFilter(image, 5, 20.0, 2.0).astype(np.float32)
    sharp = smooth + 0.7 * (smooth - cv2.GaussianBlur(smooth, (0, 0), 1.2))
    return jpeg(np.clip(np.round(sharp), 0, 255).astype(np.uint8), 88)


def _beauty(image: Picture) -> Picture:
    """Skin smoothed evenly, edges kept: most of a strong bilateral filter over the whole picture."""
    smooth = cv2.bilateralFilter(cv2.bilateralFilter(image, 9, 35.0, 5.0), 9, 25.0, 5.0)
    return cv2.addWeighted(smooth, 0.75, image, 0.25, 0.0)


#: What happens to untouched photographs before they are scored; all strengths are ours.
CONDITIONS: dict[str, Callable[[Picture], Picture]] = {
    AS_THEY_ARE: lambda image: image,
    "JPEG 60": lambda image: jpeg(image, 60),
    "half and back": _half,
    "phone": _phone,
    "beauty filter": _beauty,
}


def score(
    detector: Detector, manifest: Path, split: str, condition: str = AS_THEY_ARE, batch: int = 64
) -> pd.DataFrame:
    """Score the crops of a split under a condition; a row that has no crop stays, with its status and NaN.

    Args:
        detector: Any run.
        manifest: Its tars lie beside it.
        split: Whose rows.
        condition: A key of `CONDITIONS`.
        batch: Pictures at once.

    Returns:
        As `semdf.evaluation.detector.score_manifest`.

    Raises:
        ParameterError: An unknown condition.
        DataError: The split has no row.
    """
    if condition not in CONDITIONS:
        raise ParameterError(f"condition must be one of {', '.join(CONDITIONS)}, found {condition!r}")
    rows = read_table(manifest, SCORING_INPUT)
    rows = rows[rows["split"] == split].reset_index(drop=True)
    if rows.empty:
        raise DataError(f"{Path(manifest).parent.name}: must have rows of the split {split!r}, found none")
    p = np.full((len(rows), len(detector.nodes)), np.nan, np.float32)
    good = np.flatnonzero(rows["status"] == "ok")
    change = CONDITIONS[condition]
    for start in range(0, len(good), batch):
        places = good[start : start + batch]
        crops = []
        for row in rows.iloc[places].itertuples():
            crops.append(change(read_image(Path(manifest).parent, row.shard, row.member)))
        p[places] = detector.score(np.stack(crops), batch)
    scores = rows[list(SCORED)].copy()
    for number, node in enumerate(detector.nodes):
        scores[f"p_{node}"] = p[:, number]
    return scores


class Tables(NamedTuple):
    """What the tests found.

    Attributes:
        kinds: Of `auc_by_kind`, for people of the tests.
        naming: Of `naming`, with dataset.
        alarms: Of `false_alarms`.
        calibration: Of `calibration`, with dataset.
        threshold: Of people who choose.
        temperature: Of the same.
    """

    kinds: pd.DataFrame
    naming: pd.DataFrame
    alarms: pd.DataFrame
    calibration: pd.DataFrame
    threshold: float
    temperature: float


def summarise(
    frames: pd.DataFrame, tree: Hierarchy, seen: Sequence[str], share: float, *, resamples: int, seed: int
) -> Tables:
    """All tables from the scores of all photographs; the people of the split val choose threshold and temperature.

    Args:
        frames: Scores with `set` (name of a preset, or `UNTOUCHED`) and `condition`.
        tree: The label hierarchy.
        seen: Presets that training saw: of these are the names and the calibration.
        share: See `choose_threshold`.
        resamples: Of people.
        seed: Of the resampling.
    """
    bare = frames["set"] == UNTOUCHED
    plain = frames["condition"] == AS_THEY_ARE
    chosen = frames["split"] == "val"
    tested = frames["split"] == "test"
    known = frames["set"].isin(list(seen))
    reals = frames[chosen & plain & (frames["label"] == "real")]
    threshold = choose_threshold(reals["p_fake"].to_numpy(), share)
    balanced = pairs(frames[chosen & known])
    temperature = fit_temperature((balanced["label"] != "real").to_numpy(), balanced["p_fake"].to_numpy())

    scored = {str(name): part for name, part in frames[tested & bare].groupby("condition", sort=False)}
    named = []
    calibrated = []
    for dataset, part in frames[tested & known].groupby("dataset", sort=False):
        fakes = part[part["label"] != "real"]
        targets = np.stack([tree.label(label) for label in fakes["label"]])
        observed = np.stack([tree.observed(label) for label in fakes["label"]])
        found = naming(fakes, targets, observed, tree.nodes, resamples=resamples, seed=seed)
        named.append(found.assign(dataset=dataset))
        calibrated.append(calibration(pairs(part), temperature).assign(dataset=dataset))
    return Tables(
        kinds=auc_by_kind(frames[tested & ~bare], resamples=resamples, seed=seed),
        naming=pd.concat(named, ignore_index=True),
        alarms=false_alarms(scored, threshold, resamples=resamples, seed=seed),
        calibration=pd.concat(calibrated, ignore_index=True),
        threshold=threshold,
        temperature=temperature,
    )


def auc_by_kind(frames: pd.DataFrame, *, resamples: int, seed: int) -> pd.DataFrame:
    """Root AUC of each kind of forgery against the untouched pictures of its set, and of all kinds of a set.

    Args:
        frames: Scores with a column `set`, the name of the preset; fakes and the reals that are seen alike.
        resamples: Of people.
        seed: Of the resampling.

    Returns:
        dataset, set, kind ("all" for all), auc, low, high, fakes, reals, people.
    """
    table = []
    good = frames[frames["status"] == "ok"]
    for (dataset, name), part in good.groupby(["dataset", "set"], sort=False):
        real = part["label"] == "real"
        kinds = list(dict.fromkeys(part.loc[~real, "label"]))
        for kind in ["all", *(kinds if len(kinds) > 1 else [])]:
            shown = part[real | (part["label"] == kind)] if kind != "all" else part
            fake = (shown["label"] != "real").to_numpy()
            names = evaluate.people(shown).to_numpy()
            found = auc_interval(fake, shown["p_fake"].to_numpy(), clusters=names, resamples=resamples, seed=seed)
            table.append(
                {
                    "dataset": dataset,
                    "set": name,
                    "kind": kind,
                    "auc": found.value,
                    "low": found.low,
                    "high": found.high,
                    "fakes": int(fake.sum()),
                    "reals": int((~fake).sum()),
                    "people": len(set(names)),
                }
            )
    return pd.DataFrame(table)


def naming(
    frames: pd.DataFrame, targets: np.ndarray, observed: np.ndarray, nodes: Sequence[str], *, resamples: int, seed: int
) -> pd.DataFrame:
    """Among fakes, the AUC of each node's probability for what was altered, beside that of p(fake) alone.

    Args:
        frames: [n] scores of fakes.
        targets: [n, N] label rows.
        observed: [n, N], False where a label row leaves a node open.
        nodes: N names.
        resamples: Of people.
        seed: Of the resampling.

    Returns:
        node, auc, low, high, auc_root, altered, fakes; a node that is altered in all or none has no row.
    """
    table = []
    names = evaluate.people(frames).to_numpy()
    for number, node in enumerate(nodes):
        known = observed[:, number].astype(bool) & (frames["status"] == "ok").to_numpy()
        truth = targets[known, number] > 0.5
        if truth.all() or not truth.any():
            continue
        own, root = (frames.loc[known, f"p_{name}"].to_numpy() for name in (node, nodes[0]))
        found = auc_interval(truth, own, clusters=names[known], resamples=resamples, seed=seed)
        by_root = auc_interval(truth, root, resamples=1, seed=seed).value
        table.append(
            {
                "node": node,
                "auc": found.value,
                "low": found.low,
                "high": found.high,
                "auc_root": by_root,
                "altered": int(truth.sum()),
                "fakes": len(truth),
            }
        )
    return pd.DataFrame(table)


def choose_threshold(p: np.ndarray, share: float) -> float:
    """The lowest threshold that at most a share of these reals reach.

    >>> choose_threshold(np.array([0.1, 0.2, 0.3, 0.9]), 0.25)
    0.9

    Args:
        p: [n], probability of fake of untouched pictures.
        share: Of false alarms, in [0, 1).

    Raises:
        ParameterError: A share out of range.
        DataError: There is no score.
    """
    if not 0 <= share < 1:
        raise ParameterError(f"share of false alarms must lie in [0, 1), found {share}")
    falling = np.sort(np.asarray(p, dtype=float)[np.isfinite(p)])[::-1]
    if not len(falling):
        raise DataError("threshold must have scores of untouched pictures, found none")
    allowed = int(share * len(falling))
    for threshold in falling[:allowed][::-1]:
        if (falling >= threshold).sum() <= allowed:
            return float(threshold)
    return float(np.nextafter(falling[0], 2))


def false_alarms(scored: Mapping[str, pd.DataFrame], threshold: float, *, resamples: int, seed: int) -> pd.DataFrame:
    """The share of untouched photographs called fake, by data set and condition.

    Args:
        scored: Condition -> scores of untouched photographs.
        threshold: What reaches it is called fake.
        resamples: Of people.
        seed: Of the resampling.

    Returns:
        dataset, condition, share, low, high, pictures, people.
    """
    table = []
    for condition, frames in scored.items():
        good = frames[(frames["status"] == "ok") & (frames["label"] == "real")]
        for dataset, part in good.groupby("dataset", sort=False):
            alarm = (part["p_fake"] >= threshold).to_numpy()
            names = evaluate.people(part).to_numpy()
            found = share_interval(alarm, names, resamples=resamples, seed=seed)
            table.append(
                {
                    "dataset": dataset,
                    "condition": condition,
                    "share": found.value,
                    "low": found.low,
                    "high": found.high,
                    "pictures": len(part),
                    "people": len(set(names)),
                }
            )
    return pd.DataFrame(table)


def share_interval(hits: np.ndarray, clusters: Sequence, *, resamples: int, seed: int) -> Interval:
    """A share with its 95 % percentile interval over clusters.

    Where none or all are hits, resampling cannot tell how sure that is: the interval is then Clopper and Pearson's
    (1934) of as many trials as there are clusters.

    Args:
        hits: [n] bool.
        clusters: [n] names of what is resampled.
        resamples: Number of resamples.
        seed: Of the resampling.
    """
    hits = np.asarray(hits, dtype=float)
    codes, names = pd.factorize(np.asarray(clusters))
    count = len(names)
    if not len(hits):
        raise DataError("shares must have samples, found none")
    if hits.min() == hits.max():
        edge = 0.025 ** (1 / count)
        return Interval(1.0, edge, 1.0) if hits[0] else Interval(0.0, 0.0, 1 - edge)
    sums = np.bincount(codes, hits, count)
    sizes = np.bincount(codes, minlength=count)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples)
    shares = (drawn @ sums) / (drawn @ sizes)
    low, high = np.percentile(shares, [2.5, 97.5])
    return Interval(float(hits.mean()), float(low), float(high))


def pairs(frames: pd.DataFrame) -> pd.DataFrame:
    """Every scored fake and, as often, the untouched picture that it was made from: half fakes, half reals."""
    good = frames[frames["status"] == "ok"]
    keys = ["set", "video"] if "set" in good else ["video"]
    reals = good[good["label"] == "real"].drop_duplicates(keys).set_index(keys)
    fakes = good[good["label"] != "real"]
    wanted = pd.MultiIndex.from_frame(fakes[[*keys[:-1], "pristine"]]) if len(keys) > 1 else pd.Index(fakes["pristine"])
    known = wanted.isin(reals.index)
    partners = reals.loc[wanted[known]].reset_index()
    return pd.concat([fakes[known], partners], ignore_index=True)


def fit_temperature(fake: np.ndarray, p: np.ndarray) -> float:
    """The temperature by which log-odds are divided so that probabilities fit best: Guo et al., ICML 2017.

    Args:
        fake: [n], 1 for fakes.
        p: [n], probability of fake.
    """
    truth = np.asarray(fake, dtype=float)
    odds = _odds(p)

    def loss(log_temperature: float) -> float:
        scaled = odds / np.exp(log_temperature)
        return float(np.mean(np.logaddexp(0, scaled) - truth * scaled))

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))


def temper(p: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities whose log-odds are divided by a temperature."""
    return expit(_odds(p) / temperature)


def calibration(frames: pd.DataFrame, temperature: float) -> pd.DataFrame:
    """Calibration error and Brier score of balanced pairs, before and after a temperature.

    Args:
        frames: What `pairs` gives.
        temperature: From `fit_temperature` on other people.

    Returns:
        temperature (1 before), ece, brier, pictures.
    """
    fake = (frames["label"] != "real").to_numpy().astype(int)
    table = []
    for value in (1.0, temperature):
        p = temper(frames["p_fake"].to_numpy(), value)
        table.append(
            {
                "temperature": value,
                "ece": evaluate.calibration_error(fake, p),
                "brier": float(np.mean((p - fake) ** 2)),
                "pictures": len(fake),
            }
        )
    return pd.DataFrame(table)


def _odds(p: np.ndarray) -> np.ndarray:
    """Log-odds, finite for 0 and 1."""
    return logit(np.clip(np.asarray(p, dtype=float), 1e-6, 1 - 1e-6))
