"""Semantics-oriented deepfake detection.

Importing this package loads nothing heavy. The modules of `semdf.method` are also found here, each loaded when it is
first used: `semdf.hierarchy` is `semdf.method.hierarchy`.
"""

from importlib import import_module
from types import ModuleType

__version__ = "0.1.0"

_METHOD = ("bilevel", "hierarchy", "losses", "marginals", "model", "prompts", "towers", "weighting")


def __getattr__(name: str) -> ModuleType:
    if name not in _METHOD:
        raise AttributeError(f"module 'semdf' has no attribute {name!r}")
    return import_module(f"semdf.method.{name}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_METHOD])
