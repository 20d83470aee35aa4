"""Training on pictures made here: smooth colours are real; a fake is its source with a faint checkerboard."""

import dataclasses

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from ruamel.yaml import YAML

from semdf import ROOT, hierarchy, runs
from semdf.artifacts import read_weights, write_table
from semdf.datasets import Samples
from semdf.errors import DataError, MissingError, SemdfError
from semdf.marginals import marginals
from semdf.runs import Config
from semdf.score import load_detector, score_manifest
from semdf.shards import ShardWriter, encode_png
from semdf.train import fit, predict

TREE = hierarchy.load("ffpp")
BLOCK = YAML(typ="safe").load((ROOT / "params.yaml").read_text())["train"]


def config(objective="equal", **changes) -> Config:
    block = BLOCK | {"epochs": 2, "pairs": 8, "batch": 8, "warmup": 0.25, "threads": 1} | changes
    crop = {"size": 128, "alignment": "native", "margin": 1.3}
    return Config(objective=objective, seed=0, train=block, crop=crop)


def samples(pairs=16, seed=0) -> Samples:
    random = np.random.default_rng(seed)
    coarse = random.integers(40, 200, (pairs, 4, 4, 3)).astype(np.float32)
    real = np.stack([cv2.resize(c, (128, 128), interpolation=cv2.INTER_CUBIC) for c in coarse]).clip(0, 215)
    board = (np.indices((128, 128)).sum(0) % 2 * 40)[None, :, :, None]
    images = np.concatenate([real, real + board]).astype(np.uint8)
    labels = ["real"] * pairs + ["Deepfakes"] * pairs
    rows = pd.DataFrame({"manipulation": labels, "label": labels})
    targets = torch.from_numpy(np.stack([TREE.label(x) for x in labels]))
    partner = torch.tensor([-1] * pairs + list(range(pairs)))
    return Samples(rows, torch.from_numpy(images), targets, torch.ones_like(targets, dtype=torch.bool), partner)


def same_weights(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


@pytest.mark.parametrize("objective", ["binary", "equal"])
def test_it_learns_what_can_be_learnt(objective):
    record = fit(samples(32), samples(16, seed=1), config(objective, epochs=10, pairs=32, batch=8))
    assert record.history["val_auc"].iloc[-1] > 0.95


def test_two_runs_with_one_seed_are_equal_to_the_bit():
    one, two = (fit(samples(), samples(8, 1), config("auto_lambda")) for _ in range(2))
    assert same_weights(one.model, two.model)
    pd.testing.assert_frame_equal(one.history, two.history, check_exact=True)


def test_an_interrupted_training_resumes_to_the_same_bits(tmp_path, monkeypatch):
    whole = fit(samples(), samples(8, 1), config("equal", epochs=3))
    seen = []

    def dies_in_the_third_epoch(*args, **kwargs):
        seen.append(1)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return predict(*args, **kwargs)

    monkeypatch.setattr("semdf.train.predict", dies_in_the_third_epoch)
    with pytest.raises(KeyboardInterrupt):
        fit(samples(), samples(8, 1), config("equal", epochs=3), checkpoints=tmp_path)
    monkeypatch.undo()
    resumed = fit(samples(), samples(8, 1), config("equal", epochs=3), checkpoints=tmp_path)
    assert same_weights(whole.model, resumed.model)
    pd.testing.assert_frame_equal(whole.history, resumed.history, check_exact=True)


def test_validation_labels_change_no_weight():
    turned = samples(8, 1)
    turned = dataclasses.replace(turned, targets=turned.targets.flip(0))
    one, two = (fit(samples(), v, config()) for v in (samples(8, 1), turned))
    assert same_weights(one.model, two.model)


def test_equal_keeps_its_weights_and_auto_lambda_moves_them():
    equal, auto = (fit(samples(), samples(8, 1), config(o)).history for o in ("equal", "auto_lambda"))
    names = [f"lambda_{level}" for level in TREE.levels]
    assert (equal[names] == 1).all(axis=None)
    assert (auto[names].iloc[-1] != 1).all() and (auto[names].iloc[-1] - 1).abs().max() < 0.1


def test_the_prior_starts_the_marginals_at_the_label_rates():
    rates = [0.5, 0.1, 0.4, 0.5, 0.4, 0.3, 0.4, 0.4, 0.3, 0.3]
    with_prior, without = runs.build(config(), rates), runs.build(config(prior=False), rates)
    start = marginals(with_prior.offset.detach()[None], TREE)[0]
    assert torch.allclose(start, torch.tensor(rates), atol=0.02)
    assert marginals(without.offset.detach()[None], TREE)[0, 0] > 0.99  # 250 of the 251 legal states are fake


@pytest.mark.parametrize("objective", ["binary", "equal"])
def test_a_loss_that_is_not_finite_stops_the_run(objective):
    with pytest.raises(SemdfError, match="must be finite"):
        fit(samples(), samples(8, 1), config(objective, lr=1e30, warmup=0.0, epochs=4))


def test_a_run_s_folder_gives_the_same_detector_back(tmp_path):
    record = fit(samples(), samples(8, 1), config("auto_lambda"))
    runs.save(record.model, config("auto_lambda"), tmp_path / "run")
    detector = load_detector(tmp_path / "run")
    s = samples(4, seed=2)
    np.testing.assert_allclose(detector.score(s.images.numpy()), predict(record.model, s), atol=1e-6)
    assert detector.nodes == TREE.nodes and detector.crop == {"size": 128, "alignment": "native", "margin": 1.3}
    with pytest.raises(DataError, match=r"\[n, H, W, 3\] uint8"):
        detector.score(s.images.float().numpy())


def test_a_damaged_or_missing_run_is_named(tmp_path):
    with pytest.raises(MissingError, match="config.json"):
        load_detector(tmp_path)
    runs.save(runs.build(config("binary")), config("equal"), tmp_path)
    with pytest.raises(DataError, match="must fit its config.json"):
        load_detector(tmp_path)
    assert read_weights(tmp_path / "model.safetensors")


def test_scoring_keeps_every_row(tmp_path):
    runs.save(runs.build(config()), config(), tmp_path / "run")
    s = samples(2)
    with ShardWriter(tmp_path / "d" / "m.tar") as shard:
        for i, image in enumerate(s.images.numpy()):
            shard.add(f"{i}.png", encode_png(image))
    base = {"dataset": "d", "manipulation": "m", "label": "real", "split": "test", "pristine": "", "shard": "d/m.tar"}
    rows = [
        base | {"video": f"v{i}", "frame": 0, "sample": f"v{i}/0", "member": f"{i}.png", "status": "ok"}
        for i in range(4)
    ]
    rows.insert(1, rows[0] | {"video": "broken", "frame": -1, "member": "", "shard": "", "status": "unreadable video"})
    rows.append(rows[0] | {"split": "train"})
    path = write_table(pd.DataFrame(rows), tmp_path / "manifest.parquet")
    scores = score_manifest(load_detector(tmp_path / "run"), path, ["test"], batch=3)
    assert scores["video"].tolist() == ["v0", "broken", "v1", "v2", "v3"]
    assert scores["status"].tolist()[1] == "unreadable video" and np.isnan(scores["p_fake"][1])
    assert scores.drop(index=1).filter(like="p_").notna().all(axis=None)
