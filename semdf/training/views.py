"""What the network sees of a crop: a part that is cut out of it, or the whole crop scaled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from semdf.errors import DataError

__all__ = ["Part", "views"]


class Part(NamedTuple):
    """Which pictures of a batch are given, when they are not all of it.

    Attributes:
        places: [n] int64, the places of the given pictures in the batch.
        batch: How many pictures the whole batch has.
    """

    places: Tensor
    batch: int


def views(
    images: Tensor,
    size: int,
    random: np.random.Generator | None = None,
    *,
    resample: bool = False,
    crop: bool = True,
    flip: bool = True,
    within: Part | None = None,
) -> Tensor:
    """What the network sees of each picture: `size` x `size` pixels.

    Without `resample` the pixels are cut out, from the centre or at random with a random flip, because resampling
    destroys the traces of forging. With `resample` the whole picture is scaled (bicubic, as released) and perhaps
    flipped.

    Args:
        images: [n, H, W, 3] uint8.
        random: None for the deterministic view.
        crop: Whether random views are cut at a random place; no effect on what else is drawn.
        flip: Whether random views are mirrored at random; no effect on what else is drawn.
        within: When the pictures are a part of a batch: numbers are drawn for the whole batch, so that a picture's
            view does not depend on which others are given.

    Returns:
        [n, 3, size, size] uint8.

    Raises:
        DataError: The pictures are smaller than `size`.
    """
    if resample:
        images = _scaled(images, size)
    count, height, width = images.shape[:3]
    if size > min(height, width):
        raise DataError(
            f"crops must be at least as large as the {size} px that the network sees, found {height} x {width}"
        )
    centre_top = (height - size) // 2
    centre_left = (width - size) // 2
    if random is None:
        cut = images[:, centre_top : centre_top + size, centre_left : centre_left + size]
        return cut.permute(0, 3, 1, 2)

    places, total = within or Part(torch.arange(count), count)
    # all three are drawn whether they are used or not, so that `crop` and `flip` change nothing else
    tops = random.integers(0, height - size + 1, total)
    lefts = random.integers(0, width - size + 1, total)
    mirrored = random.random(total) < 0.5
    if not crop:
        tops = np.full_like(tops, centre_top)
        lefts = np.full_like(lefts, centre_left)
    if not flip:
        mirrored = np.zeros_like(mirrored)

    seen = []
    for image, place in zip(images, places.tolist(), strict=True):
        top = tops[place]
        left = lefts[place]
        view = image[top : top + size, left : left + size]
        seen.append(view.flip(1) if mirrored[place] else view)
    return torch.stack(seen).permute(0, 3, 1, 2)


def _scaled(images: Tensor, size: int) -> Tensor:
    """The pictures `[n, H, W, 3] uint8` scaled to `size` x `size` pixels."""
    planes = images.permute(0, 3, 1, 2).float()
    scaled = functional.interpolate(planes, size=(size, size), mode="bicubic", antialias=True, align_corners=False)
    return scaled.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
