"""Where faces come from, chosen by name: for the command line, the pipeline and folders of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from semdf.errors import MissingError, ParameterError
from semdf.faces.finders import LARGEST, Annotated, FaceFinder, Templates, Whole, annotations_of
from semdf.faces.retinaface import MODELS, RetinaFace, find_weights
from semdf.faces.weights import weights_folder

__all__ = ["FINDERS", "choose", "retinaface"]

#: auto: annotations if they are named or come with the data, else RetinaFace.
FINDERS = ("auto", "retinaface", "whole", "annotations", "templates")


def choose(
    name: str,
    path: Path,
    *,
    annotations: Path | None = None,
    weights: Path | None = None,
    largest: int = LARGEST,
    **detector: Any,
) -> FaceFinder:
    """The finder called `name` (of `FINDERS`) for one file or a data set's folder.

    annotations: an npz file; None for the one that comes with the data. weights: RetinaFace's file or its folder; None
        for `weights_folder()`. largest: bytes of an array of annotations that is read, see `Annotated`. detector:
        further fields of `RetinaFace`.
    Raises MissingError, which names the ways out, without RetinaFace's weights, and ParameterError for a name that is
    not known or annotations that are neither named nor there.
    """
    path = Path(path)
    if name not in FINDERS:
        raise ParameterError(f"finder should be one of {', '.join(FINDERS)}. Found {name!r}.")
    if name == "whole":
        return Whole()
    if name == "annotations" or (name == "auto" and not weights):
        annotations = annotations or annotations_of(path)
    if name == "annotations" or (name == "auto" and annotations):
        if annotations is None:
            rule = "the finder annotations needs annotations/NAME.npz beside the folder NAME, or --annotations FILE.npz"
            raise ParameterError(f"{path}: {rule}. Found none.")
        return Annotated(annotations, largest)
    if name == "templates":
        needed = weights is not None
        return Templates(path if path.is_dir() else path.parent, retinaface(weights, needed=needed, **detector))
    found = retinaface(weights, **detector)
    assert found, "or it has raised"
    return found


def retinaface(weights: Path | None = None, *, needed: bool = True, **detector: Any) -> RetinaFace | None:
    """RetinaFace with the weights that are found in a file or folder, None for `weights_folder()`; the larger network
    first. Without weights MissingError, or None if it is not `needed`."""
    where = weights or weights_folder()
    found = find_weights(where)
    if found is not None:
        return RetinaFace(found[1], found[0], **detector)
    if not needed:
        return None
    names = " or ".join(file for _, file in MODELS.values())
    raise MissingError(
        f"RetinaFace: expected {names} at {where}. Found neither. Name the file with --weights, extract.weights or "
        "$SEMDF_WEIGHTS. Pictures that show one face, cut out, need none with --finder whole, nor do pictures with "
        "landmarks beside them (NAME.tem)."
    )
