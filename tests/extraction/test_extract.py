"""Extraction: a row with a status for every video and picture, crops where the rows say they are."""

import numpy as np
import pandas as pd
import pytest
from _media import draw, faceforensics, landmarks, moving, write_video

from semdf import layouts
from semdf.artifacts import read_json
from semdf.errors import DataError, ParameterError
from semdf.extraction.extract import COLUMNS, extract, join
from semdf.extraction.video import Limits, read_frames
from semdf.faces.crops import NATIVE_SPAN, rescale
from semdf.faces.finders import Annotated, Face, Whole, crop
from semdf.faces.landmarks import span
from semdf.layouts.rows import COLUMNS as LAYOUT_COLUMNS
from semdf.storage.tars import encode_image, encode_png, read_image, read_member

SETTINGS = {"frames": 3, "size": 96, "alignment": "native", "margin": 1.3}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return faceforensics(tmp_path_factory.mktemp("data") / "FaceForensics++")


def run(tree, out, rows=None, **changes):
    rows = layouts.load("faceforensics++").read(tree) if rows is None else rows
    return extract(rows, tree, out, Annotated(tree.parent / "annotations.npz"), **SETTINGS | changes)


def test_the_manifest_names_every_video(tree, tmp_path):
    manifest = run(tree, tmp_path / "faces")
    rows = layouts.load("faceforensics++").read(tree)
    assert set(manifest["video"]) == set(rows["video"]) and (manifest["status"] == "ok").all()
    assert len(manifest) == 3 * len(rows) and manifest["sample"].is_unique
    assert set(COLUMNS) < set(manifest.columns) and set(rows.columns) <= set(manifest.columns)
    row = manifest.iloc[0]
    assert row["box"][0] < row["box"][2] and row["box"][1] < row["box"][3] and max(row["box"]) < 128
    image = read_image(tmp_path / "faces", row["shard"], row["member"])
    regions = read_image(tmp_path / "faces", row["shard"], row["regions_member"])
    assert image.shape == (96, 96, 3) and regions.shape == (96, 96) and len(row["landmarks"]) == 136
    assert not list(tmp_path.glob("faces.parts"))


def test_a_fake_and_its_pristine_video_share_frames(tree, tmp_path):
    manifest = run(tree, tmp_path / "faces")
    known = set(zip(manifest["video"], manifest["frame"], strict=True))
    fakes = manifest[manifest["pristine"] != ""]
    assert len(fakes) and all(pair in known for pair in zip(fakes["pristine"], fakes["frame"], strict=True))


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


def table(**paths):
    """Rows for files, by the last part of the video key."""
    same = dict.fromkeys(LAYOUT_COLUMNS, "") | {"dataset": "d", "manipulation": "m", "label": "real"}
    return pd.DataFrame([same | {"video": f"d/m/{name}", "path": str(path)} for name, path in paths.items()])


def test_every_kind_of_file_has_its_row(tmp_path, random):
    """Whatever lies in a folder: crops, or one row that says why not."""
    frames = [draw(landmarks((64, 62), 78), 128, k) for k in range(4)]
    write_video(tmp_path / "turned.mp4", frames, turned=90)
    write_video(tmp_path / "uneven.mp4", frames, times=[0, 30, 500, 520])
    quiet = {"x265-params": "log-level=none"}
    write_video(tmp_path / "deep.mp4", frames, codec="libx265", options=quiet, pixels="yuv420p10le")
    write_video(tmp_path / "sound.mp4", [], audio=True)
    (tmp_path / "cut.mp4").write_bytes((tmp_path / "turned.mp4").read_bytes()[:700])
    (tmp_path / "zero.mp4").touch()
    (tmp_path / "picture.png").write_bytes(encode_png(frames[0]))
    (tmp_path / "photo.jpg").write_bytes(encode_image(frames[0], "jpeg"))
    files = {path.stem: path.name for path in tmp_path.iterdir()} | {"gone": "gone.mp4"}
    manifest = extract(table(**files), tmp_path, tmp_path / "out", Whole(), frames=2, size=64, margin=1)
    status = manifest.groupby("video")["status"].first().rename(lambda key: key.rpartition("/")[2])
    assert set(status.index) == set(files)
    assert {name for name in files if status[name] == "ok"} == {"turned", "uneven", "deep", "picture", "photo"}
    assert status["gone"] == "missing file"
    reasons = {"sound": "must have a video stream", "zero": "empty file", "cut": "must have at least one frame"}
    for name, why in reasons.items():
        assert status[name].startswith("unreadable video: ") and why in status[name]
    made = manifest[manifest["status"] == "ok"]
    sizes = {name: 2 for name in ("turned", "uneven", "deep")} | {name: 1 for name in ("picture", "photo")}
    assert made.groupby("video").size().to_dict() == {f"d/m/{name}": size for name, size in sizes.items()}
    crop = {row.video[4:]: read_image(tmp_path / "out", row.shard, row.member) for row in made.itertuples()}
    assert np.abs(crop["photo"].astype(int) - crop["picture"]).mean() < 5
    assert np.abs(crop["deep"].astype(int) - crop["uneven"]).mean() < 8
    assert np.abs(np.rot90(crop["uneven"], 1).astype(int) - crop["turned"]).mean() < 8


