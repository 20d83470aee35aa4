"""Samples of several kinds in one training."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from _training import grey_samples

from semdf.training.mixtures import join
from semdf.training.pairs import pair_batches
from semdf.training.sides import at_side


def test_partners_stay_partners_although_keys_are_equal():
    one, two = grey_samples(videos=3), grey_samples(videos=3)
    two = replace(two, images=255 - two.images)  # the same names, other pictures
    both = join([one, two])
    assert len(both) == len(one) + len(two) and len(both.fakes) == 2 * len(one.fakes)
    half = len(one)
    for fake in both.fakes.tolist():
        partner = int(both.partner[fake])
        assert (partner < half) == (fake < half), "a partner is of the same part"
        assert both.targets[partner, 0] == 0 and both.rows["v"][partner] == both.rows["v"][fake]
    assert torch.equal(both.images[half:], two.images) and torch.equal(both.partner[:half], one.partner)


def test_batches_are_even_over_the_kinds():
    part = grey_samples(videos=8)
    fake = part.rows["label"] != "real"
    other = replace(
        part, rows=part.rows.assign(manipulation=part.rows["manipulation"].where(~fake, "own-" + part.rows["label"]))
    )
    both = join([part, other])
    drawn = torch.cat([batch[: len(batch) // 2] for batch in pair_batches(both, 8, 32, (0,))])
    counts = both.rows["manipulation"].iloc[drawn.numpy()].value_counts()
    assert set(counts) == {8} and len(counts) == 4


@pytest.mark.parametrize("side", [32, 64, 96])
def test_crops_at_another_side_show_the_same(side):
    ramp = np.tile(np.linspace(20, 230, 64)[None, :, None], (64, 1, 3)).round().astype(np.uint8)[None]
    seen = at_side(ramp, side)
    wanted = np.interp((np.arange(side) + 0.5) / side, (np.arange(64) + 0.5) / 64, ramp[0, 0, :, 0])
    assert seen.shape == (1, side, side, 3) and seen.dtype == np.uint8
    np.testing.assert_allclose(seen[0, side // 2, :, 0], wanted, atol=2.5)


def test_crops_of_the_side_are_not_copied():
    crops = np.zeros((2, 16, 16, 3), np.uint8)
    assert at_side(crops, 16) is crops
