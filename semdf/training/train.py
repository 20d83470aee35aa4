"""The training loop: paired batches, a weighting strategy, a schedule, a checkpoint after every epoch."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

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
from semdf.training import determinism, distributed
from semdf.training.batches import Seen, steps
from semdf.training.checkpoints import keep, resume
from semdf.training.datasets import Samples, hold_out, select
from semdf.training.pairs import count_batches, nearest_frames
from semdf.training.runs import Config, build, weights_of
from semdf.training.schedules import warm_cosine, waves
from semdf.training.scoring import score_pictures
from semdf.training.stream import Stream, ahead

__all__ = ["Record", "checkpoints_of", "fit", "predict"]

#: What the objective is called with: images, targets and, where they are masked, which targets are observed.
Batch = tuple[Tensor, ...]
BATCH_NAMES = ("images", "targets", "observed")

#: Fields of `Samples` that are handed to other processes in one file.
TENSORS = ("images", "targets", "observed", "partner")
#: Fields of `Stream` that say where its pictures are.
PLACES = ("number", "offset", "size")


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
        DataError: A loss, a task's weight or the gradient is not finite: the model is as before that step, whose
            batches are kept with the checkpoints. Or a paired training cannot pair a manipulation (`pair_batches`).
        ParameterError: Processes cannot share the batches equally, or the loss that is trained on is no mean over a
            batch.
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
    determinism.fix(config.seed, config.train.threads)
    levels = _levels(samples, config)
    training = _start(levels.lower, config)
    stateful: dict[str, Any] = {
        "model": training.model,
        "strategy": training.strategy,
        "optimiser": training.optimiser,
        "schedule": training.schedule,
    }
    history = resume(checkpoints, stateful)
    distributed.agreed(len(history), "epochs in the folder of checkpoints")
    for epoch in range(len(history), config.train.epochs):
        losses = _epoch(training, levels, epoch, checkpoints)
        training.strategy.next_epoch()
        history.append(_measure(training, epoch, losses, validation))
        if distributed.rank() == 0:
            keep(checkpoints, stateful, history)
    return Record(training.model.eval(), pd.DataFrame(history), training.steps)


class _Levels(NamedTuple):
    """The samples that the batches of the lower and of the upper level are drawn from."""

    lower: Samples
    upper: Samples


def _levels(samples: Samples, config: Config) -> _Levels:
    """What a run trains on, of the samples that there are."""
    variant = config.variant
    if not variant.expanded:
        expanded = samples.rows["manipulation"].str.startswith("expanded").to_numpy()
        samples = select(samples, ~expanded)
    if config.train.partner == "nearest":
        samples = nearest_frames(samples)
    if variant.upper == "held_out":
        parts = hold_out(samples, variant.upper_share, config.seed)
        return _Levels(parts.lower, parts.upper)
    return _Levels(samples, samples)


@dataclass(frozen=True)
class _Training:
    """What takes part in a training, apart from its samples.

    Attributes:
        tasks: Names of the K losses.
        objective: Gives the losses [K] of a batch.
        strategy: Makes one gradient of the losses.
        schedule: Sets the optimiser's rates.
        steps: How many an epoch has.
    """

    config: Config
    tasks: tuple[str, ...]
    model: Any
    objective: CrossEntropy | Fidelity
    optimiser: torch.optim.AdamW
    strategy: weighting.Weighting
    schedule: torch.optim.lr_scheduler.LambdaLR
    steps: int


def _start(samples: Samples, config: Config) -> _Training:
    """Everything as it is before the first step; `samples` are those of the lower level."""
    t = config.train
    model: Any = build(config, _rates(samples)).to(distributed.place(t.device))
    model = distributed.synchronise(model)
    if config.variant.compile:
        model.image.compile()
    binary = config.objective == "binary"
    tasks = ("root",) if binary else tuple(config.variant.levels)
    objective = CrossEntropy(model) if binary else Fidelity(model, levels=tasks)
    optimiser = torch.optim.AdamW(_groups(model, t), betas=(t.betas[0], t.betas[1]))
    strategy = weighting.load("equal" if binary else config.objective, tasks=tasks, **_options(config, optimiser))
    steps = count_batches(samples, t.batch, t.pairs, paired=t.paired)
    total = max(1, steps * t.epochs)
    factor = waves(max(1, steps), total, t.warmup) if t.schedule == "waves" else warm_cosine(total, t.warmup)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
    return _Training(config, tasks, model, objective, optimiser, strategy, schedule, steps)


def _epoch(training: _Training, levels: _Levels, epoch: int, checkpoints: Path | None) -> list[list[float]]:
    """Take the steps of one epoch; the losses [K] of each.

    Raises:
        DataError: A step cannot be taken; its batches are kept with the checkpoints.
    """
    config = training.config
    model = training.model
    model.train()
    upper_samples = levels.upper if weighting.needs_upper(training.strategy) else None
    drawn = tqdm(
        steps(levels.lower, upper_samples, config, epoch, model.image_size),
        total=training.steps,
        desc=f"epoch {epoch + 1}/{config.train.epochs}",
        mininterval=5,
        leave=False,
        disable=distributed.rank() > 0,
    )
    losses = []
    for step in drawn:
        lower = _batch(model, config, levels.lower, step.lower)
        upper = None if step.upper is None else _batch(model, config, levels.upper, step.upper)
        try:
            record = _gradient(training, lower, upper)
        except SemdfError as error:
            raise DataError(f"epoch {epoch + 1}: {error}{_keep(lower, upper, checkpoints)}") from error
        training.optimiser.step()
        training.schedule.step()
        losses.append(record.losses.tolist())
    return losses


def _gradient(training: _Training, lower: Batch, upper: Batch | None) -> weighting.Record:
    """Set the gradient of a step, clipped.

    Raises:
        DataError: A loss, a weight or the gradient is not finite.
    """
    t = training.config.train
    record = training.strategy.backward(
        training.objective,
        lower,
        upper,
        lr=training.optimiser.param_groups[0]["lr"],
        weight_decay=t.weight_decay,
        reduce=distributed.average if distributed.size() > 1 else None,
    )
    if not (record.losses.isfinite().all() and record.weights.isfinite().all()):
        raise DataError(
            f"losses and weights must be finite, found {record.losses.tolist()} and {record.weights.tolist()}"
        )
    length = nn.utils.clip_grad_norm_(training.model.parameters(), t.clip or math.inf)
    if not length.isfinite():
        raise DataError(f"gradients must be finite, found one of length {length.item()}")
    return record


def _measure(training: _Training, epoch: int, losses: list[list[float]], validation: Samples) -> dict[str, Any]:
    """The row of the history that belongs to an epoch whose steps had these losses."""
    config = training.config
    readers = config.train.readers
    p = predict(training.model, validation, resample=config.crop.resampled, readers=readers)[:, 0]
    row: dict[str, Any] = {"epoch": epoch + 1}
    for task, loss in zip(training.tasks, np.mean(losses, 0).tolist(), strict=True):
        row[f"loss_{task}"] = loss
    if config.objective != "binary":
        for task, weight in zip(training.tasks, training.strategy.weights().tolist(), strict=True):
            row[f"lambda_{task}"] = weight
    row["val_auc"] = float(roc_auc_score(validation.targets[:, 0], p))
    return row


def predict(
    model: Detector, samples: Samples, *, batch: int = 64, resample: bool = False, readers: int = 0
) -> np.ndarray:
    """Marginals [n, N] of all samples in the deterministic view; each process of a group does some of the batches.

    Args:
        readers: Threads that read the pictures of a stream ahead.
    """
    model.eval()
    images = samples.images
    parts = [range(start, min(start + batch, len(samples))) for start in range(0, len(samples), batch)]
    mine = parts[distributed.rank() :: distributed.size()]
    pictures = ahead(_Pictures(images), mine, readers if isinstance(images, Stream) else 0)

    def marginals(_: range) -> Tensor:  # parts are asked for in the order in which they are read
        return score_pictures(model, next(pictures), batch=batch, resample=resample)

    return distributed.spread(marginals, parts).numpy()


@dataclass(frozen=True)
class _Pictures:
    """Some pictures that follow each other."""

    images: Tensor | Stream

    def __call__(self, part: range) -> Tensor:
        return self.images[part.start : part.stop]


def checkpoints_of(config: Config, *folders: Path, within: Path) -> Path:
    """Where the checkpoints of this training lie: a folder of `within` that depends on everything it reads.

    Of tars that are read as a stream, it depends on their sizes and the times of their last change, not on all their
    bytes. How many readers there are makes no difference.

    Args:
        folders: Of the manifests and tars of its pictures.
    """
    from semdf.dependencies import sources  # needs nbformat, which only the pipeline has

    files = [folder / "manifest.parquet" for folder in folders]
    tars = sorted(path for folder in folders for path in folder.rglob("*.tar"))
    if config.train.reading == "stream":
        stamps = [[tar.name, tar.stat().st_size, tar.stat().st_mtime_ns] for tar in tars]
    else:
        stamps = []
        files += tars
    files += sources("training.train")
    if start := weights_of(config.train):
        files.append(start)
    return within / digest(config.model_dump(exclude={"train": {"reading", "readers"}}), *stamps, *files)


def _launch(samples: Samples, validation: Samples, config: Config, checkpoints: Path | None) -> Record:
    """`fit` by processes of its own, which leave their last checkpoint to this one."""
    with temporary() as place:
        folder = checkpoints or place
        if len(resume(folder, {})) < config.train.epochs:
            handover = folder / "handover"
            _hand_over(samples, handover / "training")
            _hand_over(validation, handover / "validation")
            t = config.train
            distributed.launch(_work, t.processes, handover, config, folder, device=t.device, threads=t.threads)
            shutil.rmtree(handover, ignore_errors=True)
        return _fit(samples, validation, config, folder)  # finds nothing left to do


def _work(handover: Path, config: Config, checkpoints: Path) -> None:
    """What each process of `_launch` does."""
    samples = _take_over(handover / "training")
    validation = _take_over(handover / "validation")
    fit(samples, validation, config, checkpoints=checkpoints)


def _hand_over(samples: Samples, folder: Path) -> None:
    """Write samples for other processes: their pictures, or, of a stream, where these are."""
    write_table(samples.rows, folder / "rows.parquet")
    images = samples.images
    tensors: dict[str, Any] = {name: getattr(samples, name) for name in TENSORS}
    if isinstance(images, Stream):
        places = {name: torch.from_numpy(getattr(images, name)) for name in PLACES}
        tensors["images"] = {"tars": list(images.tars), "side": list(images.side), **places}
    with atomic(folder / "tensors.pt") as draft:
        torch.save(tensors, draft)


def _take_over(folder: Path) -> Samples:
    """The pictures stay in the file, of which the processes share one copy in memory."""
    tensors = torch.load(folder / "tensors.pt", weights_only=True, mmap=True)
    found = tensors["images"]
    if isinstance(found, dict):
        places = {name: found[name].numpy() for name in PLACES}
        tensors["images"] = Stream(tuple(found["tars"]), side=tuple(found["side"]), **places)
    return Samples(read_table(folder / "rows.parquet"), **tensors)


def _groups(model: nn.Module, t: Train) -> list[dict]:
    """Matrices and filters decay, biases, norms and scales only if all do. The text tower may learn more slowly."""
    groups: dict[_Kind, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            kind = _Kind(text=name.startswith("text."), decays=parameter.ndim > 1 or t.decay == "all")
            groups.setdefault(kind, []).append(parameter)
    return [
        {
            "params": group,
            "lr": t.lr * (t.text_lr if kind.text else 1.0),
            "weight_decay": t.weight_decay if kind.decays else 0.0,
        }
        for kind, group in groups.items()
    ]


class _Kind(NamedTuple):
    """Parameters that learn alike: whether they are the text tower's, and whether they decay."""

    text: bool
    decays: bool


