"""From manifests to batches: pictures in memory, label rows, and a sampler that pairs a fake with its source."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch.nn import functional

from semdf.artifacts import read_table, writing
from semdf.errors import DataError
from semdf.method.hierarchy import Hierarchy
from semdf.storage.tars import read_image

__all__ = [
    *("COLUMNS", "IN_MEMORY", "HoldOut", "Samples", "count_batches", "hold_out", "load"),
    *("pair_batches", "select", "shuffled_batches", "views"),
]

#: What a manifest must tell of every sample.
COLUMNS = (
    *("dataset", "manipulation", "video", "frame", "sample", "label", "split", "pristine", "shard", "member"),
    "status",
)

#: Pictures of more bytes than this are kept in a file of scratch/ that is mapped into memory (ours).
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
    """Read the usable rows of some splits (and data sets, all by default), their pictures and label rows into memory.

    Shards lie beside their manifest. Raises DataError when nothing is left or pictures differ in size, WriteError when
    pictures need a file (`IN_MEMORY`) and the disk has no room for it.
    """
    tables = []
    for manifest in manifests:
        table = read_table(manifest, COLUMNS).assign(folder=str(Path(manifest).parent))
        chosen = (table["status"] == "ok") & table["split"].isin(list(splits))
        tables.append(table[chosen & table["dataset"].isin(list(datasets) or table["dataset"])])
    rows = pd.concat(tables, ignore_index=True)
    if rows.empty:
        raise DataError(f"manifests must hold rows of status 'ok' of the splits {list(splits)}, found none")
    images = _read_images(rows)
    labels = rows["label"].tolist()
    by_sample = {(v, f): i for i, (v, f) in enumerate(zip(rows["video"], rows["frame"], strict=True))}
    partner = [by_sample.get((p, f), -1) if p else -1 for p, f in zip(rows["pristine"], rows["frame"], strict=True)]
    return Samples(
        rows=rows.drop(columns="folder"),
        images=images,
        targets=torch.from_numpy(np.stack([hierarchy.label(name) for name in labels])),
        observed=torch.from_numpy(np.stack([hierarchy.observed(name) for name in labels])),
        partner=torch.tensor(partner),
    )


def select(samples: Samples, chosen: np.ndarray) -> Samples:
    """The samples where `chosen` [n] bool is true; a partner that is not among them is unknown from then on."""
    kept = np.flatnonzero(chosen)
    if not len(kept):
        raise DataError(f"selection must leave samples, found none of {len(samples)}")
    place = np.full(len(samples) + 1, -1)  # the last entry serves "unknown"
    place[kept] = np.arange(len(kept))
    at = torch.from_numpy(kept)
    return Samples(
        rows=samples.rows.iloc[kept].reset_index(drop=True),
        images=torch.index_select(samples.images, 0, at, out=_room(len(at), *samples.images.shape[1:])),
        targets=samples.targets[at],
        observed=samples.observed[at],
        partner=torch.from_numpy(place[samples.partner[at].numpy()]),
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
    """
    rows = samples.rows
    if missing := [name for name in ("target", "source") if name not in rows]:
        raise DataError(f"samples must say who is shown, in the columns target and source, found no {missing[0]!r}")
    pairs = rows.loc[~rows["manipulation"].str.startswith("expanded"), ["target", "source"]].drop_duplicates()
    people = sorted((set(rows["target"]) | set(rows["source"])) - {""})
    number = {name: i for i, name in enumerate(people)}
    known = pairs[(pairs["target"] != "") & (pairs["source"] != "")]
    ends = [known[name].map(number).to_numpy(int) for name in ("target", "source")]
    graph = coo_array((np.ones(len(known)), ends), shape=(len(people), len(people)))
    count, group = connected_components(graph, directed=False)
    held = np.random.default_rng(seed).permutation(count)[: round(share * count)]
    if not 0 < len(held) < count:
        raise DataError(f"share must leave people on both sides, found {share} of {count} groups of people")
    side = dict(zip(people, np.isin(group, held), strict=True))
    of = [rows[name].map(side) for name in ("target", "source")]  # NaN where nobody is named
    upper, lower = (np.logical_and.reduce([(o.isna() | (o == want)).to_numpy() for o in of]) for want in (True, False))
    unknown = upper & lower
    upper, lower = upper & ~unknown, lower & ~unknown
    return HoldOut(select(samples, lower), select(samples, upper), int((~upper & ~lower).sum()))


def _read_images(rows: pd.DataFrame) -> Tensor:
    images = _room(0)
    places = zip(rows["folder"], rows["shard"], rows["member"], strict=True)
    for i, (folder, shard, member) in enumerate(places):
        image = read_image(Path(folder), shard, member)
        images = images if i else _room(len(rows), *image.shape)
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
        if reserve := getattr(os, "posix_fallocate", None):  # else a full disk would end the process by a signal
            reserve(file.fileno(), 0, size)
        return torch.from_numpy(np.memmap(file, np.uint8, "r+" if reserve else "w+", shape=shape))


