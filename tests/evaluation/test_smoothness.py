"""The filter's twelve numbers, and an AUC adjusted for what a filter says."""

import cv2
import numpy as np
import pandas as pd
import pytest

from semdf.errors import DataError, ParameterError
from semdf.evaluation.intervals import auc_interval
from semdf.evaluation.smoothness import KEYS, adjusted_auc, classifier, numbers, strata, video_numbers
from semdf.storage.tars import ShardWriter, encode_png

SAME = {"resamples": 100, "seed": 0}


def picture(seed: int, noise: float = 6.0) -> np.ndarray:
    random = np.random.default_rng(seed)
    wave = cv2.resize(random.uniform(0, 255, (6, 6, 3)).astype(np.float32), (64, 64), interpolation=cv2.INTER_CUBIC)
    return np.clip(wave + random.normal(0, noise, wave.shape), 0, 255).astype(np.uint8)


def test_smoothing_lowers_what_measures_detail_and_leaves_the_colours():
    sharp = numbers(picture(0))
    smooth = numbers(cv2.GaussianBlur(picture(0), (0, 0), 1.0))
    assert len(sharp) == 12 and all(np.isfinite(list(sharp.values())))
    for name in ("statistics.sharpness", "statistics.noise", "spectrum.slope", "spectrum.high"):
        assert smooth[name] < sharp[name], name
    for channel in "rgb":
        assert smooth[f"statistics.mean_{channel}"] == pytest.approx(sharp[f"statistics.mean_{channel}"], abs=1)


def test_the_numbers_of_two_pictures_that_are_known():
    flat = numbers(np.full((32, 32, 3), (10, 20, 30), np.uint8))
    assert [flat[f"statistics.mean_{c}"] for c in "rgb"] == [10, 20, 30] and flat["statistics.saturation"] == 20
    assert flat["statistics.deviation_r"] == flat["statistics.noise"] == 0
    assert flat["spectrum.high"] < -20, "none of its power, rather than a number that is missing"
    for every, share in ((3, 1), (8, 0)):  # a line in each third column has all its detail in the finest octave
        wave = 128 + 100 * np.cos(2 * np.pi * np.arange(48) / every)
        stripes = np.repeat(np.tile(wave, (48, 1))[..., None], 3, axis=2).astype(np.uint8)
        assert np.exp(numbers(stripes)["spectrum.high"]) == pytest.approx(share, abs=0.01)


def test_a_video_has_the_mean_of_its_crops_and_one_without_keeps_its_row(tmp_path):
    crops = {f"{i}.png": picture(i) for i in range(3)}
    with ShardWriter(tmp_path / "a.tar") as shard:
        for name, crop in crops.items():
            shard.add(name, encode_png(crop))
    keys = dict.fromkeys(KEYS, "x")
    frames = [("one", "ok"), ("one", "ok"), ("two", "ok"), ("three", "no face")]
    rows = [
        {**keys, "video": video, "shard": "a.tar", "member": f"{i}.png", "status": status}
        for i, (video, status) in enumerate(frames)
    ]
    found = video_numbers(pd.DataFrame(rows), tmp_path).set_index("video")
    assert list(found.index) == ["one", "two", "three"]
    each = [numbers(crops[f"{i}.png"]) for i in range(3)]
    for name in each[0]:
        assert found.loc["one", name] == pytest.approx((each[0][name] + each[1][name]) / 2)
        assert found.loc["two", name] == pytest.approx(each[2][name])
    assert found.loc["three", list(each[0])].isna().all()
    with pytest.raises(DataError, match="a row with the status ok, found none of 1"):
        video_numbers(pd.DataFrame(rows[3:]), tmp_path)


def test_the_classifier_learns_which_pictures_are_smoother():
    sharp = [numbers(picture(i)) for i in range(60)]
    smooth = [numbers(cv2.GaussianBlur(picture(100 + i), (0, 0), 0.8)) for i in range(60)]
    table, fake = pd.DataFrame(sharp + smooth), np.repeat([0, 1], 60)
    learnt = np.arange(120) % 2 == 0
    p = classifier().fit(table[learnt], fake[learnt]).predict_proba(table[~learnt])[:, 1]
    assert auc_interval(fake[~learnt], p, **SAME).value > 0.97


