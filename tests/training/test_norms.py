"""`freeze: all_but_norms`: what is trained, what stays to the bit, and what the weightings of the losses make of it."""

import json

import open_clip
import pytest
import torch
from _training import DEFAULT, TREE, config, samples
from torch import nn

from semdf import params
from semdf.errors import ParameterError
from semdf.method import bilevel, weighting
from semdf.method.losses import Fidelity
from semdf.method.model import JointEmbedding
from semdf.training import train
from semdf.training.runs import build, load, save
from semdf.training.train import fit

TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


@pytest.fixture(scope="module")
def vit(tmp_path_factory) -> str:
    """The name of a tiny vision transformer with its text tower."""
    path = tmp_path_factory.mktemp("encoders") / "tiny-vit-for-norms.json"
    path.write_text(json.dumps(TINY))
    open_clip.add_model_config(path)
    return path.stem


def run_of(vit, objective="auto_lambda", variant=None, **changes):
    return config(objective, variant, encoder=vit, freeze="all_but_norms", epochs=1, positions=1.0, **changes)


def moved(before: nn.Module, after: nn.Module) -> set[str]:
    """Names of the parameters that differ."""
    old = dict(before.named_parameters())
    return {name for name, value in after.named_parameters() if not torch.equal(value, old[name])}


def norms_of_vit(towers=("image", "text")) -> set[str]:
    """The names of its norms, written down by hand."""
    blocks = [f"transformer.resblocks.{i}.ln_{k}" for i in range(2) for k in (1, 2)]
    layers = {
        "image": [f"image.visual.{name}" for name in ("ln_pre", "ln_post", *blocks)],
        "text": [f"text.{name}" for name in ("ln_final", *blocks)],
    }
    return {f"{layer}.{part}" for tower in towers for layer in layers[tower] for part in ("weight", "bias")}


@pytest.mark.parametrize("objective", weighting.known())
def test_under_every_weighting_nothing_but_norms_and_heads_moves(vit, objective):
    run = run_of(vit, objective, similarity="cosine", decay="all", weight_decay=0.1, lambda_every=1)
    fresh = build(run, [0.5] * 10)
    record = fit(samples(), samples(8, 1), run)
    assert moved(fresh, record.model) == norms_of_vit() | {"offset", "text.logit_scale"}
    assert all(p.grad is None for p in record.model.parameters() if not p.requires_grad)


@pytest.mark.parametrize(
    ("objective", "variant", "expected"),
    [
        ("binary", {}, {"head.weight", "head.bias"}),
        ("equal", {"outputs": "heads"}, {"head.weight", "head.bias", "offset"}),
    ],
)
def test_heads_are_trained_with_the_norms_of_the_image_tower(vit, objective, variant, expected):
    run = run_of(vit, objective, variant)
    record = fit(samples(), samples(8, 1), run)
    assert moved(build(run, [0.5] * 10), record.model) == norms_of_vit(["image"]) | expected


def test_a_frozen_tower_stays_frozen(vit):
    run = run_of(vit, "equal", {"freeze": "text"})
    record = fit(samples(), samples(8, 1), run)
    assert moved(build(run, [0.5] * 10), record.model) == norms_of_vit(["image"]) | {"offset", "text.logit_scale"}
    with pytest.raises(ParameterError, match=r"freeze: must leave something .* found no trained .* \(frozen tower: im"):
        build(run_of(vit, "binary", {"freeze": "image"}))


@pytest.mark.parametrize("decay", ["matrices", "all"])
def test_the_optimiser_holds_what_is_trained_and_decays_none_of_the_norms(vit, decay):
    run = run_of(vit, "binary", decay=decay, weight_decay=0.1)
    model = build(run)
    groups = train._groups(model, run.train)
    held = {id(p) for group in groups for p in group["params"]}
    assert held == {id(p) for p in model.parameters() if p.requires_grad}
    decayed = {id(p) for group in groups if group["weight_decay"] for p in group["params"]}
    assert decayed == (held if decay == "all" else {id(model.head.weight)})


