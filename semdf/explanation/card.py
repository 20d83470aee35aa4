"""A detector's card: what was measured about it on people whom training did not see, in one file beside its weights.

It holds the temperature of its probabilities, the bounds of the three answers, the faces that it was measured on, how
often each answer was given to reals and to fakes, and how often what it names and where it points was right. A verdict
says no more than its card allows: without a card there is a probability and no answer.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from scipy.special import expit, logit

from semdf.artifacts import read_json, write_json
from semdf.errors import DataError
from semdf.faces.quality import MEANINGS, Quality

__all__ = [
    "ANSWERS",
    "UNMEASURED",
    "Answer",
    "Answers",
    "Card",
    "Decision",
    "Kind",
    "Named",
    "Outcome",
    "Pointing",
    "Range",
    "Rate",
    "Reason",
    "Unit",
    "calibrated",
    "decide",
    "of_weights",
    "outside",
    "place",
    "read",
    "write",
]

#: The three answers.
Answer = Literal["forged", "no sign of forgery found", "cannot tell"]
ANSWERS: tuple[Answer, ...] = get_args(Answer)
#: What is judged: one picture, or the mean over the frames of a video.
Kind = Literal["picture", "video"]

Share = Field(ge=0, le=1)


class _Model(BaseModel):
    """A part of a card: unknown names and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Rate(_Model):
    """A share with its 95 % interval, and what it was counted over.

    Attributes:
        of: Number of samples.
        people: Number of different people among them: the interval is Wilson's for as many independent trials.
    """

    value: float = Share
    low: float = Share
    high: float = Share
    of: int = Field(ge=1)
    people: int = Field(ge=1)


class Answers(_Model):
    """How often each of the three answers was given to faces of one class."""

    forged: Rate
    no_sign: Rate
    cannot_tell: Rate

    def rate(self, answer: Answer) -> Rate:
        """The rate of an answer."""
        return dict(zip(ANSWERS, (self.forged, self.no_sign, self.cannot_tell), strict=True))[answer]


class Outcome(_Model):
    """The answers that the faces of one data set got.

    Attributes:
        data: Name of the data set.
        split: Of the data set.
        trained: Whether the detector was trained on other people of the same data set.
        reals: None where there are none.
        fakes: None where there are none.
    """

    data: str
    split: str
    trained: bool
    reals: Answers | None
    fakes: Answers | None


class Named(_Model):
    """How often a node was altered when the detector named it, among forged faces with the answer "forged".

    Attributes:
        node: Name of the node.
        right: Share of the faces for which it was named in which it was altered.
        chance: Share of all these forged faces in which it was altered: what naming it every time would score.
        gain_low: Lower end of the interval of `right` less `chance`, over people, at 95 % for all nodes together.
    """

    node: str
    right: Rate
    chance: float = Share
    gain_low: float

    @property
    def above_chance(self) -> bool:
        """Whether naming the node says more than naming it every time."""
        return self.gain_low > 0


class Pointing(_Model):
    """How often the highest pixel of a node's map lay in what was forged (pointing game).

    Attributes:
        node: Name of the node.
        hits: Share of forgeries.
        chance: The larger of the forged region's share of the picture and, for nodes below the root, the hits of the
            root's map.
        gain_low: Lower end of the interval of `hits` less `chance`, over people, at 95 % for all nodes together.
    """

    node: str
    hits: Rate
    chance: float = Share
    gain_low: float

    @property
    def above_chance(self) -> bool:
        """Whether the map says where the forgery is."""
        return self.gain_low > 0


class Range(_Model):
    """Between which values a number lay for the faces that were measured."""

    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if self.low > self.high:
            raise ValueError(f"low must be at most high, found {self.low} and {self.high}")
        return self


class Unit(_Model):
    """What holds for pictures, or for videos.

    Attributes:
        temperature: The log-odds of the root are divided by it.
        forged_from: From which calibrated probability on the answer is "forged".
        no_sign_to: Up to which it is "no sign of forgery found"; between the two it is "cannot tell".
        outcomes: The first is that of the people that the rest was fitted on, by cross-fitting.
    """

    temperature: float = Field(gt=0)
    forged_from: float = Share
    no_sign_to: float = Share
    outcomes: list[Outcome] = Field(min_length=1)

    @model_validator(mode="after")
    def _ordered(self) -> Unit:
        if self.no_sign_to > self.forged_from:
            found = f"{self.no_sign_to} and {self.forged_from}"
            raise ValueError(f"no_sign_to must be at most forged_from, found {found}")
        return self


