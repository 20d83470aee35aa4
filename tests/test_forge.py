"""Forging: what is outside the mask is untouched, nobody is paired with themselves, and a seed is a
forgery."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from _media import SHARED, draw, faceforensics, landmarks

from semdf import hierarchy, layouts
from semdf.blend import alpha, match_colour, membrane, poisson, soften
from semdf.errors import DataError, ParameterError
from semdf.expand import EXTRA, expand
from semdf.extract import extract
from semdf.faces import Annotated, Templates
from semdf.forge import Options, Portrait, align, forge
from semdf.landmarks import five
from semdf.masks import REGIONS, core, neighbours
from semdf.pairing import Donors, skin_tone
from semdf.shards import read_image

PHOTOS = SHARED / "faces"


def portrait(seed, size=128, points=68, turn=0.0):
    where = landmarks((size / 2 + seed % 3, size / 2), 0.62 * size, turn)
    return Portrait(draw(where, size, seed), where if points == 68 else five(where), None, f"person {seed}")


@pytest.mark.parametrize("points", [68, 5])
@pytest.mark.parametrize("blend", ["alpha", "poisson"])
@pytest.mark.parametrize("region", REGIONS)
class TestForge:
    def test_only_the_mask_changes(self, region, blend, points):
        target, source = portrait(1, points=points), portrait(2, points=points, turn=8)
        made = forge(target, source, region, seed=3, options=Options(blend=blend))
        assert made.image.dtype == np.uint8 and made.mask.dtype == np.float32
        assert 0 <= made.mask.min() and made.mask.max() <= 1 and made.mask.max() > 0.9
        outside = made.mask == 0
        np.testing.assert_array_equal(made.image[outside], target.image[outside])
        assert (made.image[~outside] != target.image[~outside]).mean() > 0.3

    def test_a_face_as_its_own_donor_stays(self, region, blend, points):
        target = portrait(1, points=points)
        for colour in ("lab", "none"):
            options = Options(blend=blend, colour=colour, resolution=(1, 1))
            np.testing.assert_array_equal(forge(target, target, region, seed=0, options=options).image, target.image)

    def test_the_seed_decides(self, region, blend, points):
        target, source = portrait(1, points=points), portrait(2, points=points)
        one, same, other = (forge(target, source, region, seed=s, options=Options(blend=blend)) for s in (7, 7, 8))
        np.testing.assert_array_equal(one.image, same.image)
        assert one.provenance == same.provenance and (one.mask != other.mask).any()

    def test_the_label_is_a_row_of_the_hierarchy(self, region, blend, points):
        made = forge(
            portrait(1, points=points),
            portrait(2, points=points),
            region,
            seed=0,
            options=Options(blend=blend),
        )
        assert made.label in hierarchy.load("ffpp").labels
        assert json.loads(json.dumps(made.provenance))["source"] == "person 2"


@pytest.mark.parametrize("points", [68, 5])
@pytest.mark.parametrize("region", REGIONS)
def test_a_forgery_covers_its_region_and_spares_the_others(region, points):
    target = portrait(1, points=points)
    made = forge(target, portrait(2, points=points), region, seed=0)
    inside = core(target.landmarks, region, (128, 128))
    outside = neighbours(target.landmarks, region, (128, 128)) & ~inside
    assert made.mask[inside].mean() > 0.85
    assert made.mask[outside].mean() < 0.05


def test_hair_is_spared():
    regions = np.zeros((128, 128), np.uint8)
    regions[:, 64:] = 64
    target = replace(portrait(1), regions=regions)
    made = forge(target, portrait(2), "eyes", seed=0)
    inside = core(target.landmarks, "eyes", (128, 128))
    assert made.mask[:, 68:][~inside[:, 68:]].max() < 0.2


def test_alignment_brings_the_region_to_its_place():
    target, source = landmarks((64, 64), 80), landmarks((50, 70), 60, 20)
    for region in ("", *REGIONS):
        matrix = align(source, target, region)
        np.testing.assert_allclose(source @ matrix[:, :2].T + matrix[:, 2], target, atol=1e-6)


def test_a_face_outside_the_image_is_refused():
    target = portrait(1)
    with pytest.raises(DataError, match="person 1"):
        forge(replace(target, landmarks=target.landmarks + 500), portrait(2), "nose", seed=0)


def test_unknown_names_are_answered_with_the_known():
    with pytest.raises(ParameterError, match="eyes, mouth, nose. Found 'ear'"):
        forge(portrait(1), portrait(2), "ear", seed=0)
    for wrong in (
        {"blend": "paste"},
        {"colour": "rgb"},
        {"alignment": "none"},
        {"resolution": (0, 1)},
        {"resolution": (0.9, 0.5)},
    ):
        with pytest.raises(ParameterError, match=next(iter(wrong))):
            Options(**wrong)


def test_the_membrane_is_harmonic(random):
    """Oracle: a linear function is its own membrane; and inside, every value is the mean of its
    neighbours."""
    rows, columns = np.mgrid[:40, :50].astype(np.float32)
    inside = ((rows - 20) / 15) ** 2 + ((columns - 25) / 20) ** 2 < 1
    linear = (2 * rows - columns)[..., None]
    np.testing.assert_allclose(membrane(linear, inside)[..., 0], linear[..., 0], atol=0.5)
    values = membrane(random.normal(0, 5, (40, 50, 2)).astype(np.float32), inside, sweeps=300)
    mean = (values[:-2, 1:-1] + values[2:, 1:-1] + values[1:-1, :-2] + values[1:-1, 2:]) / 4
    np.testing.assert_allclose(values[1:-1, 1:-1][inside[1:-1, 1:-1]], mean[inside[1:-1, 1:-1]], atol=1e-3)


def test_poisson_takes_over_a_constant_difference(random):
    """A patch that differs by a constant disappears: gradients alone are taken from it."""
    image = random.uniform(80, 120, (40, 40, 3)).astype(np.float32)
    mask = np.zeros((40, 40), np.float32)
    mask[8:32, 8:32] = 1
    np.testing.assert_allclose(poisson(image, image + 50, mask), image, atol=0.05)
    np.testing.assert_allclose(alpha(image, image + 50, mask)[10, 10], image[10, 10] + 50, atol=1e-3)


def test_colours_become_those_of_the_surroundings(random):
    image = np.clip(random.normal((200, 150, 120), 8, (40, 40, 3)), 0, 255).astype(np.float32)
    patch = np.clip(random.normal((120, 90, 60), 8, (40, 40, 3)), 0, 255).astype(np.float32)
    fitted = match_colour(patch, image, np.ones((40, 40)), 8)
    assert np.abs(fitted.mean((0, 1)) - image.mean((0, 1))).max() < 3
    np.testing.assert_allclose(match_colour(image, image, np.ones((40, 40)), 8), image, atol=0.1)
    np.testing.assert_array_equal(match_colour(patch, image, np.zeros((40, 40)), 8), patch)


def test_softening_takes_detail_away(random):
    patch = random.uniform(0, 255, (64, 64, 3)).astype(np.float32)
    assert soften(patch, 1) is patch
    spread = [soften(patch, f).std() for f in (0.9, 0.6, 0.3)]
    assert patch.std() > spread[0] > spread[1] > spread[2]


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    root = faceforensics(tmp_path_factory.mktemp("data") / "FaceForensics++")
    out = root.parent / "faces"
    rows = layouts.load("faceforensics++").read(root)
    # identities of one split: there must be a stranger to take from
    rows["split"] = np.where(rows["split"] == "test", "test", "train")
    finder = Annotated(root.parent / "annotations.npz")
    return out, extract(rows, root, out, finder, frames=2, size=112, alignment="native")


@pytest.mark.parametrize("source", ["real", "fake"])
@pytest.mark.parametrize("pairing", ["nearest", "random"])
def test_nobody_gives_to_themselves(faces, tmp_path, pairing, source):
    out, manifest = faces
    made = expand(manifest, out, tmp_path, per_image=3, seed=1, pairing=pairing, source=source)
    good = made[made["status"] == "ok"]
    donors = manifest.set_index("sample").loc[good["donor"]]
    assert len(good) and (good["source"].to_numpy() == donors["target"].to_numpy()).all()
    assert (good["target"].to_numpy() != donors["target"].to_numpy()).all()
    assert (good["target"].to_numpy() != donors["source"].to_numpy()).all()
    assert (good["split"].to_numpy() == donors["split"].to_numpy()).all()
    assert ((donors["label"] == "real") == (source == "real")).all()


def test_the_expanded_manifest(faces, tmp_path):
    out, manifest = faces
    made = expand(manifest, out, tmp_path, per_image=2, seed=1)
    real = manifest[manifest["label"] == "real"]
    assert len(made) == 2 * len(real) and list(made.columns) == [*manifest.columns, *EXTRA]
    assert made["sample"].is_unique and set(made["pristine"]) == set(real["video"])
    assert set(made["manipulation"]) == {f"expanded-{region}" for region in REGIONS}
    row = made[made["status"] == "ok"].iloc[0]
    original = real[(real["video"] == row["pristine"]) & (real["frame"] == row["frame"])].iloc[0]
    before = read_image(out, original["shard"], original["member"])
    after, mask = (read_image(tmp_path, row["shard"], row[name]) for name in ("member", "mask_member"))
    untouched = mask == 0
    assert (before[untouched] == after[untouched]).all() and (before[~untouched] != after[~untouched]).any()
    assert json.loads(row["provenance"])["options"]["blend"] == "alpha"
    assert [round(v, 3) for v in row["landmarks"]] == [round(v, 3) for v in original["landmarks"]]


def test_expansion_is_the_same_for_any_number_of_workers(faces, tmp_path):
    out, manifest = faces
    tables = [expand(manifest, out, tmp_path / str(n), per_image=3, seed=5, workers=n) for n in (1, 2)]
    assert tables[0].equals(tables[1])
    for shard in sorted(set(tables[0]["shard"]) - {""}):
        assert (tmp_path / "1" / shard).read_bytes() == (tmp_path / "2" / shard).read_bytes()
    assert not tables[0].equals(expand(manifest, out, tmp_path / "3", per_image=3, seed=6))


def test_without_a_stranger_there_is_a_row_that_says_so(faces, tmp_path):
    out, manifest = faces
    alone = manifest[manifest["target"] == "000"].reset_index(drop=True)
    made = expand(alone, out, tmp_path, seed=0)
    assert len(made) == 2 and (made["status"] == "no donor of another person").all()
    with pytest.raises(DataError, match="expected real crops"):
        expand(manifest[manifest["label"] != "real"], out, tmp_path)
    for wrong in (
        {"regions": ["ear"]},
        {"regions": []},
        {"per_image": 4},
        {"pairing": "best"},
        {"source": "any"},
    ):
        with pytest.raises(ParameterError):
            expand(manifest, out, tmp_path, **wrong)


def test_the_nearest_donor_looks_alike():
    rows = [{"dataset": "d", "split": "train", "label": "real", "target": str(i), "source": "",
             "landmarks": landmarks((64, 64), 80, 0).ravel().tolist()} for i in range(60)]  # fmt: skip
    for i in range(30, 60):
        stretched = landmarks((64, 64), 80) * [1.3, 1.0]
        rows[i]["landmarks"] = stretched.ravel().tolist()
    tones = np.column_stack([np.arange(60.0), np.zeros(60), np.zeros(60)])
    donors = Donors(pd.DataFrame(rows), tones)
    drawn = {donors.draw(3, np.random.default_rng(s)) for s in range(60)}
    assert 3 not in drawn and drawn <= set(range(12)) and len(drawn) > 3


def test_skin_tone_is_that_of_the_cheeks():
    target = portrait(4)
    bright = replace(target, image=np.clip(target.image.astype(int) + 40, 0, 255).astype(np.uint8))
    assert skin_tone(bright.image, bright.landmarks)[0] > skin_tone(target.image, target.landmarks)[0] + 5


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the photographs for development are not here")
def test_photographs_from_a_plain_folder(tmp_path):
    rows = layouts.load("pictures", dataset="faces").read(PHOTOS)
    rows = rows[rows["path"].str.contains("_03.jpg")].head(12).reset_index(drop=True)
    manifest = extract(rows, PHOTOS, tmp_path / "faces", Templates(PHOTOS), frames=1, size=160)
    made = expand(manifest, tmp_path / "faces", tmp_path / "out", per_image=3, seed=0)
    assert (manifest["status"] == "ok").all() and (made["status"] == "ok").all() and len(made) == 36
    # a plausible forgery: the skin at the border of the mask keeps its colour
    for row in made.head(12).to_dict("records"):
        mask = read_image(tmp_path / "out", row["shard"], row["mask_member"])
        after = read_image(tmp_path / "out", row["shard"], row["member"]).astype(float)
        before = manifest.set_index("video").loc[row["pristine"]]
        before = read_image(tmp_path / "faces", before["shard"], before["member"]).astype(float)
        edge = (mask > 0) & (mask < 128)
        assert np.abs(after[edge].mean(0) - before[edge].mean(0)).max() < 12
