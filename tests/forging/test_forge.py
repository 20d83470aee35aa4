"""Forging: what is outside the mask is untouched, nobody is paired with themselves, and a seed is a forgery."""

import json
import weakref
from collections.abc import Sequence
from dataclasses import fields, replace

import cv2
import numpy as np
import pandas as pd
import pytest
from _files import PHOTOS, needs_photos
from _media import draw, landmarks
from hypothesis import given, settings
from hypothesis import strategies as st

from semdf.errors import DataError, ParameterError
from semdf.faces.landmarks import five, from_tem, ibug, read_template
from semdf.faces.regions import REGIONS, core, joined, neighbours, parts
from semdf.forging import presets
from semdf.forging.blend import BLENDS, alpha, blend, laplacian, membrane, poisson
from semdf.forging.colour import (
    COLOURS,
    match_colour,
    match_histogram,
    match_local,
    match_statistics,
    relight,
    sharpen,
    soften,
)
from semdf.forging.donors import Donors, poses, skin_tone
from semdf.forging.forge import SELF, Options, Portrait, forge, label_of
from semdf.forging.masks import Shape
from semdf.forging.on_the_fly import Forger
from semdf.forging.warp import WARPS, Window, align, jitter, piecewise, warp
from semdf.method import hierarchy


def portrait(seed, size=128, points=68, turn=0.0):
    where = landmarks((size / 2 + seed % 3, size / 2), 0.62 * size, turn)
    return Portrait(draw(where, size, seed), where if points == 68 else five(where), None, f"person {seed}")


def draw_map(target):
    """The region map of a drawn face: what its landmarks say."""
    shape, points = target.image.shape[:2], target.landmarks
    bits = {"face": 1, "eyes": 2, "eyebrows": 4, "nose": 8, "lips": 16, "teeth": 32}
    return sum(core(points, name, shape).astype(np.uint8) * bit for name, bit in bits.items())


#: One choice of each operator; the property tests draw from it.
CHOICES = {
    "alignment": st.sampled_from(WARPS),
    "blend": st.sampled_from(BLENDS),
    "colour": st.sampled_from(COLOURS),
    "mask": st.sampled_from(presets.MASKS),
    "opacity": st.sampled_from([(1.0,), (0.5, 1.0), (0.25,)]),
}
SHAPES = st.builds(
    Shape,
    grow=st.sampled_from([(0.0, 0.0), (0.1, 0.18), (-0.1, 0.05)]),
    wobble=st.floats(0, 0.1),
    feather=st.sampled_from([(0.0, 0.0), (0.05, 0.05), (0.03, 0.15)]),
)
#: Operators that leave a face that is its own donor as it is: all but those that alter the donor itself, and but
#: OpenCV's cloning, which is right up to a level.
EXACT = CHOICES | {"blend": st.sampled_from([name for name in BLENDS if name != "cloned"])}
PURE = st.builds(Options, resolution=st.just((1, 1)), shape=SHAPES, **EXACT)
ANY = st.builds(
    Options,
    resolution=st.sampled_from([(1, 1), (0.3, 0.9)]),
    sharpness=st.sampled_from([(0, 0), (-0.9, 1.5)]),
    light=st.sampled_from([0, 0.3]),
    tint=st.sampled_from([0, 30]),
    contrast=st.sampled_from([0, 0.2]),
    shift=st.sampled_from([0, 0.05]),
    scale=st.sampled_from([0, 0.1]),
    turn=st.sampled_from([0, 10]),
    shape=SHAPES,
    **CHOICES,
)
NAMES = st.sampled_from([*REGIONS, "eyes+mouth", "eyes+nose+mouth"])
POINTS = st.sampled_from([5, 68])


def made_of(target, source, region, seed, options):
    """The forgery, or None where the options leave nothing of the region, which says so."""
    try:
        return forge(target, source, region, seed=seed, options=options)
    except DataError as error:
        assert region.split("+")[0] in str(error) or "person" in str(error)
        return None


