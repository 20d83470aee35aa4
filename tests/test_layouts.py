"""Layouts: every video of the official trees gets one row; what is wrong is named."""

import json

import pytest
from _media import celeb_df

from semdf import layouts
from semdf.errors import DataError, MissingError, ParameterError
from semdf.layouts.rows import COLUMNS

FORGED = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")


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
    for name in names:
        path = tmp_path / f"{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def test_faceforensics_has_a_row_for_each_video(ffpp):
    rows = layouts.load("FaceForensics++").read(ffpp).set_index("video")
    assert tuple(rows.reset_index()[list(COLUMNS)].columns) == COLUMNS
    assert len(rows) == 7 + 4 * 6
    fake = rows.loc["FaceForensics++/NeuralTextures/003_002"]
    assert (fake["target"], fake["source"], fake["split"], fake["label"]) == (
        "003",
        "002",
        "val",
        "NeuralTextures",
    )
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


def test_split_files_may_lie_in_their_own_folder(ffpp):
    (ffpp / "splits").mkdir()
    for split in ("train", "val", "test"):
        (ffpp / f"{split}.json").rename(ffpp / "splits" / f"{split}.json")
    assert len(layouts.load("faceforensics++").read(ffpp)) == 31


@pytest.mark.parametrize("content", ["", "{}", '[["000"]]', "[[0, 1]]", '"000"', "\x00"])
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


def test_celeb_df(tmp_path):
    rows = layouts.load("celeb-df-v2").read(celeb_df(tmp_path)).set_index("video")
    assert len(rows) == 5
    fake = rows.loc["Celeb-DF-v2/Celeb-synthesis/id0_id1_0000"]
    assert (fake["target"], fake["source"], fake["split"], fake["label"]) == (
        "id0",
        "id1",
        "test",
        "Celeb-synthesis",
    )
    assert fake["pristine"] == "Celeb-DF-v2/Celeb-real/id0_0000"
    assert rows.loc["Celeb-DF-v2/Celeb-real/id0_0000", "split"] == "train"
    assert rows.loc["Celeb-DF-v2/YouTube-real/00001", "status"] == "missing file"


@pytest.mark.parametrize(
    "line", ["0 Celeb-real/id1_0000.mp4", "1 Celeb-synthesis/id0_id1_0000.mp4", "real id1", "1 x/y.mp4"]
)
def test_celeb_df_checks_its_list(tmp_path, line):
    (celeb_df(tmp_path) / "List_of_testing_videos.txt").write_text(line)
    with pytest.raises(DataError, match="line 1"):
        layouts.load("celeb-df-v2").read(tmp_path)
    (tmp_path / "List_of_testing_videos.txt").unlink()
    with pytest.raises(MissingError, match="List_of_testing_videos.txt"):
        layouts.load("celeb-df-v2").read(tmp_path)


def test_pictures(tmp_path):
    for name in (
        "a/001_03.jpg",
        "a/001_08.jpg",
        "a/002_03.JPG",
        "b/001_03.png",
        "b/001_03.jpg",
        "b/notes.txt",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    rows = layouts.load("pictures", dataset="faces").read(tmp_path)
    assert len(rows) == 5 and rows["video"].is_unique and set(rows["label"]) == {"real"}
    assert rows.loc[rows["path"] == "a/001_08.jpg", "target"].item() == "a/001"
    assert rows["target"].nunique() == 3
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="Found none"):
        layouts.load("pictures", dataset="nothing").read(empty)


def test_unknown_names_are_answered_with_the_known(tmp_path):
    with pytest.raises(ParameterError, match="faceforensics\\+\\+, celeb-df-v2, pictures. Found 'dfdc2'"):
        layouts.load("dfdc2")
    with pytest.raises(ParameterError, match="compression, manipulations. Found compresion"):
        layouts.load("faceforensics++", compresion="c23")
    with pytest.raises(ParameterError, match="Found 'FaceSwop'"):
        layouts.load("faceforensics++", manipulations=("FaceSwop",))
