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
from semdf.params import Camera
from semdf.storage.tars import read_image
from semdf.training.camera import shoot
from semdf.training.perturb import DISTORTIONS, LEVELS, distort_clip

__all__ = ["operating_point", "score_distorted"]

#: Share of a validation video's pristine ones that the threshold of `operating_point` lets be called fake.
FALSE_ALARMS = 0.05


def operating_point(
    detector: Detector,
    manifest: Path,
    *,
    dataset: str,
    camera: Camera,
    draws: int = 8,
    frames: int = 2,
    share: float = FALSE_ALARMS,
    seed: int = 0,
    batch: int = 64,
) -> float:
    """The p(fake) from which on a video is called fake, chosen on pristine validation videos behind a camera.

    A detector that is trained on as many fakes as pristine pictures says 0.5 where it sees nothing, for example on a
    strongly blurred picture. Where a false alarm is worse than a miss, the threshold must lie higher.

    Args:
        dataset: Whose validation videos choose.
        camera: Blurs, resizes, compresses the crops or adds noise, `draws` times each, the frames of a video alike.
        frames: How many crops of a video are scored.
        share: Of the pristine videos, counted once for each draw, how many may be called fake.
        seed: Of the camera.

    Returns:
        The threshold in 0..1: the smallest that keeps to the share.

    Raises:
        DataError: There are no pristine validation videos.
    """
    rows = read_table(manifest, (*SCORED, "shard", "member"))
    own = (rows["dataset"] == dataset) & (rows["split"] == "val") & (rows["label"] == "real")
    rows = rows[own & (rows["status"] == "ok")]
    rows = rows.sort_values(["video", "frame"]).groupby("video", sort=False).head(frames).reset_index(drop=True)
    if rows.empty:
        raise DataError(f"manifest must hold pristine validation crops of {dataset}, found none")
    folder = Path(manifest).parent
    crops = [read_image(folder, row.shard, row.member) for row in rows.itertuples()]
    numbers = rows.groupby("video", sort=False).ngroup()
    means = []
    for draw in range(draws):
        seeds = [np.random.SeedSequence([seed, draw, number]) for number in numbers]
        seen = np.stack([shoot(crop, camera, own_seed) for crop, own_seed in zip(crops, seeds, strict=True)])
        p = detector.score(seen, batch)[:, 0]
        means.append(pd.Series(p).groupby(numbers).mean().to_numpy())
    falling = np.sort(np.concatenate(means))[::-1]
    allowed = int(share * len(falling))
    return float(np.nextafter(falling[allowed], 1)) if allowed < len(falling) else 0.0


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

    The crops are distorted, not the videos that they were cut from: the face finder is not under test. "H.264" encodes
    the crops of a video as one clip.

    Args:
        distortions: Names of `DISTORTIONS`.
        levels: Severities, 1 to 5.
        frames: How many crops of a video are scored.
        seed: Of what the distortions draw.
        batch: How many crops go through the network together.

    Returns:
        The columns of `score_manifest`, with `distortion` and `level` first; undistorted rows have level 0 and the
        distortion "none".

    Raises:
        ParameterError: An unknown distortion or level.
        DataError: There is nothing to score.
    """
    if unknown := [name for name in distortions if name not in DISTORTIONS]:
        raise ParameterError(f"distortions must be among {', '.join(DISTORTIONS)}, found {', '.join(unknown)}")
    rows = read_table(manifest, (*SCORED, "shard", "member"))
    rows = rows[(rows["dataset"] == dataset) & (rows["split"] == split) & (rows["status"] == "ok")]
    rows = rows.sort_values(["video", "frame"]).groupby("video", sort=False).head(frames).reset_index(drop=True)
    if rows.empty:
        raise DataError(f"manifest must hold usable crops of {dataset}, split {split!r}, found none")
    folder = Path(manifest).parent
    crops = np.stack([read_image(folder, row.shard, row.member) for row in rows.itertuples()])
    clips = [crops[group.index.to_numpy()] for _, group in rows.groupby("video", sort=False)]
    cases = [("none", 0)]
    for name in distortions:
        cases += [(name, level) for level in levels]
    parts = []
    for name, level in tqdm(cases, desc="distortions", unit="case", mininterval=5):
        seen = crops
        if level:
            distorted = [distort_clip(clip, name, level, seed=seed + k) for k, clip in enumerate(clips)]
            seen = np.concatenate(distorted)
        p = detector.score(seen, batch)
        part = rows[list(SCORED)].copy()
        part.insert(0, "distortion", name)
        part.insert(1, "level", level)
        for i, node in enumerate(detector.nodes):
            part[f"p_{node}"] = p[:, i]
        parts.append(part)
    return pd.concat(parts, ignore_index=True)
