"""Layouts: every video of the official trees gets one row; what is wrong is named."""

import json

import _trees
import pandas as pd
import pytest
from _media import celeb_df

from semdf import layouts
from semdf.errors import DataError, MissingError, ParameterError
from semdf.extraction.check import check
from semdf.layouts import protocols
from semdf.layouts.rows import COLUMNS
from semdf.method import hierarchy


@pytest.mark.parametrize("name", _trees.OFFICIAL)
def test_the_table_of_every_layout(name, tmp_path):
    rows = layouts.load(name).read(_trees.OFFICIAL[name](tmp_path))
    assert tuple(rows.columns) == COLUMNS and set(rows["status"]) == {"ok"}
    parts = rows["video"].str.split("/")
    assert (parts.str.len() == 3).all() and rows["video"].is_unique
    assert (parts.str[0] == rows["dataset"]).all() and (parts.str[1] == rows["manipulation"]).all()
    on_disk = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.suffix in (".mp4", ".png", ".jpg")}
    assert set(rows["path"]) == on_disk
    assert set(rows["split"]) <= {"train", "val", "test"}
    known = rows.loc[(rows["pristine"] != "") & (name != "deeperforensics-1.0"), "pristine"]
    assert set(known) <= set(rows.loc[rows["label"] == "real", "video"])
    assert (rows.loc[rows["label"] == "real", ["source", "pristine"]] == "").all(axis=None)
    assert rows.groupby(["dataset", "manipulation"])["video"].apply(lambda v: v.str.split("/").str[2].is_unique).all()


@pytest.mark.parametrize("name", _trees.OFFICIAL)
def test_every_label_has_a_row_in_every_hierarchy(name, tmp_path):
    rows = layouts.load(name).read(_trees.OFFICIAL[name](tmp_path))
    for tree in hierarchy.known():
        labels = hierarchy.load(tree)
        for label in set(rows["label"]):
            assert labels.label(label)[0] == (label != "real")


@pytest.mark.parametrize("name", _trees.OFFICIAL)
def test_a_tree_is_recognised_as_one_layout_only(name, tmp_path):
    _trees.OFFICIAL[name](tmp_path)
    assert layouts.recognise(tmp_path) == name
    assert [other for other in layouts.names() if layouts._class(other).marks(tmp_path)] == [name]
    rows = pd.concat([layout.read(tmp_path) for layout in layouts.present(name, tmp_path)])
    assert set(layouts.load(name).read(tmp_path)["video"]) <= set(rows["video"])


def test_nothing_is_recognised_in_a_plain_folder(tmp_path):
    with pytest.raises(
        ParameterError, match="must be the tree of .*diffusionface, deepfakebench, table, found none.*name the layout"
    ):
        layouts.recognise(_trees.touch(tmp_path, "a.mp4"))


def test_celeb_df(tmp_path):
    rows = layouts.load("celeb-df-v2").read(celeb_df(tmp_path)).set_index("video")
    assert len(rows) == 5
    fake = rows.loc["Celeb-DF-v2/Celeb-synthesis/id0_id1_0000"]
    assert tuple(fake[["target", "source", "split", "label"]]) == ("id0", "id1", "test", "Celeb-synthesis")
    assert fake["pristine"] == "Celeb-DF-v2/Celeb-real/id0_0000"
    assert rows.loc["Celeb-DF-v2/Celeb-real/id0_0000", "split"] == "train"
    assert rows.loc["Celeb-DF-v2/YouTube-real/00001", "status"] == "missing file"


def test_celeb_df_v1_has_the_same_tree_and_its_own_name(tmp_path):
    root = _trees.celeb(tmp_path / "Celeb-DF-v1")
    assert layouts.recognise(root) == "celeb-df-v1"
    assert set(layouts.load("celeb-df-v1").read(root)["dataset"]) == {"Celeb-DF-v1"}


