"""Parameters of rendered people: every number has a range, and all that the shipped data were made of lie within."""

import json
from dataclasses import MISSING, fields, replace
from types import UnionType
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from people.body import parameters
from people.body.checks import Checked, form
from people.body.parameters import Brows, Camera, Clothes, Expression, Hair, Light, Person, Pose, Scene
from semdf.errors import ParameterError

KINDS = [kind for kind in vars(parameters).values() if isinstance(kind, type) and issubclass(kind, Checked)]
NUMBERS = [
    (kind, part) for kind in KINDS if kind is not Checked for part in fields(kind) if form(part.type) is not None
]


def build(kind: type, values: dict):
    """A `kind` from nested values: lists are tuples, and None, NaN or absence is no hat and no glasses."""
    made = {}
    for part in fields(kind):
        inner = next((k for k in (part.type, *get_args(part.type)) if k in KINDS), None)
        value = values.get(part.name)
        if inner and isinstance(value, dict):
            made[part.name] = build(inner, value) if any(v == v and v is not None for v in value.values()) else None
        elif inner and isinstance(part.type, UnionType):
            made[part.name] = None
        elif part.name == "ambient":
            made[part.name] = tuple(map(tuple, np.reshape(np.array(value, float), (3, 4)).tolist()))
        elif form(part.type):
            made[part.name] = tuple(value)
        else:
            made[part.name] = value
    return kind(**made)


def nested(row: dict) -> dict:
    """`{"a.b": 1}` as `{"a": {"b": 1}}`."""
    tree: dict = {}
    for name, value in row.items():
        *above, last = name.split(".")
        place = tree
        for part in above:
            place = place.setdefault(part, {})
        place[last] = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    return tree


@pytest.fixture(scope="module")
def scene(data) -> Scene:
    row = pd.read_parquet(data / "provenance.parquet", columns=["person", "scene"]).iloc[0]
    return build(Scene, {"person": json.loads(row["person"]), **json.loads(row["scene"])})


def part_of(scene: Scene, kind: type):
    """The part of a scene that is a `kind`, None if it has none."""
    person = scene.person
    parts = (scene, person, *(getattr(scene, f.name) for f in fields(scene)), person.hair, person.brows, person.clothes)
    return next((part for part in parts if type(part) is kind), None)


def test_every_number_has_a_range():
    assert {Brows, Camera, Clothes, Expression, Hair, Light, Person, Pose, Scene} <= set(KINDS) and len(NUMBERS) > 80
    without = [f"{kind.__name__}.{part.name}" for kind, part in NUMBERS if part.name not in kind.ranges]
    assert not without
    for kind, part in NUMBERS:
        low, high = kind.ranges[part.name]
        assert np.isfinite([low, high]).all() and low < high
        if part.default is not MISSING:
            assert (low <= np.min(part.default)) and (np.max(part.default) <= high)


@pytest.mark.parametrize("kind, part", NUMBERS, ids=lambda x: getattr(x, "__name__", None) or x.name)
def test_what_is_no_number_of_its_form_and_range_is_refused_by_name(scene, kind, part):
    own = {name: 1.0 if form(f.type) == () else (0.5,) * 3 for f in fields(kind) if (name := f.name)}
    good = part_of(scene, kind) or kind(**own | {"kind": "cap" if kind is parameters.Hat else "thin", **LATER[kind]})
    low, high = kind.ranges[part.name]
    value = getattr(good, part.name)
    bad = [np.nan, "x", None, True, 1j, [], [[1.0]], np.inf, -np.inf]
    if shape := form(part.type):
        flat = np.full(np.shape(value), low, float)
        flat.flat[-1] = np.nan
        bad += [flat, value[:-1], (*value, value[-1]), np.full(np.shape(value), high + 1e6), [["a"] * len(value)]]
        assert len(shape) == np.ndim(value)
    else:
        bad += [high + abs(high) + 1, low - abs(low) - 1, np.array([low])]
    if part.type is int:
        bad += [1.5]
    for wrong in bad:
        with pytest.raises(ParameterError, match=rf"{kind.__name__}\.{part.name}: must .*, found "):
            replace(good, **{part.name: wrong})


LATER = {
    parameters.Hat: {"tilt": 0.0},
    parameters.Glasses: {"shape": "oval", "colour_name": "black"},
}


def test_what_must_hold_of_several_numbers(scene):
    person, light = scene.person, scene.light
    with pytest.raises(ParameterError, match=r"Person\.ancestry: must sum to 1, found \(0.5, 0.5, 0.5\)"):
        replace(person, ancestry=(0.5, 0.5, 0.5))
    with pytest.raises(ParameterError, match=r"Person\.local: must be \[139\] numbers from -1 to 1, found"):
        replace(person, local=person.local[:52])
    with pytest.raises(ParameterError, match=r"Light\.direction: must be longer than 0.1, found"):
        replace(light, direction=(0.0, 0.0, 0.0))
    with pytest.raises(ParameterError, match=r"Expression\.gaze_yaw: must be a number from -0.5 to 0.5, found 'x'"):
        Expression(gaze_yaw="x")


@pytest.mark.parametrize(
    "name, value",
    [
        ("person", None),
        ("pose", "front"),
        ("light", 1),
        ("camera", Pose()),
        ("expression", "smile"),
        ("expression", np.zeros(51, np.float32)),
        ("expression", np.full(52, np.nan)),
        ("expression", np.full(52, 9.0)),
        ("expression", np.zeros((1, 52))),
        ("expression", np.zeros(52, complex)),
        ("background", -1),
    ],
)
def test_a_scene_s_parts_are_checked(scene, name, value):
    assert replace(scene, expression=np.zeros(52, np.float32)).background == scene.background
    with pytest.raises(ParameterError, match=rf"Scene\.{name}: must .*, found "):
        replace(scene, **{name: value})


def test_all_that_the_shipped_data_were_made_of_lies_within(data):
    stills = pd.read_parquet(data / "people" / "manifest.parquet").filter(like="scene.")
    rows = [nested({name.removeprefix("scene."): v for name, v in row.items()}) for row in stills.to_dict("records")]
    items = pd.read_parquet(data / "provenance.parquet", columns=["person", "scene"])
    rows += [{"person": json.loads(p), **json.loads(s)} for p, s in zip(items["person"], items["scene"], strict=True)]
    made = [build(Scene, row) for row in rows]
    assert len(made) == len(stills) + len(items) > 3000
    assert any(one.person.glasses for one in made) and any(one.person.clothes.hat for one in made)
