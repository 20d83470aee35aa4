"""Official folder trees of the field's data sets, read into one table: a row for every video or picture.

>>> import semdf.layouts
>>> semdf.layouts.names()[:3]
('faceforensics++', 'faceshifter', 'celeb-df-v1')
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from semdf.errors import ParameterError

__all__ = ["Layout", "load", "names", "present", "recognise"]

_MODULES = {
    "faceforensics++": "faceforensics",
    "faceshifter": "faceshifter",
    "celeb-df-v1": "celeb_df",
    "celeb-df-v2": "celeb_df",
    "dfdc": "dfdc",
    "dfdc-preview": "dfdc_preview",
    "deeperforensics-1.0": "deeperforensics",
    "ffsc": "ffsc",
    "diff": "diff",
    "diffusionface": "diffusionface",
    "deepfakebench": "deepfakebench",
    "table": "own_table",
    "pictures": "pictures",
}


class Layout(Protocol):
    """The tree of one data set. Its module's LAYOUTS maps the layout's name to the class."""

    def read(self, root: Path) -> pd.DataFrame:
        """A row for every video or picture under `root`, with the columns of `semdf.layouts.rows.COLUMNS`."""

    @staticmethod
    def marks(root: Path) -> bool:
        """Whether `root` has the marks of this tree; never true of two layouts (but a plain folder has none)."""


def names() -> tuple[str, ...]:
    """The known layouts."""
    return tuple(_MODULES)


def load(name: str, **options: Any) -> Layout:
    """The layout called `name`, for example `load("faceforensics++", compression="c40")`.

    name: one of `names()`, in any case.
    options: fields of the layout's class. Texts will do for all, as a command line has them: "true", "false", and
        commas between the entries of a list.
    Raises ParameterError for an unknown name or option, or a value of the wrong type.
    """
    make = _class(name)
    unknown = sorted(set(options) - set(make.__dataclass_fields__))
    if unknown:
        fields = ", ".join(make.__dataclass_fields__) or "no options"
        raise ParameterError(f"layout {name!r} takes {fields}. Found {', '.join(unknown)}.")
    fields = make.__dataclass_fields__
    return make(**{key: _typed(f"{name}: {key}", fields[key].default, value) for key, value in options.items()})


def _typed(what: str, default: object, value: Any) -> Any:
    """`value` as the type of the field's default: text, bool or a tuple of texts."""
    if isinstance(default, bool) and isinstance(value, str):
        value = {"true": True, "false": False}.get(value, value)
    if isinstance(default, tuple):
        value = value.split(",") if isinstance(value, str) else value
        texts = isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
        value = tuple(item.strip() for item in value) if texts else value
    if type(value) is not type(default):
        kind = {bool: "true or false", tuple: "a list of texts"}.get(type(default), "text")
        raise ParameterError(f"layout {what} should be {kind}. Found {value!r}.")
    return value


def recognise(root: Path) -> str:
    """The layout of the tree at `root`, by the folders and lists that only it has.

    Raises ParameterError where none fits; the plain `pictures` is never guessed.
    """
    found = [name for name in names() if _class(name).marks(Path(root))]
    if not found:
        rule = f"expected the tree of {', '.join(names()[:-1])}; name the layout otherwise"
        raise ParameterError(f"{root}: {rule}. Found none of their marks.")
    return found[0]


def present(name: str, root: Path) -> list[Layout]:
    """The layouts called `name` that together read all of its tree that is there, for example one a compression."""
    make = _class(name)
    return make.present(Path(root)) if hasattr(make, "present") else [make()]


def _class(name: str) -> Any:
    key = str(name).lower()
    if key not in _MODULES:
        raise ParameterError(f"layout should be one of {', '.join(names())}. Found {name!r}.")
    return importlib.import_module(f"{__name__}.{_MODULES[key]}").LAYOUTS[key]
