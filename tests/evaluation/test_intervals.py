"""Bootstrap over clusters, DeLong, Holm: against brute force, known truths and published properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from semdf.errors import DataError, ParameterError
from semdf.evaluation import intervals

LABELS = st.lists(st.tuples(st.booleans(), st.floats(0, 1).map(lambda x: round(x, 1))), min_size=2, max_size=30)


@given(LABELS, st.integers(0, 1000))
def test_the_weighted_auc_is_that_of_repeated_samples(pairs, seed):
    fake, p = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])
    weights = np.random.default_rng(seed).integers(1, 4, len(p))
    if fake.all() or not fake.any():
        return
    value = intervals.weighted_auc(fake, p, weights[None].astype(float))[0]
    assert value == pytest.approx(roc_auc_score(np.repeat(fake, weights), np.repeat(p, weights)))


def test_the_interval_covers_the_truth_about_95_times_of_100(random):
    # reals N(0,1), fakes N(1,1): the true AUC is Phi(1/sqrt(2)) = 0.7602
    fake, hits = np.r_[np.zeros(40), np.ones(40)], 0
    for i in range(100):
        p = np.r_[random.normal(0, 1, 40), random.normal(1, 1, 40)]
        interval = intervals.auc_interval(fake, p, resamples=200, seed=i)
        hits += interval.low <= 0.7602 <= interval.high
    assert 85 <= hits <= 100


def test_clusters_widen_the_interval_when_their_samples_repeat(random):
    # every sample four times: resampling samples believes in four times as many people as there are
    fake, p = np.r_[np.zeros(30), np.ones(30)], np.r_[random.normal(0, 1, 30), random.normal(1, 1, 30)]
    once = intervals.auc_interval(fake, p, resamples=2000, seed=0)
    four = {"fake": np.tile(fake, 4), "p": np.tile(p, 4), "resamples": 2000, "seed": 0}
    naive = intervals.auc_interval(**four)
    clustered = intervals.auc_interval(**four, clusters=np.tile(np.arange(60), 4))
    assert naive.value == clustered.value == once.value
    width = {n: i.high - i.low for n, i in (("once", once), ("naive", naive), ("clustered", clustered))}
    assert width["naive"] == pytest.approx(width["once"] / 2, rel=0.15)
    assert width["clustered"] == pytest.approx(width["once"], rel=0.1)


def test_the_interval_depends_on_the_seed_alone(random):
    fake, p = np.r_[np.zeros(9), np.ones(9)], random.normal(0, 1, 18)
    a, b, c = (intervals.auc_interval(fake, p, resamples=300, seed=s) for s in (1, 1, 2))
    assert a == b != c


def test_one_cluster_of_a_class_gives_no_interval():
    interval = intervals.auc_interval(
        np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.3, 0.4]), clusters=list("aabc"), resamples=10, seed=0
    )
    assert interval.value == 1.0 and np.isnan(interval.low) and np.isnan(interval.high)


def test_the_difference_of_equal_scores_is_zero(random):
    fake, p = np.r_[np.zeros(9), np.ones(9)], random.normal(0, 1, 18)
    assert intervals.auc_difference(fake, p, p, resamples=100, seed=0) == (0.0, 0.0, 0.0, 1.0)


def test_a_paired_difference_is_surer_than_two_intervals(random):
    fake = np.r_[np.zeros(60), np.ones(60)]
    a = random.normal(0, 1, 120) + fake
    b = a + random.normal(0, 0.2, 120)
    both = intervals.auc_difference(fake, a, b, resamples=500, seed=0)
    alone = intervals.auc_interval(fake, a, resamples=500, seed=0)
    assert both.high - both.low < 0.6 * (alone.high - alone.low)


def test_the_p_of_a_difference_says_what_its_interval_says(random):
    """20 people with two reals and two fakes each, whose videos resemble each other; the detectors are equally good."""
    fake, people, p = np.tile([0, 0, 1, 1], 20), np.repeat(np.arange(20), 4), []
    for i in range(300):
        common = random.normal(0, 1, 80) + fake
        a, b = (common + 0.5 * random.normal(0, 1, 20)[people] + 0.5 * random.normal(0, 1, 80) for _ in range(2))
        gap = intervals.auc_difference(fake, a, b, clusters=people, resamples=100, seed=i)
        assert (gap.p < 0.05) == (not gap.low <= 0 <= gap.high) and gap.low <= gap.value <= gap.high
        p.append(gap.p)
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.09


def test_a_difference_without_two_clusters_of_a_class_has_no_p():
    fake, p = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.3, 0.4])
    gap = intervals.auc_difference(fake, p, -p, clusters=list("aabc"), resamples=10, seed=0)
    assert gap.value == 1.0 and np.isnan([gap.low, gap.high, gap.p]).all()


def test_student_without_an_error_knows_the_value():
    assert intervals.student(0.1, 0.0, 5) == (0.1, 0.1, 0.0) and intervals.student(0.0, 0.0, 5)[2] == 1.0
    low, high, p = intervals.student(stats.t.ppf(0.975, 7), 1.0, 7)
    assert low == pytest.approx(0, abs=1e-12) and p == pytest.approx(0.05) and high > 4


@settings(max_examples=30)
@given(LABELS)
def test_delong_aucs_agree_with_scikit_learn(pairs):
    fake, p = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])
    if min(fake.sum(), (~fake).sum()) < 2:
        return
    assert intervals.delong(fake, np.stack([p, 1 - p]))[0] == pytest.approx(
        [roc_auc_score(fake, p), roc_auc_score(fake, 1 - p)]
    )


def test_delong_covariance_by_the_definition(random):
    fake = np.r_[np.ones(7), np.zeros(9)]
    scores = random.normal(0, 1, (2, 16)).round(1)
    wins = [(s[:7, None] > s[None, 7:]) + 0.5 * (s[:7, None] == s[None, 7:]) for s in scores]
    expected = np.cov([w.mean(1) for w in wins]) / 7 + np.cov([w.mean(0) for w in wins]) / 9
    np.testing.assert_allclose(intervals.delong(fake, scores)[1], expected)


def test_delong_rejects_about_5_of_100_equal_detectors(random):
    fake, p = np.r_[np.zeros(50), np.ones(50)], []
    for _ in range(300):
        common = random.normal(0, 1, 100) + fake
        a, b = (common + random.normal(0, 0.7, 100) for _ in range(2))
        p.append(intervals.delong_test(fake, a, b).p)
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.09
    assert stats.kstest(p, "uniform").pvalue > 0.001


def test_delong_of_equal_and_of_opposite_scores(random):
    fake, p = np.r_[np.zeros(9), np.ones(9)], random.normal(0, 1, 18)
    assert intervals.delong_test(fake, p, p) == (0.0, 0.0, 1.0)
    a, b = intervals.delong_test(fake, p, -p), intervals.delong_test(fake, -p, p)
    assert a.difference == pytest.approx(-b.difference) and a.p == pytest.approx(b.p)


def test_holm_by_hand():
    np.testing.assert_allclose(intervals.holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(intervals.holm([0.01, np.nan, 0.03]), [0.02, np.nan, 0.03])  # no test, no claim
    assert len(intervals.holm([])) == 0


def test_bad_input_is_refused_by_name():
    fake, p = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.3, 0.4])
    with pytest.raises(DataError, match="clusters.*3 for 4"):
        intervals.auc_interval(fake, p, clusters=[1, 2, 3], resamples=10, seed=0)
    with pytest.raises(ParameterError, match="resamples.*0"):
        intervals.auc_interval(fake, p, resamples=0, seed=0)
    with pytest.raises(DataError, match=r"\[4\] and \[3\]"):
        intervals.checked(fake, p[:3])
    with pytest.raises(DataError, match="reals and"):
        intervals.auc_interval(fake * 0, p, resamples=10, seed=0)
    with pytest.raises(DataError, match="two reals"):
        intervals.delong(fake[1:], p[1:])
