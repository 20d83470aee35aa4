"""AUCs that others report: the table `literature/claims.csv`, its rules, and where its sources disagree."""

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
    """Read the claims, a row each, with COLUMNS; `auc` is NaN where no number is known, `suspect` is boolean.

    Raises:
        MissingError: No such file.
        DataError: A column is missing, or a row has an unknown level, an AUC outside [0, 1] or no source.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingError(f"claims: {path.name!r} must be a file, found none")
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
            line = row.name + 2  # the header is line 1, and the first row has number 0
            raise DataError(f"{path.name}, line {line}: {rule}, found {row.to_dict()}")
    return table.assign(auc=auc, year=table["year"].astype(int), suspect=table["suspect"] == "yes")


def disagreements(claims: pd.DataFrame, same: Sequence[str] = ("train_set", "level")) -> pd.DataFrame:
    """Groups of claims in which at least two sources give different AUCs; the widest spread first.

    A group is about one method, test set, training set and level. Claims whose level is "unstated" may still mean
    different levels. Rows without a number do not count.

    Args:
        claims: What `read` returns.
        same: The columns that claims of a group have in common, besides method and test set. With fewer columns a group
            mixes different measurements, and its spread is no disagreement.

    Returns:
        The columns method, test_set, those of `same`, claims (their number), sources (their number), low, high, spread.
    """
    known = claims[claims["auc"].notna()]
    groups = known.groupby(["method", "test_set", *same], as_index=False)
    table = groups.agg(claims=("auc", "size"), sources=("source", "nunique"), low=("auc", "min"), high=("auc", "max"))
    table["spread"] = table["high"] - table["low"]
    differ = (table["spread"] > 0) & (table["sources"] > 1)
    return table[differ].sort_values("spread", ascending=False, ignore_index=True)
