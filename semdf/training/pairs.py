"""Which pictures share a batch: a fake and its own pristine source, or fakes and reals that are drawn apart.

The source of a fake is the crop of its own frame, or else the nearest one of its source video (`nearest_frames`).
Frames are spread over each video's own length. A manipulation that is shorter than its originals, as FaceSwap and
NeuralTextures of the real FaceForensics++ are, then shares few frames with them or none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from semdf.errors import DataError
from semdf.training.datasets import Samples

__all__ = ["count_batches", "nearest_frames", "pair_batches", "partners", "shuffled_batches"]


def pair_batches(samples: Samples, batch: int, pairs: int, seed: Sequence[int]) -> Iterator[Tensor]:
    """Batches of indices [batch]: the first half fakes, the second half their own pristine sources.

    A detector trained from scratch finds the traces only when both share a batch. Fakes are drawn without
    repetition, evenly over manipulations, until `pairs` are drawn or the fakes are used up.

    Args:
        batch: Pictures a step, even.
        pairs: Pairs an epoch at the most.
        seed: Of the order; (seed, epoch) gives each epoch its own.

    Raises:
        DataError: No fake has its source among the samples, or all of a manipulation miss theirs by the frame.
    """
    known = _paired(samples)
    if missed := _missed(samples):
        raise DataError(
            "paired batches must have fakes of every manipulation whose pristine video has a crop of the same frame, "
            f"found none of {', '.join(missed)}: sample equal frames, or set train.partner to nearest"
        )
    if not len(known):
        raise DataError("paired batches must have fakes whose pristine source is among the samples, found none")
    order = _draw_evenly(known.numpy(), _kinds(samples), pairs, np.random.default_rng(seed))
    half = min(batch // 2, len(order))
    for start in range(0, len(order) - half + 1, half):
        fakes = torch.from_numpy(order[start : start + half])
        yield torch.cat([fakes, samples.partner[fakes]])


def shuffled_batches(samples: Samples, batch: int, pairs: int, seed: Sequence[int]) -> Iterator[Tensor]:
    """As `pair_batches`, but the reals are drawn apart from the fakes: what the field usually does."""
    random = np.random.default_rng(seed)
    order = _draw_evenly(samples.fakes.numpy(), _kinds(samples), pairs, random)
    half = min(batch // 2, len(order))
    reals = samples.reals.numpy()
    passes = len(order) // len(reals) + 1
    drawn = np.concatenate([random.permutation(reals) for _ in range(passes)])
    for start in range(0, len(order) - half + 1, half):
        indices = [order[start : start + half], drawn[start : start + half]]
        yield torch.from_numpy(np.concatenate(indices))


def count_batches(samples: Samples, batch: int, pairs: int, *, paired: bool) -> int:
    """How many batches an epoch of `pair_batches` gives, or, not `paired`, of `shuffled_batches`."""
    fakes = _paired(samples) if paired else samples.fakes
    drawn = min(pairs, len(fakes))
    if not drawn:
        return 0
    half = min(batch // 2, drawn)
    return drawn // half


def nearest_frames(samples: Samples) -> Samples:
    """Pair the fakes whose pristine video is there, but not in their frame, with its nearest frame (ours).

    A weaker pair: another picture of the same person and scene. It serves manipulations that are shorter than their
    originals, so that frames spread over either's length do not meet; `partners` counts such pairs.
    """
    rows = samples.rows
    partner = samples.partner.numpy().copy()
    fake = (samples.targets[:, 0] > 0.5).numpy()
    lost = (partner < 0) & fake & (rows["pristine"] != "").to_numpy()
    videos = rows["video"].astype("str")
    table = pd.DataFrame({"video": videos, "frame": rows["frame"], "at": np.arange(len(rows))})
    asked = table[lost].assign(video=rows.loc[lost, "pristine"].astype("str")).sort_values("frame")
    sources = table.rename(columns={"at": "source"}).sort_values(["frame", "source"])
    found = pd.merge_asof(asked, sources, on="frame", by="video", direction="nearest").dropna(subset="source")
    partner[found["at"].to_numpy(int)] = found["source"].to_numpy(int)
    return replace(samples, partner=torch.from_numpy(partner))


def partners(samples: Samples) -> pd.DataFrame:
    """What paired training makes of the fakes, a row a manipulation.

    Returns:
        Columns `fakes` (how many there are), `same_frame` and `other_frame` (how many are paired with their pristine
        source in the same frame, or in another one), and `left_out` (how many have no pair).
    """
    fakes = samples.fakes.numpy()
    rows = samples.rows.iloc[fakes]
    partner = samples.partner.numpy()[fakes]
    paired = partner >= 0
    same = paired & (rows["frame"].to_numpy() == samples.rows["frame"].to_numpy()[partner])
    columns = {"fakes": True, "same_frame": same, "other_frame": paired & ~same, "left_out": ~paired}
    return pd.DataFrame(columns, index=rows["manipulation"].astype("str")).groupby(level=0).sum()


def _paired(samples: Samples) -> Tensor:
    """Indices of the fakes whose partner is known."""
    fakes = samples.fakes
    return fakes[samples.partner[fakes] >= 0]


def _missed(samples: Samples) -> list[str]:
    """Manipulations without any pair although the pristine videos of some of their fakes are among the samples."""
    kinds = _kinds(samples)
    fakes = samples.fakes.numpy()
    paired = _paired(samples).numpy()
    alone = fakes[~np.isin(kinds[fakes], kinds[paired])]
    if not len(alone):
        return []
    has_source = samples.rows["pristine"].iloc[alone].isin(samples.rows["video"]).to_numpy()
    return sorted(set(samples.rows["manipulation"].iloc[alone[has_source]]))


def _kinds(samples: Samples) -> np.ndarray:
    """[n] a number for each manipulation: of a million texts, comparing takes seconds."""
    return pd.factorize(samples.rows["manipulation"])[0]


def _draw_evenly(indices: np.ndarray, groups: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Up to `count` of `indices` in random order, as even over `groups` as their sizes allow."""
    indices = random.permutation(indices)
    rank = pd.Series(groups[indices]).groupby(groups[indices]).cumcount().to_numpy()
    chosen = indices[np.argsort(rank, kind="stable")[:count]]
    return random.permutation(chosen)
