"""Typed parameters: params.yaml is read here alone and every value is checked before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from semdf import ROOT
from semdf.errors import MissingError, ParameterError

__all__ = ["SECTIONS", "Expand", "Extract", "Generalise", "Runs", "Score", "Train", "check", "read"]

Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """One block of params.yaml: unknown names and wrong types are refused, nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Runs(Section):
    objective: list[Literal["binary", "equal", "auto_lambda"]] = Field(min_length=1)
    seed: list[Seed] = Field(min_length=1)


class Extract(Section):
    datasets: dict[str, str] = Field(min_length=1)
    videos: Count
    frames: Count
    size: Annotated[int, Field(ge=16, le=4096)]
    alignment: Literal["native", "similarity"]
    margin: Annotated[float, Field(ge=1)]
    workers: Count


class Expand(Section):
    regions: list[Literal["eyes", "mouth", "nose"]] = Field(min_length=1)
    splits: list[Literal["train", "val", "test"]] = Field(min_length=1)
    per_image: Count
    pairing: Literal["nearest", "random"]
    source: Literal["real", "fake"]
    colour: Literal["lab", "none"]
    blend: Literal["alpha", "poisson"]
    seed: Seed


class Train(Section):
    encoder: str
    pretrained: str
    hierarchy: str
    similarity: Literal["cosine", "dot"]
    prior: bool
    epochs: Count
    pairs: Count
    batch: Annotated[int, Field(ge=2, multiple_of=2)]
    paired: bool
    lr: Positive
    text_lr: Annotated[float, Field(ge=0, le=1)]
    weight_decay: Annotated[float, Field(ge=0)]
    warmup: Share
    lambda_every: Count
    lambda_lr: Positive
    precision: Literal["float32", "bfloat16"]
    threads: Count


class Score(Section):
    batch: Count
    splits: list[Literal["train", "val", "test"]] = Field(min_length=1)


class Generalise(Section):
    resamples: Annotated[int, Field(ge=100)]
    resampling_seed: Seed


SECTIONS: dict[str, type[Section]] = {
    "runs": Runs,
    "extract": Extract,
    "expand": Expand,
    "train": Train,
    "score": Score,
    "generalise": Generalise,
}


def check(section: str, values: Any) -> Section:
    """Validate `values` as the block `section` of params.yaml.

    Raises:
        ParameterError: unknown section, or a value of the wrong type or out of range; all of them are listed.
    """
    if section not in SECTIONS:
        raise ParameterError(f"section must be one of {', '.join(SECTIONS)}, found {section!r}")
    try:
        return SECTIONS[section].model_validate(values)
    except ValidationError as error:
        raise ParameterError("; ".join(_sentence(section, e) for e in error.errors())) from None


def read(path: str | Path = ROOT / "params.yaml") -> dict[str, Section]:
    """Read and check the whole of params.yaml (YAML 1.2, the dialect of DVC).

    Raises:
        MissingError: there is no such file.
        ParameterError: it is not YAML, a section is missing or unknown, or a value is refused.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingError(f"parameters: file expected, found none at {path.name!r}")
    try:
        document = YAML(typ="safe").load(path.read_text())
    except YAMLError as error:
        raise ParameterError(f"{path.name} must be YAML: {error}") from None
    if not isinstance(document, dict):
        raise ParameterError(f"{path.name} must hold a mapping, found {type(document).__name__}")
    if set(document) != set(SECTIONS):
        raise ParameterError(
            f"{path.name} must hold the sections {', '.join(SECTIONS)}, found {', '.join(map(str, document))}"
        )
    return {name: check(name, document[name]) for name in SECTIONS}


def _sentence(section: str, error: dict) -> str:
    where = ".".join(map(str, (section, *error["loc"])))
    rule = error["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    match error["type"]:
        case "missing":
            return f"{where} is required"
        case "extra_forbidden":
            return f"{where} is unknown, found {error['input']!r}"
        case _:
            return f"{where} must be {rule}, found {error['input']!r}"
