"""Ranges, forms and choices of parameters, refused by name.

Why not pydantic, as in `semdf.params`: it converts what it checks (whole numbers and numpy's to Python floats). A scene
is drawn and stored as the numbers that it was made of, so here they are looked at and left alone.
"""

from dataclasses import Field, dataclass, fields
from reprlib import repr as short
from types import UnionType
from typing import Any, ClassVar, get_args, get_origin

import numpy as np

from semdf.errors import ParameterError

__all__ = ["SEEDS", "Checked", "form"]

#: The range of random seeds.
SEEDS = (0, 2**63)

Shape = tuple[int | None, ...]


def form(annotation: Any) -> Shape | None:
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
    if inner is None:
        return None
    length = None if Ellipsis in rest else 1 + len(rest)
    return (length, *inner)


@dataclass(frozen=True, eq=False)
class Checked:
    """A dataclass that refuses values out of range; an array counts as a tuple.

    Numbers inside tuples are checked one by one. Parts that are neither numbers nor tuples of them must be of their
    type.

    Raises:
        ParameterError: names class, parameter, rule and value.
    """

    #: Lowest and highest value of every number.
    ranges: ClassVar[dict[str, tuple[float, float]]] = {}
    #: Lengths of tuples and arrays whose type does not tell it.
    lengths: ClassVar[dict[str, int]] = {}
    #: Tuples that sum to 1.
    shares: ClassVar[tuple[str, ...]] = ()
    #: Vectors that are not zero.
    directions: ClassVar[tuple[str, ...]] = ()
    #: Words that are known.
    choices: ClassVar[dict[str, tuple[str, ...]]] = {}

    def __post_init__(self) -> None:
        for part in fields(self):
            self._check(part)
        for name in self.shares:
            self._demand(name, abs(sum(getattr(self, name)) - 1) <= 0.01, "sum to 1")
        for name in self.directions:
            self._demand(name, float(np.linalg.norm(getattr(self, name))) > 0.1, "be longer than 0.1")

    def _check(self, part: Field[Any]) -> None:
        """Raise ParameterError unless one field holds what its type, range and choices allow."""
        value = getattr(self, part.name)
        shape = form(part.type)
        known = (self.lengths[part.name],) if part.name in self.lengths else None
        if shape is not None:
            self._numbers(part, value, known or shape)
        elif isinstance(part.type, type | UnionType):
            kind = getattr(part.type, "__name__", part.type)
            self._demand(part.name, isinstance(value, part.type), f"be of type {kind}")
            if known and isinstance(value, np.ndarray):
                self._numbers(part, value, known)
        if part.name in self.choices:
            words = self.choices[part.name]
            self._demand(part.name, value in words, f"be one of {', '.join(words)}")

    def _numbers(self, part: Field[Any], value: Any, shape: Shape) -> None:
        """Raise ParameterError unless `value` holds numbers of this shape (None: any length) within their range."""
        low, high = self.ranges.get(part.name, (-np.inf, np.inf))
        whole = part.type is int
        try:
            numbers = np.asarray(value)
        except (ValueError, TypeError):  # rows of different lengths
            numbers = np.asarray(None)
        found = numbers.shape
        alike = len(found) == len(shape) and all(n in (None, m) for n, m in zip(shape, found, strict=True))
        if shape:
            lengths = ", ".join("n" if n is None else str(n) for n in shape)
            rule = f"be [{lengths}] numbers from {low} to {high}"
        else:
            rule = f"be a {'whole ' if whole else ''}number from {low} to {high}"
        self._demand(part.name, alike and numbers.dtype.kind in ("iu" if whole else "fiu"), rule)
        self._demand(part.name, bool(np.all((numbers >= low) & (numbers <= high))), rule)

    def _demand(self, name: str, held: bool, rule: str) -> None:
        if not held:
            raise ParameterError(f"{type(self).__name__}.{name}: must {rule}, found {short(getattr(self, name))}")
