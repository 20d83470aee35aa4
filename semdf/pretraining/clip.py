"""Contrastive pretraining of a small CLIP on captioned pictures.

    loss = -1/2 mean_i [ log softmax_j(s <x_i, t_j>)_i + log softmax_j(s <x_j, t_i>)_i ]

for normalised features x of pictures, t of their sentences, and a learned scale s; computed by open_clip's own
`ClipLoss`. Source: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML
2021 (https://arxiv.org/abs/2103.00020).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import open_clip
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from semdf.errors import DataError, ParameterError
from semdf.method import towers
from semdf.params import Pretrain
from semdf.pretraining.captioned import Stills, mirror, view
from semdf.training import determinism
from semdf.training.checkpoints import keep, resume
from semdf.training.schedules import warm_cosine

__all__ = ["Batch", "Pretrained", "batches", "fit", "full_state"]

#: The scale s stays below this, as in the source.
LARGEST_SCALE = 100.0


@dataclass(frozen=True)
class Pretrained:
    """What pretraining leaves.

    Attributes:
        clip: Both towers after the last epoch with their whole vocabulary.
        history: A row an epoch.
    """

    clip: open_clip.CLIP
    history: pd.DataFrame


class Batch(NamedTuple):
    """Pictures of one step, and their sentences.

    Attributes:
        indices: [B], which stills.
        pictures: [B, 3, size, size] uint8, a view of each.
        sentences: [B, K], which of a still's sentences are read.
        mirrored: [B] bool, whether the view is mirrored.
    """

    indices: Tensor
    pictures: Tensor
    sentences: Tensor
    mirrored: Tensor


class _Tokens(NamedTuple):
    """Tokens of all sentences, renumbered so that only used words are kept.

    Attributes:
        used: Number of each kept token in the whole vocabulary.
        own: [n, C, L], of the training stills' sentences.
        mirrored: [n, C, L], of the same for mirrored pictures.
        asked: [m, L], of the validation stills' captions.
    """

    used: Tensor
    own: Tensor
    mirrored: Tensor
    asked: Tensor


def fit(train: Stills, validation: Stills, settings: Pretrain, *, checkpoints: Path | None = None) -> Pretrained:
    """Train both towers from scratch; the same inputs give the same bits at the same thread count.

    The last epoch is kept: nothing is chosen on any data. Validation is measured for the curve only.

    Args:
        checkpoints: Folder for a checkpoint after each epoch, from which an interrupted training resumes.

    Raises:
        DataError: The loss is not finite, or stills have different numbers of sentences.
        ParameterError: A batch holds more pictures than there are.
    """
    determinism.fix(settings.seed, settings.threads)
    clip = towers.create(settings.encoder, seed=settings.seed)
    vocabulary = clip.token_embedding.weight.detach().clone()
    tokens = _tokens(clip, train, validation)
    image = towers.ImageTower(clip.visual, settings.precision)
    steps = max(1, len(train) // settings.batch)
    optimiser = torch.optim.AdamW(_groups(clip, settings), lr=settings.lr, betas=(0.9, 0.98), eps=1e-6)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, warm_cosine(steps * settings.epochs, settings.warmup))
    stateful = {"clip": clip, "optimiser": optimiser, "schedule": schedule}
    history = resume(checkpoints, stateful)
    for epoch in range(len(history), settings.epochs):
        clip.train()
        losses = []
        drawn = batches(train, settings, (settings.seed, epoch), image.preprocess.size)
        for batch in tqdm(drawn, total=steps, desc=f"epoch {epoch + 1}", leave=False):
            value = _loss(clip, image, batch, tokens)
            if not torch.isfinite(value):
                raise DataError(f"training loss must be finite, found {value.item()} in epoch {epoch + 1}")
            optimiser.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(clip.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            with torch.no_grad():
                clip.logit_scale.clamp_(0, math.log(LARGEST_SCALE))
            losses.append(value.item())
        measured = _validate(clip, image, validation, tokens.asked)
        history.append({"epoch": epoch + 1, "loss": float(np.mean(losses)), **measured})
        keep(checkpoints, stateful, history)
    return Pretrained(_whole(clip, tokens.used, vocabulary).eval(), pd.DataFrame(history))


def batches(stills: Stills, settings: Pretrain, seed: tuple[int, ...], size: int) -> Iterator[Batch]:
    """The batches of one epoch; a last one that would not be full is left out.

    A picture's K sentences each count in full: they cost little next to the picture (ours).
    With `settings.siblings` up to so many pictures of a person share a batch: sentences must then tell what
    differs between them, not who is shown (ours).

    Args:
        seed: Everything random comes from it.
        size: Side of the views, pixels.

    Raises:
        ParameterError: A batch holds more pictures than there are.
    """
    if len(stills) < settings.batch:
        raise ParameterError(f"batch: must be at most the {len(stills)} training pictures, found {settings.batch}")
    random = np.random.default_rng((*seed, 1))
    order = _order(stills.rows["identity"].to_numpy(), settings.siblings, random)
    sentences = len(stills.rows["captions"].iloc[0])
    landmarks = stills.rows["landmarks"]
    zoom = (settings.zoom[0], settings.zoom[1])
    for start in range(0, len(order) - settings.batch + 1, settings.batch):
        indices = order[start : start + settings.batch]
        mirrored = random.random(len(indices)) < 0.5
        pictures = []
        for i, flip in zip(indices, mirrored, strict=True):
            cut = view(stills.image(i), landmarks.iloc[i], size, random, zoom=zoom, native=settings.native)
            pictures.append(cut[:, ::-1] if flip else cut)
        chosen = random.random((len(indices), sentences)).argsort(1)[:, : settings.sentences]
        yield Batch(
            torch.from_numpy(indices),
            torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2),
            torch.from_numpy(chosen),
            torch.from_numpy(mirrored),
        )


def full_state(clip: open_clip.CLIP) -> dict[str, Tensor]:
    """The state dict for a file: matrices and filters in half precision, everything else as it is."""
    state = {}
    for name, value in clip.state_dict().items():
        state[name] = value.half() if value.is_floating_point() and value.ndim > 1 else value
    return state


def _order(identities: np.ndarray, siblings: int, random: np.random.Generator) -> np.ndarray:
    """A random order in which groups of up to `siblings` pictures of a person stay together."""
    order = random.permutation(len(identities))
    people = identities[order]
    rank = pd.Series(people).groupby(people).cumcount().to_numpy() // siblings
    groups = pd.factorize(pd.MultiIndex.from_arrays([people, rank]))[0]
    place = random.permutation(groups.max() + 1)
    return order[np.argsort(place[groups], kind="stable")]


def _tokens(clip: open_clip.CLIP, train: Stills, validation: Stills) -> _Tokens:
    """Tokens of all sentences; of the vocabulary of `clip` only used words are kept."""
    captions = [list(sentences) for sentences in train.rows["captions"]]
    each = len(captions[0])
    if any(len(sentences) != each for sentences in captions):
        raise DataError("captions: every picture must have the same number of sentences, found several")
    own = [sentence for sentences in captions for sentence in sentences]
    mirrored = [mirror(sentence) for sentence in own]
    asked = validation.rows["caption"].tolist()
    tokens = towers.tokenize([*own, *mirrored, *asked], clip.context_length)
    used = tokens.unique()
    parts = towers.keep_tokens(clip, tokens).split([len(own), len(own), len(asked)])
    return _Tokens(
        used,
        own=parts[0].view(len(captions), each, -1),
        mirrored=parts[1].view(len(captions), each, -1),
        asked=parts[2],
    )


def _loss(clip: open_clip.CLIP, image: towers.ImageTower, batch: Batch, tokens: _Tokens) -> Tensor:
    """The mean over a picture's sentences of the contrastive loss of the batch."""
    stills = batch.indices[:, None]
    own = tokens.own[stills, batch.sentences]
    mirrored = tokens.mirrored[stills, batch.sentences]
    read = torch.where(batch.mirrored[:, None, None], mirrored, own)  # [B, K, L]
    x, t = _features(clip, image, batch.pictures, read.flatten(0, 1))
    said = t.unflatten(0, batch.sentences.shape).unbind(1)
    loss = open_clip.ClipLoss()
    return torch.stack([loss(x, features, clip.logit_scale.exp()) for features in said]).mean()


