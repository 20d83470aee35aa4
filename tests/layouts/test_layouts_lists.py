"""List files: DeepfakeBench's JSON, and that lists of any form are read or refused by name."""

import json

import _trees
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semdf import layouts
from semdf.errors import DataError, ParameterError, SemdfError
from semdf.extraction.check import check
from semdf.layouts import deepfakebench
from semdf.method import hierarchy

# -- DeepfakeBench's lists -------------------------------------------------------------------------------------------


def test_deepfakebench(tmp_path):
    rows = layouts.load("deepfakebench").read(_trees.bench(tmp_path)).set_index("manipulation")
    assert rows.loc["original", "video"] == "FaceForensics++/original/000--012"
    assert tuple(rows.loc["Deepfakes", ["label", "split", "target"]]) == ("Deepfakes", "test", "000")
    assert (rows["status"] == "missing file").all()
    _trees.bench(tmp_path, "/home/them/")
    with pytest.raises(DataError, match="relative and stay below"):
        layouts.load("deepfakebench").read(tmp_path)
    cut = layouts.load("deepfakebench", cut="/home/them").read(tmp_path).set_index("manipulation")
    assert cut["path"].equals(rows["path"])


def test_deepfakebench_without_compressions_and_with_broken_lists(tmp_path):
    entry = {"label": "CelebDFv2_real", "frames": ["Celeb-DF-v2/Celeb-real/frames/id0_0000/000.png"]}
    by_split = {"train": {"id0_0000": entry}, "test": {}, "val": {"id0_0000": entry}}
    _trees.write(tmp_path, "Celeb-DF-v2.json", {"Celeb-DF-v2": {"CelebDFv2_real": by_split}})
    assert len(layouts.load("deepfakebench").read(tmp_path)) == 1
    with pytest.raises(DataError, match="one split, found .*id0_0000 in train and val"):
        layouts.load("deepfakebench", splits=("train", "val")).read(tmp_path)
    _trees.write(tmp_path, "Celeb-DF-v2.json", {"Celeb-DF-v2": {"CelebDF": by_split}})
    with pytest.raises(DataError, match="one of FF-real, .*found 'CelebDF'"):
        layouts.load("deepfakebench").read(tmp_path)


def published(name: str, places: dict[str, str], *, compressions: bool = False) -> dict:
    """A list as preprocessing/rearrange.py writes it where every video goes into train, val and test alike."""

    def split(label: str, place: str) -> dict:
        videos = {
            video: {"label": label, "frames": [f"./datasets/rgb/{place}/frames/{video}/{n:03d}.png" for n in (0, 17)]}
            for video in ("0008", "0005")
        }
        return {"c23": videos, "c40": {}} if compressions else videos

    return {name: {label: dict.fromkeys(deepfakebench.SPLITS, split(label, at)) for label, at in places.items()}}


def dfdc() -> dict:
    """DFDC.json as it is published: paths of Windows, no train, and in place of val's videos the last test video."""

    def by_split(label: str, names: str) -> dict:
        test = {
            name: {"label": label, "frames": [f"DFDC\\test\\frames\\{name}\\{n:03d}.png" for n in (0, 9)]}
            for name in names.split()
        }
        return {"train": {}, "test": test, "val": test[names.split()[-1]]}

    return {"DFDC": {"DFDC_Real": by_split("DFDC_Real", "aa ab"), "DFDC_Fake": by_split("DFDC_Fake", "ba bb")}}


def test_deepfakebench_s_list_of_dfdc(tmp_path):
    _trees.write(tmp_path, "DFDC.json", dfdc())
    assert layouts.recognise(tmp_path) == "deepfakebench"
    for splits in ("test", "train,test"):
        rows = layouts.load("deepfakebench", splits=splits).read(tmp_path)
        assert len(rows) == 8 and set(rows["split"]) == {"test"}
        assert rows["label"].value_counts().to_dict() == {"real": 4, "DFDC": 4}
        assert rows["path"].iloc[0] == "DFDC/test/frames/ba/000.png"
    val = layouts.load("deepfakebench", splits="val").read(tmp_path)
    assert sorted(set(val["video"])) == ["DFDC/fake/bb--000", "DFDC/fake/bb--009", "DFDC/real/ab--000",
                                         "DFDC/real/ab--009"]  # fmt: skip
    _trees.touch(tmp_path, *rows["path"])
    reports = check(tmp_path, headers=False)
    assert all(report.good for report in reports), reports
    assert [report.title for report in reports] == [
        "deepfakebench DFDC.json, val", "deepfakebench DFDC.json, test", "deepfakebench, all parts"
    ]  # fmt: skip
    assert "4 (DFDC/test/frames/ab/000.png, " in str(reports[-1]) and "more than one split" in str(reports[-1])


def test_splits_that_are_not_read_are_not_checked(tmp_path):
    content = dfdc()
    for broken in (None, [], "x", {"a": 1}, {"a": {"frames": 1}}, {"label": 1, "frames": [1]}):
        for by_split in content["DFDC"].values():
            by_split["val"] = by_split["train"] = broken
        _trees.write(tmp_path, "DFDC.json", content)
        assert len(layouts.load("deepfakebench", splits="test").read(tmp_path)) == 8
        with pytest.raises(DataError, match="DFDC.json"):
            layouts.load("deepfakebench", splits="val,test").read(tmp_path)
    with pytest.raises(ParameterError, match="a split must be one of train, val, test, found 'dev'"):
        layouts.load("deepfakebench", splits="dev")


