"""Score tables of others and for others: the score files of the Deepfake Workbench (dfwb).

A score file is a pair, `<name>.scores.csv` with one row a video and `<name>.scores.meta.json` with what the scores
depend on (schema `dfwb.scores/1`, as documented by that project). With it, detectors of others are evaluated by our
notebooks, and ours by their tools. Nothing is dropped: a video without a score keeps its row and status.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from semdf import __version__
from semdf.artifacts import read_cells, write_json, write_table
from semdf.errors import DataError, MissingError

__all__ = ["EXTENSIONS", "REQUIRED", "read_scores", "write_scores"]

#: Columns that the contract demands.
REQUIRED = ("dataset", "key", "compression", "label", "score", "status")
#: What the contract's column `status` may say.
STATUSES = ("ok", "missing", "error")
#: Columns of ours beyond the contract -> their names in our tables. The contract marks such columns by the prefix `x_`.
EXTENSIONS = {f"x_{name}": name for name in ("target", "pristine", "split", "label", "status")}


def write_scores(videos: pd.DataFrame, path: Path, *, detector: str, seed: int | None, split: str) -> Path:
    """Write the rows of `semdf.evaluation.evaluate.video_scores` as a score file pair; returns the CSV's path.

    Args:
        path: `<folder>/<name>`; the two endings are added.
        detector: Name of the run.
        seed: The seed that the run was trained with; None if it is not known.
        split: The split that the rows are of.
    """
    path = Path(path)
    keys = []
    for dataset, video in zip(videos["dataset"], videos["video"], strict=True):
        keys.append(video.removeprefix(f"{dataset}/"))
    table = pd.DataFrame(
        {
            "dataset": videos["dataset"],
            "key": keys,
            "compression": "",
            "label": videos["fake"],
            "score": videos["p_fake"],
            "status": np.where(videos["status"] == "ok", "ok", "missing"),
            "method": videos["manipulation"],
            "n_frames": videos["frames"],
        }
    )
    for name, own in EXTENSIONS.items():
        table[name] = videos[own]
    for column in videos:
        if column.startswith("p_"):
            table[f"x_{column}"] = videos[column]
    coverage = {"expected": len(table)}
    for status in STATUSES:
        coverage[status] = int((table["status"] == status).sum())
    meta = {
        "schema": "dfwb.scores/1",
        "detector": {"name": detector, "version": __version__, "source": f"py:semdf:{detector}"},
        "protocol": {"id": "semdf/cross-data-set", "split": split, "where": {}},
        "labels": "binary",
        "aggregation": {"clip_to_video": "mean-prob"},
        "coverage": coverage,
        "seed": seed,
        "calibration": None,
    }
    csv = path.with_name(path.name + ".scores.csv")
    write_table(table, csv)
    write_json(meta, path.with_name(path.name + ".scores.meta.json"))
    return csv


def read_scores(path: Path) -> pd.DataFrame:
    """Read a score file, of dfwb or of `write_scores`, as rows of `semdf.evaluation.evaluate.video_scores`.

    Without our extension columns a fake's label row is "fake", the identity is unknown ("") and the split is that of
    the meta file beside the CSV, or "test".

    Raises:
        MissingError: There is no such file.
        DataError: A required column is missing, a key repeats, or a row breaks a rule; the row is named.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingError(f"score file: must be at {path.name!r}, found none")
    table = read_cells(path)
    if missing := [name for name in REQUIRED if name not in table]:
        raise DataError(f"{path.name} must have the columns {missing}, found {list(table.columns)}")
    score = pd.to_numeric(table["score"].replace("", None), errors="coerce")
    nodes = [name for name in table if name.startswith("x_p_") and name != "x_p_fake"]
    for rule, broken in _broken(table, score, nodes).items():
        if broken.any():
            row = table[broken].iloc[0]
            raise DataError(f"{path.name}, line {row.name + 2}: {rule}, found {row[list(REQUIRED)].to_dict()}")
    fake = table["label"].astype(int)
    kind = np.where(fake == 1, "fake", "real")
    method = _column(table, "method", "")
    # one video in several compressions is several rows
    suffix = np.where(table["compression"] == "", "", "@" + table["compression"])
    videos = pd.DataFrame(
        {
            "dataset": table["dataset"],
            "manipulation": method.where(method != "", kind),
            "video": table["dataset"] + "/" + table["key"] + suffix,
            "target": _column(table, "x_target", ""),
            "pristine": _column(table, "x_pristine", ""),
            "label": _column(table, "x_label", kind),
            "split": _column(table, "x_split", _split(path)),
            "p_fake": score,
            "frames": _numbers(table, "n_frames").fillna(0).astype(int),
            "status": _column(table, "x_status", table["status"]),
            "fake": fake,
        }
    )
    for name in nodes:
        videos[name.removeprefix("x_")] = _numbers(table, name)
    return videos


def _broken(table: pd.DataFrame, score: pd.Series, nodes: Sequence[str]) -> dict[str, pd.Series]:
    """Rule -> which rows break it, [n] bool."""
    ok = table["status"] == "ok"
    rules = {
        f"status must be one of {', '.join(STATUSES)}": ~table["status"].isin(STATUSES),
        "label must be 0 or 1": ~table["label"].isin(("0", "1")),
        "score must lie in [0, 1] where status is ok": ok & ~score.between(0, 1),
        "score must be empty where status is not ok": ~ok & (table["score"] != ""),
        "data set and key must be unique": table.duplicated(["dataset", "key", "compression"]),
        "n_frames must be a whole number or empty": ~_numbers(table, "n_frames").map(_whole_or_missing),
    }
    for name in nodes:
        rules[f"{name} must be a number or empty"] = _numbers(table, name).isin([np.inf, -np.inf])
    return rules


def _column(table: pd.DataFrame, name: str, otherwise: object) -> pd.Series:
    """A column, or `otherwise` in every row where the table has no such column."""
    return table[name] if name in table else pd.Series(otherwise, index=table.index)


def _numbers(table: pd.DataFrame, name: str) -> pd.Series:
    """A column as numbers: NaN where it is empty or not there, infinite where a cell is no finite number."""
    text = _column(table, name, "").str.strip()
    found = pd.to_numeric(text.replace("", None), errors="coerce").astype(float)
    return found.mask((text != "") & ~np.isfinite(found), np.inf)


def _whole_or_missing(number: float) -> bool:
    """Whether a number is NaN, or whole and small enough to be stored exactly."""
    return bool(np.isnan(number) or (number.is_integer() and 0 <= number < 2**53))


def _split(path: Path) -> str:
    """The split of the meta file beside a score file; "test" without a meta file."""
    meta = path.with_name(path.name.removesuffix(".csv") + ".meta.json")
    if not meta.is_file():
        return "test"
    try:
        return str(json.loads(meta.read_text())["protocol"]["split"])
    except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
        raise DataError(f"{meta.name} must be a JSON object with protocol.split: {error!r}") from None
