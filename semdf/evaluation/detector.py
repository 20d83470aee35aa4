"""Trained runs as detectors, and score tables: one row a frame, none missing."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import platformdirs
import torch
from torch import Tensor

from semdf.artifacts import read_table, read_weights, temporary, write_weights
from semdf.errors import DataError, MissingError
from semdf.method import hierarchy
from semdf.method.hierarchy import Hierarchy
from semdf.method.model import Detector as Network
from semdf.storage.columns import SCORED_CROP, SCORING_INPUT
from semdf.storage.tars import read_image
from semdf.training import distributed
from semdf.training.runs import Config, load, save
from semdf.training.scoring import score_pictures
from semdf.training.sides import at_side

__all__ = [
    "DEFAULT_RUN",
    "SCORED",
    "Detector",
    "Scorer",
    "find_detector",
    "load_detector",
    "score_crops",
    "score_manifest",
]

#: What a score table keeps of a manifest's row.
SCORED = SCORED_CROP

#: The run of the pipeline that `find_detector` looks for in the working folder.
DEFAULT_RUN = Path("runs", "auto_lambda-0")


class Scorer(Protocol):
    """What scores the crops of a manifest: a run of ours, or a detector of others (`semdf.evaluation.outside`)."""

    @property
    def model(self) -> Network:
        """The network."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the columns of `score`."""

    def score(self, crops: np.ndarray, batch: int = 64) -> np.ndarray:
        """Marginals [n, N] of crops [n, H, W, 3] uint8, sRGB."""

    def opener(self, folder: Path) -> Callable[[str], Scorer]:
        """A function that reads it again in another process, on a device; what it needs is written to `folder`."""


@dataclass(frozen=True)
class Detector:
    """A trained model with what it needs to look at a crop."""

    model: Network
    config: Config

    @property
    def hierarchy(self) -> Hierarchy:
        """The label hierarchy that the run was trained with."""
        return hierarchy.load(self.config.train.hierarchy)

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the columns of `score`."""
        return self.config.nodes

    @property
    def crop(self) -> dict:
        """Arguments for `semdf.faces.finders.crop`: size, alignment, margin."""
        return self.config.crop.model_dump()

    @property
    def resampled(self) -> bool:
        """Whether crops are scaled to the network's size; native crops are cut instead."""
        return self.config.crop.resampled

    def score(self, crops: np.ndarray, batch: int = 64) -> np.ndarray:
        """Marginals [n, N] of crops [n, H, W, 3] uint8, sRGB; native ones are brought to the side of the run's."""
        if crops.ndim == 4 and not self.resampled:
            crops = at_side(crops, self.config.crop.size)
        return score_crops(self.model, crops, batch, resample=self.resampled)

    def opener(self, folder: Path) -> Callable[[str], Detector]:
        """A function that reads it again in another process, on a device; the run is written to `folder`."""
        save(self.model, self.config, folder)
        return partial(load_detector, folder)


def score_crops(model: Network, crops: np.ndarray, batch: int, *, resample: bool) -> np.ndarray:
    """Marginals [n, N] of crops [n, H, W, 3] uint8, sRGB.

    Args:
        model: A network in evaluation mode.
        batch: How many pictures go through it together.
        resample: Whether crops are scaled to its size instead of cut.

    Raises:
        DataError: The crops have another form.
    """
    if crops.ndim != 4 or crops.shape[-1] != 3 or crops.dtype != np.uint8:
        raise DataError(f"crops must be [n, H, W, 3] uint8, found {list(crops.shape)} {crops.dtype}")
    return score_pictures(model, torch.from_numpy(crops), batch=batch, resample=resample).numpy()


