import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from semdf import evaluate
from semdf.errors import DataError


def frames() -> pd.DataFrame:
    rows = []
    for video, label, scores in [
        ("d/real/0", "real", [0.1, 0.3]),
        ("d/A/0", "A", [0.9, 0.5]),
        ("d/B/0", "B", [0.2, None]),
    ]:
        for i, p in enumerate(scores):
            rows.append(
                {"dataset": "d", "manipulation": video.split("/")[1], "video": video, "frame": i, "label": label,
                 "split": "test", "status": "no face" if p is None else "ok", "p_fake": np.nan if p is None else p}
            )  # fmt: skip
    rows.append(
        rows[0]
        | {"video": "d/A/1", "manipulation": "A", "label": "A", "frame": -1, "status": "unreadable", "p_fake": np.nan}
    )
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
    assert evaluate._auc(p[fake], p[~fake]) == pytest.approx(roc_auc_score(fake, p))


def test_the_interval_covers_the_truth_about_95_times_of_100(random):
    # reals N(0,1), fakes N(1,1): the true AUC is Phi(1/sqrt(2)) = 0.7602
    hits = 0
    for i in range(100):
        p = np.r_[random.normal(0, 1, 40), random.normal(1, 1, 40)]
        low, high = evaluate.auc_interval(np.r_[np.zeros(40), np.ones(40)], p, resamples=200, seed=i)
        hits += low <= 0.7602 <= high
    assert 85 <= hits <= 100


def test_perfect_and_inverted_scores():
    fake = np.array([0, 0, 1, 1])
    good = evaluate.measure(fake, np.array([0.1, 0.2, 0.8, 0.9]))
    assert good == {"auc": 1.0, "ap": 1.0, "eer": 0.0, "accuracy": 1.0}
    assert evaluate.measure(fake, np.array([0.9, 0.8, 0.2, 0.1]))["auc"] == 0.0


def test_scores_that_are_not_finite_are_refused():
    with pytest.raises(DataError, match="finite.*1"):
        evaluate.measure(np.array([0, 1]), np.array([0.1, np.nan]))


def test_a_table_without_status_is_refused():
    with pytest.raises(DataError, match="status"):
        evaluate.video_scores(frames().drop(columns="status"))


def test_node_aucs_are_blank_where_a_label_never_varies():
    table = evaluate.node_aucs(
        pd.DataFrame({"p_a": [0.1, 0.9], "p_b": [0.5, 0.5]}), np.array([[0, 1], [1, 1]]), ["a", "b"]
    )
    assert table["auc"][0] == 1.0 and np.isnan(table["auc"][1])