@settings(max_examples=40, deadline=None, derandomize=True)
@given(options=ANY, region=NAMES, points=POINTS, seed=st.integers(0, 9))
def test_nothing_changes_outside_the_mask(options, region, points, seed):
    target, source = portrait(1, 96, points), portrait(2, 96, points, turn=6)
    target, source = (replace(p, regions=draw_map(p)) for p in (target, source))
    made = made_of(target, source, region, seed, options)
    if made is not None:
        assert made.image.dtype == np.uint8 and made.mask.dtype == np.float32
        assert made.mask.min() >= 0 and made.mask.max() <= 1
        np.testing.assert_array_equal(made.image[made.mask == 0], target.image[made.mask == 0])
        assert (made.image != target.image).any()
        assert json.loads(json.dumps(made.provenance)) == made.provenance


@settings(max_examples=40, deadline=None, derandomize=True)
@given(options=PURE, region=NAMES, points=POINTS, seed=st.integers(0, 9))
def test_a_face_as_its_own_donor_stays(options, region, points, seed):
    target = portrait(1, 96, points)
    target = replace(target, regions=draw_map(target))
    made = made_of(target, replace(target), region, seed, options)  # an equal face that is not the same object
    if made is not None:
        np.testing.assert_array_equal(made.image, target.image)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(options=ANY, region=NAMES)
def test_the_seed_decides(options, region):
    target, source = (replace(p, regions=draw_map(p)) for p in (portrait(1, 96), portrait(2, 96)))
    one, same = (made_of(target, source, region, 7, options) for _ in range(2))
    if one is not None:
        np.testing.assert_array_equal(one.image, same.image)
        np.testing.assert_array_equal(one.mask, same.mask)
        assert one.provenance == same.provenance
        other = made_of(target, source, region, 8, options)
        assert other is None or other.provenance != one.provenance


def test_another_seed_is_another_mask():
    target, source = portrait(1), portrait(2)
    assert (forge(target, source, "nose", seed=1).mask != forge(target, source, "nose", seed=2).mask).any()


@pytest.mark.parametrize("points", [68, 5])
@pytest.mark.parametrize("region", [*REGIONS, "eyes+nose"])
def test_a_forgery_covers_its_region_and_spares_the_others(region, points):
    target = portrait(1, points=points)
    made = forge(target, replace(portrait(2, points=points), landmarks=target.landmarks), region, seed=0)
    inside = core(target.landmarks, region, (128, 128))
    outside = neighbours(target.landmarks, region, (128, 128)) & ~inside
    # the border of lips and skin is soft, and they are narrow where they meet what must be left alone
    assert made.mask[inside].mean() > {"lips": 0.6, "skin": 0.5}.get(region, 0.8)
    assert not outside.any() or made.mask[outside].mean() < 0.05


@pytest.mark.parametrize("name", presets.known())
def test_every_preset_makes_labelled_forgeries(name):
    preset, tree = presets.load(name), hierarchy.load("ffpp")
    target, source = portrait(1), portrait(2)
    for seed, region in enumerate(preset.regions):
        made = forge(target, target if preset.pairing == "self" else source, region, seed=seed, options=preset.options)
        assert made.label in tree.labels and made.label == label_of(region, own=preset.pairing == "self")
        assert tree.label(made.label)[0] == 1 and (made.image != target.image).any()
    assert preset.reference


def test_labels_say_what_was_replaced():
    """Every region has its row, and its row marks the region; with oneself as the donor there is no other identity."""
    tree = hierarchy.load("ffpp")
    node = {"eyes": "eye", "eyebrows": "eyebrow", "nose": "nose", "lips": "lip", "mouth": "mouth", "skin": "skin"}
    for region in (*REGIONS, "eyes+nose", "eyes+mouth", "nose+mouth", "eyes+nose+mouth"):
        row = tree.label(label_of(region))
        for part in parts(region):
            assert row[tree.index(node[part])] == 1 if part in node else row[tree.index("identity")] == 1
    assert label_of("face", own=True) == SELF and tree.label(SELF)[tree.index("identity")] == 0
    assert label_of("mouth+eyes") == joined("mouth+eyes") == "eyes+mouth"
    with pytest.raises(ParameterError, match="without identity"):
        label_of("skin", own=True)


