"""An expansion dealt out to shards ends with the bytes and rows of one plain run, whatever happens to a shard."""

import hashlib
import json
import multiprocessing
import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from _media import faceforensics
from click.testing import CliRunner

from semdf import layouts
from semdf.artifacts import digest, write_table
from semdf.cli import main
from semdf.errors import DataError, MissingError, ParameterError
from semdf.extraction.extract import extract
from semdf.faces.finders import Annotated
from semdf.forging import presets
from semdf.forging.expand import EXTRA, expand
from semdf.pipeline import ROOT
from semdf.storage.manifest import join, part_of

TEMPLATE = ROOT / "docs" / "slurm_expand.sbatch"
SETTINGS = {"per_image": 2, "seed": 4}


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """(root, manifest) of twelve real crops of six people, and of forgeries."""
    root = faceforensics(tmp_path_factory.mktemp("data") / "FaceForensics++", frames=2)
    rows = layouts.load("faceforensics++").read(root).assign(split="train")
    rows = rows[rows["manipulation"].isin(["original", "Deepfakes"])].reset_index(drop=True)
    out, finder = root.parent / "faces", Annotated(root.parent / "annotations.npz")
    return out, extract(rows, root, out, finder, frames=2, size=96, alignment="native")


@pytest.fixture(scope="module")
def plain(faces, tmp_path_factory):
    """The folder of a run without shards."""
    out = tmp_path_factory.mktemp("plain")
    write_table(expand(faces[1], faces[0], out, **SETTINGS), out / "manifest.parquet")
    return out


