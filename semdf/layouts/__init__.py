"""Official folder trees of the field's data sets, read into one table: a row for every video.

>>> import semdf.layouts
>>> semdf.layouts.names()
('faceforensics++', 'celeb-df-v2', 'pictures')
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Protocol

import pandas as pd

from semdf.errors import ParameterError

__all__ = ["Layout", "load", "names"]

_MODULES = {"faceforensics++": "faceforensics", "celeb-df-v2": "celeb_df", "pictures": "pictures"}


class Layout(Protocol):
    """The tree of one data set."""

    def read(self, root: Path) -> pd.DataFrame:
        """A row for every video under `root`, with the columns of `semdf.layouts.rows.COLUMNS`."""


def names() -> tuple[str, ...]:
    """The known layouts."""
    return tuple(_MODULES)


def load(name: str, **options) -> Layout:
    """The layout called `name`, for example `load("faceforensics++", compression="c40")`.

    name: one of `names()`, in any case.
    options: fields of the layout's class.
    Raises ParameterError for an unknown name or option.
    """
    module = _MODULES.get(str(name).lower())
    if module is None:
        raise ParameterError(f"layout should be one of {', '.join(names())}. Found {name!r}.")
    make = importlib.import_module(f"{__name__}.{module}").LAYOUT
    unknown = sorted(set(options) - set(make.__dataclass_fields__))
    if unknown:
        fields = ", ".join(make.__dataclass_fields__) or "no options"
        raise ParameterError(f"layout {name!r} takes {fields}. Found {', '.join(unknown)}.")
    return make(**options)
