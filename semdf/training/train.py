"""The training loop: paired batches, a weighting strategy, a schedule, a checkpoint after every epoch."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, repeat
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from tqdm import tqdm

from semdf.artifacts import atomic, digest, read_table, temporary, write_table, write_weights
from semdf.errors import DataError, ParameterError, SemdfError
from semdf.method import weighting
from semdf.method.losses import CrossEntropy, Fidelity
from semdf.method.model import Detector
from semdf.params import Train
from semdf.training import determinism, distributed, perturb
from semdf.training.checkpoints import keep, resume, warm_cosine, waves
from semdf.training.datasets import Samples, count_batches, hold_out, pair_batches, select, shuffled_batches, views
from semdf.training.pairs import nearest_frames
from semdf.training.runs import Config, build, weights_of

__all__ = ["Record", "checkpoints_of", "fit", "predict"]

Batch = tuple[Tensor, ...]


@dataclass(frozen=True)
class Record:
    """What a training leaves: the model after the last epoch, one row an epoch, and how many steps an epoch had."""

    model: Detector
    history: pd.DataFrame
    steps: int


def fit(samples: Samples, validation: Samples, config: Config, *, checkpoints: Path | None = None) -> Record:
    """Train a run from its configuration; the same inputs give the same bits at the same thread count.

    The model of the last epoch is kept: nothing is chosen on any data. Validation is measured after every epoch
    for the curve only. A paired batch holds fakes and their own pristine sources (see `pair_batches`).

    With `config.train.processes` above 1 that many processes on this machine share every batch; under `torchrun` they
    are there already, and the first one writes. Weights and scores are then those of one process up to rounding.

    Args:
        checkpoints: Folder for a checkpoint after each epoch, from which an interrupted training resumes. Processes
            on several machines must all see it.

    Raises:
        DataError: a loss, a task's weight or the gradient is not finite: the model is as before that step, whose
            batches are kept with the checkpoints. Or a paired training cannot pair a manipulation (`pair_batches`).
        ParameterError: processes cannot share the batches equally, or what is trained is no mean over a batch.
    """
    t = config.train
    if t.processes > 1 and (config.variant.compile or config.variant.unobserved == "masked"):
        raise ParameterError(
            "processes: must be 1 for a compiled tower, and for masked targets, whose loss is no mean over the batch, "
            f"found {t.processes}"
        )
    if t.processes > 1 and not distributed.launched():
        return _launch(samples, validation, config, checkpoints)
    with distributed.joined(t.processes, t.device):
        return _fit(samples, validation, config, checkpoints)


def _fit(samples: Samples, validation: Samples, config: Config, checkpoints: Path | None) -> Record:
    """`fit` by this process, alone or as one of a group."""
    t, v = config.train, config.variant
    determinism.fix(config.seed, t.threads)
    if not v.expanded:
        samples = select(samples, ~samples.rows["manipulation"].str.startswith("expanded").to_numpy())
    if t.partner == "nearest":
        samples = nearest_frames(samples)
    held = samples
    if v.upper == "held_out":
        samples, held, _ = hold_out(samples, v.upper_share, config.seed)
    model: Any = distributed.synchronise(build(config, _rates(samples)).to(distributed.place(t.device)))
    if v.compile:
        model.image.compile()
    binary = config.objective == "binary"
    names = ("root",) if binary else tuple(v.levels)
    objective = CrossEntropy(model) if binary else Fidelity(model, levels=names)
    optimiser = torch.optim.AdamW(_groups(model, t), betas=(t.betas[0], t.betas[1]))
    strategy = weighting.load("equal" if binary else config.objective, tasks=names, **_options(config, optimiser))
    reduce = distributed.average if distributed.size() > 1 else None
    steps = count_batches(samples, t.batch, t.pairs, paired=t.paired)
    total = max(1, steps * t.epochs)
    factor = waves(max(1, steps), total, t.warmup) if t.schedule == "waves" else warm_cosine(total, t.warmup)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
    stateful: dict[str, Any] = {"model": model, "strategy": strategy, "optimiser": optimiser, "schedule": schedule}
    history = resume(checkpoints, stateful)
    distributed.agreed(len(history), "epochs in the folder of checkpoints")
    for epoch in range(len(history), t.epochs):
        model.train()
        rows = []
        uppers = _uppers(held, config, epoch) if weighting.needs_upper(strategy) else repeat(None)
        for lower in tqdm(
            _batches(samples, config, (config.seed, epoch, 0)),
            total=steps,
            desc=f"epoch {epoch + 1}/{t.epochs}",
            mininterval=5,
            leave=False,
            disable=distributed.rank() > 0,
        ):
            drawn = next(uppers)
            lower, upper = _prepare(model, config, *lower), drawn and _prepare(model, config, *drawn)
            rate = optimiser.param_groups[0]["lr"]
            try:
                step = strategy.backward(objective, lower, upper, lr=rate, weight_decay=t.weight_decay, reduce=reduce)
                if not (step.losses.isfinite().all() and step.weights.isfinite().all()):
                    raise DataError(
                        f"losses and weights must be finite, found {step.losses.tolist()} and {step.weights.tolist()}"
                    )
                length = nn.utils.clip_grad_norm_(model.parameters(), t.clip or math.inf)
                if not length.isfinite():
                    raise DataError(f"gradients must be finite, found one of length {length.item()}")
            except SemdfError as error:
                raise DataError(f"epoch {epoch + 1}: {error}{_keep(lower, upper, checkpoints)}") from error
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
        if distributed.rank() == 0:
            keep(checkpoints, stateful, history)
    return Record(model.eval(), pd.DataFrame(history), steps)


def predict(model: Detector, samples: Samples, *, batch: int = 64, resample: bool = False) -> np.ndarray:
    """Marginals [n, N] of all samples in the deterministic view; each process of a group does some of the batches."""
    model.eval()
    where = next(model.parameters()).device

    def marginals(images: Tensor) -> Tensor:
        return model(model.normalise(views(images, model.image_size, resample=resample).to(where)))

    with torch.inference_mode():
        return distributed.spread(marginals, samples.images.split(batch)).float().numpy()


def checkpoints_of(config: Config, *folders: Path, within: Path) -> Path:
    """Where the checkpoints of this training lie: a folder of `within` that depends on everything it reads.

    folders: of the manifests and tars of its pictures.
    """
    from semdf.dependencies import sources

    manifests = [folder / "manifest.parquet" for folder in folders]
    shards = sorted(path for folder in folders for path in folder.rglob("*.tar"))
    start = weights_of(config.train)
    key = digest(config.model_dump(), *manifests, *shards, *sources("training.train"), *([start] if start else []))
    return within / key


def _launch(samples: Samples, validation: Samples, config: Config, checkpoints: Path | None) -> Record:
    """`fit` by processes of its own, which leave their last checkpoint to this one."""
    with temporary() as place:
        folder = checkpoints or place
        if len(resume(folder, {})) < config.train.epochs:
            handover = folder / "handover"
            for name, part in (("training", samples), ("validation", validation)):
                _hand_over(part, handover / name)
            t = config.train
            distributed.launch(_work, t.processes, handover, config, folder, device=t.device, threads=t.threads)
            shutil.rmtree(handover, ignore_errors=True)
        return _fit(samples, validation, config, folder)  # finds nothing left to do


def _work(handover: Path, config: Config, checkpoints: Path) -> None:
    samples, validation = (_take_over(handover / name) for name in ("training", "validation"))
    fit(samples, validation, config, checkpoints=checkpoints)


TENSORS = ("images", "targets", "observed", "partner")


def _hand_over(samples: Samples, folder: Path) -> None:
    write_table(samples.rows, folder / "rows.parquet")
    with atomic(folder / "tensors.pt") as draft:
        torch.save({name: getattr(samples, name) for name in TENSORS}, draft)


def _take_over(folder: Path) -> Samples:
    """The pictures stay in the file, of which the processes share one copy in memory."""
    tensors = torch.load(folder / "tensors.pt", weights_only=True, mmap=True)
    return Samples(read_table(folder / "rows.parquet"), **tensors)


def _groups(model: nn.Module, t: Train) -> list[dict]:
    """Matrices and filters decay, biases, norms and scales only if all do. The text tower may learn more slowly."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decays = parameter.ndim > 1 or t.decay == "all"
            groups.setdefault((name.startswith("text."), decays), []).append(parameter)
    return [
        {"params": group, "lr": t.lr * (t.text_lr if text else 1.0), "weight_decay": t.weight_decay if decays else 0.0}
        for (text, decays), group in groups.items()
    ]


