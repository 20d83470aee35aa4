"""Copy executed notebooks to docs/rendered, where git keeps them for readers."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from semdf import ROOT
from semdf.artifacts import atomic, writing
from semdf.errors import MissingError, SemdfError

__all__ = ["render"]


def render(target: Path, notebooks: tuple[Path, ...]) -> list[Path]:
    """Empty `target` and copy each notebook there; the run's name is kept: runs/equal-0/05_x -> 05_x.equal-0.

    Raises MissingError, before anything is removed, for a notebook that is not there, and WriteError.
    """
    if missing := [notebook for notebook in notebooks if not notebook.is_file()]:
        raise MissingError(f"executed notebook expected at {missing[0].name!r}, found none: run `make reproduce`")
    with writing(target):
        if target.is_dir():
            shutil.rmtree(target)
        target.mkdir(parents=True)
    copies = []
    for notebook in notebooks:
        run = notebook.parent.name if notebook.parent.parent.name in ("runs", "scores") else ""
        name = f"{notebook.stem}.{run}.ipynb" if run else notebook.name
        with atomic(target / name) as draft:
            shutil.copyfile(notebook, draft)
        copies.append(target / name)
    return copies


@click.command(help="Copy executed NOTEBOOKS to the folder TARGET.")
@click.argument("target", type=Path)
@click.argument("notebooks", type=Path, nargs=-1, required=True)
def main(target: Path, notebooks: tuple[Path, ...]) -> None:
    try:
        for copy in render(ROOT / target, tuple(ROOT / n for n in notebooks)):
            click.echo(copy.relative_to(ROOT))
    except SemdfError as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
