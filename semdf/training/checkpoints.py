"""Checkpoints, from which every training loop resumes to the same bits."""

from __future__ import annotations

import os
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from semdf.artifacts import atomic, read_tensors
from semdf.errors import DataError

__all__ = ["Stateful", "keep", "resume"]

#: The newest checkpoint and the one before it.
FILES = ("last.pt", "before.pt")


class Stateful(Protocol):
    """What has a state to keep: a model, an optimiser, a schedule, a weighting strategy."""

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training needs."""

    def load_state_dict(self, state: dict[str, Any]) -> Any:
        """Take up what `state_dict` gave."""


def resume(folder: Path | None, stateful: Mapping[str, Stateful]) -> list[dict]:
    """Load what `keep` left, torch's random state too; return the history, empty if there is nothing to resume.

    A damaged checkpoint (cut off, or with bytes that do not fit their checksums) is passed over for the one before it,
    with a warning: training then does again what came after, to the same bits.

    Args:
        folder: None for a training that leaves no checkpoints.

    Raises:
        DataError: All checkpoints are damaged, or the one that is read belongs to another training.
    """
    if folder is None:
        return []
    damage = []
    for name in FILES:
        path = folder / name
        if not path.is_file():
            continue
        try:
            state = _read(path)
        except DataError as error:
            damage.append(str(error))
            continue
        if damage:
            warnings.warn(f"{damage[0]}; going on from the checkpoint before it", stacklevel=2)
        return _load(state, stateful, path)
    if damage:
        raise DataError(f"{'; '.join(damage)}; there is none before: remove the folder to start anew")
    return []


def _read(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as file:
            wrong = file.testzip()  # torch writes checksums but does not check them
    except Exception as error:  # damaged bytes raise errors of many kinds
        raise DataError(f"checkpoint {_shown(path)} must be intact, found damage: {error}") from error
    if wrong:
        raise DataError(f"checkpoint {_shown(path)} must be intact, found damage: bad checksum of {wrong!r}")
    return read_tensors(path)


def _load(state: dict[str, Any], stateful: Mapping[str, Stateful], path: Path) -> list[dict]:
    try:
        for name, item in stateful.items():
            item.load_state_dict(state[name])
        torch.set_rng_state(state["random"])
        return state["history"]
    except (KeyError, RuntimeError, ValueError) as error:
        raise DataError(f"checkpoint {_shown(path)} must be of this training, found another's: {error}") from error


def _shown(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def keep(folder: Path | None, stateful: Mapping[str, Stateful], history: list[dict]) -> None:
    """Write all states and the history, which has one row an epoch; the checkpoint before is kept, too.

    Args:
        folder: None for a training that leaves no checkpoints.
    """
    if folder is None:
        return
    last, before = (folder / name for name in FILES)
    for left in folder.glob(f".{last.name}.*"):
        left.unlink()  # of a process that was killed
    state: dict[str, Any] = {name: item.state_dict() for name, item in stateful.items()}
    state["history"] = history
    state["random"] = torch.get_rng_state()
    with atomic(last) as draft:
        torch.save(state, draft)
        if last.is_file():
            os.replace(last, before)
