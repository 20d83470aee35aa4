"""The stored detector: its kinds of training, its weights in half precision and its card."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from _training import BLOCK

from semdf import params
from semdf.errors import DataError, ParameterError
from semdf.params import TRAINED
from semdf.pipeline import ROOT
from semdf.pipeline.detector import _changed
from semdf.pretraining import detector
from semdf.training.runs import build, load

BLOCKS = params.read(ROOT / "params.yaml")
#: The block with the small encoder, from random weights.
SMALL = BLOCKS["detector"].model_copy(update={"changes": {"encoder": "semdf-mini", "epochs": 1}})
FORGED = [
    detector.Forgeries(split, preset, Path(f"{split}-{preset}/manifest.parquet"))
    for split in ("train", "val", "test")
    for preset in ("photographs", "photographs_own")
]


def config(kind="photographs", block=SMALL):
    return detector.configured(kind, 0, BLOCK, block)


def test_the_stored_kind_is_that_of_the_parameters_and_all_can_be_compared():
    assert next(iter(detector.KINDS)) == BLOCKS["detector"].kind
    assert set(BLOCKS["detector"].compared) == set(detector.KINDS)


def test_the_block_changes_the_block_train_and_a_kind_changes_both():
    usual = BLOCKS["train"].model_dump()
    found = detector.configured("photographs", 3, usual, BLOCKS["detector"])
    changes = BLOCKS["detector"].changes
    assert found.seed == 3 and found.crop.size == BLOCKS["detector"].sides[0] and not found.crop.resampled
    assert {name: getattr(found.train, name) for name in changes} == changes
    for name, value in found.train:
        assert name in changes or BLOCKS["train"].model_dump()[name] == (
            value.model_dump() if hasattr(value, "model_dump") else value
        )
    random = detector.configured("random_tower", 3, usual, BLOCKS["detector"])
    assert random.train.pretrained == "" and random.train.statistics == "moving"
    assert build(config("random_tower")).image_size == 96


def test_what_a_kind_sees():
    faces, expanded = Path("faces"), Path("expanded")
    seen = {kind: detector.parts(kind, faces, expanded, FORGED, "train") for kind in detector.KINDS}
    for parts in seen.values():
        assert parts[0].dataset == TRAINED and parts[0].kind == "" and len(parts[0].manifests) == 2
    kinds = {kind: [part.kind for part in parts[1:]] for kind, parts in seen.items()}
    assert kinds["embedded"] == [] and kinds["self_blending"] == ["photographs_own"]
    assert kinds["photographs"] == kinds["random_tower"] == ["photographs", "photographs_own"]
    assert all("train-" in str(part.manifests[0]) for part in seen["photographs"][1:])


@pytest.mark.parametrize(
    ("setting", "error"),
    [("kind", "kind must be one of photographs, .*found 'all'"), ("changes", "train must hold no unknown name")],
)
def test_unknown_names_are_refused(setting, error):
    block = SMALL.model_copy(update={"changes": {"epohcs": 3}}) if setting == "changes" else SMALL
    with pytest.raises(ParameterError, match=error):
        detector.configured("all" if setting == "kind" else "photographs", 0, BLOCK, block)


def test_weights_in_half_precision_are_read_as_a_run(tmp_path):
    own = config()
    model = build(own, [0.5] * 10).eval()
    size = detector.store(model, own, tmp_path)
    read, found = load(tmp_path)
    assert found == own.model_copy(update={"quick_gelu": found.quick_gelu})
    count = sum(value.numel() for value in model.state_dict().values())
    assert size == (tmp_path / "model.safetensors").stat().st_size < 2.2 * count
    for name, value in read.state_dict().items():
        exact = model.state_dict()[name]
        assert value.dtype == exact.dtype
        assert torch.equal(value, exact.half().to(exact.dtype)) or not exact.is_floating_point()


def test_weights_that_half_precision_cannot_hold_are_refused(tmp_path):
    own = config()
    model = build(own)
    with torch.no_grad():
        model.offset[0] = 1e6
    with pytest.raises(DataError, match="weights must be finite in half precision, found others in offset"):
        detector.store(model, own, tmp_path)
    assert not (tmp_path / "model.safetensors").exists()


def test_the_card_holds_source_licence_and_every_measured_number():
    table = pd.DataFrame({"set": ["photographs"], "auc": [0.98765]})
    text = detector.card(config(), SMALL, "photographs", {"Root AUC": table})
    assert "10.6084/m9.figshare.5047666" in text and "CC BY 4.0" in text and "## Not to be used for" in text
    assert "| photographs | 0.988 |" in text and "### Root AUC" in text and "70 adults" in text and "{" not in text


def test_settings_of_a_command_line_change_the_block_or_what_it_changes():
    found = _changed(BLOCKS["detector"], ["passes=2", "epochs=3"])
    assert found.passes == 2 and found.changes["epochs"] == 3
    assert {**found.changes, "epochs": 0} == {**BLOCKS["detector"].changes, "epochs": 0}
    with pytest.raises(ParameterError, match="detector.passes must be greater than or equal to 1, found 0"):
        _changed(BLOCKS["detector"], ["passes=0"])
