"""Typed parameters: params.yaml is read here alone and every value is checked before anything runs.

Names of weightings are those of the files in `semdf/method/weighting/`. They are listed, not imported: torch is not
loaded to check a file of parameters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from reprlib import Repr
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML

from semdf.errors import MissingError, ParameterError

__all__ = [
    "SECTIONS",
    "TRAINED",
    "WEIGHTINGS",
    "Ablate",
    "Ablation",
    "Data",
    "Detector",
    "Expand",
    "Explain",
    "Extract",
    "Generalise",
    "Objective",
    "Parser",
    "Pretrain",
    "Robustness",
    "Run",
    "Runs",
    "Score",
    "Section",
    "Train",
    "check",
    "read",
    "weightings",
]

#: The folder with one file for each weighting of the tasks' losses: `semdf.method.weighting`.
WEIGHTINGS = Path(__file__).parent / "method" / "weighting"


def weightings(*folders: Path) -> tuple[str, ...]:
    """Names of the weightings: the files of their folder that do not begin with `_`, which are not imported.

    Args:
        folders: Where to look, by default in `WEIGHTINGS`.
    """
    files = [path for folder in folders or (WEIGHTINGS,) for path in folder.glob("*.py")]
    return tuple(sorted(path.stem for path in files if not path.stem.startswith("_")))


Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


#: Regions that can be forged; those with + are forged together.
Region = Literal[
    "eyes",
    "eyebrows",
    "nose",
    "lips",
    "mouth",
    "skin",
    "face",
    "eyes+nose",
    "eyes+mouth",
    "nose+mouth",
    "eyes+nose+mouth",
]


#: The data set that training sees unless a run says otherwise; its validation split is watched.
TRAINED = "FaceForensics++"

Distortion = Literal["saturation", "contrast", "blocks", "noise", "blur", "pixelation", "H.264", "JPEG", "resize"]
DISTORTIONS = get_args(Distortion)


class Section(BaseModel):
    """One block of params.yaml: unknown names and wrong types are refused, nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


#: What adds up the losses of the tasks: a weighting, or "binary", the cross-entropy baseline, which has one task.
if TYPE_CHECKING:
    Objective = str
else:
    Objective = Literal["binary", *weightings()]

#: Names of ablations: `semdf.training.runs.ABLATIONS` says what each changes.
Ablation = Literal[
    "independent",
    "heads",
    "independent_heads",
    "dot",
    "antonyms",
    "no_expansion",
    "root_only",
    "root_global",
    "root_local",
    "held_out",
    "optimiser_step",
    "frozen_text",
    "frozen_image",
    "pretrained",
    "scratch",
    "unpaired",
    "no_prior",
    "full_text_rate",
    "augmented",
    "positions",
    "no_camera",
    "prompt_directions",
    "moving_statistics",
    "pooled",
    "context",
]
#: Names of other training data: `semdf.ablation.matrix.DATA` says which.
Data = Literal[
    "without_Deepfakes",
    "without_Face2Face",
    "without_FaceSwap",
    "without_NeuralTextures",
    "fake_source",
    "random_pairing",
    "sladd",
    "self_blended",
    "poisson",
    "laplacian",
    "recompressed",
    "quarter",
    "ffsc",
    "without_age",
    "without_expression",
    "without_gender",
    "without_identity",
    "without_pose",
]

#: The name of trainings that take the block `train` as it is: `semdf.ablation.matrix.DEFAULT`.
Length = Literal["default"]


def _known(run: str) -> str:
    """Refuse a run that is not made of known names, joined by +."""
    names = get_args(Objective) + get_args(Ablation) + get_args(Data) + get_args(Length)
    unknown = [part for part in run.split("+") if part not in names]
    if unknown:
        raise ValueError(f"must be made of {', '.join(names)}, joined by +, not of {unknown[0]!r}")
    return run


#: A kind of training by its name.
Run = Annotated[str, AfterValidator(_known)]


