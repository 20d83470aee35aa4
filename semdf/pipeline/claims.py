"""Claims, the file that each number comes from, and the command that makes the file."""

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

#: File of the repository that no stage makes -> how it is made.
BY_HAND = {"benchmarks/results.json": "make benchmark", "literature/claims.csv": "found and entered by hand"}


@dataclass(frozen=True)
class Maker:
    """What makes a file.

    Attributes:
        command: What to run.
        notebook: The notebook of the stage; empty where there is none.
    """

    command: str
    notebook: str = ""


def maker(path: str, root: Path = ROOT) -> Maker:
    """The stage of dvc.yaml that has `path` among its products, or the entry of BY_HAND.

    >>> maker("figures/auc.csv").command
    'dvc repro generalise'

    Raises:
        ParameterError: Nothing makes such a file.
    """
    if path in BY_HAND:
        return Maker(BY_HAND[path])
    stages = YAML(typ="safe").load(root / "dvc.yaml")["stages"]
    for stage, entry in stages.items():
        for product in _products(entry):
            found = re.fullmatch(_pattern(product), path)
            if found is None:
                continue
            items = "-".join(found.groups())
            target = f"{stage}@{items}" if items else stage
            notebook = re.search(r"notebooks/\S+\.ipynb", entry["cmd"])
            return Maker(f"dvc repro {target}", notebook.group() if notebook else "")
    raise ParameterError(
        f"path must be a product of a stage of dvc.yaml or one of {', '.join(BY_HAND)}, found {path!r}"
    )


def _products(entry: Mapping[str, Any]) -> list[str]:
    """Paths that a stage writes. DVC's file has each as a text, or as the only key of a mapping with settings."""
    products: list[str] = []
    for kind in ("outs", "metrics", "plots"):
        for product in entry.get(kind, []):
            products.append(next(iter(product)) if isinstance(product, Mapping) else product)
    return products


def _pattern(product: str) -> str:
    """A regular expression for a path such as `runs/${item.objective}-${item.seed}/x`, with a group for each item."""
    fixed = re.split(r"\$\{[^}]*\}", product)
    return r"([^/]+)".join(re.escape(part) for part in fixed)


def read(path: str, root: Path = ROOT) -> Any:
    """The contents of a JSON or CSV file of the repository.

    Raises:
        MissingError: No such file.
        DataError: The file cannot be read.
    """
    return read_json(root / path) if path.endswith(".json") else read_table(root / path)


def claim(text: str, path: str, find: Callable[[Any], float | str], root: Path = ROOT) -> dict[str, Any]:
    """A row of the tour: claim, number, file, notebook.

    Args:
        text: The claim.
        path: The file, relative to `root`.
        find: Takes the contents of the file, as `read` returns them, and gives the number or words.
        root: The folder of dvc.yaml.

    Returns:
        A row whose `number` names the command to run where the file is not there.

    Raises:
        DataError: The file is there but does not hold the number.
    """
    made = maker(path, root)
    row: dict[str, Any] = {
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
    row["number"] = number
    return row
