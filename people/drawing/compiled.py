"""The compiler of the inner loops, with a clear error where it is missing."""

from semdf.errors import MissingError

try:
    from numba import njit
except ImportError as error:
    raise MissingError("numba: needed to render people anew, not found; pip install 'semdf[people]'") from error

__all__ = ["njit"]
