"""The stored detector: what it is trained on, its weights in half precision, and its model card.

It learns from two kinds of data at once: the embedded data set, at the scale of photographs, and photographs of adults
who consented, forged by `semdf.forging.photographs`. Kinds of training (`KINDS`) leave parts of it out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch

from semdf import params
from semdf.artifacts import digest, write_json, write_table, write_weights
from semdf.dependencies import sources
from semdf.errors import DataError, ParameterError
from semdf.method import hierarchy
from semdf.method.model import Detector
from semdf.params import TRAINED
from semdf.training.mixtures import Part, mix
from semdf.training.runs import Config, configure, save, weights_of
from semdf.training.train import Record, fit

__all__ = [
    "KINDS",
    "LARGEST",
    "Forgeries",
    "Kind",
    "card",
    "checkpoints_of",
    "configured",
    "parts",
    "store",
    "train",
    "write_record",
]

#: Most bytes of the stored weights.
LARGEST = 20_000_000


@dataclass(frozen=True)
class Kind:
    """What one training sees.

    Attributes:
        presets: Of the forged photographs; empty for none.
        changes: Of the block `train`, after those of the block `detector`.
        said: In words, for tables.
    """

    presets: tuple[str, ...]
    said: str
    changes: Mapping[str, Any] = field(default_factory=dict)


#: Name -> kind of training. The first is the stored one.
KINDS = {
    "photographs": Kind(("photographs", "photographs_own"), "the embedded data and photographs"),
    "embedded": Kind((), "the embedded data alone"),
    "self_blending": Kind(("photographs_own",), "the embedded data and photographs, self-blended only"),
    "random_tower": Kind(
        ("photographs", "photographs_own"),
        "the same data, from random weights",
        {"pretrained": "", "statistics": "moving"},
    ),
}


class Forgeries(NamedTuple):
    """A folder of forged photographs: its split, its preset and its manifest."""

    split: str
    preset: str
    manifest: Path


def configured(kind: str, seed: int, train: Mapping[str, Any], block: params.Detector) -> Config:
    """The configuration of a training of this kind.

    Args:
        kind: A key of `KINDS`.
        seed: Of the weights, the order and the views.
        train: The block `train`, of which the block `detector` changes some.
        block: The block `detector`.

    Raises:
        ParameterError: An unknown kind, or a change that the block `train` does not know.
    """
    if kind not in KINDS:
        raise ParameterError(f"kind must be one of {', '.join(KINDS)}, found {kind!r}")
    changed = {**train, **block.changes, **KINDS[kind].changes}
    values = params.check("train", changed).model_dump()
    crop = {"size": block.sides[0], "alignment": "native", "margin": 1.3}
    return configure(block.objective, seed, values, crop)


def parts(kind: str, faces: Path, expanded: Path, forged: Sequence[Forgeries], split: str) -> list[Part]:
    """What a training of this kind sees of a split."""
    found = [Part((faces / "manifest.parquet", expanded / "manifest.parquet"), TRAINED)]
    for one in forged:
        if one.split == split and one.preset in KINDS[kind].presets:
            found.append(Part((one.manifest,), kind=one.preset))
    return found


def train(
    kind: str, config: Config, faces: Path, expanded: Path, forged: Sequence[Forgeries], checkpoints: Path | None
) -> Record:
    """Train a detector; an interrupted training goes on from its last epoch.

    Args:
        kind: A key of `KINDS`.
        config: From `configured`.
        faces: Folder of the embedded faces, with a manifest.
        expanded: Folder of their forgeries.
        forged: The forged photographs.
        checkpoints: Folder for checkpoints; None for none.
    """
    tree = hierarchy.load(config.train.hierarchy)
    samples, watched = (
        mix(parts(kind, faces, expanded, forged, split), tree, split, config.crop.size) for split in ("train", "val")
    )
    return fit(samples, watched, config, checkpoints=checkpoints)


def checkpoints_of(
    kind: str, config: Config, faces: Path, expanded: Path, forged: Sequence[Forgeries], within: Path
) -> Path:
    """The folder of `within` for the checkpoints of this training: named by what it computes from what."""
    manifests = [faces / "manifest.parquet", expanded / "manifest.parquet"]
    manifests += [one.manifest for one in forged if one.preset in KINDS[kind].presets]
    start = [path for path in [weights_of(config.train)] if path]
    return within / digest(kind, config.model_dump(), *manifests, *start, *sources("pretraining.detector"))


def store(model: Detector, config: Config, folder: Path) -> int:
    """Write a detector with weights in half precision, as `semdf.training.runs.load` reads it; the bytes of the file.

    Raises:
        DataError: A weight does not fit into half precision, or the file has more than `LARGEST` bytes.
    """
    state = {}
    for name, value in model.state_dict().items():
        state[name] = value.half() if value.dtype == torch.float32 else value
        if not torch.isfinite(state[name]).all():
            raise DataError(f"weights must be finite in half precision, found others in {name}")
    save(model, config, folder)
    path = write_weights(state, folder / "model.safetensors")
    size = path.stat().st_size
    if size > LARGEST:
        raise DataError(f"weights must have {LARGEST} bytes or less, found {size}")
    return size


#: What the card says besides the measured numbers.
_CARD = """\
# The stored detector

