"""The layouts of FaceForensics++ and FaceShifter: pairs of ids, compressions, DeepFakeDetection."""

import json

import _trees
import pytest
from _trees import FORGED

from semdf import layouts
from semdf.errors import DataError, MissingError, ParameterError
from semdf.layouts import protocols


@pytest.fixture
def ffpp(tmp_path):
    """The official tree with empty files; identity 004 has no split, 005 has no videos."""
    pairs = {"train": [["000", "001"]], "val": [["002", "003"]], "test": [["006", "005"]]}
    for split, content in pairs.items():
        (tmp_path / f"{split}.json").write_text(json.dumps(content))
    names = [f"original_sequences/youtube/c40/videos/{i:03d}" for i in (0, 1, 2, 3, 4, 6)]
    for name in FORGED:
        names += [
            f"manipulated_sequences/{name}/c40/videos/{stem}" for stem in ("000_001", "001_000", "002_003", "003_002")
        ]
    return _trees.touch(tmp_path, *names)


def test_faceforensics_has_a_row_for_each_video(ffpp):
    rows = layouts.load("FaceForensics++").read(ffpp).set_index("video")
    assert len(rows) == 7 + 4 * 6
    fake = rows.loc["FaceForensics++/NeuralTextures/003_002"]
    assert tuple(fake[["target", "source", "split", "label"]]) == ("003", "002", "val", "NeuralTextures")
    assert fake["pristine"] == "FaceForensics++/original/003" and fake["compression"] == "c40"
    assert (ffpp / fake["path"]).is_file() and fake["status"] == "ok"
    assert rows.loc["FaceForensics++/original/004", "split"] == ""


def test_a_listed_video_without_a_file_keeps_its_row(ffpp):
    rows = layouts.load("faceforensics++").read(ffpp)
    missing = rows[rows["status"] == "missing file"]
    assert len(missing) == 1 + 4 * 2 and set(missing["split"]) == {"test"}


def test_splits_share_no_identity(ffpp):
    rows = layouts.load("faceforensics++").read(ffpp)
    people = {split: set(g["target"]) | set(g["source"]) - {""} for split, g in rows.groupby("split")}
    assert not people["train"] & people["val"] and not people["val"] & people["test"]
    (ffpp / "val.json").write_text('[["000", "003"]]')
    with pytest.raises(DataError, match="'000' in train"):
        layouts.load("faceforensics++").read(ffpp)


def test_compression_is_asked_for_when_there_are_several(ffpp):
    (ffpp / "original_sequences/youtube/c23/videos").mkdir(parents=True)
    with pytest.raises(ParameterError, match="c23, c40"):
        layouts.load("faceforensics++").read(ffpp)
    assert len(layouts.load("faceforensics++", compression="c40").read(ffpp)) == 31
    with pytest.raises(MissingError, match="c23"):
        layouts.load("faceforensics++", compression="c23").read(ffpp)
    assert {layout.compression for layout in layouts.present("faceforensics++", ffpp)} == {"c23", "c40"}


def test_raw_and_c0_name_the_same_compression(tmp_path):
    rows = layouts.load("faceforensics++", compression="c0").read(_trees.faceforensics(tmp_path, compression="raw"))
    assert set(rows["compression"]) == {"raw"} and set(rows["status"]) == {"ok"}


@pytest.mark.parametrize("place", ["splits", "dataset/splits"])
def test_split_files_may_lie_in_their_own_folder(ffpp, place):
    (ffpp / place).mkdir(parents=True)
    for split in ("train", "val", "test"):
        (ffpp / f"{split}.json").rename(ffpp / place / f"{split}.json")
    assert len(layouts.load("faceforensics++").read(ffpp)) == 31


@pytest.mark.parametrize("content", ["", "{}", '[["000"]]', "[[0, 1]]", '"000"', "\x00", '[["../000", "001"]]'])
def test_a_broken_split_file_is_named(ffpp, content):
    (ffpp / "train.json").write_text(content)
    with pytest.raises(DataError, match="train.json"):
        layouts.load("faceforensics++").read(ffpp)


def test_missing_things_are_named(ffpp, tmp_path):
    with pytest.raises(MissingError, match="nowhere"):
        layouts.load("faceforensics++").read(tmp_path / "nowhere")
    (ffpp / "val.json").unlink()
    with pytest.raises(MissingError, match="val.json"):
        layouts.load("faceforensics++").read(ffpp)


def test_deepfakedetection_brings_its_own_originals(tmp_path):
    _trees.faceforensics(tmp_path, forged=("FaceShifter",))
    top = "manipulated_sequences/DeepFakeDetection/c23/videos"
    _trees.touch(tmp_path, f"{top}/02_07__walk_down_hall_angry__U7DEOZNV")
    _trees.touch(tmp_path, "original_sequences/actors/c23/videos/02__walk_down_hall_angry")
    (layout,) = layouts.present("faceforensics++", tmp_path)
    assert layout.manipulations == ("FaceShifter", "DeepFakeDetection")
    rows = layout.read(tmp_path).set_index("video")
    fake = rows.loc["FaceForensics++/DeepFakeDetection/02_07__walk_down_hall_angry__U7DEOZNV"]
    assert tuple(fake[["target", "source", "split", "label"]]) == ("actor02", "actor07", "test", "DeepFakeDetection")
    assert rows.loc[fake["pristine"], "manipulation"] == "actors" and rows.loc[fake["pristine"], "label"] == "real"
    _trees.touch(tmp_path, f"{top}/000_003")
    with pytest.raises(DataError, match="AA_BB__<scene>__<code>.mp4, found 000_003"):
        layout.read(tmp_path)


def test_an_unknown_manipulation_is_answered_with_the_known(tmp_path):
    _trees.faceforensics(tmp_path, forged=(*FORGED, "FaceSwop"))
    with pytest.raises(ParameterError, match="one of Deepfakes, Face2Face, .*DeepFakeDetection, found 'FaceSwop'"):
        layouts.present("faceforensics++", tmp_path)


def test_faceshifter_takes_splits_and_reals_from_faceforensics(tmp_path):
    rows = layouts.load("faceshifter").read(_trees.faceforensics(tmp_path, forged=("FaceShifter",)))
    assert set(rows["dataset"]) == {"FaceShifter"} and set(rows["label"]) == {"FaceShifter"} and len(rows) == 6
    assert rows["video"].iloc[0] == "FaceShifter/FaceShifter/000_001"
    both = layouts.load("faceshifter", originals=True).read(tmp_path)
    assert set(rows["pristine"]) <= set(both["video"]) and len(both) == 12
    test = protocols.select(both, "FaceShifter")
    assert set(test["split"]) == {"test"} and test["manipulation"].tolist() == ["FaceShifter"] * 2 + ["original"] * 2
