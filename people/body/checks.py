"""Ranges, forms and choices of parameters, refused by name."""

from dataclasses import fields
from reprlib import repr as short
from types import UnionType
from typing import Any, ClassVar, get_args, get_origin

import numpy as np

from semdf.errors import ParameterError

__all__ = ["SEEDS", "Checked", "form"]

#: The range of random seeds.
SEEDS = (0, 2**63)


def form(annotation: Any) -> tuple[int | None, ...] | None:
    """The shape of the numbers that a type annotation names, None in it for any length; None for no numbers.

    >>> form(float), form(tuple[float, float, float]), form(tuple[float, ...]), form(str)
    ((), (3,), (None,), None)
    """
    if annotation in (int, float):
        return ()
    if get_origin(annotation) is not tuple:
        return None
    first, *rest = get_args(annotation)
    inner = form(first)
    return None if inner is None else (None if Ellipsis in rest else 1 + len(rest), *inner)


class Checked:
    """A dataclass whose numbers lie in `ranges` (name: lowest, highest), whose tuples have the length that their type
    or `lengths` tells, whose words are among `choices`, and whose parts are of their type; an array counts as a tuple.
    Those in `shares` sum to 1, those in `directions` are not zero.

    Numbers inside tuples are checked one by one; a `ParameterError` names class, parameter, rule and value.
    """

    ranges: ClassVar[dict[str, tuple[float, float]]] = {}
    lengths: ClassVar[dict[str, int]] = {}
    shares: ClassVar[tuple[str, ...]] = ()
    directions: ClassVar[tuple[str, ...]] = ()
    choices: ClassVar[dict[str, tuple[str, ...]]] = {}

    def __post_init__(self) -> None:
        for part in fields(self):
            value, kind = getattr(self, part.name), part.type
            if (shape := form(kind)) is not None:
                self._numbers(part.name, value, (self.lengths[part.name],) if part.name in self.lengths else shape)
            elif isinstance(kind, type | UnionType):
                self._demand(isinstance(value, kind), part.name, f"a {getattr(kind, '__name__', kind)}")
                if isinstance(value, np.ndarray):
                    self._numbers(part.name, value, (self.lengths[part.name],))
            if part.name in self.choices:
                self._demand(
                    value in self.choices[part.name], part.name, f"one of {', '.join(self.choices[part.name])}"
                )

        for name in self.shares:
            self._demand(abs(sum(getattr(self, name)) - 1) <= 0.01, name, "sums to 1")
        for name in self.directions:
            self._demand(float(np.linalg.norm(getattr(self, name))) > 0.1, name, "longer than 0.1")

    def _demand(self, held: bool, name: str, rule: str) -> None:
        if not held:
            raise ParameterError(f"{type(self).__name__}.{name}: {rule}; found {short(getattr(self, name))}")

    def _numbers(self, name: str, value: Any, shape: tuple[int | None, ...]) -> None:
        """Raise ParameterError unless `value` holds numbers of this shape (None: any length) within their range."""
        low, high = self.ranges.get(name, (-np.inf, np.inf))
        whole = next(part.type for part in fields(self) if part.name == name) is int
        try:
            numbers = np.asarray(value)
        except (ValueError, TypeError):  # rows of different lengths
            numbers = np.asarray(None)
        found = numbers.shape
        alike = len(found) == len(shape) and all(n in (None, m) for n, m in zip(shape, found, strict=True))
        size = f" [{', '.join('n' if n is None else str(n) for n in shape)}]" if shape else ""
        rule = f"{'a whole number' if whole else 'numbers' if shape else 'a number'}{size}, {low} to {high}"
        self._demand(alike and numbers.dtype.kind in ("iu" if whole else "fiu"), name, rule)
        self._demand(bool(np.all((numbers >= low) & (numbers <= high))), name, rule)
