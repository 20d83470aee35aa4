import pandas as pd
import pytest
import torch

from semdf import artifacts
from semdf.errors import DataError, MissingError

FRAME = pd.DataFrame({"name": ["a", "b"], "value": [1.0, 0.123456789], "points": [[1.0, 2.0], []]})


def test_parquet_keeps_every_value_and_equal_bytes(tmp_path):
    one, two = (artifacts.write_table(FRAME, tmp_path / f"{n}.parquet") for n in "ab")
    read = artifacts.read_table(one, ["name", "value"])
    assert read["value"].tolist() == FRAME["value"].tolist() and list(read["points"][0]) == [1.0, 2.0]
    assert one.read_bytes() == two.read_bytes()


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = artifacts.write_json({"a": 1}, tmp_path / "x.json")
    with pytest.raises(ValueError):
        artifacts.write_json({"a": float("nan")}, path)
    assert artifacts.read_json(path) == {"a": 1} and [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_weights_round_trip(tmp_path):
    state = {"a": torch.randn(3, 2), "b": torch.arange(4)}
    read = artifacts.read_weights(artifacts.write_weights(state, tmp_path / "w.safetensors"))
    assert all(torch.equal(read[k], v) for k, v in state.items())


@pytest.mark.parametrize(
    "read, name", [("read_table", "t.parquet"), ("read_json", "t.json"), ("read_weights", "t.safetensors")]
)
def test_missing_and_broken_files_are_named(tmp_path, read, name):
    with pytest.raises(MissingError, match=name):
        getattr(artifacts, read)(tmp_path / name)
    (tmp_path / name).write_bytes(b"\x00broken")
    with pytest.raises(DataError, match=name):
        getattr(artifacts, read)(tmp_path / name)


def test_a_missing_column_is_named(tmp_path):
    path = artifacts.write_table(FRAME, tmp_path / "t.parquet")
    with pytest.raises(DataError, match="status"):
        artifacts.read_table(path, ["name", "status"])


@pytest.mark.parametrize(
    ("column", "good", "wrong", "rule"),
    [
        ("video", "a", 3, "text in UTF-8"),
        ("video", "a", "\udcff", "text in UTF-8"),
        ("frame", 3, 3.5, "a whole number"),
        ("landmarks", [1.0, 2.0], [1.0], "a list of finite numbers, x and y in turn"),
        ("landmarks", [], [1.0, 2e6], "a list of finite numbers, x and y in turn"),
        ("p_eye", 0.5, "0.5", "a number"),
    ],
)
def test_a_cell_of_another_kind_is_named(column, good, wrong, rule):
    whole = pd.DataFrame({column: [good, good]})
    assert artifacts.checked(whole, "table", [column]) is whole
    broken = pd.DataFrame({column: [good, wrong]}, dtype=object)
    with pytest.raises(DataError, match=f"table, row 1: '{column}' must be {rule}, found"):
        artifacts.checked(broken, "table", [column])
    assert artifacts.checked(broken, "table", [column], kinds=False) is broken


def test_the_digest_sees_every_part(tmp_path):
    (tmp_path / "f").write_text("x")
    base = artifacts.digest({"a": 1}, tmp_path / "f")
    assert base == artifacts.digest({"a": 1}, tmp_path / "f")
    assert base != artifacts.digest({"a": 2}, tmp_path / "f")
    (tmp_path / "f").write_text("y")
    assert base != artifacts.digest({"a": 1}, tmp_path / "f")
