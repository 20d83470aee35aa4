"""Where faces come from, chosen by name: for the command line, the pipeline and folders of pictures.

Importing this module loads nothing heavy: a finder is imported when it is chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from semdf.errors import MissingError, ParameterError
from semdf.weights.registry import folders

if TYPE_CHECKING:
    from semdf.faces.finders import FaceFinder
    from semdf.faces.retinaface import RetinaFace

__all__ = ["FINDERS", "choose", "named", "retinaface"]


class _Wish(NamedTuple):
    """The arguments of `choose`, without the name."""

    path: Path
    annotations: Path | None
    weights: Path | None
    largest: int | None
    stand_in: bool
    detector: dict[str, Any]


def choose(
    name: str,
    path: Path,
    *,
    annotations: Path | None = None,
    weights: Path | None = None,
    largest: int | None = None,
    stand_in: bool = False,
    **detector: Any,
) -> FaceFinder:
    """The finder called `name` for one file or a data set's folder.

    Its weights or annotations are read at once: what is wrong with them should stop a run before its first file. Equal
    wishes get the same finder.

    Args:
        name: A key of `FINDERS`.
        path: The file or folder.
        annotations: An npz file; None for the one that comes with the data.
        weights: RetinaFace's file or its folder; None for `semdf.weights.registry.folders`.
        largest: Bytes of the largest array of annotations that is read; None for `finders.LARGEST`.
        stand_in: For "auto": MTCNN takes RetinaFace's place where no weights are named and none are found. Without it
            they must be there, so that a data set is not cut by another finder than was meant.
        detector: Further fields of `RetinaFace`; those that `Mtcnn` has, too, are set there as well.

    Raises:
        MissingError: RetinaFace's weights are needed and not there; the message names the ways out.
        DataError: Weights or annotations are damaged, or not what they should be.
        ParameterError: The name is not known, annotations are neither named nor there, or torch lacks the device.
    """
    if name not in FINDERS:
        raise ParameterError(f"finder must be one of {', '.join(FINDERS)}, found {name!r}")
    return FINDERS[name](_Wish(Path(path), annotations, weights, largest, stand_in, detector))


def _auto(wish: _Wish) -> FaceFinder:
    """Annotations if they are named or come with the data, else RetinaFace or, as the wish is, what stands in for it.

    Named weights come before the data's annotations.
    """
    from semdf.faces.finders import annotations_of

    annotations = wish.annotations
    if not annotations and not wish.weights:
        annotations = annotations_of(wish.path)
    if annotations:
        return _annotated(wish._replace(annotations=annotations))
    if wish.stand_in and not wish.weights:
        return retinaface(needed=False, **wish.detector) or _mtcnn(wish)
    return _retinaface(wish)


def _retinaface(wish: _Wish) -> FaceFinder:
    found = retinaface(wish.weights, **wish.detector)
    assert found, "or it has raised"
    return found


def _mtcnn(wish: _Wish) -> FaceFinder:
    from semdf.faces.mtcnn import Mtcnn, weights_folder

    shared = {name: value for name, value in wish.detector.items() if name in ("longest", "face")}
    return _ready(Mtcnn(**shared), _stamp(weights_folder() / "onet.onnx"))


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
    found = retinaface(wish.weights, needed=wish.weights is not None, **wish.detector)
    return Templates(folder, found or (_mtcnn(wish) if wish.stand_in else None))


#: Name -> what makes the finder. A new finder is one entry here.
FINDERS: dict[str, Callable[[_Wish], FaceFinder]] = {
    "auto": _auto,
    "retinaface": _retinaface,
    "mtcnn": _mtcnn,
    "whole": _whole,
    "annotations": _annotated,
    "templates": _templates,
}


def retinaface(weights: Path | None = None, *, needed: bool = True, **detector: Any) -> RetinaFace | None:
    """RetinaFace with the weights that are found in a file or folder; the larger network first. They are read at once.

    Args:
        weights: The file or folder; None for `semdf.weights.registry.folders`.
        needed: Whether weights must be there. If not, None is returned without them.
        detector: Further fields of `RetinaFace`.

    Raises:
        MissingError: Weights are needed and not there.
        DataError: The file holds other things.
        ParameterError: Torch lacks the device.
    """
    from semdf.faces.retinaface import MODELS, RetinaFace, find_weights

    places = (weights,) if weights else folders()
    for place in places:
        found = find_weights(place)
        if found is not None:
            return _ready(RetinaFace(found.file, found.model, **detector), _stamp(found.file))
    if not needed:
        return None
    names = " or ".join(model.file for model in MODELS.values())
    where = " or ".join(map(str, places))
    raise MissingError(
        f"RetinaFace: must have {names} at {where}, found neither. Run `semdf fetch retinaface`, or name the file with "
        "--weights, extract.weights or $SEMDF_WEIGHTS. With --finder mtcnn faces are found without a file. Pictures "
        "that show one face, cut out, need none with --finder whole, nor do pictures with landmarks beside them "
        "(NAME.tem)."
    )


def named(finder: FaceFinder) -> str:
    """What a finder is called in answers, such as "mtcnn" or "retinaface_resnet50": how its fingerprint begins."""
    return finder.fingerprint().partition(" ")[0]


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
