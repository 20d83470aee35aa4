"""The tour: every number has a file and every file a maker."""

import json

import pytest

from semdf.errors import DataError, ParameterError
from semdf.pipeline import ROOT, claims

DVC = """
stages:
  train:
    cmd: python -m semdf.pipeline.nb notebooks/05_training.ipynb runs/x/05_training.ipynb
    matrix: {objective: [a], seed: [0]}
    outs: ["runs/${item.objective}-${item.seed}/model.safetensors"]
    metrics: ["runs/${item.objective}-${item.seed}/metrics.json": {cache: false}]
  plain:
    cmd: echo
    outs: [out.csv]
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "dvc.yaml").write_text(DVC)
    return tmp_path


def test_makers_are_read_from_the_pipeline(root):
    made = claims.maker("runs/auto_lambda-3/metrics.json", root)
    assert made == claims.Maker("dvc repro train@auto_lambda-3", "notebooks/05_training.ipynb")
    assert claims.maker("out.csv", root) == claims.Maker("dvc repro plain", "")
    assert claims.maker("benchmarks/results.json", root).command == "make benchmark"


@pytest.mark.parametrize(
    "path", ["runs/auto_lambda-0/metrics.json", "figures/auc.csv", "figures/robustness/metrics.json"]
)
def test_the_pipelines_own_products_have_notebooks_that_are_there(path):
    assert (ROOT / claims.maker(path).notebook).is_file()


def test_a_claim_is_a_number_from_its_file(root):
    (root / "runs/equal-0").mkdir(parents=True)
    (root / "runs/equal-0/metrics.json").write_text(json.dumps({"auc": 0.75}))
    row = claims.claim("it ranks", "runs/equal-0/metrics.json", lambda m: m["auc"], root)
    assert row == {"claim": "it ranks", "number": 0.75, "file": "runs/equal-0/metrics.json", "notebook": "05_training"}


def test_what_is_not_there_says_who_makes_it(root):
    row = claims.claim("it ranks", "runs/equal-0/metrics.json", lambda m: m["auc"], root)
    assert row["number"] == "not there yet: dvc repro train@equal-0"


@pytest.mark.parametrize("content", [{"other": 1}, {"auc": None}])
def test_a_file_without_its_number_is_an_error(root, content):
    (root / "runs/equal-0").mkdir(parents=True)
    (root / "runs/equal-0/metrics.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="must hold the number of 'it ranks'"):
        claims.claim("it ranks", "runs/equal-0/metrics.json", lambda m: m["auc"], root)


def test_a_file_that_nothing_makes_is_refused(root):
    with pytest.raises(ParameterError, match="found 'nowhere.csv'"):
        claims.maker("nowhere.csv", root)
