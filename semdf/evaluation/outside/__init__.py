"""Detectors of others, behind the protocol of our own: their scores stand in the same tables.

A new detector is one new file in this folder, and nothing else: it has an `Adapter` by the name `ADAPTER`. Its name is
that of the file; files that begin with `_` are none. `semdf score --detector NAME` then knows it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np

from semdf.errors import DataError, MissingError, ParameterError
from semdf.evaluation.detector import score_crops
from semdf.method import hierarchy
from semdf.method.hierarchy import Hierarchy
from semdf.method.model import Detector as Network
from semdf.training import distributed
from semdf.training.runs import Crop
from semdf.weights import registry

__all__ = ["SJEDD_CROP", "Adapter", "Outside", "find", "known", "load", "locate"]

#: The crop of the paper whose method this package implements; detectors trained on other crops name their own.
SJEDD_CROP = Crop(size=317, alignment="similarity", margin=1.3)


@dataclass(frozen=True)
class Adapter:
    """How a detector of others is read and asked.

    Attributes:
        network: The file of weights -> the network in evaluation mode, whose `forward` gives probabilities `[B, N]`.
            A file of another network raises DataError.
        file: The name of the weights in the folder of weights; `semdf.weights.registry` says where they come from.
        tree: The hierarchy whose nodes the outputs are.
        nodes: Which of its nodes, in order; by default the root alone.
        crop: How faces are cut for it.
    """

    network: Callable[[Path], Network]
    file: str
    tree: str = "ffpp"
    nodes: tuple[str, ...] = ("fake",)
    crop: Crop = SJEDD_CROP


@dataclass(frozen=True)
class Outside:
    """A detector of others, as `semdf.explanation.verdict.Detector` wants it.

    Attributes:
        name: Of its adapter.
        path: Of its weights.
        model: The network.
        adapter: Its adapter.
    """

    name: str
    path: Path
    model: Network
    adapter: Adapter

    @property
    def hierarchy(self) -> Hierarchy:
        """The label hierarchy whose nodes it names."""
        return hierarchy.load(self.adapter.tree)

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the columns of `score`."""
        return self.adapter.nodes

    @property
    def crop(self) -> dict:
        """Arguments for `semdf.faces.crops.crop`: size, alignment, margin."""
        return self.adapter.crop.model_dump()

    @property
    def resampled(self) -> bool:
        """Whether crops are scaled to the network's size: always, so that crops of any size can be scored."""
        return True

    def score(self, crops: np.ndarray, batch: int = 64) -> np.ndarray:
        """Probabilities [n, N] of crops [n, H, W, 3] uint8, sRGB."""
        return score_crops(self.model, crops, batch, resample=True)

    def opener(self, folder: Path) -> Callable[[str], Outside]:  # noqa: ARG002 the signature of our own detectors
        """A function that reads it again in another process, on a device."""
        return partial(load, self.name, self.path)


def known() -> tuple[str, ...]:
    """Names of the detectors: the files of this folder that do not begin with `_`. None is imported."""
    files = (path for folder in __path__ for path in Path(folder).glob("*.py"))
    return tuple(sorted(path.stem for path in files if not path.stem.startswith("_")))


def find(name: str) -> Adapter:
    """The adapter `name`.

    Raises:
        ParameterError: There is none.
    """
    if name not in known():
        raise ParameterError(f"detector: must be one of {', '.join(known())}, found {name!r}")
    return import_module(f"{__name__}.{name}").ADAPTER


def locate(name: str) -> Path:
    """The weights of the adapter `name` in the folders of weights.

    Raises:
        MissingError: They are in none; the message says where they come from.
    """
    adapter = find(name)
    path = registry.find(adapter.file)
    if path is None:
        how = registry.missing(name) if name in registry.WEIGHTS else f"put them into {registry.folder()}"
        raise MissingError(
            f"detector {name!r}: must find its weights {adapter.file}, found none: {how}, or name a file with --model"
        )
    return path


def load(name: str, path: Path | None = None, device: str = "cpu") -> Outside:
    """The detector `name` with its weights.

    Args:
        path: Of the weights; None: where `locate` finds them.
        device: "cpu" or "cuda".

    Raises:
        ParameterError: There is no such detector.
        MissingError: There are no weights.
        DataError: The weights are those of another network.
    """
    adapter = find(name)
    path = locate(name) if path is None else Path(path)
    if not path.is_file():
        raise MissingError(f"detector {name!r}: weights must be a file, found none at {str(path)!r}")
    try:
        network = adapter.network(path)
    except DataError as error:
        raise DataError(f"detector {name!r}: {error}") from None
    return Outside(name, path, network.eval().to(distributed.place(device)), adapter)
