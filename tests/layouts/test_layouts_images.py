"""Layouts of pictures, folders and tables of one's own, and the protocols of the test sets."""

import warnings

import _trees
import pandas as pd
import pytest
from _trees import FILM, OTHER

from semdf import layouts
from semdf.errors import DataError, MissingError, ParameterError
from semdf.layouts import diff, diffusionface, ffsc, protocols
from semdf.method import hierarchy

DIGITS = {"BlendFace": "120010111111", "diffae-age": "110000100001", "Real": "000000000000"}


def test_ffsc_reads_people_and_clips_from_the_names(tmp_path):
    rows = layouts.load("ffsc").read(_trees.ffsc(tmp_path))
    train = rows[rows["split"] == "train"].set_index("manipulation")
    real = f"FFSC/Real/Train--AVSpeech--{FILM}_215--0037"
    assert tuple(train.loc["BlendFace", ["target", "source", "pristine"]]) == (FILM, OTHER, real)
    assert tuple(train.loc["simswap", ["target", "source", "pristine"]]) == (FILM, OTHER, real)
    assert tuple(train.loc["fsgan", ["target", "source", "pristine"]]) == (FILM, "", "")
    fakes = train[train["label"] != "real"].drop("fsgan")
    assert (fakes["pristine"] == real).all() and (fakes["target"] == FILM).all()
    assert train.loc["diffae-gender", "video"].endswith("Train--Male--_-926WzaH2A_215_0037_Male_-0.2")
    test = rows[rows["split"] == "test"].set_index("manipulation")
    assert tuple(test.loc["InfoSwap", ["target", "source"]]) == ("_wKUEOeAnFI", "00168")
    assert rows.loc[rows["path"].str.contains("CDF-youtube"), "target"].tolist() == ["00000", "00000"]


def test_ffsc_labels_come_from_folders_or_lists(tmp_path):
    rows = layouts.load("ffsc").read(_trees.ffsc(tmp_path))
    assert dict(zip(rows["manipulation"], rows["label"], strict=True)) == ffsc.METHODS
    smiling = f"Train/fomm-expr/{FILM}_215_0037_smile.png"
    _trees.touch(tmp_path, smiling)
    rows = layouts.load("ffsc").read(tmp_path).set_index("path")
    assert rows.loc[smiling, "label"] == "smile"
    path = f"Train/StyleRes-expr/{FILM}_215/0037.png"
    _trees.write(tmp_path, "Train.txt", f"{path} 101000101111\nTrain/BlendFace/gone.png 120010111111\n")
    rows = layouts.load("ffsc").read(tmp_path).set_index("path")
    assert rows.loc[path, "label"] == "surprise"
    assert rows.loc["Train/BlendFace/gone.png", "status"] == "missing file"


def test_ffsc_digits_are_the_rows_of_the_hierarchy():
    tree = hierarchy.load("ffsc")
    digits = ffsc._digits()
    for method, key in DIGITS.items():
        assert digits[key] == ffsc.METHODS[method]
    for key, name in digits.items():
        assert [int(x) % 2 for x in key] == tree.label(name).tolist()  # 2 and 0 are both "not 1"
    assert digits["100110111101"] == "gender"  # as SJEDD trains what is not observed


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Train/BlendFace/a.png 120010111112", "line 1: must be .<path> <12 digits>"),
        ("Train/BlendFace/a.png", "line 1"),
        ("../a.png 000000000000", "line 1: a path must be relative and stay below"),
        ("Val/BlendFace/a.png 120010111111", "a picture of Train must lie in a folder"),
        ("Train/BlendFace/a.png 000000000000", "agree with its folder, found Train/BlendFace/a.png real"),
    ],
)
def test_ffsc_checks_its_lists(tmp_path, line, message):
    _trees.write(_trees.ffsc(tmp_path), "Train.txt", line + "\n")
    with pytest.raises(DataError, match=message):
        layouts.load("ffsc").read(tmp_path)


def test_ffsc_names_the_known_methods(tmp_path):
    _trees.touch(_trees.ffsc(tmp_path), "Train/diffae-Age/x.png")
    with pytest.raises(DataError, match="one of Real, BlendFace, .*found Train/diffae-Age/x.png"):
        layouts.load("ffsc").read(tmp_path)


def test_diff(tmp_path):
    rows = layouts.load("diff").read(_trees.diff(tmp_path)).set_index("manipulation")
    assert tuple(rows.loc["DiffFace", ["label", "split", "target", "source"]]) == ("DiFF-FS", "test", "p1", "p3")
    assert rows.loc["SDXL", "video"] == "DiFF/SDXL/test--9--p1_0"
    assert set(layouts.load("diff", conditions=("FS",)).read(tmp_path)["manipulation"]) == {"real", "DiffFace"}
    assert sum(map(len, diff.CONDITIONS.values())) == 13
    _trees.touch(tmp_path, "test/FS/SDXL/p1_0.png")
    with pytest.raises(DataError, match="one of DCFace, DiffFace, found test/FS/SDXL"):
        layouts.load("diff").read(tmp_path)


def test_diff_says_where_its_reals_are(tmp_path):
    _trees.touch(tmp_path, "test/FS/DiffFace/p1_p3_0.png")
    with pytest.raises(MissingError, match="pristine pictures in .*DiFF_real, which the authors give out on request"):
        layouts.load("diff").read(tmp_path)
    (layout,) = layouts.present("diff", tmp_path)
    assert len(layout.read(tmp_path)) == 1


