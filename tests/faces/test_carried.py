"""Landmarks that are carried from one picture of a person to another."""

import cv2
import numpy as np
import pytest
from _files import PHOTOS, needs_photos
from _media import landmarks

from semdf.errors import DataError
from semdf.faces.carried import Carried, carry
from semdf.faces.landmarks import read_tem, span
from semdf.storage.tars import decode_image

SIZE = 200
POINTS = landmarks((100.0, 100.0), 110.0)


def texture(seed: int) -> np.ndarray:
    """A picture in which every place looks different."""
    random = np.random.default_rng(seed)
    layers = [
        cv2.resize(random.uniform(0, 255, (n, n, 3)), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC) for n in (8, 24, 60)
    ]
    return np.clip(np.mean(layers, 0) * 1.4 - 50, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("shift", [(0, 0), (3, -2), (-6, 5)])
def test_landmarks_move_with_the_picture(shift):
    start = texture(1)
    end = cv2.warpAffine(
        start, np.float32([[1, 0, shift[0]], [0, 1, shift[1]]]), (SIZE, SIZE), borderMode=cv2.BORDER_REFLECT
    )
    np.testing.assert_allclose(carry(start, end, POINTS), POINTS + shift, atol=0.5)


def test_another_picture_is_refused():
    with pytest.raises(DataError, match=r"the (way there and back must miss by 0.05|pictures must correlate by 0.6)"):
        carry(texture(1), texture(2), POINTS)


def test_an_even_picture_is_refused_although_nothing_moves_in_it():
    with pytest.raises(DataError, match="the pictures must correlate by 0.6 or more, found 0"):
        carry(texture(1), np.full((SIZE, SIZE, 3), 90, np.uint8), POINTS)


def test_pictures_of_two_sizes_are_refused():
    with pytest.raises(DataError, match=r"pictures must have one size, found \[200, 200, 3\] and \[100, 200, 3\]"):
        carry(texture(1), texture(1)[:100], POINTS)


@needs_photos
def test_a_picture_with_landmarks_of_its_own_gets_nearly_the_same():
    """The finder does not look at the picture's own file: from itself nothing moves."""
    picture = PHOTOS / "london" / "001_03.jpg"
    (face,) = Carried(PHOTOS).find([decode_image(picture.read_bytes())], "london/001_08", [0])
    own = read_tem(picture.with_suffix(".tem"))
    assert np.linalg.norm(face.landmarks - own, axis=1).max() < 0.02 * span(own)


def test_a_person_without_landmarks_has_no_face(tmp_path):
    (tmp_path / "faces").mkdir()
    assert Carried(tmp_path).find([texture(1)], "faces/009_08", [0]) == [None]
