"""The stage `card`: what the answers of a run are worth, measured from its scores.

    python -m semdf.pipeline.card auto_lambda-0

It writes `runs/<run>/card.json`. Temperature and bounds are those of the validation people of FaceForensics++; test
videos are answered and choose nothing. What the run names and where it points is measured on the expansion. Count,
layer, split and seed are those of the block `explain` of params.yaml.
"""

from __future__ import annotations

import click

from semdf import params
from semdf.artifacts import read_table
from semdf.evaluation.detector import load_detector
from semdf.explanation import card
from semdf.explanation.measuring import measure_detector
from semdf.pipeline import ROOT
from semdf.storage.columns import FRAME_SCORES

__all__ = ["main"]


@click.command()
@click.argument("run")
def main(run: str) -> None:
    """Measure the card of RUN, such as auto_lambda-0."""
    folder = ROOT / "runs" / run
    explain = params.read(ROOT / "params.yaml")["explain"]
    made = measure_detector(
        load_detector(folder),
        ROOT / "faces" / "manifest.parquet",
        weights=card.of_weights(folder),
        data=params.TRAINED,
        split=explain.split,
        others=["test"],
        expanded=ROOT / "expanded" / "manifest.parquet",
        frames=read_table(ROOT / "scores" / run / "frames.parquet", FRAME_SCORES),
        count=explain.count,
        layer=explain.layer,
        seed=explain.seed,
    )
    click.echo(card.write(made, folder).relative_to(ROOT))


if __name__ == "__main__":
    main()