def test_hair_is_spared():
    regions = np.zeros((128, 128), np.uint8)
    regions[:, 64:] = 64
    target = replace(portrait(1), regions=regions)
    made = forge(target, portrait(2), "eyes", seed=0)
    inside = core(target.landmarks, "eyes", (128, 128))
    assert made.mask[:, 68:][~inside[:, 68:]].max() < 0.2


def test_alignment_brings_the_region_to_its_place():
    target, source = landmarks((64, 64), 80), landmarks((50, 70), 60, 20)
    for region in ("", *REGIONS, "eyes+nose"):
        matrix = align(source, target, region)
        np.testing.assert_allclose(source @ matrix[:, :2].T + matrix[:, 2], target, atol=1e-6)


def test_piecewise_alignment_takes_every_landmark_to_its_place(random):
    """Oracle: each landmark lies on a vertex; an affine map of all is that map everywhere; identity is identity."""
    target = np.round(landmarks((64, 64), 80))
    source = target + random.normal(0, 3, target.shape)
    moves = piecewise(source, target, align(source, target), Window(0, 0, 128, 128))
    rows, columns = target.T[::-1].astype(int)
    np.testing.assert_allclose(
        np.column_stack([moves.columns, moves.rows])[rows, [columns, columns + 128]].T, source, atol=1e-3
    )
    skewed = target @ np.array([[1.1, 0.1], [-0.2, 0.9]]) + 3
    moves = piecewise(skewed, target, align(skewed, target), Window(40, 40, 48, 48))
    y, x = np.mgrid[40:88, 40:88]
    inside = core(target, "face", (128, 128))[40:88, 40:88]
    expected = np.stack([x, y], -1) @ np.array([[1.1, 0.1], [-0.2, 0.9]]) + 3
    np.testing.assert_allclose(np.stack([moves.columns, moves.rows], -1)[inside], expected[inside], atol=1e-3)
    still = piecewise(target, target, align(target, target), Window(0, 0, 128, 128))
    np.testing.assert_allclose(still.columns, np.arange(128)[None] + np.zeros((128, 1)), atol=1e-3)
    with pytest.raises(ParameterError, match="one scheme"):
        piecewise(five(target), target, np.eye(2, 3), Window(0, 0, 8, 8))


def test_a_similarity_warps_as_opencv_does(random):
    """Oracle: cv2.warpAffine."""
    image = cv2.GaussianBlur(random.uniform(0, 255, (60, 60, 3)).astype(np.float32), (0, 0), 2)
    matrix = jitter(np.eye(2, 3), np.array([30.0, 30.0]), np.array([2.0, -3.0]), 1.1, 12)
    found = warp(matrix, Window(10, 5, 30, 40))(image)
    expected = cv2.warpAffine(image, matrix, (60, 60), flags=cv2.INTER_CUBIC)[10:40, 5:45]
    np.testing.assert_allclose(found, expected, atol=1.5)
    assert warp(matrix, Window(0, 0, 60, 60)).inside((60, 60)).mean() < 1


def test_a_jitter_turns_about_its_centre():
    centre = np.array([30.0, 20.0])
    matrix = jitter(np.eye(2, 3), centre, np.array([1.0, 2.0]), 1.2, 30)
    np.testing.assert_allclose(centre @ matrix[:, :2].T + matrix[:, 2], centre + [1, 2])
    assert np.linalg.det(matrix[:, :2]) == pytest.approx(1.2**2)


