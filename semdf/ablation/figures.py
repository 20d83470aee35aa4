"""Figures of the matrix of ablations: a forest of paired differences, and trajectories of weights over seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

__all__ = ["forest", "trajectories"]


def forest(table: pd.DataFrame, ax: Axes, runs: Sequence[str] = (), level: float = 0.05) -> Axes:
    """Differences to the reference with 95 % intervals, one line a run; dots are filled where they are supported.

    Args:
        table: Rows of run, difference, low, high, p_holm.
        runs: The lines from top to bottom, empty for runs without a row; by default those of the table.
        level: Below which corrected p a dot is filled.
    """
    runs = list(runs) or list(table["run"])
    places = np.array([runs.index(run) for run in table["run"]], dtype=int)
    ax.axvline(0, color="0.4", linestyle=":", linewidth=1)
    ax.hlines(places, table["low"], table["high"], color="C0", linewidth=1.5)
    filled = ["C0" if p < level else "white" for p in table["p_holm"]]
    ax.scatter(table["difference"], places, s=30, zorder=3, edgecolor="C0", facecolor=filled)
    ax.set(yticks=range(len(runs)), yticklabels=runs, xlabel="difference of AUC")
    ax.set_ylim(max(len(runs), 1) - 0.5, -0.5)
    return ax


def trajectories(curves: pd.DataFrame, axes: Sequence[Axes], levels: Sequence[str]) -> Sequence[Axes]:
    """Weights over the epochs in parts of the root's: a panel a run, a colour a level, a thin line a seed.

    Args:
        curves: Rows of run, seed, epoch and `lambda_<level>`.
        axes: As many as runs or more; those that are left stay empty.
        levels: The levels below the root.
    """
    for ax, (run, part) in zip(axes, curves.groupby("run", sort=False), strict=False):
        for k, level in enumerate(levels):
            ratio = part.assign(ratio=part[f"lambda_{level}"] / part["lambda_root"])
            sns.lineplot(
                ratio,
                x="epoch",
                y="ratio",
                units="seed",
                estimator=None,
                color=f"C{k + 1}",
                linewidth=1,
                legend=False,
                ax=ax,
            )
            ax.plot([], [], color=f"C{k + 1}", label=level)
        ax.axhline(1, color="0.4", linestyle=":", linewidth=1)
        ax.set(title=run, xlabel="epoch", ylabel="")
    return axes
