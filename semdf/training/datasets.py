"""Samples: pictures, in memory or in their tars, with their label rows; chosen by row or by person."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from semdf.artifacts import read_rows, read_table, writing
from semdf.errors import DataError
from semdf.method.hierarchy import Hierarchy
from semdf.storage.columns import TRAINING_INPUT, kind_of
from semdf.storage.tars import read_image
from semdf.training.stream import Stream, find

__all__ = ["COLUMNS", "IN_MEMORY", "HoldOut", "Reading", "Samples", "as_categories", "hold_out", "load", "select"]

#: What a manifest must tell of every sample.
COLUMNS = TRAINING_INPUT

#: How the pictures of samples are read: all before training, or each when it is drawn.
Reading = Literal["memory", "stream"]

#: Pictures of more bytes than this are kept in a nameless file of $TMPDIR that is mapped into memory (ours).
IN_MEMORY = 8 << 30


@dataclass(frozen=True)
class Samples:
    """Pictures of one or more manifests and what is known of them; row i belongs to picture i.

    Attributes:
        rows: The manifest's rows with status "ok".
        images: [n, H, W, 3] uint8, sRGB. A tensor (if large, in a nameless file, see `IN_MEMORY`), or a stream, whose
            pictures are read when they are drawn.
        targets: [n, N] float32, the label rows.
        observed: [n, N] bool, False where a label row leaves a node open.
        partner: [n] int64, the index of a fake's pristine source in the same frame (or see `training.pairs`); -1 for
            reals and where unknown.
    """

    rows: pd.DataFrame
    images: Tensor | Stream
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
    manifests: Sequence[Path],
    hierarchy: Hierarchy,
    splits: Sequence[str],
    *,
    datasets: Sequence[str] = (),
    reading: Reading = "memory",
) -> Samples:
    """Read the usable rows of some splits and their label rows, and their pictures or where these are.

    Args:
        manifests: Their tars lie beside them.
        datasets: Whose rows are read; none named: all.
        reading: "memory" reads all pictures now. "stream" leaves them in their tars, and reads of the tables what
            training needs: `COLUMNS` without the names of pictures, `target` and `source`.

    Raises:
        DataError: Nothing is left, or pictures differ in size (which a stream finds when it reads them).
        MissingError: A tar or a picture is not there.
        WriteError: The pictures need a file (`IN_MEMORY`), and the disk has no room for it.
    """
    read = _read_whole if reading == "memory" else _read_needed
    tables = [read(Path(manifest), list(splits), list(datasets)) for manifest in manifests]
    rows = pd.concat(tables, ignore_index=True)
    if rows.empty:
        raise DataError(f"manifests must hold rows of status 'ok' of the splits {list(splits)}, found none")
    if reading == "memory":
        images: Tensor | Stream = _read_images(rows)
        rows = rows.drop(columns="folder")
    else:
        images = find(rows)
        rows = as_categories(rows.drop(columns=["folder", "shard", "member", "status"]))
    codes, labels = pd.factorize(rows["label"])
    return Samples(
        rows=rows,
        images=images,
        targets=torch.from_numpy(np.stack([hierarchy.label(name) for name in labels])[codes]),
        observed=torch.from_numpy(np.stack([hierarchy.observed(name) for name in labels])[codes]),
        partner=_partners(rows),
    )


def _read_whole(manifest: Path, splits: list[str], datasets: list[str]) -> pd.DataFrame:
    """The usable rows of a manifest, with all its columns and its folder."""
    table = read_table(manifest, COLUMNS).assign(folder=str(manifest.parent))
    chosen = (table["status"] == "ok") & table["split"].isin(splits)
    if datasets:
        chosen &= table["dataset"].isin(datasets)
    return table[chosen]


def _read_needed(manifest: Path, splits: list[str], datasets: list[str]) -> pd.DataFrame:
    """The same rows, with the columns that a stream needs."""
    where = {"status": ["ok"], "split": splits}
    if datasets:
        where["dataset"] = datasets
    columns = [column for column in COLUMNS if column != "sample"]
    table = read_rows(manifest, columns, where, optional=("target", "source"), plain=("member",))
    return table.assign(folder=pd.Categorical([str(manifest.parent)] * len(table)))


def as_categories(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with every text held once: of a million rows each column then takes some MB."""
    texts = [column for column in rows if kind_of(column) == "text"]
    return rows.assign(**{column: rows[column].astype("category") for column in texts})


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
    """[n] the index of each row's pristine source in the same frame, the last of several; -1 where there is none."""
    count = len(rows)
    videos = pd.concat([rows["video"].astype("str"), rows["pristine"].astype("str")], ignore_index=True)
    codes, _ = pd.factorize(videos)
    frame = rows["frame"].to_numpy(np.int64)
    frame = frame - frame.min()
    span = frame.max() + 1
    own = codes[:count] * span + frame
    wanted = codes[count:] * span + frame
    order = np.argsort(own, kind="stable")
    last = np.searchsorted(own[order], wanted, side="right") - 1
    place = order[last]
    known = (last >= 0) & (own[place] == wanted) & (rows["pristine"] != "").to_numpy()
    return torch.from_numpy(np.where(known, place, -1))


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
    if isinstance(samples.images, Stream):
        images: Tensor | Stream = samples.images.select(kept)
    else:
        room = _room(len(kept), *samples.images.shape[1:])
        images = torch.index_select(samples.images, 0, indices, out=room)
    return Samples(
        rows=samples.rows.iloc[kept].reset_index(drop=True),
        images=images,
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
