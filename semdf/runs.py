"""A run's folder: config.json says what was trained and on which crops, model.safetensors holds the weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import ValidationError
from torch import nn

from semdf import hierarchy
from semdf.artifacts import read_json, read_weights, write_json, write_weights
from semdf.errors import DataError
from semdf.model import BinaryBaseline, JointEmbedding
from semdf.params import Section, Train

__all__ = ["Config", "Crop", "build", "load", "save"]


class Crop(Section):
    """How the faces of a run were cut: `semdf.faces.crop`'s arguments."""

    size: int
    alignment: Literal["native", "similarity"]
    margin: float

    @property
    def resampled(self) -> bool:
        """Whether crops are scaled to the network's size; native crops are cut instead."""
        return self.alignment == "similarity"


class Config(Section):
    """Everything that is needed to build a run's model again and to cut pictures for it."""

    objective: Literal["binary", "equal", "auto_lambda"]
    seed: int
    train: Train
    crop: Crop

    @property
    def nodes(self) -> tuple[str, ...]:
        """The names of the model's outputs: the baseline knows the root alone."""
        names = hierarchy.load(self.train.hierarchy).nodes
        return names[:1] if self.objective == "binary" else names


def build(config: Config, rates: Sequence[float] | None = None) -> nn.Module:
    """The model of a run with fresh weights (or the pretrained ones that `train.pretrained` names).

    Args:
        rates: [N] label rates for the prior offset per node; None starts without an offset.
    """
    t = config.train
    if config.objective == "binary":
        return BinaryBaseline(t.encoder, pretrained=t.pretrained or None, precision=t.precision, seed=config.seed)
    return JointEmbedding(
        t.encoder,
        hierarchy.load(t.hierarchy),
        similarity=t.similarity,
        pretrained=t.pretrained or None,
        prior=rates if t.prior else None,
        precision=t.precision,
        seed=config.seed,
    )


def save(model: nn.Module, config: Config, folder: Path) -> None:
    """Write weights and configuration."""
    write_weights(model.state_dict(), folder / "model.safetensors")
    write_json(config.model_dump(), folder / "config.json")


def load(folder: Path) -> tuple[nn.Module, Config]:
    """Read what `save` wrote, strictly. Raises MissingError or DataError."""
    folder = Path(folder)
    try:
        config = Config.model_validate(read_json(folder / "config.json"))
    except ValidationError as error:
        raise DataError(f"{folder.name}/config.json must describe a run: {error.errors()[0]['msg']}") from None
    state = read_weights(folder / "model.safetensors")
    # the checkpoint brings every weight: nothing pretrained is needed to fill the model first
    model = build(config.model_copy(update={"train": config.train.model_copy(update={"pretrained": ""})}))
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise DataError(f"{folder.name}/model.safetensors must fit its config.json: {error}") from None
    return model.eval(), config
