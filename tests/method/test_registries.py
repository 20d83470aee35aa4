"""One new file is a new weighting, and one new file is a new encoder: nothing else has to be edited."""

import inspect
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from _training import config, samples

from semdf import params
from semdf.errors import ParameterError
from semdf.method import towers, weighting
from semdf.method.weighting import equal
from semdf.params import Train
from semdf.pipeline import ROOT
from semdf.training.runs import Variant
from semdf.training.train import fit

#: A weighting that takes its weights from the parameters of a run.
CONSTANT = '''
"""All weights are one number."""

import torch

from semdf.method.weighting import Known


class Strategy(Known):
    run_fields = {"value": "train.scale"}

    def __init__(self, tasks, value=1.0):
        super().__init__(tasks)
        self.value = value

    def weights(self):
        return torch.full((self.tasks,), self.value)
'''

ENCODER = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}

#: One step of a run whose objective, encoder and hierarchy are arguments. Prints the row of its epoch.
TRAINING = """
import json, sys
from pathlib import Path

import semdf
from _training import BLOCK, config, samples
from semdf.training.runs import configure
from semdf.training.train import fit

folder, objective, encoder = sys.argv[1:]
assert Path(semdf.__file__).is_relative_to(folder)
run = config(objective, encoder=encoder, epochs=1, pairs=4, batch=8, scale=2.5)
assert configure(objective, 0, run.train.model_dump(), run.crop.model_dump()) == run
record = fit(samples(), samples(8, 1), run)
assert record.steps == 1
print(json.dumps({"size": record.model.image_size, **record.history.iloc[0].to_dict()}))
"""


@pytest.fixture(scope="module")
def extended(tmp_path_factory) -> Path:
    """A copy of the package with one new weighting and one new encoder, and nothing else that is new."""
    folder = tmp_path_factory.mktemp("extended")
    shutil.copytree(ROOT / "semdf", folder / "semdf", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "params.yaml", folder)
    (folder / "semdf" / "method" / "weighting" / "constant.py").write_text(CONSTANT)
    (folder / "semdf" / "method" / "encoders" / "new-encoder.json").write_text(json.dumps(ENCODER))
    return folder


def train(folder: Path, objective: str, encoder: str) -> dict:
    paths = os.pathsep.join([str(folder), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, "-c", TRAINING, str(folder), objective, encoder],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_file_is_a_weighting(extended):
    row = train(extended, "constant", "semdf-mini")
    assert [row[f"lambda_{task}"] for task in ("root", "global", "local")] == [2.5] * 3


def test_a_file_is_an_encoder(extended):
    assert train(extended, "equal", "new-encoder")["size"] == 32


def test_names_are_those_of_the_files(tmp_path):
    assert get_args(params.Objective) == ("binary", *weighting.known())
    assert weighting.known() == params.weightings()
    for name in ("b.py", "a.py", "_shared.py", "notes.md"):
        (tmp_path / name).touch()
    assert params.weightings(tmp_path) == ("a", "b")


def test_reading_parameters_imports_neither_torch_nor_a_weighting():
    code = "import sys, semdf.params; print([n for n in sys.modules if n == 'torch' or n.startswith('semdf.method')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", weighting.known())
def test_a_weighting_takes_options_from_fields_that_a_run_has(name):
    taken = weighting.run_fields(name)
    assert set(taken) <= set(inspect.signature(weighting.find(name)).parameters)
    blocks = {"train": Train.model_fields, "variant": Variant.model_fields}
    known = {f"{block}.{field}" for block, fields in blocks.items() for field in fields}
    assert set(taken.values()) <= known | {"seed", "primary"}


def test_a_field_that_no_run_has_is_refused(monkeypatch):
    monkeypatch.setattr(equal.Strategy, "run_fields", {"speed": "train.speed"})
    with pytest.raises(
        ParameterError, match="weighting 'equal': run_fields must be fields of a run, found train.speed"
    ):
        fit(samples(), samples(8, 1), config("equal", epochs=1))


@pytest.mark.parametrize("objective", ["equal", "auto_lambda_fd", "auto_lambda_late"])
def test_a_virtual_step_of_adamw_is_refused_where_no_virtual_step_reads_it(objective):
    with pytest.raises(ParameterError, match=f"virtual: must be 'sgd' under {objective}, found 'adamw'$"):
        fit(samples(), samples(8, 1), config(objective, {"virtual": "adamw"}, epochs=1))


def test_encoders_of_another_folder(tmp_path):
    (tmp_path / "encoder-of-another-folder.json").write_text(json.dumps(ENCODER))
    assert towers.known(tmp_path) == ("encoder-of-another-folder",)
    with pytest.raises(ParameterError, match="encoder: must be one of .*found 'encoder-of-another-folder'"):
        towers.create("encoder-of-another-folder")
    towers.register(tmp_path)
    assert towers.preprocess(towers.create("encoder-of-another-folder", seed=0).visual).size == 32