def _features(
    clip: open_clip.CLIP, image: towers.ImageTower, pictures: Tensor, tokens: Tensor
) -> tuple[Tensor, Tensor]:
    """Normalised features [B, D] of pictures and [n, D] of sentences; tokens after the longest sentence are cut."""
    longest = int(tokens.argmax(-1).max()) + 1
    x = F.normalize(image(image.normalise(pictures)), dim=-1)
    t = F.normalize(towers.encode_text(clip, tokens[:, :longest]), dim=-1)
    return x, t


def _validate(clip: open_clip.CLIP, image: towers.ImageTower, stills: Stills, tokens: Tensor) -> dict[str, float]:
    """The loss over all pictures at once, and how often a picture's own sentence is among the five closest."""
    clip.eval()
    size = image.preprocess.size
    with torch.inference_mode():
        found = []
        for part in torch.arange(len(stills)).split(64):
            pictures = torch.from_numpy(stills.views(part.tolist(), size)).permute(0, 3, 1, 2)
            found.append(_features(clip, image, pictures, tokens[part]))
        x = torch.cat([features for features, _ in found])
        t = torch.cat([features for _, features in found])
        scale = clip.logit_scale.exp()
        own = (x * t).sum(-1, keepdim=True)
        recall = ((x @ t.T > own).sum(1) < 5).float().mean()
        value = open_clip.ClipLoss()(x, t, scale)
    return {"val_loss": value.item(), "val_recall_5": recall.item(), "scale": scale.item()}


def _whole(clip: open_clip.CLIP, used: Tensor, embedding: Tensor) -> open_clip.CLIP:
    """Give the towers their whole vocabulary back; words that no caption used are as they were at the start."""
    embedding = embedding.clone()
    embedding[used] = clip.token_embedding.weight.detach()
    clip.token_embedding = torch.nn.Embedding.from_pretrained(embedding, freeze=False)
    clip.vocab_size = len(embedding)
    return clip


def _groups(clip: open_clip.CLIP, settings: Pretrain) -> list[dict]:
    """Matrices and filters decay; biases, norms and the scale do not."""
    parameters = list(clip.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
