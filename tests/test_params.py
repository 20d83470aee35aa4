import re

import pytest
from ruamel.yaml import YAML

from semdf import ROOT, params
from semdf.errors import MissingError, ParameterError


def document() -> dict:
    return YAML(typ="safe").load((ROOT / "params.yaml").read_text())


def write(path, value):
    with path.open("w") as file:
        YAML().dump(value, file)
    return path


def test_the_repository_s_parameters_are_valid():
    assert set(params.read()) == set(params.SECTIONS)


def test_every_value_has_a_sentence():
    values = [line for line in (ROOT / "params.yaml").read_text().splitlines() if re.match(r"  \w", line)]
    fields = sum(len(section.model_fields) for section in params.SECTIONS.values())
    assert len(values) == fields
    assert all(len(line.partition("# ")[2].split()) >= 3 for line in values)


@pytest.mark.parametrize(
    "section, name, value, words",
    [
        ("train", "lr", -1.0, ["train.lr", "greater than 0", "-1.0"]),
        ("train", "lr", "fast", ["train.lr", "number", "'fast'"]),
        ("train", "epochs", 2.5, ["train.epochs", "integer", "2.5"]),
        ("train", "epochs", True, ["train.epochs", "integer", "True"]),
        ("train", "prior", "true", ["train.prior", "boolean", "'true'"]),
        ("train", "batch", 31, ["train.batch", "multiple of 2", "31"]),
        ("train", "similarity", "euclid", ["train.similarity", "'cosine' or 'dot'", "'euclid'"]),
        ("train", "ecpohs", 3, ["train.ecpohs", "unknown"]),
        ("expand", "regions", ["ear"], ["expand.regions.0", "'eyes'", "'ear'"]),
        ("runs", "seed", [-1], ["runs.seed.0", "-1"]),
        ("generalise", "resamples", 5, ["generalise.resamples", "100", "5"]),
    ],
)
def test_a_bad_value_is_refused_by_name_rule_and_value(tmp_path, section, name, value, words):
    values = document()
    values[section][name] = value
    with pytest.raises(ParameterError) as error:
        params.read(write(tmp_path / "params.yaml", values))
    assert all(word in str(error.value) for word in words), error.value


def test_missing_and_broken_files_say_so(tmp_path):
    with pytest.raises(MissingError, match="params.yaml"):
        params.read(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("train: [1, 2")
    with pytest.raises(ParameterError, match="must be YAML"):
        params.read(tmp_path / "params.yaml")
    values = document()
    del values["train"]["lr"], values["score"]
    with pytest.raises(ParameterError, match="sections"):
        params.read(write(tmp_path / "params.yaml", values))


def test_scientific_notation_is_a_number(tmp_path):
    text = (ROOT / "params.yaml").read_text().replace("lr: 2.0e-3", "lr: 6e-7")
    assert "6e-7" in text
    (tmp_path / "params.yaml").write_text(text)
    assert params.read(tmp_path / "params.yaml")["train"].lr == 6e-7
