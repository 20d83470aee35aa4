"""Data set expansion to disk: manifests, donors, recompression, presets and parsers."""

import json

import numpy as np
import pytest
from _files import PHOTOS, needs_photos
from _media import faceforensics

from semdf import layouts
from semdf.errors import DataError, ParameterError
from semdf.extraction.extract import extract
from semdf.faces.finders import Annotated, Templates
from semdf.forging import presets
from semdf.forging.expand import EXTRA, RECOMPRESSED, expand
from semdf.storage.tars import read_image


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
@pytest.mark.parametrize("pairing", ["nearest", "pose", "random"])
def test_nobody_gives_to_themselves(faces, tmp_path, pairing, source):
    out, manifest = faces
    preset = presets.choose("sjedd", pairing=pairing, source=source)
    made = expand(manifest, out, tmp_path, preset=preset, per_image=3, seed=1)
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
    assert set(made["manipulation"]) == {f"expanded-{region}" for region in ("eyes", "mouth", "nose")}
    row = made[made["status"] == "ok"].iloc[0]
    original = real[(real["video"] == row["pristine"]) & (real["frame"] == row["frame"])].iloc[0]
    before = read_image(out, original["shard"], original["member"])
    after, mask = (read_image(tmp_path, row["shard"], row[name]) for name in ("member", "mask_member"))
    untouched = mask == 0
    assert (before[untouched] == after[untouched]).all() and (before[~untouched] != after[~untouched]).any()
    assert json.loads(row["provenance"])["operators"]["blend"] == "alpha"
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
    with pytest.raises(DataError, match="must have real crops"):
        expand(manifest[manifest["label"] != "real"], out, tmp_path)
    for wrong in ({"per_image": 0}, {"preset": "best"}, {"recompress": [90]}, {"recompress": [0, 50]}):
        with pytest.raises(ParameterError):
            expand(manifest, out, tmp_path, **wrong)


def test_landmarks_that_are_no_face_are_a_row_that_says_so(faces, tmp_path):
    """All in one point, as nightly fuzzing found."""
    out, manifest = faces
    row = manifest.index[manifest["label"] == "real"][0]
    points = [np.full(136, 5.0) if i == row else points for i, points in manifest["landmarks"].items()]
    made = expand(manifest.assign(landmarks=points), out, tmp_path, per_image=3, seed=1)
    own = made["pristine"] + made["frame"].astype(str) == manifest["video"][row] + str(manifest["frame"][row])
    assert made["status"][own].str.startswith("not forged: ").all() and own.sum() == 3
    assert (made["status"] == "ok").sum() > len(made) / 2


def test_forgeries_of_oneself_and_more_forgeries_than_regions(faces, tmp_path):
    out, manifest = faces
    made = expand(manifest, out, tmp_path, preset="self_blended", per_image=3, seed=1)
    assert made["sample"].is_unique and (made["status"] == "ok").all() and set(made["label"]) == {"self-blended"}
    assert (made["source"] == "").all() and (made["donor"] != "").all()
    images = [read_image(tmp_path, r.shard, r.member) for r in made.head(3).itertuples()]
    assert (images[0] != images[1]).any()


def test_recompression_treats_a_forgery_and_its_pristine_face_alike(faces, tmp_path):
    """Away from the mask both are the same bytes: the compression alone tells them apart nowhere."""
    out, manifest = faces
    made = expand(manifest, out, tmp_path, per_image=3, recompress=[50, 90], seed=1)
    copies = made[made["manipulation"] == RECOMPRESSED]
    forged = made[made["manipulation"] != RECOMPRESSED]
    assert len(copies) == (manifest["label"] == "real").sum() and (copies["label"] == "real").all()
    assert set(forged["pristine"]) == set(copies["video"]) and made["sample"].is_unique
    qualities = set()
    for row in forged.itertuples():
        copy = copies[(copies["video"] == row.pristine) & (copies["frame"] == row.frame)].iloc[0]
        quality = json.loads(row.provenance)["quality"]
        assert quality == json.loads(copy["provenance"])["quality"] and 50 <= quality <= 90
        qualities.add(quality)
        before, after = read_image(tmp_path, copy["shard"], copy["member"]), read_image(tmp_path, row.shard, row.member)
        mask = read_image(tmp_path, row.shard, row.mask_member)
        blocks = np.zeros((7, 7), bool)
        np.logical_or.at(blocks, tuple(index // 16 for index in np.nonzero(mask)), True)
        far = ~np.kron(np.pad(blocks, 1)[1:-1, 1:-1], np.ones((16, 16), bool))
        for axis in (0, 1):  # chroma is interpolated across the border of a block
            far &= np.roll(far, 2, axis) & np.roll(far, -2, axis)
        assert far.any() and (before[far] == after[far]).all() and (before != after).any()
    assert len(qualities) > 3


class Thirds:
    """A parser that finds a nose in the middle third of every picture, and mouth and eyes below and above it."""

    def __init__(self):
        self.seen = 0

    def parse(self, images):
        self.seen += len(images)
        maps = []
        for image in images:
            regions = np.ones(image.shape[:2], np.uint8)
            height, width = regions.shape
            for part, bit in enumerate((2, 8, 48)):
                top = (2 + 2 * part) * height // 8
                regions[top : top + height // 8, width // 3 : -(width // 3)] = bit | 1
            maps.append(regions)
        return maps


def test_a_parser_makes_the_masks(faces, tmp_path):
    out, manifest = faces
    parser, preset = Thirds(), presets.choose("sjedd", mask="regions", regions=["nose"])
    made = expand(manifest, out, tmp_path, preset=preset, seed=1, parser=parser)
    good = made[made["status"] == "ok"]
    assert len(good) == (manifest["label"] == "real").sum() and parser.seen
    mask = read_image(tmp_path, good.iloc[0]["shard"], good.iloc[0]["mask_member"])
    assert mask[112 * 4 // 8 + 7, 56] > 200 and mask[:28].max() == 0


@needs_photos
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
