import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from semdf.errors import DataError, ParameterError
from semdf.evaluation import evaluate


def frames() -> pd.DataFrame:
    known = {"dataset": "d", "target": "0", "pristine": "", "split": "test"}
    videos = [("real", [0.1, 0.3]), ("A", [0.9, 0.5]), ("B", [0.2, None])]
    rows = []
    for label, scores in videos:
        video = {"video": f"d/{label}/0", "manipulation": label, "label": label, **known}
        for i, p in enumerate(scores):
            found = {"status": "ok", "p_fake": p} if p is not None else {"status": "no face", "p_fake": np.nan}
            rows.append({**video, "frame": i, **found})
    unreadable = {"video": "d/A/1", "manipulation": "A", "label": "A", **known}
    rows.append({**unreadable, "frame": -1, "status": "unreadable", "p_fake": np.nan})
    return pd.DataFrame(rows)


def test_a_video_s_score_is_the_mean_of_its_scored_frames():
    videos = evaluate.video_scores(frames()).set_index("video")
    assert videos.loc["d/real/0", "p_fake"] == pytest.approx(0.2)
    assert videos.loc["d/B/0", "p_fake"] == pytest.approx(0.2) and videos.loc["d/B/0", "frames"] == 1
    assert videos["fake"].tolist() == [0, 1, 1, 1]


def test_no_video_is_dropped():
    videos = evaluate.video_scores(frames()).set_index("video")
    assert len(videos) == 4
    assert videos.loc["d/A/1", "status"] == "unreadable" and np.isnan(videos.loc["d/A/1", "p_fake"])
    assert evaluate.summarise(videos.reset_index(), resamples=100, seed=0).loc[0, "missing"] == 1


def test_the_same_file_name_in_two_manipulations_is_two_videos():
    videos = evaluate.video_scores(frames())
    assert set(videos["video"]) >= {"d/A/0", "d/B/0"}


def test_the_order_of_rows_does_not_matter():
    a = evaluate.video_scores(frames()).sort_values("video", ignore_index=True)
    b = evaluate.video_scores(frames().sample(frac=1, random_state=1)).sort_values("video", ignore_index=True)
    pd.testing.assert_frame_equal(a, b, check_like=True)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=4, max_size=40))
def test_auc_agrees_with_the_definition_and_with_scikit_learn(pairs):
    fake, p = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])
    if fake.all() or not fake.any():
        with pytest.raises(DataError, match="reals and"):
            evaluate.measure(fake, p)
        return
    wins = [(a > b) + 0.5 * (a == b) for a in p[fake] for b in p[~fake]]
    assert evaluate.measure(fake, p)["auc"] == pytest.approx(np.mean(wins))
    assert evaluate.measure(fake, p)["auc"] == pytest.approx(roc_auc_score(fake, p))
    assert evaluate.measure(fake, p)["brier"] == pytest.approx(np.mean((fake - p) ** 2))


def test_perfect_and_inverted_scores():
    fake = np.array([0, 0, 1, 1])
    good = evaluate.measure(fake, np.array([0.1, 0.2, 0.8, 0.9]))
    exact = {"auc": 1.0, "ap": 1.0, "eer": 0.0, "accuracy": 1.0, "tpr_fpr1": 1.0, "tpr_fpr5": 1.0}
    assert {name: good[name] for name in exact} == exact
    assert good["brier"] == pytest.approx(0.025) and good["ece"] == pytest.approx(0.15)
    assert np.isnan(good["accuracy_validation"])
    assert evaluate.measure(fake, np.array([0.9, 0.8, 0.2, 0.1]))["auc"] == 0.0


def test_scores_that_are_not_finite_are_refused():
    with pytest.raises(DataError, match="finite.*1"):
        evaluate.measure(np.array([0, 1]), np.array([0.1, np.nan]))


def test_a_table_without_status_is_refused():
    with pytest.raises(DataError, match="status"):
        evaluate.video_scores(frames().drop(columns="status"))


def test_node_scores_are_blank_where_a_label_never_varies():
    table = evaluate.node_scores(
        pd.DataFrame({"p_a": [0.1, 0.9], "p_b": [0.5, 0.5]}), np.array([[0, 1], [1, 1]]), ["a", "b"]
    )
    assert table["auc"][0] == 1.0 and table["ap"][0] == 1.0 and np.isnan(table["auc"][1])


def test_node_scores_leave_out_what_was_not_observed():
    rows = pd.DataFrame({"p_a": [0.1, 0.9, 0.95]})
    table = evaluate.node_scores(rows, np.array([[0], [1], [0]]), ["a"], np.array([[True], [True], [False]]))
    assert table["auc"][0] == 1.0 and table["samples"][0] == 2


