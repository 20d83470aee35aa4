"""What the README shows is true: commands exist and run, links lead somewhere, the example works."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pandas as pd
import pytest
import torch

from semdf import ROOT
from semdf.artifacts import read_json
from semdf.upstream import SMALL, ensure

README = (ROOT / "README.md").read_text()
BLOCKS = [dedent(block) for block in re.findall(r"(?:^(?: {4}.*|)\n)+", README, re.M) if block.strip()]
COMMANDS = [line.partition("  #")[0].strip() for block in BLOCKS for line in block.splitlines()]


def test_every_make_target_it_names_exists():
    named = set(re.findall(r"`make ([a-z]+)`", README)) | {c.split()[1] for c in COMMANDS if c.startswith("make ")}
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    assert {"reproduce", "test", "verify"} <= named <= targets


def test_every_relative_link_leads_to_a_file():
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def test_the_python_example_runs():
    code = next(b for b in BLOCKS if b.strip().startswith("from semdf import"))
    scope = {"logits": torch.zeros(2, 10), "targets": torch.zeros(2, 10)}
    exec(code, scope)
    assert scope["p"].shape == (2, 10) and scope["loss"].shape == (3,) and scope["tree"].states.shape == (251, 10)


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_the_score_command_runs_on_its_example(data, flags):
    """With the small run that the notebooks train at their defaults in place of the pipeline's."""
    command = next(c for c in COMMANDS if c.startswith("semdf score data/"))
    run = ensure(SMALL / "runs" / "auto_lambda-0")
    words = [str(Path(sys.executable).with_name("semdf")), *shlex.split(command)[1:], "--model", str(run), *flags]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if flags:
        line = json.loads(done.stdout)
        assert line["status"] == "ok" and set(line) == {"path", "status", "p"} and 0 <= line["p"]["fake"] <= 1
    else:
        assert re.search(r"id0_id1_0000.mp4: .*(fake|real).*p\(fake\) = [01]\.\d+ over 8 frames", done.stdout), (
            done.stdout
        )


def test_every_parameter_it_recommends_exists():
    from semdf import params

    for section, name in re.findall(r"`(\w+)\.(\w+): [^`]+`", README):
        assert name in params.SECTIONS[section].model_fields, f"{section}.{name}"


def test_the_results_it_quotes_are_those_of_the_figures():
    names = {
        "binary baseline": "binary-0",
        "joint embedding, equal weights": "equal-0",
        "joint embedding, bi-level weights": "auto_lambda-0",
    }
    table = pd.read_csv(ROOT / "figures" / "auc.csv").set_index(["run", "row"])
    for name, run in names.items():
        line = next(row for row in README.splitlines() if row.startswith(f"| {name} |"))
        cells = [c.strip() for c in line.strip("|").split("|")][1:]
        quoted = [re.findall(r"\d\.\d+", cell) for cell in cells]
        metrics = read_json(ROOT / "runs" / run / "metrics.json")
        assert quoted[0] == [f"{metrics['val_auc_videos']:.3f}"]
        for cell, dataset in zip(quoted[1:], ("FaceForensics++", "Celeb-DF-v2"), strict=True):
            row = table.loc[(run, dataset)]
            assert cell == [f"{row[c]:.3f}" for c in ("auc", "auc_low", "auc_high")], (run, dataset)


def test_the_node_results_it_quotes_are_those_of_the_run():
    nodes = read_json(ROOT / "runs" / "auto_lambda-0" / "metrics.json")["val_node_auc"]
    for word, node in {
        "identity": "identity",
        "the mouth": "mouth",
        "the eyes": "eye",
        "expression": "expression",
        "the nose": "nose",
    }.items():
        found = re.search(rf"(\d\.\d\d)\s+for\s+{word}", README)
        assert found and found.group(1) == f"{nodes[node]:.2f}", word
