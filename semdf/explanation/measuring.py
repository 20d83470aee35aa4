"""Measure a detector's card from score tables of people whom training did not see.

Temperature and bounds are fitted on the people of one data set and split. What is said of the same people is
cross-fitted: five groups of people, each answered by what was fitted on the other four. What is said of other splits
and data sets uses the final fit, so that nothing is chosen by them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import logit
from statsmodels.stats.proportion import proportion_confint

from semdf.artifacts import read_table
from semdf.errors import DataError
from semdf.evaluation.detector import Detector, score_manifest
from semdf.evaluation.evaluate import people
from semdf.explanation.card import (
    ANSWERS,
    Answers,
    Card,
    Kind,
    Named,
    Outcome,
    Pointing,
    Range,
    Rate,
    Unit,
    calibrated,
)
from semdf.explanation.faithfulness import hits
from semdf.faces.quality import MEANINGS, quality, size_of
from semdf.method.hierarchy import Hierarchy
from semdf.storage.columns import CROP
from semdf.storage.tars import read_image

__all__ = ["ALLOWED", "Fit", "answers", "fit", "measure", "measure_detector", "qualities"]

#: Of the people that the bounds are fitted on: the largest share of reals that may be called forged, and of fakes for
#: which no sign may be found (ours).
ALLOWED = 0.05
#: Groups of people for cross-fitting, and the fewest people that a card can be measured on (ours).
FOLDS = 5
#: The measured range of a number is that of the middle 99 % of the faces (ours).
MIDDLE = (0.005, 0.995)
#: From which marginal on a node is named (Zou et al., 2025).
NAMED_FROM = 0.5
#: A node's rate counts if it was named for the faces of at least so many people (ours).
FEWEST = 5
#: Of people, for the intervals of what is named and pointed at.
RESAMPLES = 2000


class Fit(NamedTuple):
    """What is fitted for pictures or for videos; see `semdf.explanation.card.Unit`."""

    temperature: float
    forged_from: float
    no_sign_to: float


def fit(fake: np.ndarray, p: np.ndarray, allowed: float = ALLOWED) -> Fit:
    """Temperature and bounds of the answers.

    The temperature has the least negative log-likelihood, in which reals and fakes weigh the same. `forged_from` is the
    lowest bound from 0.5 on that at most `allowed` of the reals reach, `no_sign_to` the highest one up to 0.5 that at
    most as many fakes stay below.

    Args:
        fake: [n], 1 for fakes.
        p: [n], the detector's probability of a forgery.
        allowed: See `ALLOWED`.

    Raises:
        DataError: One class only.
    """
    fake = np.asarray(fake).astype(bool)
    if fake.all() or not fake.any():
        raise DataError(f"card: must be fitted on reals and fakes, found {(~fake).sum()} reals and {fake.sum()} fakes")
    odds = logit(np.clip(np.asarray(p, dtype=float), 1e-9, 1 - 1e-9))
    weights = np.where(fake, 0.5 / fake.sum(), 0.5 / (~fake).sum())
    signed = np.where(fake, odds, -odds)

    def loss(log_temperature: float) -> float:
        return float(weights @ np.logaddexp(0, -signed / np.exp(log_temperature)))

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded")
    temperature = round(float(np.exp(found.x)), 6)
    q = calibrated(p, temperature)
    upper = max(_bound(q[~fake], q, allowed), 0.5)
    lower = min(1 - _bound(1 - q[fake], 1 - q, allowed), 0.5)
    return Fit(temperature, round(float(upper), 6), round(float(lower), 6))


def _bound(own: np.ndarray, all_of: np.ndarray, allowed: float) -> float:
    """The lowest bound that at most a share of `own` reaches: in the middle between two of all probabilities."""
    falling = np.sort(own)[::-1]
    below = falling[int(allowed * len(falling))]  # the highest one that must stay below the bound
    above = all_of[all_of > below]
    return float(below + (above.min() if len(above) else 1.0)) / 2


def answers(table: pd.DataFrame, fitted: Fit, ranges: dict[str, Range]) -> np.ndarray:
    """The answer to each row `[n]`, as `semdf.explanation.card.decide` gives it.

    Args:
        table: [n] rows with `p_fake` and the numbers of `ranges`.
        fitted: Of pictures or of videos.
        ranges: Measured ranges.
    """
    probability = calibrated(table["p_fake"].to_numpy(dtype=float), fitted.temperature)
    found = np.full(len(table), "cannot tell", dtype=object)
    found[probability <= fitted.no_sign_to] = "no sign of forgery found"
    found[probability >= fitted.forged_from] = "forged"
    for name, bounds in ranges.items():
        found[~table[name].between(bounds.low, bounds.high).to_numpy()] = "cannot tell"
    return found


def qualities(manifest: Path, splits: Sequence[str]) -> pd.DataFrame:
    """The numbers of every face of some splits, in the order of `score_manifest`; NaN where there is no crop.

    Returns:
        A row a face: video, frame and the fields of `semdf.faces.quality.Quality`.
    """
    rows = read_table(manifest, ("video", "split", *CROP))
    rows = rows[rows["split"].isin(list(splits))].reset_index(drop=True)
    table = pd.DataFrame(np.nan, index=rows.index, columns=list(MEANINGS))
    good = rows[rows["status"] == "ok"].sort_values(["shard"], kind="stable")
    values = []
    for row in good.itertuples():
        points = np.asarray(row.landmarks, dtype=float).reshape(-1, 2)
        crop = read_image(Path(manifest).parent, row.shard, row.member)
        values.append(quality(crop, points, size_of(points, np.asarray(row.box, dtype=float))))
    table.loc[good.index] = np.asarray(values).reshape(-1, len(MEANINGS))
    table.insert(0, "frame", rows["frame"])
    table.insert(0, "video", rows["video"])
    return table


def measure(
    frames: pd.DataFrame,
    hierarchy: Hierarchy,
    *,
    weights: dict[str, str],
    data: str,
    split: str = "val",
    trained: bool = True,
    more: pd.DataFrame | None = None,
    pointing: pd.DataFrame | None = None,
    seed: int = 0,
) -> Card:
    """The card of a detector from the scores of faces that it was not trained on.

    Args:
        frames: A row a face: a table of scores with the columns of `qualities` joined.
        hierarchy: Of the detector.
        weights: See `semdf.explanation.card.Card`.
        data: Name of the data set that it is fitted on.
        split: Of that data set.
        trained: Whether other people of that data set were trained on.
        more: Forgeries of single regions, such as the expansion's, a row a face: only for what the detector names.
        pointing: Rows of `semdf.explanation.faithfulness.hits`.
        seed: Of the resampling.

    Raises:
        DataError: There are too few people, or one class only.
    """
    good = frames[frames["status"] == "ok"]
    pictures = _pictures(good)
    videos = _videos(good)
    own = pictures[(pictures["dataset"] == data) & (pictures["split"] == split)]
    if own["person"].nunique() < FOLDS:
        found = f"{own['person'].nunique()} of {data!r}, split {split!r}"
        raise DataError(f"card: must be measured on {FOLDS} people or more, found {found}")
    ranges = _ranges(own)
    units: dict[Kind, Unit | None] = {}
    tables: dict[Kind, pd.DataFrame] = {"picture": pictures, "video": videos}
    for kind, table in tables.items():
        at_home = table[(table["dataset"] == data) & (table["split"] == split)]
        elsewhere = table[(table["dataset"] != data) | (table["split"] == "test")]
        elsewhere = elsewhere[~elsewhere.index.isin(at_home.index)]
        units[kind] = _unit(at_home, elsewhere, own, ranges, trained, data)
    named = []
    if units["picture"]:
        extra = _pictures(more[more["status"] == "ok"]) if more is not None else own[:0]
        fakes = pd.concat([own, extra[(extra["dataset"] == data) & (extra["split"] == split)]], ignore_index=True)
        named = _named(fakes[fakes["fake"] == 1], units["picture"], ranges, hierarchy, seed)
    return Card(
        weights=weights,
        ranges=ranges,
        picture=units["picture"],
        video=units["video"],
        named=named,
        pointing=[] if pointing is None else _pointing(pointing, seed),
    )


def measure_detector(
    detector: Detector,
    manifest: Path,
    *,
    weights: dict[str, str],
    data: str,
    split: str = "val",
    trained: bool = True,
    others: Sequence[str] = (),
    expanded: Path | None = None,
    frames: pd.DataFrame | None = None,
    count: int = 60,
    layer: str | None = None,
    batch: int = 64,
    seed: int = 0,
) -> Card:
    """Score the faces of a manifest and measure the card.

    Args:
        manifest: Of `semdf extract`.
        weights: As for `measure`; so for data, split, trained and seed.
        others: Further splits to be answered, such as test.
        expanded: Manifest of the expansion: single regions to be named and pointed at.
        frames: The scores of `score_manifest` for `split` and `others`, where they are there already.
        count: Forgeries of each region for the maps.
        layer: See `semdf.explanation.relevance.layer`.
        batch: Pictures at once.

    Raises:
        DataError: As for `measure`.
    """
    splits = list(dict.fromkeys([split, *others]))
    if frames is None:
        frames = score_manifest(detector, manifest, splits, batch)
    frames = frames[frames["split"].isin(splits)].merge(qualities(manifest, splits), on=["video", "frame"], how="left")
    more = pointing = None
    if expanded is not None:
        more = score_manifest(detector, expanded, [split], batch).assign(**dict.fromkeys(MEANINGS, np.nan))
        pointing = hits(detector, expanded, data, split, count, layer, seed)
    return measure(
        frames,
        detector.hierarchy,
        weights=weights,
        data=data,
        split=split,
        trained=trained,
        more=more,
        pointing=pointing,
        seed=seed,
    )


def _pictures(frames: pd.DataFrame) -> pd.DataFrame:
    """A row a face, with `fake` and `person`."""
    return frames.assign(fake=(frames["label"] != "real").astype(int), person=people(frames)).reset_index(drop=True)


def _videos(frames: pd.DataFrame) -> pd.DataFrame:
    """A row a video of several faces: mean marginals, median qualities; as `_pictures`."""
    several = frames[frames.groupby("video")["frame"].transform("size") > 1]
    if several.empty:
        return _pictures(several)
    how = {c: "mean" if c.startswith("p_") else "median" for c in [*_marginals(frames), *MEANINGS]}
    numbers = several.groupby("video", sort=False)[list(how)].agg(how)
    keys = several[[c for c in frames if c not in how and c != "frame"]].drop_duplicates("video").set_index("video")
    return _pictures(keys.join(numbers).reset_index())


def _marginals(table: pd.DataFrame) -> list[str]:
    return [c for c in table if c.startswith("p_")]


def _ranges(table: pd.DataFrame) -> dict[str, Range]:
    """The measured range of every number: what lies at the end of a scale stays open there."""
    ranges = {}
    for name in MEANINGS:
        low, high = table[name].quantile(list(MIDDLE))
        if name in ("turn", "tilt"):  # 0 is a face from the front
            low = 0.0
        ranges[name] = Range(low=round(float(low), 6), high=round(float(high), 6))
    return ranges


def _unit(
    own: pd.DataFrame,
    elsewhere: pd.DataFrame,
    faces: pd.DataFrame,
    ranges: dict[str, Range],
    trained: bool,
    data: str,
) -> Unit | None:
    """What holds for pictures or videos; None where there are too few people or one class only.

    Args:
        own: What is fitted on.
        elsewhere: What is answered besides.
        faces: The single faces that `ranges` are of.
    """
    names = sorted(own["person"].unique())
    if len(names) < FOLDS or own["fake"].nunique() < 2:
        return None
    given = np.full(len(own), "cannot tell", dtype=object)
    fold = own["person"].map({name: place % FOLDS for place, name in enumerate(names)}).to_numpy()
    groups = set(fold.tolist())
    for group in groups:
        others = own[fold != group]
        left = set(own["person"][fold == group])
        seen = faces[~faces["person"].isin(left)]
        if others["fake"].nunique() < 2:
            return None
        fitted = fit(others["fake"].to_numpy(), others["p_fake"].to_numpy())
        given[fold == group] = answers(own[fold == group], fitted, _ranges(seen))
    final = fit(own["fake"].to_numpy(), own["p_fake"].to_numpy())
    outcomes = [_outcome(own, given, trained)]
    for _, part in elsewhere.groupby(["dataset", "split"], sort=False):
        if part["person"].nunique() < FOLDS:
            continue
        same = trained and part["dataset"].iloc[0] == data
        outcomes.append(_outcome(part, answers(part, final, ranges), same))
    return Unit(**final._asdict(), outcomes=outcomes)


def _outcome(table: pd.DataFrame, given: np.ndarray, trained: bool) -> Outcome:
    """How often the rows of one data set got each answer."""
    fake = table["fake"].to_numpy() == 1
    first = table.iloc[0]
    return Outcome(
        data=first["dataset"],
        split=first["split"],
        trained=trained,
        reals=_counted(given[~fake], table["person"][~fake]),
        fakes=_counted(given[fake], table["person"][fake]),
    )


def _counted(given: np.ndarray, who: pd.Series) -> Answers | None:
    if not len(given):
        return None
    forged, no_sign, cannot_tell = (_rate(given == answer, who) for answer in ANSWERS)
    return Answers(forged=forged, no_sign=no_sign, cannot_tell=cannot_tell)


def _rate(hit: np.ndarray, who: pd.Series) -> Rate:
    """The share of hits, with Wilson's interval for as many trials as there are people: faces of one are alike."""
    share = float(np.mean(hit))
    count = int(who.nunique())
    low, high = proportion_confint(share * count, count, method="wilson")
    return Rate(
        value=share, low=min(max(float(low), 0), share), high=max(min(float(high), 1), share), of=len(hit), people=count
    )


