"""Tests on photographs: thresholds, shares, temperatures, kinds and nodes."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import binom
from sklearn.metrics import roc_auc_score

from semdf.errors import DataError, ParameterError
from semdf.evaluation import photographs
from semdf.method import hierarchy

TREE = hierarchy.load("ffpp")


def frames(people=6, seed=0, gain=2.0):
    """Scores of one set: of each person a real and a fake of two kinds."""
    random = np.random.default_rng(seed)
    rows = []
    for person in range(people):
        for label, manipulation in (("real", "recompressed"), ("eyes", "expanded-eyes"), ("mouth", "expanded-mouth")):
            rows.append(
                {
                    "set": "photographs",
                    "dataset": "London",
                    "manipulation": manipulation,
                    "video": f"London/{manipulation}/{person:03d}_03",
                    "target": f"original/{person:03d}",
                    "pristine": "" if label == "real" else f"London/recompressed/{person:03d}_03",
                    "label": label,
                    "split": "test",
                    "frame": 0,
                    "status": "ok",
                    "p_fake": expit(random.normal(gain if label != "real" else -gain, 2)),
                }
            )
    return pd.DataFrame(rows)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.2, 0.9])
@pytest.mark.parametrize("decimals", [1, 9])
def test_the_threshold_lets_no_more_than_the_share_through(share, decimals):
    p = np.random.default_rng(0).uniform(size=57).round(decimals)
    found = photographs.choose_threshold(p, share)
    assert (p >= found).mean() <= share
    lower = p[p < found].max()
    assert (p >= lower).mean() > share, "the next lower score would let too many through"


def test_a_threshold_needs_scores_and_a_share():
    with pytest.raises(ParameterError, match=r"share of false alarms must lie in \[0, 1\), found 1"):
        photographs.choose_threshold(np.array([0.5]), 1)
    with pytest.raises(DataError, match="threshold must have scores of untouched pictures, found none"):
        photographs.choose_threshold(np.array([np.nan]), 0.05)


def test_the_interval_of_a_share_grows_when_people_repeat():
    hits = np.random.default_rng(1).random(200) < 0.3
    alone = photographs.share_interval(hits, range(200), resamples=500, seed=0)
    together = photographs.share_interval(np.repeat(hits[:20], 10), np.repeat(range(20), 10), resamples=500, seed=0)
    assert alone.low < alone.value < alone.high and together.high - together.low > 2 * (alone.high - alone.low)
    error = np.sqrt(0.3 * 0.7 / 200)
    assert abs((alone.high - alone.low) / (2 * 1.96 * error) - 1) < 0.2


def test_none_of_a_few_people_is_no_certainty():
    found = photographs.share_interval(np.zeros(40, bool), np.repeat(range(20), 2), resamples=100, seed=0)
    assert found.value == found.low == 0
    assert np.isclose(binom.pmf(0, 20, found.high), 0.025)


def test_the_temperature_of_known_odds_is_found():
    random = np.random.default_rng(0)
    odds = random.normal(0, 2, 20_000)
    fake = random.random(20_000) < expit(odds)
    sure = expit(3 * odds)
    assert np.isclose(photographs.fit_temperature(fake, sure), 3, rtol=0.05)
    np.testing.assert_allclose(photographs.temper(sure, 3.0), expit(odds), atol=0.01)
    table = photographs.calibration(
        pd.DataFrame({"label": np.where(fake, "eyes", "real"), "p_fake": sure}), 3.0
    ).set_index("temperature")
    assert table.loc[3.0, "ece"] < 0.02 < table.loc[1.0, "ece"] and table.loc[3.0, "brier"] < table.loc[1.0, "brier"]


def test_kinds_are_held_against_the_reals_of_their_set():
    table = frames(12)
    found = photographs.auc_by_kind(table, resamples=200, seed=0).set_index("kind")
    assert list(found.index) == ["all", "eyes", "mouth"]
    eyes = table[table["label"].isin(["real", "eyes"])]
    assert np.isclose(found.loc["eyes", "auc"], roc_auc_score(eyes["label"] != "real", eyes["p_fake"]))
    assert (found["low"] <= found["auc"]).all() and (found["auc"] <= found["high"]).all()
    assert found.loc["all", "fakes"] == 24 and found.loc["all", "reals"] == found.loc["all", "people"] == 12


def test_pairs_are_half_reals_of_the_same_pictures():
    table = frames(5)
    found = photographs.pairs(table)
    fakes = found[found["label"] != "real"]
    reals = found[found["label"] == "real"]
    assert len(fakes) == len(reals) == 10
    assert fakes["pristine"].tolist() == reals["video"].tolist()
    lost = table.assign(status=np.where(table["video"].str.contains("recompressed/000"), "not forged: no", "ok"))
    assert len(photographs.pairs(lost)) == 16, "a fake without its picture has no pair"


def test_nodes_are_told_apart_among_fakes():
    table = frames(10)
    fakes = table[table["label"] != "real"].reset_index(drop=True)
    targets = np.stack([TREE.label(label) for label in fakes["label"]])
    for number, node in enumerate(TREE.nodes):
        fakes[f"p_{node}"] = fakes["p_fake"] if number == 0 else 0.2 + 0.6 * targets[:, number]
    found = photographs.naming(fakes, targets, np.ones_like(targets, bool), TREE.nodes, resamples=100, seed=0)
    found = found.set_index("node")
    assert set(found.index) == {"eye", "lip", "mouth"}, "nodes that are altered in all fakes or in none have no row"
    assert (found["auc"] == 1).all() and (found["auc_root"] < 1).all() and (found["altered"] == 10).all()


def test_false_alarms_are_shares_of_untouched_pictures():
    table = frames(8, gain=0.0)
    found = photographs.false_alarms({"as they are": table, "JPEG 60": table}, 0.5, resamples=100, seed=0)
    real = table[table["label"] == "real"]
    assert found["condition"].tolist() == ["as they are", "JPEG 60"]
    assert (found["share"] == (real["p_fake"] >= 0.5).mean()).all() and (found["pictures"] == 8).all()


@pytest.mark.parametrize("name", photographs.CONDITIONS)
def test_conditions_change_a_picture_a_little(name):
    random = np.random.default_rng(0)
    smooth = np.clip(np.cumsum(random.normal(0, 2, (64, 64, 3)), 0) + 120, 0, 255)
    image = np.clip(smooth + random.normal(0, 4, smooth.shape), 0, 255).astype(np.uint8)
    seen = photographs.CONDITIONS[name](image)
    assert seen.shape == image.shape and seen.dtype == np.uint8
    change = np.abs(seen.astype(float) - image).mean()
    assert change == 0 if name == "as they are" else 0.5 < change < 12
