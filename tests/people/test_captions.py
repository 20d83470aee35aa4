"""Sentences about rendered people are true, varied, and of the words that label prompts use."""

import importlib.util
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from semdf.artifacts import read_table
from semdf.errors import ParameterError
from semdf.pipeline import ROOT
from semdf.pretraining.zeroshot import TASKS

HEAD = ROOT / "scratch" / "people" / "head.npz"
PEOPLE = ROOT / "data" / "people"

pytestmark = pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="needs numba: semdf[people]")
needs_head = pytest.mark.skipif(not HEAD.exists(), reason="needs the distilled head: make data")
shipped = pytest.mark.skipif(not PEOPLE.is_dir(), reason="data/people is not here: dvc pull, or make data")

WORDS = {
    "gender": "man",
    "age": "elderly",
    "hair": "short",
    "hair_colour": "grey",
    "beard": "full",
    "expression": "smile",
    "pose": "left",
    "eyebrow": "bushy",
    "lip": "full",
    "lip_colour": "red",
    "nose": "long",
    "mouth": "open",
    "eye": "blue",
    "skin": "wrinkled",
    "light": "right",
    "hat": "none",
    "glasses": "none",
    "face": "round",
}


def said(words, count=300):
    from people.scenes.captions import write

    return [write(words, np.random.default_rng(i)) for i in range(count)]


@pytest.fixture(scope="module")
def scenes():
    from people.benchmarks.stills import draw_stills

    return [still for i in range(4) for still in draw_stills(0, i)]


def test_sentences_vary_and_are_the_same_for_one_seed():
    assert len(set(said(WORDS))) > 200
    assert said(WORDS, 20) == said(WORDS, 20)


def test_every_word_is_said_and_nothing_that_is_not_so():
    text = " ".join(said(WORDS))
    for word in ("elderly", "man", "short hair", "grey", "beard", "smil", "left", "bushy", "full lips", "red lips"):
        assert word in text, word
    for word in (
        "woman",
        "young",
        "blond",
        "frown",
        "thin",
        "wearing",
        "without a beard",
        "to the right",
        "None",
        "nan",
    ):
        assert word not in text, word


def test_sentences_use_the_words_of_the_label_prompts():
    text = " ".join(said(WORDS))
    for word in (
        "expression",
        "identity",
        "physical",
        "eye",
        "eyebrow",
        "lip",
        "mouth",
        "nose",
        "skin",
        "age",
        "gender",
    ):
        assert re.search(rf"attribute of {word}\b", text), word


@pytest.mark.parametrize("missing", list(WORDS)[2:])
def test_what_is_not_known_goes_unsaid(missing):
    fewer = {name: word for name, word in WORDS.items() if name != missing}
    sentences = said(fewer, 40)
    assert all(s.startswith("a p") and not re.search(r"  | ,|, *$|\bNone\b", s) for s in sentences)


def test_articles_fit():
    assert not re.search(r"\ba [aeio]\w|\ban [^aeiou]", " ".join(said(WORDS)))


@needs_head
def test_counterfactuals_keep_the_person_and_change_what_they_say(scenes):
    for first in range(0, len(scenes), 5):
        base, expression, pose, all_, other = scenes[first : first + 5]
        assert [s.change for s in (base, expression, pose, all_)] == ["none", "expression", "pose", "all"]
        assert expression.scene.person == pose.scene.person == all_.scene.person == base.scene.person
        assert expression.scene.pose == base.scene.pose and expression.scene.expression != base.scene.expression
        assert pose.scene.expression == base.scene.expression and pose.scene.pose != base.scene.pose
        assert all_.scene.light != base.scene.light
        assert other.change in ("age", "gender") and other.scene.person != base.scene.person
        assert other.scene.person.local == base.scene.person.local


@needs_head
def test_words_follow_the_parameters(scenes):
    from people.scenes.captions import describe

    scene = scenes[0].scene
    turned = replace(scene, pose=replace(scene.pose, yaw=0.5))
    assert describe(turned)["pose"] == "right"
    assert describe(replace(turned, pose=replace(scene.pose, yaw=-0.5)))["pose"] == "left"
    for age, word in ((0.4, "child"), (0.68, "young"), (0.8, "middle-aged"), (1.0, "elderly")):
        assert describe(replace(scene, person=replace(scene.person, age=age)))["age"] == word
    bearded = replace(scene.person, gender=0.0, beard=0.9, beard_style="full")
    assert describe(replace(scene, person=bearded))["beard"] == "full"
    assert describe(replace(scene, person=replace(bearded, gender=1.0)))["beard"] == "none"


@needs_head
def test_stills_are_the_same_for_one_seed_and_refuse_odd_counts(tmp_path):
    from people.benchmarks.stills import render_stills

    one, two = (render_stills(tmp_path / name, 15, size=32, workers=w) for name, w in (("a", 1), ("b", 2)))
    assert (tmp_path / "a" / "stills.tar").read_bytes() == (tmp_path / "b" / "stills.tar").read_bytes()
    pd.testing.assert_frame_equal(one, two)
    assert one.groupby("identity")["split"].nunique().eq(1).all() and set(one["split"]) == {"train", "val", "test"}
    with pytest.raises(ParameterError, match="count: must be a multiple of 5 from 15 on, found 52"):
        render_stills(tmp_path / "c", 52)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


@shipped
def test_the_shipped_stills_hold_what_zero_shot_asks_for():
    rows = read_table(PEOPLE / "manifest.parquet")
    assert rows["id"].is_unique and rows.groupby("identity")["split"].nunique().eq(1).all()
    for task in ("gender", "age", "expression", "hair", "hair_colour", "beard", "pose", "mouth", "skin"):
        assert set(rows[task].dropna()) & set(TASKS[task]), task
    assert sum(path.stat().st_size for path in PEOPLE.iterdir()) <= 35e6
