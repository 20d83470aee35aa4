"""Models: logits against open_clip's own passes, cached prompts, weights in and out, errors."""

import argparse
import copy
import hashlib
import json
import os
import pickle
import sys
import types
from pathlib import Path

import numpy as np
import open_clip
import pytest
import safetensors.torch
import torch
from _plain_clip import openai_logits, openai_state
from torch.nn import functional as F

from semdf import params
from semdf.errors import DataError, MissingError, ParameterError
from semdf.method import fast_clip, hierarchy, marginals, prompts, towers
from semdf.method.model import BinaryBaseline, JointEmbedding, NodeHeads, orthogonal, released
from semdf.pipeline import ROOT
from semdf.training import runs

FFPP = hierarchy.load("ffpp")
TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> str:
    """The name of a tiny vision transformer with its text tower."""
    path = tmp_path_factory.mktemp("encoders") / "tiny-vit-for-tests.json"
    path.write_text(json.dumps(TINY))
    path.with_stem(f"{path.stem}-quick").write_text(json.dumps(TINY | {"quick_gelu": True}))
    open_clip.add_model_config(path.parent)
    return path.stem


def images(model, count: int = 2, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    size = model.image_size
    return model.normalise(torch.randint(0, 256, (count, 3, size, size), generator=generator, dtype=torch.uint8))


def plain_clip(model: JointEmbedding, name: str) -> open_clip.CLIP:
    """The oracle: open_clip's model with the same weights, used as open_clip means it."""
    clip = open_clip.CLIP(**open_clip.get_model_config(name))
    visual = {f"visual.{k}": v for k, v in model.image.visual.state_dict().items()}
    clip.load_state_dict({**model.text.state_dict(), **visual})
    return clip.eval()


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("name", ["semdf-mini", "tiny-vit-for-tests"])
def test_logits_equal_open_clips_own_passes(tiny, name, similarity):
    full = JointEmbedding(name, FFPP, similarity=similarity, vocabulary="full", seed=0).eval()
    clip, x = plain_clip(full, name), images(full)
    tokens = open_clip.tokenize(prompts.sentences(FFPP))
    assert tokens.shape == (10, 77)
    with torch.no_grad():
        image, text = clip.encode_image(x), clip.encode_text(tokens)
        if similarity == "dot":
            expected = image @ text.T / 10
        else:
            expected = 3 * F.cosine_similarity(image[:, None], text[None], dim=-1)
        torch.testing.assert_close(full.logits(x), expected, rtol=1e-4, atol=1e-5)
        kept = JointEmbedding(name, FFPP, similarity=similarity, seed=0).eval()
        assert kept.text.token_embedding.num_embeddings < 40
        torch.testing.assert_close(kept.logits(x), expected, rtol=1e-4, atol=1e-5)


def test_outputs_are_marginals(tiny):
    model = JointEmbedding(tiny, FFPP).eval()
    x = images(model, 3)
    torch.testing.assert_close(model(x), marginals.marginals(model.logits(x), FFPP))
    assert model(x).shape == (3, 10)
    assert JointEmbedding(tiny, hierarchy.load("ffsc")).eval()(x).shape == (3, 12)


def test_trimmed_prompts():
    tokens = towers.tokenize(prompts.sentences(FFPP))
    assert tokens.shape == (10, 17)
    assert (tokens == 49407).any(1).all()


@pytest.mark.parametrize("seed", range(3))
def test_tree_of_prompts(seed):
    """Every path from the root to an end is a prompt; each token attends to the path to it, and to no other."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, 4, (6, 5), generator=generator)
    tokens[torch.arange(6), torch.randint(1, 5, (6,), generator=generator)] = 9  # ends of the texts
    tree = fast_clip.PromptTree(tokens)
    prefixes = {tuple(row[: i + 1]) for row in tokens.tolist() for i in range(row.index(9) + 1)}
    assert len(tree.tokens) == len(prefixes)
    for row, end in zip(tokens.tolist(), tree.ends, strict=True):
        path = (tree.mask[end] == 0).nonzero().flatten()
        assert tree.tokens[path].tolist() == row[: row.index(9) + 1]
        assert tree.depths[path].tolist() == list(range(len(path)))
    assert set(tree.mask.unique().tolist()) == {0.0, -torch.inf}


def test_tree_of_the_prompts_is_small():
    for name, count in (("ffpp", 48), ("ffsc", 52)):
        tokens = towers.tokenize(prompts.sentences(hierarchy.load(name)))
        assert len(fast_clip.PromptTree(tokens).tokens) == count < tokens.numel() / 3


@pytest.mark.parametrize("quick", [False, True])
def test_gradients_of_the_short_passes_are_those_of_open_clips_own(tiny, quick):
    name = f"{tiny}-quick" if quick else tiny
    model = JointEmbedding(name, FFPP, similarity="dot", vocabulary="full", seed=0).double()
    clip, x = plain_clip(model, name).double(), images(model, 3).double()
    model.logits(x).square().sum().backward()
    (
        clip.encode_image(x) @ clip.encode_text(open_clip.tokenize(prompts.sentences(FFPP))).T / 10
    ).square().sum().backward()
    expected = dict(clip.named_parameters())
    for name, p in model.named_parameters():
        if p.grad is not None:
            name = name.removeprefix("text.") if name.startswith("text.") else name.removeprefix("image.")
            torch.testing.assert_close(p.grad, expected[name].grad, rtol=1e-8, atol=1e-12, msg=name)


def test_gradients_equal_those_with_the_full_vocabulary(tiny):
    models = [JointEmbedding(tiny, FFPP, vocabulary=v, seed=0) for v in ("full", "prompts")]
    x = images(models[0])
    for model in models:
        model.logits(x).square().sum().backward()
    for name, p in models[1].named_parameters():
        if p.grad is not None and "token_embedding" not in name:
            torch.testing.assert_close(p.grad, models[0].get_parameter(name).grad, rtol=1e-3, atol=1e-5, msg=name)
    used = torch.unique(towers.tokenize(prompts.sentences(FFPP)))
    torch.testing.assert_close(
        models[1].text.token_embedding.weight.grad,
        models[0].text.token_embedding.weight.grad[used],
        rtol=1e-3,
        atol=1e-5,
    )


def test_one_pass_of_each_tower_for_all_prompts(tiny):
    model = JointEmbedding(tiny, FFPP)
    calls = []
    model.image.visual.conv1.register_forward_hook(lambda *_: calls.append("image"))
    model.text.ln_final.register_forward_hook(lambda *_: calls.append("text"))
    model(images(model, 4))
    assert calls == ["image", "text"]
    model.eval()
    with torch.no_grad():
        model(images(model)), model(images(model))
    assert calls == ["image", "text"] * 2 + ["image"]


def _train(model):
    model.text.positional_embedding.data += 0.01
    model.train().eval()


def _load(model):
    model.load_state_dict({k: v + 0.01 for k, v in copy.deepcopy(model.state_dict()).items()})


def _load_text(model):
    model.text.load_state_dict({k: v + 0.01 for k, v in copy.deepcopy(model.text.state_dict()).items()})


def _step(model):
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    with torch.enable_grad():
        model.logits(images(model)).sum().backward()
    optimiser.step()


@pytest.mark.parametrize("change", [_train, _load, _load_text, _step])
def test_cached_prompts_are_never_stale(tiny, change):
    model = JointEmbedding(tiny, FFPP, similarity="dot").eval()
    with torch.inference_mode():
        first = model.text_features()
        assert model.text_features() is first
    change(model)
    with torch.no_grad():
        fresh = fast_clip.encode_prompts(model.text, model.prompts)
        torch.testing.assert_close(model.text_features(), fresh, rtol=0, atol=0)
    assert not torch.equal(first, fresh)


def test_cached_prompts_of_a_copy_are_its_own(tiny):
    model = JointEmbedding(tiny, FFPP).eval()
    with torch.no_grad():
        model.text_features()
        other = copy.deepcopy(model)
        other.text.positional_embedding.add_(1)
        assert not torch.equal(other.text_features(), model.text_features())


def test_prompts_are_not_cached_when_they_need_a_gradient(tiny):
    model = JointEmbedding(tiny, FFPP).eval()
    with torch.no_grad():
        model.text_features()
    assert model.text_features().requires_grad


def test_offsets_start_the_marginals_at_the_rates(tiny):
    rates = sum(FFPP.label(name) for name in ("real", "Deepfakes", "Face2Face", "eyes")) / 4
    model = JointEmbedding(tiny, FFPP, prior=rates)
    p = marginals.marginals(model.offset.detach()[None], FFPP)[0]
    assert (p - torch.from_numpy(rates)).abs().max() < 0.02
    assert model.offset.requires_grad
    released = JointEmbedding(tiny, FFPP, similarity="dot")
    assert not released.offset.requires_grad and released.offset.abs().sum() == 0
    assert not released.text.logit_scale.requires_grad


@pytest.mark.parametrize("kind", ["joint", "binary"])
def test_weights_return_to_the_same_bits(tiny, tmp_path, kind):
    def build(seed, **options):
        if kind == "binary":
            return BinaryBaseline("semdf-mini", seed=seed)
        return JointEmbedding("semdf-mini", FFPP, seed=seed, **options)

    model = build(0) if kind == "binary" else build(0, prior=[0.5] + [0.2] * 9)
    model(images(model))  # moves the running statistics
    path = tmp_path / "model.safetensors"
    safetensors.torch.save_file({k: v.contiguous() for k, v in model.state_dict().items()}, path)
    other = build(1)
    other.load_state_dict(safetensors.torch.load_file(path))
    assert model.state_dict().keys() == other.state_dict().keys()
    assert all(torch.equal(v, other.state_dict()[k]) for k, v in model.state_dict().items())
    x = images(model)
    assert torch.equal(model.eval()(x), other.eval()(x))


def test_weights_follow_the_seed_and_leave_the_global_one_alone(tiny):
    before = torch.random.get_rng_state()
    a, b, c = (JointEmbedding(tiny, FFPP, seed=s).state_dict() for s in (0, 0, 1))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(v, b[k]) for k, v in a.items())
    assert not torch.equal(a["text.positional_embedding"], c["text.positional_embedding"])
    torch.manual_seed(0)
    d = JointEmbedding(tiny, FFPP).state_dict()
    assert all(torch.equal(v, d[k]) for k, v in a.items())


def test_blocks_of_a_fresh_convolutional_tower_are_open():
    visual = towers.create("semdf-mini").visual
    assert all((b.bn3.weight == 1).all() for stage in (visual.layer1, visual.layer4) for b in stage)


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_pretrained_file(tiny, tmp_path, suffix):
    clip = towers.create(tiny, seed=7)
    path = tmp_path / f"clip.{suffix}"
    if suffix == "pt":
        torch.save(clip.state_dict(), path)
    else:
        safetensors.torch.save_file(clip.state_dict(), path)
    model = JointEmbedding(tiny, FFPP, pretrained=path, vocabulary="full")
    assert torch.equal(model.text.positional_embedding, clip.positional_embedding)
    assert torch.equal(model.image.visual.proj, clip.visual.proj)
    assert torch.equal(BinaryBaseline(tiny, pretrained=path).image.visual.proj, clip.visual.proj)


def test_pretrained_files_that_do_not_fit_are_refused(tiny, tmp_path):
    path = tmp_path / "clip.safetensors"
    state = towers.create(tiny).state_dict()
    safetensors.torch.save_file({k: v for k, v in state.items() if k != "text_projection"}, path)
    with pytest.raises(DataError, match="'clip.safetensors' must hold this encoder's state dict, found (?s:.*)text_pr"):
        towers.create(tiny, path)
    path.write_bytes(b"not tensors")
    with pytest.raises(DataError, match="must hold this encoder's state dict"):
        towers.create(tiny, path)
    path = tmp_path / "clip.pt"
    torch.save({"code": print}, path)
    with pytest.raises(DataError, match="must hold this encoder's state dict"):
        towers.create(tiny, path)


@pytest.mark.parametrize("objective", ["equal", "binary"])
@pytest.mark.parametrize("given", ["file", "tag"])
def test_openai_s_activation_survives_saving_and_loading(tiny, tmp_path, monkeypatch, given, objective):
    """Weights fit either activation, so the folder of a run has to say which one it was trained with."""
    path = tmp_path / "openai.safetensors"
    safetensors.torch.save_file(towers.create(tiny, seed=1).state_dict(), path)
    published = towers.Release("nobody/tiny", "0" * 40, path.name, hashlib.sha256(path.read_bytes()).hexdigest())
    monkeypatch.setitem(towers.PINNED, (tiny, "openai"), published)
    monkeypatch.setattr(towers, "download_pretrained_from_hf", lambda *_: str(path))
    monkeypatch.setattr(open_clip, "get_pretrained_cfg", lambda *_: {"quick_gelu": True})
    block = params.read(ROOT / "params.yaml")["train"].model_dump() | {
        "encoder": tiny,
        "features": "pooled",
        "pretrained": str(path) if given == "file" else "openai",
    }
    run = runs.configure(objective, 0, block, {"size": 40, "alignment": "native", "margin": 1.3})
    model = runs.build(run, [0.5] * 10).eval()
    assert towers.has_quick_gelu(model)
    runs.save(model, run, tmp_path / "run")
    path.unlink()
    again, found = runs.load(tmp_path / "run")
    x = images(model, 4)
    with torch.no_grad():
        assert torch.equal(again(x), model(x))
        plain = runs.build(run.model_copy(update={"train": run.train.model_copy(update={"pretrained": ""})})).eval()
        plain.load_state_dict(model.state_dict())
        assert not torch.allclose(plain(x), model(x), atol=1e-6)
    assert found.quick_gelu and found == run.model_copy(update={"quick_gelu": True})
    runs.save(again, found, tmp_path / "copy")
    assert runs.load(tmp_path / "copy")[1] == found


def test_weights_that_cannot_be_had_are_never_random(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("Failed to download weights for tag 'openai'")

    monkeypatch.setattr(open_clip, "create_model", fail)
    with pytest.raises(MissingError, match="weights 'openai' of 'ViT-B-32' must be in the cache or fetched, found"):
        JointEmbedding("ViT-B-32", FFPP, pretrained="openai")
    with pytest.raises(MissingError, match="for 'ViT-B-32' must be a file or one of .*found 'opnai'"):
        BinaryBaseline("ViT-B-32", pretrained="opnai")
    with pytest.raises(MissingError, match="found no file 'weights/clip.pt'"):
        JointEmbedding("ViT-B-32", FFPP, pretrained="weights/clip.pt")


def test_normalise_is_clips(tiny):
    model = JointEmbedding(tiny, FFPP)
    x = torch.full((1, 3, 32, 32), 255, dtype=torch.uint8)
    mean, std = torch.tensor(model.preprocess.mean), torch.tensor(model.preprocess.std)
    torch.testing.assert_close(model.normalise(x)[0, :, 0, 0], (1 - mean) / std)
    assert model.preprocess.mean == open_clip.OPENAI_DATASET_MEAN
    assert model.image_size == 32


def test_bfloat16_is_close():
    models = [BinaryBaseline("semdf-mini", precision=p, seed=0).eval() for p in ("float32", "bfloat16")]
    x = images(models[0])
    a, b = (model.logits(x) for model in models)
    assert b.dtype == torch.float32
    torch.testing.assert_close(a, b, rtol=0.05, atol=0.05)


def test_binary_baseline_has_the_same_image_tower():
    binary = BinaryBaseline("semdf-mini", seed=0).eval()
    joint = JointEmbedding("semdf-mini", FFPP, seed=0).eval()
    x = images(binary, 3)
    torch.testing.assert_close(binary.image(x), joint.image(x))
    assert binary(x).shape == (3, 1) and ((binary(x) >= 0) & (binary(x) <= 1)).all()
    torch.testing.assert_close(binary(x), binary.logits(x).sigmoid())


def test_a_fresh_model_is_not_saturated(tiny):
    rates = sum(FFPP.label(name) for name in ("real", "Deepfakes", "Face2Face", "eyes")) / 4
    for name in ("semdf-mini", tiny):
        model = JointEmbedding(name, FFPP, prior=rates, seed=0)
        odds = marginals.log_odds(model.logits(images(model, 8)), FFPP)[:, 0]
        assert odds.abs().max() < 8


def test_structure_none_is_independent_sigmoids(tiny):
    model = JointEmbedding(tiny, FFPP, structure="none", prior=[0.5] + [0.0] * 9).eval()
    x = images(model)
    torch.testing.assert_close(model(x), model.logits(x).sigmoid())
    expected = torch.tensor([0.5] + [0.01] * 9)
    torch.testing.assert_close(model.offset.detach().sigmoid(), expected)


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_antonyms_take_the_difference_to_the_opposite(tiny, similarity):
    model = JointEmbedding(tiny, FFPP, similarity=similarity, wording="antonyms", seed=0).eval()
    single = JointEmbedding(tiny, FFPP, similarity=similarity, seed=0).eval()
    x = images(model)
    with torch.no_grad():
        text = model.text_features()
        assert text.shape == (20, 16)
        torch.testing.assert_close(text[:10], single.text_features(), rtol=1e-4, atol=1e-5)
        image = model.image(x)
        expected = single.compare(image, text[:10]) - single.compare(image, text[10:])
        torch.testing.assert_close(model.logits(x), expected)


@pytest.mark.parametrize("tower", ["image", "text"])
def test_a_frozen_tower_gets_no_gradient_and_the_rest_does(tower):
    model = JointEmbedding("semdf-mini", FFPP, prior=[0.5] + [0.2] * 9, seed=0).train().freeze(tower)
    before = {name: value.clone() for name, value in model.named_buffers()}
    model(images(model)).sum().backward()
    for name, p in model.named_parameters():
        frozen = name.startswith(f"{tower}.") and name != "text.logit_scale"
        assert (p.grad is None) == frozen, name
    moved = any(not torch.equal(value, before[name]) for name, value in model.named_buffers())
    assert moved == (tower == "text")  # running statistics
    assert all(p.requires_grad for p in model.freeze("none").parameters())
    with pytest.raises(ParameterError, match="freeze: must be one of .*found 'both'"):
        model.freeze("both")


def test_prompts_of_a_frozen_text_tower_are_encoded_once(tiny):
    model, plain = (JointEmbedding(tiny, FFPP, seed=0) for _ in range(2))
    model.train().freeze("text")
    calls = []
    model.text.ln_final.register_forward_hook(lambda *_: calls.append(1))
    x = images(model)
    optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    for _ in range(3):
        model(x).sum().backward()
        optimiser.step()
    assert len(calls) == 1
    torch.testing.assert_close(model.text_features(), plain.text_features())


@pytest.mark.parametrize("structure", ["hierarchy", "none"])
def test_heads_instead_of_prompts(structure):
    rates = [0.5] + [0.2] * 9
    heads = NodeHeads("semdf-mini", FFPP, structure=structure, prior=rates, seed=0).eval()
    joint = JointEmbedding("semdf-mini", FFPP, structure=structure, prior=rates, seed=0).eval()
    x = images(heads)
    torch.testing.assert_close(heads.image(x), joint.image(x))
    torch.testing.assert_close(heads.offset, joint.offset)
    assert heads(x).shape == (2, 10)
    torch.testing.assert_close(heads.logits(x), heads.head(heads.image(x)) + heads.offset)
    assert not any("text" in name for name in heads.state_dict())


@pytest.fixture(scope="module")
def quick(tmp_path_factory) -> str:
    """As `tiny`, with QuickGELU, which OpenAI's weights need."""
    path = tmp_path_factory.mktemp("encoders") / "tiny-quickgelu-for-tests.json"
    path.write_text(json.dumps({**TINY, "quick_gelu": True}))
    path.with_stem(f"{path.stem}-quick").write_text(json.dumps(TINY | {"quick_gelu": True}))
    open_clip.add_model_config(path.parent)
    return path.stem


def test_the_authors_checkpoints(quick, tmp_path):
    state = openai_state(torch.Generator().manual_seed(0))
    path = tmp_path / "checkpoint.pth"
    torch.save({"model": state}, path)
    model = released(path, FFPP, quick)
    assert not model.training
    x = images(model, 3)
    with torch.no_grad():
        expected = openai_logits(state, x, FFPP)
        torch.testing.assert_close(model.logits(x), expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(model(x), marginals.marginals(expected, FFPP), rtol=1e-4, atol=1e-5)
    assert expected.std() > 0.01


class CfgNode(dict):
    """Settings as yacs keeps them: a dict with attributes."""

    def __init__(self, values: dict) -> None:
        super().__init__(values)
        self.__dict__["__immutable__"] = False


class Trap:
    """An object whose reading runs code."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.target),)


def save_checkpoint(monkeypatch: pytest.MonkeyPatch, path: Path, state: dict, **more: object) -> None:
    """What the authors' training writes; yacs is there when it writes, and not when we read."""
    module = types.ModuleType("yacs.config")
    module.CfgNode = CfgNode
    layer = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "yacs", types.ModuleType("yacs"))
        patch.setitem(sys.modules, "yacs.config", module)
        patch.setattr(CfgNode, "__module__", "yacs.config")
        torch.save(
            {
                "model": state,
                "optimizer": optimizer.state_dict(),
                "max_accuracy": np.float64(98.7),
                "epoch": 3,
                "config": CfgNode({"MODEL": CfgNode({"NAME": "ViT-B/32", "SIZES": [1, 2]}), "OUT": Path("out")}),
                "args": argparse.Namespace(cfg="configs/a.yaml", opts=None, nested=argparse.Namespace(lr=1e-4)),
                **more,
            },
            path,
        )


@pytest.mark.parametrize("wrapped", ["", "module.", "_orig_mod.", "module._orig_mod."])
def test_the_authors_checkpoints_as_their_training_writes_them(quick, tmp_path, monkeypatch, wrapped):
    state = openai_state(torch.Generator().manual_seed(0))
    torch.save({"model": state}, tmp_path / "plain.pth")
    path = tmp_path / "ckpt_epoch_3.pth"
    save_checkpoint(monkeypatch, path, {f"{wrapped}{name}": value for name, value in state.items()})
    with pytest.raises(pickle.UnpicklingError, match="Unsupported global"):
        torch.load(path)
    assert "yacs" not in sys.modules
    expected, found = (released(p, FFPP, quick).state_dict() for p in (tmp_path / "plain.pth", path))
    assert expected.keys() == found.keys()
    assert all(torch.equal(value, found[name]) for name, value in expected.items())


def test_code_in_a_checkpoint_never_runs_and_is_named(quick, tmp_path, monkeypatch):
    state = openai_state(torch.Generator().manual_seed(0))
    path = tmp_path / "ckpt.pth"
    save_checkpoint(monkeypatch, path, state, extra=Trap(tmp_path / "ran"))
    message = r"found \w+\.mkdir, which is code .* save the weights alone, `torch.save\(\{'model'"
    with pytest.raises(DataError, match=message):
        released(path, FFPP, quick)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("damage", ["cut", "page", "pickle"])
def test_messages_about_files_of_another_kind_are_whole_and_without_colours(quick, tmp_path, damage):
    path = tmp_path / "ckpt.pth"
    torch.save({"model": openai_state(torch.Generator().manual_seed(0))}, path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:5000])
    elif damage == "page":
        path.write_text("<!DOCTYPE html><html><body>Quota exceeded</body></html>")
    else:
        path.write_bytes(pickle.dumps({"model": print}, protocol=2))
    with pytest.raises(DataError, match="'ckpt.pth' must hold this encoder's state dict, found weights") as error:
        released(path, FFPP, quick)
    assert "\x1b" not in str(error.value) and len(str(error.value)) < 700


