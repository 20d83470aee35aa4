import re

import pytest
from ruamel.yaml import YAML

from semdf import params
from semdf.errors import MissingError, ParameterError
from semdf.pipeline import ROOT


def document() -> dict:
    return YAML(typ="safe").load((ROOT / "params.yaml").read_text())


def write(path, value):
    with path.open("w") as file:
        YAML().dump(value, file)
    return path


def test_the_repository_s_parameters_are_valid():
    assert set(params.read(ROOT / "params.yaml")) == set(params.SECTIONS)


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


def released() -> dict:
    return YAML(typ="safe").load((ROOT / "docs" / "released.yaml").read_text())


def test_the_authors_settings_are_accepted_and_differ(tmp_path):
    values, changes = document(), released()
    merged = {name: block | changes.get(name, {}) for name, block in values.items()}
    assert set(changes) <= set(values) and all(set(changes[name]) <= set(values[name]) for name in changes)
    read = params.read(write(tmp_path / "params.yaml", merged))
    assert read["train"].lr == 6e-7 and read["train"].model_dump() == merged["train"]
    assert all(changes[name] != {k: values[name][k] for k in changes[name]} for name in changes)


def test_the_authors_settings_are_those_that_the_parameters_quote():
    """Every `R: value` of the block `train`, but for what an open data list leaves open."""
    block = re.search(r"^train:\n((?:  .*\n)+)", (ROOT / "params.yaml").read_text(), re.M).group(1)
    quoted = dict(re.findall(r"^  (\w+):.*\bR: ([^\];]+)", block, re.M))
    assert {"epochs", "augment", "decay", "betas", "clip", "schedule", "warmup", "lambda_lr", "text_lr"} <= set(quoted)
    for name, said in quoted.items():
        value, first = released()["train"][name], re.split(r"[ ,]", said)[0]
        if isinstance(value, list):
            assert [float(number) for number in re.findall(r"[\d.]+", said)] == value, name
        else:
            assert first == (value if isinstance(value, str) else str(value).lower()) or float(first) == value, name


def test_scientific_notation_is_a_number(tmp_path):
    text = (ROOT / "params.yaml").read_text().replace("lr: 1.0e-3", "lr: 6e-7")
    assert "6e-7" in text
    (tmp_path / "params.yaml").write_text(text)
    assert params.read(tmp_path / "params.yaml")["train"].lr == 6e-7
