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

from semdf.errors import DataError, ParameterError
from semdf.hierarchy import Hierarchy

__all__ = ["Findings", "find", "naming", "sentence", "spans"]


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

    >>> from semdf.hierarchy import load
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
    p, times = np.asarray(p, dtype=float), np.asarray(times, dtype=float)
    if p.shape != times.shape or p.ndim != 1 or (np.diff(times) <= 0).any():
        raise DataError(f"p and times must be [T] with rising times, found {list(p.shape)} and {times.tolist()}")
    above = np.concatenate([[False], p >= threshold, [False]]).astype(int)
    starts, ends = np.flatnonzero(np.diff(above) == 1), np.flatnonzero(np.diff(above) == -1) - 1
    return [(float(times[a]), float(times[b])) for a, b in zip(starts, ends, strict=True)]


def naming(
    rows: pd.DataFrame, targets: np.ndarray, hierarchy: Hierarchy, *, level: str = "local", observed: np.ndarray | None
) -> pd.DataFrame:
    """Does the detector name what was altered? Precision at k for every fake row.

    The level's nodes are ranked by their marginals; k is how many were altered. Precision at k is the share of the
    first k that were. Chance is k / (nodes of the level), what a random order scores on average.

    Args:
        rows: [n] rows with `p_<node>`.
        targets: [n, N] label rows.
        level: "global" or "local".
        observed: [n, N], False where a label row leaves a node open; such rows are left out. None: all are observed.

    Returns:
        The rows that name something, with their index: k, precision, chance, best (1 where the first was altered).
    """
    nodes = list(hierarchy.levels[level])
    truth = np.asarray(targets)[:, nodes].astype(bool)
    keep = truth.any(1)
    if observed is not None:
        keep &= np.asarray(observed)[:, nodes].all(1)
    scores = rows[[f"p_{hierarchy.nodes[i]}" for i in nodes]].to_numpy()
    ranked = np.take_along_axis(truth, np.argsort(-scores, axis=1, kind="stable"), axis=1)[keep]
    k = truth[keep].sum(1)
    hits = np.cumsum(ranked, axis=1)[np.arange(len(k)), k - 1] if len(k) else np.zeros(0)
    table = {"k": k, "precision": hits / np.maximum(k, 1), "chance": k / len(nodes), "best": ranked[:, 0].astype(int)}
    return pd.DataFrame(table, index=rows.index[keep])
