"""Train the matrix of ablations of params.yaml: `python -m semdf.pipeline.ablations [--missing] [--minutes 40]`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from semdf import params
from semdf.ablation.matrix import jobs, train_missing, write
from semdf.ablation.one_training import Job
from semdf.errors import SemdfError
from semdf.pipeline import ROOT

__all__ = ["WORK", "main"]

#: Where trainings, and the forgeries that some of them need, wait for the table.
WORK = ROOT / "scratch" / "ablate"


@click.command()
@click.option("--out", default="ablations", type=Path, help="Folder of the tables.")
@click.option("--faces", default="faces", type=Path, help="What the stage extract made.")
@click.option("--expanded", default="expanded", type=Path, help="What the stage expand made.")
@click.option("--group", "names", multiple=True, help="Train this group of the matrix; all by default.")
@click.option("--seed", "seeds", multiple=True, type=int, help="Use this seed instead of those of params.yaml.")
@click.option(
    "--minutes", default=float("inf"), help="Start no training after so many minutes; write the tables of what is done."
)
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
            click.echo(_progress(todo))
            return
        train_missing(todo, blocks, minutes=minutes, parser_weights=ROOT / "pretrained" / "parser")
        write(todo, groups, ROOT / out)
    except SemdfError as error:
        raise click.ClickException(str(error)) from None


def _progress(todo: Sequence[Job]) -> str:
    """How many trainings are done, and the names of those that are not; jobs that share a folder are one training."""
    each: dict[Path, Job] = {}
    for job in todo:
        each.setdefault(job.folder, job)
    missing = [f"{job.run}-{job.seed}" for job in each.values() if not job.done]
    return f"{len(each) - len(missing)} of {len(each)} trainings done; missing: {', '.join(missing) or 'none'}"


if __name__ == "__main__":
    main()
