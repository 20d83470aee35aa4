"""Extraction: evenly spread frames, stable bytes, resumable, and a row with a status for every video."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from _media import counting, faceforensics, write_video

from semdf import layouts
from semdf.errors import DataError, MissingError, ParameterError
from semdf.extract import COLUMNS, extract
from semdf.faces import Annotated, Whole
from semdf.shards import ShardReader, ShardWriter, decode_png, encode_png, read_image
from semdf.video import read_frames, spread

SETTINGS = {"frames": 3, "size": 96, "alignment": "native", "margin": 1.3}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return faceforensics(tmp_path_factory.mktemp("data") / "FaceForensics++")


def run(tree, out, rows=None, **changes):
    rows = layouts.load("faceforensics++").read(tree) if rows is None else rows
    return extract(rows, tree, out, Annotated(tree.parent / "annotations.npz"), **SETTINGS | changes)


def digests(out):
    return {
        p.relative_to(out).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(out.rglob("*.tar"))
    }


@pytest.mark.parametrize(("total", "count"), [(300, 32), (33, 32), (32, 32), (5, 32), (1, 1), (7, 3), (0, 4)])
def test_frames_are_spread_over_the_whole_video(total, count):
    found = spread(total, count)
    assert len(found) == min(total, count) == len(set(found))
    assert found == sorted(found) and all(0 <= i < total for i in found)
    steps = np.diff(found)
    assert not len(steps) or steps.max() - steps.min() <= 1
    assert not found or (found[0] <= total / count and total - 1 - found[-1] <= total / count)


def test_read_frames_gives_the_frames_it_names(tmp_path):
    sample = read_frames(write_video(tmp_path / "a.mp4", counting(50)), 5)
    assert sample.indices == [5, 15, 25, 35, 45] and sample.total == 50 and not sample.problem
    assert [round((image.mean() - 16) / 4) for image in sample.images] == sample.indices


def test_unreadable_files(tmp_path):
    whole = write_video(tmp_path / "a.mp4", counting(50)).read_bytes()
    cases = {
        "empty.mp4": b"", "cut.mp4": whole[:900], "text.mp4": b"no video at all", "text.jpg": b"no picture",
        "cut.png": encode_png(np.arange(3000, dtype=np.uint8).reshape(25, 40, 3))[:-40], "none": b"\0" * 100,
    }  # fmt: skip
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=name):
            read_frames(tmp_path / name, 3)
    write_video(tmp_path / "sound.mp4", [], audio=True)
    with pytest.raises(DataError, match="sound.mp4: expected a video stream"):
        read_frames(tmp_path / "sound.mp4", 3)
    with pytest.raises(MissingError, match="gone.mp4"):
        read_frames(tmp_path / "gone.mp4", 3)


def test_a_video_that_breaks_off_keeps_what_can_be_read(tmp_path, random):
    """The table comes first in these files, so that the frames before the cut are readable."""
    noise = [random.integers(0, 255, (64, 64, 3), dtype=np.uint8) for _ in range(40)]
    path = write_video(tmp_path / "a.mp4", noise)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    sample = read_frames(path, 8)
    assert sample.total == 40 and 2 <= len(sample.images) <= 6
    assert sample.indices == spread(40, 8)[: len(sample.indices)] and sample.problem

    rows = pd.DataFrame([{"dataset": "d", "manipulation": "m", "video": "d/m/a", "path": "a.mp4", "label": "real"}])
    manifest = extract(rows, tmp_path, tmp_path / "out", Whole(), frames=8, size=32)
    assert manifest["status"].tolist()[:-1] == ["ok"] * len(sample.images)
    assert manifest["status"].iloc[-1].startswith("incomplete video: ") and manifest["frame"].iloc[-1] == -1


def test_pictures_are_videos_of_one_frame(tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    (tmp_path / "a.png").write_bytes(encode_png(image))
    sample = read_frames(tmp_path / "a.png", 32)
    assert sample.indices == [0] and (sample.images[0] == image).all()


def test_the_manifest_names_every_video(tree, tmp_path):
    manifest = run(tree, tmp_path / "faces")
    rows = layouts.load("faceforensics++").read(tree)
    assert set(manifest["video"]) == set(rows["video"]) and (manifest["status"] == "ok").all()
    assert len(manifest) == 3 * len(rows) and manifest["sample"].is_unique
    assert set(COLUMNS) < set(manifest.columns) and set(rows.columns) <= set(manifest.columns)
    row = manifest.iloc[0]
    image = read_image(tmp_path / "faces", row["shard"], row["member"])
    regions = read_image(tmp_path / "faces", row["shard"], row["regions_member"])
    assert image.shape == (96, 96, 3) and regions.shape == (96, 96) and len(row["landmarks"]) == 136
    assert not list(tmp_path.glob("faces.parts"))


def test_a_fake_and_its_pristine_video_share_frames(tree, tmp_path):
    manifest = run(tree, tmp_path / "faces")
    known = set(zip(manifest["video"], manifest["frame"], strict=True))
    fakes = manifest[manifest["pristine"] != ""]
    assert len(fakes) and all(pair in known for pair in zip(fakes["pristine"], fakes["frame"], strict=True))


def test_bytes_do_not_depend_on_workers_or_interruptions(tree, tmp_path, monkeypatch):
    one = run(tree, tmp_path / "one")
    two = run(tree, tmp_path / "two", workers=2)
    assert digests(tmp_path / "one") == digests(tmp_path / "two") and one.equals(two)

    import semdf.extract as module

    calls = []

    def failing(path, count):
        calls.append(path)
        if len(calls) == 11:
            raise KeyboardInterrupt
        return read_frames(path, count)

    monkeypatch.setattr(module, "read_frames", failing)
    with pytest.raises(KeyboardInterrupt):
        run(tree, tmp_path / "three")
    assert not (tmp_path / "three").exists()
    three = run(tree, tmp_path / "three")
    assert len(calls) == 11 + 30 - 10  # ten videos were finished and not read again
    assert digests(tmp_path / "one") == digests(tmp_path / "three") and one.equals(three)


def test_other_settings_void_unfinished_work(tree, tmp_path, monkeypatch):
    import semdf.extract as module

    monkeypatch.setattr(module, "_assemble", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(tree, tmp_path / "faces")
    monkeypatch.undo()
    manifest = run(tree, tmp_path / "faces", frames=2)
    assert manifest.groupby("video").size().eq(2).all()


def test_a_status_for_each_way_to_fail(tree, tmp_path):
    rows = layouts.load("faceforensics++").read(tree).head(5)
    bad = tmp_path / "bad"
    for number, path in enumerate(rows["path"]):
        (bad / path).parent.mkdir(parents=True, exist_ok=True)
        content = (tree / path).read_bytes()
        (bad / path).write_bytes([content, b"", content[:500], b"text", content][number])
    (bad / rows["path"].iloc[0]).unlink()
    write_video(bad / rows["path"].iloc[3], [], audio=True)
    np.savez(tmp_path / "nobody.npz")
    manifest = extract(rows, bad, tmp_path / "out", Annotated(tmp_path / "nobody.npz"), **SETTINGS)
    assert set(manifest["video"]) == set(rows["video"])
    status = manifest.groupby("video", sort=False)["status"].first().tolist()
    assert status[0] == "missing file" and status[4] == "no face"
    assert all(s.startswith("unreadable video: ") for s in status[1:4])
    assert manifest["frame"].tolist() == [-1, -1, -1, -1, 1, 3, 5]
    assert (manifest["member"] == "").all() and (manifest["shard"] == "").all()


def test_senseless_settings_are_refused(tree, tmp_path):
    for changes in ({"frames": 0}, {"size": 0}, {"alignment": "none"}, {"workers": 0}):
        with pytest.raises(ParameterError):
            run(tree, tmp_path / "faces", **changes)


def test_whole_frames_need_no_annotations(tree, tmp_path):
    rows = layouts.load("faceforensics++").read(tree).head(2)
    manifest = extract(rows, tree, tmp_path / "out", Whole(), frames=1, size=64)
    assert (manifest["status"] == "ok").all() and manifest["landmarks"].map(len).eq(10).all()


def test_shards_are_read_in_any_order(tmp_path, random):
    images = {f"v/{i:04d}.png": random.integers(0, 255, (9, 7, 3), dtype=np.uint8) for i in range(5)}
    for name in ("a.tar", "b.tar"):
        with ShardWriter(tmp_path / name) as writer:
            for member, image in images.items():
                writer.add(member, encode_png(image))
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    reader = ShardReader(tmp_path / "a.tar")
    assert reader.members == tuple(images) and len(reader) == 5 and "v/0003.png" in reader
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
    with pytest.raises(DataError, match="PNG"):
        decode_png(b"nothing")
