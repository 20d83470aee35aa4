"""A verdict as a picture: the most suspicious frame, maps, and the probabilities over time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from semdf import plots
from semdf.errors import DataError
from semdf.evaluation.detector import Detector
from semdf.explanation import explain, relevance
from semdf.explanation.card import Card
from semdf.explanation.verdict import NAMED_FROM, Evidence, FaceVerdict, Verdict
from semdf.training.views import views

__all__ = ["draw", "look", "nodes_of", "save"]

#: How many nodes are drawn at most.
MOST = 5


def nodes_of(face: FaceVerdict, detector: Detector, card: Card | None) -> list[str]:
    """The nodes that are drawn: the root, then what the card allows to be named.

    Without a card they are the attributes and the regions that reach the threshold, for those who study a detector.
    """
    if card is not None:
        nodes = [row.node for row in face.named]
    else:
        found = explain.find(face.p, detector.hierarchy, NAMED_FROM)
        nodes = [*found.attributes, *found.regions]
    return [detector.nodes[0], *nodes][:MOST]


def look(evidence: Evidence, detector: Detector, nodes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """What the network sees of the most suspicious frame [H, W, 3] uint8, and the maps of some nodes [K, H, W]."""
    best = int(evidence.p[:, 0].argmax())
    model = detector.model
    view = views(torch.from_numpy(evidence.crops[best : best + 1]), model.image_size, resample=detector.resampled)
    image = view[0].permute(1, 2, 0).numpy()
    if not nodes:
        return image, np.zeros((0, *image.shape[:2]), np.float32)
    places = [detector.nodes.index(node) for node in nodes]
    return image, relevance.maps(model, model.normalise(view), places)[0]


def draw(verdict: Verdict, detector: Detector, card: Card | None = None, face: int = 0) -> tuple[Figure, pd.DataFrame]:
    """The figure of one face, and the probabilities behind it: frame, node, p.

    Every node of `nodes_of` has its probabilities over the frames. With a card, only maps that point better than chance
    are drawn, with their rate.

    Args:
        verdict: With an answer.
        detector: Whose verdict it is.
        card: Of the detector.
        face: Which of the verdict's faces.

    Raises:
        DataError: The verdict has no answer.
    """
    shown = verdict.faces[face] if verdict.faces else None
    if shown is None or shown.evidence is None:
        found = shown.problem if shown else verdict.status
        raise DataError(f"{verdict.path}: verdict must have an answer to be drawn, found the status {found!r}")
    seen = shown.evidence
    nodes = nodes_of(shown, detector, card)
    mapped = [node for node in nodes if card is None or card.points(node)]
    image, maps = look(seen, detector, mapped)
    best = int(seen.p[:, 0].argmax())

    figure = plt.figure(figsize=(1.7 * max(len(mapped) + 1, 3), 3.6), layout="constrained")
    halves: Any = figure.subfigures(2, 1, height_ratios=(1.1, 1))
    upper, lower = halves
    axes = upper.subplots(1, len(mapped) + 1, squeeze=False)[0]
    axes[0].imshow(image)
    axes[0].set_axis_off()
    axes[0].set_title(f"frame {seen.frames[best]}", fontsize=8)
    for ax, node, plane in zip(axes[1:], mapped, maps, strict=True):
        title = f"{node} {seen.p[best, detector.nodes.index(node)]:.2f}"
        row = card.points(node) if card else None
        if row:
            title += f"\nhits {explain.percent(row.hits.value)}, chance {explain.percent(row.chance)}"
        plots.overlay(image, plane, None, ax).set_title(title, fontsize=8)
    parts = []
    for node in nodes:
        p = seen.p[:, detector.nodes.index(node)]
        parts.append(pd.DataFrame({"frame": seen.frames, "node": node, "p": p}))
    data = pd.concat(parts, ignore_index=True)
    plots.timeline(data, lower.subplots(), NAMED_FROM)
    return figure, data


def save(verdict: Verdict, detector: Detector, folder: Path, card: Card | None = None) -> list[Path]:
    """Write `<folder>/<name of the file>.svg` and the CSV beside it, of further faces `<name>.face2.svg` and so on.

    Returns:
        The paths of the SVG files.
    """
    paths = []
    for place, face in enumerate(verdict.faces):
        if face.evidence is None:
            continue
        figure, data = draw(verdict, detector, card, place)
        number = f".face{place + 1}" if place else ""
        path = Path(folder) / f"{Path(verdict.path).name}{number}.svg"
        plots.save(figure, data, path)
        plt.close(figure)
        paths.append(path)
    return paths
