"""Products that a notebook reads: the pipeline's, or small ones that the earlier notebooks make at their defaults."""

from __future__ import annotations

from pathlib import Path

from semdf.errors import MissingError
from semdf.pipeline import ROOT, nb

__all__ = ["SMALL", "ensure"]

#: Where notebooks write at their defaults, and which notebook makes what there.
SMALL = ROOT / "scratch" / "notebooks"
MAKERS = {
    "pretrained/clip": ("04b_pretraining", "model.safetensors"),
    "faces": ("02_faces", "manifest.parquet"),
    "expanded": ("03_expansion", "manifest.parquet"),
    "runs/auto_lambda-0": ("05_training", "config.json"),
    "scores/auto_lambda-0": ("08a_scores", "frames.parquet"),
}


def ensure(path: str | Path) -> Path:
    """The folder of a product, relative to the root; a small one below scratch/notebooks is made when it is not there.

    So every notebook runs alone. It is made by running the earlier notebook at its defaults.

    Raises:
        MissingError: the product of a pipeline stage that has not run.
    """
    folder = ROOT / path
    small = folder.relative_to(SMALL).as_posix() if folder.is_relative_to(SMALL) else None
    if small in MAKERS:
        notebook, marker = MAKERS[small]
        if not (folder / marker).is_file():
            nb.run(ROOT / "notebooks" / f"{notebook}.ipynb", SMALL / "executed" / f"{notebook}.ipynb", {})
    elif not folder.is_dir():
        raise MissingError(f"folder {str(path)!r} must be there, found none: run `make reproduce`")
    return folder
