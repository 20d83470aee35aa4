"""Samples: pictures in memory with their label rows, read from manifests, chosen by row or by person."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from semdf.artifacts import read_table, writing
from semdf.errors import DataError
from semdf.method.hierarchy import Hierarchy
from semdf.storage.columns import TRAINING_INPUT
from semdf.storage.tars import read_image

__all__ = ["COLUMNS", "IN_MEMORY", "HoldOut", "Samples", "hold_out", "load", "select"]

#: What a manifest must tell of every sample.
COLUMNS = TRAINING_INPUT

#: Pictures of more bytes than this are kept in a nameless file of $TMPDIR that is mapped into memory (ours).
IN_MEMORY = 8 << 30


@dataclass(frozen=True)
class Samples:
    """Pictures of one or more manifests and what is known of them; row i belongs to picture i.

    Attributes:
        rows: The manifest's rows with status "ok".
        images: [n, H, W, 3] uint8, sRGB; many of them lie in a nameless file, see `IN_MEMORY`.
        targets: [n, N] float32, the label rows.
        observed: [n, N] bool, False where a label row leaves a node open.
        partner: [n] int64, the index of a fake's pristine source in the same frame (or see `training.pairs`); -1 for
            reals and where unknown.
    """

    rows: pd.DataFrame
    images: Tensor
    targets: Tensor
    observed: Tensor
    partner: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def fakes(self) -> Tensor:
        """Indices of the fakes."""
        return torch.nonzero(self.targets[:, 0] > 0.5).flatten()

    @property
    def reals(self) -> Tensor:
        """Indices of the reals."""
        return torch.nonzero(self.targets[:, 0] < 0.5).flatten()


def load(
    manifests: Sequence[Path], hierarchy: Hierarchy, splits: Sequence[str], *, datasets: Sequence[str] = ()
) -> Samples:
    """Read the usable rows of some splits, their pictures and label rows into memory.

    Args:
        manifests: Their tars lie beside them.
        datasets: Whose rows are read; none named: all.

    Raises:
        DataError: Nothing is left, or pictures differ in size.
        WriteError: The pictures need a file (`IN_MEMORY`), and the disk has no room for it.
    """
    tables = []
    for manifest in manifests:
        table = read_table(manifest, COLUMNS).assign(folder=str(Path(manifest).parent))
        chosen = (table["status"] == "ok") & table["split"].isin(list(splits))
        if datasets:
            chosen &= table["dataset"].isin(list(datasets))
        tables.append(table[chosen])
    rows = pd.concat(tables, ignore_index=True)
    if rows.empty:
        raise DataError(f"manifests must hold rows of status 'ok' of the splits {list(splits)}, found none")
    labels = rows["label"].tolist()
    return Samples(
        rows=rows.drop(columns="folder"),
        images=_read_images(rows),
        targets=torch.from_numpy(np.stack([hierarchy.label(name) for name in labels])),
        observed=torch.from_numpy(np.stack([hierarchy.observed(name) for name in labels])),
        partner=_partners(rows),
    )


def _read_images(rows: pd.DataFrame) -> Tensor:
    images = _room(0)  # until the first picture tells the size
    places = zip(rows["folder"], rows["shard"], rows["member"], strict=True)
    for i, (folder, shard, member) in enumerate(places):
        image = read_image(Path(folder), shard, member)
        if i == 0:
            images = _room(len(rows), *image.shape)
        if image.shape != images.shape[1:]:
            sizes = sorted({image.shape, tuple(images.shape[1:])})
            raise DataError(f"pictures of one training must have one size, found {sizes}")
        images.numpy()[i] = image
    return images


def _room(*shape: int) -> Tensor:
    """A tensor of uint8 to fill: in memory, or, with more than `IN_MEMORY` bytes, in a file of $TMPDIR."""
    size = math.prod(shape)
    if size <= IN_MEMORY:
        return torch.empty(shape, dtype=torch.uint8)
    with writing("the temporary folder"), tempfile.TemporaryFile() as file:
        # without reserved space a full disk would end the process by a signal
        if reserve := getattr(os, "posix_fallocate", None):
            reserve(file.fileno(), 0, size)
        return torch.from_numpy(np.memmap(file, np.uint8, "r+" if reserve else "w+", shape=shape))


def _partners(rows: pd.DataFrame) -> Tensor:
    """[n] the index of each row's pristine source in the same frame; -1 where there is none."""
    places = {}
    for place, key in enumerate(zip(rows["video"], rows["frame"], strict=True)):
        places[key] = place
    partner = []
    for pristine, frame in zip(rows["pristine"], rows["frame"], strict=True):
        partner.append(places.get((pristine, frame), -1) if pristine else -1)
    return torch.tensor(partner)


