"""Figures: a tidy frame and axes in, axes out. `save` alone writes, always with the data beside the picture."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from semdf.artifacts import atomic, write_table

__all__ = [
    "Example",
    "auc_intervals",
    "lambdas",
    "losses",
    "node_bars",
    "overlay",
    "pictures",
    "reliability",
    "roc_curves",
    "save",
    "score_densities",
    "severities",
    "strip",
    "theme",
    "timeline",
    "validation",
]

#: Markers of runs, one after the other.
MARKERS = "os^Dv"


def theme() -> None:
    """Set the look of all figures: colour-blind palette, light grid, and SVG files with the same bytes in every run."""
    sns.set_theme(context="notebook", style="whitegrid", palette="colorblind", font_scale=0.9)
    mpl.rcParams.update({"svg.hashsalt": "semdf", "svg.fonttype": "path", "figure.dpi": 90, "savefig.bbox": "tight"})


def save(figure: Figure, data: pd.DataFrame, path: str | Path) -> None:
    """Write the figure as SVG to `path` and its data as CSV beside it."""
    path = Path(path).with_suffix(".svg")
    with atomic(path) as draft:
        figure.savefig(draft, format="svg", metadata={"Date": None, "Creator": None})
    write_table(data, path.with_suffix(".csv"))


def losses(history: pd.DataFrame, ax: Axes) -> Axes:
    """Training loss of each level over the epochs, from columns `loss_<level>`."""
    columns = [c for c in history if c.startswith("loss_")]
    tidy = history.melt("epoch", columns, "level", "loss")
    tidy["level"] = tidy["level"].str.removeprefix("loss_")
    sns.lineplot(tidy, x="epoch", y="loss", hue="level", style="level", ax=ax)
    ax.set(xlabel="epoch", ylabel="training loss (epoch mean)")
    return ax


def lambdas(history: pd.DataFrame, ax: Axes) -> Axes:
    """Weight of each level's loss over the epochs, from columns `lambda_<level>`."""
    columns = [c for c in history if c.startswith("lambda_")]
    ax.set(xlabel="epoch", ylabel="weight $\\lambda_k$ (epoch end)")
    if not columns:
        ax.text(0.5, 0.5, "one task, no weights", ha="center", va="center", transform=ax.transAxes)
        return ax
    tidy = history.melt("epoch", columns, "level", "lambda")
    tidy["level"] = tidy["level"].str.removeprefix("lambda_")
    sns.lineplot(tidy, x="epoch", y="lambda", hue="level", style="level", ax=ax)
    ax.set(xlabel="epoch", ylabel="weight $\\lambda_k$ (epoch end)")
    return ax


def validation(history: pd.DataFrame, ax: Axes) -> Axes:
    """ROC-AUC on validation frames after each epoch."""
    sns.lineplot(history, x="epoch", y="val_auc", ax=ax, marker="o")
    ax.axhline(0.5, color="0.4", linestyle=":", linewidth=1)
    ax.set(xlabel="epoch", ylabel="validation AUC (frames)", ylim=(0.4, 1.01))
    return ax


def auc_intervals(table: pd.DataFrame, ax: Axes) -> Axes:
    """AUC with its interval: a line a data set or manipulation (`row`), a colour and a marker a run."""
    runs = list(dict.fromkeys(table["run"]))
    rows = list(dict.fromkeys(table["row"]))
    for k, run in enumerate(runs):
        part = table[table["run"] == run]
        y = np.array([rows.index(r) for r in part["row"]]) + 0.2 * (k - (len(runs) - 1) / 2)
        distances = np.array([part["auc"] - part["auc_low"], part["auc_high"] - part["auc"]])
        error = np.clip(distances, 0, None)  # rounding can make a distance negative
        ax.errorbar(part["auc"], y, xerr=error, fmt=MARKERS[k % len(MARKERS)], capsize=2, markersize=5, label=run)
    ax.axvline(0.5, color="0.4", linestyle=":", linewidth=1)
    ax.set(yticks=range(len(rows)), yticklabels=rows, xlabel="video-level ROC-AUC (95 % interval over identities)")
    ax.invert_yaxis()
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=len(runs), frameon=False)
    return ax


