"""Finders by name."""

import subprocess
import sys

import numpy as np
import pytest

from semdf.errors import MissingError, ParameterError
from semdf.faces.choose import FINDERS, choose
from semdf.faces.finders import Annotated, Templates, Whole


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A data set with annotations beside it, and no weights."""
    monkeypatch.setenv("SEMDF_WEIGHTS", str(tmp_path / "none"))
    (tmp_path / "data").mkdir()
    (tmp_path / "annotations").mkdir()
    np.savez(tmp_path / "annotations" / "data.npz", x=np.zeros(1))
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("name", "kind"), [("auto", Annotated), ("annotations", Annotated), ("whole", Whole), ("templates", Templates)]
)
def test_a_name_gives_its_finder(home, name, kind):
    assert name in FINDERS and type(choose(name, home)) is kind


def test_named_weights_come_before_the_data_s_annotations(home):
    with pytest.raises(MissingError, match="RetinaFace"):
        choose("auto", home, weights=home)
    named = home.parent / "annotations" / "data.npz"
    assert choose("auto", home, weights=home, annotations=named) == Annotated(named)


def test_what_is_missing_or_unknown_is_named(home):
    with pytest.raises(MissingError, match=r"detection_Resnet50_Final\.pth or .* found neither.*--finder whole"):
        choose("retinaface", home)
    with pytest.raises(ParameterError, match="finder must be one of auto, retinaface, .* found 'dlib'"):
        choose("dlib", home)
    (home.parent / "annotations" / "data.npz").unlink()
    with pytest.raises(ParameterError, match=r"annotations/NAME\.npz beside the folder NAME"):
        choose("annotations", home)


def test_the_names_cost_nothing():
    code = "import sys, semdf.faces.choose; print([m for m in ('torch', 'numpy', 'cv2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