def test_a_face_outside_the_image_is_refused():
    target = portrait(1)
    with pytest.raises(DataError, match="person 1"):
        forge(replace(target, landmarks=target.landmarks + 500), portrait(2), "nose", seed=0)


def test_unknown_names_are_answered_with_the_known():
    with pytest.raises(ParameterError, match="lips, mouth, skin, face.*found 'ear'"):
        forge(portrait(1), portrait(2), "ear", seed=0)
    with pytest.raises(ParameterError, match="self_blended, sjedd, sjedd_small, sladd, found 'best'"):
        presets.load("best")
    wrong = [
        *({"blend": "paste"}, {"colour": ("lab", "rgb")}, {"alignment": ()}, {"mask": "hand"}, {"resolution": (0, 1)}),
        *({"resolution": (0.9, 0.5)}, {"opacity": (0, 1)}, {"sharpness": (1, 0)}, {"light": -1}, {"tint": 300}),
    ]
    for values in wrong:
        with pytest.raises(ParameterError, match=next(iter(values))):
            Options(**values)
    for values in ({"grow": (0.2, 0.1)}, {"feather": (-0.1, 0.1)}, {"wobble": 2}):
        with pytest.raises(ParameterError, match=next(iter(values))):
            Shape(**values)


def test_a_preset_that_is_like_another_changes_what_it_names():
    large, small = presets.load("sjedd"), presets.load("sjedd_small")
    named = {"resolution": (0.3, 0.5), "shape": replace(large.options.shape, grow=(0.18, 0.28))}
    changed = replace(large.options, **named)
    assert replace(large, name="sjedd_small", reference=small.reference, options=changed) == small


def test_a_preset_with_some_choices_replaced():
    assert presets.choose("sjedd") == presets.load("sjedd")
    chosen = presets.choose("sladd", regions=["mouth+eyes"], source="real", blend="laplacian", mask="regions")
    assert chosen.regions == ("eyes+mouth",) and chosen.source == "real"
    assert chosen.options.blend == ("laplacian",) and chosen.options.mask == "regions"
    kept = {f.name for f in fields(Options)} - {"blend", "mask"}
    assert all(getattr(chosen.options, n) == getattr(presets.load("sladd").options, n) for n in kept)
    for wrong in ({"regions": ["ear"]}, {"regions": ["eyes", "eyes"]}, {"pairing": "best"}, {"source": "any"}):
        with pytest.raises(ParameterError):
            presets.choose("sjedd", **wrong)


def test_region_maps_are_needed_where_they_are_wanted():
    options = Options(mask="regions")
    with pytest.raises(DataError, match="region maps"):
        forge(portrait(1), portrait(2), "nose", seed=0, options=options)
    target, source = (replace(p, regions=draw_map(p)) for p in (portrait(1), portrait(2)))
    for region in REGIONS:
        by_map = forge(target, source, region, seed=0, options=options).mask
        by_points = forge(target, source, region, seed=0).mask
        assert ((by_map > 0.5) & (by_points > 0.5)).sum() > 0.6 * ((by_map > 0.5) | (by_points > 0.5)).sum()


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


def test_a_pyramid_of_one_level_is_alpha_and_the_mask_bounds_all_levels(random):
    image, patch = (random.uniform(0, 255, (48, 40, 3)).astype(np.float32) for _ in range(2))
    mask = np.zeros((48, 40), np.float32)
    mask[12:36, 10:30] = 1
    np.testing.assert_allclose(laplacian(image, patch, mask, levels=0), alpha(image, patch, mask), atol=1e-3)
    np.testing.assert_array_equal(laplacian(image, patch, mask)[mask == 0], image[mask == 0])
    np.testing.assert_allclose(laplacian(image, patch, np.ones_like(mask)), patch, atol=0.01)
    # the border of a step is wider for coarse octaves: a constant difference fades, where alpha jumps
    step = laplacian(image, image + 40, mask) - image
    assert 1 < step[24, 11].mean() < 39 and step[24, 20].mean() > 30
    with pytest.raises(ParameterError, match="alpha, poisson, laplacian, bands, cloned, found 'paste'"):
        blend(image, patch, mask, "paste")


