"""Cards measured on made-up scores whose truth is known, and on a small detector with real crops."""

import json

import numpy as np
import pandas as pd
import pytest
from _media import faceforensics
from _training import config
from click.testing import CliRunner
from scipy.special import expit

from semdf.cli import main
from semdf.errors import DataError
from semdf.explanation import card as cards
from semdf.explanation import measuring
from semdf.faces.quality import MEANINGS
from semdf.method import hierarchy
from semdf.training import runs

FFPP = hierarchy.load("ffpp")


def scores(random, *, people=20, sharpness=4.0, data="Home", split="val", knows=True, frames=3) -> pd.DataFrame:
    """Faces of some people, each real and with forgeries of mouth, nose and eyes, as a detector might score them."""
    rows = []
    for person in range(people):
        for label in ("real", "mouth", "nose", "eyes"):
            fake = label != "real"
            for frame in range(frames):
                p_fake = float(expit(sharpness * (fake - 0.5) + random.normal()))
                marks = dict.fromkeys((f"p_{node}" for node in FFPP.nodes), 0.0) | {"p_fake": p_fake}
                truth = FFPP.label(label)
                for place, node in enumerate(FFPP.nodes[1:], 1):
                    said = truth[place] if knows else random.random() < 0.5
                    marks[f"p_{node}"] = p_fake * (0.95 if said else 0.1)
                name = f"{data}/{label}/{person}"
                rows.append(
                    {
                        "dataset": data,
                        "manipulation": label,
                        "video": name,
                        "target": str(person),
                        "pristine": "",
                        "frame": frame,
                        "label": label,
                        "split": split,
                        "status": "ok",
                    }
                    | marks
                    | dict.fromkeys(MEANINGS, 1.0)
                    | {"size": float(random.uniform(30, 60))}
                )
    return pd.DataFrame(rows)


def measured(frames, **options) -> cards.Card:
    return measuring.measure(frames, FFPP, weights={}, **{"data": "Home"} | options)


def test_the_temperature_of_scaled_log_odds_is_found(random):
    """Probabilities are made from their log-odds; multiplied by 3 these need the temperature 3."""
    odds = random.normal(0, 2, 20_000)
    fake = random.random(20_000) < expit(odds)
    keep = np.concatenate([np.flatnonzero(fake)[:9000], np.flatnonzero(~fake)[:9000]])
    for scale in (0.5, 1.0, 3.0):
        found = measuring.fit(fake[keep], expit(scale * odds[keep]))
        assert found.temperature == pytest.approx(scale, rel=0.1)


@pytest.mark.parametrize("allowed", [0.01, 0.05, 0.1])
def test_the_bounds_keep_what_is_allowed_and_no_more(random, allowed):
    fake = np.repeat([0, 1], 1000)
    p = expit(2 * (fake - 0.5) + random.normal(size=2000))
    found = measuring.fit(fake, p, allowed)
    q = cards.calibrated(p, found.temperature)
    alarms, misses = (q[fake == 0] >= found.forged_from).mean(), (q[fake == 1] <= found.no_sign_to).mean()
    assert allowed - 0.002 <= alarms <= allowed and allowed - 0.002 <= misses <= allowed


def test_no_answer_contradicts_its_probability(random):
    """Where reals and fakes are far apart, the bounds would lie anywhere between them."""
    fake = np.repeat([0, 1], 50)
    found = measuring.fit(fake, np.where(fake, 0.9999, 0.6))
    assert found.no_sign_to <= 0.5 <= found.forged_from


def test_one_class_alone_is_refused():
    with pytest.raises(DataError, match="reals and fakes, found 0 reals and 2 fakes"):
        measuring.fit(np.array([1, 1]), np.array([0.2, 0.9]))


def test_a_card_holds_what_its_detector_does(random):
    found = measured(scores(random))
    home = found.picture.outcomes[0]
    assert home.reals.forged.of == 60 and home.fakes.forged.of == 180 and home.reals.forged.people == 20
    for answers in (home.reals, home.fakes):
        assert sum(answers.rate(name).value for name in cards.ANSWERS) == pytest.approx(1)
    assert home.reals.forged.value < 0.15 and home.fakes.no_sign.value < 0.15 and home.fakes.forged.value > 0.6
    assert found.video.outcomes[0].reals.forged.of == 20, "a video is answered once"
    assert found.video.outcomes[0].fakes.forged.value > home.fakes.forged.value, "means over frames are surer"
    assert 30 < found.ranges["size"].low < 31 and 59 < found.ranges["size"].high < 60


def test_a_useless_detector_is_shown_to_be_one(random):
    found = measured(scores(random, sharpness=0.0))
    home = found.picture.outcomes[0]
    assert home.reals.cannot_tell.value > 0.75 and home.fakes.cannot_tell.value > 0.75


def test_rates_of_its_own_people_are_not_those_of_what_it_was_fitted_on(random):
    """A detector that knows every person by heart: what was fitted on the others says nothing of the next one."""
    frames = scores(random, people=10, sharpness=0.0)
    number = frames["target"].astype(int)
    fake = frames["label"] != "real"
    frames["p_fake"] = expit(number * 0.8 - 4 + np.where(fake, 0.1, -0.1))
    (whole,) = [measuring.fit(fake, frames["p_fake"])]
    held = measured(frames).picture.outcomes[0]
    inside = measuring.answers(frames, whole, {})
    assert (inside[~fake] == "forged").mean() <= 0.05
    assert held.reals.forged.value != (inside[~fake] == "forged").mean()


