"""A full disk and a folder that may not be written: the error says so, and nothing half written is taken for whole."""

import base64
import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import _faults
import nbformat
import numpy as np
import pandas as pd
import papermill
import pytest
from _media import draw, landmarks

from semdf import artifacts
from semdf.errors import DataError, MissingError, SemdfError, WriteError
from semdf.evaluation import detector
from semdf.extraction.extract import extract
from semdf.faces.finders import Whole
from semdf.pipeline import nb, publish
from semdf.storage import journal
from semdf.storage.journal import PartReader, PartWriter
from semdf.storage.tars import ShardWriter, encode_png
from semdf.training import distributed, train

HERE = Path(__file__).resolve().parents[1]
CASES = [
    "extraction",
    "expansion",
    "table",
    "metrics",
    "weights",
    "checkpoint",
    "notebook",
    "rendering",
    "scores",
    "handover",
]


@cache
def run(kind: str) -> dict[str, dict]:
    """All cases in a process of their own, in a folder that any user may enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        command = [sys.executable, str(HERE / "_faults.py"), kind, folder, *CASES]
        done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", CASES)
def test_a_full_disk(case):
    """Under every limit the work ends with an error that names the file, or is whole; then it goes through without."""
    found = run("full")[case]
    assert not found["wrong"]
    failed = [problem for problem in found["said"] if problem]
    assert len(failed) >= 3 and all(p.startswith("WriteError: ") for p in failed), failed
    assert all("cannot be written" in problem for problem in failed), failed
    if case not in ("checkpoint", "handover"):  # torch.save does not say what the system said
        assert all("too large" in problem.lower() for problem in failed), failed


@pytest.mark.parametrize("case", CASES)
def test_a_folder_that_may_not_be_written(case):
    found = run("forbidden")[case]
    (problem,) = found["said"]
    assert problem.startswith("WriteError: ") and "ermission denied" in problem and not found["wrong"]


def test_no_space_is_said_in_the_system_s_words(tmp_path):
    said = pytest.raises(WriteError, match="'.*/a.json' cannot be written: No space left on device")
    with said, artifacts.atomic(tmp_path / "a.json"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert not list(tmp_path.iterdir())
    assert issubclass(WriteError, SemdfError) and issubclass(WriteError, OSError)


def test_the_work_before_a_full_disk_is_kept(tmp_path, monkeypatch):
    """Pieces that the journal holds in full count; the next run goes on with the one that did not fit."""
    for number in range(5):
        (tmp_path / f"{number}.png").write_bytes(encode_png(draw(landmarks(), 64, number)))
    rows = pd.DataFrame({"video": [f"d/m/{n}" for n in range(5)], "path": [f"{n}.png" for n in range(5)]})
    rows = rows.assign(dataset="d", manipulation="m", label="real", split="")
    count = 0

    def put(self, *piece, whole=PartWriter.put):
        nonlocal count
        count += 1
        if count == 4:
            with artifacts.writing(self.path):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        whole(self, *piece)

    monkeypatch.setattr(journal.PartWriter, "put", put)
    with pytest.raises(WriteError, match="No space left"):
        extract(rows, tmp_path, tmp_path / "out", Whole(), size=32)
    assert len(PartReader(tmp_path / "out.parts")) == 3 and not (tmp_path / "out").exists()
    monkeypatch.undo()
    assert (extract(rows, tmp_path, tmp_path / "out", Whole(), size=32)["status"] == "ok").all()


def test_a_run_s_executed_copy_stays_when_the_next_one_does_not_fit(tmp_path, monkeypatch):
    source = _faults.made(tmp_path / "n.ipynb")
    monkeypatch.setattr(nb, "ROOT", tmp_path)
    monkeypatch.setattr(papermill, "execute_notebook", lambda source, draft, **_: shutil.copyfile(source, draft))
    before = nb.run(source, tmp_path / "runs" / "n.ipynb", {}).read_bytes()

    def full(notebook, path):
        Path(path).write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(nbformat, "write", full)
    with pytest.raises(WriteError, match=r"runs/n\.ipynb' cannot be written: No space left"):
        nb.run(source, tmp_path / "runs" / "n.ipynb", {})
    assert {p.name: p.read_bytes() for p in (tmp_path / "runs").iterdir()} == {"n.ipynb": before}


def test_nothing_is_emptied_for_a_notebook_that_is_not_there(tmp_path):
    """Nor for one that is no notebook, or has half a picture."""
    a, b, c = (tmp_path / f"{name}.ipynb" for name in "abc")
    nbformat.write(nbformat.v4.new_notebook(), a)
    publish.render(tmp_path / "out", (a,))
    before = (tmp_path / "out" / "a.ipynb").read_bytes()
    picture = base64.b64encode(encode_png(np.zeros((9, 9, 3), np.uint8))[:40]).decode()
    half = nbformat.v4.new_output("display_data", {"image/png": picture})
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1", id="x", outputs=[half])]), b)
    c.write_text("no notebook")
    for other, error in ((tmp_path / "none.ipynb", MissingError), (b, DataError), (c, DataError)):
        with pytest.raises(error, match=rf"{other.stem}\.ipynb"):
            publish.render(tmp_path / "out", (a, other))
        assert (tmp_path / "out" / "a.ipynb").read_bytes() == before


@pytest.mark.parametrize("work", [detector._launch, train._launch, distributed.launch], ids=lambda w: w.__module__)
def test_no_room_for_what_processes_share(monkeypatch, work):
    def full(*arguments, **settings):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    monkeypatch.setattr(detector, "save", None)
    arguments = {
        "semdf.evaluation.detector": (_faults.Blind(), Path("m.parquet"), pd.DataFrame(), 1, 2),
        "semdf.training.train": (None, None, None, None),
        "semdf.training.distributed": (print, 2),
    }
    with pytest.raises(WriteError, match="temporary folder' cannot be written: No space left"):
        work(*arguments[work.__module__])


class Full:
    """A file on a disk that has room for so many bytes; of a write that does not fit, half is written."""

    def __init__(self, file, room: int) -> None:
        self.file = file
        self.room = room

    def write(self, data: bytes) -> int:
        if len(data) > self.room:
            self.file.write(bytes(data)[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room -= len(data)
        return self.file.write(data)

    def __getattr__(self, name):
        return getattr(self.file, name)


@pytest.mark.parametrize("room", [0, 400, 600, 1500, 2100, 2500])
def test_half_a_piece_is_cut_off_the_journal(tmp_path, room):
    writer = PartWriter(tmp_path)
    writer.put("one", {"a.png": b"1" * 900}, [{"n": 1}])
    before = writer.path.stat().st_size
    writer._tar.fileobj = Full(writer._file, room)
    with pytest.raises(WriteError, match="cannot be written: No space left"):
        writer.put("two", {"a.png": b"2" * 900}, [{"n": 2}])
    writer.close()
    assert writer.path.stat().st_size == before
    reader = PartReader(tmp_path)
    assert len(reader) == 1 and reader.get("one") == ({"a.png": b"1" * 900}, [{"n": 1}])


def test_a_tar_that_does_not_fit_leaves_the_former_one(tmp_path):
    with ShardWriter(tmp_path / "a.tar") as tar:
        tar.add("x", b"1")
    whole = (tmp_path / "a.tar").read_bytes()
    for room in (0, 600, 1024):  # the header, the member, the mark of the end
        said = pytest.raises(WriteError, match=r"a\.tar' cannot be written: No space left")
        with said, ShardWriter(tmp_path / "a.tar") as tar:
            tar._tar.fileobj = Full(tar._tar.fileobj, room)
            tar.add("x", b"2" * 300)
        assert (tmp_path / "a.tar").read_bytes() == whole and len(list(tmp_path.iterdir())) == 1
