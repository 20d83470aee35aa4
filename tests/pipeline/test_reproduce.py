"""`make reproduce` prints the stages, their results and times, and nothing of what libraries print."""

import os
import re
import subprocess

import pandas as pd
import pytest
from ruamel.yaml import YAML

from semdf.pipeline import reproduce

TABLE = pd.DataFrame(
    {
        "run": ["equal-0", "equal-0", "equal-0", "binary-0", "binary-0"],
        "row": ["FaceForensics++", "FaceForensics++: Deepfakes", "all data sets", "FaceForensics++", "DFDC"],
        "manipulation": ["all", "Deepfakes", "all", "all", "all"],
        "auc": [0.9123, 0.8, 0.7, 0.95, 0.5],
    }
)
NOISE = """
import sys
print("noise")
print("UserWarning: noise", file=sys.stderr)
print(" 50%|     | 1/2", file=sys.stderr)
"""


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A project of two stages that print a lot."""
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    root = tmp_path / "project"
    (root / ".dvc").mkdir(parents=True)
    (root / ".dvc" / "config").write_text("[core]\n    analytics = false\n    check_update = false\n")
    (root / "noise.py").write_text(f"{NOISE}\nopen(sys.argv[1], 'w').write('made')\nassert sys.argv[1] != 'bad'\n")
    first = {"desc": "Make one", "cmd": "python noise.py one", "deps": ["noise.py"], "outs": ["one"]}
    second = {
        "desc": "Make more",
        "matrix": {"name": ["a", "b"]},
        "cmd": "python noise.py ${item.name}",
        "deps": ["one"],
        "outs": ["${item.name}"],
    }
    YAML().dump({"stages": {"first": first, "second": second}}, root / "dvc.yaml")
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    return root


def test_stages_are_named_and_timed_and_what_they_print_goes_to_a_file(root, capfd):
    seconds = reproduce.reproduce([], root)
    assert list(seconds) == ["first", "second@a", "second@b"]
    assert all(0 < value < 600 for value in seconds.values())
    said = capfd.readouterr()
    assert said.out.splitlines() == ["first: Make one", "second@a: Make more", "second@b: Make more"]
    assert not said.err
    assert (root / "logs" / "reproduce.log").read_text().count("UserWarning: noise") == 3


def test_a_second_run_has_no_stage(root):
    reproduce.reproduce([], root)
    assert reproduce.reproduce([], root) == {}


def test_a_stage_that_fails_is_told_by_the_end_of_its_output(root):
    text = (root / "dvc.yaml").read_text()
    (root / "dvc.yaml").write_text(text.replace("- a", "- bad"))
    with pytest.raises(reproduce.ReproduceError) as error:
        reproduce.reproduce([], root)
    said = str(error.value)
    assert re.search(r"must end well, found exit code \d+:", said) and "AssertionError" in said
    assert "50%|" not in said and said.endswith("(the whole output: logs/reproduce.log)")


def test_the_closing_table_has_a_row_a_data_set_and_a_column_a_run(tmp_path):
    (tmp_path / "figures").mkdir()
    TABLE.to_csv(tmp_path / "figures" / "auc.csv", index=False)
    table = reproduce.closing_table(tmp_path)
    assert list(table.index) == ["FaceForensics++", "DFDC"] and list(table.columns) == ["equal-0", "binary-0"]
    assert table.loc["FaceForensics++", "equal-0"] == 0.9123 and pd.isna(table.loc["DFDC", "equal-0"])


@pytest.mark.parametrize(("seconds", "said"), [(0.3, "0 s"), (59.4, "59 s"), (60, "1 min"), (1501, "25 min 1 s")])
def test_durations_are_whole_seconds(seconds, said):
    assert reproduce.duration(seconds) == said


def test_the_python_of_the_stages_is_this_one(root, monkeypatch):
    """Whoever calls it by its path, without activating the environment, has no other `python` run."""
    monkeypatch.setenv("PATH", os.defpath)
    assert reproduce.reproduce([], root)
