"""Marginals in words, consistent with the label hierarchy; and how often the words are right.

    Fake (97 %). Identity altered (88 %). Regions: eye (91 %), mouth (83 %).

A region is named with the attribute that explains it. Its marginal can pass the threshold although that of no single
attribute above it does (several attributes share it): then the sentence says so. No torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import logit
from sklearn.metrics import roc_auc_score

from semdf.errors import DataError, ParameterError
from semdf.evaluation.intervals import auc_difference
from semdf.method.hierarchy import Hierarchy

__all__ = ["Findings", "among_fakes", "find", "naming", "sentence", "spans"]


@dataclass(frozen=True)
class Findings:
    """What passes the threshold; each list in falling order of probability.

    fake: whether the root does. attributes, regions: nodes of the global and local level. unsupported: those of the
    regions none of whose attributes is named.
    """

    fake: bool
    attributes: tuple[str, ...]
    regions: tuple[str, ...]
    unsupported: tuple[str, ...]


def find(p: Mapping[str, float], hierarchy: Hierarchy, threshold: float = 0.5) -> Findings:
    """Which nodes are said to be altered. Nothing is, where the picture is not said to be fake.

    Args:
        p: Marginal of every node by name; a binary detector gives the root's alone.
        threshold: 0.5, Zou et al. (2025).

    Raises:
        ParameterError: a threshold outside (0, 1).
        DataError: the root is missing or a probability is outside [0, 1].
    """
    if not 0 < threshold < 1:
        raise ParameterError(f"threshold must lie in (0, 1), found {threshold}")
    root = hierarchy.nodes[hierarchy.levels["root"][0]]
    if root not in p:
        raise DataError(f"p must hold the node {root!r}, found {', '.join(p) or 'nothing'}")
    if wrong := {node: value for node, value in p.items() if not 0 <= value <= 1}:
        raise DataError(f"p must lie in [0, 1], found {wrong}")
    if p[root] < threshold:
        return Findings(False, (), (), ())
    attributes, regions = (_named(p, hierarchy, level, threshold) for level in ("global", "local"))
    supported = {child for node in attributes for child in hierarchy.children[node]}
    return Findings(True, attributes, regions, tuple(node for node in regions if node not in supported))


def _named(p: Mapping[str, float], hierarchy: Hierarchy, level: str, threshold: float) -> tuple[str, ...]:
    nodes = [hierarchy.nodes[i] for i in hierarchy.levels[level]]
    return tuple(sorted((node for node in nodes if p.get(node, 0) >= threshold), key=lambda node: -p[node]))


def sentence(p: Mapping[str, float], hierarchy: Hierarchy, threshold: float = 0.5) -> str:
    """The findings in words, with their probabilities; arguments and errors as for `find`.

    >>> from semdf.method.hierarchy import load
    >>> sentence({"fake": 0.97, "identity": 0.88, "eye": 0.91, "mouth": 0.83}, load("ffpp"))
    'Fake (97 %). Identity altered (88 %). Regions: eye (91 %), mouth (83 %).'
    >>> sentence({"fake": 0.2, "eye": 0.1}, load("ffpp"))
    'Real (80 %).'
    """
    root = hierarchy.nodes[hierarchy.levels["root"][0]]
    found = find(p, hierarchy, threshold)
    if not found.fake:
        return f"Real ({_percent(1 - p[root])})."
    parts = [f"Fake ({_percent(p[root])})."]
    if len(p) == 1:
        return parts[0]
    if found.attributes:
        parts.append(_altered(found.attributes, p))
    else:
        parts.append("No attribute named.")
    supported = [node for node in found.regions if node not in found.unsupported]
    if supported:
        parts.append(f"Regions: {_list(supported, p)}.")
    if found.unsupported:
        parts.append(f"Regions without one attribute that explains them: {_list(found.unsupported, p)}.")
    if not found.regions:
        parts.append("No region named.")
    return " ".join(parts)


def _altered(nodes: Sequence[str], p: Mapping[str, float]) -> str:
    # an inconsistency is there or not; every other attribute is altered or not
    said = [node if node.endswith("inconsistency") else f"{node} altered" for node in nodes]
    text = ", ".join(f"{words} ({_percent(p[node])})" for words, node in zip(said, nodes, strict=True))
    return f"{text[0].upper()}{text[1:]}."


def _list(nodes: Sequence[str], p: Mapping[str, float]) -> str:
    return ", ".join(f"{node} ({_percent(p[node])})" for node in nodes)


def _percent(value: float) -> str:
    """Whole percent; never 0 or 100 for what is not certain."""
    return f"{min(max(round(100 * value), 1), 99)} %" if 0 < value < 1 else f"{100 * value:.0f} %"


def spans(p: Sequence[float], times: Sequence[float], threshold: float = 0.5) -> list[tuple[float, float]]:
    """When in a video: first and last time of every run of neighbouring frames at or above the threshold.

    p: [T] a node's marginal, NaN where a frame has no face (which ends a run). times: [T], rising, seconds or
    frame numbers.
    """
    values, at = np.asarray(p, dtype=float), np.asarray(times, dtype=float)
    if values.shape != at.shape or values.ndim != 1 or (np.diff(at) <= 0).any():
        raise DataError(f"p and times must be [T] with rising times, found {list(values.shape)} and {at.tolist()}")
    above = np.concatenate([[False], values >= threshold, [False]]).astype(int)
    starts, ends = np.flatnonzero(np.diff(above) == 1), np.flatnonzero(np.diff(above) == -1) - 1
    return [(float(at[a]), float(at[b])) for a, b in zip(starts, ends, strict=True)]


def naming(
    rows: pd.DataFrame, targets: np.ndarray, hierarchy: Hierarchy, *, level: str = "local", observed: np.ndarray | None
) -> pd.DataFrame:
    """Does the detector name what was altered? Precision at k for every fake row.

    The level's nodes are ranked by their marginals; k is how many were altered. Precision at k is the share of the
    first k that were. Chance is k / (nodes of the level), what a random order scores on average. Constant is what one
    order for all pictures scores, that of the mean marginals: a detector that is no better names by habit. Relative is
    what is left without the habit: the nodes ranked by how far the log-odds of p(node | fake) = p(node) / p(fake) lie
    above their mean over the rows, so that no order serves all pictures; who knows nothing scores chance.

    Args:
        rows: [n] rows with `p_<node>`.
        targets: [n, N] label rows.
        level: "global" or "local".
        observed: [n, N], False where a label row leaves a node open; such rows are left out. None: all are observed.

    Returns:
        The rows that name something, with their index: k, precision, relative, chance, constant, best (1 where the
        first was altered).
    """
    nodes = list(hierarchy.levels[level])
    truth = np.asarray(targets)[:, nodes].astype(bool)
    keep = truth.any(1)
    if observed is not None:
        keep &= np.asarray(observed)[:, nodes].all(1)
    truth, k = truth[keep], truth[keep].sum(1)
    scores = rows.loc[keep, [f"p_{hierarchy.nodes[i]}" for i in nodes]].to_numpy(dtype=float)
    root = rows.loc[keep, f"p_{hierarchy.nodes[hierarchy.levels['root'][0]]}"].to_numpy(dtype=float)
    odds = logit(np.clip(_given_fake(scores, root[:, None]), 1e-6, 1 - 1e-6))
    table = {
        "k": k,
        "precision": _first_right(truth, scores, k),
        "relative": _first_right(truth, odds - odds.mean(0), k) if len(k) else np.zeros(0),
        "chance": k / len(nodes),
        "constant": _first_right(truth, np.broadcast_to(scores.mean(0), scores.shape), k) if len(k) else np.zeros(0),
        "best": np.take_along_axis(truth, scores.argmax(1)[:, None], axis=1)[:, 0].astype(int),
    }
    return pd.DataFrame(table, index=rows.index[keep])


def _first_right(truth: np.ndarray, scores: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Share of the first k of each row, by falling score, that are true, [n]."""
    ranked = np.take_along_axis(truth, np.argsort(-scores, axis=1, kind="stable"), axis=1)
    counts = np.cumsum(ranked, axis=1)
    return np.take_along_axis(counts, np.maximum(k, 1)[:, None] - 1, axis=1)[:, 0] / np.maximum(k, 1)


