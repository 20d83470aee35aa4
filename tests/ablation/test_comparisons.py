"""What the table of the ablation may claim: AUCs, paired differences and their noise. Scores are drawn, not trained."""

import numpy as np
import pandas as pd
import pytest
from _ablation import table
from scipy import stats
from sklearn.metrics import roc_auc_score

from semdf.ablation import comparisons
from semdf.errors import DataError
from semdf.evaluation.intervals import holm


def scores(skill: dict[str, float], seeds=(0, 1, 2), people: int = 40) -> pd.DataFrame:
    """Runs whose scores part reals and fakes by `skill`; videos and seeds have noise of their own."""
    rows = pd.concat(table(people=people, frames=1), ignore_index=True)
    rows = rows[(rows["split"] == "val") | ((rows["split"] == "test") & ~rows["manipulation"].str.startswith("exp"))]
    rows = rows[[c for c in rows if c in comparisons.VIDEO_COLUMNS]].reset_index(drop=True)
    random = np.random.default_rng(0)
    shared = random.normal(size=len(rows))
    tree = comparisons.hierarchies.load("ffpp")
    targets = np.stack([tree.label(label) for label in rows["label"]])
    parts = []
    for run, gain in skill.items():
        for seed in seeds:
            noise = shared[:, None] + 0.3 * random.normal(size=targets.shape)
            p = 1 / (1 + np.exp(-(gain * targets + noise)))
            columns = {f"p_{node}": p[:, i].astype(np.float32) for i, node in enumerate(tree.nodes)}
            parts.append(rows.assign(run=run, seed=seed, **columns))
    return pd.concat(parts, ignore_index=True)


def test_every_auc_is_scikit_learn_s():
    drawn = scores({"equal": 1.0, "dwa": 1.5}, seeds=[0], people=8)
    found = comparisons.measure(drawn, resamples=100, seed=0).table().set_index(["run", "dataset"])["auc"]
    one = drawn[drawn["run"] == "dwa"].reset_index(drop=True)
    val = one[(one["split"] == "val") & ~one["manipulation"].str.startswith("expanded")]
    assert found["dwa", "validation"] == pytest.approx(roc_auc_score(val["label"] != "real", val["p_fake"]))
    test = one[one["split"] == "test"]
    shifter = test[(test["dataset"] == "FaceShifter") | (test["label"] == "real")]
    assert found["dwa", "FaceShifter"] == pytest.approx(roc_auc_score(shifter["label"] != "real", shifter["p_fake"]))
    assert found["dwa", "other data sets"] == found["dwa", "FaceShifter"]  # there is no other one here
    whole, tree = one[one["split"] == "val"], comparisons.hierarchies.load("ffpp")
    truth = np.array([tree.label(name)[tree.index("eye")] for name in whole["label"]])
    assert found["dwa", "labels: eye"] == pytest.approx(roc_auc_score(truth, whole["p_eye"]))
    assert found["dwa", "labels"] == pytest.approx(found["dwa"].filter(like="labels: ").mean())
    fakes = whole["label"] != "real"
    assert found["dwa", "naming: eye"] == pytest.approx(roc_auc_score(truth[fakes], whole.loc[fakes, "p_eye"]))
    assert found["dwa", "naming"] == pytest.approx(found["dwa"].filter(like="naming: ").mean())


def test_what_borrows_reals_shares_their_people():
    drawn = scores({"equal": 1.0}, seeds=[0], people=8)
    weights, codes = comparisons.resampled(drawn, 50, 0)
    of = drawn.assign(code=codes)
    test = of[of["split"] == "test"]
    assert set(test.loc[test["dataset"] == "FaceShifter", "code"]) == set(test.loc[test["label"] == "real", "code"])
    val = np.unique(of.loc[of["split"] == "val", "code"])
    assert (weights[:, val].sum(1) == len(val)).all() and not set(val) & set(test["code"])


def test_namesakes_of_two_data_sets_are_two_people():
    drawn = scores({"equal": 1.0}, seeds=[0], people=8)
    others = drawn[drawn["dataset"] == "FaceForensics++"].replace({"dataset": {"FaceForensics++": "DiFF"}})
    others = others.assign(video="DiFF/" + others["video"].str.split("/", n=1).str[1], pristine="")
    _, codes = comparisons.resampled(pd.concat([drawn, others], ignore_index=True), 10, 0)
    assert not set(codes[: len(drawn)]) & set(codes[len(drawn) :])