@pytest.mark.parametrize(("drop", "add"), [("visual.proj", None), (None, "extra.weight")])
def test_the_authors_checkpoints_are_read_strictly(quick, tmp_path, drop, add):
    state = openai_state(torch.Generator().manual_seed(0))
    state = {name: value for name, value in state.items() if name != drop}
    if add:
        state[add] = torch.zeros(1)
    torch.save({"model": state}, tmp_path / "checkpoint.pth")
    with pytest.raises(DataError, match=f"(?s)'checkpoint.pth' must hold this encoder.*{drop or add}"):
        released(tmp_path / "checkpoint.pth", FFPP, quick)
    with pytest.raises(MissingError, match="found no file"):
        released(tmp_path / "other.pth", FFPP, quick)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"similarity": "l2"}, r"similarity: must be one of \('cosine', 'dot'\), found 'l2'"),
        ({"precision": "float16"}, "precision: must be 'float32' or 'bfloat16', found 'float16'"),
        ({"vocabulary": "none"}, r"vocabulary: must be one of \('prompts', 'full'\), found 'none'"),
        ({"structure": "tree"}, r"structure: must be one of \('hierarchy', 'none'\), found 'tree'"),
        ({"wording": "rude"}, r"wording: must be one of \('single', 'antonyms'\), found 'rude'"),
        ({"prior": [0.5]}, r"rates: must have 10 entries"),
    ],
)
def test_errors_of_options(tiny, options, message):
    with pytest.raises(ParameterError, match=message):
        JointEmbedding(tiny, FFPP, **options)