def test_poisson_takes_over_a_constant_difference(random):
    """A patch that differs by a constant disappears: gradients alone are taken from it."""
    image = random.uniform(80, 120, (40, 40, 3)).astype(np.float32)
    mask = np.zeros((40, 40), np.float32)
    mask[8:32, 8:32] = 1
    np.testing.assert_allclose(poisson(image, image + 50, mask), image, atol=0.05)
    np.testing.assert_allclose(alpha(image, image + 50, mask)[10, 10], image[10, 10] + 50, atol=1e-3)


@pytest.mark.parametrize("kind", COLOURS)
def test_colours_become_those_of_the_surroundings(random, kind):
    image = np.clip(random.normal((200, 150, 120), 8, (40, 40, 3)), 0, 255).astype(np.float32)
    patch = np.clip(random.normal((120, 90, 60), 8, (40, 40, 3)), 0, 255).astype(np.float32)
    every = np.ones((40, 40))
    fitted = match_colour(patch, image, every, every, 8, kind)
    if kind == "none":
        np.testing.assert_array_equal(fitted, patch)
    else:
        assert np.abs(fitted.mean((0, 1)) - image.mean((0, 1))).max() < 3
    np.testing.assert_allclose(match_colour(image, image, every, every, 8, kind), image, atol=0.1)
    np.testing.assert_allclose(match_colour(patch, image, 0 * every, 0 * every, 8, kind), patch, atol=1e-3)
    with pytest.raises(ParameterError, match="reinhard"):
        match_colour(patch, image, every, every, 8, "rgb")


def test_statistics_and_histogram_do_what_they_say(random):
    image, patch = (random.normal(mean, spread, (64, 64, 3)) for mean, spread in ((150, 12), (90, 9)))
    image, patch = (np.clip(np.round(x), 0, 255).astype(np.float32) for x in (image, patch))
    every = np.ones((64, 64))
    fitted = match_statistics(patch, image, every)
    np.testing.assert_allclose(fitted.mean((0, 1)), image.mean((0, 1)), atol=0.1)
    np.testing.assert_allclose(fitted.std((0, 1)), image.std((0, 1)), rtol=0.05)
    ranks = np.linspace(0.02, 0.98, 20)
    fitted = match_histogram(patch, image, every)
    np.testing.assert_allclose(np.quantile(fitted, ranks), np.quantile(image, ranks), atol=1.5)
    only = np.zeros((64, 64))
    only[:32] = 1
    assert abs(match_histogram(patch, image, only)[:32].mean() - image[:32].mean()) < 1


def test_on_dark_skin_pupils_stay_dark_and_eyes_keep_their_contrast():
    """A patch of light skin with a black pupil and a white, onto dark skin."""
    patch = np.full((40, 40, 3), (205, 165, 140), np.float32)
    patch[18:22, 10:14], patch[18:22, 24:28] = 25, 235
    ring = np.ones((40, 40))
    ring[14:26, 6:32] = 0
    fitted = match_local(patch, np.full((40, 40, 3), (75, 48, 36), np.float32), ring, 8)
    pupil, white, skin = fitted[20, 12], fitted[20, 26], fitted[5, 5]
    np.testing.assert_allclose(skin, (75, 48, 36), atol=2)
    assert 2 < pupil.mean() < skin.mean() / 2 and white.mean() > skin.mean() + 25
    assert np.ptp(white) < 25 and np.ptp(pupil) < 15  # grey, whatever the skin