class Runs(Section):
    """Which detectors are trained: every objective with every seed."""

    objective: list[Objective | Ablation] = Field(min_length=1)
    seed: list[Seed] = Field(min_length=1)


class Extract(Section):
    """How faces are cut from the data sets."""

    datasets: dict[str, str] = Field(min_length=1)
    options: dict[str, dict[str, str | bool | list[str]]]
    finder: Literal["annotations", "retinaface"]
    weights: str
    device: Literal["cpu", "cuda"]
    videos: Count
    frames: Count
    size: Annotated[int, Field(ge=16, le=4096)]
    alignment: Literal["native", "similarity"]
    margin: Annotated[float, Field(ge=1)]
    workers: Count

    @model_validator(mode="after")
    def _each_has_its_data_set(self) -> Extract:
        unknown = sorted(set(self.options) - set(self.datasets))
        if unknown:
            raise ValueError(f"must have options for layouts of datasets alone, not for {unknown[0]!r}")
        return self


class Expand(Section):
    """How forgeries of the training data's real faces are made."""

    preset: Literal["sjedd", "sjedd_small", "sladd", "self_blended"]
    regions: list[Region]
    splits: list[Literal["train", "val", "test"]] = Field(min_length=1)
    per_image: Count
    pairing: Literal["preset", "nearest", "landmarks", "pose", "random", "self"]
    source: Literal["preset", "real", "fake"]
    colour: Literal["preset", "lab", "reinhard", "statistics", "histogram", "none"]
    blend: Literal["preset", "alpha", "poisson", "laplacian"]
    mask: Literal["preset", "landmarks", "regions"]
    recompress: list[Annotated[int, Field(ge=1, le=100)]] = Field(max_length=2)
    seed: Seed


class Pretrain(Section):
    """How the miniature CLIP is pretrained."""

    encoder: str
    stills: Count
    epochs: Count
    batch: Annotated[int, Field(ge=2)]
    siblings: Count
    sentences: Count
    zoom: Annotated[list[Positive], Field(min_length=2, max_length=2)]
    native: Share
    lr: Positive
    weight_decay: Annotated[float, Field(ge=0)]
    warmup: Share
    precision: Literal["float32", "bfloat16"]
    seed: Seed
    threads: Count


class Parser(Section):
    """How the face parser is trained."""

    stills: Count
    held_out: Count
    sizes: list[Annotated[int, Field(ge=64, multiple_of=32)]] = Field(min_length=1)
    epochs: list[Count] = Field(min_length=1)
    batch: Annotated[int, Field(ge=4)]
    lr: Positive
    weight_decay: Annotated[float, Field(ge=0)]
    warmup: Share
    seed: Seed
    workers: Count
    threads: Count


def _rising(limits: list[float]) -> list[float]:
    """Refuse a range whose end lies below its start."""
    if limits[0] > limits[1]:
        raise ValueError("must not fall")
    return limits


#: Two numbers of one kind, the first not above the second.
Range = Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=2, max_length=2), AfterValidator(_rising)]
Qualities = Annotated[
    list[Annotated[int, Field(ge=1, le=100)]], Field(min_length=2, max_length=2), AfterValidator(_rising)
]
Shares = Annotated[
    list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=2, max_length=2), AfterValidator(_rising)
]


class Camera(Section):
    """What the pictures of a pair go through in training, both alike (see `semdf.training.camera`).

    Attributes:
        untouched: Share of the pairs that stay as they are.
        second: Share of the others to which two things are done instead of one.
        blur: Range of the standard deviation of a Gaussian, pixels, above 0.
        resize: Range of the share of the side that a picture is shrunk to before it is enlarged again.
        noise: Range of the standard deviation of noise, grey levels.
        jpeg: Range of the quality.
    """

    untouched: Share
    second: Share
    blur: Range
    resize: Shares
    noise: Range
    jpeg: Qualities


