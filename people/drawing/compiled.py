"""The compiler of the inner loops, with a clear error where it is missing."""

from collections.abc import Callable
from typing import Any, TypeVar

from semdf.errors import MissingError

try:
    from numba import njit
except ImportError as error:
    raise MissingError("numba: needed to render people anew, not found; pip install 'semdf[people]'") from error

__all__ = ["compiled"]

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function of numbers, arrays and named tuples to machine code.

    The code is made at the first call and kept beside the module for later runs. `fastmath` lets the compiler reorder
    sums and products: who changes the order of operations in the source may change the last bits of a picture.
    """
    dispatcher: Any = njit(cache=True, fastmath=True)(function)
    return dispatcher
