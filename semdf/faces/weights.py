"""Where weights of face detectors and parsers are looked for."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["weights_folder"]


def weights_folder() -> Path:
    """$SEMDF_WEIGHTS, or `weights/` in the working folder."""
    return Path(os.environ.get("SEMDF_WEIGHTS", "weights"))
