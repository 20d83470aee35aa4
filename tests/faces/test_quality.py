"""The numbers by which a face is found fit to be judged."""

import cv2
import numpy as np
import pytest
from _media import draw, landmarks

from semdf.faces.landmarks import TEMPLATE, span
from semdf.faces.quality import MEANINGS, SPAN_OF_BOX, Quality, quality, size_of


def of(image=None, points=TEMPLATE, size=80.0) -> Quality:
    return quality(draw(landmarks()) if image is None else image, points, size)


def test_every_number_has_a_meaning():
    assert tuple(MEANINGS) == Quality._fields


def test_blurring_lowers_sharpness_and_nothing_else(random):
    image = random.integers(0, 255, (96, 96, 3), dtype=np.uint8)
    levels = [of(cv2.GaussianBlur(image, (0, 0), sigma)).sharpness for sigma in (0.5, 1.0, 2.0)]
    assert levels == sorted(levels, reverse=True) and levels[0] > 3 * levels[-1]
    assert of(image)._replace(sharpness=0, brightness=0) == of(image // 2)._replace(sharpness=0, brightness=0)


def test_an_even_picture_is_not_sharp_at_all():
    assert of(np.full((64, 64, 3), 90, np.uint8))[1:3] == (0.0, 90.0)
    assert of(np.full((1, 1, 3), 90, np.uint8)).brightness == 90


@pytest.mark.parametrize("angle", [-30.0, 0.0, 20.0])
def test_turning_the_picture_tilts_the_face_alone(angle):
    turn = np.radians(angle)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    moved = of(points=TEMPLATE @ matrix.T + 7)
    assert moved.tilt == pytest.approx(abs(angle - 0.31), abs=0.02)  # the template's eyes are not quite level
    assert moved.turn == pytest.approx(of().turn, abs=1e-9) and moved.nod == pytest.approx(of().nod, abs=1e-9)


def test_a_nose_beside_its_line_is_a_turned_head():
    turned = [of(points=TEMPLATE + [[0, 0], [0, 0], [shift, 0], [0, 0], [0, 0]]).turn for shift in (0, 20, 40)]
    assert turned[0] < 0.01 and turned[1] == pytest.approx(20 / span(TEMPLATE), abs=0.01) and turned[2] > turned[1]


def test_the_size_in_the_frame_is_found_from_the_crop():
    """A crop at half the frame's scale: the box is that of the landmarks in the frame."""
    points = np.asarray(landmarks(), dtype=float)
    box = np.concatenate([points.min(0), points.max(0)])
    assert size_of(points / 2, box) == pytest.approx(span(points))
    assert size_of(TEMPLATE, np.array([0, 0, 100, 64.0])) == pytest.approx(SPAN_OF_BOX * 80)