def test_a_difference_is_found_where_there_is_one_and_only_there():
    groups = {"weighting": ["equal", "dwa", "random", "upgrad"]}
    drawn = scores({"equal": 1.0, "dwa": 2.5, "random": 0.2})
    copy = drawn[drawn["run"] == "equal"].assign(run="upgrad")
    found = comparisons.differences(comparisons.measure(pd.concat([drawn, copy]), resamples=300, seed=0), groups)
    main = found[found["main"]]
    assert set(main["dataset"]) == set(comparisons.MAIN) and (main["seeds"] == 3).all()
    verdicts = {run: set(part.apply(comparisons.verdict, axis=1)) for run, part in main.groupby("run")}
    assert verdicts == {"dwa": {"better"}, "random": {"worse"}, "upgrad": {"not shown"}}
    assert (main.loc[main["run"] == "upgrad", "p"] == 1).all()
    assert ((found["low"] <= found["difference"]) & (found["difference"] <= found["high"])).all()
    assert (main["p_holm"] >= main["p"]).all() and found.loc[~found["main"], "p_holm"].isna().all()
    better, worse, same = comparisons.sentences(found)
    assert "Supported: `dwa` is better than `equal` on validation (+" in better and "Not supported" not in better
    assert "`random` is worse than `equal`" in worse
    assert "Not supported: that `upgrad` differs from `equal`" in same and "Supported" not in same


def test_seeds_that_disagree_widen_the_interval():
    random = np.random.default_rng(0)
    base = np.concatenate([[0.8], 0.8 + 0.01 * random.normal(size=500)])
    agree = comparisons.paired(np.stack([base + 0.02] * 3), np.stack([base] * 3), 40)
    assert agree["low"] == pytest.approx(agree["high"])  # the same gain for everybody and every seed
    shifts = np.array([[-0.05], [0.02], [0.09]])
    differ = comparisons.paired(base + shifts, np.stack([base] * 3), 40)
    assert differ["difference"] == pytest.approx(0.02) and differ["low"] < -0.1 and differ["p"] > 0.5


@pytest.mark.parametrize("count", [1, 2, 3])
def test_intervals_hold_what_they_promise(count):
    """95 of 100 intervals hold the true difference, whether people or seeds make most of the noise; six runs of two
    seeds tell the noise of seeds, also for a run of one seed."""
    random = np.random.default_rng(1)
    for people, seeds in ((0.02, 0.002), (0.005, 0.02), (0.01, 0.01)):
        held = []
        noise = {f"r{i}": dict(enumerate(seeds * random.normal(size=(600, 2)))) for i in range(6)}
        for spread in comparisons.pooled(drawn_aucs(noise)).values():
            centre = 0.03 + people * random.normal() + np.sqrt(2) * seeds * random.normal(size=(count, 1))
            draws = centre + people * random.normal(size=200)  # a resample moves all seeds alike
            both = np.concatenate([centre, draws], axis=1)
            found = comparisons.paired(both, np.zeros((count, 201)), 60, spread)
            held.append(found["low"] <= 0.03 <= found["high"])
        assert 0.92 <= np.mean(held) <= 0.985, (people, seeds)


def drawn_aucs(table: dict[str, dict]) -> dict:
    """run -> test set -> AUCs of seeds 0, 1, ..., as `Measured.draws` holds them."""
    return {
        (run, seed): {name: np.array([values[seed]]) for name, values in own.items()}
        for run, own in table.items()
        for seed in range(len(next(iter(own.values()))))
    }


def test_the_noise_of_seeds_is_pooled_within_runs():
    runs = {
        "x": {"one": [0.0, 2.0]},
        "y": {"one": [1.0, 1.0, 4.0], "two": [0.5, 0.5, 0.5]},
        "z": {"one": [9.0], "three": [9.0]},
    }
    found = comparisons.pooled(drawn_aucs(runs))
    assert found["one"] == (pytest.approx((1 * 2 + 2 * 3) / 3), 3) and found["two"] == (0.0, 2)
    assert "three" not in found  # one seed tells nothing
    assert comparisons.pooled(drawn_aucs({"z": runs["z"]})) == {}


