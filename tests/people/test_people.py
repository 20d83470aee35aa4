"""The rendered people. Only tests of rendering need `semdf[people]`."""

import importlib
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from people.body.distil import distil
from semdf.errors import MissingError
from semdf.pipeline import ROOT

HEAD = ROOT / "scratch" / "people" / "head.npz"

needs_head = pytest.mark.skipif(
    importlib.util.find_spec("numba") is None or not HEAD.exists(),
    reason="needs numba and the distilled head: pip install 'semdf[people]', make data",
)


@pytest.mark.parametrize("package", ["numba", "anny"])
def test_a_missing_package_is_named(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setitem(sys.modules, "warp", None)
    monkeypatch.setenv("ANNY_CACHE_DIR", "unused")
    monkeypatch.delitem(sys.modules, "people.drawing.compiled", raising=False)
    with pytest.raises(MissingError, match=rf"{package}: .*semdf\[people\]"):
        if package == "numba":
            importlib.import_module("people.drawing.compiled")
        distil(Path("unused.npz"))


@needs_head
def test_equal_seeds_give_equal_pictures():
    from people.rendering.render import photograph, render
    from people.scenes.casting import draw_scene

    one, two = (draw_scene(np.random.default_rng(5)) for _ in range(2))
    picture = photograph(one)
    assert np.array_equal(picture, photograph(two))
    assert not np.array_equal(picture, photograph(one, frame=1)), "noise differs from frame to frame"
    regions = render(one).regions
    assert all((regions & bit).any() for bit in (1, 2, 4, 8, 16, 32, 128))


@needs_head
def test_a_window_shows_the_same_face():
    from people.rendering.render import Window, render
    from people.scenes.casting import draw_scene

    scene = draw_scene(np.random.default_rng(6))
    whole, part = render(scene), render(scene, Window(40, 40, 152, 160))
    inner = slice(60, 140), slice(60, 130)
    assert np.abs(whole.light[inner] - part.light[inner]).mean() < 0.01
    assert np.mean(whole.regions[inner] == part.regions[inner]) > 0.999
    assert np.array_equal(whole.landmarks, part.landmarks)


@needs_head
def test_landmarks_follow_the_expression():
    from people.body.expressions import compose
    from people.body.parameters import Pose
    from people.rendering.render import render
    from people.scenes.casting import draw_scene

    scene = replace(draw_scene(np.random.default_rng(9)), pose=Pose())
    rest, shout = (render(replace(scene, expression=compose(name))).landmarks for name in ("neutral", "shout"))
    gap = [points[66, 1] - points[62, 1] for points in (rest, shout)]
    assert gap[1] > gap[0] + 3
    assert np.abs(rest[27:31] - shout[27:31]).max() < 2
    assert rest[0, 0] < rest[8, 0] < rest[16, 0] and rest[36, 0] < rest[42, 0], "iBUG order"
