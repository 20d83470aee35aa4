"""Documents are held against what git holds, and results in the working tree are compared with it."""

import json
import re
import subprocess

import pandas as pd
import pytest

from semdf.errors import MissingError
from semdf.pipeline import ROOT, committed

AUC = pd.DataFrame(
    {
        "run": ["binary-0", "binary-0", "equal-0"],
        "row": ["DFDC", "DiFF", "DFDC"],
        "dataset": ["DFDC", "DiFF", "DFDC"],
        "auc": [0.9, 0.5, 0.8],
        "reals": [10, 10, 10],
    }
)


@pytest.fixture
def root(tmp_path):
    """A repository with committed results, below a folder of another repository's root."""
    folder = tmp_path / "inner"
    (folder / "figures").mkdir(parents=True)
    (folder / "runs").mkdir()
    AUC.to_csv(folder / "figures" / "auc.csv", index=False)
    (folder / "figures" / "auc.svg").write_text("<svg/>")
    (folder / "runs" / "metrics.json").write_text(json.dumps({"val_auc": 0.75, "nodes_auc": {"eye": 0.5}, "ece": 0.1}))
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    return folder


def test_the_committed_bytes_are_read_whatever_the_working_tree_holds(root):
    path = root / "figures" / "auc.csv"
    before = path.read_bytes()
    path.write_text("other")
    assert committed.read("figures/auc.csv", root) == before
    assert committed.read_table("figures/auc.csv", root).equals(AUC)
    path.unlink()
    assert committed.read("figures/auc.csv", root) == before
    assert committed.read_json("runs/metrics.json", root)["val_auc"] == 0.75


def test_results_that_are_added_count_as_committed(root):
    """Whoever changes results and documents together can run the tests before the commit."""
    (root / "figures" / "auc.svg").write_text("<svg></svg>")
    subprocess.run(["git", "add", "-A"], cwd=root, check=True)
    assert committed.read("figures/auc.svg", root) == b"<svg></svg>" and committed.changed(root) == []


def test_a_file_that_git_does_not_hold_is_refused(root):
    (root / "figures" / "new.csv").write_text("a\n1\n")
    with pytest.raises(MissingError, match=r"figures/new\.csv must be a file that git holds, found: fatal"):
        committed.read("figures/new.csv", root)


def test_equal_results_are_said_to_be_equal(root):
    assert committed.differences(root) == []
    assert committed.said([]) == ["The results are equal to the committed ones, bit for bit."]


def test_the_largest_difference_of_each_table_is_said(root):
    moved = AUC.assign(auc=[0.9, 0.53, 0.79])
    moved.to_csv(root / "figures" / "auc.csv", index=False)
    (root / "figures" / "auc.svg").write_text("<svg></svg>")
    (root / "runs" / "metrics.json").write_text(json.dumps({"val_auc": 0.75, "nodes_auc": {"eye": 0.45}, "ece": 0.3}))
    found = committed.differences(root)
    assert [(one.path, one.where, one.differing) for one in found] == [
        ("runs/metrics.json", "nodes_auc, eye", 1),
        ("figures/auc.csv", "binary-0, DiFF, row 2", 2),
        ("figures/auc.svg", "", 0),
    ]
    assert [one.largest for one in found] == [pytest.approx(0.05), pytest.approx(0.03), None]
    first, *rest, last = committed.said(found)
    assert "differ" in first and "docs/other_machines.md" in first
    assert rest[1] == "  figures/auc.csv: AUC by up to 0.030 (binary-0, DiFF, row 2); differing AUCs: 2"
    assert last.startswith("  other files that differ, AUCs apart: 1 ")


def test_a_table_with_other_rows_or_none_at_all_counts_as_a_file_that_differs(root):
    AUC.head(2).to_csv(root / "figures" / "auc.csv", index=False)
    (root / "runs" / "metrics.json").unlink()
    assert [one[:2] for one in committed.differences(root)] == [("figures/auc.csv", None), ("runs/metrics.json", None)]
    assert committed.said(committed.differences(root))[1].startswith("  other files that differ, AUCs apart: 2 ")


def test_untracked_files_and_files_elsewhere_are_no_results(root):
    (root.parent / "README.md").write_text("other")
    (root / "figures" / "new.csv").write_text("a\n1\n")
    assert committed.changed(root) == []


def test_make_verify_compares_the_same_results():
    (named,) = re.findall(r"^RESULTS := (.+)$", (ROOT / "Makefile").read_text(), re.M)
    assert tuple(named.split()) == committed.RESULTS
