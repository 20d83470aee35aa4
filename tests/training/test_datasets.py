"""Samples: what manifests say is loaded, chosen and held out, in memory or in a file."""

import errno
import os
import tempfile

import numpy as np
import pandas as pd
import pytest
import torch
from _training import TREE, grey_samples

from semdf.artifacts import write_table
from semdf.errors import DataError, WriteError
from semdf.storage.tars import ShardWriter, encode_png
from semdf.training import datasets
from semdf.training.datasets import Samples, hold_out, load, select
from semdf.training.views import views


def manifest(tmp_path, **changes) -> pd.DataFrame:
    with ShardWriter(tmp_path / "d" / "m.tar") as shard:
        for i in range(4):
            shard.add(f"{i}.png", encode_png(np.full((20, 20, 3), i, np.uint8)))
    rows = []
    for i in range(4):
        fake = i % 2 == 1
        row = {
            "dataset": "d",
            "manipulation": "Deepfakes" if fake else "original",
            "video": f"v{i % 2}",
            "frame": i // 2,
            "sample": f"v{i % 2}/{i // 2}",
            "label": "Deepfakes" if fake else "real",
            "split": "train",
            "pristine": "v0" if fake else "",
            "shard": "d/m.tar",
            "member": f"{i}.png",
            "status": "ok",
        }
        rows.append(row | changes)
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
    whole = load([path], TREE, ["train"])
    folder = tmp_path / "temporary"
    folder.mkdir()
    made = []
    reserve = os.posix_fallocate
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
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
    assert not list(folder.iterdir())


def test_a_disk_without_room_for_many_pictures_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "IN_MEMORY", 100)

    def full(*_) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(WriteError, match="temporary folder' cannot be written: No space left"):
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
    s = grey_samples()
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
    s = people(grey_samples(videos=8))
    lower, upper, left_out = hold_out(s, 0.25, seed)
    shown = [set(part.rows["target"]) | set(part.rows["source"]) - {""} for part in (lower, upper)]
    assert not shown[0] & shown[1] and len(shown[1]) == 2 and len(shown[0]) == 6
    assert left_out == 8  # two pairs of people give eyes to, or take them from, the other side
    assert len(lower) + len(upper) + left_out == len(s)
    assert (upper.partner[upper.fakes] >= 0).all()


def test_hold_out_says_what_it_cannot_do():
    with pytest.raises(DataError, match="columns target and source, found no 'target'"):
        hold_out(grey_samples(), 0.5, 0)
    with pytest.raises(DataError, match="share must leave people on both sides, found 0.01 of 3 groups"):
        hold_out(people(grey_samples()), 0.01, 0)
