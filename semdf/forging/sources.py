"""Faces in the form that the expansion takes: those of a manifest, or of a folder of one's own pictures."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from semdf import layouts
from semdf.artifacts import read_table
from semdf.errors import DataError, MissingError
from semdf.extraction.extract import extract
from semdf.faces.choose import retinaface
from semdf.faces.finders import Templates
from semdf.forging.presets import Preset
from semdf.storage.pictures import PICTURES

if TYPE_CHECKING:
    from semdf.faces.parsing import Parser

__all__ = ["faces_of", "gather", "parser_for"]


def gather(
    pictures: Path, out: Path, *, size: int = 256, margin: float = 1.3, identity: str = ""
) -> tuple[Path, pd.DataFrame]:
    """Cut the face out of every picture of a folder; the folder of the crops, and their manifest.

    Landmarks come from NAME.tem beside a picture where there is one (hand-placed), else from RetinaFace if its weights
    are in `weights_folder()`; a picture in which no face is known keeps a row that says so, and a warning
    counts them. identity: who is shown, see the layout `pictures`.
    Raises MissingError if there are neither weights nor a NAME.tem, DataError if no picture gives a face.
    """
    rows = layouts.load("pictures", identity=identity).read(pictures)
    placed = any((pictures / path).with_suffix(".tem").is_file() for path in rows["path"])
    finder = Templates(pictures, retinaface(needed=not placed))
    manifest = extract(rows, pictures, out, finder, frames=1, size=size, alignment="similarity", margin=margin)
    reasons = manifest["status"][manifest["status"] != "ok"].str.split(":", n=1).str[0].value_counts()
    if len(reasons):
        found = ", ".join(f"{count} with {reason}" for reason, count in sorted(reasons.items()))
        if reasons.sum() == len(manifest):
            raise DataError(f"{pictures}: expected a face in some of {len(manifest)} pictures. Found {found}.")
        warnings.warn(f"{pictures}: of {len(manifest)} pictures {found}", stacklevel=2)
    return out, manifest


def faces_of(path: Path, out: Path, *, size: int = 256, identity: str = "") -> tuple[Path, pd.DataFrame]:
    """The folder of the crops and their manifest: of a manifest file, of its folder, or cut out of pictures into `out`.

    size, identity: of crops of pictures, see `gather`.
    Raises MissingError for a folder that holds neither manifest.parquet nor a picture.
    """
    path = Path(path)
    manifest = path / "manifest.parquet" if path.is_dir() else path
    if manifest.is_file():
        return manifest.parent, read_table(manifest)
    if path.is_dir() and any(found.suffix.lower() in PICTURES for found in path.rglob("*")):
        return gather(path, out, size=size, identity=identity)
    raise MissingError(f"faces: expected manifest.parquet or pictures at {path}. Found neither.")


def parser_for(preset: Preset, manifest: pd.DataFrame) -> Parser | None:
    """A face parser if the preset's masks need one: if they come from region maps and the manifest has some face
    without. Else None.
    """
    if preset.options.mask != "regions" or (manifest["regions_member"][manifest["status"] == "ok"] != "").all():
        return None
    from semdf.faces.parsing import Parser

    return Parser()