def test_a_video_that_breaks_off_keeps_what_can_be_read(tmp_path, random):
    path = write_video(tmp_path / "a.mp4", moving(40, random))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    manifest = extract(table(a="a.mp4"), tmp_path, tmp_path / "out", Whole(), frames=8, size=32)
    assert 2 <= (manifest["status"] == "ok").sum() < 8
    assert manifest["status"].iloc[-1].startswith("incomplete video: ") and manifest["frame"].iloc[-1] == -1


def test_jpeg_crops_are_smaller_and_look_the_same(tree, tmp_path):
    rows = layouts.load("faceforensics++").read(tree).head(2)
    exact = run(tree, tmp_path / "png", rows)
    for quality, most in ((95, 4), (30, 25)):
        manifest = run(tree, tmp_path / f"jpeg{quality}", rows, format="jpeg", quality=quality)
        assert manifest["member"].str.endswith(".jpg").all() and manifest["regions_member"].str.endswith(".png").all()
        for row, other in zip(manifest.itertuples(), exact.itertuples(), strict=True):
            image = read_image(tmp_path / f"jpeg{quality}", row.shard, row.member).astype(int)
            assert np.abs(image - read_image(tmp_path / "png", other.shard, other.member)).mean() < most
            small = read_member(tmp_path / f"jpeg{quality}", row.shard, row.member)
            large = read_member(tmp_path / "png", other.shard, other.member)
            assert len(small) < len(large)


def test_files_that_are_too_large_have_a_row_and_the_limit_can_be_raised(tmp_path):
    (tmp_path / "a.png").write_bytes(encode_png(np.zeros((50, 60, 3), np.uint8)))
    write_video(tmp_path / "b.mp4", [np.zeros((64, 64, 3), np.uint8)] * 2)
    rows = table(a="a.png", b="b.mp4")
    cases = ((Limits(2999), 0), (Limits(3000), 1), (Limits(4096), 2), (Limits(4096, 100), 0), (None, 2))
    for number, (limits, good) in enumerate(cases):
        status = extract(rows, tmp_path, tmp_path / f"{number}", Whole(), limits=limits, frames=1, size=16)["status"]
        assert (status == "ok").sum() == good
        assert status[status != "ok"].str.contains("the limit set, found [0-9]+", regex=True).all()


@pytest.mark.parametrize("path", ["../secret.png", "/etc/hosts", "a/../../b.png", "..\\b.png"])
def test_a_path_that_leaves_the_root_is_refused(tmp_path, path):
    with pytest.raises(DataError, match="below the root"):
        extract(table(a=path), tmp_path, tmp_path / "out", Whole())
    assert not (tmp_path / "out").exists()


def test_names_that_leave_the_output_and_keys_that_repeat_are_refused(tmp_path):
    rows = table(a="a.png", b="b.png")
    for changes in ({"dataset": ".."}, {"manipulation": "x/y"}, {"manipulation": ""}, {"video": "d/m/../../x"}):
        with pytest.raises(DataError, match="must be names"):
            extract(rows.head(1).assign(**changes), tmp_path, tmp_path / "out", Whole())
    for changes in ({"video": "d/m/a"}, {"video": ["d/m/a", "other/a"]}):  # the second would be stored under one name
        with pytest.raises(DataError, match="unique"):
            extract(rows.assign(**changes), tmp_path, tmp_path / "out", Whole())