{network}, {objective} weights of the three tasks. It takes native crops of a face of {side} pixels, of which the
network sees {seen}. It gives the probability that the face was forged and, for each of {nodes} nodes, that this was
altered.

## Trained on

{data}: rendered people of the embedded data set, and {people} of the Face Research Lab
London Set, neutral and smiling (DeBruine and Jones, 2017, doi 10.6084/m9.figshare.5047666, CC BY 4.0). All of them
consented to the use of their pictures in research, also altered. This project's expansion forged the pictures.
{choice} others served the threshold and the temperature. {start}

## Licence

That of the project. Who publishes pictures of the London Set names its source.

## Measured

On {tests} of the London Set that it has never seen, and on people photographed by another camera (Canada). Intervals
(95 %) are over people.

{tables}

## Not to be used for

- Decisions about a person: an accusation, a ban, a proof. The errors above are for studio photographs of adults who
  look into the camera, and for the forgeries of this project. Errors on other pictures have not been measured.
- Children, groups of people whom the photographs hardly show, faces from the side or in the dark.
- Pictures that are synthesised as a whole: it looks for what was altered within a face.
- Watching people, or telling who somebody is: it was not made for it.
"""

#: What the image tower started from, by `train.pretrained`.
_STARTS = {
    "imagenet": "The image tower started from ImageNet weights (EfficientNet-Lite0, Apache-2.0).",
    "": "The network started from random weights.",
}


def card(config: Config, block: params.Detector, kind: str, tables: Mapping[str, pd.DataFrame]) -> str:
    """The model card, in Markdown.

    Args:
        config: Of the stored detector.
        block: The block `detector`.
        kind: Of its training.
        tables: Title -> table of measured numbers.
    """
    nodes = len(config.nodes)
    people = block.people
    written = []
    for title, table in tables.items():
        written += [f"### {title}", "", _markdown(table), ""]
    return _CARD.format(
        network=config.train.encoder,
        objective=config.objective,
        side=config.crop.size,
        seen=config.train.encoder.rsplit("-", 1)[-1],
        nodes=nodes,
        data=KINDS[kind].said[0].upper() + KINDS[kind].said[1:],
        people=f"{people['train']} adults",
        choice=people["val"],
        tests=f"{people['test']} adults",
        start=_STARTS.get(config.train.pretrained, f"The network started from {config.train.pretrained}."),
        tables="\n".join(written).rstrip(),
    )


def _markdown(table: pd.DataFrame) -> str:
    """A table in Markdown; numbers with three digits."""
    lines = ["| " + " | ".join(map(str, table.columns)) + " |", "|" + "---|" * len(table.columns)]
    for row in table.itertuples(index=False):
        cells = [f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write_record(record: Record, kind: str, config: Config, block: params.Detector, folder: Path) -> None:
    """Write what a training leaves into a folder: weights, configuration, curve and what it saw."""
    size = store(record.model, config, folder)
    write_table(record.history, folder / "curve.csv")
    seen = {"kind": kind, "bytes": size, "steps": record.steps * len(record.history), "people": dict(block.people)}
    write_json(seen, folder / "training.json")
