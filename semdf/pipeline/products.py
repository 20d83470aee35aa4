"""Products that a notebook reads: the pipeline's, or small ones that the earlier notebooks make at their defaults."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from semdf.errors import MissingError
from semdf.pipeline import ROOT, nb

__all__ = ["SMALL", "ensure"]

#: Where notebooks write at their defaults.
SMALL = ROOT / "scratch" / "notebooks"

#: A lock file for each notebook that makes a small product.
LOCKS = ROOT / "scratch" / "locks"


class Maker(NamedTuple):
    """What makes a small product: a notebook, and the file by which the product is known to be there."""

    notebook: str
    marker: str


#: Folder of a small product, relative to SMALL -> what makes it.
MAKERS = {
    "pretrained/clip": Maker("04b_pretraining", "model.safetensors"),
    "faces": Maker("02_faces", "manifest.parquet"),
    "expanded": Maker("03_expansion", "manifest.parquet"),
    "runs/auto_lambda-0": Maker("05_training", "config.json"),
    "scores/auto_lambda-0": Maker("08a_scores", "frames.parquet"),
}


def ensure(path: str | Path) -> Path:
    """The folder of a product, made first if it is a small one that is not there yet.

    So every notebook runs alone. A small product lies below scratch/notebooks and is made by running an earlier
    notebook at its defaults. Of several processes that ask for it one makes it, and the others wait.

    Args:
        path: Relative to the root of the checkout.

    Raises:
        MissingError: The product is that of a pipeline stage that has not run.
    """
    folder = ROOT / path
    small = folder.relative_to(SMALL).as_posix() if folder.is_relative_to(SMALL) else ""
    if small in MAKERS:
        _make(folder, MAKERS[small])
    elif not folder.is_dir():
        raise MissingError(f"folder {str(path)!r} must be there, found none: run `make reproduce`")
    return folder


def _make(folder: Path, maker: Maker) -> None:
    """Run the notebook, unless its product is there."""
    LOCKS.mkdir(parents=True, exist_ok=True)
    with FileLock(LOCKS / f"{maker.notebook}.lock"):
        if not (folder / maker.marker).is_file():
            source = ROOT / "notebooks" / f"{maker.notebook}.ipynb"
            nb.run(source, SMALL / "executed" / source.name, {})