Drawn = tuple[Samples, Tensor, np.random.Generator]


def _batches(samples: Samples, config: Config, seed: tuple[int, ...]) -> Iterator[Drawn]:
    """One pass of batches: samples, their indices, and the random source of their views."""
    draw = pair_batches if config.train.paired else shuffled_batches
    random = np.random.default_rng((*seed, 1))
    for indices in draw(samples, config.train.batch, config.train.pairs, seed):
        yield samples, indices, random


def _uppers(samples: Samples, config: Config, epoch: int) -> Iterator[Drawn]:
    """Batches of the upper level: another order of the same list, as released, or held-out people, over and over."""
    seed = (config.seed, epoch, 1)
    yield from _batches(samples, config, seed)
    for again in count(1):
        yield from _batches(samples, config, (*seed, again))


def _prepare(model: Detector, config: Config, samples: Samples, indices: Tensor, random: np.random.Generator) -> Batch:
    """This process's share of a batch; random views are drawn for the whole of it."""
    t, mine, where = config.train, distributed.share(len(indices)), next(model.parameters()).device
    views_drawn = len(indices) // 2 if t.paired and t.same_view else len(indices)
    pictures, within = samples.images[indices[mine]], (mine % views_drawn, views_drawn)
    if t.augment == "sjedd":
        each = random.spawn(len(indices))  # leaves the random source of the views as it was
        pictures = torch.from_numpy(perturb.augment(pictures.numpy(), [each[i] for i in mine.tolist()]))
    indices, choices = indices[mine], {"crop": t.random_crop, "flip": t.flip, "resample": config.crop.resampled}
    images = views(pictures, model.image_size, random, within=within, **choices)
    batch = model.normalise(images.to(where)), samples.targets[indices].to(where)
    return (*batch, samples.observed[indices].to(where)) if config.variant.unobserved == "masked" else batch


