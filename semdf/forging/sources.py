"""Faces in the form that the expansion takes: those of a manifest, or of a folder of one's own pictures."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from semdf import layouts
from semdf.artifacts import read_table
from semdf.errors import DataError, MissingError
from semdf.forging.presets import Preset
from semdf.layouts.rows import files
from semdf.layouts.tree import rest
from semdf.weights.registry import folders

if TYPE_CHECKING:
    from semdf.faces.parsing import Parser

__all__ = ["faces_of", "gather", "parser_for"]


def gather(
    pictures: Path, out: Path, *, size: int = 256, margin: float = 1.3, identity: str = ""
) -> tuple[Path, pd.DataFrame]:
    """Cut the face out of every picture of a folder; the folder of the crops, and their manifest.

    Landmarks come from NAME.tem beside a picture where there is one (hand-placed), else from RetinaFace if its weights
    are in `semdf.weights.registry.folders`, else from MTCNN. A picture in which no face is known keeps a row that says
    so, and a warning counts them.

    Args:
        pictures: The folder, looked through with those below it, but for hidden ones.
        out: The folder to write to.
        size: Side of the crops, pixels.
        margin: How much wider than the face a crop is.
        identity: Who is shown, see the layout `pictures`.

    Raises:
        DataError: No picture gives a face.
    """
    from semdf.extraction.extract import extract
    from semdf.faces.choose import choose

    rows = layouts.load("pictures", identity=identity).read(pictures)
    finder = choose("templates", pictures, stand_in=True)
    manifest = extract(rows, pictures, out, finder, frames=1, size=size, alignment="similarity", margin=margin)
    failed = manifest["status"][manifest["status"] != "ok"]
    reasons = failed.str.split(":", n=1).str[0].value_counts()
    if len(failed):
        found = ", ".join(f"{count} with {reason}" for reason, count in sorted(reasons.items()))
        if len(failed) == len(manifest):
            raise DataError(f"{pictures}: must show a face in some of {len(manifest)} pictures, found {found}")
        warnings.warn(f"{pictures}: of {len(manifest)} pictures {found}", stacklevel=2)
    return out, manifest


def faces_of(path: Path, out: Path, *, size: int = 256, identity: str = "") -> tuple[Path, pd.DataFrame]:
    """The folder of the crops and their manifest: of a manifest file, of its folder, or cut out of pictures into `out`.

    Args:
        path: The manifest, its folder, or a folder of pictures.
        out: As for `gather`.
        size: As for `gather`.
        identity: As for `gather`.

    Raises:
        MissingError: The folder holds neither manifest.parquet nor a picture.
    """
    path = Path(path)
    manifest = path / "manifest.parquet" if path.is_dir() else path
    if manifest.is_file():
        return manifest.parent, read_table(manifest)
    if path.is_dir() and files(path, path):
        return gather(path, out, size=size, identity=identity)
    others = (
        "; ".join(f"{len(names)}: {reason}" for reason, names in rest(path, (), {}).items()) if path.is_dir() else ""
    )
    found = f"neither, but {others}" if others else "neither"
    raise MissingError(f"faces: must have manifest.parquet or pictures at {path}, found {found}")


def parser_for(preset: Preset, manifest: pd.DataFrame | None, weights: Path | None = None) -> Parser | None:
    """A face parser if the preset's masks need one, else None.

    They do if they come from region maps and some face of the manifest has none.

    Args:
        preset: Says where masks come from.
        manifest: The faces; None for faces of pictures, which never have maps.
        weights: Folder of this project's weights, for where the working folder is not the checkout. Official weights in
            `semdf.weights.registry.folders` come first. None looks where `semdf.faces.parsing.find_weights` does.

    Raises:
        MissingError: A parser is needed and there are no weights.
    """
    if preset.options.mask != "regions":
        return None
    if manifest is not None and (manifest["regions_member"][manifest["status"] == "ok"] != "").all():
        return None
    from semdf.faces.parsing import Parser, find_weights

    return Parser(None if weights is None else find_weights(*folders(), weights))