class Known:
    """Knows the faces of files that are named by their face's height."""

    def fingerprint(self):
        return "known"

    def find(self, frames, key, indices):
        points = landmarks((160, 150), int(key))
        return [Face(np.concatenate([points.min(0), points.max(0)]), points)]


def test_faces_from_elsewhere_come_to_the_scale_of_native_crops(tmp_path):
    """As `semdf score` cuts them; annotated ones are cut as they are, and the box stays that of the whole frame."""
    for height in (60, 220):
        (tmp_path / f"{height}.png").write_bytes(encode_png(draw(landmarks((160, 150), height), 320)))
    np.savez(tmp_path / "a.npz", **{f"{h}/landmarks": landmarks((160, 150), h)[None] for h in (60, 220)})
    rows = table(small="60.png", large="220.png")
    sizes = {"frames": 1, "size": 112, "alignment": "native"}
    found = extract(rows, tmp_path, tmp_path / "out", Known(), **sizes)
    spans = [span(np.reshape(points, (-1, 2))) for points in found["landmarks"]]
    np.testing.assert_allclose(spans, NATIVE_SPAN * 112, rtol=0.25)
    assert [box[2] - box[0] for box in found["box"]] == pytest.approx([60, 220], abs=2)
    for row in found.itertuples():
        frame = read_frames(tmp_path / row.path, 1).images[0]
        (face,) = Known().find([frame], row.path[:-4], [0])
        scored = crop(*rescale(frame, face, 112), 112, 1.3, "native").image
        np.testing.assert_array_equal(read_image(tmp_path / "out", row.shard, row.member), scored)
    kept = extract(rows, tmp_path, tmp_path / "kept", Annotated(tmp_path / "a.npz"), **sizes)
    spans = [span(np.reshape(points, (-1, 2))) for points in kept["landmarks"]]
    assert spans[1] / spans[0] == pytest.approx(220 / 60, rel=0.01)


def test_crop_json_says_how_the_crops_are_cut(tree, tmp_path):
    rows = layouts.load("faceforensics++").read(tree).head(2)
    made = {"size": 96, "alignment": "native", "margin": 1.3}
    run(tree, tmp_path / "whole", rows)
    assert read_json(tmp_path / "whole" / "crop.json") == made
    (tmp_path / "whole" / "crop.json").unlink()
    run(tree, tmp_path / "whole", rows)  # complete but for this
    assert read_json(tmp_path / "whole" / "crop.json") == made
    run(tree, tmp_path / "whole", rows, size=64)
    assert read_json(tmp_path / "whole" / "crop.json") == made | {"size": 64}
    run(tree, tmp_path / "parts", rows, shard=(0, 2))
    with pytest.raises(DataError, match="as of the other shards"):
        run(tree, tmp_path / "parts", rows, shard=(1, 2), size=64)
    run(tree, tmp_path / "parts", rows, shard=(1, 2))
    join(tmp_path / "parts")
    assert read_json(tmp_path / "parts" / "crop.json") == made


def test_senseless_settings_are_refused(tree, tmp_path):
    for name, value in (
        ("frames", 0),
        ("size", 0),
        ("margin", 0),
        ("alignment", "none"),
        ("format", "gif"),
        ("quality", 0),
        ("workers", 0),
        ("shard", (2, 2)),
        ("shard", (-1, 2)),
    ):
        with pytest.raises(ParameterError, match=rf"^{name}.* must .*, found"):
            run(tree, tmp_path / "faces", **{name: value})


def test_whole_frames_need_no_annotations(tree, tmp_path):
    rows = layouts.load("faceforensics++").read(tree).head(2)
    manifest = extract(rows, tree, tmp_path / "out", Whole(), frames=1, size=64)
    assert (manifest["status"] == "ok").all() and manifest["landmarks"].map(len).eq(10).all()
