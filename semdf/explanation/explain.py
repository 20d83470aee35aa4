"""Marginals in words, consistent with the label hierarchy; and how often the words are right.

    Fake (97 %). Identity altered (88 %). Regions: eye (91 %), mouth (83 %).

A region is altered only if one of the attributes above it is. Several attributes can share a region: its marginal can
then pass the threshold although that of no single attribute does, and the sentence says so. Nothing here needs torch.
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

__all__ = ["Findings", "among_fakes", "find", "naming", "percent", "sentence", "spans"]

#: Columns of `among_fakes`, which are there without any row, too.
_AMONG_FAKES = ["node", "auc", "control", "gain", "gain_low", "gain_high", "altered", "unaltered"]


@dataclass(frozen=True)
class Findings:
    """Which nodes pass the threshold, in falling order of probability.

    Attributes:
        fake: Whether the root does.
        attributes: Nodes of the global level.
        regions: Nodes of the local level.
        unsupported: Those of the regions none of whose attributes is named.
    """

    fake: bool
    attributes: tuple[str, ...]
    regions: tuple[str, ...]
    unsupported: tuple[str, ...]


def find(p: Mapping[str, float], hierarchy: Hierarchy, threshold: float = 0.5) -> Findings:
    """Which nodes are said to be altered; none are where the picture is not said to be fake.

    Args:
        p: Marginal of every node by name; a binary detector gives the root's alone.
        threshold: From which marginal on a node is named: 0.5 in Zou et al. (2025).

    Raises:
        ParameterError: A threshold outside (0, 1).
        DataError: The root is missing or a probability is outside [0, 1].
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
    attributes = _named(p, hierarchy, "global", threshold)
    regions = _named(p, hierarchy, "local", threshold)
    supported = {child for node in attributes for child in hierarchy.children[node]}
    unsupported = tuple(node for node in regions if node not in supported)
    return Findings(True, attributes, regions, unsupported)


def _named(p: Mapping[str, float], hierarchy: Hierarchy, level: str, threshold: float) -> tuple[str, ...]:
    """The nodes of a level whose marginals reach the threshold, in falling order."""
    nodes = [hierarchy.nodes[i] for i in hierarchy.levels[level]]
    named = [node for node in nodes if p.get(node, 0) >= threshold]
    return tuple(sorted(named, key=lambda node: -p[node]))


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
        return f"Real ({percent(1 - p[root])})."
    parts = [f"Fake ({percent(p[root])})."]
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
    """The sentence on the attributes, of which there is at least one."""
    said = []
    for node in nodes:
        # an inconsistency is there or not; every other attribute is altered or not
        words = node if node.endswith("inconsistency") else f"{node} altered"
        said.append(f"{words} ({percent(p[node])})")
    text = ", ".join(said)
    return f"{text[0].upper()}{text[1:]}."


def _list(nodes: Sequence[str], p: Mapping[str, float]) -> str:
    """Nodes with their probabilities, as part of a sentence."""
    return ", ".join(f"{node} ({percent(p[node])})" for node in nodes)


def percent(value: float) -> str:
    """Whole percent; never 0 or 100 for what is not certain.

    >>> [percent(value) for value in (0.0, 0.001, 0.5, 0.999, 1.0)]
    ['0 %', '1 %', '50 %', '99 %', '100 %']
    """
    if 0 < value < 1:
        return f"{min(max(round(100 * value), 1), 99)} %"
    return f"{100 * value:.0f} %"


def spans(p: Sequence[float], times: Sequence[float], threshold: float = 0.5) -> list[tuple[float, float]]:
    """When a node is altered: first and last time of every run of neighbouring frames at or above the threshold.

    Args:
        p: [T], the node's marginal; NaN where a frame has no face, which ends a run.
        times: [T], rising, seconds or frame numbers.

    Raises:
        DataError: The lengths differ or the times do not rise.
    """
    values = np.asarray(p, dtype=float)
    at = np.asarray(times, dtype=float)
    if values.shape != at.shape or values.ndim != 1 or (np.diff(at) <= 0).any():
        raise DataError(f"p and times must be [T] with rising times, found {list(values.shape)} and {at.tolist()}")
    above = np.concatenate([[False], values >= threshold, [False]]).astype(int)
    steps = np.diff(above)
    starts = np.flatnonzero(steps == 1)
    ends = np.flatnonzero(steps == -1) - 1
    return [(float(at[first]), float(at[last])) for first, last in zip(starts, ends, strict=True)]


