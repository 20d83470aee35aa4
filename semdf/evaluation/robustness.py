"""Scores of the same crops under distortions of rising severity."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from semdf.artifacts import read_table
from semdf.errors import DataError, ParameterError
from semdf.evaluation.detector import SCORED, Detector
from semdf.storage.tars import read_image
from semdf.training.perturb import DISTORTIONS, LEVELS, distort_clip

__all__ = ["score_distorted"]


def score_distorted(
    detector: Detector,
    manifest: Path,
    *,
    dataset: str,
    split: str,
    distortions: Sequence[str] = tuple(DISTORTIONS),
    levels: Sequence[int] = LEVELS,
    frames: int = 2,
    seed: int = 0,
    batch: int = 64,
) -> pd.DataFrame:
    """Score the first `frames` crops of every video of one data set and split, undistorted and distorted.

    Crops are distorted, not videos before the crop: the face finder is not under test. "H.264" encodes the crops of
    a video as one clip.

    Returns:
        The columns of `score_manifest`, with `distortion` and `level` first; undistorted rows have level
        0 and the distortion "none".

    Raises:
        ParameterError: an unknown distortion or level.
        DataError: nothing to score.
    """
    if unknown := [name for name in distortions if name not in DISTORTIONS]:
        raise ParameterError(f"distortions must be among {', '.join(DISTORTIONS)}, found {', '.join(unknown)}")
    rows = read_table(manifest, (*SCORED, "shard", "member"))
    rows = rows[(rows["dataset"] == dataset) & (rows["split"] == split) & (rows["status"] == "ok")]
    rows = rows.sort_values(["video", "frame"]).groupby("video", sort=False).head(frames).reset_index(drop=True)
    if rows.empty:
        raise DataError(f"manifest must hold usable crops of {dataset}, split {split!r}, found none")
    places = zip(rows["shard"], rows["member"], strict=True)
    crops = np.stack([read_image(Path(manifest).parent, shard, member) for shard, member in places])
    clips = [group.index.to_numpy() for _, group in rows.groupby("video", sort=False)]
    cases = [("none", 0), *((name, level) for name in distortions for level in levels)]
    parts = []
    for name, level in tqdm(cases, desc="distortions", unit="case", mininterval=5):
        seen = crops
        if level:
            seen = np.concatenate([distort_clip(crops[i], name, level, seed=seed + k) for k, i in enumerate(clips)])
        p = detector.score(seen, batch)
        columns = {f"p_{node}": p[:, i] for i, node in enumerate(detector.nodes)}
        parts.append(rows[list(SCORED)].assign(distortion=name, level=level, **columns))
    table = pd.concat(parts, ignore_index=True)
    return table[["distortion", "level", *(c for c in table if c not in ("distortion", "level"))]]