@pytest.mark.parametrize(("how", "value"), [("mean", 0.5), ("median", 0.4), ("top3", 0.7)])
def test_ways_to_aggregate(how, value):
    scores = [0.1, 0.3, 0.4, 0.8, 0.9]
    table = pd.DataFrame({name: "x" for name in evaluate.VIDEO_COLUMNS}, index=range(5))
    table = table.assign(frame=range(5), status="ok", p_fake=scores)
    assert evaluate.video_scores(table, how)["p_fake"].tolist() == pytest.approx([value])
    with pytest.raises(ParameterError, match="aggregation must be.*'max'"):
        evaluate.video_scores(table, "max")


def test_a_threshold_separates_what_can_be_separated():
    fake, p = np.array([0, 0, 1, 1]), np.array([0.5, 0.6, 0.7, 0.8])
    at = evaluate.threshold(fake, p)
    assert at == 0.7 and evaluate.measure(fake, p, at)["accuracy_validation"] == 1.0
    assert evaluate.measure(fake, p)["accuracy"] == 0.5


def test_true_positive_rate_at_few_false_alarms():
    fake, p = np.r_[np.zeros(100), np.ones(4)], np.r_[np.linspace(0, 0.5, 99), 0.9, 0.4, 0.6, 0.95, 0.97]
    result = evaluate.measure(fake, p)
    assert result["tpr_fpr1"] == 0.75  # one real above: the fakes at .95, .97 and .6
    assert evaluate.measure(fake[1:], p[1:])["tpr_fpr1"] == 0.5  # 99 reals: one false alarm is more than 1 %


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=2, max_size=60))
def test_calibration_error_is_zero_to_one_and_bins_hold_all(pairs):
    fake, p = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])
    if fake.all() or not fake.any():
        return
    assert 0 <= evaluate.calibration_error(fake, p) <= 1
    assert evaluate.reliability(fake, p)["samples"].sum() == len(p)


def test_calibrated_scores_have_a_small_error(random):
    p = random.uniform(0, 1, 20000)
    fake = random.uniform(0, 1, 20000) < p
    assert evaluate.calibration_error(fake, p) < 0.02 < 0.2 < evaluate.calibration_error(fake, p**3)


def borrowed() -> pd.DataFrame:
    """Two data sets that share the reals of the first, and a third one whose people have the same numbers."""
    rows = []
    for target in ("0", "1", "2"):
        rows += [
            ("d", f"d/real/{target}", "", "real", target),
            ("d", f"d/A/{target}", f"d/real/{target}", "A", target),
            ("s", f"d/real/{target}", "", "real", target),
            ("s", f"s/B/{target}", f"d/real/{target}", "B", target),
            ("e", f"e/real/{target}", "", "real", target),
            ("e", f"e/A/{target}", "", "A", target),
        ]
    videos = pd.DataFrame(rows, columns=["dataset", "video", "pristine", "label", "target"])
    return videos.assign(
        manipulation=videos["label"],
        split="test",
        status="ok",
        fake=(videos["label"] != "real").astype(int),
        p_fake=np.linspace(0, 1, len(videos)),
    )


def test_people_are_those_of_the_data_set_they_come_from():
    named = evaluate.people(borrowed()).groupby(borrowed()["dataset"]).agg(set)
    assert named["s"] == named["d"] == {"d/0", "d/1", "d/2"} and named["e"] == {"e/0", "e/1", "e/2"}
    assert evaluate.people(borrowed().assign(target="")).tolist() == borrowed()["video"].tolist()


def test_what_test_sets_share_is_pooled_once():
    videos = borrowed()
    table = evaluate.summarise(videos, resamples=100, seed=0).set_index("dataset")
    assert table["reals"].to_dict() == {"d": 3, "s": 3, "e": 3, "all data sets": 6}
    assert table["fakes"].to_dict() == {"d": 3, "s": 3, "e": 3, "all data sets": 9}
    assert table["clusters"].to_dict() == {"d": 3, "s": 3, "e": 3, "all data sets": 6}
    once = videos.drop_duplicates("video")
    assert table.loc["all data sets", "auc"] == pytest.approx(roc_auc_score(once["fake"], once["p_fake"]))


def test_several_data_sets_are_also_pooled():
    videos = evaluate.video_scores(frames())
    other = videos.assign(dataset="e", video=videos["video"].str.replace("d/", "e/"), p_fake=videos["p_fake"] / 10)
    table = evaluate.summarise(pd.concat([videos, other]), resamples=100, seed=0).set_index("dataset")
    assert list(table.index[table["manipulation"] == "all"]) == ["d", "e", "all data sets"]
    assert table.loc["all data sets", "auc"] < table["auc"].max()  # the scores of e lie lower
    with pytest.raises(ParameterError, match="cluster must be.*'frame'"):
        evaluate.summarise(videos, resamples=100, seed=0, cluster="frame")
