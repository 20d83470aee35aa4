"""Samples of several kinds of data in one training: crops of different sides, and names that may be equal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor

from semdf.errors import DataError
from semdf.method.hierarchy import Hierarchy
from semdf.training.datasets import Samples, load
from semdf.training.sides import at_side

__all__ = ["Part", "join", "mix"]


class Part(NamedTuple):
    """Manifests that belong together: fakes and their pristine sources.

    Attributes:
        manifests: Their tars lie beside them.
        dataset: Whose rows are taken; empty for all.
        kind: Stands before the label as the manipulation of the fakes, so that batches, which are even over
            manipulations, hold each label of each kind; empty leaves the manipulations.
    """

    manifests: tuple[Path, ...]
    dataset: str = ""
    kind: str = ""


def mix(parts: Sequence[Part], hierarchy: Hierarchy, split: str, side: int) -> Samples:
    """The samples of a split of several parts, at one side.

    Args:
        parts: Fakes are paired within a part only.
        hierarchy: Gives the label rows.
        split: "train", "val" or "test".
        side: Of the crops, pixels.

    Raises:
        DataError: A part has no usable row of the split.
    """
    return join([_read(part, hierarchy, split, side) for part in parts])


def join(parts: Sequence[Samples]) -> Samples:
    """Samples below one another; pictures have one side, partners stay partners, equal keys stay apart."""
    count = sum(len(part) for part in parts)
    images = torch.empty((count, *parts[0].images.shape[1:]), dtype=torch.uint8)
    partners = []
    start = 0
    for part in parts:
        images[start : start + len(part)] = _in_memory(part)
        partners.append(torch.where(part.partner < 0, part.partner, part.partner + start))
        start += len(part)
    return Samples(
        rows=pd.concat([part.rows for part in parts], ignore_index=True),
        images=images,
        targets=torch.cat([part.targets for part in parts]),
        observed=torch.cat([part.observed for part in parts]),
        partner=torch.cat(partners),
    )


def _in_memory(samples: Samples) -> Tensor:
    """The pictures of samples that were read into memory."""
    if not isinstance(samples.images, Tensor):
        raise DataError("samples of a mixture must be in memory, found pictures that are read when they are drawn")
    return samples.images


def _read(part: Part, hierarchy: Hierarchy, split: str, side: int) -> Samples:
    samples = load(part.manifests, hierarchy, [split], datasets=[part.dataset] if part.dataset else [])
    images = torch.from_numpy(at_side(_in_memory(samples).numpy(), side))
    rows = samples.rows
    if part.kind:
        fake = rows["label"] != "real"
        rows = rows.assign(manipulation=rows["manipulation"].where(~fake, part.kind + "-" + rows["label"]))
    return replace(samples, rows=rows, images=images)