def roc_curves(points: pd.DataFrame, ax: Axes) -> Axes:
    """ROC curves from `roc_points` rows with a column `run`."""
    sns.lineplot(
        points,
        x="false_positive_rate",
        y="true_positive_rate",
        hue="run",
        style="run",
        estimator=None,
        sort=False,
        ax=ax,
    )
    ax.plot([0, 1], [0, 1], color="0.6", linestyle=":", linewidth=1)
    ax.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    ax.set_aspect("equal")
    return ax


def score_densities(videos: pd.DataFrame, ax: Axes) -> Axes:
    """How p(fake) is spread over the videos of each manipulation (`row`)."""
    rows = list(dict.fromkeys(videos["row"]))
    spread = np.random.default_rng(0).uniform(-0.25, 0.25, len(videos))  # seaborn's own jitter differs in every run
    places = videos["row"].map(rows.index) + spread
    sns.scatterplot(x=videos["p_fake"], y=places, hue=videos["kind"], ax=ax, alpha=0.6, s=20, linewidth=0)
    ax.set(yticks=range(len(rows)), yticklabels=rows, ylim=(len(rows) - 0.5, -0.5))
    ax.axvline(0.5, color="0.4", linestyle=":", linewidth=1)
    ax.set(xlabel="p(fake), mean over the frames of a video", ylabel="", xlim=(-0.02, 1.02))
    ax.legend(title=None, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False)
    return ax


def node_bars(table: pd.DataFrame, ax: Axes) -> Axes:
    """AUC of every node (`node`, `auc`), a colour a run."""
    sns.barplot(table, x="auc", y="node", hue="run", ax=ax)
    ax.axvline(0.5, color="0.4", linestyle=":", linewidth=1)
    ax.set(xlabel="frame-level ROC-AUC of the node's marginal", ylabel="", xlim=(0, 1))
    ax.legend(title=None, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3, frameon=False)
    return ax


def pictures(images: Sequence[np.ndarray], titles: Sequence[str], *, columns: int, size: float = 1.3) -> Figure:
    """A grid of pictures ([H, W, 3] uint8 or [H, W] in 0..1), each with a short title.

    Args:
        columns: Pictures in a row.
        size: Width and height of a picture, inches.
    """
    rows = math.ceil(len(images) / columns)
    lines = max(title.count("\n") + 1 for title in titles)
    shape = (size * columns, (size + 0.16 * lines) * rows)
    figure, axes = plt.subplots(rows, columns, figsize=shape, squeeze=False, layout="constrained")
    engine: Any = figure.get_layout_engine()
    engine.set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, image, title in zip(axes.flat[: len(images)], images, titles, strict=True):
        brightest = 255 if image.dtype == np.uint8 else 1
        ax.imshow(image, cmap="gray", vmin=0, vmax=brightest, interpolation="nearest")
        ax.set_title(title, fontsize=7, pad=2)
    return figure


