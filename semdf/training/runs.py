"""A run's folder: config.json says what was trained and on which crops, model.safetensors holds the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError, field_validator
from torch import Tensor, nn

from semdf.artifacts import read_json, read_weights, write_json, write_weights
from semdf.errors import DataError, ParameterError
from semdf.method import hierarchy, towers, weighting
from semdf.method.model import BinaryBaseline, Detector, JointEmbedding, NodeHeads
from semdf.params import Objective, Section, Train

__all__ = ["ABLATIONS", "Config", "Crop", "Variant", "build", "configure", "load", "save", "weights_of"]

#: Levels of a hierarchy; each has a loss of its own.
Level = Literal["root", "global", "local"]

#: Fields of `train` for the small CLIP that this project trains itself: as the former detector was trained.
MINIATURE: dict[str, Any] = {
    "encoder": "semdf-mini",
    "features": "pooled",
    "similarity": "cosine",
    "directions": "prompts",
    "statistics": "moving",
    "lr": 2.0e-3,
}

#: Name of an ablation -> what it changes of a run: fields of `train` and of `variant`.
ABLATIONS: dict[str, dict[str, dict[str, Any]]] = {
    "independent": {"variant": {"structure": "none"}},
    "heads": {"variant": {"outputs": "heads"}},
    "independent_heads": {"variant": {"outputs": "heads", "structure": "none"}},
    "dot": {"train": {"similarity": "dot"}},
    "antonyms": {"variant": {"wording": "antonyms"}},
    "no_expansion": {"variant": {"expanded": False}},
    "root_only": {"variant": {"levels": ["root"]}},
    "root_global": {"variant": {"levels": ["root", "global"]}},
    "root_local": {"variant": {"levels": ["root", "local"]}},
    "held_out": {"variant": {"upper": "held_out"}},
    "optimiser_step": {"variant": {"virtual": "adamw"}},
    "frozen_text": {"variant": {"freeze": "text"}},
    "frozen_image": {"variant": {"freeze": "image"}},
    "pretrained": {"train": {**MINIATURE, "pretrained": "pretrained/clip/model.safetensors"}},
    "scratch": {"train": {**MINIATURE, "pretrained": "", "positions": 20.0}},
    "unpaired": {"train": {"paired": False}},
    "no_prior": {"train": {"prior": False}},
    "full_text_rate": {"train": {"text_lr": 1.0}},
    "augmented": {"train": {"augment": "sjedd"}},
    "positions": {"train": {"positions": 20.0}, "variant": {"positions": "all"}},
    "no_camera": {"train": {"camera": None}},
    "prompt_directions": {"train": {"directions": "prompts"}},
    "moving_statistics": {"train": {"statistics": "moving"}},
    "pooled": {"train": {"features": "pooled"}},
    "context": {"variant": {"context": True, "freeze": "text"}},
}


class Variant(Section):
    """What ablations change of the method; the defaults are the method.

    [R]: as in the released code. [ours]: our own choice.

    Attributes:
        outputs: Logits from `prompts` (joint embedding) or from a linear `heads` layer on the image alone.
        structure: Marginals over the legal states of the `hierarchy`, or independent sigmoids (`none`).
        wording: `single` prompts, or `antonyms`: less the similarity to the opposite (the words are ours).
        levels: Whose losses are trained on; the root is always one of them.
        unobserved: Targets that a label row leaves open count as `zero` [R], or are `masked` out of the loss
            [the paper of the FFSC data set].
        expanded: Train on the expanded data set, not on the manipulations of the data set alone.
        upper: The upper batches of auto_lambda come from the `training` list [R], or from identities that are
            `held_out` of the lower ones [ours].
        upper_share: How many of all identities are held out.
        virtual: The virtual step of auto_lambda is plain `sgd` [R] or the one that `adamw` is going to take [ours].
        freeze: A tower that is not trained, `text` or `image`, or `none` [R].
        context: Learn context vectors (see `semdf.method.model.JointEmbedding`) [ours].
        positions: Which models start with `train.positions`: those that learn `nodes` below the root, which lie in
            places, or `all`, the baseline too (it loses by them) [ours].
        compile: The image tower by torch.compile: equal up to rounding, a minute to start, no gain measured yet
            [ours].
    """

    outputs: Literal["prompts", "heads"] = "prompts"
    structure: Literal["hierarchy", "none"] = "hierarchy"
    wording: Literal["single", "antonyms"] = "single"
    levels: list[Level] = Field(default_factory=lambda: list(get_args(Level)))
    unobserved: Literal["zero", "masked"] = "zero"
    expanded: bool = True
    upper: Literal["training", "held_out"] = "training"
    upper_share: Annotated[float, Field(gt=0, lt=1)] = 0.25
    virtual: Literal["sgd", "adamw"] = "sgd"
    freeze: Literal["none", "text", "image"] = "none"
    context: bool = False
    positions: Literal["nodes", "all"] = "nodes"
    compile: bool = False

    @field_validator("levels")
    @classmethod
    def _with_root(cls, levels: list[str]) -> list[str]:
        if "root" not in levels or len(set(levels)) < len(levels):
            raise ValueError("must hold the root, and each level once")
        return levels


class Crop(Section):
    """How the faces of a run were cut: `semdf.faces.finders.crop`'s arguments."""

    size: int
    alignment: Literal["native", "similarity"]
    margin: float

    @property
    def resampled(self) -> bool:
        """Whether crops are scaled to the network's size; native crops are cut instead."""
        return self.alignment == "similarity"


