"""A verdict as a picture: the most suspicious frame, a map for every named node, and the probabilities over time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import torch
from matplotlib.figure import Figure

from semdf import plots
from semdf.errors import DataError
from semdf.evaluation.detector import Detector
from semdf.explanation import explain, relevance
from semdf.explanation.verdict import Verdict
from semdf.training.views import views

__all__ = ["draw", "save"]

#: How many nodes are drawn at most.
MOST = 5


def draw(verdict: Verdict, detector: Detector, threshold: float = 0.5) -> tuple[Figure, pd.DataFrame]:
    """The figure, and the probabilities behind it: frame, node, p.

    The nodes are the root, then the attributes and the regions that the sentence names, each in falling order of
    probability; five nodes at most.

    Raises:
        DataError: The verdict has no answer.
    """
    if verdict.evidence is None:
        raise DataError(f"{verdict.path}: verdict must have an answer to be drawn, found the status {verdict.status!r}")
    seen = verdict.evidence
    found = explain.find(verdict.p, detector.hierarchy, threshold)
    nodes = [detector.nodes[0], *found.attributes, *found.regions][:MOST]
    places = [detector.nodes.index(node) for node in nodes]
    best = int(seen.p[:, 0].argmax())  # the most suspicious frame
    model = detector.model
    resample = detector.config.crop.resampled
    view = views(torch.from_numpy(seen.crops[best : best + 1]), model.image_size, resample=resample)
    maps = relevance.maps(model, model.normalise(view), places)[0]
    image = view[0].permute(1, 2, 0).numpy()

    figure = plt.figure(figsize=(1.7 * (len(nodes) + 1), 3.6), layout="constrained")
    halves: Any = figure.subfigures(2, 1, height_ratios=(1.1, 1))
    upper, lower = halves
    axes = upper.subplots(1, len(nodes) + 1)
    axes[0].imshow(image)
    axes[0].set_axis_off()
    axes[0].set_title(f"frame {seen.frames[best]}", fontsize=8)
    for ax, node, place, plane in zip(axes[1:], nodes, places, maps, strict=True):
        plots.overlay(image, plane, None, ax).set_title(f"{node} {seen.p[best, place]:.2f}", fontsize=8)
    parts = []
    for node, place in zip(nodes, places, strict=True):
        parts.append(pd.DataFrame({"frame": seen.frames, "node": node, "p": seen.p[:, place]}))
    data = pd.concat(parts, ignore_index=True)
    plots.timeline(data, lower.subplots(), threshold)
    return figure, data


def save(verdict: Verdict, detector: Detector, folder: Path) -> Path:
    """Write `<folder>/<name of the file>.svg` and the CSV beside it; returns the SVG's path."""
    figure, data = draw(verdict, detector)
    path = Path(folder) / f"{Path(verdict.path).name}.svg"
    plots.save(figure, data, path)
    plt.close(figure)
    return path
