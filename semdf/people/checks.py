"""Ranges and choices of parameters, refused by name."""

from dataclasses import fields
from typing import ClassVar

import numpy as np

from semdf.errors import ParameterError

__all__ = ["Checked"]


class Checked:
    """A dataclass whose numbers lie in `ranges` (name: lowest, highest) and whose words are among `choices`.

    Numbers inside tuples are checked one by one; a `ParameterError` names class, parameter, rule and value.
    """

    ranges: ClassVar[dict[str, tuple[float, float]]] = {}
    choices: ClassVar[dict[str, tuple[str, ...]]] = {}

    def __post_init__(self) -> None:
        for name in (part.name for part in fields(self)):
            value = getattr(self, name)
            if name in self.ranges:
                low, high = self.ranges[name]
                numbers = np.asarray(value, float)
                if not np.all((numbers >= low) & (numbers <= high)):
                    raise ParameterError(f"{type(self).__name__}.{name}: {low} to {high}, found {value!r}")
            if name in self.choices and value not in self.choices[name]:
                options = ", ".join(self.choices[name])
                raise ParameterError(f"{type(self).__name__}.{name}: one of {options}; found {value!r}")