def test_diffusionface(tmp_path):
    rows = layouts.load("diffusionface").read(_trees.diffusionface(tmp_path)).set_index("manipulation")
    swap = rows.loc["DiffSwap"]
    assert tuple(swap[["target", "source", "pristine"]]) == ("17", "23", "DiffusionFace/Real/17")
    assert set(rows.drop("Real")["label"]) == set(diffusionface.MODELS.values())
    few = layouts.load("diffusionface", models=("DiffSwap",)).read(tmp_path)
    assert set(few["manipulation"]) == {"Real", "DiffSwap"}
    with pytest.raises(MissingError, match="must have a folder DDIM"):
        layouts.load("diffusionface", models=("DDIM",)).read(tmp_path)
    _trees.touch(tmp_path, "DiffSwop/1.png")
    with pytest.raises(DataError, match="Real or one of DiffSwap, .*found DiffSwop"):
        layouts.load("diffusionface").read(tmp_path)


def test_two_files_of_one_key_are_refused(tmp_path):
    _trees.touch(_trees.diffusionface(tmp_path), "Real/17.png")
    with pytest.raises(DataError, match=r"found Real/17.jpg, Real/17.png for one key"):
        layouts.load("diffusionface").read(tmp_path)


def test_pictures(tmp_path):
    for name in ("a/001_03.jpg", "a/001_08.jpg", "a/002_03.JPG", "b/001_03.png", "b/001_03.jpg", "b/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    rows = layouts.load("pictures", dataset="faces").read(tmp_path)
    assert len(rows) == 5 and rows["video"].is_unique and set(rows["label"]) == {"real"}
    assert rows.loc[rows["path"] == "a/001_08.jpg", "target"].item() == "a/001"
    assert rows["target"].nunique() == 3
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="found none"):
        layouts.load("pictures", dataset="nothing").read(empty)


def test_names_that_cameras_give_are_no_people(tmp_path):
    _trees.touch(tmp_path, "IMG_0000.jpg", "IMG_0001.jpg", "IMG_0002.jpg")
    with pytest.warns(UserWarning, match="all 3 pictures say 'IMG': each is taken for a person of its own"):
        rows = layouts.load("pictures").read(tmp_path)
    assert rows["target"].tolist() == [f"original/IMG_000{i}" for i in range(3)]
    with pytest.warns(UserWarning, match="all 3 pictures say 'IMG', so that all are of one person"):
        rows = layouts.load("pictures", identity="[^_]+").read(tmp_path)
    assert set(rows["target"]) == {"original/IMG"}
    _trees.touch(tmp_path, "ann/IMG_0000.jpg", "_a.jpg")  # a folder a person is no such case
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert set(layouts.load("pictures").read(tmp_path)["target"]) == {"original/IMG", "ann/IMG", "original/_a"}


def test_a_table_of_ones_own(tmp_path):
    text = "path,label,split,target\nfilms/a.mp4,real,test,ann\nfilms/b.mp4,Deepfakes,test,\n"
    root = _trees.write(_trees.touch(tmp_path, "films/a"), "videos.csv", text)
    assert layouts.recognise(root) == "table"
    rows = layouts.load("table", dataset="mine").read(root).set_index("video")
    assert rows.loc["mine/original/films--a", "target"] == "ann"
    assert rows.loc["mine/Deepfakes/films--b", "status"] == "missing file"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na.mp4,Real\n", "line 2: label must be one of real, Deepfakes, .*fake, found 'Real'"),
        ("path,label\n../a.mp4,real\n", "line 2: a path must be relative"),
        ("path,label\n.,real\n", "line 2: a path must be relative"),
        ("path,label,split\na.mp4,real,dev\n", "split must be train, val, test or empty"),
        ("path,label\na.mp4,real\na.mp4,real\n", "found a.mp4, a.mp4 for one key"),
        ("path,label\na.mp4\n", "line 2: must have 2 cells"),
        ("file,label\na.mp4,real\n", "columns path, label"),
        ("path,label\n", "at least one video or picture"),
    ],
)
def test_a_broken_table_is_named(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        layouts.load("table").read(_trees.write(tmp_path, "videos.csv", text))


# -- protocols -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", protocols.names())
def test_a_protocol_names_what_its_layout_knows(name, tmp_path):
    protocol = protocols.load(name)
    assert protocol.layout in layouts.names() and protocol.level in ("video", "image")
    assert all(protocol.sources) and protocol.fakes.dataset == name
    assert protocols.load(protocol.reals.dataset).dataset == protocol.reals.dataset


def test_protocol_1_of_ffsc_trains_and_tests_on_other_methods():
    protocol = protocols.load("FFSC")
    assert len(protocol.train) == 11 and len(protocol.fakes.manipulations) == 5
    assert {"Real", *protocol.train, *protocol.fakes.manipulations} == set(ffsc.METHODS)


def test_protocols_select_the_face_swaps_of_the_diffusion_sets(tmp_path):
    rows = layouts.load("diff").read(_trees.diff(tmp_path / "a"))
    assert set(protocols.select(rows, "DiFF")["label"]) == {"real", "DiFF-FS"}
    rows = layouts.load("diffusionface").read(_trees.diffusionface(tmp_path / "b"))
    assert set(protocols.select(rows, "DiffusionFace")["label"]) == {"real", "DiffSwap"}


def test_a_test_set_without_reals_is_refused(tmp_path):
    rows = layouts.load("deeperforensics-1.0").read(_trees.deeperforensics(tmp_path))
    with pytest.raises(DataError, match="test set DeeperForensics-1.0: fakes must be rows of .*, found none"):
        protocols.select(rows, "DeeperForensics-1.0")  # paired with reals that are not there
    shifted = rows.assign(dataset="FaceShifter", manipulation="FaceShifter")
    with pytest.raises(DataError, match="reals must be rows of FaceForensics"):
        protocols.select(pd.DataFrame(shifted), "FaceShifter")
    with pytest.raises(ParameterError, match="one of FaceForensics.*found 'FFPP'"):
        protocols.load("FFPP")
