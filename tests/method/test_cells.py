"""Prompts meet the cells of a picture, and the logits of the cells become one."""

import math

import pytest
import torch
from _training import config, samples

from semdf.errors import ParameterError
from semdf.method import cells, hierarchy, towers
from semdf.method.model import BinaryBaseline, JointEmbedding, NodeHeads, orthogonal
from semdf.training.train import fit

TREE = hierarchy.load("ffpp")


def joint(**options) -> JointEmbedding:
    made = JointEmbedding(
        "semdf-lite", TREE, features="cells", similarity="dot", directions="orthogonal", seed=0, **options
    )
    return made.eval()


def pictures(count: int = 2, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 3, 96, 96, generator=torch.Generator().manual_seed(seed))


def test_pooling_by_hand():
    logits = torch.tensor([[[0.0, 1.0], [math.log(3), 1.0]]])
    assert torch.allclose(cells.pool(logits), torch.tensor([[math.log(2), 1.0]]))


def test_pooling_leaves_the_logits_of_pictures_alone():
    logits = torch.randn(3, 10)
    assert cells.pool(logits) is logits


def test_one_strong_cell_outweighs_many_weak_ones():
    weak = torch.full((1, 36, 1), -2.0)
    strong = weak.clone()
    strong[0, 7] = 8.0
    assert cells.pool(strong).item() == pytest.approx(8 - math.log(36), abs=1e-2)


def test_the_features_of_the_cells_are_those_of_the_stage_with_stride_16():
    plain = towers.create("semdf-lite", seed=0).visual.eval()
    model = joint()
    features = model.image.visual.stages(pictures())
    found = plain.trunk.forward_intermediates(pictures(), intermediates_only=True)
    (expected,) = [stage for stage in found if stage.shape[1:] == (112, 6, 6)]
    assert torch.allclose(features, expected, atol=1e-5)


def test_a_logit_is_the_soft_maximum_of_the_similarities_of_the_cells():
    model = joint(prior=[0.5] * 10)
    with torch.no_grad():
        embedded = model.image(pictures())
        directions = orthogonal(model.text_features())
        odds = torch.zeros(2, 10)
        for cell in embedded.unbind(1):
            odds += (cell @ directions.T + model.offset).exp() / 36
        assert embedded.shape == (2, 36, 128)
        assert torch.allclose(model.logits(pictures()), odds.log(), atol=1e-4)


@pytest.mark.parametrize("encoder", ["semdf-lite", "semdf-mini"])
def test_all_detectors_have_cells(encoder):
    for made in (
        JointEmbedding(encoder, TREE, features="cells", seed=0),
        NodeHeads(encoder, TREE, features="cells", seed=0),
        BinaryBaseline(encoder, features="cells", seed=0),
    ):
        p = made.eval()(pictures())
        assert p.shape == (2, 1 if isinstance(made, BinaryBaseline) else 10)
        assert ((p >= 0) & (p <= 1)).all()


def test_the_new_map_is_drawn_from_the_seed():
    state = torch.random.get_rng_state()
    weights = [joint().image.visual.projection.weight for _ in range(2)]
    other = JointEmbedding("semdf-lite", TREE, features="cells", seed=1).image.visual.projection.weight
    assert torch.equal(*weights) and not torch.equal(weights[0], other)
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_vision_transformer_has_no_cells_here():
    with pytest.raises(ParameterError, match="features: must be pooled .*found cells and VisionTransformer"):
        JointEmbedding("ViT-B-32", TREE, features="cells")


def test_unknown_features_are_refused():
    with pytest.raises(ParameterError, match=r"features: must be one of \('pooled', 'cells'\), found 'patches'"):
        BinaryBaseline("semdf-lite", features="patches")


@pytest.mark.parametrize("objective", ["binary", "auto_lambda"])
def test_a_detector_with_cells_learns_a_faint_trace(objective):
    data = samples()
    run = config(objective, features="cells", positions=1.0, epochs=6, pairs=16, lambda_every=2)
    record = fit(data, data, run)
    assert record.history["val_auc"].iloc[-1] > 0.9
