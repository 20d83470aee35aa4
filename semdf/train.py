"""The training loop: paired batches, a weighting strategy, cosine schedule, a checkpoint after every epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from tqdm import tqdm

from semdf import weighting
from semdf.artifacts import atomic
from semdf.datasets import Samples, pair_batches, shuffled_batches, views
from semdf.errors import DataError
from semdf.losses import CrossEntropy, Fidelity
from semdf.runs import Config, build

__all__ = ["Record", "fit", "predict"]

Batch = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Record:
    """What a training leaves: the model after the last epoch, and one row an epoch."""

    model: nn.Module
    history: pd.DataFrame


def fit(samples: Samples, validation: Samples, config: Config, *, checkpoints: Path | None = None) -> Record:
    """Train a run from its configuration; the same inputs give the same bits at the same thread count.

    The model of the last epoch is kept: nothing is chosen on any data. Validation is measured after every epoch
    for the curve only. A paired batch holds fakes and their own pristine sources (see `pair_batches`).

    Args:
        checkpoints: Folder for a checkpoint after each epoch, from which an interrupted training resumes.

    Raises:
        DataError: the loss is not finite.
    """
    torch.set_num_threads(config.train.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(config.seed)
    t = config.train
    model = build(config, _rates(samples))
    binary = config.objective == "binary"
    objective = CrossEntropy(model) if binary else Fidelity(model)
    names = ("root",) if binary else tuple(model.hierarchy.levels)
    strategy = weighting.load("equal" if binary else config.objective, tasks=len(names), **_options(config))
    optimiser = torch.optim.AdamW(_groups(model, t.lr, t.text_lr, t.weight_decay), betas=(0.9, 0.98))
    steps = min(t.pairs, len(samples.fakes)) // min(t.batch // 2, len(samples.fakes))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, _cosine(steps * t.epochs, t.warmup))
    stateful = {"model": model, "strategy": strategy, "optimiser": optimiser, "schedule": schedule}
    history = _resume(checkpoints, stateful)
    for epoch in range(len(history), t.epochs):
        model.train()
        rows = []
        batches = zip(_batches(samples, config, epoch, 0), _batches(samples, config, epoch, 1), strict=True)
        for lower, upper in tqdm(
            batches, total=steps, desc=f"epoch {epoch + 1}/{t.epochs}", mininterval=5, leave=False
        ):
            lower, upper = (_prepare(samples, model, *b, config.crop.resampled) for b in (lower, upper))
            rate = optimiser.param_groups[0]["lr"]
            step = strategy.backward(objective, lower, upper, lr=rate, weight_decay=t.weight_decay)
            if not torch.isfinite(step.losses).all():
                raise DataError(f"training loss must be finite, found {step.losses.tolist()} in epoch {epoch + 1}")
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            rows.append(step.losses.tolist())
        strategy.next_epoch()
        p = predict(model, validation, resample=config.crop.resampled)[:, 0]
        history.append(
            {
                "epoch": epoch + 1,
                **{f"loss_{n}": v for n, v in zip(names, np.mean(rows, 0).tolist(), strict=True)},
                **(
                    {}
                    if binary
                    else {f"lambda_{n}": v for n, v in zip(names, strategy.weights().tolist(), strict=True)}
                ),
                "val_auc": float(roc_auc_score(validation.targets[:, 0], p)),
            }
        )
        _checkpoint(checkpoints, stateful, history)
    return Record(model.eval(), pd.DataFrame(history))


def predict(model: nn.Module, samples: Samples, *, batch: int = 64, resample: bool = False) -> np.ndarray:
    """Marginals [n, N] of all samples in the deterministic view."""
    model.eval()
    with torch.inference_mode():
        seen = (views(x, model.image_size, resample=resample) for x in samples.images.split(batch))
        parts = [model(model.normalise(x)) for x in seen]
    return torch.cat(parts).float().numpy()


def _groups(model: nn.Module, lr: float, text_lr: float, weight_decay: float) -> list[dict]:
    """Matrices and filters decay; biases, norms and scales do not. The text tower may learn more slowly."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((name.startswith("text."), parameter.ndim > 1), []).append(parameter)
    return [
        {"params": group, "lr": lr * (text_lr if text else 1.0), "weight_decay": weight_decay if decays else 0.0}
        for (text, decays), group in groups.items()
    ]


def _cosine(total: int, warmup: float) -> Callable[[int], float]:
    """Linear rise over the first share `warmup` of the steps, then half a cosine towards 0."""

    def factor(step: int) -> float:
        rise = max(1, round(warmup * total))
        return min(1.0, (step + 1) / rise) * (0.5 + 0.5 * math.cos(math.pi * step / total))

    return factor


def _batches(samples: Samples, config: Config, epoch: int, level: int) -> Iterator[tuple[Tensor, np.random.Generator]]:
    """Batches of the lower (0) or upper (1) level: two orders of the same list, as released."""
    seed = (config.seed, epoch, level)
    draw = pair_batches if config.train.paired else shuffled_batches
    random = np.random.default_rng((*seed, 1))
    for indices in draw(samples, config.train.batch, config.train.pairs, seed):
        yield indices, random


def _prepare(samples: Samples, model: nn.Module, indices: Tensor, random: np.random.Generator, resample: bool) -> Batch:
    images = views(samples.images[indices], model.image_size, random, resample=resample)
    return model.normalise(images), samples.targets[indices], samples.observed[indices]


def _options(config: Config) -> dict:
    """What the strategy of this run takes besides the number of tasks."""
    t = config.train
    return {"every": t.lambda_every, "lr": t.lambda_lr} if config.objective == "auto_lambda" else {}


def _rates(samples: Samples) -> list[float]:
    """[N] how often each node is active in a batch: half of it fakes, evenly over manipulations."""
    fakes = samples.fakes.numpy()
    rows = pd.DataFrame(samples.targets[fakes].numpy()).groupby(samples.rows["manipulation"].to_numpy()[fakes]).mean()
    return (rows.mean() / 2).tolist()


def _resume(folder: Path | None, stateful: dict) -> list[dict]:
    path = folder / "last.pt" if folder else None
    if not path or not path.is_file():
        return []
    state = torch.load(path, weights_only=True)
    for name, item in stateful.items():
        item.load_state_dict(state[name])
    return state["history"]


def _checkpoint(folder: Path | None, stateful: dict, history: list[dict]) -> None:
    if folder:
        with atomic(folder / "last.pt") as draft:
            torch.save({n: item.state_dict() for n, item in stateful.items()} | {"history": history}, draft)