@pytest.mark.parametrize(
    ("name", "places", "compressions"),
    [
        ("UADFV", {"UADFV_Real": "UADFV/real", "UADFV_Fake": "UADFV/fake"}, False),
        ("DeepFakeDetection", {"DFD_real": "FF/original", "DFD_fake": "FF/manipulated"}, True),
        ("FaceShifter", {"FF-real": "FF/original", "FF-FH": "FF/manipulated"}, True),
        ("Celeb-DF-v1", {"CelebDFv1_real": "Celeb/real", "CelebDFv1_fake": "Celeb/fake"}, False),
        ("DFDCP", {"DFDCP_Real": "P/original", "DFDCP_FakeA": "P/a", "DFDCP_FakeB": "P/b"}, False),
        ("DeeperForensics-1.0", {"DF_real": "D/source", "DF_fake": "D/end_to_end"}, False),
    ],
)
def test_lists_that_put_every_video_into_every_split(name, places, compressions, tmp_path):
    _trees.write(tmp_path, f"{name}.json", published(name, places, compressions=compressions))
    assert layouts.recognise(tmp_path) == "deepfakebench"
    with pytest.raises(DataError, match="in one split, found .*000. in train and test: read one .* splits=test"):
        layouts.load("deepfakebench").read(tmp_path)
    rows = layouts.load("deepfakebench", splits="test").read(tmp_path)
    assert len(rows) == 4 * len(places) and set(rows["split"]) == {"test"}
    assert rows["path"].str.startswith("datasets/rgb/").all()
    _trees.touch(tmp_path, *rows["path"])
    reports = check(tmp_path, headers=False)
    assert len(reports) == 4 and all(report.good for report in reports), reports
    assert f"{len(rows)} (" in str(reports[-1]) and "in more than one split" in str(reports[-1])


def test_several_lists_and_compressions_are_several_reports(tmp_path):
    _trees.bench(tmp_path)
    _trees.write(tmp_path, "DFDC.json", dfdc())
    titles = [report.title for report in check(tmp_path, headers=False)]
    assert titles[0] == "deepfakebench FF-DF.json, c23, test" and len(titles) == 4


def test_videos_without_frames_are_counted(tmp_path):
    content = dfdc()
    content["DFDC"]["DFDC_Fake"]["test"]["bc"] = {"label": "DFDC_Fake", "frames": []}
    _trees.write(tmp_path, "DFDC.json", content)
    with pytest.warns(UserWarning, match="DFDC.json: a video must have frames, found 1 without: bc"):
        assert len(layouts.load("deepfakebench").read(tmp_path)) == 8


def test_labels_of_deepfakebench_are_label_rows():
    assert {label for *_, label in deepfakebench.LABELS.values()} <= set(hierarchy.load("ffpp").labels)


# -- lists of any form -----------------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    [
        "a.mp4",
        "../a.mp4",
        "",
        "label",
        "FAKE",
        "fake",
        "real",
        "set",
        "test",
        "original",
        "frames",
        "FF-DF",
        "c23",
        "method_A/1/a.mp4",
        "original_videos/1/a.mp4",
        "source_video",
        "000",
        "003",
        "x\u0000y",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=12,
)


def replaced(content: object, at: int, value: object) -> object:
    """`content` with one of its parts, chosen by `at`, replaced; a key may be replaced too."""
    if not isinstance(content, (dict, list)) or not content or at % 4 == 0:
        return value
    keys = list(content) if isinstance(content, dict) else list(range(len(content)))
    key = keys[at % len(keys)]
    inner = replaced(content[key], at // 3, value)
    if isinstance(content, list):
        return [inner if i == key else item for i, item in enumerate(content)]
    swapped = value if at % 7 == 0 and isinstance(value, str) else key
    return {(swapped if k == key else k): (inner if k == key else item) for k, item in content.items()}


@pytest.mark.parametrize("name", _trees.PLACES)
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON, at=st.integers(0, 10**6))
def test_a_list_of_any_form_is_read_or_refused(name, tmp_path, value, at):
    make, place = _trees.PLACES[name]
    root = tmp_path / "tree"
    text = (root if root.exists() else make(root)) / f"{place}.good"
    if not text.exists():
        text.write_text((root / place).read_text())
    good = json.loads(text.read_text()) if place.endswith(".json") else text.read_text().split()
    bad = replaced(good, at, value)
    _trees.write(root, place, " ".join(map(str, bad)) if place.endswith(".txt") and isinstance(bad, list) else bad)
    try:
        rows = layouts.load(name).read(root)
    except SemdfError:
        return
    assert not rows["path"].str.startswith("/").any() and not rows["path"].str.contains(r"(?:^|/)\.\.(?:/|$)").any()


@pytest.mark.parametrize("name", _trees.PLACES)
def test_a_list_that_is_no_text_is_named(name, tmp_path):
    make, place = _trees.PLACES[name]
    (make(tmp_path) / place).write_bytes(b"\xff\xfe\x00 [")
    with pytest.raises(DataError, match=place.rpartition("/")[2]):
        layouts.load(name).read(tmp_path)
