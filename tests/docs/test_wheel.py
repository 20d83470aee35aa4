"""The package works from a wheel, without the checkout: its commands find what they need or say where it belongs."""

import os
import shutil
import subprocess
import sys
import zipfile

import pytest
from _media import draw, landmarks
from _training import config

from semdf import __version__
from semdf.pipeline import ROOT
from semdf.storage.tars import encode_png
from semdf.training import runs


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The folder of an unpacked wheel, which is built from a copy, because building leaves files beside the source."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "semdf", folder / "source" / "semdf", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-index", "--no-build-isolation"]
    command += ["--disable-pip-version-check", "-w", str(folder), str(folder / "source")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as file:
        file.extractall(folder / "unpacked")
    return folder / "unpacked"


@pytest.fixture
def semdf(wheel, tmp_path):
    """Runs the command of the wheel in an empty folder, for a user with an empty home."""
    here = tmp_path / "here"
    here.mkdir()
    variables = {name: value for name, value in os.environ.items() if not name.startswith("SEMDF_")}
    home = str(tmp_path / "home")
    variables.update(PYTHONPATH=str(wheel), PYTHONDONTWRITEBYTECODE="1", HOME=home, XDG_DATA_HOME=f"{home}/data")

    def call(*words, **more) -> subprocess.CompletedProcess:
        command = [sys.executable, "-c", "import semdf.cli; print(semdf.__file__); semdf.cli.main()", *map(str, words)]
        done = subprocess.run(command, cwd=here, env=variables | more, capture_output=True, text=True)
        assert done.stdout.startswith(str(wheel)) and "Traceback" not in done.stderr, done.stderr
        return done

    return call


def files(folder) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_wheel_holds_the_package_with_its_tables_and_nothing_else(wheel):
    wanted = {name for name in files(ROOT / "semdf") if "__pycache__" not in name}
    assert files(wheel / "semdf") == wanted
    assert {name.split("/")[0] for name in files(wheel)} == {"semdf", f"semdf-{__version__}.dist-info"}
    assert {"py.typed", "method/hierarchies/ffpp.yaml", "method/encoders/semdf-mini.json"} <= wanted


def test_commands_explain_themselves(semdf):
    assert "$SEMDF_DETECTOR" in semdf("score", "--help").stdout
    assert "Usage" in semdf("extract", "--help").stdout


def test_without_a_detector_the_places_for_one_are_named(semdf, tmp_path):
    done = semdf("score", "a.png")
    assert done.returncode == 1 and "--model FOLDER" in done.stderr
    for place in ("$SEMDF_DETECTOR", "runs/auto_lambda-0", f"{tmp_path}/home/data/semdf/detector"):
        assert place in done.stderr


def test_a_picture_is_scored_and_nothing_is_written(semdf, wheel, tmp_path):
    runs.save(runs.build(config()), config(), tmp_path / "home" / "data" / "semdf" / "detector")
    (tmp_path / "here" / "a.png").write_bytes(encode_png(draw(landmarks())))
    before = files(wheel)
    done = semdf("score", "--finder", "whole", "a.png")
    assert done.returncode == 0 and "a.png, face 1 of 1: " in done.stdout, done.stderr
    assert files(tmp_path / "here") == {"a.png"} and files(wheel) == before


def test_a_folder_of_pictures_is_extracted(semdf, tmp_path):
    (tmp_path / "here" / "in").mkdir()
    (tmp_path / "here" / "in" / "a_0.png").write_bytes(encode_png(draw(landmarks())))
    assert semdf("check", "in").returncode == 1  # a tree of no data set
    done = semdf("extract", "in", "out", "--layout", "pictures", "--finder", "whole", "--size", 32)
    assert done.returncode == 0 and "1 crops" in done.stdout, done.stderr
    assert {name.split("/")[0] for name in files(tmp_path / "here")} == {"in", "out"}
