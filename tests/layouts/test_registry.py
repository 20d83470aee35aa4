"""The folder of layouts is the registry: one new file is a new data set, for commands and functions alike."""

import subprocess
import sys
from dataclasses import dataclass

import _trees
import pytest
from _media import counting, write_video
from click.testing import CliRunner

from semdf import layouts
from semdf.artifacts import read_table
from semdf.cli import main
from semdf.errors import DataError
from semdf.layouts import Layout, protocols
from semdf.layouts.rows import COLUMNS

NAMES = (
    "faceforensics++",
    "faceshifter",
    "celeb-df-v1",
    "celeb-df-v2",
    "dfdc",
    "dfdc-preview",
    "deeperforensics-1.0",
    "ffsc",
    "diff",
    "diffusionface",
    "deepfakebench",
    "table",
    "pictures",
)

#: The one file of a data set whose videos are <person>-<real or fake>.mp4 in a folder of films.
NEW = '''
"""NewSet: films/<person>-<real or fake>.mp4."""

from dataclasses import dataclass

from semdf.layouts import Layout
from semdf.layouts.protocols import Part, Protocol, Published, Sources
from semdf.layouts.rows import files, table


@dataclass(frozen=True)
class NewSet(Layout):
    """All videos, of one split."""

    split: str = "test"

    @staticmethod
    def marks(root):
        """Whether the folder of the films is there."""
        return (root / "films").is_dir()

    def read(self, root):
        """A row for every film."""
        return table([self._row(path) for path in files(root / "films", root, (".mp4",))], root, "NewSet")

    def _row(self, path):
        person, _, kind = path.removeprefix("films/").removesuffix(".mp4").partition("-")
        return {
            "dataset": "NewSet",
            "manipulation": kind,
            "video": f"NewSet/{kind}/{person}",
            "path": path,
            "label": "real" if kind == "real" else "face",
            "split": self.split,
            "target": person,
        }


LAYOUTS = {"newset": NewSet}
PROTOCOLS = (
    Protocol(
        dataset="NewSet",
        layout="newset",
        level="video",
        fakes=Part("NewSet", ("fake",), "test"),
        reals=Part("NewSet", ("real",), "test"),
        published=(Published(2, "real"), Published(3, "fake")),
        sources=Sources(test="this test", counts="this test"),
        notes=("Nobody has published it.",),
    ),
)
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder whose modules count as modules of `semdf.layouts`, as if they lay beside the others."""
    folder = tmp_path / "more_layouts"
    folder.mkdir()
    monkeypatch.setattr(layouts, "__path__", [*layouts.__path__, str(folder)])
    yield folder
    for path in folder.glob("*.py"):
        sys.modules.pop(f"semdf.layouts.{path.stem}", None)
        vars(layouts).pop(path.stem, None)


@pytest.fixture
def newset(folder, tmp_path):
    """A tiny tree of the new data set, whose file was put into the folder."""
    (folder / "newset.py").write_text(NEW)
    for name in ("ann-real", "bob-real", "ann-fake", "bob-fake"):
        write_video(tmp_path / "NewSet" / "films" / f"{name}.mp4", counting(3))
    return tmp_path / "NewSet"


def test_the_order_of_the_names():
    assert layouts.names() == NAMES


def test_importing_the_package_imports_no_layout():
    code = "import sys, semdf.layouts; print([m for m in sys.modules if m.startswith('semdf.layouts.')])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_new_file_is_a_layout(newset):
    assert layouts.names() == (*NAMES[:-2], "newset", *NAMES[-2:])
    assert layouts.recognise(newset) == "newset"
    rows = layouts.load("NewSet", split="val").read(newset)
    assert tuple(rows.columns) == COLUMNS and set(rows["status"]) == {"ok"} and set(rows["split"]) == {"val"}
    assert rows["video"].tolist() == [
        f"NewSet/{kind}/{person}" for kind in ("fake", "real") for person in ("ann", "bob")
    ]


def test_a_new_file_brings_its_test_set_and_published_counts(newset):
    assert protocols.names()[-1] == "NewSet"
    rows = layouts.load("newset").read(newset)
    assert protocols.counts(rows, "NewSet") == {"fakes": (2, None), "reals": (2, None)}
    said = CliRunner().invoke(main, ["check", str(newset)]).output
    assert said.startswith("newset: 4 rows (2 real, 2 fake; test 4), 4 files on disk")
    assert "count      fake: 2, published 3" in said and "note       Nobody has published it." in said
    assert "real: 2" not in said


def test_a_new_file_can_be_extracted(newset, tmp_path):
    words = ["--layout", "newset", "--option", "split=val", "--finder", "whole", "--frames", 2, "--size", 32]
    out = tmp_path / "faces"
    result = CliRunner().invoke(main, ["extract", str(newset), str(out), *map(str, words), "--workers", "1"])
    assert result.exit_code == 0 and "8 crops" in result.output
    manifest = read_table(out / "manifest.parquet")
    assert (manifest["status"] == "ok").all() and manifest["video"].nunique() == 4
    assert set(manifest["split"]) == {"val"}


def test_an_order_may_be_named(folder):
    (folder / "newset.py").write_text(NEW + "ORDER = 1\n")
    assert layouts.names() == ("newset", *NAMES)


def test_a_name_belongs_to_one_module(folder):
    (folder / "newset.py").write_text(NEW.replace('"newset": NewSet', '"dfdc": NewSet'))
    with pytest.raises(DataError, match=r"layout 'dfdc': must be in one module, found it in .*\.dfdc and .*\.newset"):
        layouts.names()


def test_other_modules_of_the_folder_are_no_layouts(folder):
    (folder / "helper.py").write_text("LIST = 'list.txt'\n")
    assert layouts.names() == NAMES


def test_a_layout_needs_no_more_than_read(tmp_path):
    @dataclass(frozen=True)
    class Plain(Layout):
        pass

    assert not Plain.marks(_trees.touch(tmp_path, "a.mp4")) and not Plain.lists_name_all
    assert Plain.present(tmp_path) == [Plain()]
    with pytest.raises(NotImplementedError):
        Plain().read(tmp_path)
