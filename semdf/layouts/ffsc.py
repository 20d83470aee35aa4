"""FFSC, face forgeries in a semantic context (Zou et al., IEEE TIFS 20:4512-4524, 2025, arXiv 2405.08487): pictures.

Train/<method>/..., Val/<method>/..., Test/Protocol-1/<method>/..., and <split>/Real/...
Train.txt, Val.txt, Test.txt (may be absent; the form is that of the authors' loader, the names are our reading) have
lines "<path> <12 digits>": the label in the order of the hierarchy ffsc, 2 for what is not observed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pandas as pd

from semdf.errors import DataError, MissingError
from semdf.layouts import Layout
from semdf.layouts.lists import inside, lines
from semdf.layouts.protocols import Part, Protocol, Sources
from semdf.layouts.rows import files, flat, folder, located, table
from semdf.method import hierarchy

__all__ = ["FFSC", "LAYOUTS", "METHODS", "ORDER", "PROTOCOLS"]

NAME = "FFSC"
#: Folder -> split.
SPLITS = {"Train": "train", "Val": "val", "Test": "test"}
#: Method (folder name) -> label row. The digits of a list decide where there is one; else, for methods that alter
#: the expression, the row is ours: StyleRes and HFGI smile, and FOMM's file names end with the expression.
METHODS = {
    "Real": "real",
    "BlendFace": "identity",
    "diffae-age": "age",
    "diffae-gender": "gender",
    "fomm-expr": "surprise",
    "fomm-pose": "pose",
    "fsgan": "identity",
    "simswap": "identity",
    "StyleGAN2_dis-gender": "gender",
    "StyleRes-age": "age",
    "StyleRes-expr": "smile",
    "TPS-pose": "pose",
    "FNeVR": "pose",
    "HFGI-age": "age",
    "HFGI-smile": "smile",
    "InfoSwap": "identity",
    "StyleCLIP-gender": "gender",
}
_PAIR = re.compile(r"(?P<target>.{11}_\d+(?:_\d+)?)(?:_by_|_To_|_2_)(?P<source>.+)")
_CLIP = re.compile(r"(?P<film>.{11})_(?P<clip>\d+)(?:_(?P<frame>\d+))?(?:_.*)?")
_SECONDS = re.compile(r"(?P<film>.{11})_[\d.]+_[\d.]+")


@dataclass(frozen=True)
class FFSC(Layout):
    """Every picture.

    Identities are not published: the film (YouTube id) stands for the person, and in names of two people the first is
    the target (our reading). A fake's pristine is the real picture of the same clip and frame.
    """

    @staticmethod
    def marks(root: Path) -> bool:
        """Whether a folder of a split has a folder Real, BlendFace or Protocol-1."""
        return any((root / top / name).is_dir() for top in SPLITS for name in ("Real", "BlendFace", "Protocol-1"))

    def read(self, root: Path) -> pd.DataFrame:
        """A row for every picture on disk or in a list."""
        root = folder(Path(root), NAME)
        tops = [top for top in SPLITS if (root / top).is_dir()]
        if not tops:
            raise MissingError(f"{NAME}: must have one of the folders {', '.join(SPLITS)} in {root}, found none")
        return table(_rows(root, tops), root, NAME)


class _Scene(NamedTuple):
    """What a picture shows: a film, a clip of it ("" where it is given in seconds), a frame (-1 where unknown)."""

    film: str
    clip: str
    frame: int


class _Picture(NamedTuple):
    """What a path tells. `source` is the film of the pasted person, or ""."""

    path: str
    method: str
    key: str
    scene: _Scene
    source: str


def _rows(root: Path, tops: list[str]) -> Iterator[dict]:
    digits = _digits()
    for top in tops:
        where = root / f"{top}.txt"
        on_disk = files(root / top, root)
        labels = _listed(where, digits)
        listed = {place: labels[name] for name, place in located(labels, on_disk).items()}
        found = sorted({*on_disk, *listed})
        pictures = [_picture(path, top, where.name if path in listed else "") for path in found]
        reals = {picture.scene: picture.key for picture in pictures if picture.method == "Real"}
        for picture in pictures:
            label = listed.get(picture.path, _label(picture))
            if (label == "real") != (picture.method == "Real"):
                rule = "the label of a picture must agree with its folder"
                raise DataError(f"{where}: {rule}, found {picture.path} {label}")
            yield {
                "dataset": NAME,
                "manipulation": picture.method,
                "video": picture.key,
                "path": picture.path,
                "label": label,
                "split": SPLITS[top],
                "target": picture.scene.film,
                "source": picture.source,
                "pristine": "" if label == "real" else reals.get(picture.scene, ""),
            }


def _picture(path: str, top: str, listed: str) -> _Picture:
    """What a path in the folder `top` tells.

    Args:
        path: Of the picture, below the root.
        top: Folder of the split.
        listed: Name of the list that has the path, or "".

    Raises:
        DataError: For a path in another folder, or in none of a method.
    """
    parts = PurePosixPath(path).parts
    place = 2 if len(parts) > 2 and parts[1].startswith("Protocol-") else 1
    method = parts[place] if len(parts) > place + 1 else ""
    if method not in METHODS or parts[0] != top:
        rule = f"a picture of {top} must lie in a folder that is one of {', '.join(METHODS)}"
        raise DataError(f"{NAME}{listed and ', ' + listed}: {rule}, found {path}")
    rest = parts[place + 1 :]
    key = f"{NAME}/{method}/{flat('/'.join((*parts[:place], *rest)))}"
    stem = PurePosixPath(path).stem
    number = re.match(r"\d+", stem)
    if len(rest) > 1 and number and (method == "Real" or len(rest[-2]) > 11):  # a folder a clip, a file a frame
        name = rest[-2]
        frame = int(number.group())
    else:
        name = stem
        frame = -1
    pair = _PAIR.fullmatch(name) if METHODS[method] == "identity" else None
    scene = _scene(pair["target"] if pair else name)
    if scene.frame < 0:
        scene = scene._replace(frame=frame)
    source = _scene(pair["source"]).film if pair else ""
    return _Picture(path, method, key, scene, source)


def _label(picture: _Picture) -> str:
    """The label row of a picture that no list names."""
    word = PurePosixPath(picture.path).stem.rpartition("_")[2]
    return "smile" if picture.method == "fomm-expr" and word in ("smile", "happy") else METHODS[picture.method]


def _scene(name: str) -> _Scene:
    """What a name tells; another name than of AVSpeech is the film's itself."""
    match = _CLIP.fullmatch(name)
    if match:
        return _Scene(match["film"], match["clip"], int(match["frame"] or -1))
    match = _SECONDS.fullmatch(name)
    return _Scene(match["film"] if match else name, "", -1)