def find_detector() -> Path:
    """The folder of the run that scores files where no other is named.

    Three places are looked at, in this order: `$SEMDF_DETECTOR`; `runs/auto_lambda-0` in the working folder, where the
    pipeline trains it; `semdf/detector` in the user's data folder, such as `~/.local/share`. If the variable is set,
    the other two do not count. The package brings no detector; one that it brought would come last.

    Raises:
        MissingError: None of the places holds a run; the message lists them.
    """
    named = os.environ.get("SEMDF_DETECTOR", "")
    installed = platformdirs.user_data_path("semdf", appauthor=False) / "detector"
    places = [Path(named)] if named else [DEFAULT_RUN, installed]
    for folder in places:
        if (folder / "config.json").is_file():
            return folder
    raise MissingError(
        "detector: must be a run's folder (config.json, model.safetensors) at "
        f"$SEMDF_DETECTOR ({named or 'not set'}), at {DEFAULT_RUN.as_posix()} in the working folder or at {installed}, "
        "found none: name one with --model FOLDER"
    )


def load_detector(folder: Path = DEFAULT_RUN, device: str = "cpu") -> Detector:
    """Read a run's folder.

    Args:
        device: "cpu" or "cuda".

    Raises:
        MissingError: The run has not been trained.
    """
    model, config = load(folder)
    return Detector(model.to(distributed.place(device)), config)


def score_manifest(
    detector: Scorer, manifest: Path, splits: list[str], batch: int = 64, processes: int = 1
) -> pd.DataFrame:
    """Score every sample of some splits; a row that could not be extracted stays, with its status and NaN.

    Args:
        processes: How many processes of this machine share the batches, and torch's threads. Under `torchrun` those
            that it started share the batches, and each returns the whole table.

    Returns:
        The columns that name a sample, its label and status, and `p_<node>` for every node.
    """
    rows = read_table(manifest, SCORING_INPUT)
    rows = rows[rows["split"].isin(splits)].reset_index(drop=True)
    if processes > 1 and not distributed.launched():
        places = rows[["status", "shard", "member"]]
        p = _launch(detector, manifest, places, batch, processes)
    else:
        with distributed.joined(device=_device(detector)):
            p = _score(detector, manifest, rows, batch)
    scores = rows[list(SCORED)].copy()
    for i, node in enumerate(detector.nodes):
        scores[f"p_{node}"] = p[:, i].numpy()
    return scores


def _device(detector: Scorer) -> str:
    """The kind of device that computes: "cpu" or "cuda"."""
    return next(detector.model.parameters()).device.type


def _score(detector: Scorer, manifest: Path, rows: pd.DataFrame, batch: int) -> Tensor:
    """Marginals [n, N] of all rows, NaN where there is no crop; by shard, so that a tar is read from front to back."""
    folder = Path(manifest).parent
    p = torch.full((len(rows), len(detector.nodes)), torch.nan)
    good = rows[rows["status"] == "ok"]
    batches = []
    for _, group in good.groupby("shard", sort=True):
        for start in range(0, len(group), batch):
            batches.append(group.iloc[start : start + batch])
    if not batches:
        return p

    def marginals(part: pd.DataFrame) -> Tensor:
        crops = [read_image(folder, row.shard, row.member) for row in part.itertuples()]
        return torch.from_numpy(detector.score(np.stack(crops), batch))

    places = np.concatenate([part.index.to_numpy() for part in batches])
    p[torch.from_numpy(places)] = distributed.spread(marginals, batches)
    return p


def _launch(detector: Scorer, manifest: Path, rows: pd.DataFrame, batch: int, processes: int) -> Tensor:
    """`_score` by processes of their own."""
    device = _device(detector)
    threads = max(1, torch.get_num_threads() // processes)
    with temporary() as folder:
        arguments = (detector.opener(folder), folder, Path(manifest), rows, batch, device)
        distributed.launch(_work, processes, *arguments, device=device, threads=threads)
        return read_weights(folder / "p.safetensors")["p"]


def _work(
    opener: Callable[[str], Scorer], folder: Path, manifest: Path, rows: pd.DataFrame, batch: int, device: str
) -> None:
    """What each process of `_launch` does; the first one writes the marginals."""
    p = _score(opener(device), manifest, rows, batch)
    if distributed.rank() == 0:
        write_weights({"p": p}, folder / "p.safetensors")
