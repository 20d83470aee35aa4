"""Threads and seeds are set in one place, and fresh processes then make equal bytes."""

import ast
import os
import subprocess
import sys

import cv2
import pytest
import torch

from semdf.pipeline import ROOT
from semdf.training import determinism

SETTERS = ("manual_seed", "set_num_threads", "use_deterministic_algorithms", "setNumThreads", "seed", "set_rng_state")

#: Who else may set them: for as long as a call lasts, for processes that serve nothing else, or as a checkpoint has it.
OTHERS = {
    "people/benchmarks/jobs.py": {"cv2.setNumThreads"},  # workers
    "people/benchmarks/stills.py": {"cv2.setNumThreads"},  # workers
    "semdf/extraction/extract.py": {"cv2.setNumThreads"},  # workers, and put back
    "semdf/extraction/pool.py": {"cv2.setNumThreads"},  # workers
    "semdf/faces/retinaface.py": {"torch.set_num_threads"},  # put back
    "semdf/method/towers.py": {"torch.manual_seed"},  # in a fork of the generator
    "semdf/training/checkpoints.py": {"torch.set_rng_state"},  # a training that resumes
    "semdf/training/distributed.py": {"torch.set_num_threads"},  # a process of a group
    "semdf/training/stream.py": {"cv2.setNumThreads"},  # readers
}

PROGRAM = """
import sys
from pathlib import Path
import numpy, random, torch
random.random(), numpy.random.rand(3), torch.rand(5)  # what others draw changes nothing
from _training import config, samples
from semdf.artifacts import write_json, write_table
from semdf.training import runs
from semdf.training.train import fit
out, run = Path(sys.argv[1]), config("auto_lambda", epochs=1, pairs=4, batch=4)
record = fit(samples(8), samples(4, 1), run)
runs.save(record.model, run, out)
write_table(record.history, out / "curve.csv")
write_json(record.history.iloc[-1].to_dict(), out / "metrics.json")
"""


def test_threads_and_seeds_are_set_in_one_place():
    found = {}
    for path in sorted([*(ROOT / "semdf").rglob("*.py"), *(ROOT / "people").rglob("*.py")]):
        calls = {ast.unparse(n.func) for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)}
        calls = {name for name in calls if name.rpartition(".")[2] in SETTERS}
        if calls := calls - {"torch.Generator().manual_seed"}:  # a generator of its own
            found[path.relative_to(ROOT).as_posix()] = calls
    one = found.pop("semdf/training/determinism.py")
    assert one == {"torch." + name for name in SETTERS[:3]} | {"cv2.setNumThreads"}
    left = {name: calls - OTHERS.get(name, set()) for name, calls in found.items()}
    assert not {name: calls for name, calls in left.items() if calls}


def test_fix_sets_them():
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), cv2.getNumThreads()
    try:
        determinism.fix(7, 1)
        drawn = torch.rand(3)
        assert torch.get_num_threads() == 1 == cv2.getNumThreads() and torch.are_deterministic_algorithms_enabled()
        determinism.fix(7, 1)
        assert torch.equal(torch.rand(3), drawn)
        determinism.fix(8, 1)
        assert not torch.equal(torch.rand(3), drawn)
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
        cv2.setNumThreads(before[2])


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """What two fresh processes made that differ in all that should not matter."""
    folders = [tmp_path_factory.mktemp(name) for name in "ab"]
    for number, folder in enumerate(folders):
        settings = {"PYTHONHASHSEED": str(number), "OMP_NUM_THREADS": str(1 + number), "TZ": f"Etc/GMT-{9 * number}"}
        path = os.pathsep.join([str(ROOT), str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [sys.executable, "-c", PROGRAM, str(folder)]
        subprocess.run(command, cwd=folder, env=os.environ | settings | {"PYTHONPATH": path}, check=True)
    return folders


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "curve.csv", "metrics.json"])
def test_two_fresh_processes_make_equal_bytes(fresh, name):
    one, two = ((folder / name).read_bytes() for folder in fresh)
    assert one == two
