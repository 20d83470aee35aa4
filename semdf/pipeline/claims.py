"""Claims with the file each number comes from, and who makes that file when it is not there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from ruamel.yaml import YAML

from semdf.artifacts import read_json, read_table
from semdf.errors import DataError, ParameterError
from semdf.pipeline import ROOT

__all__ = ["BY_HAND", "Maker", "claim", "maker", "read"]

#: Files in the repository that no stage makes -> what does.
BY_HAND = {"benchmarks/results.json": "make benchmark", "literature/claims.csv": "found and entered by hand"}


@dataclass(frozen=True)
class Maker:
    """Who makes a file. command: what to run; notebook: the notebook of the stage, or "" where there is none."""

    command: str
    notebook: str = ""


def maker(path: str, root: Path = ROOT) -> Maker:
    """The stage of dvc.yaml whose product `path` is, or the entry of BY_HAND.

    >>> maker("figures/auc.csv").command
    'dvc repro generalise'

    Raises:
        ParameterError: nothing makes such a file.
    """
    if path in BY_HAND:
        return Maker(BY_HAND[path])
    stages = YAML(typ="safe").load(root / "dvc.yaml")["stages"]
    for stage, entry in stages.items():
        for product in _products(entry):
            if found := re.fullmatch(_pattern(product), path):
                items = "-".join(found.groups())
                notebook = re.search(r"notebooks/\S+\.ipynb", entry["cmd"])
                return Maker(
                    f"dvc repro {stage}@{items}" if items else f"dvc repro {stage}",
                    notebook.group() if notebook else "",
                )
    raise ParameterError(
        f"path must be a product of a stage of dvc.yaml or one of {', '.join(BY_HAND)}, found {path!r}"
    )


def _products(entry: Mapping[str, Any]) -> list[str]:
    parts = [part for kind in ("outs", "metrics", "plots") for part in entry.get(kind, [])]
    return [next(iter(part)) if isinstance(part, Mapping) else part for part in parts]


def _pattern(product: str) -> str:
    """`runs/${item.objective}-${item.seed}/x` as an expression with a group an item."""
    return r"([^/]+)".join(map(re.escape, re.split(r"\$\{[^}]*\}", product)))


def read(path: str, root: Path = ROOT) -> Any:
    """What a JSON or CSV file of the repository holds. Raises MissingError or DataError."""
    return read_json(root / path) if path.endswith(".json") else read_table(root / path)


def claim(text: str, path: str, find: Callable[[Any], float | str], root: Path = ROOT) -> dict[str, Any]:
    """A row of the tour: claim, number, file, notebook.

    Args:
        find: Takes what `read` gives to the number, or to words.

    Returns:
        `number` says which command makes the file when it is not there.

    Raises:
        DataError: the file is there but does not hold the number.
    """
    made = maker(path, root)
    row = {
        "claim": text,
        "number": f"not there yet: {made.command}",
        "file": path,
        "notebook": Path(made.notebook).stem,
    }
    if not (root / path).is_file():
        return row
    try:
        number = find(read(path, root))
    except (KeyError, IndexError, TypeError) as error:
        raise DataError(f"{path} must hold the number of {text!r}, found none: {error!r}") from None
    if not isinstance(number, str) and pd.isna(number):
        raise DataError(f"{path} must hold the number of {text!r}, found {number}")
    return {**row, "number": number}