@pytest.mark.parametrize(
    "line",
    [
        "0 Celeb-real/id1_0000.mp4",
        "1 Celeb-synthesis/id0_id1_0000.mp4",
        "real id1",
        "1 x/y.mp4",
        "1 Celeb-real/../../secret.mp4",
        "1 /Celeb-real/id1_0000.mp4",
        "1",
    ],
)
def test_celeb_df_checks_its_list(tmp_path, line):
    (celeb_df(tmp_path) / "List_of_testing_videos.txt").write_text(line)
    with pytest.raises(DataError, match="line 1"):
        layouts.load("celeb-df-v2").read(tmp_path)
    (tmp_path / "List_of_testing_videos.txt").unlink()
    with pytest.raises(MissingError, match="List_of_testing_videos.txt"):
        layouts.load("celeb-df-v2").read(tmp_path)


def test_celeb_df_counts_the_videos_with_odd_names(tmp_path):
    _trees.touch(_trees.celeb(tmp_path), *(f"Celeb-synthesis/copy{i}" for i in range(5)))
    with pytest.raises(DataError, match=r"copy0.mp4, .*copy1.mp4, .*copy2.mp4, ... \(5 files\)"):
        layouts.load("celeb-df-v2").read(tmp_path)


def test_dfdc(tmp_path):
    rows = layouts.load("dfdc").read(_trees.dfdc(tmp_path)).set_index("video")
    assert rows.loc["DFDC/fake/aalscayrfi", "split"] == "test"  # 1 is fake here
    fake = rows.loc["DFDC/fake/owxbbpjpch"]
    assert tuple(fake[["split", "target", "pristine"]]) == ("train", "wynotylpnm", "DFDC/real/wynotylpnm")
    observed = hierarchy.load("ffpp").observed(fake["label"])
    assert observed[0] and not observed[1:].any()
    assert len(layouts.load("dfdc", parts=("test",)).read(tmp_path)) == 2
    write = _trees.write
    for said in ({"label": "REAL"}, {"is_fake": 0}):  # as in the training parts, as in the released test set
        write(tmp_path, "test/metadata.json", {"aalscayrfi.mp4": said})
        with pytest.raises(DataError, match="agree with labels.csv, found aalscayrfi.mp4: {.*}"):
            layouts.load("dfdc").read(tmp_path)
    for said in ({}, {"is_fake": 2}, {"is_fake": [1]}, {"label": "FAKE", "is_fake": 0}, "FAKE"):
        write(tmp_path, "test/metadata.json", {"aalscayrfi.mp4": said})
        with pytest.raises(DataError, match="REAL or FAKE, or is_fake, 0 or 1, found .* for aalscayrfi.mp4"):
            layouts.load("dfdc").read(tmp_path)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("filename,label\naalscayrfi.mp4,1\n", "1 without: bbhtdfuqxq.mp4"),
        ("filename,label\naalscayrfi.mp4,FAKE\n", "line 2.*0 .real. or 1 .fake."),
        ("filename,label\na.mp4,1\na.mp4,1\n", "line 3: must have each video once"),
        ("filename,label\n../../a.mp4,1\n", "stay below the data set, found '../../a.mp4'"),
        ("name,label\na.mp4,1\n", "columns filename, label"),
    ],
)
def test_dfdc_checks_its_labels(tmp_path, labels, message):
    _trees.write(_trees.dfdc(tmp_path), "test/labels.csv", labels)
    with pytest.raises(DataError, match=message):
        layouts.load("dfdc").read(tmp_path)


def part(root, place: str, *, labels: bool = True) -> None:
    """A training part: a real and its fake."""
    _trees.touch(root, f"{place}/owxbbpjpch", f"{place}/wynotylpnm")
    said = {
        "owxbbpjpch.mp4": {"label": "FAKE", "split": "train", "original": "wynotylpnm.mp4"},
        "wynotylpnm.mp4": {"label": "REAL", "split": "train"},
    }
    if labels:
        _trees.write(root, f"{place}/metadata.json", said)