def _batch(model: Detector, config: Config, samples: Samples, seen: Seen) -> Batch:
    """A batch as the objective takes it."""
    where = next(model.parameters()).device
    inputs = model.normalise(seen.images.to(where))
    targets = samples.targets[seen.indices].to(where)
    if config.variant.unobserved == "masked":
        return inputs, targets, samples.observed[seen.indices].to(where)
    return inputs, targets


def _options(config: Config, optimiser: torch.optim.AdamW) -> dict[str, object]:
    """Options of the run's strategy besides its tasks: its class says which fields of the run they are."""
    fields: dict[str, object] = {"seed": config.seed, "primary": "root"}
    fields.update({f"train.{name}": value for name, value in config.train})
    fields.update({f"variant.{name}": value for name, value in config.variant})
    fields["variant.virtual"] = optimiser if config.variant.virtual == "adamw" else None
    wanted = weighting.run_fields("equal" if config.objective == "binary" else config.objective)
    if config.variant.virtual == "adamw" and "variant.virtual" not in wanted.values():
        raise ParameterError(f"virtual: must be 'sgd' under {config.objective}, found 'adamw'")
    unknown = sorted(set(wanted.values()) - set(fields))
    if unknown:
        raise ParameterError(
            f"weighting {config.objective!r}: run_fields must be fields of a run, found {', '.join(unknown)}"
        )
    return {option: fields[field] for option, field in wanted.items()}


def _keep(lower: Batch, upper: Batch | None, folder: Path | None) -> str:
    """Save the batches of a step that failed; where, as the end of a sentence."""
    if folder is None:
        return ""
    parts = {}
    for level, batch in (("lower", lower), ("upper", upper or ())):
        for name, tensor in zip(BATCH_NAMES[: len(batch)], batch, strict=True):
            parts[f"{level}/{name}"] = tensor
    share = f"-{distributed.rank()}" if distributed.size() > 1 else ""
    path = write_weights(parts, folder / f"failed_step{share}.safetensors")
    return f"; the batches of this step are in {path.parent.name}/{path.name}"


def _rates(samples: Samples) -> list[float]:
    """[N] how often each node is active in a batch: half of it fakes, evenly over manipulations."""
    fakes = samples.fakes.numpy()
    manipulations = samples.rows["manipulation"].to_numpy()[fakes]
    rates = pd.DataFrame(samples.targets[fakes].numpy()).groupby(manipulations).mean()
    return (rates.mean() / 2).tolist()
