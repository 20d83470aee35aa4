"""Photographs of people who consented: their splits, their crops, and forgeries that are stored alike."""

import json
import shutil

import cv2
import numpy as np
import pytest
from _media import draw, landmarks

from semdf import layouts
from semdf.errors import DataError, MissingError, ParameterError
from semdf.faces.landmarks import _FROM_189, _OUTLINE
from semdf.forging import photographs
from semdf.forging.expand import expand
from semdf.forging.pieces import rebuild
from semdf.forging.presets import Options, Preset, Seen, load
from semdf.storage.tars import encode_png, read_image

PEOPLE = {"train": 2, "val": 2, "test": 2}


def place(path, seed):
    """A drawn face as a picture with hand-placed landmarks beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    points = landmarks((80, 78 + seed % 3), 96)
    path.write_bytes(encode_png(draw(points, 160, seed)))
    template = np.zeros((189, 2))
    for group, point in zip(_FROM_189, points[17:], strict=True):
        template[list(group)] = point
    template[list(_OUTLINE)] = np.linspace(points[0], points[16], len(_OUTLINE))
    np.savetxt(path.with_suffix(".tem"), template, header="189", comments="")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six people of London, two of Canada; the first also smiles, with no landmarks of that picture."""
    root = tmp_path_factory.mktemp("photographs")
    for number in range(6):
        place(root / "london" / f"{number:03d}_03.png", number)
    for number in (6, 7):
        place(root / "canada" / f"{number:03d}f.png", number)
    shutil.copy(root / "london" / "000_03.png", root / "london" / "000_08.png")
    (root / "london" / "001_08.png").write_bytes(encode_png(np.full((160, 160, 3), 90, np.uint8)))
    return root


@pytest.fixture(scope="module")
def faces(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("faces")
    return out, photographs.cut(photographs.read(folder, PEOPLE, 0), folder, out, size=112)


def test_a_person_is_in_one_split_and_canada_is_for_tests(folder):
    rows = photographs.read(folder, PEOPLE, 0)
    assert (rows.groupby(["dataset", "target"])["split"].nunique() == 1).all()
    london = rows[rows["dataset"] == "London"].drop_duplicates("target")
    assert london["split"].value_counts().to_dict() == PEOPLE
    assert set(rows.loc[rows["dataset"] == "Canada", "split"]) == {"test"}
    assert rows.equals(photographs.read(folder, PEOPLE, 0))
    other = photographs.read(folder, PEOPLE, 1)
    assert not rows["split"].equals(other["split"])


def test_a_picture_that_cannot_be_used_keeps_a_row_that_says_why(faces):
    _, manifest = faces
    states = manifest.set_index("video")["status"]
    assert states["London/original/000_08"] == "ok", "landmarks are carried over from the other picture"
    assert "the pictures must correlate by 0.6 or more, found 0" in states["London/original/001_08"]
    assert (states.drop("London/original/001_08") == "ok").all()


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ("", MissingError, r"photographs must be a folder with london and canada \(.*5047666.*\), found none named"),
        ("nowhere", MissingError, "found no 'london' in 'nowhere'"),
    ],
)
def test_without_photographs_it_says_where_they_can_be_had(tmp_path, given, error, message):
    with pytest.raises(error, match=message):
        photographs.read(tmp_path / given if given else "", PEOPLE, 0)


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "london").mkdir()
    with pytest.raises(DataError, match="London: must have at least one video or picture under .*london, found none"):
        photographs.read(tmp_path, PEOPLE, 0)