@pytest.mark.parametrize(
    "place",
    [
        "train/dfdc_train_part_0",
        "train/dfdc_train_part_00",
        "train/dfdc_train_part_00/dfdc_train_part_0",
        "dfdc_train_part_0",
        "dfdc_train_part_00",
        "dfdc_train_part_00/dfdc_train_part_0",
    ],
)
def test_dfdc_as_its_archives_unpack(place, tmp_path):
    part(tmp_path, place)
    assert layouts.recognise(tmp_path) == "dfdc"
    rows = layouts.load("dfdc").read(tmp_path).set_index("video")
    assert set(rows["status"]) == {"ok"} and set(rows["split"]) == {"train"}
    assert rows.loc["DFDC/fake/owxbbpjpch", "pristine"] == "DFDC/real/wynotylpnm"
    assert rows.loc["DFDC/fake/owxbbpjpch", "path"] == f"{place}/owxbbpjpch.mp4"
    assert len(layouts.load("dfdc", parts="train").read(tmp_path)) == 2
    assert not [finding for finding in check(tmp_path, headers=False)[0].findings if finding.kind == "surplus"]


@pytest.mark.parametrize("place", ["test", "test/test"])
def test_dfdc_s_test_set_may_lie_a_folder_deeper(place, tmp_path):
    _trees.touch(tmp_path, f"{place}/aalscayrfi", f"{place}/bbhtdfuqxq")
    _trees.write(tmp_path, f"{place}/labels.csv", "filename,label\naalscayrfi.mp4,1\nbbhtdfuqxq.mp4,0\n")
    assert layouts.recognise(tmp_path) == "dfdc"
    assert set(layouts.load("dfdc").read(tmp_path)["status"]) == {"ok"}


def test_a_training_part_without_labels_is_counted(tmp_path):
    part(_trees.dfdc(tmp_path), "train/dfdc_train_part_1", labels=False)
    rows = layouts.load("dfdc").read(tmp_path)
    assert len(rows) == 4
    (report,) = check(tmp_path, headers=False)
    assert not report.good and "2 (train/dfdc_train_part_1/owxbbpjpch.mp4, " in str(report)
    assert "no row: in no list that gives a label" in str(report)


def test_the_lists_of_two_training_parts_are_two(tmp_path):
    part(tmp_path, "train/dfdc_train_part_0")
    _trees.touch(tmp_path, "train/more")
    _trees.write(tmp_path, "train/metadata.json", {"more.mp4": {"label": "REAL"}})
    assert set(layouts.load("dfdc").read(tmp_path)["status"]) == {"ok"}


def test_a_file_is_not_real_and_fake(tmp_path):
    text = "path,label,video\na.mp4,real,own/x/1\na.mp4,Deepfakes,own/x/2\n"
    root = _trees.write(_trees.touch(tmp_path, "a"), "videos.csv", text)
    with pytest.raises(DataError, match="a file must have one label, found a.mp4 as Deepfakes and real"):
        layouts.load("table").read(root)
    assert "found a.mp4 as Deepfakes and real" in str(check(root)[0])
    _trees.write(root, "videos.csv", text.replace("Deepfakes", "real"))
    assert "2 (a.mp4, a.mp4) names of a file that has several" in str(check(root, headers=False)[0])
    (root / "b.mp4").symlink_to(root / "a.mp4")
    _trees.write(root, "videos.csv", "path,label\na.mp4,real\nb.mp4,Deepfakes\n")
    (report,) = check(root, headers=False)
    assert not report.good and "2 (b.mp4, a.mp4) names of one file that differ in their label" in str(report)


