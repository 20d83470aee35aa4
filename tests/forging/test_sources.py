"""Faces in the form that the expansion takes: whose weights the face parser gets."""

import pandas as pd
import pytest

from semdf.errors import MissingError
from semdf.faces.parsing import FILE, SIZE
from semdf.forging import presets
from semdf.forging.sources import parser_for

BY_MAP = presets.choose("sjedd", mask="regions")


def faces(*maps: str) -> pd.DataFrame:
    return pd.DataFrame({"status": "ok", "regions_member": list(maps)})


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A working folder without any weights; the folder of this project's weights lies beside it."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.delenv("SEMDF_WEIGHTS", raising=False)
    own = tmp_path / "pretrained" / "parser"
    own.mkdir(parents=True)
    (own / FILE).touch()
    return own


def test_only_faces_without_a_map_need_a_parser(elsewhere):
    assert parser_for(presets.load("sjedd"), faces("", "")) is None
    assert parser_for(BY_MAP, faces("0.regions.png")) is None
    missing = faces("0.regions.png", "").assign(status=["ok", "no face"])
    assert parser_for(BY_MAP, missing) is None
    with pytest.raises(MissingError, match=FILE):
        parser_for(BY_MAP, faces("0.regions.png", ""))


def test_a_named_folder_serves_where_there_are_no_official_weights(elsewhere, tmp_path, monkeypatch):
    parser = parser_for(BY_MAP, faces(""), elsewhere)
    assert parser.file == elsewhere / FILE and parser.size == SIZE
    official = tmp_path / "official"
    official.mkdir()
    (official / FILE).touch()
    monkeypatch.setenv("SEMDF_WEIGHTS", str(official))
    parser = parser_for(BY_MAP, faces(""), elsewhere)
    assert parser.file == official / FILE and parser.size == 512


def test_an_empty_folder_leaves_the_usual_places(elsewhere, tmp_path, monkeypatch):
    with pytest.raises(MissingError, match=FILE):
        parser_for(BY_MAP, faces(""), tmp_path / "nowhere")
    monkeypatch.chdir(tmp_path)
    assert parser_for(BY_MAP, faces(""), tmp_path / "nowhere").file.is_file()
