"""The people of the embedded data are counted once each, and nobody is drawn twice."""

import json

import numpy as np
import pandas as pd
import pytest

from semdf.errors import DataError
from semdf.faces.diversity import ATTRIBUTES, PAIRS, SCENE, cast, distances, located, pictures, shapes
from semdf.pipeline import ROOT

PERSON = {
    "age": 0.7,
    "gender": 0.2,
    "melanin": 0.4,
    "ancestry": [0.1, 0.2, 0.7],
    "hair": {"style": "short"},
    "beard": 0.5,
    "beard_style": "full",
    "glasses": None,
    "clothes": {"hat": {"kind": "cap"}},
}
SHOWN = {
    "expression": {"name": "smile", "gaze_yaw": np.pi / 18},
    "pose": {"yaw": np.pi / 6, "pitch": 0.0, "distance": 1.5},
    "light": {"kind": "sun"},
    "camera": {"noise": 0.01, "blur": 0.5},
}


def table(people: int) -> pd.DataFrame:
    common = {"person": json.dumps(PERSON), "scene": json.dumps(SHOWN)}
    rows = [
        {"dataset": "A", "path": f"A/x/{i}-{clip}.mp4", "fake": fake, "target": f"A/{i}/{clip}", **common}
        for i in range(people)
        for clip, fake in ((0, False), (1, False), (0, True))
    ]
    return pd.DataFrame(rows)


def flat(thing: dict, name: str = "scene") -> dict:
    """As the columns of the stills name it."""
    parts = [flat(v, f"{name}.{k}") if isinstance(v, dict) else {f"{name}.{k}": v} for k, v in thing.items()]
    return {name: value for part in parts for name, value in part.items()}


def heads(people: int, seed: int = 0, spread: float = 0.02) -> pd.DataFrame:
    """Random heads of 68 points in space, each seen twice by a camera far away, from near the front."""
    random = np.random.default_rng(seed)
    mean = random.normal(0, 1, (68, 3)) * [1, 1, 0.4]
    mean[36:42], mean[42:48] = [-1, 0, 0.5], [1, 0, 0.5]
    rows = []
    for i in range(people):
        head = mean + random.normal(0, spread, (68, 3))
        for _ in range(2):
            yaw, pitch = random.uniform(-15, 15, 2)
            a, b = np.radians([yaw, pitch])
            turned = head @ np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])
            turned = turned @ np.array([[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]])
            rows.append({"person": f"A/{i}", "yaw": yaw, "pitch": pitch, "camera": 1.0, "landmarks": turned[:, :2]})
    return pd.DataFrame(rows)


def test_a_picture_is_one_row_and_a_person_is_one_row_whatever_shows_them():
    shown = pictures(table(2))
    assert shown["key"].tolist() == ["x/0-0", "x/0-1", "x/1-0", "x/1-1"]
    assert shown[[*SCENE]].iloc[0].tolist() == ["smile", pytest.approx(30), 0, pytest.approx(10), "sun", 0.01, 0.5]
    people = cast(shown)
    assert people["person"].tolist() == ["A/0", "A/1"]
    assert people[[*ATTRIBUTES]].iloc[0].tolist() == [0.7, 0.2, 0.4, "European", "short", "full", "none", "cap"]


def test_stills_are_read_like_the_others_without_changed_people():
    still = flat(SHOWN | {"person": {k: v for k, v in PERSON.items() if k != "glasses"}})
    still |= {"scene.person.glasses.kind": float("nan"), "id": "0000-0", "identity": 0}
    rows = [still | {"change": change, "landmarks": np.arange(136.0)} for change in ("none", "age", "pose")]
    shown = pictures(table(1), pd.DataFrame(rows))
    assert shown["person"].tolist() == ["A/0", "A/0", "people/0", "people/0"]
    same = [*ATTRIBUTES, *SCENE]
    assert shown[same].iloc[2].tolist() == shown[same].iloc[0].tolist()
    assert located(shown[2:], ROOT)["landmarks"].iloc[0][1].tolist() == [2, 3]