def test_one_picture_under_two_names_in_two_splits_is_refused(folder, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(folder, root)
    tested = photographs.read(root, PEOPLE, 0).query("dataset == 'London' and split == 'train'")["path"].iloc[0]
    shutil.copy(root / tested, root / "canada" / "009f.png")
    with pytest.raises(
        DataError, match=r"a person must be in one split, found .* in train and canada/009f.png in test"
    ):
        photographs.read(root, PEOPLE, 0)


def test_splits_must_add_up_to_the_people(folder):
    with pytest.raises(ParameterError, match="people must be train, val, test that add up to 6, found .*'train': 3"):
        photographs.read(folder, {"train": 3, "val": 2, "test": 2}, 0)


def test_pictures_without_any_face_are_refused(tmp_path):
    (tmp_path / "001_03.png").write_bytes(encode_png(np.full((40, 40, 3), 90, np.uint8)))
    rows = layouts.load("pictures", dataset="London").read(tmp_path)
    with pytest.raises(DataError, match="London: must show a face in some of 1 pictures, found no face"):
        photographs.cut(rows, tmp_path, tmp_path / "out", size=32)


def test_a_forgery_and_its_copy_are_stored_alike(faces, tmp_path):
    """A face forged by itself, unaltered, is its copy to the byte: whatever else was done, was done to both."""
    out, manifest = faces
    same = Options(alignment="none", colour="none", resolution=(1, 1))
    seen = Seen(untouched=0.3, resolution=(0.6, 0.9), quality=(40, 90), sharpness=(-0.4, 0.8))
    preset = Preset("same", ("eyes", "mouth"), "self", "real", same, seen=seen)
    made = expand(manifest, out, tmp_path, preset=preset, per_image=2, seed=3)
    copies = made[made["label"] == "real"].set_index("video")
    fakes = made[made["label"] != "real"]
    assert len(copies) == len(fakes) / 2 == (manifest["status"] == "ok").sum()
    stories = [json.loads(story) for story in copies["provenance"]]
    assert any("resolution" in story for story in stories) and any("resolution" not in story for story in stories)
    for row in fakes.to_dict("records"):
        copy = copies.loc[row["pristine"]]
        pair = [read_image(tmp_path, r["shard"], r["member"]) for r in (row, copy)]
        mask = read_image(tmp_path, row["shard"], row["mask_member"])
        assert pair[0].shape == pair[1].shape == (112, 112, 3) and mask.shape == (112, 112)
        np.testing.assert_array_equal(*pair)
        own = json.loads(row["provenance"])
        assert {k: own.get(k) for k in ("quality", "resolution")} == {
            k: json.loads(copy["provenance"]).get(k) for k in ("quality", "resolution")
        }


def test_a_preset_that_compresses_takes_no_recompression(faces, tmp_path):
    out, manifest = faces
    with pytest.raises(
        ParameterError, match=r"recompress must be empty with the preset 'photographs'.*found \[60, 90\]"
    ):
        expand(manifest, out, tmp_path, preset="photographs", recompress=[60, 90])


@pytest.mark.parametrize("name", [*photographs.TRAINED, *photographs.LEFT_OUT])
def test_every_preset_forges_within_its_mask(faces, tmp_path, name):
    out, manifest = faces
    made = expand(manifest, out, tmp_path, preset=name, per_image=2, seed=1)
    copies = made[made["label"] == "real"].set_index("video")
    fakes = made[(made["label"] != "real") & (made["status"] == "ok")]
    assert len(fakes) > len(copies)
    for row in fakes.to_dict("records"):
        story = json.loads(row["provenance"])
        if "resolution" in story:
            continue
        before = read_image(tmp_path, copies.loc[row["pristine"], "shard"], copies.loc[row["pristine"], "member"])
        after, mask = (read_image(tmp_path, row["shard"], row[k]) for k in ("member", "mask_member"))
        changed = (before != after).any(-1)
        assert changed.any() and not changed[mask == 0].any()


def test_training_knows_no_operator_of_the_tests():
    trained = [load(name).options for name in photographs.TRAINED]
    assert {o.operator for o in trained} == {"replace"}
    assert not {"poisson", "cloned"} & {blend for o in trained for blend in o.blend}
    assert not {"piecewise", "region"} & {way for o in trained for way in o.alignment}  # region fits lips piecewise
    tested = {name: load(name).options for name in photographs.LEFT_OUT}
    assert set(tested["photographs_poisson"].blend) == {"poisson", "cloned"}
    assert tested["photographs_warped"].alignment == ("piecewise",)
    assert tested["photographs_morph"].operator == "morph" and tested["photographs_pieces"].operator == "resynthesise"


def test_pieces_of_a_picture_make_the_same_picture():
    image = cv2.GaussianBlur(np.random.default_rng(0).uniform(0, 255, (40, 40, 3)).astype(np.float32), (0, 0), 1.0)
    where = np.zeros((40, 40), bool)
    where[12:26, 10:30] = True
    np.testing.assert_allclose(rebuild(image, image, where), image, atol=1e-3)


def test_a_picture_put_together_from_others_has_their_colours_and_its_own_shape():
    random = np.random.default_rng(0)
    image = np.full((40, 40, 3), 60, np.float32)
    image[:, 20:] = 180
    library = np.where(image > 100, 200, 80) + random.normal(0, 3, image.shape).astype(np.float32)
    where = np.zeros((40, 40), bool)
    where[10:30, 10:30] = True
    made = rebuild(image, library.astype(np.float32), where)
    assert abs(made[20, 14].mean() - 80) < 6 and abs(made[20, 26].mean() - 200) < 6
    np.testing.assert_array_equal(made[:8], image[:8])