def test_light_and_sharpness(random):
    patch = random.uniform(60, 190, (40, 40, 3)).astype(np.float32)
    assert sharpen(patch, 0) is patch and relight(patch, 20, [0, 0], [0, 0, 0]) is patch
    assert sharpen(patch, 1).std() > patch.std() > sharpen(patch, -0.8).std()
    flat = np.full((40, 40, 3), 100, np.float32)
    lit = relight(flat, 20, [0.2, 0], [5, 0, 0])
    np.testing.assert_allclose(lit[20, 20] - flat[20, 20], [5, 0, 0], atol=1e-3)
    np.testing.assert_allclose(lit[20, 40 - 1, 1] - lit[20, 0, 1], 100 * 0.2 * 39 / 20, atol=1e-3)
    assert relight(patch, 20, [0, 0], [0, 0, 0], 1.2).std() == pytest.approx(1.2 * patch.std(), rel=0.01)


def test_softening_takes_detail_away(random):
    patch = random.uniform(0, 255, (64, 64, 3)).astype(np.float32)
    assert soften(patch, 1) is patch
    spread = [soften(patch, f).std() for f in (0.9, 0.6, 0.3)]
    assert patch.std() > spread[0] > spread[1] > spread[2]


def people(count):
    """Real faces of one split, all alike."""
    row = {"dataset": "d", "split": "train", "label": "real", "source": ""}
    points = landmarks((64, 64), 80, 0).ravel().tolist()
    rows = [row | {"target": str(i), "sample": f"d/{i}/0000", "landmarks": points} for i in range(count)]
    return pd.DataFrame(rows)


def test_the_nearest_donor_looks_alike():
    rows = people(60)
    stretched = (landmarks((64, 64), 80) * [1.3, 1.0]).ravel().tolist()
    rows["landmarks"] = [points if i < 30 else stretched for i, points in enumerate(rows["landmarks"])]
    tones = np.column_stack([np.arange(60.0), np.zeros(60), np.zeros(60)])
    donors = Donors(rows, tones)
    drawn = {donors.draw(3, np.random.default_rng(s)) for s in range(60)}
    assert 3 not in drawn and drawn <= set(range(12)) and len(drawn) > 3


def test_the_nearest_pose_is_that_of_the_nose():
    """A head that turns moves its nose along the line of the eyes; rolling and scaling move nothing."""
    straight, turned = landmarks((64, 64), 80), landmarks((64, 64), 80)
    turned[27:36, 0] += 6
    table = poses([straight, turned, landmarks((50, 60), 60, 25)])
    np.testing.assert_allclose(table[0], table[2], atol=1e-9)
    assert table[1, 0] > table[0, 0] + 0.1 and table[1, 1] == pytest.approx(table[0, 1])
    rows = people(40)
    rows["landmarks"] = [points if i < 20 else turned.ravel().tolist() for i, points in enumerate(rows["landmarks"])]
    donors = Donors(rows, np.zeros((40, 3)), "pose")
    assert {donors.draw(30, np.random.default_rng(s)) for s in range(40)} <= set(range(20, 40))


@pytest.mark.parametrize("pairing", ["nearest", "landmarks", "pose", "random"])
def test_no_pairing_takes_the_same_person(pairing):
    rows = people(12)
    rows.loc[6:, "target"] = "0"
    donors = Donors(rows, np.zeros((12, 3)), pairing)
    assert {donors.draw(0, np.random.default_rng(s)) for s in range(60)} == set(range(1, 6))
    assert Donors(rows, None, "self").draw(4, np.random.default_rng(0)) == 4


def test_of_many_candidates_a_pool_is_drawn_once():
    """The same in every process; a smaller table than the pool is looked at whole."""
    rows = people(400)
    some = [Donors(rows, None, "random", pool=50) for _ in range(2)]
    drawn = [{d.draw(row, np.random.default_rng(row)) for row in range(400)} for d in some]
    assert drawn[0] == drawn[1] and len(drawn[0]) == 50
    everybody = Donors(rows, None, "random", pool=None)
    assert len(everybody.allowed(0)) == len(Donors(rows, None, "random").allowed(0)) == 399
    inside = sorted(drawn[0])[0]
    assert inside not in some[0].allowed(inside) and len(some[0].allowed(inside)) == 49
    one_person = rows.assign(target="0")
    assert Donors(one_person, None, "random", pool=50).draw(3, np.random.default_rng(0)) is None
    halves = rows.assign(split=["train"] * 200 + ["val"] * 200)
    assert (Donors(halves, None, "random", pool=50).allowed(300) >= 200).all()


