"""The people of the embedded data are counted once each, and nobody is drawn twice."""

import json

import numpy as np
import pandas as pd
import pytest

from semdf import ROOT
from semdf.diversity import ATTRIBUTES, cast, distances
from semdf.errors import DataError

PERSON = {
    "age": 0.7,
    "gender": 0.2,
    "melanin": 0.4,
    "hair": {"style": "short"},
    "beard": 0.5,
    "beard_style": "full",
    "glasses": None,
    "clothes": {"hat": {"kind": "cap"}},
}


def table(shapes) -> pd.DataFrame:
    rows = [
        {"dataset": "A", "fake": fake, "target": f"A/{i}/{clip}", "person": json.dumps(PERSON | {"local": list(shape)})}
        for i, shape in enumerate(shapes)
        for clip, fake in ((0, False), (1, False), (0, True))
    ]
    return pd.DataFrame(rows)


def test_a_person_is_one_row_whatever_shows_them():
    people = cast(table([(0.0, 0.0), (3.0, 4.0)]))
    assert people["person"].tolist() == ["A/0", "A/1"]
    assert people[[*ATTRIBUTES]].iloc[0].tolist() == [0.7, 0.2, 0.4, "short", "full", "none", "cap"]


def test_distances_are_root_mean_squares():
    found = distances(cast(table([(0.0, 0.0), (3.0, 4.0), (30.0, 40.0)])))
    np.testing.assert_allclose(found["distance"], np.array([5, 5, 45]) / np.sqrt(2))
    assert found["nearest"].tolist() == ["A/1", "A/0", "A/1"]
    assert (found["to_random"] >= found["distance"] - 1e-12).all()


def test_two_people_of_one_shape_are_found():
    found = distances(cast(table([(1.0, 2.0), (1.0, 2.0), (5.0, 5.0)])))
    assert found["distance"].tolist()[:2] == [0, 0] and found["nearest"].tolist()[:2] == ["A/1", "A/0"]


def test_what_is_missing_is_named():
    with pytest.raises(DataError, match="found no person"):
        cast(table([(0.0,)]).drop(columns="person"))
    with pytest.raises(DataError, match="found none in 3 rows"):
        cast(table([(0.0,)]).assign(fake=True))
    with pytest.raises(DataError, match="two at least, found 1"):
        distances(cast(table([(0.0,)])))


def test_nobody_of_the_embedded_data_is_drawn_twice():
    people = cast(pd.read_parquet(ROOT / "data" / "provenance.parquet"))
    found = distances(people)
    assert not people["person"].duplicated().any() and people.groupby("dataset").size().min() >= 30
    assert found["distance"].min() > 0.5 * found["to_random"].median()