class Config(Section):
    """Everything that is needed to build a run's model again and to cut pictures for it.

    Attributes:
        quick_gelu: Whether the towers compute with OpenAI's activation, as `save` found them: weights do not tell.
    """

    objective: Objective
    seed: int
    train: Train
    crop: Crop
    variant: Variant = Variant()
    quick_gelu: bool = False

    @property
    def nodes(self) -> tuple[str, ...]:
        """The names of the model's outputs: the baseline knows the root alone."""
        names = hierarchy.load(self.train.hierarchy).nodes
        return names[:1] if self.objective == "binary" else names


def configure(run: str, seed: int, train: Mapping[str, Any], crop: Mapping[str, Any]) -> Config:
    """The configuration of a run by its name: an objective, or some of `ABLATIONS`, joined by `+`.

    "pretrained" is the objective `auto_lambda` with the change of that name, "binary+pretrained" the baseline with it.

    Args:
        train: The block `train` of params.yaml.
        crop: The arguments of `Crop`.

    Raises:
        ParameterError: Unknown name, two objectives, two names for one field, a name that changes nothing of this run,
            or a value that is refused.
    """
    parts = run.split("+")
    names = [part for part in parts if part in ABLATIONS]
    objectives = [part for part in parts if part not in ABLATIONS]
    if len(objectives) > 1:
        raise ParameterError(f"run {run!r}: must name one objective at the most, found {', '.join(objectives)}")
    _check_fields(run, names)
    blocks: dict[str, dict[str, Any]] = {"train": dict(train), "variant": {}}
    for name in names:
        for block, values in ABLATIONS[name].items():
            blocks[block].update(values)
    try:
        config = Config.model_validate(
            {
                "objective": objectives[0] if objectives else "auto_lambda",
                "seed": seed,
                "train": blocks["train"],
                "crop": crop,
                "variant": blocks["variant"],
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ParameterError(f"run {run!r}: {where}: {first['msg']}, found {first['input']!r}") from None
    unread = _unread(config)
    for name in names:
        if unread.issuperset(_fields(name)):
            raise ParameterError(
                f"run {run!r}: each name must change something of {config.objective} and the rest, "
                f"found {name}, which does not"
            )
    return config


def _fields(name: str) -> list[str]:
    """The fields that an ablation sets, such as "train.similarity"."""
    return [f"{block}.{field}" for block, values in ABLATIONS[name].items() for field in values]


def _check_fields(run: str, names: Sequence[str]) -> None:
    """Raise ParameterError if two ablations of a run set one field."""
    set_by: dict[str, str] = {}
    for name in names:
        for field in _fields(name):
            if field in set_by:
                raise ParameterError(
                    f"run {run!r}: must set each field once, found {field} in {set_by[field]} and {name}"
                )
            set_by[field] = name


def _unread(config: Config) -> set[str]:
    """Fields of `train` and `variant` that change nothing of this run, or something else than their names say."""
    binary = config.objective == "binary"
    variant = config.variant
    unread: set[str] = set()
    if binary:
        unread.update(["train.prior", "variant.structure", "variant.outputs", "variant.levels", "variant.unobserved"])
    if binary or variant.outputs == "heads":
        unread.update(["train.similarity", "train.scale", "train.directions", "train.text_lr", "variant.wording"])
        unread.add("variant.context")
        if variant.freeze == "text":
            unread.add("variant.freeze")
    if variant.freeze == "text":
        unread.add("train.text_lr")
    if config.train.pretrained:
        unread.update(["train.positions", "variant.positions"])
    name = "equal" if binary else config.objective
    if not getattr(weighting.find(name), "needs_upper", False):
        unread.add("variant.upper")
    if "variant.virtual" not in weighting.run_fields(name).values():
        unread.add("variant.virtual")
    return unread


def weights_of(train: Train) -> Path | None:
    """The file that `train.pretrained` names, relative to the working folder; None for a tag or none at all."""
    return Path(train.pretrained) if Path(train.pretrained).suffix else None


def build(config: Config, rates: Sequence[float] | None = None) -> Detector:
    """The model of a run with fresh weights (or the pretrained ones that `train.pretrained` names).

    Args:
        rates: [N] label rates for the prior offset per node; None starts without an offset.
    """
    t = config.train
    v = config.variant
    common: dict[str, Any] = {
        "pretrained": weights_of(t) or t.pretrained or None,
        "precision": t.precision,
        "seed": config.seed,
        "features": t.features,
        "quick_gelu": config.quick_gelu,
    }
    model: Detector
    if config.objective == "binary":
        model = BinaryBaseline(t.encoder, **common)
    else:
        tree = hierarchy.load(t.hierarchy)
        common["structure"] = v.structure
        common["prior"] = rates if t.prior else None
        if v.outputs == "heads":
            model = NodeHeads(t.encoder, tree, **common)
        else:
            words: dict[str, Any] = {
                "similarity": t.similarity,
                "scale": t.scale,
                "wording": v.wording,
                "directions": t.directions,
                "context": v.context,
            }
            model = JointEmbedding(t.encoder, tree, **words, **common)
    if not t.pretrained and t.positions != 1 and (config.objective != "binary" or v.positions == "all"):
        model.image.enlarge_positions(t.positions)
    if t.statistics == "resting":
        model.rest()
    model.freeze(v.freeze)
    return model.tune_norms() if t.freeze == "all_but_norms" else model


def save(model: nn.Module, config: Config, folder: Path) -> None:
    """Write weights and configuration."""
    write_weights(model.state_dict(), folder / "model.safetensors")
    found = config.model_copy(update={"quick_gelu": towers.has_quick_gelu(model)})
    write_json(found.model_dump(), folder / "config.json")


def load(folder: Path) -> tuple[Detector, Config]:
    """Read what `save` wrote, strictly.

    Raises:
        MissingError: A file is not there.
        DataError: It does not describe a run, or the weights do not fit it.
    """
    folder = Path(folder)
    try:
        config = Config.model_validate(read_json(folder / "config.json"))
    except ValidationError as error:
        raise DataError(f"{folder.name}/config.json must describe a run: {error.errors()[0]['msg']}") from None
    state = read_weights(folder / "model.safetensors")
    # the file holds every weight: how the model was filled before its training does not matter any more
    train = config.train.model_copy(update={"pretrained": "", "positions": 1.0})
    model = build(config.model_copy(update={"train": train}))
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        found = _misfit(model.state_dict(), state) or str(error)
        raise DataError(f"{folder.name}/model.safetensors must fit its config.json, found {found}") from None
    return model.eval(), config


def _misfit(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """How many weights are missing, unknown or of another shape, each with the first name."""
    said = []
    if missing := [name for name in wanted if name not in found]:
        said.append(f"{len(missing)} of {len(wanted)} weights missing (the first {missing[0]!r})")
    if unknown := [name for name in found if name not in wanted]:
        said.append(f"{len(unknown)} unknown (the first {unknown[0]!r})")
    other = [name for name in wanted if name in found and wanted[name].shape != found[name].shape]
    if other:
        shapes = f"{list(found[other[0]].shape)} for {list(wanted[other[0]].shape)}"
        said.append(f"{len(other)} of another shape (the first {other[0]!r}, {shapes})")
    return ", ".join(said)