def _named(fakes: pd.DataFrame, unit: Unit, ranges: dict[str, Range], hierarchy: Hierarchy, seed: int) -> list[Named]:
    """How often each node below the root was right when it was named, among forged faces called forged.

    The expansion has no qualities: there the probability alone decides.
    """
    fitted = Fit(unit.temperature, unit.forged_from, unit.no_sign_to)
    judged = fakes[MEANINGS.keys()].notna().all(axis=1)
    given = answers(fakes, fitted, {})
    given[judged] = answers(fakes[judged], fitted, ranges)
    called = fakes[given == "forged"]
    table = []
    for place, node in enumerate(hierarchy.nodes):
        if f"p_{node}" not in called or place in hierarchy.levels["root"]:
            continue
        labels = called["label"]
        known = labels.map({name: bool(hierarchy.observed(name)[place]) for name in labels.unique()})
        rows = called[known.to_numpy(dtype=bool)]
        truth = rows["label"].map({name: int(hierarchy.label(name)[place]) for name in rows["label"].unique()})
        said = (rows[f"p_{node}"] >= NAMED_FROM).to_numpy()
        if rows["person"][said].nunique() < FEWEST:
            continue
        altered = truth.to_numpy(dtype=float)

        def gain(weights: np.ndarray, altered: np.ndarray = altered, said: np.ndarray = said) -> float:
            if not (weights * said).sum():
                return 0.0
            return float(np.average(altered, weights=weights * said) - np.average(altered, weights=weights))

        table.append(
            Named(
                node=node,
                right=_rate(altered[said] == 1, rows["person"][said]),
                chance=float(altered.mean()),
                gain_low=_lowest(gain, rows["person"], len(hierarchy.nodes) - 1, seed),
            )
        )
    return table


