"""Train facexlib's BiSeNet on rendered people with exact masks and store it as facexlib stores its own weights."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

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
from semdf.pretraining.face_parser_views import View, augment, classes_of
from semdf.storage.columns import FACE_PARSER_STILLS
from semdf.storage.tars import ShardReader
from semdf.training import determinism
from semdf.training.checkpoints import keep, resume
from semdf.training.schedules import warm_cosine

__all__ = ["Labelled", "Record", "Still", "cut_face", "fit", "measure", "save"]

#: What the manifest must tell of every picture.
COLUMNS = FACE_PARSER_STILLS

#: Weights in the loss of the classes whose names hold a word; all others weigh 1 (ours). They are small: a class of
#: weight w is found wherever its probability is above 1 / (1 + w), so that large weights make small parts too large.
WEIGHTS = {"brow": 1.5, "eye": 2.0, "nose": 1.2, "mouth": 2.0, "lip": 1.5, "glasses": 1.5}

#: Weight of the losses of the two deeper heads (ours; the released training of BiSeNet: 1).
DEEP = 0.4

#: Steps whose views are made ahead.
AHEAD = 3


class Still(NamedTuple):
    """One rendered picture.

    Attributes:
        image: [H, W, 3] uint8, sRGB.
        classes: [H, W] uint8, numbers of `semdf.faces.parsing.CLASSES`.
        landmarks: [68, 2] float32, pixels.
    """

    image: np.ndarray
    classes: np.ndarray
    landmarks: np.ndarray


class _Step(NamedTuple):
    """One step of the training: the side of its views in pixels, and the numbers of the views, `last` left out."""

    size: int
    first: int
    last: int


@dataclass(frozen=True)
class Labelled:
    """Rendered pictures of some splits, in the folder that `people.benchmarks.stills` writes.

    Attributes:
        root: The folder.
        splits: Names of the splits.
        most: Most pictures, evenly chosen; 0 for all.

    Raises:
        MissingError: The folder lacks its files.
        DataError: A column is missing, or no picture is of these splits.
    """

    root: Path
    splits: tuple[str, ...] = ("train",)
    most: int = 0

    def __post_init__(self) -> None:
        if self.rows.empty:
            raise DataError(f"stills: must hold pictures of the splits {', '.join(self.splits)}, found none")

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The manifest's rows."""
        table = read_table(Path(self.root) / "manifest.parquet", COLUMNS)
        table = table[table["split"].isin(self.splits)]
        if self.most and len(table) > self.most:
            chosen = np.linspace(0, len(table) - 1, self.most).round().astype(int)
            table = table.iloc[chosen]
        return table.reset_index(drop=True)

    @cached_property
    def _tar(self) -> ShardReader:
        return ShardReader(Path(self.root) / "stills.tar")

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, index: int) -> Still:
        """The picture in one row."""
        row = self.rows.iloc[index]
        image = self._tar.image(f"{row['id']}.jpg")
        regions = self._tar.image(f"{row['id']}.regions.png")
        landmarks = np.asarray(row["landmarks"], dtype=np.float32).reshape(-1, 2)
        return Still(image, classes_of(image, regions, landmarks), landmarks)


@dataclass(frozen=True)
class Record:
    """What a training leaves.

    Attributes:
        network: The network after the last step.
        history: A row for every tenth of the training.
    """

    network: BiSeNet
    history: pd.DataFrame


