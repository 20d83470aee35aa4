"""Score tables of others and for others: the score files of the Deepfake Workbench (dfwb).

A score file is a pair, `<name>.scores.csv` with one row a video and `<name>.scores.meta.json` with what the scores
depend on (schema `dfwb.scores/1`, as documented by that project). With it, detectors of others are evaluated by our
notebooks, and ours by their tools. Nothing is dropped: a video without a score keeps its row and status.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from semdf import __version__
from semdf.artifacts import read_cells, write_json, write_table
from semdf.errors import DataError, MissingError

__all__ = ["EXTENSIONS", "REQUIRED", "read_scores", "write_scores"]

REQUIRED = ("dataset", "key", "compression", "label", "score", "status")
STATUSES = ("ok", "missing", "error")
#: Columns of ours beyond the contract, which marks such columns by their prefix.
EXTENSIONS = {f"x_{name}": name for name in ("target", "pristine", "split", "label", "status")}


def write_scores(videos: pd.DataFrame, path: Path, *, detector: str, seed: int, split: str) -> Path:
    """Write the rows of `semdf.evaluation.evaluate.video_scores` as a score file pair; returns the CSV's path.

    Args:
        path: `<folder>/<name>`; the two endings are added.
        detector: Name of the run.
        seed: It was trained with.
        split: The split that the rows are of.
    """
    path = Path(path)
    table = pd.DataFrame(
        {
            "dataset": videos["dataset"],
            "key": [video.removeprefix(f"{d}/") for d, video in zip(videos["dataset"], videos["video"], strict=True)],
            "compression": "",
            "label": videos["fake"],
            "score": videos["p_fake"],
            "status": np.where(videos["status"] == "ok", "ok", "missing"),
            "method": videos["manipulation"],
            "n_frames": videos["frames"],
            **{name: videos[own] for name, own in EXTENSIONS.items()},
            **{f"x_{node}": videos[node] for node in videos if node.startswith("p_")},
        }
    )
    meta = {
        "schema": "dfwb.scores/1",
        "detector": {"name": detector, "version": __version__, "source": f"py:semdf:{detector}"},
        "protocol": {"id": "semdf/cross-data-set", "split": split, "where": {}},
        "labels": "binary",
        "aggregation": {"clip_to_video": "mean-prob"},
        "coverage": {
            "expected": len(table),
            **{status: int((table["status"] == status).sum()) for status in STATUSES},
        },
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
        MissingError: no such file.
        DataError: a required column is missing, a key repeats, or a row breaks a rule; the row is named.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingError(f"score file: expected at {path.name!r}, found none")
    table = read_cells(path)
    if missing := [name for name in REQUIRED if name not in table]:
        raise DataError(f"{path.name} must have the columns {missing}, found {list(table.columns)}")
    score = pd.to_numeric(table["score"].replace("", None), errors="coerce")
    ok = table["status"] == "ok"
    nodes = [name for name in table if name.startswith("x_p_") and name != "x_p_fake"]
    rules = {
        f"status must be one of {', '.join(STATUSES)}": ~table["status"].isin(STATUSES),
        "label must be 0 or 1": ~table["label"].isin(("0", "1")),
        "score must lie in [0, 1] where status is ok": ok & ~score.between(0, 1),
        "score must be empty where status is not ok": ~ok & (table["score"] != ""),
        "data set and key must be unique": table.duplicated(["dataset", "key", "compression"]),
        "n_frames must be a whole number or empty": ~_numbers(table, "n_frames").map(_whole),
        **{f"{name} must be a number or empty": _numbers(table, name).isin([np.inf, -np.inf]) for name in nodes},
    }
    for rule, broken in rules.items():
        if broken.any():
            row = table[broken].iloc[0]
            raise DataError(f"{path.name}, line {row.name + 2}: {rule}, found {row[list(REQUIRED)].to_dict()}")
    fake = table["label"].astype(int)

    def column(name: str, otherwise: object) -> pd.Series:
        return table[name] if name in table else pd.Series(otherwise, index=table.index)

    # one video in several compressions is several rows
    suffix = np.where(table["compression"] == "", "", "@" + table["compression"])
    frames = _numbers(table, "n_frames").fillna(0).astype(int)
    videos = pd.DataFrame(
        {
            "dataset": table["dataset"],
            "manipulation": column("method", "").where(lambda m: m != "", np.where(fake == 1, "fake", "real")),
            "video": table["dataset"] + "/" + table["key"] + suffix,
            "target": column("x_target", ""),
            "pristine": column("x_pristine", ""),
            "label": column("x_label", np.where(fake == 1, "fake", "real")),
            "split": column("x_split", _split(path)),
            "p_fake": score,
            "frames": frames,
            "status": column("x_status", table["status"]),
            "fake": fake,
        }
    )
    return videos.assign(**{name[2:]: _numbers(table, name) for name in nodes})


def _numbers(table: pd.DataFrame, name: str) -> pd.Series:
    """A column as numbers: NaN where it is empty or not there, infinite where a cell is no finite number."""
    text = table[name].str.strip() if name in table else pd.Series("", index=table.index)
    found = pd.to_numeric(text.replace("", None), errors="coerce")
    return found.astype(float).mask((text != "") & ~np.isfinite(found.astype(float)), np.inf)


def _whole(number: float) -> bool:
    return bool(np.isnan(number) or (number.is_integer() and 0 <= number < 2**53))


def _split(path: Path) -> str:
    meta = path.with_name(path.name.removesuffix(".csv") + ".meta.json")
    if not meta.is_file():
        return "test"
    try:
        return str(json.loads(meta.read_text())["protocol"]["split"])
    except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
        raise DataError(f"{meta.name} must be a JSON object with protocol.split: {error!r}") from None