def reliability(table: pd.DataFrame, ax: Axes) -> Axes:
    """Reliability diagram from `evaluate.reliability` rows with a column `run`; dots grow with their samples."""
    for k, (run, part) in enumerate(table.groupby("run", sort=False)):
        ax.plot(part["p"], part["share"], color=f"C{k}", linewidth=1)
        size = 10 + 120 * part["samples"] / part["samples"].sum()
        ax.scatter(part["p"], part["share"], s=size, color=f"C{k}", label=run)
    ax.plot([0, 1], [0, 1], color="0.6", linestyle=":", linewidth=1)
    ax.set(xlabel="mean p(fake) in the bin", ylabel="share of fakes in the bin", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    ax.set_aspect("equal")
    ax.legend(title=None, frameon=False)
    return ax


def severities(table: pd.DataFrame, axes: Sequence[Axes]) -> Sequence[Axes]:
    """AUC against severity: a panel a distortion, a colour and a marker a run.

    Args:
        table: Rows of distortion, level, run, auc, auc_low, auc_high; those of level 0 start every panel.
        axes: As many as distortions.
    """
    start = table[table["level"] == 0]
    names = [name for name in dict.fromkeys(table["distortion"]) if name != "none"]
    for ax, name in zip(axes, names, strict=True):
        panel = pd.concat([start, table[table["distortion"] == name]])
        for k, (run, part) in enumerate(panel.groupby("run", sort=False)):
            ax.fill_between(part["level"], part["auc_low"], part["auc_high"], color=f"C{k}", alpha=0.15, linewidth=0)
            line = MARKERS[k % len(MARKERS)] + "-"
            ax.plot(part["level"], part["auc"], line, color=f"C{k}", markersize=4, label=run)
        ax.axhline(0.5, color="0.4", linestyle=":", linewidth=1)
        ax.set(title=name, xlabel="severity", ylabel="", xticks=range(6), ylim=(0.35, 1.02))
    return axes


def overlay(image: np.ndarray, relevance: np.ndarray, mask: np.ndarray | None, ax: Axes) -> Axes:
    """A map [H, W] in 0..1 over its picture [H, W, 3] uint8; the outline is the mask [H, W]."""
    ax.imshow(image)
    ax.imshow(relevance, cmap="magma", alpha=0.75 * relevance, vmin=0, vmax=1)
    if mask is not None and mask.any() and not mask.all():
        ax.contour(mask, levels=[0.5], colors="white", linewidths=1)
    ax.set_axis_off()
    return ax


class Example(NamedTuple):
    """A forgery beside what it was made from, and what a detector says of it.

    Attributes:
        real: [H, W, 3] uint8, the pristine picture.
        forged: [H, W, 3] uint8.
        relevance: [H, W] in 0..1, the map that is drawn over the forgery.
        mask: [H, W] bool, what was forged.
        sentence: What the detector says.
    """

    real: np.ndarray
    forged: np.ndarray
    relevance: np.ndarray
    mask: np.ndarray
    sentence: str


def strip(examples: Sequence[Example], size: float = 1.3) -> Figure:
    """Examples side by side: the pristine picture, the forgery, its map with the outline of the mask, the sentence.

    Args:
        examples: One or more.
        size: Side of a picture, inches.
    """
    columns = 3 * len(examples)
    figure, axes = plt.subplots(1, columns, figsize=(size * columns, size + 0.75), squeeze=False)
    figure.subplots_adjust(left=0, right=1, top=0.88, bottom=0.32, wspace=0.03)
    for k, example in enumerate(examples):
        real, forged, explained = axes[0, 3 * k : 3 * k + 3]
        for ax, image, title in ((real, example.real, "real"), (forged, example.forged, "forged")):
            ax.imshow(image)
            ax.set_axis_off()
            ax.set_title(title, fontsize=8, pad=3)
        overlay(example.forged, example.relevance, example.mask, explained).set_title("map", fontsize=8, pad=3)
        middle = forged.get_position().x0 + forged.get_position().width / 2
        figure.text(middle, 0.27, textwrap.fill(example.sentence, 44), ha="center", va="top", fontsize=7.5)
    return figure


def timeline(data: pd.DataFrame, ax: Axes, threshold: float = 0.5) -> Axes:
    """Marginals of some nodes over the frames of a video, from rows of frame, node, p; a single frame gives dots."""
    sns.lineplot(data, x="frame", y="p", hue="node", style="node", markers=True, dashes=False, ax=ax)
    ax.axhline(threshold, color="0.4", linestyle=":", linewidth=1)
    ax.set(xlabel="frame", ylabel="marginal", ylim=(-0.03, 1.03))
    ax.legend(title=None, frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    return ax