def _options(config: Config, optimiser: torch.optim.AdamW) -> dict:
    """What the strategy of this run takes besides the names of the tasks."""
    t = config.train
    match config.objective:
        case "auto_lambda" | "auto_lambda_fd" | "auto_lambda_late":
            options = {"every": t.lambda_every, "lr": t.lambda_lr, "primary": "root"}
            if config.variant.virtual == "adamw":
                if config.objective != "auto_lambda":
                    raise ParameterError(f"virtual: must be 'sgd' under {config.objective}, found 'adamw'")
                options["optimiser"] = optimiser
            return options
        case "random":
            return {"seed": config.seed}
        case _:
            return {}


def _keep(lower: Batch, upper: Batch | None, folder: Path | None) -> str:
    """Save the batches of a step that failed; where, as the end of a sentence."""
    if folder is None:
        return ""
    parts = {
        f"{level}/{name}": tensor
        for level, batch in (("lower", lower), ("upper", upper or ()))
        for name, tensor in zip(("images", "targets", "observed")[: len(batch)], batch, strict=True)
    }
    share = f"-{distributed.rank()}" if distributed.size() > 1 else ""
    path = write_weights(parts, folder / f"failed_step{share}.safetensors")
    return f"; the batches of this step are in {path.parent.name}/{path.name}"


def _rates(samples: Samples) -> list[float]:
    """[N] how often each node is active in a batch: half of it fakes, evenly over manipulations."""
    fakes = samples.fakes.numpy()
    rows = pd.DataFrame(samples.targets[fakes].numpy()).groupby(samples.rows["manipulation"].to_numpy()[fakes]).mean()
    return (rows.mean() / 2).tolist()