def test_intervals_count_people_and_not_their_faces(random):
    few = measured(scores(random, people=10, frames=12)).picture.outcomes[0].reals.no_sign
    many = measured(scores(random, people=40, frames=3)).picture.outcomes[0].reals.no_sign
    assert few.of == many.of == 120 and few.high - few.low > 1.5 * (many.high - many.low)


def test_other_data_change_no_bound(random):
    home = scores(random)
    away = scores(random, data="Elsewhere", split="test", sharpness=0.5)
    alone, both = measured(home), measured(pd.concat([home, away], ignore_index=True))
    assert both.picture.outcomes[0] == alone.picture.outcomes[0] and len(both.picture.outcomes) == 2
    assert both.picture.forged_from == alone.picture.forged_from and both.ranges == alone.ranges
    unseen = both.picture.outcomes[1]
    assert unseen.data == "Elsewhere" and not unseen.trained
    assert unseen.fakes.forged.value < alone.picture.outcomes[0].fakes.forged.value


def test_the_card_decides_as_it_was_measured(random):
    """What `answers` gave the rows in the measurement, `decide` gives each of them."""
    frames = scores(random)
    found = measured(frames)
    fitted = measuring.Fit(found.picture.temperature, found.picture.forged_from, found.picture.no_sign_to)
    given = measuring.answers(frames, fitted, found.ranges)
    for answer, row in zip(given, frames.to_dict("records"), strict=True):
        numbers = cards.Quality(**{name: row[name] for name in MEANINGS})
        assert cards.decide(found, "picture", row["p_fake"], numbers).answer == answer


def test_naming_is_above_chance_for_a_detector_that_knows_and_not_for_habit(random):
    knows = {row.node: row for row in measured(scores(random)).named}
    assert {"mouth", "nose", "eye", "lip"} <= set(knows)
    assert knows["mouth"].right.value == 1 and knows["mouth"].above_chance
    assert not knows["physical inconsistency"].above_chance, "all of these forgeries have it"
    guesses = {row.node: row for row in measured(scores(random, knows=False)).named}
    assert guesses["mouth"].right.value == pytest.approx(guesses["mouth"].chance, abs=0.12)
    assert not any(row.above_chance for row in guesses.values())


def test_a_detector_of_one_node_names_nothing(random):
    frames = scores(random)
    frames = frames.drop(columns=[c for c in frames if c.startswith("p_") and c != "p_fake"])
    assert measured(frames).named == []


def test_pictures_alone_leave_videos_unmeasured(random):
    found = measured(scores(random, frames=1))
    assert found.picture and found.video is None


def test_too_few_people_are_refused(random):
    with pytest.raises(DataError, match="5 people or more, found 4 of 'Home', split 'val'"):
        measured(scores(random, people=4))
    with pytest.raises(DataError, match="found 0 of 'Nowhere'"):
        measured(scores(random), data="Nowhere")


def test_maps_are_held_against_chance_and_the_root(random):
    rows = []
    for person in range(20):
        rows.append({"node": "fake", "person": person, "hit": 1.0, "chance": 0.1, "control": 0.1})
        rows.append({"node": "mouth", "person": person, "hit": float(person % 2), "chance": 0.1, "control": 1.0})
    found = measured(scores(random), pointing=pd.DataFrame(rows))
    assert found.points("fake").hits.value == 1 and found.points("mouth") is None
    mouth = next(row for row in found.pointing if row.node == "mouth")
    assert (mouth.hits.value, mouth.chance) == (0.5, 1.0)


def test_the_command_measures_a_detector_on_its_crops_and_the_card_is_read(tmp_path):
    """From a tree to an answer: extraction, expansion, a detector of random weights, its card, a score by it."""
    tree = faceforensics(tmp_path / "FaceForensics++", frames=3)
    people = sorted(path.stem for path in (tree / "original_sequences/youtube/c23/videos").glob("*.mp4"))
    pairs = [list(pair) for pair in zip(people[::2], people[1::2], strict=False)]
    for name, split in (("train", []), ("val", pairs), ("test", [])):
        (tree / f"{name}.json").write_text(json.dumps(split))
    faces = tmp_path / "faces"
    expanded = tmp_path / "expanded"
    folder = tmp_path / "run"
    options = ["--annotations", tmp_path / "annotations.npz", "--size", 128, "--alignment", "native", "--workers", 1]
    call("extract", tree, faces, "--layout", "faceforensics++", *options)
    call("expand", faces, expanded, "--seed", 1, "--region", "nose", "--workers", 1)
    runs.save(runs.build(config()), config(), folder)
    video = tree / "original_sequences/youtube/c23/videos" / f"{people[0]}.mp4"
    words = ("score", video, "--model", folder, "--annotations", tmp_path / "annotations.npz")
    assert "Nothing was measured" in call(*words)
    wrote = call("card", faces, "--data", "FaceForensics++", "--model", folder, "--expanded", expanded)
    assert wrote.strip() == str(folder / "card.json")
    found = cards.read(folder)
    manifest = pd.read_parquet(faces / "manifest.parquet")
    reals = ((manifest["label"] == "real") & (manifest["split"] == "val") & (manifest["status"] == "ok")).sum()
    assert found.picture.outcomes[0].reals.forged.of == reals > 0
    sizes = [measuring.size_of(row.landmarks, row.box) for row in manifest[manifest["status"] == "ok"].itertuples()]
    assert min(sizes) <= found.ranges["size"].low <= found.ranges["size"].high <= max(sizes)
    said = call(*words)
    assert "Nothing was measured" not in said
    assert any(f": {answer}" in said for answer in cards.ANSWERS)


def call(*words, code=0) -> str:
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == code and "Traceback" not in done.output, done.output
    return done.output