def test_a_training_with_two_names_counts_once():
    runs = {"short": {"one": [0.0, 2.0]}, "long": {"one": [0.0, 2.0, 1.0]}, "other": {"one": [5.0, 9.0]}}
    variance, free = comparisons.pooled(drawn_aucs(runs))["one"]
    assert free == 2 + 1 and variance == pytest.approx((2 + 8) / 3)


def test_the_noise_of_seeds_is_that_of_the_same_scale():
    """Long trainings that all seeds make alike do not narrow the intervals of short ones that they do not."""
    random = np.random.default_rng(0)

    def draws(runs: str, noise: float) -> dict:
        people = 0.01 * random.normal(size=200)
        return {
            (run, seed): {"validation": 0.8 + people + noise * random.normal()} for run in runs for seed in range(3)
        }

    short, long = draws("abcd", 0.05), draws("wxyz", 0.001)
    sizes = pd.DataFrame({"videos": 100, "people": 50}, ["validation"])
    groups = {"short": ["a", "b"], "long": ["w", "x"]}
    scales = {run: run in "wxyz" for run in "abcdwxyz"}

    def widths(measured: dict, **given) -> dict:
        found = comparisons.differences(comparisons.Measured(measured, sizes), groups, **given).set_index("group")
        return dict(found["high"] - found["low"])

    apart, together = widths(short | long, scales=scales), widths(short | long)
    assert apart["long"] < together["long"] < together["short"] * 1.5 and together["short"] < apart["short"]
    groups = {"short": ["a", "b"]}
    assert widths(short)["short"] == pytest.approx(apart["short"])


def test_a_training_that_collapsed_widens_its_own_intervals_alone():
    random = np.random.default_rng(0)
    people = 0.01 * random.normal(size=200)

    def draw(level: float) -> dict:
        return {"validation": level + people + 0.002 * random.normal()}

    draws = {(run, seed): draw(0.9) for run in "abcd" for seed in range(3)}
    draws |= {("broken", 0): draw(0.9), ("broken", 1): draw(0.5), ("broken", 2): draw(0.9)}
    measured = comparisons.Measured(draws, pd.DataFrame({"videos": 100, "people": 50}, ["validation"]))
    assert comparisons.collapsed(measured) == ["broken"]
    groups = {"group": ["a", "b", "broken"]}

    def widths(**given) -> pd.Series:
        found = comparisons.differences(measured, groups, **given).set_index("run")
        return found["high"] - found["low"]

    together, apart = widths(), widths(apart=["broken"])
    assert apart["b"] < together["b"] / 3
    assert apart["broken"] == pytest.approx(together["broken"])


def test_many_differences_do_not_make_the_noise_of_seeds_better_known():
    """Three runs of two seeds have 3 degrees of freedom, although three differences can be taken between them."""
    drawn = scores({"equal": 1.0, "dwa": 1.2, "random": 0.8}, seeds=[0, 1], people=8)
    measured = comparisons.measure(drawn, resamples=100, seed=0)
    variance, free = comparisons.pooled(measured.draws)["validation"]
    assert free == 3
    groups = {"a": ["equal", "dwa", "random"], "b": ["dwa", "random"]}
    found = comparisons.differences(measured, groups)
    assert np.allclose(found.loc[found["main"], "p_holm"], holm(found.loc[found["main"], "p"]))  # both groups at once
    row = found[found["dataset"] == "validation"].iloc[0]
    a, b = (np.array([measured.draws[run, s]["validation"] for s in (0, 1)]) for run in ("dwa", "equal"))
    by_people = np.nanvar((a - b).mean(0)[1:], ddof=1)
    free = (by_people + variance) ** 2 / (by_people**2 / 7 + variance**2 / 3)
    reach = stats.t.ppf(0.975, free) * np.sqrt(by_people + variance)  # 2 v / S with S = 2
    assert row["high"] - row["low"] == pytest.approx(2 * reach)


def test_trainings_must_have_scored_the_same_videos():
    drawn = scores({"equal": 1.0, "dwa": 1.0}, seeds=[0], people=4)
    with pytest.raises(DataError, match="dwa-0 must be of the same videos"):
        comparisons.measure(drawn.iloc[:-1], resamples=100, seed=0)
