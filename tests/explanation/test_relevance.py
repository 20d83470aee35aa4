"""Maps find what a hand-made detector looks at; their measures by hand."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from semdf.errors import DataError, ParameterError
from semdf.explanation import relevance
from semdf.method import cells, hierarchy, model, towers


class Corner(nn.Module):
    """A detector whose node 0 sees brightness in the upper left quarter, node 1 in the lower right one."""

    class Visual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer3 = nn.AvgPool2d(8)

    class Tower(nn.Module):
        def __init__(self, visual: nn.Module) -> None:
            super().__init__()
            self.visual = visual

    def __init__(self) -> None:
        super().__init__()
        self.image = self.Tower(self.Visual())

    def forward(self, images):
        pooled = self.image.visual.layer3(images).mean(1)
        half = pooled.shape[-1] // 2
        return torch.sigmoid(
            torch.stack([pooled[:, :half, :half].mean((1, 2)), pooled[:, half:, half:].mean((1, 2))], 1)
        )


@pytest.fixture
def bright() -> torch.Tensor:
    return torch.ones(2, 3, 64, 64)


def test_a_map_lies_where_the_detector_looks(bright):
    found = relevance.maps(Corner().eval(), bright, [0, 1])
    assert found.shape == (2, 2, 64, 64) and found.max() == 1 and found.min() >= 0
    upper, lower = np.zeros((64, 64), bool), np.zeros((64, 64), bool)
    upper[:32, :32], lower[32:, 32:] = True, True
    assert relevance.pointing_game(found[0, 0], upper) == relevance.pointing_game(found[0, 1], lower) == 1
    assert relevance.pointing_game(found[0, 0], lower) == 0
    assert relevance.iou(found[0, 0], upper) > 0.8 > 0.1 > relevance.iou(found[0, 0], lower)


def test_evidence_against_a_node_is_no_relevance(bright):
    assert (relevance.maps(Corner().eval(), -bright, [0]) == 0).all()


class Bright(nn.Module):
    """A detector with cells: the logit of node 0 is the brightness of the cell, that of node 1 its darkness."""

    def __init__(self) -> None:
        super().__init__()
        self.image = Corner.Tower(cells.CellTower(towers.create("semdf-lite", seed=0).visual, 128))

    def cell_logits(self, images):
        grey = nn.functional.avg_pool2d(images.mean(1, keepdim=True), cells.STRIDE).flatten(2).transpose(1, 2)
        return torch.cat([grey, -grey], -1)

    def forward(self, images):
        return cells.pool(self.cell_logits(images)).sigmoid()


@pytest.mark.parametrize(("row", "column"), [(30, 20), (50, 70), (20, 61)])
def test_the_map_of_a_detector_with_cells_lies_on_its_strongest_cell(row, column):
    images = torch.full((1, 3, 96, 96), -1.0)
    images[:, :, row - 8 : row + 8, column - 8 : column + 8] = 3.0
    found = relevance.maps(Bright().eval(), images, [0, 1])[0]
    at = np.unravel_index(found[0].argmax(), found[0].shape)
    assert abs(at[0] - row) <= 4 and abs(at[1] - column) <= 4
    assert found.min() >= 0 and found.max() == 1
    assert found[1, row, column] < 0.2


def test_under_a_hierarchy_the_map_of_a_node_holds_the_root_s_evidence_too():
    detector = Bright().eval()
    detector.structure = "hierarchy"
    images = torch.full((1, 3, 96, 96), 0.5)
    images[:, :, 40:56, 40:56] = -3.0  # dark: evidence for node 1, as much against the root
    assert (relevance.maps(detector, images, [1]) == 0).all()
    detector.structure = "none"
    assert relevance.maps(detector, images, [1])[0, 0, 48, 48] > 0.9


def test_the_offset_of_a_node_is_no_evidence():
    detector = Bright().eval()
    images = torch.rand(1, 3, 96, 96)
    without = relevance.maps(detector, images, [0, 1])
    plain = detector.cell_logits
    detector.offset = torch.tensor([5.0, -5.0])
    detector.cell_logits = lambda x: plain(x) + detector.offset
    assert np.allclose(relevance.maps(detector, images, [0, 1]), without, atol=1e-5)


@pytest.mark.parametrize(
    ("detector", "name", "words"),
    [
        (Bright, "layer3", "layer must be cells for a tower with cells, found 'layer3'"),
        (Corner, "cells", "layer must be one of layer2, layer3, layer4 for a tower without cells, found 'cells'"),
    ],
)
def test_a_tower_s_maps_come_from_where_it_has_them(detector, name, words):
    with pytest.raises(ParameterError, match=words):
        relevance.maps(detector().eval(), torch.rand(1, 3, 96, 96), [0], name)


@pytest.mark.parametrize("encoder", ["semdf-mini", "ViT-B-32"])
def test_both_kinds_of_towers_have_maps(encoder):
    detector = model.JointEmbedding(encoder, hierarchy.load("ffpp"), seed=0).eval()
    shape = (4, 3, detector.image_size, detector.image_size)
    found = relevance.maps(detector, torch.randn(shape, generator=torch.Generator().manual_seed(0)), [0, 4])
    assert found.shape == (4, 2, *shape[2:]) and np.isfinite(found).all()
    highest = found.max((2, 3))  # weights are random: for some nodes nothing speaks
    assert set(highest.ravel()) <= {0, 1} and highest.max() == 1
    assert (found[:, 0] != found[:, 1]).any()


def test_measures_by_hand():
    plane, mask = np.arange(16.0).reshape(4, 4), np.zeros((4, 4), bool)
    mask[3] = True
    assert relevance.pointing_game(plane, mask) == relevance.iou(plane, mask) == 1
    mask[3], mask[0] = False, True
    assert relevance.pointing_game(plane, mask) == relevance.iou(plane, mask) == 0
    assert math.isnan(relevance.iou(plane * 0, mask)) and math.isnan(relevance.pointing_game(plane, mask & False))


def test_concealing_changes_the_mask_alone():
    random = np.random.default_rng(0)
    image, mask = random.integers(0, 255, (40, 40, 3), dtype=np.uint8), np.zeros((40, 40), bool)
    mask[10:20, 10:20] = True
    hidden = relevance.conceal(image, mask)
    assert (hidden[~mask] == image[~mask]).all() and (hidden[mask] != image[mask]).mean() > 0.9


def test_bad_input_is_refused_by_name(bright):
    with pytest.raises(ParameterError, match="nodes must lie in 0 to 1, found \\[2\\]"):
        relevance.maps(Corner().eval(), bright, [2])
    with pytest.raises(ParameterError, match="layer must be.*'layer9'"):
        relevance.maps(Corner().eval(), bright, [0], "layer9")
    with pytest.raises(DataError, match="map and mask"):
        relevance.iou(np.zeros((2, 2)), np.zeros((3, 2)))
