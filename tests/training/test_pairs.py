"""Batches: pairs of a fake and its source, or fakes and reals drawn apart; order and number are fixed by a seed."""

import numpy as np
import pandas as pd
import pytest
import torch
from _training import TREE, grey_samples

from semdf.artifacts import write_table
from semdf.errors import DataError
from semdf.extraction.video import spread
from semdf.storage.tars import ShardWriter, encode_png
from semdf.training.datasets import Samples, load
from semdf.training.pairs import count_batches, nearest_frames, pair_batches, partners, shuffled_batches


def test_every_fake_shares_its_batch_with_its_own_source():
    s = grey_samples()
    for batch in pair_batches(s, 8, 100, (0, 0)):
        fakes, reals = batch[:4], batch[4:]
        assert (s.targets[fakes, 0] == 1).all() and (s.targets[reals, 0] == 0).all()
        assert torch.equal(s.partner[fakes], reals)
        assert s.rows.loc[fakes.numpy(), "frame"].tolist() == s.rows.loc[reals.numpy(), "frame"].tolist()


def test_an_epoch_draws_every_fake_once_and_evenly():
    s = grey_samples()
    drawn = torch.cat([b[:4] for b in pair_batches(s, 8, 100, (0, 0))])
    assert sorted(drawn.tolist()) == s.fakes.tolist()
    few = torch.cat([b[:2] for b in pair_batches(s, 4, 8, (0, 0))])
    assert s.rows.loc[few.numpy(), "manipulation"].value_counts().tolist() == [4, 4]


def test_the_order_comes_from_the_seed():
    s = grey_samples()
    one, same, other = (torch.stack(list(pair_batches(s, 8, 100, (0, e)))) for e in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_shuffled_batches_are_balanced_but_not_paired():
    s = grey_samples(videos=20)
    batches = list(shuffled_batches(s, 8, 100, (0, 0)))
    assert all((s.targets[b[:4], 0] == 1).all() and (s.targets[b[4:], 0] == 0).all() for b in batches)
    paired = torch.cat([s.partner[b[:4]] == b[4:] for b in batches])
    assert paired.float().mean() < 0.3


def test_a_fake_without_its_source_is_never_paired():
    s = grey_samples()
    s.rows["pristine"] = ""
    s.partner[s.fakes[0]] = -1
    assert s.fakes[0] not in torch.cat([b[:4] for b in pair_batches(s, 8, 100, (0, 0))])
    s.partner[:] = -1
    with pytest.raises(DataError, match="pristine source"):
        next(pair_batches(s, 8, 100, (0, 0)))


@pytest.mark.parametrize("batch, pairs", [(8, 100), (8, 5), (6, 7), (64, 3), (2, 1)])
def test_batches_are_counted_as_they_are_drawn(batch, pairs):
    s = grey_samples()
    s.partner[s.fakes[5:]] = -1
    s.rows["pristine"] = ""
    for paired, draw in ((True, pair_batches), (False, shuffled_batches)):
        assert count_batches(s, batch, pairs, paired=paired) == len(list(draw(s, batch, pairs, (0, 0)))) > 0
    s.partner[:] = -1
    assert count_batches(s, batch, pairs, paired=True) == 0


def shorter(tmp_path, lengths: dict[str, int]) -> Samples:
    """Crops of two originals of 100 frames and of a fake of each, 16 of a video, spread over its own length."""
    rows = []
    with ShardWriter(tmp_path / "d" / "m.tar") as shard:
        shard.add("0.png", encode_png(np.zeros((20, 20, 3), np.uint8)))
    for kind, total in {"original": 100, **lengths}.items():
        real = kind == "original"
        for v in range(2):
            for frame in spread(total, 16):
                row = {
                    "dataset": "d",
                    "manipulation": kind,
                    "video": f"d/{kind}/{v}",
                    "frame": frame,
                    "sample": f"d/{kind}/{v}/{frame}",
                    "label": "real" if real else kind,
                    "split": "train",
                    "pristine": "" if real else f"d/original/{v}",
                    "shard": "d/m.tar",
                    "member": "0.png",
                    "status": "ok",
                }
                rows.append(row)
    return load([write_table(pd.DataFrame(rows), tmp_path / "manifest.parquet")], TREE, ["train"])


def test_a_manipulation_that_misses_all_its_sources_is_refused_and_the_nearest_frame_serves(tmp_path):
    lengths = {"Deepfakes": 100, "Face2Face": 99, "FaceSwap": 80}
    s = shorter(tmp_path, lengths)
    found = partners(s)
    assert found.loc["Deepfakes"].tolist() == [32, 32, 0, 0]
    assert found.loc["Face2Face", ["same_frame", "left_out"]].tolist() == [16, 16]
    assert found.loc["FaceSwap"].tolist() == [32, 0, 0, 32]
    words = "whose pristine video .* found none of FaceSwap: .* set train.partner to nearest"
    with pytest.raises(DataError, match=words):
        next(pair_batches(s, 8, 100, (0, 0)))
    near = nearest_frames(s)
    assert partners(near)["other_frame"].to_dict() == {"Deepfakes": 0, "Face2Face": 16, "FaceSwap": 32}
    assert torch.equal(near.partner[s.partner >= 0], s.partner[s.partner >= 0]) and (near.partner[s.reals] < 0).all()
    assert torch.equal(nearest_frames(near).partner, near.partner)
    fakes, sources = (near.rows.iloc[i.numpy()].reset_index() for i in (near.fakes, near.partner[near.fakes]))
    assert (fakes["pristine"] == sources["video"]).all()
    originals = np.array(spread(100, 16))
    gap = np.abs(fakes["frame"].to_numpy()[:, None] - originals).min(1)
    assert (np.abs(fakes["frame"] - sources["frame"]) == gap).all() and gap.max() > 0
    drawn = torch.cat([b[:4] for b in pair_batches(near, 8, 1000, (0, 0))])
    assert sorted(drawn.tolist()) == near.fakes.tolist()


def test_a_fake_of_an_unknown_source_stays_without_a_partner(tmp_path):
    s = shorter(tmp_path, {"FaceSwap": 80, "Deepfakes": 100})
    s.rows.loc[s.rows["manipulation"] == "FaceSwap", "pristine"] = ["", "d/original/7"] * 16
    assert partners(nearest_frames(s)).loc["FaceSwap", "left_out"] == 32
    assert len(list(pair_batches(s, 8, 100, (0, 0)))) == 8  # nothing could pair them: no fault of the sampling
