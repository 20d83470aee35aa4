import errno
import os

import numpy as np
import pandas as pd
import pytest
import torch

from semdf.artifacts import write_table
from semdf.errors import DataError, WriteError
from semdf.extraction.video import spread
from semdf.method import hierarchy
from semdf.storage.tars import ShardWriter, encode_png
from semdf.training import datasets
from semdf.training.datasets import (
    Samples,
    count_batches,
    hold_out,
    load,
    pair_batches,
    select,
    shuffled_batches,
    views,
)
from semdf.training.pairs import nearest_frames, partners

TREE = hierarchy.load("ffpp")


def samples(videos: int = 6, frames: int = 2, size: int = 20) -> Samples:
    """Originals and two manipulations of `videos` identities; every picture has its own grey level."""
    rows, targets = [], []
    for label, manipulation in (("real", "original"), ("Deepfakes", "Deepfakes"), ("eyes", "expanded-eyes")):
        for v in range(videos):
            for f in range(frames):
                rows.append(
                    {"manipulation": manipulation, "video": f"{manipulation}/{v}", "frame": f, "label": label, "v": v}
                )
                targets.append(TREE.label(label))
    partner = [-1 if r["label"] == "real" else r["v"] * frames + r["frame"] for r in rows]
    images = torch.arange(len(rows), dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, size, size, 3).clone()
    targets = torch.from_numpy(np.stack(targets))
    return Samples(
        pd.DataFrame(rows), images, targets, torch.ones_like(targets, dtype=torch.bool), torch.tensor(partner)
    )


def test_every_fake_shares_its_batch_with_its_own_source():
    s = samples()
    for batch in pair_batches(s, 8, 100, (0, 0)):
        fakes, reals = batch[:4], batch[4:]
        assert (s.targets[fakes, 0] == 1).all() and (s.targets[reals, 0] == 0).all()
        assert torch.equal(s.partner[fakes], reals)
        assert s.rows.loc[fakes.numpy(), "frame"].tolist() == s.rows.loc[reals.numpy(), "frame"].tolist()


def test_an_epoch_draws_every_fake_once_and_evenly():
    s = samples()
    drawn = torch.cat([b[:4] for b in pair_batches(s, 8, 100, (0, 0))])
    assert sorted(drawn.tolist()) == s.fakes.tolist()
    few = torch.cat([b[:2] for b in pair_batches(s, 4, 8, (0, 0))])
    assert s.rows.loc[few.numpy(), "manipulation"].value_counts().tolist() == [4, 4]