def test_the_hypergradient_is_that_of_a_virtual_step_of_the_norms_alone(vit):
    """Against central differences of the upper loss in each weight, with every other parameter left where it is."""
    lr, decay = 0.5, 0.1
    model = JointEmbedding(vit, TREE, prior=[0.5] * 10, seed=0).double().eval().tune_norms()
    objective = Fidelity(model)
    generator = torch.Generator().manual_seed(0)
    batches = []
    for labels in (("real", "Deepfakes", "eyes", "real"), ("Face2Face", "real", "mouth", "FaceSwap")):
        targets = torch.stack([torch.from_numpy(TREE.label(name)) for name in labels]).double()
        batches.append((torch.randn(4, 3, 32, 32, generator=generator).double(), targets))
    lower, upper = batches

    def upper_loss(weights: torch.Tensor) -> float:
        trained = [p for p in model.parameters() if p.requires_grad]
        gradient = torch.autograd.grad((objective(*lower) * weights).sum(), trained)
        start = [p.detach().clone() for p in trained]
        with torch.no_grad():
            for p, g in zip(trained, gradient, strict=True):
                p -= lr * (g + decay * p)
            found = objective(*upper)[0].item()
            for p, value in zip(trained, start, strict=True):
                p.copy_(value)
        return found

    parameters = weighting.trainable(objective)
    assert {name.removeprefix("model.") for name in parameters} == norms_of_vit() | {"offset", "text.logit_scale"}
    gradients = bilevel.task_gradients(objective(*lower), parameters)
    read = bilevel.functional(objective, *upper, read=lambda losses: losses[0])
    loss, slope = bilevel.hypergradient(read, parameters, gradients, torch.ones(3).double(), bilevel.sgd(lr, decay))
    assert loss.item() == pytest.approx(upper_loss(torch.ones(3).double()), rel=1e-9)
    for k in range(3):
        step = 1e-4 * torch.eye(3, dtype=torch.float64)[k]
        expected = (upper_loss(1 + step) - upper_loss(1 - step)) / 2e-4
        assert slope[k].item() == pytest.approx(expected, rel=1e-4, abs=1e-9) and abs(expected) > 1e-7


@pytest.mark.parametrize("features", ["pooled", "cells"])
@pytest.mark.parametrize("statistics", ["resting", "moving"])
def test_of_efficientnet_the_gains_and_offsets_are_trained_and_its_statistics_rest_if_told_to(statistics, features):
    changes = {"statistics": statistics, "features": features}
    run = config("binary", freeze="all_but_norms", epochs=1, **(_lite() | changes))
    fresh = build(run)
    record = fit(samples(), samples(8, 1), run)
    named = dict(record.model.image.named_modules())
    norms = [f"image.{name}" for name, part in named.items() if isinstance(part, nn.BatchNorm2d)]
    expected = {f"{name}.{part}" for name in norms for part in ("weight", "bias")} | {"head.weight", "head.bias"}
    if features == "cells":
        expected.add("image.visual.projection.weight")  # a new map from random weights, no part of the encoder
    assert len(norms) == (49 if features == "pooled" else 33) and moved(fresh, record.model) == expected
    old = dict(fresh.named_buffers())
    alike = [torch.equal(value, old[name]) for name, value in record.model.named_buffers() if "running" in name]
    assert len(alike) == 2 * len(norms) and set(alike) == {statistics == "resting"}


def _lite() -> dict:
    """What params.yaml trains: the tower with ImageNet's weights."""
    return {name: DEFAULT[name] for name in ("encoder", "pretrained", "similarity", "directions")}


def test_a_run_is_read_again_with_what_it_trains(vit, tmp_path):
    run = run_of(vit, "equal", similarity="cosine")
    record = fit(samples(), samples(8, 1), run)
    save(record.model, run, tmp_path)
    model, read = load(tmp_path)
    assert read.train.freeze == "all_but_norms" and not moved(record.model, model)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trained == norms_of_vit() | {"text.logit_scale"}  # the offsets of nodes are trained where rates are given


def test_by_default_nothing_is_frozen_and_other_names_are_refused():
    assert DEFAULT["freeze"] == "none" == params.Train.model_fields["freeze"].default
    block = params.check("train", DEFAULT | {"encoder": "ViT-L-14", "pretrained": "openai", "freeze": "all_but_norms"})
    assert block.freeze == "all_but_norms"
    with pytest.raises(ParameterError, match="train.freeze must be 'none' or 'all_but_norms', found 'norms'"):
        params.check("train", DEFAULT | {"freeze": "norms"})