class Train(Section):
    """How a detector is trained. Fields with a default are not in the `config.json` of older runs.

    Attributes:
        freeze: What of the encoder is not trained: "none", or "all_but_norms", its parameters other than the gains and
            offsets of normalisation layers (see `semdf.method.model.Detector.tune_norms`).
        reading: "memory" reads all pictures before the first step, "stream" reads them when they are drawn.
        readers: With "stream", how many threads read ahead in each process that trains.
    """

    encoder: str
    pretrained: str
    hierarchy: str
    similarity: Literal["cosine", "dot"]
    prior: bool
    epochs: Count
    pairs: Count
    batch: Annotated[int, Field(ge=2, multiple_of=2)]
    paired: bool
    same_view: bool
    lr: Positive
    text_lr: Annotated[float, Field(ge=0, le=1)]
    weight_decay: Annotated[float, Field(ge=0)]
    warmup: Share
    lambda_every: Count
    lambda_lr: Positive
    precision: Literal["float32", "bfloat16"]
    threads: Count
    processes: Count = 1
    reading: Literal["memory", "stream"] = "memory"
    readers: Annotated[int, Field(ge=0)] = 2
    device: Literal["cpu", "cuda"] = "cpu"
    partner: Literal["frame", "nearest"] = "frame"
    random_crop: bool = True
    flip: bool = True
    augment: Literal["none", "sjedd"] = "none"
    scale: Positive = 3.0
    directions: Literal["prompts", "orthogonal"] = "prompts"
    statistics: Literal["moving", "resting"] = "moving"
    features: Literal["pooled", "cells"] = "pooled"
    freeze: Literal["none", "all_but_norms"] = "none"
    camera: Camera | None = None
    positions: Positive = 1.0
    betas: Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=2, max_length=2)] = [0.9, 0.98]
    clip: Annotated[float, Field(ge=0)] = 1.0
    decay: Literal["matrices", "all"] = "matrices"
    schedule: Literal["cosine", "waves"] = "cosine"


#: What the stored detector may be trained on: `semdf.pretraining.detector.KINDS` says which.
DetectorKind = Literal["photographs", "embedded", "self_blending", "random_tower"]


class Ablate(Section):
    """Which kinds of training are compared, and how much shorter they are than those of `runs`."""

    groups: dict[str, Annotated[list[Run], Field(min_length=2)]] = Field(min_length=1)
    seeds: list[Seed] = Field(min_length=1)
    fewer_seeds: dict[str, Count]
    changes: dict[str, bool | int | float | str | None]
    frames: Count
    processes: Count
    resamples: Annotated[int, Field(ge=100)]
    resampling_seed: Seed


class Detector(Section):
    """What the stored detector is trained on, how, and how it is tested.

    Attributes:
        photographs: Folder of the photographs; empty where there are none.
        people: Of the London Set, how many train, choose and test.
        people_seed: Of who is in which split.
        sides: Of the crops that are forged for training, in turn; the first is that of the tests and of the network.
        passes: How often the training crops are forged.
        per_image: Preset -> forgeries of a training crop in a pass.
        left_out: Presets that training never sees.
        kind: Of `semdf.pretraining.detector.KINDS`: what the stored detector is trained on.
        compared: The kinds of the table.
        changes: Of the block `train`.
        shorter: Further changes for the trainings of the table.
        false_alarms: Share of the untouched pictures of the people who choose that may reach the threshold.
    """

    photographs: str
    people: dict[Literal["train", "val", "test"], Count]
    people_seed: Seed
    sides: list[Annotated[int, Field(ge=64, le=1024)]] = Field(min_length=1)
    passes: Count
    per_image: dict[str, Count] = Field(min_length=1)
    left_out: list[str]
    kind: DetectorKind
    compared: list[DetectorKind]
    objective: Objective
    changes: dict[str, bool | int | float | str | None]
    shorter: dict[str, bool | int | float | str | None]
    false_alarms: Annotated[float, Field(ge=0, lt=1)]
    resamples: Annotated[int, Field(ge=100)]
    resampling_seed: Seed
    seed: Seed
    workers: Count