def test_dfdc_preview(tmp_path):
    rows = layouts.load("dfdc-preview").read(_trees.preview(tmp_path)).set_index("manipulation")
    fake = rows.loc["method_A"]
    assert tuple(fake[["target", "source", "split"]]) == ("643049", "1061493", "test")
    assert fake["pristine"] == rows.loc["original_videos", "video"]
    listed = json.loads((tmp_path / "dataset.json").read_text())
    listed[fake["path"]]["label"] = "real"
    _trees.write(tmp_path, "dataset.json", listed)
    with pytest.raises(DataError, match="fake in a method's folder, found method_A/"):
        layouts.load("dfdc-preview").read(tmp_path)
    listed[fake["path"]] |= {"label": "fake", "source_video": ["x"]}
    _trees.write(tmp_path, "dataset.json", listed)
    assert layouts.load("dfdc-preview").read(tmp_path)["pristine"].tolist() == ["", ""]
    _trees.write(tmp_path, "dataset.json", listed | {"method_A": {"label": "fake", "set": "test"}})
    with pytest.raises(DataError, match="found method_A: 'fake'"):
        layouts.load("dfdc-preview").read(tmp_path)
    _trees.write(tmp_path, "dataset.json", {})
    with pytest.raises(DataError, match="found 2 that are not"):
        layouts.load("dfdc-preview").read(tmp_path)


def test_deeperforensics_has_no_reals_but_knows_where_they_lie(tmp_path):
    home = _trees.deeperforensics(tmp_path / "DeeperForensics-1.0")
    rows = layouts.load("deeperforensics-1.0").read(home)
    assert len(rows) == 3 and set(rows["label"]) == {"DeeperForensics"} and set(rows["source"]) == {"M101"}
    ffpp = _trees.faceforensics(tmp_path / "FaceForensics++")
    both = layouts.load("deeperforensics-1.0", originals=str(ffpp)).read(home)
    reals = both[both["label"] == "real"]
    assert set(rows["pristine"]) <= set(reals["video"]) and len(reals) == 6
    assert all((home / path).is_file() for path in both["path"]) and not both["path"].str.startswith("/").any()
    selected = protocols.select(both, "DeeperForensics-1.0")
    fakes = selected[selected["label"] != "real"]
    assert fakes["target"].tolist() == ["004"] and set(selected["split"]) == {"test"}


def test_deeperforensics_may_follow_the_splits_of_its_targets(tmp_path):
    home = _trees.deeperforensics(tmp_path / "D", ("004", "002", "000"))  # train.txt has a test original
    options = {"originals": str(_trees.faceforensics(tmp_path / "F"))}
    rows = layouts.load("deeperforensics-1.0", split="originals", **options).read(home)
    people = rows.groupby("target")["split"].nunique()
    assert people.max() == 1 and rows.loc[rows["target"] == "004", "split"].tolist() == ["test", "test"]
    alone = layouts.load("deeperforensics-1.0", split="originals", reals="false", **options).read(home)
    pd.testing.assert_frame_equal(alone, rows[rows["label"] != "real"])
    _trees.touch(home, "manipulated_videos/end_to_end/999_W001")
    with pytest.raises(DataError, match="original of FaceForensics.*found 999_W001"):
        layouts.load("deeperforensics-1.0", **options).read(home)
    with pytest.raises(ParameterError, match="with the folder of FaceForensics"):
        layouts.load("deeperforensics-1.0", split="originals")


def test_no_fake_of_a_test_original_is_lost(tmp_path):
    """In its full size, 1000 originals with a fake each, the protocol counts 140.

    The authors' lists call most of them training, and what is scored are the splits val and test.
    """
    ffpp = _trees.faceforensics(tmp_path / "F", 1000, forged=())
    home = _trees.touch(tmp_path / "D", *(f"manipulated_videos/end_to_end/{i:03d}_M101" for i in range(1000)))
    for split, part in (("train", range(0, 703)), ("val", range(703, 799)), ("test", range(799, 1000))):
        names = "".join(f"{i * 7 % 1000:03d}_M101.mp4\n" for i in part)
        _trees.write(home, f"lists/splits/{split}.txt", names)
    reals = layouts.load("faceforensics++", manipulations=()).read(ffpp)
    found = {}
    for split in ("lists", "originals"):
        rows = layouts.load("deeperforensics-1.0", split=split, originals=str(ffpp), reals=False).read(home)
        rows = pd.concat([rows, reals])
        scored = rows[rows["split"].isin(["val", "test"])]
        found[split] = protocols.counts(scored, "DeeperForensics-1.0")
    assert found["originals"] == {"fakes": (140, 140), "reals": (140, 140)}
    assert found["lists"]["fakes"][0] < 60