def _digits() -> dict[str, str]:
    """12 digits -> label row of the hierarchy ffsc; for what is not observed 2, or 0 as SJEDD trains it."""
    rows = hierarchy.load("ffsc").rows
    found = {}
    for unobserved in (0, 2):
        for name in dict.fromkeys(METHODS.values()):
            digits = [value if value >= 0 else unobserved for value in rows[name]]
            found["".join(map(str, digits))] = name
    return found


def _listed(path: Path, names: dict[str, str]) -> dict[str, str]:
    """Path -> label row; empty if there is no list. `names`: 12 digits -> label row."""
    found: dict[str, str] = {}
    if not path.is_file():
        return found
    for number, line in lines(path, NAME):
        where = f"{path}, line {number}"
        name, _, digits = line.rpartition(" ")
        if digits not in names:
            known = ", ".join(f"{value} {key}" for key, value in names.items())
            raise DataError(f'{where}: must be "<path> <12 digits>" with one of {known}, found {line!r}')
        found[inside(name, where)] = names[digits]
    return found


ORDER = 70
LAYOUTS = {"ffsc": FFSC}
PROTOCOLS = (
    Protocol(
        dataset=NAME,
        layout="ffsc",
        level="image",
        fakes=Part(NAME, ("FNeVR", "HFGI-age", "HFGI-smile", "InfoSwap", "StyleCLIP-gender"), "test"),
        reals=Part(NAME, ("Real",), "test"),
        train=(
            "BlendFace",
            "diffae-age",
            "diffae-gender",
            "fomm-expr",
            "fomm-pose",
            "fsgan",
            "simswap",
            "StyleGAN2_dis-gender",
            "StyleRes-age",
            "StyleRes-expr",
            "TPS-pose",
        ),
        sources=Sources(
            test="github.com/MZMMSEC/SO-DFD: protocol 1, cross-manipulation (Train/ and Test/Protocol-1/)",
            counts="no counts by folder are published in a form that we could read",
        ),
        notes=("Frames of one clip are pictures of their own; scores are by picture.",),
    ),
)