def test_skin_tone_is_that_of_the_cheeks():
    target = portrait(4)
    bright = replace(target, image=np.clip(target.image.astype(int) + 40, 0, 255).astype(np.uint8))
    assert skin_tone(bright.image, bright.landmarks)[0] > skin_tone(target.image, target.landmarks)[0] + 5


class TestForger:
    @pytest.fixture
    def rows(self):
        return people(5), [portrait(i).image for i in range(5)]

    @pytest.mark.parametrize("name", presets.known())
    def test_every_epoch_forges_anew_and_a_seed_is_a_seed(self, rows, name):
        forger, again = (Forger(*rows, presets.choose(name, source="real"), seed=s) for s in (3, 3))
        assert len(forger) == 5 and name in repr(forger)
        images, masks, labels = forger.batch([0, 2, 4], epoch=1)
        assert images.shape == (3, 128, 128, 3) and images.dtype == np.uint8 and masks.shape == (3, 128, 128)
        assert set(labels) <= set(hierarchy.load("ffpp").labels)
        np.testing.assert_array_equal(images, again.batch([0, 2, 4], epoch=1)[0])
        assert (images != forger.batch([0, 2, 4], epoch=2)[0]).any()
        for item, image, mask in zip([0, 2, 4], images, masks, strict=True):
            np.testing.assert_array_equal(image[mask == 0], rows[1][item][mask == 0])

    def test_what_cannot_be_forged_is_said(self, rows):
        table, images = rows
        with pytest.raises(DataError, match="another person"):
            Forger(table.assign(target="0"), images)(0)
        with pytest.raises(DataError, match="found 4"):
            Forger(table, images[:4])
        with pytest.raises(DataError, match="must have real faces"):
            Forger(table.assign(label="Deepfakes"), images)


@needs_photos
def test_the_189_landmarks_of_a_photograph_say_more():
    points = read_template(PHOTOS / "london" / "001_03.tem")
    assert points.shape == (189, 2) and (ibug(points) == from_tem(points)).all() and five(points).shape == (5, 2)
    for region in REGIONS:
        fine, coarse = (core(p, region, (700, 700)) for p in (points, from_tem(points)))
        assert (fine & coarse).sum() > (0.4 if region == "eyebrows" else 0.7) * (fine | coarse).sum(), region


class Watched(Sequence):
    """Landmarks that are made when they are asked for; it counts how many of them somebody holds at a time."""

    def __init__(self, rows: pd.DataFrame) -> None:
        self.points = rows["landmarks"].tolist()
        self.alive: set[int] = set()
        self.most = 0

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, number: int) -> np.ndarray:
        made = np.array(self.points[number])
        self.alive.add(id(made))
        weakref.finalize(made, self.alive.discard, id(made))
        self.most = max(self.most, len(self.alive))
        return made


@pytest.mark.parametrize("pairing", ["nearest", "landmarks", "pose"])
def test_a_search_holds_the_landmarks_of_its_candidates_alone(pairing):
    rows = people(400)
    watched = Watched(rows)
    found = Donors(rows.drop(columns="landmarks"), None, pairing, pool=30, landmarks=watched)
    usual = Donors(rows, None, pairing, pool=30)
    assert [found.draw(row, np.random.default_rng(row)) for row in range(400)] == [
        usual.draw(row, np.random.default_rng(row)) for row in range(400)
    ]
    assert watched.most <= 31 and not watched.alive
