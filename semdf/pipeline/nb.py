r"""Run a notebook as a pipeline stage: checked parameters, live log, byte-stable executed copy.

    python -m semdf.pipeline.nb notebooks/05_training.ipynb runs/equal-0/05_training.ipynb \
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
from semdf.artifacts import atomic, temporary, writing
from semdf.errors import MissingError, ParameterError, SemdfError
from semdf.pipeline import ROOT

__all__ = ["NotebookError", "declared", "run"]


class NotebookError(SemdfError, RuntimeError):
    """A cell of a notebook raised."""


def declared(notebook: Path) -> set[str]:
    """The names that the notebook's cell tagged `parameters` assigns."""
    if not notebook.is_file():
        raise MissingError(f"notebook {notebook.name!r} must be a file, found none")
    cells = [c for c in nbformat.read(notebook, 4).cells if "parameters" in c.metadata.get("tags", [])]
    if len(cells) != 1:
        raise ParameterError(f"{notebook.name} must have one cell tagged 'parameters', found {len(cells)}")
    names: set[str] = set()
    for node in ast.parse(cells[0].source).body:
        if isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def run(source: Path, target: Path, values: dict[str, Any]) -> Path:
    """Execute `source` with `values` and write the executed copy to `target`.

    Cells run in the root of the checkout. The copy is written to logs/ first, and to `target` when all cells have run.

    Raises:
        MissingError: There is no such notebook.
        ParameterError: A value for a name that the notebook does not declare.
        NotebookError: A cell raised an error; the message is that of the error.
        WriteError: The disk is full or writing is not allowed; an executed copy that was there stays.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    known = declared(source)
    unknown = sorted(set(values) - known)
    if unknown:
        raise ParameterError(
            f"{source.name} declares no parameter {', '.join(unknown)}; known: {', '.join(sorted(known))}"
        )
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    draft = ROOT / "logs" / f"{target.parent.name}-{target.name}"
    config = Config()
    try:
        with temporary() as place, writing(draft):
            if os.name == "posix":
                config.KernelManager.transport = "ipc"
                config.KernelManager.ip = str(place / "kernel")  # a name of its own: two runs at once would share one
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
    """Drop what differs between two runs of the same notebook: times, host, progress bars."""
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


@click.command()
@click.argument("src", type=Path)
@click.argument("dst", type=Path)
@click.option("--section", "sections", multiple=True, help="A block of params.yaml to pass.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="One more parameter.")
def main(src: Path, dst: Path, sections: Sequence[str], settings: Sequence[str]) -> None:
    """Run the notebook SRC with checked parameters and write the executed copy to DST."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("papermill.translators").setLevel(logging.ERROR)
    try:
        run(ROOT / src, ROOT / dst, _values(sections, settings))
    except SemdfError as error:
        raise click.ClickException(str(error)) from None


def _values(sections: Sequence[str], settings: Sequence[str]) -> dict[str, Any]:
    """The parameters that the options of the command ask for; `settings` go before `sections`."""
    document = params.read(ROOT / "params.yaml")
    unknown = sorted(set(sections) - set(document))
    if unknown:
        raise ParameterError(f"section must be one of {', '.join(document)}, found {', '.join(unknown)}")
    values: dict[str, Any] = {}
    for section in sections:
        values.update(document[section].model_dump())
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ParameterError(f"--set must have the form NAME=VALUE, found {setting!r}")
        values[name] = YAML(typ="safe").load(value)
    return values


if __name__ == "__main__":
    main()
