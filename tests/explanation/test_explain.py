"""Sentences agree with the hierarchy, never with less; naming is measured against chance."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from semdf.errors import DataError, ParameterError
from semdf.explanation import explain
from semdf.method import hierarchy, marginals

FFPP = hierarchy.load("ffpp")


def named(values) -> dict[str, float]:
    return dict(zip(FFPP.nodes, values, strict=True))


@given(st.lists(st.floats(-8, 8), min_size=10, max_size=10))
def test_findings_agree_with_the_hierarchy(logits):
    p = marginals.marginals(torch.tensor([logits], dtype=torch.float64), FFPP)[0].tolist()
    found = explain.find(named(p), FFPP)
    assert found.fake == (p[0] >= 0.5)
    if found.attributes or found.regions:
        assert found.fake
    for region in set(found.regions) - set(found.unsupported):
        assert any(region in FFPP.children[a] for a in found.attributes)
    for region in found.unsupported:
        assert not any(region in FFPP.children[a] for a in found.attributes)
        assert region in explain.sentence(named(p), FFPP).split("explains them")[1]


def test_the_sentence_of_every_label_row_names_its_row():
    for label in ("Deepfakes", "Face2Face", "eyes", "mouth", "nose"):
        row = FFPP.label(label)
        text = explain.sentence(named(row), FFPP)
        for node, value in zip(FFPP.nodes[1:], row[1:], strict=True):
            assert (node in text.lower()) == bool(value)
    assert explain.sentence(named(FFPP.label("real")), FFPP) == "Real (100 %)."


def test_a_region_that_no_single_attribute_explains_is_said_to_be_so():
    p = named([0.9, 0.4, 0.4, 0.4, 0.1, 0.1, 0.1, 0.6, 0.1, 0.1])
    assert explain.sentence(p, FFPP) == (
        "Fake (90 %). No attribute named. Regions without one attribute that explains them: mouth (60 %)."
    )


def test_a_binary_detector_names_nothing():
    assert explain.sentence({"fake": 0.999}, FFPP) == "Fake (99 %)."


def test_bad_input_is_refused_by_name():
    with pytest.raises(ParameterError, match="threshold.*1.5"):
        explain.find({"fake": 0.5}, FFPP, 1.5)
    with pytest.raises(DataError, match="'fake'.*eye"):
        explain.find({"eye": 0.5}, FFPP)
    with pytest.raises(DataError, match="eye.*nan"):
        explain.find({"fake": 0.5, "eye": float("nan")}, FFPP)
    with pytest.raises(DataError, match="rising"):
        explain.spans([0.1, 0.2], [1, 1])


def test_spans_end_where_the_face_is_lost():
    p = [0.9, 0.8, np.nan, 0.7, 0.1, 0.6]
    assert explain.spans(p, [0, 1, 2, 3, 4, 5]) == [(0, 1), (3, 3), (5, 5)]
    assert explain.spans([0.1], [0]) == []


def test_precision_at_k_by_hand_and_by_chance(random):
    local = [FFPP.nodes[i] for i in FFPP.levels["local"]]
    p = pd.DataFrame({f"p_{n}": [0.1, 0.1] for n in FFPP.nodes}, index=[7, 9])
    p.loc[7, "p_mouth"], p.loc[7, "p_eye"], p.loc[9, "p_lip"] = 0.9, 0.8, 0.7
    targets = np.stack([FFPP.label("mouth"), FFPP.label("real")])  # lip and mouth; nothing
    table = explain.naming(p, targets, FFPP, observed=None)
    assert table.index.tolist() == [7] and table.loc[7, ["k", "precision", "best"]].tolist() == [2, 0.5, 1]
    assert table.loc[7, "chance"] == pytest.approx(2 / 6)
    many = pd.DataFrame(random.uniform(size=(3000, 10)), columns=[f"p_{n}" for n in FFPP.nodes]).assign(p_fake=1.0)
    table = explain.naming(many, np.tile(FFPP.label("eyes"), (3000, 1)), FFPP, observed=None)
    assert table[["precision", "relative"]].mean().tolist() == pytest.approx([1 / len(local)] * 2, abs=0.03)


def test_a_detector_that_names_by_habit_is_as_good_as_a_constant_answer():
    random = np.random.default_rng(3)
    targets = np.stack([FFPP.label(name) for name in ["eyes", "mouth", "nose"] * 40])
    fake = random.uniform(0.1, 1, (120, 1))
    habit = pd.DataFrame(fake * np.linspace(0.4, 0.9, 10), columns=[f"p_{n}" for n in FFPP.nodes]).assign(p_fake=fake)
    table = explain.naming(habit, targets, FFPP, observed=None)
    assert (table["precision"] == table["constant"]).all()
    found = explain.among_fakes(habit, targets, FFPP, observed=None)
    assert found["node"].tolist() == ["eye", "lip", "mouth", "nose"] and found["auc"].tolist() == [0.5] * 4
    marked = {f"p_{n}": habit[f"p_{n}"] * (0.5 + targets[:, i] / 2) for i, n in enumerate(FFPP.nodes) if i}
    knows = habit.assign(**marked)
    found = explain.among_fakes(knows, targets, FFPP, observed=None).set_index("node")
    assert (found["auc"] == 1).all() and (abs(found["control"] - 0.5) < 0.2).all()
    assert np.allclose(found["gain"], found["auc"] - found["control"]) and (found["gain_low"] > 0.2).all()
    alone = explain.among_fakes(habit, targets, FFPP, observed=None, people=np.repeat([0, 1, 2, 3], 30))
    assert (alone["gain_low"] <= 0).all() and (alone["gain_high"] >= 0).all(), "habit gains nothing"
    assert found.loc["eye", ["altered", "unaltered"]].tolist() == [40, 80]
    table = explain.naming(knows, targets, FFPP, observed=None)
    assert (table["precision"].mean() > table["constant"].mean()) and (table["precision"] <= 1).all()
    hints = {f"p_{n}": habit[f"p_{n}"] * (0.95 + targets[:, i] / 20) for i, n in enumerate(FFPP.nodes) if i}
    table = explain.naming(habit.assign(**hints), targets, FFPP, observed=None)
    assert table["precision"].mean() < 0.5 and (table["relative"] == 1).all(), "habit hid what the detector knows"


def test_reals_and_open_nodes_say_nothing_among_fakes():
    targets = np.stack([FFPP.label(name) for name in ["real", "real", "eyes", "nose", "mouth"]])
    p = pd.DataFrame(np.linspace(0.9, 0.1, 50).reshape(5, 10), columns=[f"p_{n}" for n in FFPP.nodes])
    observed = np.ones((5, 10), bool)
    observed[2, FFPP.index("eye")] = False
    found = explain.among_fakes(p, targets, FFPP, observed=observed).set_index("node")
    assert "eye" not in found.index and found.loc["nose", ["altered", "unaltered"]].tolist() == [1, 2]


def test_rows_with_open_nodes_are_not_judged():
    p = pd.DataFrame({f"p_{n}": [0.5] for n in FFPP.nodes})
    observed = np.ones((1, 10), bool)
    observed[0, 9] = False
    assert explain.naming(p, FFPP.label("eyes")[None], FFPP, observed=observed).empty
