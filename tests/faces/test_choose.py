"""Finders by name."""

import shutil
import subprocess
import sys

import numpy as np
import platformdirs
import pytest
from _files import WEIGHTS, needs_weights

from semdf.errors import MissingError, ParameterError
from semdf.faces.choose import FINDERS, choose
from semdf.faces.finders import Annotated, Templates, Whole
from semdf.faces.mtcnn import Mtcnn
from semdf.faces.retinaface import RetinaFace


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A data set with annotations beside it, and no weights."""
    monkeypatch.setenv("SEMDF_WEIGHTS", str(tmp_path / "none"))
    (tmp_path / "data").mkdir()
    (tmp_path / "annotations").mkdir()
    np.savez(tmp_path / "annotations" / "data.npz", x=np.zeros(1))
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("auto", Annotated), ("annotations", Annotated), ("mtcnn", Mtcnn), ("whole", Whole), ("templates", Templates)],
)
def test_a_name_gives_its_finder(home, name, kind):
    assert name in FINDERS and type(choose(name, home)) is kind


def test_named_weights_come_before_the_data_s_annotations(home):
    with pytest.raises(MissingError, match="RetinaFace"):
        choose("auto", home, weights=home)
    named = home.parent / "annotations" / "data.npz"
    assert choose("auto", home, weights=home, annotations=named) == Annotated(named)


def test_mtcnn_stands_in_only_where_asked_to_and_nothing_better_is_there(tmp_path, home):
    """Annotations, named weights and found weights come before it; a data set is not cut by another finder unasked."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert type(choose("auto", elsewhere, stand_in=True)) is Mtcnn
    assert type(choose("auto", home, stand_in=True)) is Annotated
    assert type(choose("templates", elsewhere, stand_in=True).otherwise) is Mtcnn
    assert choose("templates", elsewhere).otherwise is None
    for words in ({}, {"stand_in": True, "weights": elsewhere}):
        with pytest.raises(MissingError, match="RetinaFace"):
            choose("auto", elsewhere, **words)


@needs_weights
def test_weights_that_are_there_come_before_mtcnn(tmp_path, monkeypatch):
    """In the variable's folder, in `weights/` of the working folder, and where `semdf fetch` puts them."""
    for folder in (tmp_path / "weights", tmp_path / "cache" / "weights"):
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("SEMDF_WEIGHTS", raising=False)
        monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_, **__: tmp_path / "cache")
        assert type(choose("auto", tmp_path / "a.png", stand_in=True)) is Mtcnn
        folder.mkdir(parents=True)
        shutil.copy(WEIGHTS / "detection_mobilenet0.25_Final.pth", folder)
        assert type(choose("auto", tmp_path / "a.png", stand_in=True)) is RetinaFace
        shutil.rmtree(folder)


def test_shared_settings_reach_mtcnn(home):
    finder = choose("mtcnn", home, longest=1280, face="track", device="cpu")
    assert (finder.longest, finder.face) == (1280, "track")
    assert choose("mtcnn", home, longest=1280, face="track") is finder


def test_what_is_missing_or_unknown_is_named(home):
    told = r"detection_Resnet50_Final\.pth or .* found neither.*fetch retinaface.*--finder mtcnn.*--finder whole"
    with pytest.raises(MissingError, match=told):
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