def test_strata_are_equally_large_and_hold_equal_values_together():
    random = np.random.default_rng(0)
    assert np.bincount(strata(random.normal(size=100))).tolist() == [20] * 5
    assert np.bincount(strata(random.normal(size=90), 3)).tolist() == [30] * 3
    tied = strata(np.array([0.0] * 60 + list(range(1, 41))))
    assert len(set(tied[:60])) == 1 and tied[60:].min() > tied[0]
    assert (strata(np.arange(7), 1) == 0).all()
    with pytest.raises(ParameterError, match="strata must be at least 1, found 0"):
        strata(np.arange(7), 0)


def test_only_pairs_of_one_stratum_count():
    """Two strata by hand: in the lower one 1 of 2 pairs is right, in the upper one 2 of 2: 3 of 4, not 6 of 9."""
    fake, by = np.array([0, 0, 1, 0, 1, 1]), np.array([0, 1, 2, 3, 4, 5])
    p = np.array([0.1, 0.5, 0.3, 0.2, 0.6, 0.7])
    found = adjusted_auc(fake, p, by, clusters=range(6), count=2, **SAME)
    assert found.value == pytest.approx(3 / 4) and 0 <= found.low <= found.value <= found.high <= 1
    assert adjusted_auc(fake, p, by, clusters=range(6), count=1, **SAME).value == auc_interval(fake, p, **SAME).value


def test_one_who_follows_the_filter_falls_and_one_who_sees_something_else_stays():
    random = np.random.default_rng(1)
    fake = np.repeat([0, 1], 1000)
    by = fake + random.normal(0, 0.8, 2000)
    follower, other = by + random.normal(0, 0.2, 2000), fake + random.normal(0, 0.8, 2000)
    for p, low, high in ((follower, 0.45, 0.62), (other, 0.78, 0.84)):
        assert 0.78 < auc_interval(fake, p, **SAME).value < 0.84
        assert low < adjusted_auc(fake, p, by, clusters=range(2000), **SAME).value < high
    assert adjusted_auc(fake, fake - by, by, clusters=range(2000), **SAME).value > 0.95
    finer = adjusted_auc(fake, follower, by, clusters=range(2000), count=50, **SAME).value
    assert abs(finer - 0.5) < 0.04, "more strata remove more of it"


def test_clusters_widen_the_interval_and_one_person_has_none():
    random = np.random.default_rng(2)
    person = np.repeat(np.arange(20), 10)
    fake = np.tile(np.repeat([0, 1], 5), 20)
    by = random.normal(size=200)
    p = 0.5 * fake + random.normal(0, 1, 20)[person] + random.normal(0, 0.2, 200)
    wide, narrow = (adjusted_auc(fake, p, by, clusters=c, **SAME) for c in (person, np.arange(200)))
    assert wide.value == narrow.value and wide.high - wide.low > 0
    alone = adjusted_auc(fake, p, by, clusters=np.zeros(200), **SAME)
    assert alone.value == wide.value and np.isnan([alone.low, alone.high]).all()


def test_strata_of_one_kind_each_give_no_number():
    fake = np.repeat([0, 1], 10)
    assert np.isnan(adjusted_auc(fake, fake.astype(float), fake, clusters=range(20), count=2, **SAME)).all()


def test_arrays_that_do_not_fit_are_refused():
    fake, p = np.array([0, 1, 0, 1]), np.array([0.1, 0.2, 0.3, 0.4])
    with pytest.raises(DataError, match="one length, found 4, 3 and 4"):
        adjusted_auc(fake, p, p[:3], clusters=range(4), **SAME)
    with pytest.raises(DataError, match="must hold reals and fakes"):
        adjusted_auc(np.ones(4), p, p, clusters=range(4), **SAME)