def fit(stills: Labelled, settings: Settings, *, checkpoints: Path | None = None) -> Record:
    """Train from scratch; equal inputs give equal bits at an equal number of threads.

    `settings.sizes[k]` is the side of the views during `settings.epochs[k]` passes: many small views first, then
    fewer large ones. One rise and one cosine of the learning rate span all of it.

    Args:
        checkpoints: Folder for a checkpoint after each part of the training, from which an interrupted one resumes.

    Raises:
        DataError: The loss is not finite.
        ParameterError: There are not as many sizes as epochs.
    """
    determinism.fix(settings.seed, settings.threads)
    network = BiSeNet(num_class=len(CLASSES)).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(_groups(network, settings), lr=settings.lr)
    plan = _plan(len(stills), settings)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, warm_cosine(len(plan), settings.warmup))
    stateful = {"network": network, "optimiser": optimiser, "schedule": schedule}
    history = resume(checkpoints, stateful)
    every = max(1, len(plan) // 10)
    done = history[-1]["step"] if history else 0
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
            history.append({"step": step, "size": plan[step - 1].size, "loss": float(np.mean(losses))})
            losses = []
            keep(checkpoints, stateful, history)
    return Record(network.eval(), pd.DataFrame(history))


def measure(parser: Parser, stills: Labelled, *, size: int = 256, margin: float = 1.6) -> pd.DataFrame:
    """Intersection over union of every region on aligned crops of stills.

    Args:
        size: Side of the crops, pixels.
        margin: How much wider than the face a crop is.

    Returns:
        region, iou, and pixels: the share of the crops that is the region, in percent.
    """
    images = []
    truths = []
    for index in range(len(stills)):
        cut = cut_face(*stills.read(index), size, margin)
        images.append(cut.image)
        assert cut.regions is not None, "stills have them"
        truths.append(cut.regions)
    found = np.stack(parser.parse(images))
    truth = np.stack(truths)
    shares = region_ious(found, truth)
    pixels = [100 * float(((truth & bit) > 0).mean()) for bit in REGION_BITS.values()]
    return pd.DataFrame({"region": list(shares), "iou": list(shares.values()), "pixels": pixels})


def cut_face(image: np.ndarray, classes: np.ndarray, landmarks: np.ndarray, size: int, margin: float) -> Crop:
    """The aligned crop of a still; its regions are the bits of the classes."""
    bits = _bits(classes)
    box = np.concatenate([landmarks.min(0), landmarks.max(0)])
    return crop(image, Face(box, landmarks, 1.0, bits), size, margin, "similarity")


def save(network: BiSeNet, path: Path) -> Path:
    """Write the weights as facexlib reads them: a plain state dict, in half precision; the same bytes each time.

    Raises:
        DataError: Half precision cannot hold some weight.
    """
    state = {}
    wrong = []
    for name, value in network.state_dict().items():
        state[name] = value.detach().cpu()
        if value.is_floating_point():
            state[name] = state[name].half()
            if not torch.isfinite(state[name]).all():
                wrong.append(name)
    if wrong:
        raise DataError(f"weights must be numbers that half precision can hold, found others in {', '.join(wrong)}")
    buffer = io.BytesIO()  # a file's name would become part of its bytes
    torch.save(state, buffer)
    with atomic(path) as draft:
        draft.write_bytes(buffer.getvalue())
    return Path(path)


def _bits(classes: np.ndarray) -> np.ndarray:
    """Region bits `[H, W] uint8` of classes `[H, W]`."""
    sure = nn.functional.one_hot(torch.from_numpy(classes).long(), len(CLASSES)).permute(2, 0, 1)[None]
    return part_bits(sure.float() * 20)[0].numpy()


def _groups(network: BiSeNet, settings: Settings) -> list[dict]:
    """Filters decay; biases and norms do not."""
    parameters = list(network.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
    ]


def _plan(count: int, settings: Settings) -> list[_Step]:
    """All steps of a training on `count` stills."""
    if len(settings.sizes) != len(settings.epochs):
        raise ParameterError(f"sizes and epochs must be equally long, found {settings.sizes} and {settings.epochs}")
    plan = []
    start = 0
    for size, epochs in zip(settings.sizes, settings.epochs, strict=True):
        steps = max(epochs * count // settings.batch, 1)
        for _ in range(steps):
            plan.append(_Step(size, start, start + settings.batch))
            start += settings.batch
    return plan


def _batches(stills: Labelled, plan: list[_Step], settings: Settings, done: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Views `[B, 3, S, S]` and classes `[B, S, S]`, uint8, made ahead by other threads; view n depends on n alone."""
    count = len(stills)

    def view(number: int, size: int) -> View:
        order = np.random.default_rng((settings.seed, number // count)).permutation(count)
        still = stills.read(int(order[number % count]))
        random = np.random.default_rng((settings.seed, 1, number))
        return augment(still.image, still.classes, still.landmarks, size, random)

    with ThreadPoolExecutor(settings.workers) as pool:

        def start(step: _Step) -> list[Future[View]]:
            return [pool.submit(view, number, step.size) for number in range(step.first, step.last)]

        ahead = deque(start(step) for step in plan[done : done + AHEAD])
        for number in range(done, len(plan)):
            views = [future.result() for future in ahead.popleft()]
            if number + AHEAD < len(plan):
                ahead.append(start(plan[number + AHEAD]))
            images = torch.from_numpy(np.stack([view.image for view in views]))
            classes = torch.from_numpy(np.stack([view.classes for view in views]))
            yield images.permute(0, 3, 1, 2), classes


def _heads(network: BiSeNet, images: Tensor) -> list[Tensor]:
    """Logits of the three heads at an eighth (twice) and a sixteenth of the pictures' size.

    This is facexlib's own forward pass without its enlargement to full size, which takes a fifth of a step.
    """
    fine, coarse, coarser = network.cp(images)
    fused = network.ffm(fine, coarse)
    return [network.conv_out(fused)[0], network.conv_out16(coarse)[0], network.conv_out32(coarser)[0]]


def _loss(heads: list[Tensor], classes: Tensor) -> Tensor:
    """Weighted cross-entropy of the three heads, at every second pixel of the classes `[B, S, S]`."""
    weight = torch.ones(len(CLASSES))
    for i, (name, _) in enumerate(CLASSES):
        weight[i] = next((factor for word, factor in WEIGHTS.items() if word in name.split()), 1.0)
    side = classes.shape[1] // 2
    at = torch.linspace(0, classes.shape[1] - 1, side).round().long()  # where enlarged logits lie, corner to corner
    classes = classes[:, at][:, :, at]
    large = [nn.functional.interpolate(head, (side, side), mode="bilinear", align_corners=True) for head in heads]
    fine, coarse, coarser = (nn.functional.cross_entropy(logits, classes, weight=weight) for logits in large)
    return fine + DEEP * (coarse + coarser)
