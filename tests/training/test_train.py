"""Training on pictures made here: smooth colours are real; a fake is its source with a faint checkerboard."""

import dataclasses
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import torch
from _training import BLOCK, DEFAULT, TREE, config, same_weights, samples
from pydantic import ValidationError
from ruamel.yaml import YAML

from semdf.artifacts import read_weights, write_table
from semdf.errors import DataError, MissingError, ParameterError, SemdfError
from semdf.evaluation.detector import load_detector, score_manifest
from semdf.method import weighting
from semdf.method.marginals import marginals
from semdf.method.weighting import Record
from semdf.params import Ablation, Objective
from semdf.pipeline import ROOT
from semdf.storage.tars import ShardWriter, encode_png
from semdf.training import runs
from semdf.training.runs import Config
from semdf.training.train import fit, predict
from semdf.training.views import cut_out


@pytest.mark.parametrize("objective", ["binary", "equal"])
def test_it_learns_what_can_be_learnt(objective):
    record = fit(samples(32), samples(16, seed=1), config(objective, epochs=10, pairs=32, batch=8))
    assert record.history["val_auc"].iloc[-1] > 0.95


def test_two_runs_with_one_seed_are_equal_to_the_bit():
    one, two = (fit(samples(), samples(8, 1), config("auto_lambda")) for _ in range(2))
    assert same_weights(one.model, two.model)
    pd.testing.assert_frame_equal(one.history, two.history, check_exact=True)


@pytest.mark.parametrize("changes", [{}, {"same_view": False}, {"paired": False}], ids=str)
def test_a_fake_and_its_source_are_cut_and_mirrored_alike(changes, monkeypatch):
    seen = []

    def keeps(images, *args, **kwargs):
        shown = cut_out(images, *args, **kwargs)
        seen.append(shown)
        return shown

    data = samples(16)
    data.images[16:] = data.images[:16]  # fakes that show what their sources show
    monkeypatch.setattr("semdf.training.batches.cut_out", keeps)
    fit(data, samples(8, 1), config("binary", epochs=1, pairs=16, batch=16, **changes))
    batches = [shown for shown in seen if len(shown) == 16 and shown.shape[-1] == 96]
    alike = [bool((fake == real).all()) for shown in batches[:2] for fake, real in zip(*shown.chunk(2), strict=True)]
    assert len(alike) == 16 and (sum(alike) < 4 if changes else all(alike))


@pytest.mark.parametrize("objective", ["equal", "auto_lambda_late", "pcgrad"])
def test_an_interrupted_training_resumes_to_the_same_bits(objective, tmp_path, monkeypatch):
    run = config(objective, epochs=3, batch=4, lambda_every=2)  # two steps an epoch
    whole = fit(samples(), samples(8, 1), run)
    seen = []

    def dies_in_the_third_epoch(*args, **kwargs):
        seen.append(1)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return predict(*args, **kwargs)

    monkeypatch.setattr("semdf.training.train.predict", dies_in_the_third_epoch)
    with pytest.raises(KeyboardInterrupt):
        fit(samples(), samples(8, 1), run, checkpoints=tmp_path)
    monkeypatch.undo()
    torch.rand(3)  # another process has drawn other numbers by now
    resumed = fit(samples(), samples(8, 1), run, checkpoints=tmp_path)
    assert same_weights(whole.model, resumed.model)
    pd.testing.assert_frame_equal(whole.history, resumed.history, check_exact=True)


@pytest.mark.parametrize("name", get_args(Ablation))
def test_every_ablation_changes_what_it_says(name):
    crop = {"size": 128, "alignment": "native", "margin": 1.3}
    # of a pretrained tower positions are not set, and the default similarity is the dot product
    block = BLOCK | {"positions": 1.0} if name in ("dot", "positions") else DEFAULT
    base, changed = (runs.configure(n, 0, block, crop) for n in ("auto_lambda", name))
    assert base == config("auto_lambda").model_copy(update={"train": base.train}) and changed != base
    changes = runs.ABLATIONS[name]
    for part in ("train", "variant"):
        before, after = (getattr(c, part).model_dump() for c in (base, changed))
        assert {k: v for k, v in after.items() if v != before[k]} == changes.get(part, {})
    assert Config.model_validate(changed.model_dump()) == changed


