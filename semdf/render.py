"""Copy executed notebooks to docs/rendered, where git keeps them for readers."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from semdf import ROOT

__all__ = ["render"]


def render(target: Path, notebooks: tuple[Path, ...]) -> list[Path]:
    """Empty `target` and copy each notebook there; the run's name is kept: runs/equal-0/05_x -> 05_x.equal-0."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    copies = []
    for notebook in notebooks:
        run = notebook.parent.name if notebook.parent.parent.name in ("runs", "scores") else ""
        name = f"{notebook.stem}.{run}.ipynb" if run else notebook.name
        copies.append(Path(shutil.copyfile(notebook, target / name)))
    return copies


@click.command(help="Copy executed NOTEBOOKS to the folder TARGET.")
@click.argument("target", type=Path)
@click.argument("notebooks", type=Path, nargs=-1, required=True)
def main(target: Path, notebooks: tuple[Path, ...]) -> None:
    for copy in render(ROOT / target, tuple(ROOT / n for n in notebooks)):
        click.echo(copy.relative_to(ROOT))


if __name__ == "__main__":
    main()
