"""How pictures are forged: traces, blends, settings, and (with the head) donors and whole jobs."""

import importlib.util
from dataclasses import replace

import cv2
import numpy as np
import pytest

from people.drawing.surface import Region
from people.forging.blending import AREAS, BLENDS, area_mask, match_colour
from semdf.errors import ParameterError
from semdf.forging.traces import TRACES
from semdf.pipeline import ROOT

needs_head = pytest.mark.skipif(
    importlib.util.find_spec("numba") is None or not (ROOT / "scratch" / "people" / "head.npz").exists(),
    reason="needs numba and the distilled head: pip install 'semdf[people]', make data",
)


def picture(seed: int, size: int = 96) -> np.ndarray:
    """A smooth picture with some texture `[size, size, 3] uint8`."""
    rng = np.random.default_rng(seed)
    wave = np.cumsum(np.cumsum(rng.normal(0, 1, (size, size, 3)), 0), 1)
    wave = (wave - wave.min()) / np.ptp(wave)
    return np.clip(wave * 200 + 25 + rng.normal(0, 4, wave.shape), 0, 255).astype(np.uint8)


def face(size: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks on an ellipse with features in it, and a mask whose middle is skin below a band of hair."""
    angle = np.linspace(np.pi, 2 * np.pi, 17)
    jaw = np.stack([np.cos(angle) * 28, -np.sin(angle) * 32], -1)
    inner = np.random.default_rng(0).uniform(-16, 16, (51, 2))
    landmarks = (np.concatenate([jaw, inner]) + size / 2).astype(np.float32)
    regions = np.full((size, size), Region.OTHER, np.uint8)
    regions[10:-10, 10:-10] = Region.SKIN
    regions[10:30, 10:-10] = Region.HAIR
    return landmarks, regions


@pytest.mark.parametrize("name", TRACES)
def test_a_trace_is_reproducible_mild_and_of_the_same_size(name):
    image = picture(1)
    one, two = (TRACES[name](image, 0.6, 5) for _ in range(2))
    assert np.array_equal(one, two)
    assert one.shape == image.shape and np.all((one >= 0) & (one <= 255))
    difference = np.abs(one - image).mean()
    assert 0.5 < difference < 16, "it changes the picture, and it stays the picture"
    assert np.corrcoef(one.ravel(), image.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("name", ["soft", "sharp", "fine", "latent", "denoised", "pixels", "warped"])
def test_less_detail_leaves_a_smoother_picture(name):
    image = picture(2)
    coarse, fine = (np.abs(np.diff(TRACES[name](image, detail, 5), axis=1)).mean() for detail in (0.3, 0.9))
    assert coarse < fine


@pytest.mark.parametrize("name", ["transposed", "shuffled", "style", "latent"])
def test_patterns_belong_to_the_generator_s_seed(name):
    image = picture(3)
    assert not np.array_equal(TRACES[name](image, 0.6, 1), TRACES[name](image, 0.6, 2))


def test_latent_patches_lie_on_a_grid_of_eight_pixels():
    """Oracle: jumps between neighbouring columns are larger every eight pixels than elsewhere."""
    out = TRACES["latent"](picture(4, 192), 0.35, 3).mean(-1)
    jumps = np.abs(np.diff(out, n=3, axis=1)).mean(0)
    phases = np.array([jumps[phase::8].mean() for phase in range(8)])
    assert phases.max() > 1.15 * np.median(phases)


@pytest.mark.parametrize("name", BLENDS)
def test_blends_keep_the_far_target_and_take_the_patch_inside(name):
    target, patch = picture(5), picture(6).astype(np.float32)
    alpha = np.zeros((96, 96), np.float32)
    alpha[30:66, 30:66] = 1
    out = BLENDS[name](target, patch, alpha)
    assert np.abs(out[:16] - target[:16]).max() < 1
    inner = np.s_[40:56, 40:56]
    detail = [np.diff(part[inner], axis=0).ravel() for part in (out, patch)]
    assert np.corrcoef(*detail)[0, 1] > 0.9


def test_blending_a_picture_with_itself_changes_nothing():
    image = picture(7)
    alpha = np.full((96, 96), 0.7, np.float32)
    for name in ("alpha", "bands"):
        assert np.abs(BLENDS[name](image, image.astype(np.float32), alpha) - image).max() < 0.01


@pytest.mark.parametrize("area", AREAS)
def test_areas_lie_on_the_face_and_below_the_hair(area):
    landmarks, regions = face()
    mask = area_mask(area, [landmarks, landmarks + 1], [regions, regions], 3)
    assert mask.any() and set(np.unique(mask)) <= {0, 1}
    assert not mask[regions != Region.SKIN].any()
    larger = area_mask(area, [landmarks, landmarks + 1], [regions, regions], 6)
    assert np.all(larger >= mask) and larger.sum() > mask.sum()


def test_matched_colours_have_the_target_s_mean():
    target, patch = picture(8), np.clip(picture(9).astype(int) + 40, 0, 255).astype(np.uint8)
    mask = np.zeros((96, 96), np.uint8)
    mask[20:70, 20:70] = 1
    gaps = [
        np.abs(match_colour(patch, target, mask, share)[mask > 0].mean(0) - target[mask > 0].mean(0)).max()
        for share in (0.0, 0.5, 1.0)
    ]
    assert gaps[2] < 6 and gaps[2] < gaps[1] < gaps[0]


@needs_head
def test_settings_out_of_range_are_refused_by_name():
    from people.forging.forgeries import draw_settings

    settings = draw_settings("Deepfakes", np.random.default_rng(0))
    for name, value in (("detail", 0.0), ("grain", 1.5), ("feather", 0), ("matching", -0.1), ("grow", 99)):
        with pytest.raises(ParameterError, match=rf"Settings\.{name}: must be a .*number from .*, found {value}"):
            replace(settings, **{name: value})
    with pytest.raises(ParameterError, match="method: must be one of .*, found 'Deepfake'"):
        draw_settings("Deepfake", np.random.default_rng(0))


@needs_head
def test_every_manipulation_names_known_parts():
    from people.benchmarks.donors import DONORS
    from people.forging.methods import METHODS

    for recipe in METHODS.values():
        assert recipe.donor in DONORS and recipe.trace in TRACES and recipe.blend in BLENDS
        assert recipe.area == "whole" or recipe.area in AREAS
        for low, high in (recipe.detail, recipe.feather, recipe.matching, recipe.grain):
            assert 0 <= low <= high


@needs_head
def test_pasting_changes_the_face_alone():
    from people.benchmarks.domains import draw_target, show
    from people.benchmarks.donors import donor_scene
    from people.forging.forgeries import draw_settings, forge
    from people.forging.methods import METHODS

    target, source = (draw_target("FaceForensics++", 7, identity, 0) for identity in (1, 2))
    own, donors = show("FaceForensics++", target.scene(0), 0), {}
    for method, recipe in METHODS.items():
        if recipe.area == "whole":
            continue
        if recipe.donor not in donors:
            scene = donor_scene(recipe.donor, target, source, 0, 3)
            donors[recipe.donor] = show("FaceForensics++", scene, 0)
        donor = donors[recipe.donor]
        shown, forged = forge(method, own, donor, draw_settings(method, np.random.default_rng(8)))
        changed = (shown.image != own.image).any(-1)
        assert forged.any() and np.mean(changed & (forged == 0)) < 0.002
        person = ((own.regions | donor.regions) > 0).astype(np.uint8)
        away = cv2.distanceTransform(1 - person, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) > 12  # farther than any feather
        assert not forged[away].any(), method
        assert shown.landmarks.shape == (68, 2)


@needs_head
@pytest.mark.parametrize("kind", ["age", "gender", "smile", "surprise", "pose", "identity", "swap", "same"])
def test_a_counterfactual_changes_what_it_names_alone(kind):
    from people.benchmarks.domains import draw_target
    from people.benchmarks.donors import donor_scene

    target, source = (draw_target("FFSC", 3, identity, 0) for identity in (1, 2))
    own, other = target.scene(0), donor_scene(kind, target, source, 0, 5)
    assert other.light == own.light and other.background == own.background
    assert replace(other.camera, seed=0) == replace(own.camera, seed=0) and other.camera.seed != own.camera.seed
    same_person, same_pose = other.person == own.person, other.pose == own.pose
    assert same_person == (kind in ("smile", "surprise", "pose", "same"))
    assert same_pose == (kind != "pose")
    assert (other.expression == own.expression) == (kind not in ("smile", "surprise"))
    if kind in ("age", "gender"):
        assert other.person.local == own.person.local, "the same person"
        assert getattr(other.person, kind) != getattr(own.person, kind)
    if kind == "identity":
        assert other.person.hair == own.person.hair and other.person.local == source.person.local
