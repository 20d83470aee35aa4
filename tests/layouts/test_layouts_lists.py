"""List files: DeepfakeBench's JSON, and that lists of any form are read or refused by name."""

import json

import _trees
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semdf import layouts
from semdf.errors import DataError, SemdfError
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
