"""Train the matrix of ablations of params.yaml: `python -m semdf.pipeline.ablations [--missing] [--minutes 40]`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from semdf import params
from semdf.ablation.matrix import jobs, train_missing, write
from semdf.errors import SemdfError
from semdf.pipeline import ROOT

__all__ = ["WORK", "main"]

#: Where trainings, and the forgeries that some of them need, wait for the table.
WORK = ROOT / "scratch" / "ablate"


@click.command()
@click.option("--out", default="ablations", type=Path, help="Folder of the tables.")
@click.option("--faces", default="faces", type=Path)
@click.option("--expanded", default="expanded", type=Path)
@click.option("--group", "names", multiple=True, help="A group of the matrix; all by default.")
@click.option("--seed", "seeds", multiple=True, type=int, help="Instead of the seeds of the parameters.")
@click.option("--minutes", default=float("inf"), help="Start no training after so many, write what is done.")
@click.option("--missing", is_flag=True, help="Only say what is still to be trained.")
def main(
    out: Path, faces: Path, expanded: Path, names: Sequence[str], seeds: Sequence[int], minutes: float, missing: bool
) -> None:
    """Train the matrix of ablations of params.yaml."""
    blocks = params.read(ROOT / "params.yaml")
    chosen = blocks["ablate"]
    if unknown := sorted(set(names) - set(chosen.groups)):
        raise click.BadParameter(f"group: must be one of {', '.join(chosen.groups)}, found {', '.join(unknown)}")
    groups = {name: chosen.groups[name] for name in names or chosen.groups}
    blocks["ablate"] = chosen.model_copy(update={"groups": groups, "seeds": list(seeds) or chosen.seeds})
    try:
        todo = jobs(blocks, ROOT / faces, ROOT / expanded, WORK)
        if missing:
            each = {job.folder: job for job in reversed(todo)}.values()
            left = [f"{job.run}-{job.seed}" for job in reversed(each) if not job.done]
            click.echo(f"{len(each) - len(left)} of {len(each)} trainings done; missing: {', '.join(left) or 'none'}")
            return
        train_missing(todo, blocks, minutes=minutes)
        write(todo, groups, ROOT / out)
    except SemdfError as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
