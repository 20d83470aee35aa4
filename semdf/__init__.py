"""Semantics-oriented deepfake detection. Importing this package loads nothing heavy."""

from pathlib import Path

__version__ = "0.1.0"

#: The root of the checkout: notebooks use it to find data and products wherever they are started.
ROOT = Path(__file__).resolve().parent.parent
