"""What others report, as data: `literature/claims.csv`, its rules, and where its sources disagree."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from semdf.artifacts import read_cells
from semdf.errors import DataError, MissingError
from semdf.pipeline import ROOT

__all__ = ["CLAIMS", "COLUMNS", "LEVELS", "disagreements", "read"]

CLAIMS = ROOT / "literature" / "claims.csv"
COLUMNS = ("method", "year", "venue", "train_set", "test_set", "level", "auc", "suspect", "source")
LEVELS = ("frame", "video", "unstated")


def read(path: Path = CLAIMS) -> pd.DataFrame:
    """The claims, a row each, with COLUMNS; `auc` is NaN where no number is known, `suspect` is boolean.

    Raises:
        MissingError: no such file.
        DataError: a column is missing, or a row has an unknown level, an AUC outside [0, 1] or no source.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingError(f"claims: file expected, found none at {path.name!r}")
    table = read_cells(path)
    if list(table.columns) != list(COLUMNS):
        raise DataError(f"{path.name} must have the columns {list(COLUMNS)}, found {list(table.columns)}")
    auc = pd.to_numeric(table["auc"].replace("", None), errors="coerce").astype(float)
    rules = {
        "year must have four digits": ~table["year"].str.fullmatch("[0-9]{4}"),
        f"level must be one of {', '.join(LEVELS)}": ~table["level"].isin(LEVELS),
        "auc must lie in [0, 1]": (table["auc"] != "") & ~auc.between(0, 1),
        "suspect must be yes or no": ~table["suspect"].isin(("yes", "no")),
        "source must not be empty": table["source"].str.strip() == "",
    }
    for rule, broken in rules.items():
        if broken.any():
            row = table[broken].iloc[0]
            raise DataError(f"{path.name}, line {row.name + 2}: {rule}, found {row.to_dict()}")
    return table.assign(auc=auc, year=table["year"].astype(int), suspect=table["suspect"] == "yes")


def disagreements(claims: pd.DataFrame, same: Sequence[str] = ("train_set", "level")) -> pd.DataFrame:
    """Where at least two sources give different AUCs for one method and test set; the widest first.

    Only claims of the same training set and level are about one thing. Two whose level is "unstated" may still be about
    two things. Rows without a number do not count.

    Args:
        claims: Of `read`.
        same: What claims have in common besides method and test set; with fewer columns, spreads are no disagreements.

    Returns:
        method, test_set, the columns of `same`, claims (rows), sources, low, high, spread.
    """
    known = claims[claims["auc"].notna()]
    groups = known.groupby(["method", "test_set", *same], as_index=False)
    table = groups.agg(claims=("auc", "size"), sources=("source", "nunique"), low=("auc", "min"), high=("auc", "max"))
    table["spread"] = table["high"] - table["low"]
    differ = (table["spread"] > 0) & (table["sources"] > 1)
    return table[differ].sort_values("spread", ascending=False, ignore_index=True)