def contents(folder: Path) -> dict[str, str]:
    """Every file by its hash; the shards apart, and the record, which a run without shards does not write."""
    files = [p for p in folder.rglob("*") if p.is_file() and "shard-" not in str(p) and p.name != "expand.json"]
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.mark.parametrize("n", [1, 2, 3, 25])
def test_shards_joined_are_the_whole(faces, plain, tmp_path, n):
    for i in reversed(range(n)):
        made = expand(faces[1], faces[0], tmp_path, shard=(i, n), **SETTINGS)
        assert len(made) == len(range(i, 24, n))  # of 25 shards the last is empty
    manifest = join(tmp_path)
    assert contents(tmp_path) == contents(plain) and len(contents(plain)) == 4
    pd.testing.assert_frame_equal(manifest, pd.read_parquet(plain / "manifest.parquet"))
    written = (tmp_path / "manifest.parquet").stat().st_mtime_ns
    join(tmp_path)
    assert (tmp_path / "manifest.parquet").stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ("preset", "more"),
    [
        ({"name": "sjedd", "pairing": "pose", "source": "fake"}, {"per_image": 4}),  # a region twice
        ({"name": "self_blended"}, {"per_image": 3, "recompress": [60, 90]}),
        ({"name": "sladd", "pairing": "random"}, {"per_image": 1, "recompress": [80, 80]}),
    ],
)
def test_every_way_to_pair_and_to_compress(faces, tmp_path, preset, more):
    settings = more | {"preset": presets.choose(**preset), "seed": 1}
    write_table(expand(faces[1], faces[0], tmp_path / "a", **settings), tmp_path / "a" / "manifest.parquet")
    for i in range(3):
        expand(faces[1], faces[0], tmp_path / "b", shard=(i, 3), workers=1 + (i == 1), **settings)
    join(tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_donors_are_found_in_other_shards(faces, tmp_path):
    parts = [expand(faces[1], faces[0], tmp_path, shard=(i, 6), **SETTINGS) for i in range(6)]
    samples = [set(part["pristine"] + "/" + part["frame"].map("{:04d}".format)) for part in parts]
    assert any(set(part["donor"]) - own for part, own in zip(parts, samples, strict=True))
    assert pd.concat(parts)["sample"].is_unique


def test_without_a_donor_and_in_large_tars(faces, tmp_path, monkeypatch):
    """Rows without a picture, and tars that are followed by another."""
    monkeypatch.setattr("semdf.storage.manifest.LARGEST", 20_000)
    rows = faces[1].assign(split=np.where(faces[1]["target"] == "000", "val", "train"))
    made = expand(rows, faces[0], tmp_path / "a", **SETTINGS)
    write_table(made, tmp_path / "a" / "manifest.parquet")
    assert (made["status"] == "no donor of another person").sum() == 4
    assert {"FaceForensics++/expanded-nose.tar", "FaceForensics++/expanded-nose.1.tar"} < set(contents(tmp_path / "a"))
    for i in range(3):
        expand(rows, faces[0], tmp_path / "b", shard=(i, 3), **SETTINGS)
    join(tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_killed_shard_is_redone_and_the_others_are_not(faces, plain, tmp_path, monkeypatch):
    for i in (0, 2):
        expand(faces[1], faces[0], tmp_path, shard=(i, 3), **SETTINGS)
    if not (child := os.fork()):
        monkeypatch.setattr("semdf.storage.manifest.write_json", lambda *_: os.kill(os.getpid(), 9))
        expand(faces[1], faces[0], tmp_path, shard=(1, 3), **SETTINGS)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -9
    with pytest.raises(MissingError, match="found none for 1"):
        join(tmp_path)
    before = {p: p.stat().st_mtime_ns for i in (0, 2) for p in part_of(tmp_path, (i, 3)).rglob("*")}
    for i in range(3):
        expand(faces[1], faces[0], tmp_path, shard=(i, 3), **SETTINGS)
    assert before == {p: p.stat().st_mtime_ns for p in before}
    join(tmp_path)
    assert contents(tmp_path) == contents(plain)


def test_shards_of_other_crops_or_settings_are_made_again(faces, tmp_path):
    expand(faces[1], faces[0], tmp_path, shard=(0, 2), **SETTINGS)
    expand(faces[1], faces[0], tmp_path, shard=(1, 2), **SETTINGS | {"seed": 5})
    with pytest.raises(DataError, match="must hold the shards of one run"):
        join(tmp_path)
    first = (part_of(tmp_path, (0, 2)) / "expand.json").read_text()
    moved = faces[1].assign(landmarks=[np.asarray(points) + 0.25 for points in faces[1]["landmarks"]])
    expand(moved, faces[0], tmp_path, shard=(0, 2), **SETTINGS)
    assert (part_of(tmp_path, (0, 2)) / "expand.json").read_text() != first
    for wrong in ((2, 2), (-1, 2), (0, 0)):
        with pytest.raises(ParameterError, match="0 <= i < n"):
            expand(faces[1], faces[0], tmp_path, shard=wrong)


def test_forgeries_never_replace_crops(faces, tmp_path):
    """Neither as a shard nor joined: a manifest of crops that is written over is lost."""
    (tmp_path / "shard-0000-of-0001").mkdir()
    for folder in (tmp_path / "shard-0000-of-0001", tmp_path):
        (folder / "extract.json").write_text("{}")
        with pytest.raises(DataError, match=r"must be a folder of its own for what expand\.json records"):
            expand(faces[1], faces[0], tmp_path, shard=(0, 1), **SETTINGS)
            join(tmp_path)
        (folder / "extract.json").unlink()
    join(tmp_path)
    with pytest.raises(ParameterError, match="another folder than that of the crops"):
        expand(faces[1], faces[0], faces[0] / ".", shard=(0, 1), **SETTINGS)


def test_columns_of_any_kind_are_told_apart(faces, tmp_path):
    """A table of one's own may bring more than text and numbers."""
    days = pd.to_datetime(["2020-01-01"] * len(faces[1]))
    tables = [faces[1].assign(day=days, raw=[b"x"] * len(days)), faces[1].assign(day=days, raw=[b"y"] * len(days))]
    records = []
    for table in tables:
        expand(table, faces[0], tmp_path, shard=(0, 2), **SETTINGS)
        records.append(json.loads((part_of(tmp_path, (0, 2)) / "expand.json").read_text())["table"])
    assert records[0] != records[1]


def begin(root: Path, manifest: pd.DataFrame, out: Path) -> None:
    """An expansion by two processes, whose numbers are written down; it never ends by itself."""
    import semdf.forging.expand as module

    plain = module._forged

    def forged(tasks, workers):
        for piece in plain(tasks * 40, workers):
            (out.parent / "children").write_text(
                " ".join(str(child.pid) for child in multiprocessing.active_children())
            )
            yield piece

    module._forged = forged
    expand(manifest, root, out, workers=2, **SETTINGS | {"per_image": 3})


def test_the_processes_of_a_killed_expansion_end(faces, tmp_path):
    process = multiprocessing.get_context("spawn").Process(target=begin, args=(*faces, tmp_path / "out"))
    process.start()
    children = tmp_path / "children"
    while not (children.exists() and len(children.read_text().split()) == 2):
        assert process.is_alive()
        time.sleep(0.05)
    numbers = list(map(int, children.read_text().split()))
    process.kill()
    process.join()
    _, alive = psutil.wait_procs([psutil.Process(n) for n in numbers if psutil.pid_exists(n)], timeout=60)
    assert not alive


def record_of(part: Path, manifest: pd.DataFrame) -> None:
    path = write_table(manifest, part / "manifest.parquet")
    record = {"table": "t", "shard": [0, 1], "videos": 2, "files": "f", "manifest": digest(path)}
    (part / "expand.json").write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("dataset", "../../evil", "below the root, found '../../evil/"),
        ("manipulation", "../../evil", "below the root, found"),
        ("shard", "../../../x.tar", "below the root, found '../../../x.tar'"),
        ("mask_member", "../../nobody.png", "nobody.png"),
        ("mask_member", None, "'mask_member' must be text"),
        ("member", "", "must have shard and member, or neither"),
    ],
)
def test_a_shard_of_a_stranger_reaches_nothing_outside(faces, tmp_path, column, value, said):
    out = tmp_path / "deep" / "out"
    made = expand(faces[1], faces[0], out, shard=(0, 1), **SETTINGS)
    record_of(part_of(out, (0, 1)), made.assign(**{column: value}))
    with pytest.raises((DataError, MissingError), match=said.replace(".", r"\.")):
        join(out)
    assert not list(out.glob("*.tar")) and {p.name for p in tmp_path.iterdir()} == {"deep"}