def test_the_order_comes_from_the_seed():
    s = samples()
    one, same, other = (torch.stack(list(pair_batches(s, 8, 100, (0, e)))) for e in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_shuffled_batches_are_balanced_but_not_paired():
    s = samples(videos=20)
    batches = list(shuffled_batches(s, 8, 100, (0, 0)))
    assert all((s.targets[b[:4], 0] == 1).all() and (s.targets[b[4:], 0] == 0).all() for b in batches)
    paired = torch.cat([s.partner[b[:4]] == b[4:] for b in batches])
    assert paired.float().mean() < 0.3


def test_a_fake_without_its_source_is_never_paired():
    s = samples()
    s.rows["pristine"] = ""
    s.partner[s.fakes[0]] = -1
    assert s.fakes[0] not in torch.cat([b[:4] for b in pair_batches(s, 8, 100, (0, 0))])
    s.partner[:] = -1
    with pytest.raises(DataError, match="pristine source"):
        next(pair_batches(s, 8, 100, (0, 0)))


@pytest.mark.parametrize("batch, pairs", [(8, 100), (8, 5), (6, 7), (64, 3), (2, 1)])
def test_batches_are_counted_as_they_are_drawn(batch, pairs):
    s = samples()
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
            rows += [
                {"dataset": "d", "manipulation": kind, "video": f"d/{kind}/{v}", "frame": frame, "status": "ok",
                 "sample": f"d/{kind}/{v}/{frame}", "label": "real" if kind == "original" else kind, "split": "train",
                 "pristine": "" if kind == "original" else f"d/original/{v}", "shard": "d/m.tar", "member": "0.png"}
                for v in range(2) for frame in spread(total, 16)
            ]  # fmt: skip
    return load([write_table(pd.DataFrame(rows), tmp_path / "manifest.parquet")], TREE, ["train"])


def test_a_manipulation_that_misses_all_its_sources_is_refused_and_the_nearest_frame_serves(tmp_path):
    lengths = {"Deepfakes": 100, "Face2Face": 99, "FaceSwap": 80}
    s = shorter(tmp_path, lengths)
    found = partners(s)
    assert found.loc["Deepfakes"].tolist() == [32, 32, 0, 0]
    assert found.loc["Face2Face", ["same_frame", "left_out"]].tolist() == [16, 16]
    assert found.loc["FaceSwap"].tolist() == [32, 0, 0, 32]
    with pytest.raises(DataError, match="none of FaceSwap whose pristine video .* set train.partner to nearest"):
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


def test_views_are_cut_and_mirrored_only_as_asked(random):
    image = torch.from_numpy(random.integers(0, 256, (8, 20, 20, 3), dtype=np.uint8))
    seeded = [np.random.default_rng(5) for _ in range(3)]
    plain, whole, cut = (
        views(image, 16, r, crop=c, flip=f)
        for r, (c, f) in zip(seeded, [(False, False), (False, True), (True, False)], strict=True)
    )
    assert torch.equal(plain, views(image, 16)) and not torch.equal(cut, plain)
    mirrored = [torch.equal(w, p.flip(2)) for w, p in zip(whole, plain, strict=True)]
    assert 0 < sum(mirrored) < 8
    both = views(image, 16, np.random.default_rng(5))
    assert torch.equal(both, torch.stack([c.flip(2) if m else c for c, m in zip(cut, mirrored, strict=True)]))
    assert len({r.integers(1000) for r in seeded}) == 1


def test_views_are_cut_not_resampled(random):
    image = torch.from_numpy(random.integers(0, 256, (1, 20, 20, 3), dtype=np.uint8))
    assert torch.equal(views(image, 16)[0], image[0, 2:18, 2:18].permute(2, 0, 1))
    cut = views(image, 16, random)[0]
    windows = [image[0, i : i + 16, j : j + 16].permute(2, 0, 1) for i in range(5) for j in range(5)]
    assert any(torch.equal(cut, w) or torch.equal(cut, w.flip(2)) for w in windows)
    assert views(image, 10, resample=True).shape == (1, 3, 10, 10)
    with pytest.raises(DataError, match="24 px.*20 x 20"):
        views(image, 24)


def manifest(tmp_path, **changes) -> pd.DataFrame:
    with ShardWriter(tmp_path / "d" / "m.tar") as shard:
        for i in range(4):
            shard.add(f"{i}.png", encode_png(np.full((20, 20, 3), i, np.uint8)))
    rows = [
        {"dataset": "d", "manipulation": "Deepfakes" if i % 2 else "original", "video": f"v{i % 2}", "frame": i // 2,
         "sample": f"v{i % 2}/{i // 2}", "label": "Deepfakes" if i % 2 else "real", "split": "train",
         "pristine": "v0" if i % 2 else "", "shard": "d/m.tar", "member": f"{i}.png", "status": "ok"} | changes
        for i in range(4)
    ]  # fmt: skip
    rows.append(rows[0] | {"frame": -1, "member": "", "shard": "", "status": "no face"})
    return pd.DataFrame(rows)


def test_load_reads_pictures_labels_and_partners(tmp_path):
    path = write_table(manifest(tmp_path), tmp_path / "manifest.parquet")
    s = load([path], TREE, ["train"])
    assert len(s) == 4 and s.images[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert s.partner.tolist() == [-1, 0, -1, 2]
    assert torch.equal(s.targets[1], torch.from_numpy(TREE.label("Deepfakes")))


def test_many_pictures_lie_in_a_file_and_nothing_else_changes(tmp_path, monkeypatch):
    """Loaded, selected, drawn and cut they are equal; the file has no name, so nothing of it is left."""
    path = write_table(manifest(tmp_path), tmp_path / "manifest.parquet")
    whole, made, reserve = load([path], TREE, ["train"]), [], os.posix_fallocate
    monkeypatch.setattr(datasets, "ROOT", tmp_path)
    monkeypatch.setattr(datasets, "IN_MEMORY", 100)
    monkeypatch.setattr(os, "posix_fallocate", lambda *a: made.append(a[2]) or reserve(*a))
    mapped = load([path], TREE, ["train"])
    chosen = np.arange(len(whole)) % 2 == 0
    for a, b in ((whole, mapped), (select(whole, chosen), select(mapped, chosen))):
        assert torch.equal(a.images, b.images) and a.images.dtype == b.images.dtype
        assert torch.equal(a.partner, b.partner)
        cut = [views(s.images[torch.arange(len(s))], 10, np.random.default_rng(0)) for s in (a, b)]
        assert torch.equal(*cut)
    assert made == [4 * 20 * 20 * 3, 2 * 20 * 20 * 3, 2 * 20 * 20 * 3]
    assert (tmp_path / "scratch").is_dir() and not list((tmp_path / "scratch").iterdir())


def test_a_disk_without_room_for_many_pictures_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "ROOT", tmp_path)
    monkeypatch.setattr(datasets, "IN_MEMORY", 100)

    def full(*_) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(WriteError, match="scratch' cannot be written: No space left"):
        load([write_table(manifest(tmp_path), tmp_path / "manifest.parquet")], TREE, ["train"])


def test_load_refuses_what_it_cannot_use(tmp_path):
    path = write_table(manifest(tmp_path), tmp_path / "manifest.parquet")
    with pytest.raises(DataError, match="'test'.*none"):
        load([path], TREE, ["test"])
    path = write_table(manifest(tmp_path).drop(columns="pristine"), tmp_path / "manifest.parquet")
    with pytest.raises(DataError, match="pristine"):
        load([path], TREE, ["train"])


def people(s: Samples) -> Samples:
    """Neighbours 0 and 1, 2 and 3, ... are swapped with each other; donors of the expansion come from the next pair."""
    v = s.rows["v"]
    source = np.where(v % 2, v - 1, v + 1)
    source = np.where(s.rows["label"] == "eyes", (v + 2) % (v.max() + 1), source)
    s.rows["target"] = v.astype(str)
    s.rows["source"] = np.where(s.rows["label"] == "real", "", source.astype(str))
    return s


def test_a_selection_keeps_rows_pictures_and_partners_together():
    s = samples()
    chosen = (s.rows["v"] != 0).to_numpy() & ~((s.rows["v"] == 1) & (s.rows["label"] == "real")).to_numpy()
    part = select(s, chosen)
    assert len(part) == chosen.sum() == len(part.images) == len(part.targets)
    assert torch.equal(part.images[:, 0, 0, 0], s.images[torch.from_numpy(chosen), 0, 0, 0])
    for i in part.fakes.tolist():
        row, j = part.rows.iloc[i], int(part.partner[i])
        if row["v"] == 1:
            assert j == -1
        else:
            assert part.rows.iloc[j][["v", "frame", "label"]].tolist() == [row["v"], row["frame"], "real"]
    with pytest.raises(DataError, match="selection must leave samples, found none of 36"):
        select(s, np.zeros(36, bool))


@pytest.mark.parametrize("seed", range(3))
def test_held_out_people_are_in_no_lower_batch(seed):
    s = people(samples(videos=8))
    lower, upper, left_out = hold_out(s, 0.25, seed)
    shown = [set(part.rows["target"]) | set(part.rows["source"]) - {""} for part in (lower, upper)]
    assert not shown[0] & shown[1] and len(shown[1]) == 2 and len(shown[0]) == 6
    assert left_out == 8  # two pairs of people give eyes to, or take them from, the other side
    assert len(lower) + len(upper) + left_out == len(s)
    assert (upper.partner[upper.fakes] >= 0).all()


def test_hold_out_says_what_it_cannot_do():
    with pytest.raises(DataError, match="columns target and source, found no 'target'"):
        hold_out(samples(), 0.5, 0)
    with pytest.raises(DataError, match="share must leave people on both sides, found 0.01 of 3 groups"):
        hold_out(people(samples()), 0.01, 0)
