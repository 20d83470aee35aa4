"""Extraction that is interrupted anywhere, or dealt out to shards, ends with the bytes and rows of one plain run."""

import hashlib
import os
import shutil
import signal

import numpy as np
import pandas as pd
import pytest
from _media import Deadly, draw, landmarks, write_video

from semdf.artifacts import write_table
from semdf.errors import DataError, MissingError
from semdf.extraction import extract as module
from semdf.extraction.extract import extract, join
from semdf.faces.finders import Whole
from semdf.storage import journal
from semdf.storage import manifest as manifests
from semdf.storage.journal import PartReader, PartWriter, claim
from semdf.storage.manifest import part_of
from semdf.storage.tars import ShardReader, ShardWriter, decode_image, encode_image, encode_png, read_image

SETTINGS = {"frames": 3, "size": 48}


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """Eleven files of two manipulations, in turn; one is broken. (root, rows)"""
    root = tmp_path_factory.mktemp("files")
    rows = []
    for number in range(11):
        name = f"{number}.{'png' if number % 3 else 'mp4'}"
        if number % 3:
            (root / name).write_bytes(encode_png(draw(landmarks(), 128, number)))
        else:
            write_video(root / name, [draw(landmarks(), 128, number + k) for k in range(4)])
        kind = "ab"[number % 2]
        row = {"dataset": "d", "manipulation": kind, "video": f"d/{kind}/{number}", "path": name}
        rows.append({**row, "label": "real", "split": ""})
    (root / "7.png").write_text("broken")
    return root, pd.DataFrame(rows)


@pytest.fixture(scope="module")
def plain(plan, tmp_path_factory):
    """What one run makes that nothing disturbs."""
    out = tmp_path_factory.mktemp("plain") / "faces"
    extract(plan[1], plan[0], out, Whole(), **SETTINGS)
    return out


