"""Trained runs as detectors, and score tables: one row a frame, none missing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from semdf import ROOT, hierarchy
from semdf.artifacts import read_table
from semdf.datasets import COLUMNS, views
from semdf.errors import DataError
from semdf.hierarchy import Hierarchy
from semdf.runs import Config, load
from semdf.shards import read_image

__all__ = ["DEFAULT_RUN", "Detector", "load_detector", "score_manifest"]

#: The run that `semdf score` uses unless told otherwise.
DEFAULT_RUN = ROOT / "runs" / "auto_lambda-0"


@dataclass(frozen=True)
class Detector:
    """A trained model with what it needs to look at a crop."""

    model: nn.Module
    config: Config

    @property
    def hierarchy(self) -> Hierarchy:
        return hierarchy.load(self.config.train.hierarchy)

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the columns of `score`."""
        return self.config.nodes

    @property
    def crop(self) -> dict:
        """Arguments for `semdf.faces.crop`: size, alignment, margin."""
        return self.config.crop.model_dump()

    def score(self, crops: np.ndarray, batch: int = 64) -> np.ndarray:
        """Marginals [n, N] of crops [n, H, W, 3] uint8, sRGB."""
        if crops.ndim != 4 or crops.shape[-1] != 3 or crops.dtype != np.uint8:
            raise DataError(f"crops must be [n, H, W, 3] uint8, found {list(crops.shape)} {crops.dtype}")
        size, resample = self.model.image_size, self.config.crop.resampled
        parts = []
        with torch.inference_mode():
            for part in torch.from_numpy(crops).split(batch):
                parts.append(self.model(self.model.normalise(views(part, size, resample=resample))))
        return torch.cat(parts).float().numpy()


def load_detector(folder: Path = DEFAULT_RUN) -> Detector:
    """Read a run's folder. Raises MissingError when the run has not been trained."""
    return Detector(*load(folder))


def score_manifest(detector: Detector, manifest: Path, splits: list[str], batch: int = 64) -> pd.DataFrame:
    """Score every sample of some splits; a row that could not be extracted stays, with its status and NaN.

    Returns:
        The columns that name a sample, its label and status, and `p_<node>` for every node.
    """
    rows = read_table(manifest, COLUMNS)
    rows = rows[rows["split"].isin(splits)].reset_index(drop=True)
    p = np.full((len(rows), len(detector.nodes)), np.nan, np.float32)
    for shard, group in rows[rows["status"] == "ok"].groupby("shard", sort=True):
        crops = np.stack([read_image(Path(manifest).parent, shard, member) for member in group["member"]])
        p[group.index] = detector.score(crops, batch)
    scores = rows[["dataset", "manipulation", "video", "frame", "label", "split", "status"]].copy()
    for i, node in enumerate(detector.nodes):
        scores[f"p_{node}"] = p[:, i]
    return scores