def naming(
    rows: pd.DataFrame, targets: np.ndarray, hierarchy: Hierarchy, *, level: str = "local", observed: np.ndarray | None
) -> pd.DataFrame:
    """Does the detector name what was altered? Precision at k for every fake row.

    The level's nodes are ranked by their marginals; k is how many were altered. Precision at k is the share of the
    first k that were. Three more numbers are there to compare it with:

    - chance, k / (nodes of the level): what a random order scores on average.
    - constant: what one order for all pictures scores, that of the mean marginals. A detector that is no better gives
      every picture the same answer.
    - relative: precision at k where the nodes are ranked by how far the log-odds of p(node | fake) = p(node) / p(fake)
      lie above their mean over the rows. An answer that is the same for every picture then scores chance.

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
    truth = truth[keep]
    k = truth.sum(1)
    kept = rows[keep]
    scores = kept[[f"p_{hierarchy.nodes[i]}" for i in nodes]].to_numpy(dtype=float)
    root = kept[f"p_{hierarchy.nodes[hierarchy.levels['root'][0]]}"].to_numpy(dtype=float)
    relative = np.zeros(0)
    constant = np.zeros(0)
    if len(kept):
        odds = logit(np.clip(_given_fake(scores, root[:, None]), 1e-6, 1 - 1e-6))
        relative = _first_right(truth, odds - odds.mean(0), k)
        constant = _first_right(truth, np.broadcast_to(scores.mean(0), scores.shape), k)
    highest = scores.argmax(1)
    table = {
        "k": k,
        "precision": _first_right(truth, scores, k),
        "relative": relative,
        "chance": k / len(nodes),
        "constant": constant,
        "best": np.take_along_axis(truth, highest[:, None], axis=1)[:, 0].astype(int),
    }
    return pd.DataFrame(table, index=kept.index)


def _first_right(truth: np.ndarray, scores: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Share of the first k of each row, by falling score, that are true, [n]."""
    falling = np.argsort(-scores, axis=1, kind="stable")
    counts = np.cumsum(np.take_along_axis(truth, falling, axis=1), axis=1)
    size = np.maximum(k, 1)
    return np.take_along_axis(counts, size[:, None] - 1, axis=1)[:, 0] / size


def _given_fake(p: np.ndarray, root: np.ndarray) -> np.ndarray:
    """p(node | fake) of p(node) and p(fake), rounded so that equal shares of p(fake) stay equal."""
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

    Among all pictures a node's marginal can have a high AUC because it follows p(fake). Here reals are left out, and
    the score is p(node | fake) = p(node) / p(fake); the control is p(fake) itself.

    Args:
        rows: As for `naming`.
        targets: As for `naming`.
        observed: As for `naming`.
        people: [n] whom each row shows, resampled for the intervals; every row is its own by default.
        resamples: Number of resamples.
        seed: Of the resampling.

    Returns:
        A row for each node below the root that some fakes have and some have not: node, auc, control, gain (auc less
        control) with its 95 % interval gain_low to gain_high, altered and unaltered (numbers of fakes).
    """
    truth = np.asarray(targets).astype(bool)
    root = hierarchy.levels["root"][0]
    known = np.ones_like(truth) if observed is None else np.asarray(observed).astype(bool)
    p = rows[[f"p_{node}" for node in hierarchy.nodes]].to_numpy(dtype=float)
    table = []
    for i, node in enumerate(hierarchy.nodes):
        keep = truth[:, root] & known[:, i]
        altered = truth[keep, i]
        if i == root or altered.all() or not altered.any():
            continue
        of_root = p[keep, root]
        of_node = _given_fake(p[keep, i], of_root)
        shown = None if people is None else np.asarray(people)[keep]
        gain = auc_difference(altered.astype(int), of_node, of_root, clusters=shown, resamples=resamples, seed=seed)
        table.append(
            {
                "node": node,
                "auc": roc_auc_score(altered, of_node),
                "control": roc_auc_score(altered, of_root),
                "gain": gain.value,
                "gain_low": gain.low,
                "gain_high": gain.high,
                "altered": int(altered.sum()),
                "unaltered": int((~altered).sum()),
            }
        )
    return pd.DataFrame(table, columns=_AMONG_FAKES)
