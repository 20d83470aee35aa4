"""The faces of a folder of one's own pictures, in the form that the expansion takes."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from semdf import ROOT, layouts
from semdf.extract import extract
from semdf.faces import Templates
from semdf.retinaface import RetinaFace, find_weights

__all__ = ["gather", "weights_folder"]


def weights_folder() -> Path:
    """Where weights of face detectors are looked for: $SEMDF_WEIGHTS, or weights/ in the checkout."""
    return Path(os.environ.get("SEMDF_WEIGHTS", ROOT / "weights"))


def gather(pictures: Path, out: Path, *, size: int = 256, margin: float = 1.3) -> tuple[Path, pd.DataFrame]:
    """Cut the face out of every picture of a folder; the folder of the crops, and their manifest.

    Landmarks come from NAME.tem beside a picture where there is one (hand-placed), else from RetinaFace if its weights
    are in `weights_folder()`; a picture in which no face is known keeps a row that says so.
    """
    found = find_weights(weights_folder())
    detector = RetinaFace(found[1], found[0]) if found else None
    manifest = extract(
        layouts.load("pictures").read(pictures),
        pictures,
        out,
        Templates(pictures, detector),
        frames=1,
        size=size,
        alignment="similarity",
        margin=margin,
    )
    return out, manifest
