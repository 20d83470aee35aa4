r"""Stages without their notebooks, for processes on many machines.

    torchrun --nnodes 4 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29500 \
        -m semdf.pipeline.torchrun train auto_lambda 0         # or: score auto_lambda-0

`train` leaves its checkpoints where the stage looks for them: `dvc repro` finds nothing left to train and goes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from semdf import params
from semdf.artifacts import read_json, write_table
from semdf.errors import SemdfError
from semdf.evaluation.detector import load_detector, score_manifest
from semdf.method import hierarchy
from semdf.pipeline import ROOT
from semdf.training import distributed
from semdf.training.datasets import load
from semdf.training.runs import configure
from semdf.training.train import checkpoints_of, fit

__all__ = ["main"]

FOLDER = click.Path(path_type=Path, file_okay=False)


class _Jobs(click.Group):
    """Commands whose errors of the package become one line, without a traceback."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except SemdfError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Jobs)
@click.option("--params", "file", type=Path, default=ROOT / "params.yaml", help="Another file of parameters.")
@click.pass_context
def main(context: click.Context, file: Path) -> None:
    """Stages of the pipeline under torchrun, with the values of params.yaml."""
    context.obj = params.read(file)


@main.command()
@click.argument("run")
@click.argument("seed", type=int)
@click.option("--faces", type=FOLDER, default=ROOT / "faces", help="What the stage extract made.")
@click.option("--expanded", type=FOLDER, default=ROOT / "expanded", help="What the stage expand made.")
@click.pass_obj
def train(blocks: dict, run: str, seed: int, faces: Path, expanded: Path) -> None:
    """Train RUN (an objective or an ablation) with SEED; `train.processes` must be as many as torchrun started."""
    config = configure(run, seed, blocks["train"].model_dump(), read_json(faces / "crop.json"))
    tree = hierarchy.load(config.train.hierarchy)
    manifests = [faces / "manifest.parquet", expanded / "manifest.parquet"]
    reading = config.train.reading
    samples = load(manifests, tree, ["train"], datasets=[params.TRAINED], reading=reading)
    validation = load(manifests, tree, ["val"], datasets=[params.TRAINED], reading=reading)
    folder = checkpoints_of(config, faces, expanded, within=ROOT / "scratch" / "train")
    fit(samples, validation, config, checkpoints=folder)
    click.echo(f"checkpoints in {folder.relative_to(ROOT).as_posix()}")


@main.command()
@click.argument("run")
@click.option("--faces", type=FOLDER, default=ROOT / "faces", help="What the stage extract made.")
@click.option("--runs", type=FOLDER, default=ROOT / "runs", help="Where the trained runs are.")
@click.option("--out", type=FOLDER, default=ROOT / "scores", help="Where RUN/frames.parquet is written.")
@click.pass_obj
def score(blocks: dict, run: str, faces: Path, runs: Path, out: Path) -> None:
    """Write the table of scores of RUN (such as auto_lambda-0), as the stage does; the first process writes."""
    settings = blocks["score"]
    with distributed.joined(device=settings.device):
        detector = load_detector(runs / run, settings.device)
        frames = score_manifest(detector, faces / "manifest.parquet", settings.splits, settings.batch)
        if distributed.rank() == 0:
            click.echo(write_table(frames, out / run / "frames.parquet").name)


if __name__ == "__main__":
    main()
