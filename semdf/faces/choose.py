"""Where faces come from, chosen by name: for the command line, the pipeline and folders of pictures.

Importing this module loads nothing heavy: a finder is imported when it is chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from semdf.errors import MissingError, ParameterError
from semdf.faces.weights import weights_folder

if TYPE_CHECKING:
    from semdf.faces.finders import FaceFinder
    from semdf.faces.retinaface import RetinaFace

__all__ = ["FINDERS", "choose", "retinaface"]


class _Wish(NamedTuple):
    """The arguments of `choose`, without the name."""

    path: Path
    annotations: Path | None
    weights: Path | None
    largest: int | None
    detector: dict[str, Any]


def choose(
    name: str,
    path: Path,
    *,
    annotations: Path | None = None,
    weights: Path | None = None,
    largest: int | None = None,
    **detector: Any,
) -> FaceFinder:
    """The finder called `name` for one file or a data set's folder.

    Its weights or annotations are read at once: what is wrong with them should stop a run before its first file. Equal
    wishes get the same finder.

    Args:
        name: A key of `FINDERS`.
        path: The file or folder.
        annotations: An npz file; None for the one that comes with the data.
        weights: RetinaFace's file or its folder; None for `weights_folder()`.
        largest: Bytes of the largest array of annotations that is read; None for `finders.LARGEST`.
        detector: Further fields of `RetinaFace`.

    Raises:
        MissingError: RetinaFace's weights are needed and not there; the message names the ways out.
        DataError: Weights or annotations are damaged, or not what they should be.
        ParameterError: The name is not known, annotations are neither named nor there, or torch lacks the device.
    """
    if name not in FINDERS:
        raise ParameterError(f"finder must be one of {', '.join(FINDERS)}, found {name!r}")
    return FINDERS[name](_Wish(Path(path), annotations, weights, largest, detector))


def _auto(wish: _Wish) -> FaceFinder:
    """Annotations if they are named or come with the data, else RetinaFace; named weights come before the data's."""
    from semdf.faces.finders import annotations_of

    annotations = wish.annotations
    if not annotations and not wish.weights:
        annotations = annotations_of(wish.path)
    return _annotated(wish._replace(annotations=annotations)) if annotations else _retinaface(wish)


def _retinaface(wish: _Wish) -> FaceFinder:
    found = retinaface(wish.weights, **wish.detector)
    assert found, "or it has raised"
    return found


def _whole(_wish: _Wish) -> FaceFinder:
    from semdf.faces.finders import Whole

    return Whole()


def _annotated(wish: _Wish) -> FaceFinder:
    from semdf.faces.finders import LARGEST, Annotated, annotations_of

    annotations = wish.annotations or annotations_of(wish.path)
    if annotations is None:
        place = "annotations/NAME.npz beside the folder NAME, or --annotations FILE.npz"
        raise ParameterError(f"{wish.path}: the finder 'annotations' must have {place}, found none")
    return _ready(Annotated(annotations, LARGEST if wish.largest is None else wish.largest), _stamp(annotations))


def _templates(wish: _Wish) -> FaceFinder:
    from semdf.faces.finders import Templates

    folder = wish.path if wish.path.is_dir() else wish.path.parent
    return Templates(folder, retinaface(wish.weights, needed=wish.weights is not None, **wish.detector))


#: Name -> what makes the finder. A new finder is one entry here.
FINDERS: dict[str, Callable[[_Wish], FaceFinder]] = {
    "auto": _auto,
    "retinaface": _retinaface,
    "whole": _whole,
    "annotations": _annotated,
    "templates": _templates,
}


def retinaface(weights: Path | None = None, *, needed: bool = True, **detector: Any) -> RetinaFace | None:
    """RetinaFace with the weights that are found in a file or folder; the larger network first. They are read at once.

    Args:
        weights: The file or folder; None for `weights_folder()`.
        needed: Whether weights must be there. If not, None is returned without them.
        detector: Further fields of `RetinaFace`.

    Raises:
        MissingError: Weights are needed and not there.
        DataError: The file holds other things.
        ParameterError: Torch lacks the device.
    """
    from semdf.faces.retinaface import MODELS, RetinaFace, find_weights

    where = weights or weights_folder()
    found = find_weights(where)
    if found is not None:
        return _ready(RetinaFace(found.file, found.model, **detector), _stamp(found.file))
    if not needed:
        return None
    names = " or ".join(model.file for model in MODELS.values())
    raise MissingError(
        f"RetinaFace: must have {names} at {where}, found neither. Name the file with --weights, extract.weights or "
        "$SEMDF_WEIGHTS. Pictures that show one face, cut out, need none with --finder whole, nor do pictures with "
        "landmarks beside them (NAME.tem)."
    )


@lru_cache(maxsize=4)
def _ready(finder: Any, stamp: tuple[int, int]) -> Any:
    """The finder, or the one that is equal to it and has read the same file before. `stamp`: the state of its file."""
    del stamp  # part of the key alone
    finder.load()
    return finder


def _stamp(path: Path) -> tuple[int, int]:
    """Size and time of change of a file."""
    state = Path(path).stat()
    return state.st_size, state.st_mtime_ns