class Score(Section):
    """How the test sets are scored."""

    batch: Count
    splits: list[Literal["train", "val", "test"]] = Field(min_length=1)
    processes: Count = 1
    device: Literal["cpu", "cuda"] = "cpu"


class Generalise(Section):
    """How uncertain the numbers across data sets are."""

    resamples: Annotated[int, Field(ge=100)]
    resampling_seed: Seed


class Robustness(Section):
    """Which detectors are tested on which distorted pictures."""

    detectors: list[str] = Field(min_length=1)
    dataset: str
    split: Literal["train", "val", "test"]
    distortions: list[Distortion] = Field(min_length=1)
    levels: list[Annotated[int, Field(ge=1, le=5)]] = Field(min_length=1)
    frames: Count
    resamples: Annotated[int, Field(ge=100)]
    seed: Seed


class Explain(Section):
    """Which pictures are explained, by which layer."""

    split: Literal["train", "val", "test"]
    count: Count
    layer: Literal["cells", "layer2", "layer3", "layer4"]
    seed: Seed


SECTIONS: dict[str, type[Section]] = {
    "runs": Runs,
    "extract": Extract,
    "expand": Expand,
    "pretrain": Pretrain,
    "parser": Parser,
    "train": Train,
    "detector": Detector,
    "ablate": Ablate,
    "score": Score,
    "generalise": Generalise,
    "robustness": Robustness,
    "explain": Explain,
}


def check(section: str, values: Any) -> Any:
    """Validate `values` as the block `section` of params.yaml.

    Returns:
        An instance of the block's class in `SECTIONS`.

    Raises:
        ParameterError: The section is unknown, or a value is of the wrong type or out of range; all of them are listed.
    """
    if section not in SECTIONS:
        raise ParameterError(f"section must be one of {', '.join(SECTIONS)}, found {section!r}")
    try:
        return SECTIONS[section].model_validate(values)
    except ValidationError as error:
        raise ParameterError("; ".join(_sentence(section, e) for e in error.errors())) from None


def read(path: str | Path) -> dict[str, Any]:
    """Read and check the whole of params.yaml (YAML 1.2, the dialect of DVC): every section as `check` gives it.

    Raises:
        MissingError: There is no such file.
        ParameterError: It is not YAML, a section is missing or unknown, or a value is refused; the file is named.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingError(f"parameters: must be a file, found none at {path.name!r}")
    try:
        document = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except Exception as error:  # ruamel's own, or those of a file that is no text, of impossible dates or endless depth
        raise ParameterError(f"{path.name} must be YAML: {error}") from None
    if not isinstance(document, dict):
        raise ParameterError(f"{path.name} must hold a mapping, found {type(document).__name__}")
    if set(document) != set(SECTIONS):
        raise ParameterError(
            f"{path.name} must hold the sections {', '.join(SECTIONS)}, found {', '.join(map(str, document))}"
        )
    try:
        return {name: check(name, document[name]) for name in SECTIONS}
    except ParameterError as error:
        raise ParameterError(f"{path.name}: {error}") from None


#: Writes values in messages, shortened: a few lines with anchors and aliases can stand for an endless value.
_SHORT = Repr()
_SHORT.maxstring = 80
_SHORT.maxother = 80

#: What pydantic's sentences begin with, such as "Input should be positive", and what our own errors become there.
_SUBJECT = re.compile(r"^(?:\w+ should|Value error, must) ")


def _sentence(section: str, error: Mapping[str, Any]) -> str:
    """One of pydantic's errors as a sentence of ours."""
    where = ".".join(map(str, (section, *error["loc"])))
    match error["type"]:
        case "missing":
            return f"{where} must be given, found nothing"
        case "extra_forbidden":
            return f"{section} must hold no unknown name, found {where}"
        case _:
            return f"{where} {_SUBJECT.sub('must ', error['msg'])}, found {_SHORT.repr(error['input'])}"
