"""Faces in the form that the expansion takes: those of a manifest, or of a folder of one's own pictures."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from semdf import ROOT, layouts
from semdf.artifacts import read_table
from semdf.errors import MissingError
from semdf.extract import extract
from semdf.faces import Templates
from semdf.presets import Preset
from semdf.retinaface import RetinaFace, find_weights
from semdf.video import PICTURES

__all__ = ["faces_of", "gather", "parser_for", "weights_folder"]


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


def faces_of(path: Path, out: Path, *, size: int = 256) -> tuple[Path, pd.DataFrame]:
    """The folder of the crops and their manifest: of a manifest file, of its folder, or cut out of pictures into `out`.

    Raises MissingError for a folder that holds neither manifest.parquet nor a picture.
    """
    path = Path(path)
    manifest = path / "manifest.parquet" if path.is_dir() else path
    if manifest.is_file():
        return manifest.parent, read_table(manifest)
    if path.is_dir() and any(found.suffix.lower() in PICTURES for found in path.rglob("*")):
        return gather(path, out, size=size)
    raise MissingError(f"faces: expected manifest.parquet or pictures at {path}. Found neither.")


def parser_for(preset: Preset, manifest: pd.DataFrame):
    """A face parser if the preset's masks need one: if they come from region maps and the manifest has some face
    without. Else None."""
    if preset.options.mask != "regions" or (manifest["regions_member"][manifest["status"] == "ok"] != "").all():
        return None
    from semdf.parsing import Parser

    return Parser()
