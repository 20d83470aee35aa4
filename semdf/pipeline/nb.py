"""Run a notebook as a pipeline stage: checked parameters, live log, byte-stable executed copy.

    python -m semdf.pipeline.nb notebooks/05_training.ipynb runs/equal-0/05_training.ipynb \\
        --section train --set objective=equal --set seed=0 --set out_dir=runs/equal-0

A `--section` passes a block of params.yaml, each `--set NAME=VALUE` one more parameter (VALUE in YAML 1.2).
papermill alone accepts misspelt names, reads YAML 1.1 and leaves a half-run notebook under the final name.
"""

from __future__ import annotations

import ast
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import nbformat
from ruamel.yaml import YAML

from semdf import params
from semdf.artifacts import atomic, writing
from semdf.errors import MissingError, ParameterError, SemdfError
from semdf.pipeline import ROOT

__all__ = ["NotebookError", "declared", "run"]


class NotebookError(SemdfError, RuntimeError):
    """A cell of a notebook raised."""


def declared(notebook: Path) -> set[str]:
    """The names that the notebook's cell tagged `parameters` assigns."""
    if not notebook.is_file():
        raise MissingError(f"notebook expected at {notebook.name!r}, found none")
    cells = [c for c in nbformat.read(notebook, 4).cells if "parameters" in c.metadata.get("tags", [])]
    if len(cells) != 1:
        raise ParameterError(f"{notebook.name} must have one cell tagged 'parameters', found {len(cells)}")
    assigned = [node for node in ast.parse(cells[0].source).body if isinstance(node, ast.Assign)]
    return {target.id for node in assigned for target in node.targets if isinstance(target, ast.Name)}


def run(source: Path, target: Path, values: dict[str, Any]) -> Path:
    """Execute `source` with `values` and write the executed copy to `target`.

    Cells run in the root of the checkout; the draft lives under logs/ until the run has succeeded.

    Raises:
        ParameterError: a value for a name that the notebook does not declare.
        NotebookError: a cell raised; the message is the cell's.
        WriteError: the disk is full or writing is not allowed; an executed copy that was there stays.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    known = declared(source)
    if unknown := sorted(set(values) - known):
        raise ParameterError(
            f"{source.name} declares no parameter {', '.join(unknown)}; known: {', '.join(sorted(known))}"
        )
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    draft = ROOT / "logs" / f"{target.parent.name}-{target.name}"
    config = Config()
    if os.name == "posix":
        config.KernelManager.transport = "ipc"
    try:
        with writing(draft):
            draft.parent.mkdir(exist_ok=True)
            papermill.execute_notebook(
                str(source),
                str(draft),
                parameters=values,
                kernel_name="python3",
                cwd=str(ROOT),
                progress_bar=False,
                log_output=True,
                record_timing=False,
                coalesce_streams=True,
                config=config,
            )
    except PapermillExecutionError as error:
        where = draft.relative_to(ROOT).as_posix()
        raise NotebookError(f"{source.name}: {error.ename}: {error.evalue} (the whole story: {where})") from error
    notebook = _scrub(nbformat.read(draft, 4))
    with atomic(target) as partial:
        nbformat.write(notebook, partial)
    return target


def _scrub(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Drop what differs between two identical runs: times, host, progress bars."""
    notebook.metadata.pop("papermill", None)
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell["id"] = "injected-parameters"
        if "outputs" in cell:
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
    return notebook


@click.command(help="Run the notebook SRC with checked parameters and write the executed copy to DST.")
@click.argument("src", type=Path)
@click.argument("dst", type=Path)
@click.option("--section", "sections", multiple=True, help="A block of params.yaml to pass.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="One more parameter.")
def main(src: Path, dst: Path, sections: Sequence[str], settings: Sequence[str]) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("papermill.translators").setLevel(logging.ERROR)
    try:
        document = params.read(ROOT / "params.yaml")
        if unknown := sorted(set(sections) - set(document)):
            raise ParameterError(f"section must be one of {', '.join(document)}, found {', '.join(unknown)}")
        values = {k: v for s in sections for k, v in document[s].model_dump().items()}
        for setting in settings:
            name, equals, value = setting.partition("=")
            if not equals:
                raise ParameterError(f"--set must have the form NAME=VALUE, found {setting!r}")
            values[name] = YAML(typ="safe").load(value)
        run(ROOT / src, ROOT / dst, values)
    except SemdfError as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