def _pointing(rows: pd.DataFrame, seed: int) -> list[Pointing]:
    """Rates of `hits` by node."""
    table = []
    for node, part in rows.groupby("node", sort=False):
        if part["person"].nunique() < FEWEST:
            continue
        hit = part["hit"].to_numpy(dtype=float)
        rivals = part[["chance", "control"]].to_numpy(dtype=float)

        def gain(weights: np.ndarray, hit: np.ndarray = hit, rivals: np.ndarray = rivals) -> float:
            rival = max(np.average(column, weights=weights) for column in rivals.T)
            return float(np.average(hit, weights=weights) - rival)

        table.append(
            Pointing(
                node=str(node),
                hits=_rate(hit == 1, part["person"]),
                chance=float(rivals.mean(0).max()),
                gain_low=_lowest(gain, part["person"], rows["node"].nunique(), seed),
            )
        )
    return table


def _lowest(statistic: Callable[[np.ndarray], float], who: pd.Series, together: int, seed: int) -> float:
    """The lower end of a statistic's percentile interval; people are resampled, each with all samples.

    Args:
        statistic: Weights of the samples [n] -> value.
        who: [n], names of people.
        together: How many intervals hold at 95 % together (Bonferroni).
    """
    codes = pd.factorize(who)[0]
    count = codes.max() + 1
    random = np.random.default_rng(seed)
    draws = [statistic(random.multinomial(count, np.full(count, 1 / count))[codes]) for _ in range(RESAMPLES)]
    return round(float(np.percentile(draws, 2.5 / together)), 6)