def select(samples: Samples, chosen: np.ndarray) -> Samples:
    """The samples where `chosen` [n] bool is true; a partner that is not among them is unknown from then on.

    Raises:
        DataError: Nothing is chosen.
    """
    kept = np.flatnonzero(chosen)
    if not len(kept):
        raise DataError(f"selection must leave samples, found none of {len(samples)}")
    new_place = np.full(len(samples) + 1, -1)  # the last entry is for the partner -1, which stays -1
    new_place[kept] = np.arange(len(kept))
    indices = torch.from_numpy(kept)
    room = _room(len(kept), *samples.images.shape[1:])
    return Samples(
        rows=samples.rows.iloc[kept].reset_index(drop=True),
        images=torch.index_select(samples.images, 0, indices, out=room),
        targets=samples.targets[indices],
        observed=samples.observed[indices],
        partner=torch.from_numpy(new_place[samples.partner[indices].numpy()]),
    )


class HoldOut(NamedTuple):
    """Samples of two sets of people, and how many were left out because they show one of each."""

    lower: Samples
    upper: Samples
    left_out: int


def hold_out(samples: Samples, share: float, seed: int) -> HoldOut:
    """Hold out about `share` of the people (ours): nobody is in both parts, not even as the source of a fake.

    Who is known by the columns `target` and `source`. People whose originals were swapped with each other stay
    together, so that few fakes are lost; forgeries of the expansion, whose donors are drawn from all, lose more.

    Raises:
        DataError: The rows do not name people, or `share` leaves nobody on one side.
    """
    rows = samples.rows
    for column in ("target", "source"):
        if column not in rows:
            raise DataError(f"samples must say who is shown, in the columns target and source, found no {column!r}")
    people = sorted((set(rows["target"]) | set(rows["source"])) - {""})
    group = _swapped_groups(rows, people)
    count = int(group.max(initial=-1)) + 1
    held = np.random.default_rng(seed).permutation(count)[: round(share * count)]
    if not 0 < len(held) < count:
        raise DataError(f"share must leave people on both sides, found {share} of {count} groups of people")
    upper_people = {name for name, number in zip(people, group, strict=True) if number in held}
    upper = _shows_only(rows, upper_people)
    lower = _shows_only(rows, set(people) - upper_people)
    unknown = upper & lower  # rows that name nobody
    upper = upper & ~unknown
    lower = lower & ~unknown
    left_out = int((~upper & ~lower).sum())
    return HoldOut(lower=select(samples, lower), upper=select(samples, upper), left_out=left_out)


def _swapped_groups(rows: pd.DataFrame, people: list[str]) -> np.ndarray:
    """[people] the number of each one's group: those who were swapped with each other, directly or by others."""
    swapped = rows.loc[~rows["manipulation"].str.startswith("expanded"), ["target", "source"]].drop_duplicates()
    known = swapped[(swapped["target"] != "") & (swapped["source"] != "")]
    number = {name: i for i, name in enumerate(people)}
    ends = [known[column].map(number).to_numpy(int) for column in ("target", "source")]
    graph = coo_array((np.ones(len(known)), ends), shape=(len(people), len(people)))
    _, group = connected_components(graph, directed=False)
    return group


def _shows_only(rows: pd.DataFrame, people: set[str]) -> np.ndarray:
    """[n] bool, whether all whom a row names are among these people; true for rows that name nobody."""
    return rows[["target", "source"]].isin(people | {""}).all(axis=1).to_numpy()