def contents(out):
    """Every file but the record, which names the shards, by its hash."""
    files = [p for p in sorted(out.rglob("*")) if p.is_file() and "shard-" not in str(p) and p.name != "extract.json"]
    return {p.relative_to(out).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def halfway(event, rmtree):
    """`rmtree` with an event when one file is gone."""

    def wrapped(path, **options):
        for file in list(path.glob("*.tar"))[:1]:
            file.unlink()
        event()
        rmtree(path, **options)

    return wrapped


def killed(at, work):
    """Run `work` in a process of its own that kills itself, without warning, at the event of number `at`.

    Returns whether it was killed. Events: before, amid and after each write to the journal, each renaming and the
    removal of scratch.
    """
    child = os.fork()
    if child:
        status = os.waitpid(child, 0)[1]
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
        return os.WIFSIGNALED(status)
    count = [0]

    def event():
        count[0] += 1
        if count[0] == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(function):
        def wrapped(*args, **kwargs):
            event()
            result = function(*args, **kwargs)
            event()
            return result

        return wrapped

    def put(self, key, members, rows, whole=PartWriter.put):
        event()
        before = self.path.stat().st_size
        whole(self, key, members, rows)
        if count[0] + 1 == at:  # half of it is on disk
            os.truncate(self.path, (before + self.path.stat().st_size) // 2)
        event()
        event()

    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        journal.PartWriter.put = put
        os.replace = around(os.replace)
        shutil.rmtree = around(halfway(event, shutil.rmtree))
        work()
        os._exit(0)
    except BaseException:
        os._exit(1)


def test_killed_anywhere_and_started_again(plan, plain, tmp_path):
    """Points all over the run, from a seed; each run is killed again and again until it gets through."""
    random = np.random.default_rng(0)
    points = [1, 3, *random.integers(4, 34, 2).tolist(), *random.choice(np.arange(34, 45), 6, replace=False).tolist()]
    for first in points:
        out = tmp_path / str(first)
        for at in (first, random.integers(2, 30), None):
            died = killed(at, lambda out=out: extract(plan[1], plan[0], out, Whole(), **SETTINGS))
            assert died or at != first, f"event {first} does not come"
        assert not died and contents(out) == contents(plain)
        assert not list(tmp_path.glob("*.parts")) and len(read_rows(out)) == len(read_rows(plain))


def read_rows(out):
    return pd.read_parquet(out / "manifest.parquet")


def test_finished_videos_are_not_read_again(plan, plain, tmp_path, monkeypatch):
    calls = []

    def cut(row, *rest, whole=module.cut):
        calls.append(row["path"])
        if len(calls) == 6:
            raise KeyboardInterrupt
        return whole(row, *rest)

    monkeypatch.setattr(module, "cut", cut)
    with pytest.raises(KeyboardInterrupt):
        extract(plan[1], plan[0], tmp_path / "out", Whole(), **SETTINGS)
    assert not (tmp_path / "out").exists() and len(list((tmp_path / "out.parts").iterdir())) == 1
    extract(plan[1], plan[0], tmp_path / "out", Whole(), **SETTINGS)
    assert len(calls) == 12 and calls[5] == calls[6] and set(calls) == set(plan[1]["path"])
    assert contents(tmp_path / "out") == contents(plain)
    extract(plan[1], plan[0], tmp_path / "out", Whole(), **SETTINGS)  # complete: nothing to do
    assert len(calls) == 12
    extract(plan[1], plan[0], tmp_path / "out", Whole(), frames=2, size=48)
    assert len(calls) == 23
    two = read_rows(tmp_path / "out")
    write_table(pd.concat([two, two]), tmp_path / "out" / "manifest.parquet")  # as who joins several data sets
    assert len(extract(plan[1], plan[0], tmp_path / "out", Whole(), frames=2, size=48)) == len(two)


def test_unfinished_work_of_other_settings_is_void(plan, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "assemble", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        extract(plan[1], plan[0], tmp_path / "out", Whole(), **SETTINGS)
    monkeypatch.undo()
    manifest = extract(plan[1], plan[0], tmp_path / "out", Whole(), frames=1, size=48)
    assert manifest.groupby("video").size().eq(1).all()


def test_a_changed_file_is_done_again(plan, tmp_path):
    root = tmp_path / "files"
    shutil.copytree(plan[0], root)
    before = extract(plan[1], root, tmp_path / "out", Whole(), **SETTINGS)
    (root / "7.png").write_bytes(encode_png(draw(landmarks(), 128, 7)))
    after = extract(plan[1], root, tmp_path / "out", Whole(), **SETTINGS)
    assert (before["status"] != "ok").sum() == 1 and (after["status"] == "ok").all()


def test_a_killed_process_of_the_pool_is_an_error_and_the_next_run_goes_on(plan, tmp_path):
    finder = Deadly("8", tmp_path / "mark")
    with pytest.raises(DataError, match="found one killed"):
        extract(plan[1], plan[0], tmp_path / "out", finder, workers=2, **SETTINGS)
    assert (tmp_path / "mark").exists()
    two = extract(plan[1], plan[0], tmp_path / "out", finder, workers=2, **SETTINGS)
    extract(plan[1], plan[0], tmp_path / "one", finder, **SETTINGS)
    assert contents(tmp_path / "out") == contents(tmp_path / "one")
    assert two["video"].drop_duplicates().tolist() == plan[1]["video"].tolist()


@pytest.mark.parametrize("n", [1, 2, 3, 13])
def test_shards_joined_are_the_whole(plan, plain, tmp_path, n):
    out = tmp_path / "faces"
    for i in reversed(range(n)):
        shard = extract(plan[1], plan[0], out, Whole(), shard=(i, n), **SETTINGS)
        assert shard["video"].drop_duplicates().tolist() == plan[1]["video"].tolist()[i::n]
    manifest = join(out)
    assert contents(out) == contents(plain)
    pd.testing.assert_frame_equal(manifest, pd.read_parquet(plain / "manifest.parquet"))
    before = (out / "manifest.parquet").stat().st_mtime_ns
    join(out)
    assert (out / "manifest.parquet").stat().st_mtime_ns == before


def test_a_shard_that_was_killed_is_done_again_and_the_others_are_not(plan, plain, tmp_path):
    out = tmp_path / "faces"
    with pytest.raises(MissingError, match="finished shards"):
        join(out)
    for i in (0, 2):
        extract(plan[1], plan[0], out, Whole(), shard=(i, 3), **SETTINGS)
    assert killed(9, lambda: extract(plan[1], plan[0], out, Whole(), shard=(1, 3), **SETTINGS))
    with pytest.raises(MissingError, match="found none for 1"):
        join(out)
    times = {p: p.stat().st_mtime_ns for i in (0, 2) for p in part_of(out, (i, 3)).rglob("*")}
    for i in range(3):
        extract(plan[1], plan[0], out, Whole(), shard=(i, 3), **SETTINGS)
    assert times == {p: p.stat().st_mtime_ns for p in times}
    join(out)
    assert contents(out) == contents(plain)
    extract(plan[1], plan[0], out, Whole(), shard=(0, 2), **SETTINGS)
    with pytest.raises(DataError, match="one run"):
        join(out)


def test_large_tars_are_followed_by_another(plan, plain, tmp_path, monkeypatch):
    monkeypatch.setattr(manifests, "LARGEST", 9000)
    manifest = extract(plan[1], plan[0], tmp_path / "out", Whole(), **SETTINGS)
    tars = set(contents(tmp_path / "out")) - {"manifest.parquet", "crop.json"}
    assert {"d/a.tar", "d/a.1.tar", "d/b.tar"} <= tars and set(manifest["shard"]) == tars | {""}
    for one, two in zip(manifest.itertuples(), read_rows(plain).itertuples(), strict=True):
        assert one.sample == two.sample
        if one.member:
            pixels = read_image(tmp_path / "out", one.shard, one.member)
            np.testing.assert_array_equal(pixels, read_image(plain, two.shard, two.member))


def test_one_process_at_a_time(plan, tmp_path):
    with claim(tmp_path / "out.parts"), pytest.raises(DataError, match="no other process"):
        extract(plan[1], plan[0], tmp_path / "out", Whole(), **SETTINGS)
    extract(plan[1], plan[0], tmp_path / "out", Whole(), **SETTINGS)


def test_a_journal_that_was_cut_off_anywhere_keeps_its_whole_pieces(tmp_path, random):
    writer = PartWriter(tmp_path)
    ends = []
    for number in range(4):
        writer.put(f"k{number}", {"a/b.png": random.bytes(700)}, [{"n": number}])
        ends.append(writer.path.stat().st_size)
    data = writer.path.read_bytes()
    for length in [*random.integers(0, len(data), 60), *ends, 0, len(data)]:
        writer.path.write_bytes(data[:length])
        reader = PartReader(tmp_path)
        # the padding after the last piece's rows may be missing
        whole = sum(length >= end for end in ends)
        assert whole <= len(reader) <= whole + 1 and all(f"k{i}" in reader for i in range(len(reader)))
        for i in range(len(reader)):
            members, rows = reader.get(f"k{i}")
            assert len(members["a/b.png"]) == 700 and rows == [{"n": i}]
        reader.close()


def test_shards_are_read_in_any_order(tmp_path, random):
    images = {f"v/{i:04d}.png": random.integers(0, 255, (9, 7, 3), dtype=np.uint8) for i in range(5)}
    images["l" * 120 + "/ä.png"] = random.integers(0, 255, (5, 4), dtype=np.uint8)
    for name in ("a.tar", "b.tar"):
        with ShardWriter(tmp_path / name) as writer:
            for member, image in images.items():
                writer.add(member, encode_image(image))
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    reader = ShardReader(tmp_path / "a.tar")
    assert reader.members == tuple(images) and len(reader) == 6 and "v/0003.png" in reader
    for member in reversed(images):
        np.testing.assert_array_equal(reader.image(member), images[member])
        np.testing.assert_array_equal(read_image(tmp_path, "a.tar", member), images[member])
    with pytest.raises(MissingError, match="nobody"):
        reader.read("nobody.png")


def test_a_shard_appears_only_when_complete(tmp_path):
    with pytest.raises(RuntimeError), ShardWriter(tmp_path / "a.tar") as writer:
        writer.add("x", b"1")
        raise RuntimeError
    assert not list(tmp_path.iterdir())
    (tmp_path / "b.tar").write_bytes(b"no tar at all" * 100)
    with pytest.raises(DataError, match="b.tar"):
        ShardReader(tmp_path / "b.tar")
    with pytest.raises(MissingError, match="c.tar"):
        read_image(tmp_path, "c.tar", "x")
    for data in (b"nothing", b""):
        with pytest.raises(DataError, match="PNG"):
            decode_image(data)
