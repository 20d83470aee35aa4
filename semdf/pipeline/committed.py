"""Results as git holds them, and how far those in the working tree lie from them.

What the documents say is held against the committed results: `make reproduce` may write other numbers on another
processor, and the documents stay true of the ones that are committed.
"""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from semdf.errors import MissingError
from semdf.pipeline import ROOT

__all__ = ["RESULTS", "Difference", "changed", "differences", "read", "read_json", "read_table", "said"]

#: Files and folders that stages write and git holds.
RESULTS = ("data.dvc", "dvc.lock", "runs", "figures", "pretrained", "ablations", "docs/rendered")


class Difference(NamedTuple):
    """How far the AUCs of a file lie from the committed ones.

    Attributes:
        path: The file.
        largest: Largest absolute difference of an AUC; None if the file holds no AUC, or other rows than before.
        where: The row of that difference, such as "auto_lambda-0, DiFF".
        differing: How many AUCs differ.
    """

    path: str
    largest: float | None
    where: str = ""
    differing: int = 0


def read(path: str, root: Path = ROOT) -> bytes:
    """The committed bytes of a file: those of git's index, which are the last commit's unless others were added.

    Raises:
        MissingError: git holds no such file.
    """
    shown = subprocess.run(["git", "show", f":./{path}"], cwd=root, capture_output=True)
    if shown.returncode:
        raise MissingError(f"{path} must be a file that git holds, found: {shown.stderr.decode().strip()}")
    return shown.stdout


def read_table(path: str, root: Path = ROOT) -> pd.DataFrame:
    """A committed CSV file; raises as `read` does."""
    return pd.read_csv(io.BytesIO(read(path, root)))


def read_json(path: str, root: Path = ROOT) -> Any:
    """A committed JSON file; raises as `read` does."""
    return json.loads(read(path, root))


def changed(root: Path = ROOT) -> list[str]:
    """The results in the working tree that are not equal to the committed ones, missing ones included."""
    listed = subprocess.run(
        ["git", "diff", "--name-only", "--relative", "-z", "--", *RESULTS], cwd=root, capture_output=True, check=True
    )
    return sorted(listed.stdout.decode().split("\0")[:-1])


def differences(root: Path = ROOT) -> list[Difference]:
    """How far each changed result lies from the committed one; the largest difference of an AUC first."""
    found = [_difference(path, root) for path in changed(root)]
    return sorted(found, key=lambda difference: (-(difference.largest or 0), difference.path))


def said(found: list[Difference]) -> list[str]:
    """Sentences about the differences, for a reader at a terminal."""
    if not found:
        return ["The results are equal to the committed ones, bit for bit."]
    moved = [difference for difference in found if difference.largest]
    lines = ["The results differ from the committed ones. What is normal: docs/other_machines.md."]
    for path, largest, where, differing in moved:
        lines.append(f"  {path}: AUC by up to {largest:.3f} ({where}); differing AUCs: {differing}")
    rest = len(found) - len(moved)
    if rest:
        lines.append(f"  other files that differ, AUCs apart: {rest} (`git diff --stat` lists them)")
    return lines


def _difference(path: str, root: Path) -> Difference:
    here = root / path
    if not here.is_file() or not path.endswith((".csv", ".json")):
        return Difference(path, None)
    before = _aucs(path, read(path, root))
    now = _aucs(path, here.read_bytes())
    if list(before) != list(now) or not before:
        return Difference(path, None)
    apart = {name: abs(now[name] - before[name]) for name in before if now[name] != before[name]}
    if not apart:
        return Difference(path, None)
    where = max(apart, key=lambda name: apart[name])
    return Difference(path, apart[where], where, len(apart))


def _aucs(path: str, content: bytes) -> dict[str, float]:
    """Every AUC by its row: the column `auc` of a CSV file, the numbers below a name with `auc` of a JSON file."""
    if path.endswith(".json"):
        return {name: value for name, value in _numbers(json.loads(content)) if "auc" in name}
    table = pd.read_csv(io.BytesIO(content))
    if "auc" not in table:
        return {}
    words = table.select_dtypes(exclude="number").astype(str)
    found: dict[str, float] = {}
    for number, (row, auc) in enumerate(zip(words.itertuples(index=False), table["auc"], strict=True)):
        if pd.notna(auc):
            cells = dict.fromkeys(row)  # a data set that is named in two columns is said once
            found[f"{', '.join(cells)}, row {number + 1}"] = float(auc)
    return found


def _numbers(content: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of a JSON document, each with the names that lead to it."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _numbers(value, f"{name}, {key}" if name else str(key))
    elif isinstance(content, int | float) and not isinstance(content, bool):
        yield name, float(content)