def _given_fake(p: np.ndarray, root: np.ndarray) -> np.ndarray:
    """p(node | fake) of p(node) and p(fake); equal parts of p(fake) stay equal."""
    return np.round(p / np.maximum(root, 1e-12), 9)


def among_fakes(
    rows: pd.DataFrame,
    targets: np.ndarray,
    hierarchy: Hierarchy,
    *,
    observed: np.ndarray | None,
    people: Sequence | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Does a node tell more than that something was altered? AUCs among fakes, where a detector of fakes is at chance.

    Against all pictures a node's marginal can have a high AUC because it follows p(fake). Here reals are left out, and
    the score is p(node | fake) = p(node) / p(fake); the control is p(fake) itself.

    Args: as for `naming`.
        people: [n] whom each row shows, resampled for the intervals; every row is its own by default.
        resamples, seed: of the bootstrap.

    Returns:
        A row for each node below the root that some fakes have and some have not: node, auc, control, gain (auc less
        control) with its 95 % interval gain_low to gain_high, altered and unaltered (numbers of fakes).
    """
    truth, table = np.asarray(targets).astype(bool), []
    root = next(iter(hierarchy.levels["root"]))
    known = np.ones_like(truth) if observed is None else np.asarray(observed).astype(bool)
    p = rows[[f"p_{node}" for node in hierarchy.nodes]].to_numpy(dtype=float)
    for i, node in enumerate(hierarchy.nodes):
        keep = truth[:, root] & known[:, i]
        altered = truth[keep, i]
        if i == root or altered.all() or not altered.any():
            continue
        pair = _given_fake(p[keep, i], p[keep, root]), p[keep, root]
        shown = None if people is None else np.asarray(people)[keep]
        gain = auc_difference(altered.astype(int), *pair, clusters=shown, resamples=resamples, seed=seed)
        auc, control = (roc_auc_score(altered, score) for score in pair)
        sizes = int(altered.sum()), int((~altered).sum())
        table.append((node, auc, control, gain.value, gain.low, gain.high, *sizes))
    return pd.DataFrame(
        table, columns=["node", "auc", "control", "gain", "gain_low", "gain_high", "altered", "unaltered"]
    )