def test_a_link_in_a_shard_leads_nowhere(faces, tmp_path):
    made = expand(faces[1], faces[0], tmp_path / "out", shard=(0, 1), **SETTINGS)
    tar = part_of(tmp_path / "out", (0, 1)) / made["shard"].iloc[0]
    tar.rename(tmp_path / "other.tar")
    tar.symlink_to(tmp_path / "other.tar")
    with pytest.raises(DataError, match="leads outside"):
        join(tmp_path / "out")


def test_the_template_for_slurm_gives_each_task_its_shard(tmp_path):
    (tmp_path / "semdf").write_text('#!/bin/bash\nprintf "%s\\n" "$@"\n')
    (tmp_path / "semdf").chmod(0o755)

    def call(*words, **variables):
        own = {"PATH": f"{tmp_path}:{os.environ['PATH']}"} | variables
        return subprocess.run(["bash", TEMPLATE, *words], env=own, capture_output=True, text=True)

    done = call("/a b", "/out", "3", "--per-image", "2", SHARDS="20", SLURM_ARRAY_TASK_ID="7", SLURM_CPUS_PER_TASK="4")
    assert done.stdout.splitlines() == [
        *("expand", "/a b", "/out", "--seed", "3", "--workers", "4", "--shard", "7/20", "--per-image", "2")
    ]
    for words, variables, said in (
        (["a", "b"], {}, "usage"),
        (["a", "b", "0"], {}, "SHARDS"),
        (["a", "b", "0"], {"SHARDS": "2"}, "sbatch --array"),
    ):
        done = call(*words, **variables)
        assert done.returncode != 0 and said in done.stderr and not done.stdout


def test_the_command(faces, plain, tmp_path):
    def call(*words):
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    settings = ["--seed", 4, "--per-image", 2, "--workers", 1]
    for i in range(2):
        said = call("expand", faces[0], tmp_path, "--shard", f"{i}/2", *settings)
        assert said.exit_code == 0 and f"12 forgeries, {part_of(tmp_path, (i, 2))}/manifest.parquet" in said.output
        assert not (tmp_path / "manifest.parquet").exists()
    assert "24 pictures" in call("join", tmp_path).output and contents(tmp_path) == contents(plain)
    assert list(pd.read_parquet(tmp_path / "manifest.parquet"))[-3:] == list(EXTRA)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").touch()
    for where in (tmp_path / "pictures", tmp_path / "nowhere"):
        said = call("expand", where, tmp_path / "more", "--shard", "0/2", *settings)
        assert said.exit_code == 1 and "must have the manifest of `semdf extract`" in said.output
    assert "must be I/N" in call("expand", faces[0], tmp_path, "--shard", "2/2", *settings).output


def test_the_file_of_a_manifest_gives_what_its_table_gives(faces, plain, tmp_path):
    """The file is what `semdf expand` hands over: then landmarks are read when they are asked for."""
    path = write_table(faces[1], tmp_path / "faces" / "manifest.parquet")
    write_table(expand(path, faces[0], tmp_path / "whole", **SETTINGS), tmp_path / "whole" / "manifest.parquet")
    assert contents(tmp_path / "whole") == contents(plain)
    given = {"table": faces[1], "file": path}
    tables = [expand(rows, faces[0], tmp_path / name, shard=(1, 2), **SETTINGS) for name, rows in given.items()]
    pd.testing.assert_frame_equal(*tables)
    records = [(part_of(tmp_path / name, (1, 2)) / "expand.json").read_text() for name in given]
    assert records[0] == records[1]
    with pytest.raises(MissingError, match="table must be at .*none.parquet"):
        expand(tmp_path / "none.parquet", faces[0], tmp_path / "none")
    write_table(faces[1].assign(landmarks=[[0.0, 0.0]] * len(faces[1])), path)
    with pytest.raises(DataError, match="must have 5, 68 or 189 landmarks, found 1"):
        expand(path, faces[0], tmp_path / "none")
