"""Train facexlib's BiSeNet on rendered people with exact masks and store it as facexlib stores its own weights."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from facexlib.parsing.bisenet import BiSeNet
from torch import Tensor, nn
from tqdm import tqdm

from semdf.artifacts import atomic, read_table
from semdf.errors import DataError, ParameterError
from semdf.faces.crops import REGION_BITS, Crop, Face, crop
from semdf.faces.parsing import CLASSES, Parser, normalise, part_bits, region_ious
from semdf.params import Parser as Settings
from semdf.pretraining.face_parser_views import augment, classes_of
from semdf.storage.columns import FACE_PARSER_STILLS
from semdf.storage.tars import ShardReader
from semdf.training import determinism
from semdf.training.checkpoints import keep, resume
from semdf.training.schedules import warm_cosine

__all__ = ["Labelled", "Record", "cut_face", "fit", "measure", "save"]

COLUMNS = FACE_PARSER_STILLS
#: Small parts count more (ours), but little: what counts w times is drawn wherever it is likelier than 1 in 1 + w.
#: Every other class counts 1.
WEIGHTS = {"brow": 1.5, "eye": 2.0, "nose": 1.2, "mouth": 2.0, "lip": 1.5, "glasses": 1.5}
DEEP = 0.4  # weight of the losses of the two deeper heads (ours; the released training of BiSeNet: 1)


@dataclass(frozen=True)
class Labelled:
    """Rendered pictures of some splits, in the folder that `people.benchmarks.stills` writes.

    Raises MissingError when they are not there, DataError when a column or a split is missing.
    """

    root: Path
    splits: tuple[str, ...] = ("train",)
    most: int = 0  # at most so many, evenly chosen; 0: all

    def __post_init__(self) -> None:
        if not len(self.rows):
            raise DataError(f"stills: expected pictures of the splits {', '.join(self.splits)}. Found none.")

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The manifest's rows."""
        table = read_table(Path(self.root) / "manifest.parquet", COLUMNS)
        table = table[table["split"].isin(self.splits)].reset_index(drop=True)
        if self.most and len(table) > self.most:
            table = table.iloc[np.linspace(0, len(table) - 1, self.most).round().astype(int)].reset_index(drop=True)
        return table

    @cached_property
    def _tar(self) -> ShardReader:
        return ShardReader(Path(self.root) / "stills.tar")

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Picture `[H, W, 3]` uint8, classes `[H, W]` uint8 and landmarks `[68, 2]` of one still."""
        row = self.rows.iloc[index]
        image = self._tar.image(f"{row['id']}.jpg")
        regions = self._tar.image(f"{row['id']}.regions.png")
        landmarks = np.asarray(row["landmarks"], dtype=np.float32).reshape(-1, 2)
        return image, classes_of(image, regions, landmarks), landmarks


@dataclass(frozen=True)
class Record:
    """What a training leaves: the network after the last step, and one row for every tenth of the training."""

    network: BiSeNet
    history: pd.DataFrame


def fit(stills: Labelled, settings: Settings, *, checkpoints: Path | None = None) -> Record:
    """Train from scratch; equal inputs give equal bits at an equal number of threads.

    `settings.sizes[k]` is the side of the views during `settings.epochs[k]` passes: many small views first, then
    fewer large ones. One rise and one cosine of the learning rate span all of it.

    Args:
        checkpoints: Folder for a checkpoint after each part of the training, from which an interrupted one resumes.

    Raises:
        DataError: the loss is not finite.
    """
    determinism.fix(settings.seed, settings.threads)
    network = BiSeNet(num_class=len(CLASSES)).to(memory_format=torch.channels_last)
    groups = [{"params": [p for p in network.parameters() if p.ndim > 1], "weight_decay": settings.weight_decay}]
    groups.append({"params": [p for p in network.parameters() if p.ndim == 1], "weight_decay": 0.0})
    optimiser = torch.optim.AdamW(groups, lr=settings.lr)
    plan = _plan(len(stills), settings)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, warm_cosine(len(plan), settings.warmup))
    stateful = {"network": network, "optimiser": optimiser, "schedule": schedule}
    history = resume(checkpoints, stateful)
    every, done = max(1, len(plan) // 10), history[-1]["step"] if history else 0
    losses: list[float] = []
    network.train()
    batches = _batches(stills, plan, settings, done)
    bar = tqdm(batches, total=len(plan), initial=done, desc="face parser", mininterval=5, leave=False)
    for step, (images, classes) in enumerate(bar, start=done + 1):
        batch = normalise(images.float() / 255).contiguous(memory_format=torch.channels_last)
        loss = _loss(_heads(network, batch), classes.long())
        if not torch.isfinite(loss):
            raise DataError(f"training loss must be finite, found {loss.item()} in step {step}")
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        if step % every == 0 or step == len(plan):
            history.append({"step": step, "size": plan[step - 1][0], "loss": float(np.mean(losses))})
            losses = []
            keep(checkpoints, stateful, history)
    return Record(network.eval(), pd.DataFrame(history))


def measure(parser: Parser, stills: Labelled, *, size: int = 256, margin: float = 1.6) -> pd.DataFrame:
    """Intersection over union of every region on aligned crops of stills: columns `region`, `iou`, `pixels` (share of
    the crop that is the region, in percent).
    """
    truths, images = [], []
    for index in range(len(stills)):
        cut = cut_face(*stills.read(index), size, margin)
        images.append(cut.image)
        assert cut.regions is not None, "stills have them"
        truths.append(cut.regions)
    found, truth = np.stack(parser.parse(images)), np.stack(truths)
    shares = region_ious(found, truth)
    pixels = [100 * float(((truth & bit) > 0).mean()) for bit in REGION_BITS.values()]
    return pd.DataFrame({"region": list(shares), "iou": list(shares.values()), "pixels": pixels})


def cut_face(image: np.ndarray, classes: np.ndarray, landmarks: np.ndarray, size: int, margin: float) -> Crop:
    """The aligned crop of a still; its regions are the bits of the classes."""
    bits = _bits(classes)
    box = np.concatenate([landmarks.min(0), landmarks.max(0)])
    return crop(image, Face(box, landmarks, 1.0, bits), size, margin, "similarity")


def save(network: BiSeNet, path: Path) -> Path:
    """Write the weights as facexlib reads them: a plain state dict, in half precision; the same bytes each time."""
    state = {name: v.detach().cpu() for name, v in network.state_dict().items()}
    state = {name: v.half() if v.is_floating_point() else v for name, v in state.items()}
    wrong = [name for name, v in state.items() if v.is_floating_point() and not torch.isfinite(v).all()]
    if wrong:
        raise DataError(f"weights: expected numbers that half precision can hold. Found others in {', '.join(wrong)}.")
    buffer = io.BytesIO()  # a file's name would become part of its bytes
    torch.save(state, buffer)
    with atomic(path) as draft:
        draft.write_bytes(buffer.getvalue())
    return Path(path)


def _bits(classes: np.ndarray) -> np.ndarray:
    """Region bits `[H, W] uint8` of classes `[H, W]`."""
    sure = nn.functional.one_hot(torch.from_numpy(classes).long(), len(CLASSES)).permute(2, 0, 1)[None]
    return part_bits(sure.float() * 20)[0].numpy()


def _plan(count: int, settings: Settings) -> list[tuple[int, int, int]]:
    """(size, first view, last view + 1) of every step."""
    if len(settings.sizes) != len(settings.epochs):
        raise ParameterError(f"sizes and epochs must be equally long, found {settings.sizes} and {settings.epochs}")
    plan, start = [], 0
    for size, epochs in zip(settings.sizes, settings.epochs, strict=True):
        stop = start + max(epochs * count // settings.batch, 1) * settings.batch
        plan += [(size, first, first + settings.batch) for first in range(start, stop, settings.batch)]
        start = stop
    return plan


def _batches(stills: Labelled, plan: list, settings: Settings, done: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Views `[B, 3, S, S]` and classes `[B, S, S]`, uint8, made ahead by other threads; view n depends on n alone."""
    count = len(stills)

    def view(number: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        order = np.random.default_rng((settings.seed, number // count)).permutation(count)
        image, classes, landmarks = stills.read(int(order[number % count]))
        return augment(image, classes, landmarks, size, np.random.default_rng((settings.seed, 1, number)))

    with ThreadPoolExecutor(settings.workers) as pool:
        ahead = [[pool.submit(view, n, size) for n in range(a, b)] for size, a, b in plan[done : done + 3]]
        for step in range(done, len(plan)):
            views = [future.result() for future in ahead.pop(0)]
            if step + 3 < len(plan):
                size, a, b = plan[step + 3]
                ahead.append([pool.submit(view, n, size) for n in range(a, b)])
            images, classes = (torch.from_numpy(np.stack(part)) for part in zip(*views, strict=True))
            yield images.permute(0, 3, 1, 2), classes


def _heads(network: BiSeNet, images: Tensor) -> list[Tensor]:
    """Logits of the three heads at an eighth (twice) and a sixteenth of the pictures' size: facexlib's own forward pass
    without its enlargement to full size, which takes a fifth of a step.
    """
    fine, coarse, coarser = network.cp(images)
    fused = network.ffm(fine, coarse)
    heads = ((network.conv_out, fused), (network.conv_out16, coarse), (network.conv_out32, coarser))
    return [head(features)[0] for head, features in heads]


def _loss(heads: list[Tensor], classes: Tensor) -> Tensor:
    """Weighted cross-entropy of the three heads, at every second pixel of the classes `[B, S, S]`."""
    weight = torch.ones(len(CLASSES))
    for i, (name, _) in enumerate(CLASSES):
        weight[i] = next((w for word, w in WEIGHTS.items() if word in name.split()), 1.0)
    side = classes.shape[1] // 2
    at = torch.linspace(0, classes.shape[1] - 1, side).round().long()  # where enlarged logits lie, corner to corner
    classes = classes[:, at][:, :, at]
    large = [nn.functional.interpolate(head, (side, side), mode="bilinear", align_corners=True) for head in heads]
    parts = [nn.functional.cross_entropy(head, classes, weight=weight) for head in large]
    return parts[0] + DEEP * (parts[1] + parts[2])