def test_errors_of_names_and_images(tiny):
    with pytest.raises(ParameterError, match="encoder: must be one of .*'semdf-mini'.* or known.*found 'resnet'"):
        BinaryBaseline("resnet")
    with pytest.raises(ParameterError, match="must have CLIP's own causal text tower, found 'roberta-ViT-B-32'"):
        BinaryBaseline("roberta-ViT-B-32")
    model = JointEmbedding(tiny, FFPP)
    with pytest.raises(ParameterError, match=r"must have shape \[B, 3, 32, 32\], found \[1, 3, 31, 32\]"):
        model(torch.zeros(1, 3, 31, 32))
    with pytest.raises(ParameterError, match="must be normalised and floating point, found torch.uint8"):
        model(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    with pytest.raises(ParameterError, match="must be uint8 to be normalised, found torch.float32"):
        model.normalise(torch.zeros(1, 3, 32, 32))
    with pytest.raises(ParameterError, match="logits: must be finite"):
        model(torch.full((1, 3, 32, 32), torch.nan))


def test_orthogonal_directions_say_what_each_prompt_adds():
    text = torch.randn(10, 64, dtype=torch.float64) + 3  # nearly parallel, as prompts of one template are
    found = orthogonal(text)
    torch.testing.assert_close(found @ found.T, torch.eye(10, dtype=torch.float64), atol=1e-3, rtol=0)
    first = torch.nn.functional.normalize(text[0], dim=0)
    torch.testing.assert_close(found[0], first, atol=1e-4, rtol=0)  # the root's prompt stays as it is
    inside = found[:4] @ torch.linalg.qr(text[:4].T).Q  # of the span of the first four, nothing is left outside
    torch.testing.assert_close(inside.norm(dim=1), torch.ones(4, dtype=torch.float64), atol=1e-3, rtol=0)


def test_orthogonal_directions_have_a_finite_slope_even_for_equal_prompts():
    text = torch.ones(4, 8, requires_grad=True)
    orthogonal(text).sum().backward()
    assert text.grad.isfinite().all()
    with pytest.raises(ParameterError, match="at most 2, one a dimension, found 3 prompts"):
        orthogonal(torch.ones(3, 2))


def test_a_learned_context_starts_at_the_template(tiny):
    plain = JointEmbedding(tiny, FFPP, seed=0).eval()
    learned = JointEmbedding(tiny, FFPP, seed=0, context=True).eval()
    assert learned.context.shape == (4, 32)  # "a photo of a", in the width of the text tower
    assert torch.equal(plain.text_features(), learned.text_features())


def test_a_learned_context_moves_the_words_with_which_all_prompts_begin(tiny):
    plain = JointEmbedding(tiny, FFPP, seed=0).eval()
    learned = JointEmbedding(tiny, FFPP, seed=0, context=True).eval()
    before = learned.text_features()
    moved = torch.randn(4, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        learned.context.copy_(moved)
        plain.text.positional_embedding[1:5] += moved  # the words after the start of the text, in every prompt
        assert not torch.allclose(learned.text_features(), before)
        torch.testing.assert_close(learned.text_features(), plain.text_features())


def test_a_learned_context_is_trained_while_the_text_tower_is_frozen(tiny):
    model = JointEmbedding(tiny, FFPP, seed=0, context=True).freeze("text")
    model(images(model)).sum().backward()
    assert model.context.grad.abs().sum() > 0
    assert all(p.grad is None for name, p in model.text.named_parameters() if name != "logit_scale")