def test_place_size_roll_and_pose_do_not_count():
    shown = heads(40)
    random = np.random.default_rng(1)

    def moved(points: np.ndarray) -> np.ndarray:
        angle, size = random.uniform(-1, 1), random.uniform(0.5, 20)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return size * points @ turn + random.uniform(-99, 99, 2)

    again = shown.assign(landmarks=[moved(points) for points in shown["landmarks"]])
    # all is turned as the first is, which no distance sees
    one, two = (np.linalg.norm(t[:, None] - t, axis=-1) for t in (shapes(shown), shapes(again)))
    np.testing.assert_allclose(one, two, atol=1e-6)
    middle = distances(shown).groupby("pair")["distance"].median()
    assert middle[PAIRS[0]] < 0.5 * middle[PAIRS[1]] and middle[PAIRS[1]] < middle[PAIRS[2]]


def test_distances_are_per_cent_of_the_distance_between_the_eyes():
    """One point of one of many equal heads is off by a tenth of it: a root mean square over 30 points."""
    shown = heads(40, spread=0.0).assign(yaw=0.0, pitch=0.0)
    shown["landmarks"] = [shown["landmarks"].iloc[0].copy() for _ in range(len(shown))]
    shown["landmarks"].iloc[0][30] += [0.2, 0]
    apart = np.linalg.norm(shapes(shown)[0] - shapes(shown)[1])
    assert apart == pytest.approx(10 / np.sqrt(30), rel=0.1)


def test_a_double_is_found():
    shown = heads(20)
    shown.loc[38:, "landmarks"] = shown["landmarks"].iloc[:2].tolist()
    shown.loc[38:, ["yaw", "pitch"]] = shown[["yaw", "pitch"]].iloc[:2].to_numpy()
    found = distances(shown).query("pair == 'nearest other'").set_index("person")
    assert found.loc["A/0", "other"] == "A/19" and found.loc["A/19", "other"] == "A/0"
    assert found.loc["A/0", "distance"] < 1e-9 < found["distance"].median() / 10


def test_what_is_missing_is_named():
    with pytest.raises(DataError, match="found no person"):
        pictures(table(1).drop(columns="person"))
    with pytest.raises(DataError, match="found none in 3 rows"):
        pictures(table(1).assign(fake=True))
    with pytest.raises(DataError, match="more than ten, .* found 4"):
        shapes(heads(2))
    with pytest.raises(DataError, match="two people at least from the front, found 0"):
        distances(heads(20).assign(yaw=45.0))


@pytest.fixture(scope="module")
def embedded() -> pd.DataFrame:
    if not (ROOT / "data" / "provenance.parquet").is_file():
        pytest.skip("data/ is not here: dvc pull data.dvc, or make data")
    stills = pd.read_parquet(ROOT / "data" / "people" / "manifest.parquet")
    return pictures(pd.read_parquet(ROOT / "data" / "provenance.parquet"), stills)


def test_the_embedded_people_are_many_and_of_all_kinds(embedded):
    people = cast(embedded)
    assert not people["person"].duplicated().any() and people.groupby("dataset").size().min() >= 30
    assert people["ancestry"].value_counts(normalize=True).min() > 0.25
    assert people["hair"].nunique() >= 20 and people["age"].max() - people["age"].min() > 0.7
    assert embedded["expression"].value_counts(normalize=True).max() < 0.2 and embedded["light"].nunique() == 9


def test_nobody_of_the_embedded_data_is_drawn_twice(embedded):
    """Two pictures of a person lie nearer to each other than nearly any two people do."""
    found = distances(located(embedded, ROOT / "data" / "annotations"))
    same, nearest, other = (found.loc[found["pair"] == pair, "distance"].to_numpy() for pair in PAIRS)
    assert len(same) > 200 and len(nearest) > 600
    assert np.median(same) < 0.8 * np.median(nearest) and np.median(nearest) < 0.5 * np.median(other)
    assert (same[:, None] < other).mean() > 0.97, "AUC of telling two pictures of a person from those of two"
    assert (nearest < np.median(same)).mean() < 0.08
    assert nearest.min() > np.quantile(same, 0.05), "a double would lie as near as a person does to themselves"
