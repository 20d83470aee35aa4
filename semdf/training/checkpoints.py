"""What every training loop shares: checkpoints, from which it resumes to the same bits, and the schedule."""

from __future__ import annotations

import math
import os
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from semdf.artifacts import atomic, read_tensors
from semdf.errors import DataError

__all__ = ["Stateful", "keep", "resume", "warm_cosine", "waves"]

#: The newest checkpoint and the one before it.
FILES = ("last.pt", "before.pt")


class Stateful(Protocol):
    """A model, an optimiser, a schedule, a weighting strategy ..."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> Any: ...


def resume(folder: Path | None, stateful: Mapping[str, Stateful]) -> list[dict]:
    """Load what `keep` left, torch's random state too; returns the history, empty if there is nothing to resume.

    A damaged checkpoint (cut off, or with bytes that do not fit their checksums) is passed over for the one before it,
    with a warning: training then does again what came after, to the same bits.

    folder: None for a training that leaves no checkpoints.

    Raises DataError when all that is there is damaged, or of another training.
    """
    paths = [folder / name for name in FILES if (folder / name).is_file()] if folder else []
    damage = []
    for path in paths:
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
            wrong = file.testzip()  # torch writes checksums and does not look at them
    except Exception as error:  # wrong bytes make many kinds
        raise DataError(f"checkpoint {path.parent.name}/{path.name} is damaged: {error}") from error
    if wrong:
        raise DataError(f"checkpoint {path.parent.name}/{path.name} is damaged: bad checksum of {wrong!r}")
    return read_tensors(path)


def _load(state: dict[str, Any], stateful: Mapping[str, Stateful], path: Path) -> list[dict]:
    try:
        for name, item in stateful.items():
            item.load_state_dict(state[name])
        torch.set_rng_state(state["random"])
        return state["history"]
    except (KeyError, RuntimeError, ValueError) as error:
        where = f"{path.parent.name}/{path.name}"
        raise DataError(f"checkpoint {where} must be of this training, found another's: {error}") from error


def keep(folder: Path | None, stateful: Mapping[str, Stateful], history: list[dict]) -> None:
    """Write all states and one row an epoch; nothing without a folder. The checkpoint before is kept, too."""
    if folder:
        last, before = (folder / name for name in FILES)
        for left in folder.glob(f".{last.name}.*"):
            left.unlink()  # of a process that was killed
        with atomic(last) as draft:
            rest = {"history": history, "random": torch.get_rng_state()}
            torch.save({name: item.state_dict() for name, item in stateful.items()} | rest, draft)
            if last.is_file():
                os.replace(last, before)


def warm_cosine(total: int, warmup: float) -> Callable[[int], float]:
    """Factor of the learning rate: linear rise over the first share `warmup` of the steps, then half a cosine to 0."""
    rise = max(1, round(warmup * total))
    return lambda step: min(1.0, (step + 1) / rise) * (0.5 + 0.5 * math.cos(math.pi * step / total))


def waves(steps: int, total: int, warmup: float, half: int = 5) -> Callable[[int], float]:
    """As `warm_cosine`, but the cosine moves once an epoch of so many steps, goes from 1 to 0 and back in `half` epochs
    each, and passes over epochs at 0: the authors' schedule (released code).
    """
    rise = max(1, round(warmup * total))

    def factor(step: int) -> float:
        epoch = step // steps
        place = epoch if epoch < half else epoch + 1 + (epoch - half) // (2 * half - 1)
        return min(1.0, (step + 1) / rise) * (0.5 + 0.5 * math.cos(math.pi * place / half))

    return factor
