"""What a step is given: which pictures, drawn from a seed, and what the network sees of them.

Everything random is drawn in the process that trains, in the order of the steps. What is left to do, reading and
changing pictures, depends on nothing else and may be done ahead by others (`semdf.training.stream.ahead`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, repeat
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from semdf.params import Train
from semdf.training import distributed, perturb
from semdf.training.camera import shoot
from semdf.training.datasets import Samples
from semdf.training.pairs import pair_batches, shuffled_batches
from semdf.training.runs import Config
from semdf.training.stream import Stream, ahead
from semdf.training.views import Cuts, Part, cut_out, draw_cuts, scaled

__all__ = ["Seen", "Step", "steps"]


class Seen(NamedTuple):
    """This process's share of a batch.

    Attributes:
        indices: [b] int64, of the samples: fakes, then their sources.
        images: [b, 3, size, size] uint8, what the network sees of them.
    """

    indices: Tensor
    images: Tensor


class Step(NamedTuple):
    """The batches of one step; `upper` is None for strategies that need none."""

    lower: Seen
    upper: Seen | None


def steps(lower: Samples, upper: Samples | None, config: Config, epoch: int, size: int) -> Iterator[Step]:
    """The batches of an epoch. They are the same however pictures are read, and by however many readers.

    Args:
        lower: What the batches of the lower level are drawn from.
        upper: The same of the upper level; None if it is not needed.
        config: Its block `train` says what is drawn, and how many readers are ahead.
        epoch: Counts from 0; with the seed of the run it decides what is drawn.
        size: Side of what the network sees, pixels.

    Raises:
        DataError: A paired training cannot pair a manipulation, or a picture cannot be read.
        ParameterError: The processes of a group cannot share a batch equally.
    """
    lowers = _plans(lower, config, size, (config.seed, epoch, 0))
    uppers = repeat(None) if upper is None else _upper_plans(upper, config, size, epoch)
    look = _Look(lower.images, None if upper is None else upper.images, config, size)
    readers = config.train.readers if isinstance(lower.images, Stream) else 0
    return ahead(look, zip(lowers, uppers, strict=False), readers)  # there is no end of upper batches


class _Plan(NamedTuple):
    """This process's share of a batch, before its pictures are read.

    Attributes:
        indices: [b] of the samples.
        cameras: The seed of each picture's camera; None without a camera.
        distortions: The random source of each picture's distortion; None without distortions.
        cuts: Where each picture is cut.
    """

    indices: Tensor
    cameras: list[np.random.SeedSequence] | None
    distortions: list[np.random.Generator] | None
    cuts: Cuts


def _plans(samples: Samples, config: Config, size: int, seed: tuple[int, ...]) -> Iterator[_Plan]:
    """One pass of batches."""
    t = config.train
    draw = pair_batches if t.paired else shuffled_batches
    random = np.random.default_rng((*seed, 1))
    side = (size, size) if config.crop.resampled else samples.images.shape[1:3]
    for indices in draw(samples, t.batch, t.pairs, seed):
        yield _plan(indices, t, random, (int(side[0]), int(side[1])), size)


def _upper_plans(samples: Samples, config: Config, size: int, epoch: int) -> Iterator[_Plan]:
    """Batches of the upper level without end: another order of the same list, as released, or held-out people."""
    seed = (config.seed, epoch, 1)
    yield from _plans(samples, config, size, seed)
    for again in count(1):
        yield from _plans(samples, config, size, (*seed, again))


def _plan(indices: Tensor, t: Train, random: np.random.Generator, side: tuple[int, int], size: int) -> _Plan:
    """What is drawn for a batch: for the whole of it, so that no picture's numbers depend on how it is shared."""
    whole = len(indices)
    mine = distributed.share(whole)
    # a fake and its source, which is half a batch further on, get the same numbers if they are to be seen alike
    drawn = whole // 2 if t.paired and t.same_view else whole
    cameras = None
    if t.camera:
        seeds = _seeds(random, drawn)
        cameras = [seeds[place % drawn] for place in mine.tolist()]
    distortions = None
    if t.augment == "sjedd":
        randoms = random.spawn(whole)  # leaves the random source of the views as it was
        distortions = [randoms[place] for place in mine.tolist()]
    part = Part(mine % drawn, drawn)
    cuts = draw_cuts(*side, size, random, part, crop=t.random_crop, flip=t.flip)
    return _Plan(indices[mine], cameras, distortions, cuts)


def _seeds(random: np.random.Generator, count: int) -> list[np.random.SeedSequence]:
    """New seeds from a generator, whose numbers stay as they were."""
    seeds: Any = random.bit_generator.seed_seq
    return seeds.spawn(count)


@dataclass(frozen=True)
class _Look:
    """Turns the plans of a step into what the network sees.

    Attributes:
        lower: The pictures of the lower level.
        upper: The same of the upper level, or None.
        config: What is done to them.
        size: Side of what the network sees, pixels.
    """

    lower: Tensor | Stream
    upper: Tensor | Stream | None
    config: Config
    size: int

    def __call__(self, plans: Sequence[_Plan | None]) -> Step:
        """The batches of one step."""
        lower, upper = plans
        assert lower is not None, "every step has a lower batch"
        if upper is None or self.upper is None:
            return Step(self._seen(self.lower, lower), None)
        return Step(self._seen(self.lower, lower), self._seen(self.upper, upper))

    def _seen(self, images: Tensor | Stream, plan: _Plan) -> Seen:
        pictures = _one_by_one(images, plan.indices)
        camera = self.config.train.camera
        if camera and plan.cameras:
            pictures = (shoot(one, camera, seed) for one, seed in zip(pictures, plan.cameras, strict=True))
        if plan.distortions:
            pictures = iter(perturb.augment(np.stack(list(pictures)), plan.distortions))
        if self.config.crop.resampled:
            pictures = iter(scaled(torch.from_numpy(np.stack(list(pictures))), self.size).numpy())
        return Seen(plan.indices, cut_out(pictures, self.size, plan.cuts))


def _one_by_one(images: Tensor | Stream, indices: Tensor) -> Iterator[np.ndarray]:
    """Pictures `[H, W, 3] uint8`; of a stream none is read before it is asked for."""
    if isinstance(images, Stream):
        return images.pictures(indices.numpy())
    return iter(images[indices].numpy())
