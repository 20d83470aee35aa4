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

__all__ = ["Pretrained", "batches", "fit", "full_state"]

#: The scale s stays below this, as in the source.
LARGEST_SCALE = 100.0


@dataclass(frozen=True)
class Pretrained:
    """What pretraining leaves: both towers after the last epoch with their whole vocabulary, and a row an epoch."""

    clip: open_clip.CLIP
    history: pd.DataFrame


def fit(train: Stills, validation: Stills, settings: Pretrain, *, checkpoints: Path | None = None) -> Pretrained:
    """Train both towers from scratch; the same inputs give the same bits at the same thread count.

    The last epoch is kept: nothing is chosen on any data. Validation is measured for the curve only.

    Args:
        checkpoints: Folder for a checkpoint after each epoch, from which an interrupted training resumes.

    Raises:
        DataError: the loss is not finite.
    """
    determinism.fix(settings.seed, settings.threads)
    clip = towers.create(settings.encoder, seed=settings.seed)
    whole = clip.token_embedding.weight.detach().clone()
    used, (own, mirrored, asked) = _tokens(clip, train, validation)
    image = towers.ImageTower(clip.visual, settings.precision)
    steps = max(1, len(train) // settings.batch)
    optimiser = torch.optim.AdamW(_groups(clip, settings), lr=settings.lr, betas=(0.9, 0.98), eps=1e-6)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, warm_cosine(steps * settings.epochs, settings.warmup))
    stateful = {"clip": clip, "optimiser": optimiser, "schedule": schedule}
    history, loss = resume(checkpoints, stateful), open_clip.ClipLoss()
    for epoch in range(len(history), settings.epochs):
        clip.train()
        losses = []
        drawn = batches(train, settings, (settings.seed, epoch), image.preprocess.size)
        for indices, pictures, sentences, flipped in tqdm(drawn, total=steps, desc=f"epoch {epoch + 1}", leave=False):
            at = indices[:, None], sentences
            tokens = torch.where(flipped[:, None, None], mirrored[at], own[at])  # [B, K, L]
            x, t = _features(clip, image, pictures, tokens.flatten(0, 1))
            said = t.unflatten(0, sentences.shape).unbind(1)
            value = torch.stack([loss(x, each, clip.logit_scale.exp()) for each in said]).mean()
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
        measured = _validate(clip, image, validation, asked)
        history.append({"epoch": epoch + 1, "loss": float(np.mean(losses)), **measured})
        keep(checkpoints, stateful, history)
    return Pretrained(_whole(clip, used, whole).eval(), pd.DataFrame(history))


def batches(
    stills: Stills, settings: Pretrain, seed: tuple[int, ...], size: int
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """One epoch: indices [B], views [B, 3, size, size] uint8, which sentences [B, K], whether it is mirrored [B].

    A picture's K sentences each count in full: they cost little next to the picture (ours).
    With `settings.siblings` up to so many pictures of a person share a batch: sentences must then tell what
    differs between them, not who is shown (ours).
    """
    if len(stills) < settings.batch:
        raise ParameterError(f"batch: must be at most the {len(stills)} training pictures, found {settings.batch}")
    random = np.random.default_rng((*seed, 1))
    order = _order(stills.rows["identity"].to_numpy(), settings.siblings, random)
    sentences = len(stills.rows["captions"].iloc[0])
    zoom = (settings.zoom[0], settings.zoom[1])
    for start in range(0, len(order) - settings.batch + 1, settings.batch):
        indices = order[start : start + settings.batch]
        flips = random.random(len(indices)) < 0.5
        places = stills.rows["landmarks"]
        cut = [view(stills.image(i), places.iloc[i], size, random, zoom=zoom, native=settings.native) for i in indices]
        pictures = np.stack([c[:, ::-1] if flip else c for c, flip in zip(cut, flips, strict=True)])
        chosen = random.random((len(indices), sentences)).argsort(1)[:, : settings.sentences]
        yield (
            torch.from_numpy(indices),
            torch.from_numpy(pictures).permute(0, 3, 1, 2),
            torch.from_numpy(chosen),
            torch.from_numpy(flips),
        )


def full_state(clip: open_clip.CLIP) -> dict[str, Tensor]:
    """The state dict for a file: matrices and filters in half precision, everything else as it is."""
    state = clip.state_dict()
    return {k: v.half() if v.is_floating_point() and v.ndim > 1 else v for k, v in state.items()}


def _order(identities: np.ndarray, siblings: int, random: np.random.Generator) -> np.ndarray:
    """A random order in which groups of up to `siblings` pictures of a person stay together."""
    order = random.permutation(len(identities))
    rank = pd.Series(identities[order]).groupby(identities[order]).cumcount().to_numpy() // siblings
    groups = pd.factorize(pd.MultiIndex.from_arrays([identities[order], rank]))[0]
    place = random.permutation(groups.max() + 1)
    return order[np.argsort(place[groups], kind="stable")]


def _tokens(clip: open_clip.CLIP, train: Stills, validation: Stills) -> tuple[Tensor, list[Tensor]]:
    """Tokens of all captions, of the mirrored ones, and of the validation captions; only used words are kept.

    Returns the used tokens, and tokens [n, C, L], [n, C, L] and [m, L] renumbered.
    """
    own = [list(sentences) for sentences in train.rows["captions"]]
    if len({len(sentences) for sentences in own}) > 1:
        raise DataError("captions: every picture must have the same number of sentences, found several")
    said = [s for sentences in own for s in sentences]
    asked = validation.rows["caption"].tolist()
    tokens = towers.tokenize([*said, *map(mirror, said), *asked], clip.context_length)
    used = tokens.unique()
    tokens = towers.keep_tokens(clip, tokens)
    shape = len(own), len(own[0]), -1
    return used, [
        tokens[: len(said)].view(shape),
        tokens[len(said) : 2 * len(said)].view(shape),
        tokens[2 * len(said) :],
    ]


def _features(clip: open_clip.CLIP, image: towers.ImageTower, pictures: Tensor, tokens: Tensor) -> tuple:
    """Normalised features [B, D] of pictures and [n, D] of sentences; tokens after the longest sentence are cut."""
    tokens = tokens[:, : int(tokens.argmax(-1).max()) + 1]
    x = F.normalize(image(image.normalise(pictures)), dim=-1)
    return x, F.normalize(towers.encode_text(clip, tokens), dim=-1)


def _validate(clip: open_clip.CLIP, image: towers.ImageTower, stills: Stills, tokens: Tensor) -> dict[str, float]:
    """The loss over all pictures at once, and how often a picture's own sentence is among the five closest."""
    clip.eval()
    size = image.preprocess.size
    with torch.inference_mode():
        parts = torch.arange(len(stills)).split(64)
        pictures = (torch.from_numpy(stills.views(part.tolist(), size)).permute(0, 3, 1, 2) for part in parts)
        found = [_features(clip, image, p, tokens[part]) for part, p in zip(parts, pictures, strict=True)]
        x, t = (torch.cat(each) for each in zip(*found, strict=True))
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
