"""One camera for a fake and its source: equal seeds do the same to both, and the ranges are kept."""

import cv2
import numpy as np
import pytest
from _training import config, same_weights, samples
from pydantic import ValidationError

from semdf.errors import ParameterError
from semdf.params import Camera, check
from semdf.training.camera import shoot
from semdf.training.train import fit

PLAIN = {
    "untouched": 0.0,
    "second": 0.0,
    "blur": [0.4, 2.8],
    "resize": [0.4, 1.0],
    "noise": [0.0, 22.0],
    "jpeg": [35, 95],
}


def camera(**changes) -> Camera:
    return Camera(**PLAIN | changes)


@pytest.fixture
def picture(random) -> np.ndarray:
    coarse = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, (64, 48), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize("seed", range(8))
def test_a_picture_keeps_its_form_and_stays_as_it_was_given(picture, seed):
    before = picture.copy()
    seen = shoot(picture, camera(second=0.5), np.random.SeedSequence(seed))
    assert seen.shape == picture.shape and seen.dtype == np.uint8
    assert np.array_equal(picture, before)


def test_equal_seeds_do_the_same_and_others_do_not(picture):
    one, two, other = (shoot(picture, camera(), np.random.SeedSequence(seed)) for seed in (3, 3, 4))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_what_a_pair_does_not_differ_in_before_it_does_not_differ_in_after(picture):
    """Two pictures that differ in one corner are equal away from it, whatever the camera does but compress."""
    forged = picture.copy()
    forged[:8, :8] = 255 - forged[:8, :8]
    for seed in range(40):
        seeds = np.random.SeedSequence(seed)
        seen, seen_forged = (shoot(image, camera(jpeg=[100, 100]), seeds) for image in (picture, forged))
        far = np.abs(seen[32:, 40:].astype(int) - seen_forged[32:, 40:]).max()
        assert far <= 2, seed


def test_the_share_of_untouched_pictures_is_as_given(picture):
    kept = [
        np.array_equal(shoot(picture, camera(untouched=0.4), np.random.SeedSequence(s)), picture) for s in range(400)
    ]
    assert 0.33 < np.mean(kept) < 0.47
    assert all(
        np.array_equal(shoot(picture, camera(untouched=1.0), np.random.SeedSequence(s)), picture) for s in range(9)
    )


def test_limits_are_refused_by_name():
    for field, value in (
        ("blur", [2.0, 1.0]),
        ("jpeg", [0, 90]),
        ("resize", [0.0, 1.0]),
        ("noise", [1.0]),
        ("untouched", 2.0),
    ):
        with pytest.raises(ValidationError, match=field):
            camera(**{field: value})
    block = config().train.model_dump() | {"camera": PLAIN | {"blur": [2.0, 1.0]}}
    with pytest.raises(ParameterError, match=r"train.camera.blur must not fall, found \[2.0, 1.0\]"):
        check("train", block)


def test_a_training_behind_a_camera_is_another_one_and_repeats_to_the_bit():
    behind = config("equal", camera=PLAIN)
    one, two = (fit(samples(), samples(8, 1), behind) for _ in range(2))
    assert same_weights(one.model, two.model)
    assert not same_weights(one.model, fit(samples(), samples(8, 1), config("equal", camera=None)).model)
