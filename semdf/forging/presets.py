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
from semdf.forging.warp import WARPS

__all__ = ["AS_PRESET", "MASKS", "Options", "Preset", "choose", "known", "load"]

FILE = Path(__file__).with_suffix(".yaml")

#: What a parameter says that leaves a choice to the preset.
AS_PRESET = "preset"

#: Where masks come from: "landmarks", or "regions", a region map that was written with the data or made by a parser.
MASKS = ("landmarks", "regions")


@dataclass(frozen=True)
class Options:
    """How a region is replaced. A tuple of names, or of opacities, is drawn from evenly; a range uniformly.

    mask: of `MASKS`. shape: the mask's growth, deformation and feather.
    alignment: of `warp.WARPS`. shift, scale, turn: largest random displacement (parts of the face's span),
        relative change of size and rotation (degrees) after it.
    colour: of `semdf.forging.colour.COLOURS`. blend: of `semdf.forging.blend.BLENDS`.
    opacity: the mask is multiplied by it; below 1 is mix-up.
    resolution: the donor's resolution is cut to a factor from this range; (1, 1) leaves it.
    sharpness: amount of unsharp masking of the donor, negative ones blur; (0, 0) leaves it.
    light: largest relative brightening towards a random side, over one span. tint: largest shift of a channel, levels.
    contrast: largest relative change of the contrast.
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

    def __post_init__(self) -> None:
        for name, known_names in (("alignment", WARPS), ("colour", COLOURS), ("blend", BLENDS)):
            value = getattr(self, name)
            value = (value,) if isinstance(value, str) else tuple(value)
            if not value or not set(value) <= set(known_names):
                raise ParameterError(f"{name} should be among {', '.join(known_names)}. Found {list(value)}.")
            object.__setattr__(self, name, value)
        if self.mask not in MASKS:
            raise ParameterError(f"mask should be one of {', '.join(MASKS)}. Found {self.mask!r}.")
        if not self.opacity or not all(0 < value <= 1 for value in self.opacity):
            raise ParameterError(f"opacity should hold values within (0, 1]. Found {self.opacity}.")
        low, high = self.resolution
        if not 0 < low <= high <= 1:
            raise ParameterError(f"resolution should be a range within (0, 1]. Found {self.resolution}.")
        low, high = self.sharpness
        if not -1 <= low <= high <= 5:
            raise ParameterError(f"sharpness should be a range within [-1, 5]. Found {self.sharpness}.")
        limits = {"shift": 1, "scale": 0.5, "turn": 45, "light": 1, "tint": 255, "contrast": 1}
        for name, most in limits.items():
            if not 0 <= getattr(self, name) <= most:
                raise ParameterError(f"{name} should lie in [0, {most}]. Found {getattr(self, name)}.")


@dataclass(frozen=True)
class Preset:
    """A kind of data set expansion.

    regions: names of regions, joined ones too, that are drawn from. pairing, source: who gives (`PAIRINGS`, `SOURCES`).
    reference: where the values come from.
    """

    name: str
    regions: tuple[str, ...]
    pairing: str
    source: str
    options: Options
    reference: str = field(default="ours", repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "regions", tuple(joined(region) for region in self.regions))
        if not self.regions or len(set(self.regions)) < len(self.regions):
            raise ParameterError(f"regions should be different names, at least one. Found {list(self.regions)}.")
        for name, names in (("pairing", PAIRINGS), ("source", SOURCES)):
            if getattr(self, name) not in names:
                raise ParameterError(f"{name} should be one of {', '.join(names)}. Found {getattr(self, name)!r}.")


def known() -> tuple[str, ...]:
    """Names of the presets.

    >>> known()
    ('self_blended', 'sjedd', 'sjedd_small', 'sladd')
    """
    return tuple(sorted(_document()))


@cache
def load(name: str) -> Preset:
    """A preset by its name. ParameterError, which lists the known ones, for another name."""
    if name not in known():
        raise ParameterError(f"preset should be one of {', '.join(known())}. Found {name!r}.")
    entry = _entry(name)
    options: dict[str, Any] = {key: _plain(value) for key, value in entry.pop("options", {}).items()}
    if "shape" in options:
        options["shape"] = Shape(**{key: _plain(value) for key, value in options["shape"].items()})
    names = {f.name for f in fields(Preset)} - {"name", "options"}
    if set(entry) != names or not set(options) <= {f.name for f in fields(Options)}:
        raise DataError(f"preset {name!r}: must have {sorted(names)} and known options. Found {[*entry, *options]}.")
    regions = tuple(entry.pop("regions"))
    return Preset(name, regions, options=Options(**options), **{key: str(value) for key, value in entry.items()})


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
    """A preset in which some choices are replaced; "preset", or no regions, leaves them."""
    preset = load(name)
    changed = {key: value for key, value in (("pairing", pairing), ("source", source)) if value != AS_PRESET}
    drawn: dict[str, Any] = {"colour": colour, "blend": blend, "mask": mask}
    options = replace(preset.options, **{key: value for key, value in drawn.items() if value != AS_PRESET})
    return replace(preset, regions=tuple(regions) or preset.regions, options=options, **changed)


@cache
def _document() -> Mapping:
    return YAML(typ="safe").load(FILE)


def _entry(name: str) -> dict:
    """A preset as it is written, filled up from the one that it is `like`."""
    entry = dict(_document()[name])
    return _filled(entry, _entry(entry.pop("like"))) if "like" in entry else entry


def _filled(own: Mapping, other: Mapping) -> dict:
    both = {key: _filled(own[key], other[key]) for key in own.keys() & other.keys() if isinstance(own[key], Mapping)}
    return {**other, **own, **both}


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
