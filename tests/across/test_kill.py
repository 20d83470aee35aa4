"""Killed at any moment and started again, every long stage ends with the bytes of a run that nothing disturbed.

Twenty-five points from a seed: twenty at an event (a write, by half or in full, a renaming, a step of training), five
by the clock. Each run is a process of its own, forked from one in which everything is imported.
"""

import hashlib
import multiprocessing
import os
import signal
import time
import warnings
from multiprocessing import forkserver
from pathlib import Path

import _victims
import numpy as np
import pytest
import torch

from semdf.errors import DataError
from semdf.training.checkpoints import keep, resume

STAGES = tuple(_victims.STAGES)
CONTEXT = multiprocessing.get_context("forkserver")


def perform(stage: str, made: Path, out: Path, **death) -> int:
    """Run a stage in a process of its own; its exit code, -9 when it was killed."""
    out.parent.mkdir(parents=True, exist_ok=True)
    process = CONTEXT.Process(target=_victims.run, args=(stage, made, out, out.parent / "events"), kwargs=death)
    process.start()
    process.join()
    return process.exitcode


def contents(folder: Path) -> dict[str, str]:
    """Every file by its hash, hidden ones as well: nothing is left of what a killed process was writing."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def whole(tmp_path_factory, data):
    """What undisturbed stages make, and of each the number of its events and its seconds."""
    made, told = tmp_path_factory.mktemp("whole"), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=os.pathsep)
        patch.setenv("OMP_NUM_THREADS", "1")
        CONTEXT.set_forkserver_preload(["_victims"])
        forkserver.ensure_running()
    for stage in STAGES:
        start = time.monotonic()
        assert perform(stage, made, made / stage) == 0, (made / "errors").read_text()
        told[stage] = int((made / "events").read_text()), time.monotonic() - start
    return made, told


@pytest.mark.parametrize("stage", STAGES)
def test_killed_anywhere_and_started_again(whole, tmp_path, stage):
    made, told = whole
    events, seconds = told[stage]
    random = np.random.default_rng(STAGES.index(stage))
    deaths = [{"at": int(at)} for at in random.choice(np.arange(1, events + 1), 4, replace=False)]
    deaths.append({"after": seconds * random.uniform(0.3, 0.9)})
    for number, death in enumerate(deaths):
        out = tmp_path / str(number) / stage
        code = perform(stage, made, out, **death)
        assert code == -signal.SIGKILL or ("after" in death and code == 0)
        assert perform(stage, made, out) == 0, (out.parent / "errors").read_text()
        assert contents(out) == contents(made / stage), death


class Number:
    """Something with a state."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = torch.full((300,), value)

    def state_dict(self) -> dict[str, torch.Tensor]:
        return {"value": self.value}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        self.value = state["value"]


@pytest.fixture
def folder(tmp_path):
    """Checkpoints of two epochs."""
    for epoch in (1, 2):
        torch.manual_seed(epoch)
        keep(tmp_path, {"number": Number(epoch)}, [{"epoch": e + 1} for e in range(epoch)])
    return tmp_path


def taken_up(folder: Path) -> tuple[int, float]:
    number = Number()
    history = resume(folder, {"number": number})
    assert torch.equal(number.value, torch.full((300,), float(len(history))))
    torch.manual_seed(len(history))
    assert not history or torch.equal(torch.get_rng_state(), _state(folder, history))
    return len(history), float(number.value[0])


def _state(folder: Path, history: list) -> torch.Tensor:
    resume(folder, {})
    return torch.get_rng_state()


def test_the_newest_checkpoint_is_taken_up_without_a_word(folder, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert taken_up(folder) == (2, 2.0)
        assert resume(tmp_path / "none", {}) == resume(None, {}) == []
        (folder / "last.pt").unlink()  # killed between two renamings
        assert taken_up(folder) == (1, 1.0)
    keep(folder, {"number": Number(2)}, [{"epoch": 1}, {"epoch": 2}])
    (folder / ".last.pt.99").write_bytes(b"cut off")
    keep(folder, {"number": Number(3)}, [{"epoch": e + 1} for e in range(3)])
    assert sorted(path.name for path in folder.iterdir()) == ["before.pt", "last.pt"]


def test_a_damaged_checkpoint_gives_way_to_the_one_before(folder, random):
    good = (folder / "last.pt").read_bytes()
    value = good.index(Number(2).value.numpy().tobytes())
    spots = [value + 7, *random.integers(value, value + 1200, 5)]
    damaged = [good[:length] for length in (0, 1, len(good) // 2, len(good) - 1)]
    damaged += [good[:spot] + bytes([good[spot] ^ 1 << int(random.integers(8))]) + good[spot + 1 :] for spot in spots]
    for data in damaged:
        (folder / "last.pt").write_bytes(data)
        with pytest.warns(UserWarning, match=r"last\.pt must be intact, found .*; going on from the checkpoint before"):
            assert resume(folder, {"number": Number()}) == [{"epoch": 1}]


def test_a_flipped_byte_is_never_taken_for_a_state(folder, random):
    """Anywhere in the file: another state than the two that were kept is not loaded."""
    good = (folder / "last.pt").read_bytes()
    for spot in random.integers(0, len(good), 60):
        (folder / "last.pt").write_bytes(good[:spot] + bytes([good[spot] ^ 0xFF]) + good[spot + 1 :])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert taken_up(folder) in ((1, 1.0), (2, 2.0)), spot


def test_without_a_sound_checkpoint_there_is_an_error(folder):
    (folder / "last.pt").write_bytes(b"nothing")
    (folder / "before.pt").write_bytes((folder / "before.pt").read_bytes()[:-9])
    with pytest.raises(DataError, match=r"last\.pt must be intact.*before\.pt must be intact.*remove the folder"):
        resume(folder, {})


def test_a_checkpoint_of_another_training_is_refused(folder):
    with pytest.raises(DataError, match=r"last\.pt must be of this training"):
        resume(folder, {"model": Number()})
    with pytest.raises(DataError, match=r"last\.pt must be of this training"):
        resume(folder, {"number": torch.nn.Linear(1, 1)})