@pytest.mark.parametrize(
    "run, words",
    [
        ("equal+held_out", "of equal .*found held_out, which does not"),
        ("auto_lambda_late+held_out", "found held_out, which does not"),
        ("binary+held_out", "of binary .*found held_out, which does not"),
        ("binary+dot", "found dot, which does not"),
        ("binary+frozen_text", "found frozen_text, which does not"),
        ("binary+root_only", "found root_only, which does not"),
        ("binary+no_prior", "found no_prior, which does not"),
        ("heads+antonyms", "found antonyms, which does not"),
        ("independent_heads+full_text_rate", "found full_text_rate, which does not"),
        ("frozen_text+full_text_rate", "found full_text_rate, which does not"),
        ("equal+optimiser_step", "found optimiser_step, which does not"),
        ("auto_lambda_late+optimiser_step", "found optimiser_step, which does not"),
        ("root_only+root_global", "once, found variant.levels in root_only and root_global"),
        ("pretrained+scratch", "once, found train.encoder in pretrained and scratch"),
        ("heads+independent_heads", "once, found variant.outputs"),
    ],
)
def test_names_that_contradict_each_other_or_change_nothing_are_refused(run, words):
    with pytest.raises(ParameterError, match=rf"run '{run}': .*{words}".replace("+", r"\+")):
        runs.configure(run, 0, BLOCK, {"size": 128, "alignment": "native", "margin": 1.3})


@pytest.mark.parametrize(
    "run", ["binary+frozen_image+unpaired", "heads+independent", "auto_lambda_fd+held_out", "scratch"]
)
def test_names_that_go_together_are_accepted(run):
    assert runs.configure(run, 0, BLOCK, {"size": 128, "alignment": "native", "margin": 1.3})


def test_the_virtual_step_of_adamw_is_refused_where_there_is_none():
    with pytest.raises(ParameterError, match="virtual: must be 'sgd' under auto_lambda_late, found 'adamw'$"):
        fit(samples(), samples(8, 1), config("auto_lambda_late", {"virtual": "adamw"}, epochs=1))


def test_the_table_of_ablations_is_whole():
    assert set(runs.ABLATIONS) == set(get_args(Ablation)) and not set(runs.ABLATIONS) & set(get_args(Objective))
    assert set(get_args(Objective)) == {"binary", *weighting.known()}
    with pytest.raises(ParameterError, match="run 'gradnorm': objective: Input should be"):
        runs.configure("gradnorm", 0, BLOCK, {"size": 128, "alignment": "native", "margin": 1.3})
    with pytest.raises(ValidationError, match="must hold the root"):
        runs.Variant(levels=["local"])


@pytest.mark.parametrize(
    "variant",
    [
        {"outputs": "heads", "structure": "none", "unobserved": "masked"},
        {"levels": ["root", "local"], "freeze": "text", "virtual": "adamw"},
        {"upper": "held_out", "wording": "antonyms"},
    ],
)
def test_variants_train_and_come_back(variant, tmp_path):
    run = config("auto_lambda", variant, epochs=3, pairs=16, lambda_every=1)
    record = fit(samples(), samples(8, 1), run)
    names = variant.get("levels", list(TREE.levels))
    assert [c for c in record.history if c.startswith("loss_")] == [f"loss_{n}" for n in names]
    assert (record.history[[f"lambda_{n}" for n in names]] != 1).all(axis=None)
    runs.save(record.model, run, tmp_path)
    model, again = runs.load(tmp_path)
    assert again == run and same_weights(model, record.model)


def test_without_the_expansion_its_rows_are_not_read():
    s = samples()
    s.rows.loc[s.rows.index[-8:], "manipulation"] = "expanded-eyes"
    with_it, without = (fit(s, samples(8, 1), config(variant={"expanded": e}, epochs=1)) for e in (True, False))
    assert not same_weights(with_it.model, without.model)
    s.images[-8:] = 0
    assert same_weights(fit(s, samples(8, 1), config(variant={"expanded": False}, epochs=1)).model, without.model)


def test_the_batches_of_a_step_that_failed_are_kept(tmp_path):
    run = config("auto_lambda", lr=1e30, warmup=0.0, epochs=4)
    with pytest.raises(DataError, match=r"epoch \d: .*must be finite.*are in .*/failed_step.safetensors"):
        fit(samples(), samples(8, 1), run, checkpoints=tmp_path)
    kept = read_weights(tmp_path / "failed_step.safetensors")
    assert kept["lower/images"].shape == kept["upper/images"].shape == (8, 3, 96, 96)
    assert kept["lower/targets"].shape == (8, 10)


class Exploding:
    """Sums the losses; from the third step on a gradient is infinite, although losses and weights are finite."""

    def __init__(self):
        self.seen, self.before = [], None

    def backward(self, objective, lower, upper=None, **_):
        self.seen.append(lower[0])
        losses = objective(*lower)
        objective.zero_grad()
        losses.sum().backward()
        if len(self.seen) == 3:
            self.before = [p.detach().clone() for p in objective.parameters()]
            next(p for p in objective.parameters() if p.grad is not None).grad[0] = torch.inf
        return Record(losses.detach(), torch.ones(len(losses)))

    def weights(self):
        return torch.ones(3)

    def next_epoch(self):
        pass

    def state_dict(self):
        return {}


