"""Detectors of others: random weights in the form of their files, against passes that are written out here."""

import dataclasses
import json
import pickle
import re
import sys
from functools import partial
from pathlib import Path

import numpy as np
import open_clip
import pandas as pd
import pytest
import torch
from _plain_clip import openai_image, openai_logits, openai_state
from click.testing import CliRunner

from semdf.artifacts import read_table, write_table, write_weights
from semdf.cli import main
from semdf.errors import DataError, MissingError, ParameterError
from semdf.evaluation import evaluate, outside
from semdf.evaluation.detector import SCORED, score_manifest
from semdf.method import hierarchy, marginals
from semdf.pipeline import ROOT, nb
from semdf.storage.tars import ShardWriter, encode_png
from semdf.weights import registry

NAMES = ("gend", "lnclip", "sjedd", "sjedd_ffsc")
TINY = {
    "embed_dim": 16,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}
#: What the processor of OpenAI's CLIP subtracts and divides by.
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None]
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None]


def crops(count: int, size: int = 32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def shown(pictures: np.ndarray) -> torch.Tensor:
    """Crops of the network's size as their processor gives them."""
    return (torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255 - MEAN) / STD


def state_and_head() -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    state = openai_state(generator)
    return state, torch.randn(2, 32, generator=generator), torch.randn(2, generator=generator)


def hugging_face(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The image tower under the names of the class `CLIPModel`."""
    vision = "vision_model."
    named = {
        f"{vision}embeddings.class_embedding": state["visual.class_embedding"],
        f"{vision}embeddings.position_embedding.weight": state["visual.positional_embedding"],
        f"{vision}embeddings.patch_embedding.weight": state["visual.conv1.weight"],
        f"{vision}embeddings.position_ids": torch.arange(5)[None],
        "visual_projection.weight": state["visual.proj"].T,
    }
    block = "visual.transformer.resblocks.0"
    layer = f"{vision}encoder.layers.0"
    for kind in ("weight", "bias"):
        q, k, v = state[f"{block}.attn.in_proj_{kind}"].chunk(3)
        named |= {
            f"{vision}pre_layrnorm.{kind}": state[f"visual.ln_pre.{kind}"],
            f"{vision}post_layernorm.{kind}": state[f"visual.ln_post.{kind}"],
            f"{layer}.layer_norm1.{kind}": state[f"{block}.ln_1.{kind}"],
            f"{layer}.layer_norm2.{kind}": state[f"{block}.ln_2.{kind}"],
            f"{layer}.self_attn.q_proj.{kind}": q,
            f"{layer}.self_attn.k_proj.{kind}": k,
            f"{layer}.self_attn.v_proj.{kind}": v,
            f"{layer}.self_attn.out_proj.{kind}": state[f"{block}.attn.out_proj.{kind}"],
            f"{layer}.mlp.fc1.{kind}": state[f"{block}.mlp.c_fc.{kind}"],
            f"{layer}.mlp.fc2.{kind}": state[f"{block}.mlp.c_proj.{kind}"],
        }
    return {name: value.contiguous() for name, value in named.items()}


def expected(pictures: np.ndarray, *, normalised: bool = True) -> np.ndarray:
    """P(fake) [n] from the definition."""
    state, weight, bias = state_and_head()
    found = []
    for image in shown(pictures):
        token = openai_image(state, image)
        if normalised:
            token = token / token.square().sum().sqrt()
        real, fake = (weight @ token + bias).tolist()
        found.append(1 / (1 + np.exp(real - fake)))
    return np.array(found)


def gend_file(folder: Path, **changes) -> Path:
    """What `save_pretrained` of the class `GenD` writes; weights that are None are left out."""
    state, weight, bias = state_and_head()
    content = {f"feature_extractor.{name}": value for name, value in hugging_face(state).items()}
    content |= {"model.linear.weight": weight, "model.linear.bias": bias} | changes
    content = {name: value for name, value in content.items() if value is not None}
    return write_weights(content, folder / "gend.safetensors")


def lnclip_file(folder: Path, head="LinearNorm") -> Path:
    """A checkpoint of Lightning, whose norms are each there twice, as PEFT keeps them."""
    state, weight, bias = state_and_head()
    content = {"model.linear.weight": weight, "model.linear.bias": bias}
    for name, value in hugging_face(state).items():
        full = f"feature_extractor.base_model.model.{name}"
        if "norm" in name:
            start, _, kind = full.rpartition(".")
            content[f"{start}.base_layer.{kind}"] = torch.full_like(value, 9.0)
            content[f"{start}.ln_tuning_layers.default.{kind}"] = value
        else:
            content[full] = value
    path = folder / "model.ckpt"
    torch.save({"state_dict": content, "hyper_parameters": {"head": head, "precision": "bf16-mixed"}, "epoch": 3}, path)
    return path


def sjedd_file(folder: Path) -> Path:
    torch.save({"model": state_and_head()[0]}, folder / "sjedd.pth")
    return folder / "sjedd.pth"


MADE = {"gend": gend_file, "lnclip": lnclip_file, "sjedd": sjedd_file, "sjedd_ffsc": sjedd_file}


@pytest.fixture(autouse=True)
def small(tmp_path_factory, monkeypatch):
    """All adapters, for networks of two patches a side."""
    path = tmp_path_factory.mktemp("encoders") / "tiny-vit-for-outside.json"
    path.write_text(json.dumps(TINY))
    open_clip.add_model_config(path)
    for name in NAMES:
        adapter = outside.find(name)
        module = sys.modules[f"semdf.evaluation.outside.{name}"]
        shrunk = dataclasses.replace(adapter, network=partial(adapter.network, encoder=path.stem))
        monkeypatch.setattr(module, "ADAPTER", shrunk)


def test_gend_is_the_class_token_at_length_1_and_one_linear_layer(tmp_path):
    detector = outside.load("gend", gend_file(tmp_path))
    seen = crops(5)
    p = detector.score(seen, batch=2)
    assert p.shape == (5, 1) and detector.nodes == ("fake",) and np.ptp(p) > 0.01
    np.testing.assert_allclose(p[:, 0], expected(seen), atol=1e-5)


@pytest.mark.parametrize("head", ["LinearNorm", "linear"])
def test_lnclip_reads_the_tuned_norms(tmp_path, head):
    detector = outside.load("lnclip", lnclip_file(tmp_path, head))
    seen = crops(5)
    np.testing.assert_allclose(detector.score(seen)[:, 0], expected(seen, normalised=head != "linear"), atol=1e-5)


@pytest.mark.parametrize(("name", "tree"), [("sjedd", "ffpp"), ("sjedd_ffsc", "ffsc")])
def test_the_authors_checkpoints(tmp_path, name, tree):
    nodes = hierarchy.load(tree)
    detector = outside.load(name, sjedd_file(tmp_path))
    seen = crops(3)
    found = detector.score(seen)
    assert detector.nodes == nodes.nodes == detector.hierarchy.nodes and found.shape == (3, len(nodes.nodes))
    logits = openai_logits(state_and_head()[0], shown(seen), nodes)
    np.testing.assert_allclose(found, marginals.marginals(logits, nodes), atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_crops_of_any_size_are_scaled_and_the_crop_is_the_paper_s(tmp_path, name):
    detector = outside.load(name, MADE[name](tmp_path))
    assert detector.crop == {"size": 317, "alignment": "similarity", "margin": 1.3}
    plain = crops(2, 16)
    assert np.isfinite(detector.score(np.kron(plain, np.ones((1, 3, 3, 1), np.uint8)))).all()
    with pytest.raises(DataError, match=r"crops must be \[n, H, W, 3\] uint8, found \[2, 16, 16, 3\] float64"):
        detector.score(plain.astype(float))


# -- weights of others than the adapter's ------------------------------------------------------------------------------

TOWER = "feature_extractor.vision_model."


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({f"{TOWER}encoder.layers.0.self_attn.k_proj.bias": None}, "k_proj.bias [32] ({net}), found none"),
        ({f"{TOWER}embeddings.class_embedding": torch.ones(48)}, "class_embedding [32] ({net}), found the shape [48]"),
        ({"model.linear.weight": torch.ones(3, 32)}, "model.linear.weight [2, 32] ({net}), found the shape [3, 32]"),
        ({f"{TOWER}encoder.layers.1.mlp.fc1.bias": torch.ones(128)}, "alone, found {tower}encoder.layers.1.mlp.fc1"),
    ],
)
def test_weights_of_another_network_are_refused_by_name_rule_and_value(tmp_path, changes, words):
    words = words.format(net="tiny-vit-for-outside and a linear layer", tower=TOWER)
    with pytest.raises(DataError, match=f"detector 'gend': gend.safetensors must .*{re.escape(words)}"):
        outside.load("gend", gend_file(tmp_path, **changes))


@pytest.mark.parametrize(
    ("name", "other", "words"),
    [
        ("gend", "lnclip", "must be"),
        ("lnclip", "sjedd", "must have its weights under 'state_dict', found model"),
        ("sjedd", "lnclip", "must hold this encoder's state dict"),
        ("sjedd_ffsc", "gend", "must hold this encoder's state dict"),
    ],
)
def test_the_file_of_another_detector_is_refused(tmp_path, name, other, words):
    with pytest.raises(DataError, match=f"(?s)detector '{name}': .*{words}"):
        outside.load(name, MADE[other](tmp_path))


# -- the registry ------------------------------------------------------------------------------------------------------


def test_the_names_are_those_of_the_files_and_a_file_is_a_detector(tmp_path, monkeypatch):
    assert outside.known() == NAMES
    (tmp_path / "mine.py").write_text(
        "from semdf.evaluation.outside import Adapter\n"
        "from semdf.evaluation.outside.gend import ADAPTER as GEND\n"
        "ADAPTER = Adapter(network=GEND.network, file='mine.bin')\n"
    )
    monkeypatch.setattr(outside, "__path__", [*outside.__path__, str(tmp_path)])
    monkeypatch.setenv("SEMDF_WEIGHTS", str(tmp_path / "none"))
    assert outside.known() == ("gend", "lnclip", "mine", *NAMES[2:])
    with pytest.raises(
        MissingError, match="'mine': must find its weights mine.bin, found none: put them into .*--model"
    ):
        outside.load("mine")
    assert outside.load("mine", gend_file(tmp_path)).nodes == ("fake",)
    sys.modules.pop("semdf.evaluation.outside.mine")
    with pytest.raises(ParameterError, match="detector: must be one of gend, .*, found 'gent'"):
        outside.load("gent")


def test_weights_are_looked_for_where_fetch_puts_them(tmp_path, monkeypatch):
    monkeypatch.setenv("SEMDF_WEIGHTS", str(tmp_path))
    with pytest.raises(
        MissingError, match="'gend': must find its weights gend_clip_l_14.safetensors, .*semdf fetch gen"
    ):
        outside.load("gend")
    gend_file(tmp_path).rename(tmp_path / registry.load("gend").file)
    assert outside.load("gend").path == tmp_path / "gend_clip_l_14.safetensors"
    with pytest.raises(MissingError, match="detector 'gend': weights must be a file, found none at 'gone'"):
        outside.load("gend", Path("gone"))


# -- tables ------------------------------------------------------------------------------------------------------------


def manifest(folder: Path) -> Path:
    """Two reals and two fakes of FaceForensics++ and Celeb-DF-v2, on validation and test, and a broken video."""
    rows = []
    pictures = iter(crops(64, 40))
    with ShardWriter(folder / "d" / "m.tar") as shard:
        for data, kind, fake in (
            ("FaceForensics++", "original", "real"),
            ("FaceForensics++", "Deepfakes", "Deepfakes"),
            ("Celeb-DF-v2", "Celeb-real", "real"),
            ("Celeb-DF-v2", "Celeb-synthesis", "Celeb-synthesis"),
        ):
            for split in ("val", "test"):
                for i in range(6):
                    name = f"{data}/{kind}/{split}{i}"
                    shard.add(f"{len(rows)}.png", encode_png(next(pictures)))
                    rows.append(
                        {"dataset": data, "manipulation": kind, "video": name, "frame": 0, "sample": f"{name}/0000",
                         "label": fake, "split": split, "pristine": "", "shard": "d/m.tar", "target": f"{split}{i}",
                         "member": f"{len(rows)}.png", "status": "ok"}
                    )  # fmt: skip
    rows.append(rows[6] | {"video": "FaceForensics++/original/cut", "member": "", "shard": "", "status": "unreadable"})
    return write_table(pd.DataFrame(rows), folder / "manifest.parquet")


def test_a_table_of_scores_has_the_columns_of_a_run_and_every_row(tmp_path):
    path = manifest(tmp_path)
    detector = outside.load("gend", gend_file(tmp_path))
    table = score_manifest(detector, path, ["test"])
    assert list(table) == [*SCORED, "p_fake"] and set(evaluate.FRAME_COLUMNS) <= set(table)
    assert len(table) == 25 and table["p_fake"].isna().sum() == 1 == (table["status"] == "unreadable").sum()
    again = pickle.loads(pickle.dumps(detector.opener(tmp_path)))("cpu")  # as another process opens it
    pd.testing.assert_frame_equal(table, score_manifest(again, path, ["test"]), check_exact=True)


def test_both_commands(tmp_path):
    path = manifest(tmp_path)
    weights = gend_file(tmp_path)
    picture = tmp_path / "a.png"
    picture.write_bytes(encode_png(crops(1, 80)[0]))
    words = ["score", "--json", "--finder", "whole", "--detector", "gend", "--model", str(weights), str(picture)]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["path"] == str(picture) and '"fake": 0.' in result.output
    words = ["score-faces", str(path.parent), str(tmp_path / "gend"), "--detector", "gend", "--model", str(weights)]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0 and "48 crops scored" in result.output and "1 without: unreadable" in result.output
    frames = read_table(tmp_path / "gend" / "frames.parquet", evaluate.FRAME_COLUMNS)
    videos = pd.read_csv(tmp_path / "gend" / "videos.csv")
    assert len(frames) == len(videos) == 49 and set(frames["split"]) == {"val", "test"}
    result = CliRunner().invoke(main, ["score", "--detector", "nobody", "--finder", "whole", str(picture)])
    assert result.exit_code == 1 and "must be one of gend, lnclip, sjedd" in result.output


def test_the_notebook_compares_it_with_the_runs_that_are_there(tmp_path):
    """Notebook 8b finds the table of the outside detector by itself, beside that of a run."""
    table = score_manifest(outside.load("gend", gend_file(tmp_path)), manifest(tmp_path), ["val", "test"])
    own = table.assign(p_fake=np.random.default_rng(0).random(len(table)).astype(np.float32))
    own.loc[table["p_fake"].isna(), "p_fake"] = np.nan
    write_table(table, tmp_path / "scores" / "gend" / "frames.parquet")
    write_table(own, tmp_path / "scores" / "auto_lambda-0" / "frames.parquet")
    values = {"scores_dir": str(tmp_path / "scores"), "out_dir": str(tmp_path / "figures"), "resamples": 100}
    nb.run(ROOT / "notebooks" / "08b_cross_dataset.ipynb", tmp_path / "figures" / "08b.ipynb", values)
    auc = pd.read_csv(tmp_path / "figures" / "auc.csv")
    assert set(auc["run"]) == {"gend", "auto_lambda-0"} and set(auc["dataset"]) >= {"FaceForensics++", "Celeb-DF-v2"}
    pairs = pd.read_csv(tmp_path / "figures" / "pairs.csv")
    assert set(pairs["first"]) | set(pairs["second"]) == {"gend", "auto_lambda-0"} and len(pairs) == 2
    meta = json.loads((tmp_path / "figures" / "interchange" / "gend.scores.meta.json").read_text())
    assert meta["seed"] is None and meta["detector"]["name"] == "gend"
