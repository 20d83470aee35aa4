"""Official folder trees of the field's data sets, read into one table: a row for every video or picture.

This folder is the registry: every module in it that has `LAYOUTS` (name -> class) is known; nothing else lists them.
Such a module may also have

- `PROTOCOLS`, the test sets of its data sets, see `semdf.layouts.protocols`;
- `ORDER`, a number. `names()` goes by it, then by the module's name, then by the order in `LAYOUTS`. A module without
  one comes after the data sets of the package, before a table or folder of one's own.

>>> import semdf.layouts
>>> semdf.layouts.names()[:3]
('faceforensics++', 'faceshifter', 'celeb-df-v1')
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Self

import pandas as pd

from semdf.errors import DataError, MissingError, ParameterError

__all__ = ["Layout", "load", "modules", "names", "present", "recognise"]

#: ORDER of a module that names none.
UNORDERED = 150


@dataclass(frozen=True)
class Layout:
    """The tree of one data set. A subclass is a frozen dataclass, whose fields are the options of the layout.

    A field has a default: text, a bool or a tuple of texts.
    """

    #: Whether the lists of the data set name every video, so that another one on disk is a surplus.
    lists_name_all: ClassVar[bool] = False
    #: What belongs to the data set and is not read: a pattern of paths below the root, as for `fnmatch` -> what it is.
    apart: ClassVar[Mapping[str, str]] = {}

    @staticmethod
    def marks(root: Path) -> bool:  # noqa: ARG004 - the signature of the subclasses
        """Whether `root` has the marks of this tree; never true of two layouts. By default a tree is not recognised."""
        return False

    @classmethod
    def present(cls, root: Path) -> list[Self]:  # noqa: ARG003 - the signature of the subclasses
        """The layouts that together read all of the tree that is there, for example one a compression."""
        return [cls()]

    @property
    def part(self) -> str:
        """Which part of its tree it reads, for a title; "" where the rows say it by their compression."""
        return ""

    def read(self, root: Path) -> pd.DataFrame:
        """A row for every video or picture under `root`, with the columns of `semdf.layouts.rows.COLUMNS`."""
        raise NotImplementedError


def modules() -> list[ModuleType]:
    """The modules of this folder that have `LAYOUTS`, in the order of `names()`."""
    found = [importlib.import_module(f"{__name__}.{entry.name}") for entry in pkgutil.iter_modules(__path__)]
    with_layouts = [module for module in found if hasattr(module, "LAYOUTS")]
    return sorted(with_layouts, key=lambda module: (getattr(module, "ORDER", UNORDERED), module.__name__))


def names() -> tuple[str, ...]:
    """The known layouts."""
    return tuple(_classes())


def load(name: str, **options: Any) -> Layout:
    """The layout called `name`, for example `load("faceforensics++", compression="c40")`.

    Args:
        name: One of `names()`, in any case.
        options: Fields of the layout's class. Texts will do for all, as a command line has them: "true", "false", and
            commas between the entries of a list.

    Raises:
        ParameterError: For an unknown name or option, or a value of the wrong type.
    """
    make = _class(name)
    defaults = {field.name: field.default for field in fields(make)}
    unknown = sorted(set(options) - set(defaults))
    if unknown:
        rule = f"must be among {', '.join(defaults)}" if defaults else "must be none"
        raise ParameterError(f"options of layout {name!r} {rule}, found {', '.join(unknown)}")
    typed = {key: _typed(f"layout {name}: {key}", defaults[key], value) for key, value in options.items()}
    return make(**typed)


def recognise(root: Path) -> str:
    """The layout of the tree at `root`, by the folders and lists that only it has.

    Raises:
        ParameterError: Where none fits; the plain `pictures` is never guessed.
        MissingError: The folder may not be listed.
    """
    root = Path(root)
    try:
        os.listdir(root)
    except OSError as error:
        raise MissingError(f"{root}: must be a folder that may be listed, found {error.strerror}") from error
    for name, layout in _classes().items():
        if layout.marks(root):
            return name
    known = ", ".join(name for name in names() if name != "pictures")
    raise ParameterError(f"{root}: must be the tree of {known}, found none of their marks; name the layout otherwise")


def present(name: str, root: Path) -> list[Layout]:
    """The layouts called `name` that together read all of its tree that is there, for example one a compression."""
    return list(_class(name).present(Path(root)))


def _classes() -> Mapping[str, type[Layout]]:
    """Name -> class, of all modules in their order."""
    classes: dict[str, type[Layout]] = {}
    for module in modules():
        for name, layout in module.LAYOUTS.items():
            if name in classes:
                both = f"{classes[name].__module__} and {module.__name__}"
                raise DataError(f"layout {name!r}: must be in one module, found it in {both}")
            classes[name] = layout
    return classes


def _class(name: str) -> type[Layout]:
    found = _classes().get(str(name).lower())
    if found is None:
        raise ParameterError(f"layout must be one of {', '.join(names())}, found {name!r}")
    return found


def _typed(what: str, default: object, value: Any) -> Any:
    """`value` as the type of the field's default: text, bool or a tuple of texts."""
    if isinstance(default, bool) and isinstance(value, str):
        value = {"true": True, "false": False}.get(value, value)
    if isinstance(default, tuple):
        if isinstance(value, str):
            value = value.split(",")
        if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
            value = tuple(item.strip() for item in value)
    if type(value) is not type(default):
        kind = {bool: "true or false", tuple: "a list of texts"}.get(type(default), "text")
        raise ParameterError(f"{what} must be {kind}, found {value!r}")
    return value
