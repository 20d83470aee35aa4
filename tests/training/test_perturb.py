"""Distortions: stronger levels change more, seeds decide, level 0 changes nothing."""

import cv2
import numpy as np
import pytest

from semdf.errors import DataError, ParameterError
from semdf.training import perturb


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """Smooth structure with some texture, 96 x 81 pixels."""
    random = np.random.default_rng(3)
    coarse = cv2.resize(random.uniform(30, 225, (7, 6, 3)), (81, 96), interpolation=cv2.INTER_CUBIC)
    return np.clip(coarse + random.normal(0, 6, coarse.shape), 0, 255).astype(np.uint8)


def change(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(float) - b).mean())


@pytest.mark.parametrize("name", perturb.DISTORTIONS)
def test_each_level_changes_more_than_the_one_before(name, picture):
    changes = [change(perturb.distort(picture, name, level), picture) for level in (0, *perturb.LEVELS)]
    assert changes[0] == 0 and (np.diff(changes) > 0).all(), changes


@pytest.mark.parametrize("name", perturb.DISTORTIONS)
def test_shape_type_and_input_are_kept(name, picture):
    before = picture.copy()
    result = perturb.distort(picture, name, 3)
    assert result.shape == picture.shape and result.dtype == np.uint8
    assert (picture == before).all()


@pytest.mark.parametrize("name", perturb.DISTORTIONS)
def test_the_seed_decides(name, picture):
    a, b, c = (perturb.distort(picture, name, 3, seed=s) for s in (1, 1, 2))
    assert (a == b).all()
    assert (a == c).all() == (name not in ("noise", "blocks"))


def test_full_loss_of_saturation_is_grey(picture):
    grey = perturb.distort(picture, "saturation", 5).astype(int)
    assert np.ptp(grey, axis=2).max() <= 1
    luma = picture @ np.array([0.299, 0.587, 0.114])
    assert np.abs(grey[..., 0] - luma).max() <= 1


def test_noise_has_the_variance_of_its_level():
    grey = np.full((200, 200, 3), 128, np.uint8)
    noisy = perturb.distort(grey, "noise", 4).astype(float)
    luma = noisy @ np.array([0.299, 0.587, 0.114])
    assert luma.std() == pytest.approx(255 * 0.1 * 255 / 219, rel=0.05)


def test_blocks_are_grey_squares_in_proportion_to_the_area():
    black = np.zeros((512, 512, 3), np.uint8)
    covered = (perturb.distort(black, "blocks", 1) == 128).all(-1).sum()
    assert 0.9 * 64 * 64 < covered <= 64 * 64  # 16 a quarter, 8 x 8 pixels each, few overlap


def test_frames_of_a_clip_have_noise_of_their_own(picture):
    clip = np.stack([picture] * 3)
    noisy = perturb.distort_clip(clip, "noise", 1)
    assert noisy.shape == clip.shape and (noisy[0] != noisy[1]).any()
    assert change(perturb.distort_clip(clip, "H.264", 1), clip) > 0


def test_the_training_augmentation_acts_about_as_often_as_asked(picture, random):
    acted = [(perturb.draw(picture, random) != picture).any() for _ in range(200)]
    assert 0.2 < np.mean(acted) < 0.4
    assert (perturb.draw(picture, random, 0.0) == picture).all()


def test_a_picture_s_augmentation_does_not_depend_on_the_others(picture):
    several = np.stack([picture] * 12)
    whole = perturb.augment(several, np.random.default_rng(0).spawn(12))
    part = perturb.augment(several[::3], np.random.default_rng(0).spawn(12)[::3])
    assert whole.shape == several.shape and whole.dtype == np.uint8
    assert (whole[::3] == part).all() and 0 < (whole != several).any((1, 2, 3)).sum() < 12


def test_bad_input_is_refused_by_name(picture):
    with pytest.raises(ParameterError, match="distortion must be.*'fog'"):
        perturb.distort(picture, "fog", 1)
    with pytest.raises(ParameterError, match="level must be 0 to 5, found 6"):
        perturb.distort(picture, "blur", 6)
    with pytest.raises(DataError, match="image must be"):
        perturb.distort(picture[..., 0], "blur", 1)
