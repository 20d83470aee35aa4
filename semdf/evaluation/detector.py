"""Trained runs as detectors, and score tables: one row a frame, none missing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from semdf.artifacts import read_table, read_weights, temporary, write_weights
from semdf.errors import DataError
from semdf.method import hierarchy
from semdf.method.hierarchy import Hierarchy
from semdf.method.model import Detector as Network
from semdf.storage.tars import read_image
from semdf.training import distributed
from semdf.training.datasets import COLUMNS, views
from semdf.training.runs import Config, load, save

__all__ = ["DEFAULT_RUN", "SCORED", "Detector", "load_detector", "score_manifest"]

#: What a score table keeps of a manifest's row.
SCORED = ("dataset", "manipulation", "video", "target", "pristine", "frame", "label", "split", "status")

#: The run that `semdf score` uses unless told otherwise, in the working folder.
DEFAULT_RUN = Path("runs", "auto_lambda-0")


@dataclass(frozen=True)
class Detector:
    """A trained model with what it needs to look at a crop."""

    model: Network
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
        """Arguments for `semdf.faces.finders.crop`: size, alignment, margin."""
        return self.config.crop.model_dump()

    def score(self, crops: np.ndarray, batch: int = 64) -> np.ndarray:
        """Marginals [n, N] of crops [n, H, W, 3] uint8, sRGB."""
        if crops.ndim != 4 or crops.shape[-1] != 3 or crops.dtype != np.uint8:
            raise DataError(f"crops must be [n, H, W, 3] uint8, found {list(crops.shape)} {crops.dtype}")
        size, resample = self.model.image_size, self.config.crop.resampled
        where = next(self.model.parameters()).device
        parts = []
        with torch.inference_mode():
            for part in torch.from_numpy(crops).split(batch):
                parts.append(self.model(self.model.normalise(views(part, size, resample=resample).to(where))))
        return torch.cat(parts).float().cpu().numpy()


def load_detector(folder: Path = DEFAULT_RUN, device: str = "cpu") -> Detector:
    """Read a run's folder; device: "cpu" or "cuda". Raises MissingError when the run has not been trained."""
    model, config = load(folder)
    return Detector(model.to(distributed.place(device)), config)


def score_manifest(
    detector: Detector, manifest: Path, splits: list[str], batch: int = 64, processes: int = 1
) -> pd.DataFrame:
    """Score every sample of some splits; a row that could not be extracted stays, with its status and NaN.

    processes: on this machine, which share the batches and torch's threads. Under `torchrun` those it started share
        them, and each returns the whole table.

    Returns:
        The columns that name a sample, its label and status, and `p_<node>` for every node.
    """
    rows = read_table(manifest, (*COLUMNS, "target"))
    rows = rows[rows["split"].isin(splits)].reset_index(drop=True)
    if processes > 1 and not distributed.launched():
        p = _launch(detector, manifest, rows[["status", "shard", "member"]], batch, processes)
    else:
        with distributed.joined(device=next(detector.model.parameters()).device.type):
            p = _score(detector, manifest, rows, batch).numpy()
    scores = rows[list(SCORED)].copy()
    for i, node in enumerate(detector.nodes):
        scores[f"p_{node}"] = p[:, i]
    return scores


def _score(detector: Detector, manifest: Path, rows: pd.DataFrame, batch: int) -> Tensor:
    """Marginals [n, N] of all rows, NaN where there is no crop; by shard, so that a tar is read from front to back."""
    p = torch.full((len(rows), len(detector.nodes)), torch.nan)
    good = rows[rows["status"] == "ok"]
    batches = [
        group.iloc[start : start + batch]
        for _, group in good.groupby("shard", sort=True)
        for start in range(0, len(group), batch)
    ]

    def marginals(part: pd.DataFrame) -> Tensor:
        places = zip(part["shard"], part["member"], strict=True)
        crops = [read_image(Path(manifest).parent, shard, member) for shard, member in places]
        return torch.from_numpy(detector.score(np.stack(crops), batch))

    if batches:
        places = np.concatenate([part.index.to_numpy() for part in batches])
        p[torch.from_numpy(places)] = distributed.spread(marginals, batches)
    return p


def _launch(detector: Detector, manifest: Path, rows: pd.DataFrame, batch: int, processes: int) -> np.ndarray:
    """`_score` by processes of their own."""
    device = next(detector.model.parameters()).device.type
    threads = max(1, torch.get_num_threads() // processes)
    with temporary() as folder:
        save(detector.model, detector.config, folder)
        work = (folder, Path(manifest), rows, batch, device)
        distributed.launch(_work, processes, *work, device=device, threads=threads)
        return read_weights(folder / "p.safetensors")["p"].numpy()


def _work(folder: Path, manifest: Path, rows: pd.DataFrame, batch: int, device: str) -> None:
    p = _score(load_detector(folder, device), manifest, rows, batch)
    if distributed.rank() == 0:
        write_weights({"p": p}, folder / "p.safetensors")
