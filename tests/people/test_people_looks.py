"""The looks of rendered people: parameters and their ranges, sizes, hair, glasses, hats, expressions, motion."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from people.body import parameters
from people.body.parameters import Camera, Clothes, Expression, Glasses, Hat, Pose
from semdf.errors import ParameterError
from semdf.pipeline import ROOT

needs_head = pytest.mark.skipif(
    importlib.util.find_spec("numba") is None or not (ROOT / "scratch" / "people" / "head.npz").exists(),
    reason="needs numba and the distilled head: pip install 'semdf[people]', make data",
)
HAIR, OTHER, EYE = 64, 128, 2


@pytest.mark.parametrize(
    ("kind", "values", "name"),
    [
        (Pose, dict(yaw=2.0), "Pose.yaw"),
        (Expression, dict(strength=-1.0), "Expression.strength"),
        (Expression, dict(name="bored"), "Expression.name"),
        (Glasses, dict(kind="thin", shape="star"), "Glasses.shape"),
        (Hat, dict(kind="crown", colour=(0.1, 0.1, 0.1)), "Hat.kind"),
        (Camera, dict(noise=1.0, blur=0.5, saturation=1, contrast=1, white_balance=(1, 1, 1), seed=0), "Camera.noise"),
        (Clothes, dict(colour=(0, 0, 2.0), second=(0, 0, 0), stripe=0, collar=0.76, neckline=0), "Clothes.colour"),
        (Pose, dict(yaw=float("nan")), "Pose.yaw"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(kind, values, name):
    with pytest.raises(ParameterError, match=name):
        kind(**values)


@needs_head
def test_ages_in_years_and_words():
    from people.scenes.casting import draw_person

    words = []
    for years in (10, 25, 50, 75):
        person = draw_person(np.random.default_rng(3), years=years, gender=0.0)
        assert person.years == pytest.approx(years)
        words.append((person.age_group, person.gender_name))
        assert years > 17 or person.beard_name == "none"
    assert words == [("child", "boy"), ("young adult", "man"), ("middle-aged adult", "man"), ("elderly adult", "man")]


def test_every_named_style_and_expression_is_defined():
    pytest.importorskip("numba")
    from people.body.expressions import EXPRESSIONS, SHARES
    from people.body.hairstyles import STYLES

    assert tuple(STYLES) == parameters.HAIR_STYLES
    assert tuple(EXPRESSIONS) == parameters.EXPRESSIONS
    assert sum(SHARES) == pytest.approx(1)


@pytest.fixture(scope="module")
def scene():
    """A frontal scene without glasses, hat and beard."""
    pytest.importorskip("numba")
    from people.scenes.casting import draw_scene

    drawn = draw_scene(np.random.default_rng(21))
    person = replace(
        drawn.person,
        glasses=None,
        beard=0.0,
        hair=replace(drawn.person.hair, style="crop"),
        clothes=replace(drawn.person.clothes, hat=None),
    )
    return replace(drawn, person=person, pose=Pose(), expression=Expression())


@needs_head
def test_other_sizes_show_the_same_view(scene):
    import cv2

    from people.rendering.render import render

    small, large = render(scene), render(scene, size=256)
    assert small.light.shape == (192, 192, 3) and large.light.shape == (256, 256, 3)
    assert np.allclose(small.landmarks * 256 / 192, large.landmarks, atol=1e-3)
    shrunk = cv2.resize(large.light, (192, 192), interpolation=cv2.INTER_AREA)
    assert np.abs(shrunk - small.light).mean() < 0.02
    assert (render(scene, size=96).regions > 0).mean() == pytest.approx((small.regions > 0).mean(), abs=0.02)
    with pytest.raises(ParameterError, match="size"):
        render(scene, size=8)


@needs_head
def test_styles_differ_in_their_hair(scene):
    from people.rendering.render import render

    def hair(style: str) -> float:
        person = replace(scene.person, hair=replace(scene.person.hair, style=style))
        return float((render(replace(scene, person=person), size=96).regions == HAIR).mean())

    areas = {style: hair(style) for style in ("bald", "receding", "crop", "afro", "long straight")}
    assert areas["bald"] == 0
    assert areas["receding"] < areas["crop"] < min(areas["afro"], areas["long straight"])


@needs_head
def test_sun_glasses_hide_the_eyes_and_clear_ones_do_not(scene):
    from people.rendering.render import render

    def eyes(glasses: Glasses | None) -> int:
        shown = render(replace(scene, person=replace(scene.person, glasses=glasses)))
        return int((shown.regions & EYE > 0).sum())

    bare, clear, sun = (eyes(glasses) for glasses in (None, Glasses("thin"), Glasses("sun")))
    assert clear > 0.8 * bare and sun < 0.2 * bare


@needs_head
@pytest.mark.parametrize("kind", parameters.HATS)
def test_a_hat_covers_hair_and_not_the_eyes(scene, kind):
    from people.rendering.render import render

    person = replace(scene.person, clothes=replace(scene.person.clothes, hat=Hat(kind, (0.3, 0.1, 0.1))))
    bare, worn = render(scene), render(replace(scene, person=person))
    assert (worn.regions == HAIR).sum() < 0.6 * (bare.regions == HAIR).sum()
    eyes = (worn.regions & EYE > 0).sum() / (bare.regions & EYE > 0).sum()
    assert eyes > 0.85
    assert np.array_equal(bare.landmarks, worn.landmarks)


@needs_head
def test_looks_do_not_move_the_landmarks(scene):
    """Identity, light and camera are independent of pose and expression."""
    from people.rendering.render import render
    from people.scenes.casting import draw_camera, draw_light

    rng = np.random.default_rng(4)
    other = replace(scene, light=draw_light(rng), camera=draw_camera(rng), background=7)
    assert np.array_equal(render(scene).landmarks, render(other).landmarks)
    assert np.array_equal(render(scene).regions, render(other).regions)


@needs_head
def test_gaze_turns_the_eyes_alone(scene):
    from people.body.expressions import actions

    left, ahead = actions(Expression(gaze_yaw=0.2)), actions(Expression())
    changed = left != ahead
    assert 0 < changed.sum() <= 2 and left.min() >= 0


@needs_head
def test_large_turns_stay_in_the_frame(scene):
    from people.rendering.render import render

    for yaw in (-0.8, 0.8):
        points = render(replace(scene, pose=Pose(yaw=yaw))).landmarks
        assert np.all((points > 20) & (points < 172))
        centre = (points.min(0) + points.max(0)) / 2
        assert np.all((centre > 64) & (centre < 128))


@needs_head
def test_motion_is_smooth():
    from people.body.expressions import actions
    from people.scenes.casting import draw_camera
    from people.scenes.motion import draw_clip

    largest, blinks = 0.0, 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        clip = draw_clip(rng, 60, draw_camera(rng), step=0.04)
        track = np.stack([actions(expression) for expression in clip.expressions])
        yaw = np.array([pose.yaw for pose in clip.poses])
        assert np.abs(np.diff(yaw)).max() < 0.05
        largest = max(largest, float(np.abs(np.diff(track, axis=0)).max()))
        blinks += sum(expression.blink > 0.9 for expression in clip.expressions) > 0
    assert largest < 0.9, "a blink closes in a tenth of a second, nothing jumps at once"
    assert blinks >= 2