def test_deeperforensics_reads_the_list_of_each_variant(tmp_path):
    root = _trees.touch(_trees.deeperforensics(tmp_path), "manipulated_videos/reenact_postprocess/000_M101")
    place = "lists/manipulated_videos_lists/manipulated_videos_end_to_end_list.txt"
    _trees.write(root, place, "end_to_end/000_M101.mp4\nend_to_end/001_W006.mp4\n")
    rows = layouts.load("deeperforensics-1.0").read(root).set_index("video")
    assert rows.loc["DeeperForensics-1.0/end_to_end/001_W006", "status"] == "missing file" and len(rows) == 4
    (layout,) = layouts.present("deeperforensics-1.0", root)
    assert layout.variants == ("end_to_end", "reenact_postprocess")
    _trees.write(root, place, "/etc/000_M101.mp4\n")
    with pytest.raises(DataError, match="end_to_end_list.txt, line 1: a path must be relative"):
        layouts.load("deeperforensics-1.0").read(root)
    (root / "manipulated_videos/end_to_end_level_6").mkdir()
    with pytest.raises(ParameterError, match="one of end_to_end, .*found 'end_to_end_level_6'"):
        layouts.present("deeperforensics-1.0", root)


def test_a_list_cannot_leave_the_data_set_or_put_a_video_in_two_splits(tmp_path):
    _trees.write(_trees.deeperforensics(tmp_path), "lists/splits/val.txt", "../../000_M101.mp4\n")
    with pytest.raises(DataError, match=r"val.txt, line 1: .*found '../../000_M101.mp4'"):
        layouts.load("deeperforensics-1.0").read(tmp_path)
    _trees.write(tmp_path, "lists/splits/val.txt", "000_M101.mp4\n")
    with pytest.raises(DataError, match="in one split, found 000_M101.mp4 in train too"):
        layouts.load("deeperforensics-1.0").read(tmp_path)


def test_hidden_files_are_no_videos(tmp_path):
    _trees.touch(_trees.celeb(tmp_path), "Celeb-real/._id0_0000.mp4")
    assert not layouts.load("celeb-df-v2").read(tmp_path)["path"].str.contains("/._").any()


def test_unknown_names_are_answered_with_the_known(tmp_path):
    with pytest.raises(ParameterError, match="faceforensics\\+\\+, faceshifter, .*pictures, found 'dfdc2'"):
        layouts.load("dfdc2")
    with pytest.raises(ParameterError, match="compression, manipulations, found compresion"):
        layouts.load("faceforensics++", compresion="c23")
    with pytest.raises(ParameterError, match="found 'FaceSwop'"):
        layouts.load("faceforensics++", manipulations=("FaceSwop",))


def test_options_may_be_texts_or_lists_and_have_a_type():
    wanted = layouts.load("faceforensics++", manipulations=("Deepfakes", "FaceSwap"))
    for value in ("Deepfakes,FaceSwap", "Deepfakes, FaceSwap", ["Deepfakes", "FaceSwap"]):
        assert layouts.load("faceforensics++", manipulations=value) == wanted
    assert layouts.load("faceshifter", originals="true").originals is True
    for name, option, rule in (
        ("faceshifter", {"originals": "yes"}, "originals must be true or false, found 'yes'"),
        ("faceforensics++", {"compression": 23}, "compression must be text, found 23"),
        ("dfdc", {"parts": [1]}, r"parts must be a list of texts, found \[1\]"),
    ):
        with pytest.raises(ParameterError, match=rule):
            layouts.load(name, **option)