class Card(_Model):
    """All that was measured about one detector.

    Attributes:
        format: Of this file.
        weights: File name -> SHA-256 of the weights that were measured, beside the card.
        ranges: Name of a number of `semdf.faces.quality.Quality` -> the range of the measured faces.
        picture: What holds for single pictures; None where it was not measured.
        video: What holds for videos.
        named: A row for each node that was named often enough to be counted, in single pictures.
        pointing: Whether its maps point at what was forged.
    """

    format: Literal[1] = 1
    weights: dict[str, str]
    ranges: dict[str, Range]
    picture: Unit | None = None
    video: Unit | None = None
    named: list[Named] = []
    pointing: list[Pointing] = []

    @model_validator(mode="after")
    def _known(self) -> Card:
        if wrong := sorted(set(self.ranges) - set(MEANINGS)):
            raise ValueError(f"ranges must be of {', '.join(MEANINGS)}, found {', '.join(wrong)}")
        return self

    def unit(self, kind: Kind) -> Unit | None:
        """What holds for pictures or videos."""
        return self.picture if kind == "picture" else self.video

    def names(self, node: str) -> Named | None:
        """How well a node is named, if better than chance."""
        return next((row for row in self.named if row.node == node and row.above_chance), None)

    def points(self, node: str) -> Pointing | None:
        """How well the map of a node points, if better than chance."""
        return next((row for row in self.pointing if row.node == node and row.above_chance), None)


class Reason(NamedTuple):
    """Why there is no answer: a number of the face that lies outside what was measured, or an undecided probability."""

    name: str
    value: float
    low: float
    high: float


class Decision(NamedTuple):
    """The answer to one face.

    Attributes:
        answer: None where nothing was measured.
        probability: Calibrated, for as many fakes as reals; None where nothing was measured.
        reasons: Of "cannot tell".
    """

    answer: Answer | None
    probability: float | None
    reasons: tuple[Reason, ...] = ()


#: The decision of a detector without a card, or whose card holds nothing of this kind.
UNMEASURED = Decision(None, None)


def calibrated(p: np.ndarray | float, temperature: float) -> np.ndarray:
    """Probabilities whose log-odds are divided by a temperature (Guo et al., ICML 2017)."""
    return expit(logit(np.clip(p, 1e-9, 1 - 1e-9)) / temperature)


def outside(numbers: Mapping[str, float], ranges: Mapping[str, Range]) -> Iterable[Reason]:
    """The numbers of a face that lie outside the measured ranges; one that is no number lies outside, too."""
    for name, bounds in ranges.items():
        value = numbers[name]
        if not bounds.low <= value <= bounds.high:
            yield Reason(name, float(value), bounds.low, bounds.high)


def decide(card: Card | None, kind: Kind, p: float, quality: Quality) -> Decision:
    """The answer to a face.

    Args:
        card: Of the detector.
        kind: What is judged.
        p: The detector's probability of a forgery.
        quality: Of the face; of a video the medians.
    """
    unit = card.unit(kind) if card else None
    if card is None or unit is None:
        return UNMEASURED
    probability = float(calibrated(p, unit.temperature))
    reasons = tuple(outside(quality._asdict(), card.ranges))
    if reasons:
        return Decision("cannot tell", probability, reasons)
    if probability >= unit.forged_from:
        return Decision("forged", probability)
    if probability <= unit.no_sign_to:
        return Decision("no sign of forgery found", probability)
    undecided = Reason("probability", probability, unit.no_sign_to, unit.forged_from)
    return Decision("cannot tell", probability, (undecided,))


def of_weights(where: Path) -> dict[str, str]:
    """SHA-256 of a detector's weights, by the file's name.

    Args:
        where: A run's folder, or a file of weights.
    """
    path = Path(where) / "model.safetensors" if Path(where).is_dir() else Path(where)
    return {path.name: _digest(path)}


def place(where: Path) -> Path:
    """Where the card lies: `card.json` in a run's folder, or `NAME.card.json` beside a file of weights NAME."""
    where = Path(where)
    return where / "card.json" if where.is_dir() else where.with_name(f"{where.name}.card.json")


def write(card: Card, where: Path) -> Path:
    """Write the card beside the weights, numbers rounded to six digits; returns its path."""
    return write_json(_rounded(card.model_dump()), place(where))


def read(where: Path) -> Card | None:
    """The card beside the weights; None without one.

    Args:
        where: A run's folder, or a file of weights.

    Raises:
        DataError: It is no card, or not of the weights beside it.
    """
    path = place(where)
    if not path.is_file():
        return None
    name = f"{path.parent.name}/{path.name}"
    try:
        card = Card.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        entry = ".".join(map(str, first["loc"])) or "it"
        raise DataError(f"{name}: {entry} must be as in a card: {first['msg']}") from None
    for file, expected in card.weights.items():
        weights = path.with_name(file)
        if Path(file).name != file or not weights.is_file():
            raise DataError(f"{name}: must lie beside its weights {file}, found none")
        found = _digest(weights)
        if found != expected:
            raise DataError(
                f"{name}: must be of the weights {file} beside it, SHA-256 {found[:12]}..., found a card of "
                f"{expected[:12]}...: measure it again with `semdf card`, or delete it"
            )
    return card


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _rounded(value: object) -> object:
    """The same with all floats rounded to six digits behind the point."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    if isinstance(value, float) and math.isfinite(value):
        return round(value, 6)
    return value
