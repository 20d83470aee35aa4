"""Shards on a cluster of two worker processes, one of which is killed."""

import builtins
import collections
import hashlib
import os
import signal

import numpy as np
import pandas as pd
import pytest
from _media import Deadly, draw, landmarks

from semdf.artifacts import write_table
from semdf.errors import MissingError, ParameterError
from semdf.extraction.extract import extract
from semdf.faces.finders import Face
from semdf.forging import presets
from semdf.forging.expand import expand
from semdf.pipeline import cluster
from semdf.storage.tars import encode_png


class Told(Deadly):
    """Writes down every video that it sees."""

    def find(self, frames, key, indices):
        with self.mark.with_name("seen").open("a") as file:
            file.write(f"{key}\n")
        return super().find(frames, key, indices)


@pytest.fixture
def pictures(tmp_path):
    """(root, rows) of eleven pictures."""
    for number in range(11):
        (tmp_path / f"{number}.png").write_bytes(encode_png(draw(landmarks(), 128, number)))
    rows = pd.DataFrame({"dataset": "d", "manipulation": ["ab"[number % 2] for number in range(11)]})
    rows["video"] = [f"d/{number}" for number in range(11)]
    rows["path"] = [f"{number}.png" for number in range(11)]
    return tmp_path, rows.assign(label="real", split="")


def contents(folder):
    records = ("extract.json", "expand.json")
    files = [p for p in folder.rglob("*") if p.is_file() and "shard-" not in str(p) and p.name not in records]
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_a_killed_worker_s_shard_is_redone_and_nothing_twice(pictures, tmp_path):
    distributed = pytest.importorskip("distributed", reason="the extra semdf[cluster] is not installed")
    root, rows = pictures
    key = "8"
    finder = Told(key, tmp_path / "mark")
    local = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with local, distributed.Client(local) as client:
        manifest = cluster.run_shards(rows, root, tmp_path / "out", finder, 3, client=client, frames=1, size=48)
    seen = collections.Counter((tmp_path / "seen").read_text().split())
    assert (tmp_path / "mark").exists() and seen == {str(n): 2 if str(n) == key else 1 for n in range(11)}
    plain = extract(rows, root, tmp_path / "plain", finder, frames=1, size=48)
    pd.testing.assert_frame_equal(manifest, plain)
    assert contents(tmp_path / "out") == contents(tmp_path / "plain")


class Drawn:
    """Finds the drawn face where it was drawn."""

    def fingerprint(self):
        return "drawn"

    def find(self, frames, key, indices):
        points = landmarks()
        return [Face(np.concatenate([points.min(0), points.max(0)]), points) for _ in frames]


class DeadlyParser:
    """Takes the middle of every crop for a mouth, and kills its process once, when it is asked for the second time."""

    def __init__(self, mark):
        self.mark = mark

    def fingerprint(self):
        return "deadly"

    def parse(self, images):
        with self.mark.with_name("begun").open("a") as file:
            file.write(f"{os.getpid()}\n")
        if len(self.mark.with_name("begun").read_text().split()) == 2 and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        maps = np.ones((len(images), *images[0].shape[:2]), np.uint8)
        maps[:, 40:60, 30:66] |= 48
        return list(maps)


def test_a_killed_worker_s_forgeries_are_redone_and_nothing_twice(pictures, tmp_path):
    distributed = pytest.importorskip("distributed", reason="the extra semdf[cluster] is not installed")
    root, rows = pictures
    rows = rows.assign(split="train", target=rows["path"], source="", pristine="", compression="")
    faces = extract(rows, root, tmp_path / "faces", Drawn(), frames=1, size=96, alignment="native")
    settings = {"preset": presets.choose("sjedd", mask="regions", regions=["mouth"]), "seed": 2}
    settings["parser"] = DeadlyParser(tmp_path / "mark")
    local = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with local, distributed.Client(local) as client:
        manifest = cluster.expand_shards(faces, tmp_path / "faces", tmp_path / "out", 3, client=client, **settings)
    begun = (tmp_path / "begun").read_text().split()
    assert (tmp_path / "mark").exists() and len(begun) == 4  # three shards, one of them twice
    plain = expand(faces, tmp_path / "faces", tmp_path / "plain", **settings)
    write_table(plain, tmp_path / "plain" / "manifest.parquet")
    assert len(manifest) == 11 and manifest["sample"].is_unique and (manifest["status"] == "ok").all()
    assert contents(tmp_path / "out") == contents(tmp_path / "plain")


def test_what_is_missing_or_wrong_is_said(pictures, tmp_path, monkeypatch):
    root, rows = pictures
    plain = builtins.__import__

    def without(name, *rest):
        if name == "distributed":
            raise ImportError(name)
        return plain(name, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(builtins, "__import__", without)
        with pytest.raises(MissingError, match=r"semdf\[cluster\]"):
            cluster.run_shards(rows, root, tmp_path / "out", Deadly("", tmp_path / "mark"), 2)
    pytest.importorskip("distributed", reason="the extra semdf[cluster] is not installed")
    with pytest.raises(ParameterError, match="shards must be at least 1, found 0"):
        cluster.run_shards(rows, root, tmp_path / "out", Deadly("", tmp_path / "mark"), 0)