def test_a_gradient_that_is_not_finite_stops_the_run_before_it_spoils_the_weights(tmp_path, monkeypatch):
    strategy, built = Exploding(), []

    def builds(*args):
        built.append(build(*args))
        return built[-1]

    build = runs.build
    monkeypatch.setattr("semdf.training.train.build", builds)
    monkeypatch.setattr("semdf.training.train.weighting.load", lambda *_, **__: strategy)
    with pytest.raises(DataError, match="epoch 2: gradients must be finite, found one of length inf.*failed_step"):
        fit(samples(), samples(8, 1), config(batch=8), checkpoints=tmp_path)
    assert all(torch.equal(*pair) for pair in zip(strategy.before, built[0].parameters(), strict=True))
    assert torch.equal(read_weights(tmp_path / "failed_step.safetensors")["lower/images"], strategy.seen[2])


def test_the_schedule_ends_with_the_steps_that_are_taken():
    s = samples()
    s.partner[16 + 5 :] = -1
    s.rows["pristine"] = ""
    record = fit(s, samples(8, 1), config("binary", pairs=100, batch=4, epochs=2, warmup=0.0))
    assert record.steps == 2  # of 5 pairs, not of 16


def test_each_choice_of_the_training_moves_the_weights_and_the_defaults_are_what_they_were():
    was = {"clip": 1.0, "betas": [0.9, 0.98], "scale": 3.0, "random_crop": True, "flip": True, "decay": "matrices"}
    was |= {"augment": "none", "schedule": "cosine", "partner": "frame"}
    assert config().train.model_dump().items() >= was.items()
    others = {"clip": 0.01, "betas": [0.5, 0.5], "scale": 5.0, "random_crop": False, "flip": False, "decay": "all"}
    others |= {"augment": "sjedd", "schedule": "waves"}

    def trained(**changes) -> torch.nn.Module:
        return fit(samples(), samples(4, 1), config(epochs=1, pairs=6, batch=4, **changes)).model

    before = trained()
    for name, value in others.items():
        assert not same_weights(before, trained(**{name: value})), name


def test_no_bound_leaves_gradients_as_they_are(monkeypatch):
    lengths = []
    clip = torch.nn.utils.clip_grad_norm_

    def measured(parameters, most):
        parameters = [p for p in parameters if p.grad is not None]
        before = torch.cat([p.grad.flatten() for p in parameters])
        clip(parameters, most)
        after = torch.cat([p.grad.flatten() for p in parameters])
        lengths.append((float(before.norm()), float(after.norm()), torch.equal(before, after)))
        return before.norm()

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", measured)
    fit(samples(), samples(8, 1), config("binary", epochs=1, clip=0.0))
    fit(samples(), samples(8, 1), config("binary", epochs=1, clip=1e-3))
    assert lengths[0][2] and lengths[-1][1] == pytest.approx(1e-3, rel=1e-3) and lengths[0][0] > 1e-3


def test_the_authors_settings_train():
    block = YAML(typ="safe").load((ROOT / "docs" / "released.yaml").read_text())
    changes = {"encoder": "semdf-mini", "pretrained": "", "epochs": 1, "pairs": 8, "batch": 8, "threads": 1}
    run = config(block["runs"]["objective"][0], **block["train"] | changes)
    run = run.model_copy(update={"crop": run.crop.model_copy(update={"alignment": "similarity"})})
    record = fit(samples(), samples(8, 1), run)
    assert np.isfinite(record.history["loss_root"]).all() and not same_weights(record.model, runs.build(run))


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
    base = {
        "dataset": "d",
        "manipulation": "m",
        "label": "real",
        "split": "test",
        "pristine": "",
        "shard": "d/m.tar",
        "target": "",
    }
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


def test_pretrained_weights_are_found_from_anywhere_and_tags_stay_tags(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert runs.weights_of(config(pretrained="openai").train) is None
    assert runs.weights_of(config(pretrained="a/b.safetensors").train) == Path("a", "b.safetensors")
    with pytest.raises(MissingError, match="b.safetensors"):
        runs.build(config(pretrained="a/b.safetensors"))


def test_positions_start_larger_where_places_are_learnt():
    of = {
        (name, factor): runs.build(config(name, positions=factor)).image.visual.attnpool.positional_embedding
        for name in ("equal", "binary")
        for factor in (1.0, 20.0)
    }
    assert torch.equal(of["equal", 20.0], 20 * of["equal", 1.0]) and of["equal", 1.0].any()
    assert torch.equal(of["binary", 20.0], of["binary", 1.0])
    everywhere = config("binary", {"positions": "all"}, positions=20.0)
    assert torch.equal(runs.build(everywhere).image.visual.attnpool.positional_embedding, 20 * of["binary", 1.0])
