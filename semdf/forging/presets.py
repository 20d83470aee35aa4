"""What a forgery is made of: `Options` of one kind of forgery, and `Preset`, a named kind of data set expansion.

Presets are data: `presets.yaml` beside this module says for each where its values come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from semdf.errors import DataError, ParameterError
from semdf.faces.regions import joined
from semdf.forging.blend import BLENDS
from semdf.forging.colour import COLOURS
from semdf.forging.donors import PAIRINGS, SOURCES
from semdf.forging.masks import Shape
from semdf.forging.traces import TRACES
from semdf.forging.warp import WARPS

__all__ = ["AS_PRESET", "MASKS", "OPERATORS", "Options", "Preset", "Seen", "choose", "known", "load"]

#: The table of the presets.
FILE = Path(__file__).with_suffix(".yaml")

#: The value of a parameter that leaves a choice to the preset.
AS_PRESET = "preset"

#: Where masks come from: "landmarks", or "regions", a region map that was written with the data or made by a parser.
MASKS = ("landmarks", "regions")

#: What goes into the mask. "replace": the donor. "morph": the mean of both faces, in shape and in colour.
#: "resynthesise": the target put together from small pieces of the donor.
OPERATORS = ("replace", "morph", "resynthesise")

#: The name that stands for no trace among those that are drawn from.
NO_TRACE = "none"


@dataclass(frozen=True)
class Options:
    """How a region is replaced.

    Of several names, or opacities, each is drawn equally often; from a range a value is drawn uniformly.

    Attributes:
        mask: Of `MASKS`.
        shape: Growth, deformation and soft border of the mask.
        alignment: Of `semdf.forging.warp.WARPS`, one or several.
        shift: Largest random displacement after it, in parts of the face's span.
        scale: Largest random change of size after it: the factor lies in [exp(-scale), exp(scale)].
        turn: Largest random rotation after it, degrees.
        colour: Of `semdf.forging.colour.COLOURS`, one or several.
        blend: Of `semdf.forging.blend.BLENDS`, one or several.
        opacity: The mask is multiplied by it; below 1 is mix-up.
        resolution: Range of factors to which the donor's resolution is cut; (1, 1) leaves it.
        sharpness: Range of amounts of unsharp masking of the donor, negative ones blur; (0, 0) leaves it.
        light: Largest relative brightening towards a random side, over one span.
        tint: Largest shift of a channel, levels.
        contrast: Largest relative change of the contrast.
        traces: Of `semdf.forging.traces.TRACES`, or "none": what a generator leaves in the donor; empty for none at
            all.
        detail: Range of the resolution that survives it.
        operator: Of `OPERATORS`. The opacity of a morph is the donor's part.

    Raises:
        ParameterError: An unknown name, or a value out of range.
    """

    mask: str = "landmarks"
    shape: Shape = field(default_factory=Shape)
    alignment: str | tuple[str, ...] = ("region",)
    shift: float = 0.0
    scale: float = 0.0
    turn: float = 0.0
    colour: str | tuple[str, ...] = ("lab",)
    blend: str | tuple[str, ...] = ("alpha",)
    opacity: tuple[float, ...] = (1.0,)
    resolution: tuple[float, float] = (0.5, 0.8)
    sharpness: tuple[float, float] = (0.0, 0.0)
    light: float = 0.0
    tint: float = 0.0
    contrast: float = 0.0
    traces: tuple[str, ...] = ()
    detail: tuple[float, float] = (0.4, 0.9)
    operator: str = "replace"

    def __post_init__(self) -> None:
        for name, known_names in (("alignment", WARPS), ("colour", COLOURS), ("blend", BLENDS)):
            value = getattr(self, name)
            value = (value,) if isinstance(value, str) else tuple(value)
            if not value or not set(value) <= set(known_names):
                raise ParameterError(f"{name} must be among {', '.join(known_names)}, found {list(value)}")
            object.__setattr__(self, name, value)
        self._check_names()
        if not self.opacity or not all(0 < value <= 1 for value in self.opacity):
            raise ParameterError(f"opacity must hold values within (0, 1], found {self.opacity}")
        for name, (low, high) in (("resolution", self.resolution), ("detail", self.detail)):
            if not 0 < low <= high <= 1:
                raise ParameterError(f"{name} must be a range within (0, 1], found {(low, high)}")
        low, high = self.sharpness
        if not -1 <= low <= high <= 5:
            raise ParameterError(f"sharpness must be a range within [-1, 5], found {self.sharpness}")
        limits = {"shift": 1, "scale": 0.5, "turn": 45, "light": 1, "tint": 255, "contrast": 1}
        for name, most in limits.items():
            if not 0 <= getattr(self, name) <= most:
                raise ParameterError(f"{name} must lie in [0, {most}], found {getattr(self, name)}")

    def _check_names(self) -> None:
        """Raise ParameterError for a mask, an operator or a trace that is not known."""
        for name, found, known_names in (("mask", self.mask, MASKS), ("operator", self.operator, OPERATORS)):
            if found not in known_names:
                raise ParameterError(f"{name} must be one of {', '.join(known_names)}, found {found!r}")
        if not set(self.traces) <= {*TRACES, NO_TRACE}:
            raise ParameterError(f"traces must be among {', '.join([*TRACES, NO_TRACE])}, found {list(self.traces)}")


@dataclass(frozen=True)
class Seen:
    """How a crop and its forgeries are stored: at another resolution than a forgery is made at, compressed twice.

    Both are made smaller, compressed, brought back to their size, sharpened or blurred as phones do it, and compressed
    again, alike: none of it is a trace.

    Attributes:
        untouched: Share of the crops of which none of this is done.
        resolution: Range of the factor to which crops are made smaller before anything is forged.
        quality: Range of the two JPEG qualities.
        sharpness: Range of amounts of unsharp masking, negative ones blur.

    Raises:
        ParameterError: A value out of range.
    """

    untouched: float = 0.3
    resolution: tuple[float, float] = (0.6, 1.0)
    quality: tuple[int, int] = (50, 95)
    sharpness: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if not 0 <= self.untouched <= 1:
            raise ParameterError(f"untouched must lie in [0, 1], found {self.untouched}")
        low, high = self.resolution
        if not 0 < low <= high <= 1:
            raise ParameterError(f"resolution must be a range within (0, 1], found {self.resolution}")
        low, high = self.quality
        if not 1 <= low <= high <= 100:
            raise ParameterError(f"quality must be a range within [1, 100], found {self.quality}")
        low, high = self.sharpness
        if not -1 <= low <= high <= 5:
            raise ParameterError(f"sharpness must be a range within [-1, 5], found {self.sharpness}")


@dataclass(frozen=True)
class Preset:
    """A kind of data set expansion.

    Attributes:
        name: Its name in presets.yaml.
        regions: Names of regions, joined ones too, that are drawn from.
        pairing: Who gives, of `semdf.forging.donors.PAIRINGS`.
        source: Whether real or fake crops give, of `semdf.forging.donors.SOURCES`.
        options: How a region is replaced.
        reference: Where the values come from.
        seen: How crops and forgeries are stored; None leaves them as they are.

    Raises:
        ParameterError: An unknown name, or a region that stands twice.
    """

    name: str
    regions: tuple[str, ...]
    pairing: str
    source: str
    options: Options
    reference: str = field(default="ours", repr=False)
    seen: Seen | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "regions", tuple(joined(region) for region in self.regions))
        if not self.regions or len(set(self.regions)) < len(self.regions):
            raise ParameterError(f"regions must be different names, at least one, found {list(self.regions)}")
        for name, names in (("pairing", PAIRINGS), ("source", SOURCES)):
            if getattr(self, name) not in names:
                raise ParameterError(f"{name} must be one of {', '.join(names)}, found {getattr(self, name)!r}")


def known() -> tuple[str, ...]:
    """Names of the presets.

    >>> known()[:2]
    ('photographs', 'photographs_morph')
    """
    return tuple(sorted(_document()))


@cache
def load(name: str) -> Preset:
    """A preset by its name.

    Raises:
        ParameterError: No preset has this name; the message lists those there are.
        DataError: presets.yaml names a field that is not known, or lacks one.
    """
    if name not in known():
        raise ParameterError(f"preset must be one of {', '.join(known())}, found {name!r}")
    entry = _entry(name)
    options = _plain(entry.pop("options", {}))
    seen = entry.pop("seen", None)
    needed = {f.name for f in fields(Preset)} - {"name", "options", "seen"}
    if set(entry) != needed or not set(options) <= {f.name for f in fields(Options)}:
        raise DataError(f"preset {name!r}: must have {sorted(needed)} and known options, found {[*entry, *options]}")
    if "shape" in options:
        options["shape"] = Shape(**_plain(options["shape"]))
    return Preset(
        name=name,
        regions=tuple(entry["regions"]),
        pairing=str(entry["pairing"]),
        source=str(entry["source"]),
        options=Options(**options),
        reference=str(entry["reference"]),
        seen=None if seen is None else Seen(**_plain(seen)),
    )


def choose(
    name: str = "sjedd",
    *,
    regions: Sequence[str] = (),
    pairing: str = AS_PRESET,
    source: str = AS_PRESET,
    colour: str = AS_PRESET,
    blend: str = AS_PRESET,
    mask: str = AS_PRESET,
) -> Preset:
    """A preset in which some choices are replaced; "preset", or no regions, leaves them.

    Raises:
        ParameterError: An unknown name.
    """
    preset = load(name)
    options = replace(preset.options, **_named(colour=colour, blend=blend, mask=mask))
    changed = _named(pairing=pairing, source=source)
    return replace(preset, regions=tuple(regions) or preset.regions, options=options, **changed)


def _named(**choices: str) -> dict[str, Any]:
    """The choices that are not left to the preset."""
    return {key: value for key, value in choices.items() if value != AS_PRESET}


@cache
def _document() -> Mapping:
    return YAML(typ="safe").load(FILE)


def _entry(name: str) -> dict:
    """A preset as it is written, filled up from the one that it is `like`."""
    entry = dict(_document()[name])
    if "like" not in entry:
        return entry
    other = entry.pop("like")
    return _filled(entry, _entry(other))


def _filled(own: Mapping, other: Mapping) -> dict:
    """`own`, with what it does not name from `other`; mappings within them alike."""
    filled = dict(other)
    for key, value in own.items():
        nested = isinstance(value, Mapping) and key in other
        filled[key] = _filled(value, other[key]) if nested else value
    return filled


def _plain(entry: Mapping) -> dict[str, Any]:
    """The entry with tuples for lists."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