def pair_batches(samples: Samples, batch: int, pairs: int, seed: Sequence[int]) -> Iterator[Tensor]:
    """Batches of indices [batch]: the first half fakes, the second half their own pristine sources.

    A detector trained from scratch finds the traces only when both share a batch. Fakes are drawn without
    repetition, evenly over manipulations, until `pairs` are drawn or the fakes are used up.

    Args:
        batch: Pictures a step, even.
        pairs: Pairs an epoch at the most.
        seed: Of the order; (seed, epoch) gives each epoch its own.

    Raises:
        DataError: no fake has its source among the samples, or all of a manipulation miss theirs by the frame.
    """
    known = _paired(samples)
    if missed := _missed(samples):
        raise DataError(
            f"paired batches need fakes of every manipulation, found none of {', '.join(missed)} whose pristine video "
            "has a crop of the same frame: sample equal frames, or set train.partner to nearest"
        )
    if not len(known):
        raise DataError("paired batches need fakes whose pristine source is among the samples, found none")
    order = _draw_evenly(known.numpy(), samples.rows["manipulation"].to_numpy(), pairs, np.random.default_rng(seed))
    half = min(batch // 2, len(order))
    for i in range(0, len(order) - half + 1, half):
        fakes = torch.from_numpy(order[i : i + half])
        yield torch.cat([fakes, samples.partner[fakes]])


def shuffled_batches(samples: Samples, batch: int, pairs: int, seed: Sequence[int]) -> Iterator[Tensor]:
    """As `pair_batches`, but the reals are drawn apart from the fakes: what the field usually does."""
    random = np.random.default_rng(seed)
    order = _draw_evenly(samples.fakes.numpy(), samples.rows["manipulation"].to_numpy(), pairs, random)
    half = min(batch // 2, len(order))
    reals = samples.reals.numpy()
    drawn = np.concatenate([random.permutation(reals) for _ in range(len(order) // len(reals) + 1)])
    for i in range(0, len(order) - half + 1, half):
        yield torch.from_numpy(np.concatenate([order[i : i + half], drawn[i : i + half]]))


def count_batches(samples: Samples, batch: int, pairs: int, *, paired: bool) -> int:
    """How many batches an epoch of `pair_batches` gives, or, not `paired`, of `shuffled_batches`."""
    drawn = min(pairs, len(_paired(samples) if paired else samples.fakes))
    return drawn // min(batch // 2, drawn) if drawn else 0


def _paired(samples: Samples) -> Tensor:
    """Indices of the fakes whose partner is known."""
    return samples.fakes[samples.partner[samples.fakes] >= 0]


def _missed(samples: Samples) -> list[str]:
    """Manipulations without any pair although the pristine videos of some of their fakes are among the samples."""
    kinds = samples.rows["manipulation"].to_numpy()
    fakes, paired = samples.fakes.numpy(), _paired(samples).numpy()
    alone = fakes[~np.isin(kinds[fakes], kinds[paired])]
    if not len(alone):
        return []
    return sorted(set(kinds[alone][samples.rows["pristine"].iloc[alone].isin(samples.rows["video"])]))


def _draw_evenly(indices: np.ndarray, groups: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Up to `count` of `indices` in random order, as even over `groups` as their sizes allow."""
    indices = random.permutation(indices)
    rank = pd.Series(groups[indices]).groupby(groups[indices]).cumcount().to_numpy()
    chosen = indices[np.argsort(rank, kind="stable")[:count]]
    return random.permutation(chosen)


def views(
    images: Tensor,
    size: int,
    random: np.random.Generator | None = None,
    *,
    resample: bool = False,
    crop: bool = True,
    flip: bool = True,
    within: tuple[Tensor, int] | None = None,
) -> Tensor:
    """What the network sees of each picture: `size` x `size` pixels.

    Without `resample` they are cut out, from the centre or at random with a random flip, because resampling
    destroys the traces of forging; with it the whole picture is scaled (bicubic, as released) and perhaps flipped.

    Args:
        images: [n, H, W, 3] uint8.
        random: None for the deterministic view.
        crop, flip: Whether random views are cut at random, and mirrored at random; no effect on what else is drawn.
        within: When these are the pictures at some places [n] of a batch of so many: numbers are drawn for the whole
            batch, so that a picture's view does not depend on who else is here.

    Returns:
        [n, 3, size, size] uint8.
    """
    n, height, width = images.shape[:3]
    if resample:
        scaled = functional.interpolate(
            images.permute(0, 3, 1, 2).float(), size=(size, size), mode="bicubic", antialias=True, align_corners=False
        )
        images = scaled.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
        height = width = size
    if size > min(height, width):
        raise DataError(f"the network sees {size} px, so crops must be at least as large, found {height} x {width}")
    if random is None:
        top, left = (height - size) // 2, (width - size) // 2
        return images[:, top : top + size, left : left + size].permute(0, 3, 1, 2)
    places, total = within or (torch.arange(n), n)
    drawn = random.integers(0, height - size + 1, total), random.integers(0, width - size + 1, total)
    tops, lefts, flips = (numbers[places.numpy()] for numbers in (*drawn, random.random(total) < 0.5))
    if not crop:
        tops, lefts = np.full_like(tops, (height - size) // 2), np.full_like(lefts, (width - size) // 2)
    cut = [images[i, t : t + size, x : x + size] for i, (t, x) in enumerate(zip(tops, lefts, strict=True))]
    return torch.stack([c.flip(1) if flip and f else c for c, f in zip(cut, flips, strict=True)]).permute(0, 3, 1, 2)
