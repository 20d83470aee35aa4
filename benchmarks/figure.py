"""Figures of results.json, each with its data beside it: `python -m benchmarks.figure`.

`benchmark.svg` shows what steps and scoring cost beside the released way, `scaling.svg` how evaluation and tables grow
with the number of rows.
"""

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from benchmarks.record import RESULTS, read
from semdf import plots
from semdf.errors import MissingError

__all__ = ["costs", "draw", "draw_growth", "growth"]

KINDS = {"step": "training step, {} images", "inference": "scoring, {} frames"}


def costs(rows: list[dict]) -> pd.DataFrame:
    """Rows of training steps and of scoring, with the columns `what` (kind and size) and `variant`."""
    table = pd.DataFrame([row for row in rows if row["name"].partition("/")[0] in KINDS])
    if table.empty:
        raise MissingError("results.json must hold rows of training steps, found none: run `make benchmark`")
    parts = table["name"].str.partition("/")
    what = [KINDS[kind].format(size) for kind, size in zip(parts[0], table["size"], strict=True)]
    return table.assign(what=what, variant=parts[2]).sort_values(["what", "seconds"], ascending=[True, False])


def draw(table: pd.DataFrame) -> plt.Figure:
    """Seconds and peak memory of every variant, one row of panels for each kind and size."""
    kinds = table["what"].unique()
    figure, axes = plt.subplots(len(kinds), 2, figsize=(9, 1.9 * len(kinds)), squeeze=False, layout="constrained")
    for row, what in zip(axes, kinds, strict=True):
        part = table[table["what"] == what].assign(gigabytes=lambda t: t["peak_mb"] / 1000)
        colour = sns.color_palette()[0]
        sns.barplot(part, x="seconds", y="variant", ax=row[0], color=colour)
        row[0].set(xlabel="seconds", ylabel="", title=what)
        sns.barplot(part, x="gigabytes", y="variant", ax=row[1], color=colour)
        row[1].set(xlabel="peak memory, GB", ylabel="", title="")
        labels = [f" {ratio:.1f} x" if ratio and ratio != 1 else "" for ratio in part["ratio_to_released"]]
        row[0].bar_label(row[0].containers[0], labels)
        row[0].margins(x=0.15)
        row[1].set_yticklabels([])
    return figure


def growth(rows: list[dict]) -> pd.DataFrame:
    """The rows with an exponent, one for each thing and size."""
    columns = ["name", "size", "seconds", "peak_mb", "rate", "exponent", "memory_exponent", "machine", "quiet"]
    return pd.DataFrame([row for row in rows if "exponent" in row], columns=columns)


def draw_growth(table: pd.DataFrame) -> plt.Figure:
    """Seconds and peak memory over the number of rows, both logarithmic, with the exponents in the legend."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    for name, part in table.groupby("name", sort=True):
        for ax, column, power in zip(axes, ("seconds", "peak_mb"), ("exponent", "memory_exponent"), strict=True):
            exponent = part[power].iloc[0]
            label = str(name) if pd.isna(exponent) else f"{name}: n^{exponent:.2f}"
            ax.plot(part["size"], part[column], marker="o", markersize=3, label=label)
    for ax, label in zip(axes, ("seconds", "peak memory of the process, MB"), strict=True):
        ax.set(xscale="log", yscale="log", xlabel="rows", ylabel=label)
        ax.legend(fontsize=6)
    return figure


def main() -> None:
    plots.theme()
    rows = read()
    table = costs(rows)
    plots.save(draw(table), table, RESULTS.with_name("benchmark.svg"))
    if len(grown := growth(rows)):
        plots.save(draw_growth(grown), grown, RESULTS.with_name("scaling.svg"))


if __name__ == "__main__":
    main()
