"""Views: cut, mirrored or scaled as asked, and for a part of a batch the same as for the whole."""

import numpy as np
import pytest
import torch
from _training import samples

from semdf.errors import DataError
from semdf.training.views import Part, views


def test_views_are_cut_and_mirrored_only_as_asked(random):
    image = torch.from_numpy(random.integers(0, 256, (8, 20, 20, 3), dtype=np.uint8))
    seeded = [np.random.default_rng(5) for _ in range(3)]
    plain, whole, cut = (
        views(image, 16, r, crop=c, flip=f)
        for r, (c, f) in zip(seeded, [(False, False), (False, True), (True, False)], strict=True)
    )
    assert torch.equal(plain, views(image, 16)) and not torch.equal(cut, plain)
    mirrored = [torch.equal(w, p.flip(2)) for w, p in zip(whole, plain, strict=True)]
    assert 0 < sum(mirrored) < 8
    both = views(image, 16, np.random.default_rng(5))
    assert torch.equal(both, torch.stack([c.flip(2) if m else c for c, m in zip(cut, mirrored, strict=True)]))
    assert len({r.integers(1000) for r in seeded}) == 1


def test_views_are_cut_not_resampled(random):
    image = torch.from_numpy(random.integers(0, 256, (1, 20, 20, 3), dtype=np.uint8))
    assert torch.equal(views(image, 16)[0], image[0, 2:18, 2:18].permute(2, 0, 1))
    cut = views(image, 16, random)[0]
    windows = [image[0, i : i + 16, j : j + 16].permute(2, 0, 1) for i in range(5) for j in range(5)]
    assert any(torch.equal(cut, w) or torch.equal(cut, w.flip(2)) for w in windows)
    assert views(image, 10, resample=True).shape == (1, 3, 10, 10)
    with pytest.raises(DataError, match="24 px.*20 x 20"):
        views(image, 24)


def test_views_of_a_part_are_those_of_the_whole():
    images = samples(4).images
    for resample in (False, True):
        whole = views(images, 100, np.random.default_rng(3), resample=resample)
        for places in (torch.tensor([1, 5]), torch.arange(8)):
            random = np.random.default_rng(3)
            part = views(images[places], 100, random, resample=resample, within=Part(places, 8))
            assert torch.equal(part, whole[places])
