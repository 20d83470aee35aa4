"""What the network sees of a crop: a part that is cut out of it, or the whole crop scaled."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from semdf.errors import DataError

__all__ = ["Cuts", "Part", "cut_out", "draw_cuts", "scaled", "views"]


class Part(NamedTuple):
    """Which pictures of a batch are given, when they are not all of it.

    Attributes:
        places: [n] int64, the places of the given pictures in the batch.
        batch: How many pictures the whole batch has.
    """

    places: Tensor
    batch: int


class Cuts(NamedTuple):
    """Where views are cut out of pictures.

    Attributes:
        tops: [n] int64, pixels.
        lefts: [n] int64, pixels.
        mirrored: [n] bool.
    """

    tops: np.ndarray
    lefts: np.ndarray
    mirrored: np.ndarray


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
        images = scaled(images, size)
    count, height, width = images.shape[:3]
    if random is None:
        top, left = _centre(height, width, size)
        cut = images[:, top : top + size, left : left + size]
        return cut.permute(0, 3, 1, 2)
    part = within or Part(torch.arange(count), count)
    return cut_out(images.numpy(), size, draw_cuts(height, width, size, random, part, crop=crop, flip=flip))


def draw_cuts(
    height: int, width: int, size: int, random: np.random.Generator, part: Part, *, crop: bool, flip: bool
) -> Cuts:
    """Where `views` cuts the pictures of a part; it draws for the whole batch.

    Raises:
        DataError: The pictures are smaller than `size`.
    """
    centre_top, centre_left = _centre(height, width, size)
    # all three are drawn whether they are used or not, so that `crop` and `flip` change nothing else
    tops = random.integers(0, height - size + 1, part.batch)
    lefts = random.integers(0, width - size + 1, part.batch)
    mirrored = random.random(part.batch) < 0.5
    if not crop:
        tops = np.full_like(tops, centre_top)
        lefts = np.full_like(lefts, centre_left)
    if not flip:
        mirrored = np.zeros_like(mirrored)
    places = part.places.numpy()
    return Cuts(tops[places], lefts[places], mirrored[places])


def cut_out(images: Iterable[np.ndarray], size: int, cuts: Cuts) -> Tensor:
    """The views `[n, 3, size, size] uint8` that are cut out of pictures `[H, W, 3]`, each taken when it is its turn."""
    seen = np.empty((len(cuts.tops), size, size, 3), np.uint8)
    for image, place, top, left, mirror in zip(images, seen, *(part.tolist() for part in cuts), strict=True):
        view = image[top : top + size, left : left + size]
        if mirror:
            cv2.flip(view, 1, dst=place)
        else:
            place[:] = view
    return torch.from_numpy(seen).permute(0, 3, 1, 2)


def _centre(height: int, width: int, size: int) -> tuple[int, int]:
    """Top and left of the view in the middle.

    Raises:
        DataError: The pictures are smaller than the view.
    """
    if size > min(height, width):
        raise DataError(
            f"crops must be at least as large as the {size} px that the network sees, found {height} x {width}"
        )
    return (height - size) // 2, (width - size) // 2


def scaled(images: Tensor, size: int) -> Tensor:
    """The pictures `[n, H, W, 3] uint8` scaled to `size` x `size` pixels."""
    planes = images.permute(0, 3, 1, 2).float()
    scaled = functional.interpolate(planes, size=(size, size), mode="bicubic", antialias=True, align_corners=False)
    return scaled.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
