"""FFSC, face forgeries in a semantic context (Zou et al., IEEE TIFS 20:4512-4524, 2025, arXiv 2405.08487): pictures.

Train/<method>/..., Val/<method>/..., Test/Protocol-1/<method>/..., and <split>/Real/...
Train.txt, Val.txt, Test.txt (may be absent; the form is that of the authors' loader, the names are our reading):
"<path> <12 digits>", the label in the order of the hierarchy ffsc, 2 for what is not observed
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from semdf.errors import DataError, MissingError
from semdf.layouts.lists import inside, lines
from semdf.layouts.rows import files, flat, folder, table
from semdf.method import hierarchy

__all__ = ["FFSC", "LAYOUTS", "METHODS"]

NAME = "FFSC"
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
class FFSC:
    """Every picture. Identities are not published: the film (YouTube id) stands for the person, and in names of two
    people the first is the target (our reading). A fake's pristine is the real picture of the same clip and frame.
    """

    @staticmethod
    def marks(root: Path) -> bool:
        return any((root / top / name).is_dir() for top in SPLITS for name in ("Real", "BlendFace", "Protocol-1"))

    def read(self, root: Path) -> pd.DataFrame:
        """A row for every picture on disk or in a list."""
        root = folder(Path(root), NAME)
        tops = [top for top in SPLITS if (root / top).is_dir()]
        if not tops:
            raise MissingError(f"{NAME}: expected one of the folders {', '.join(SPLITS)} in {root}. Found none.")
        return table(_rows(root, tops), root, NAME)


@dataclass(frozen=True)
class _Picture:
    """What a path tells. clip: "" where it is given in seconds; frame: -1 where unknown."""

    path: str
    method: str
    key: str
    film: str
    clip: str
    frame: int
    source: str


def _rows(root: Path, tops: list[str]) -> Iterator[dict]:
    names = _digits()
    for top in tops:
        where = root / f"{top}.txt"
        listed = _listed(where, names)
        found = sorted({*files(root / top, root), *listed})
        pictures = [_picture(path, top, where.name if path in listed else "") for path in found]
        reals = {(p.film, p.clip, p.frame): p.key for p in pictures if p.method == "Real"}
        for picture in pictures:
            label = listed.get(picture.path, _label(picture))
            if (label == "real") != (picture.method == "Real"):
                raise DataError(
                    f"{where}: the label of a picture agrees with its folder. Found {picture.path} {label}."
                )
            same = reals.get((picture.film, picture.clip, picture.frame), "")
            yield {
                "dataset": NAME,
                "manipulation": picture.method,
                "video": picture.key,
                "path": picture.path,
                "label": label,
                "split": SPLITS[top],
                "target": picture.film,
                "source": picture.source,
                "pristine": "" if label == "real" else same,
            }


def _picture(path: str, top: str, listed: str) -> _Picture:
    """What a path in the folder `top` tells. listed: the list that names it, or "". Raises DataError."""
    parts = PurePosixPath(path).parts
    place = 2 if len(parts) > 2 and parts[1].startswith("Protocol-") else 1
    method, rest = (parts[place], parts[place + 1 :]) if len(parts) > place + 1 else ("", parts)
    if method not in METHODS or parts[0] != top:
        rule = f"a picture of {top} lies in a folder that is one of {', '.join(METHODS)}"
        raise DataError(f"{NAME}{listed and ', ' + listed}: {rule}. Found {path}.")
    key = f"{NAME}/{method}/{flat('/'.join((*parts[:place], *rest)))}"
    stem = PurePosixPath(path).stem
    number = re.match(r"\d+", stem)
    if len(rest) > 1 and number and (method == "Real" or len(rest[-2]) > 11):  # a folder a clip, a file a frame
        name, frame = rest[-2], int(number.group())
    else:
        name, frame = stem, -1
    pair = _PAIR.fullmatch(name) if METHODS[method] == "identity" else None
    target, source = (pair["target"], pair["source"]) if pair else (name, "")
    film, clip, own = _clip(target)
    return _Picture(path, method, key, film, clip, frame if own < 0 else own, _clip(source)[0])


def _label(picture: _Picture) -> str:
    word = PurePosixPath(picture.path).stem.rpartition("_")[2]
    return "smile" if picture.method == "fomm-expr" and word in ("smile", "happy") else METHODS[picture.method]


def _clip(name: str) -> tuple[str, str, int]:
    """Film, clip and frame (-1 if not in it) of a name; another name than of AVSpeech is the film's itself."""
    match = _CLIP.fullmatch(name)
    if match:
        return match["film"], match["clip"], int(match["frame"] or -1)
    match = _SECONDS.fullmatch(name)
    return (match["film"] if match else name), "", -1


def _digits() -> dict[str, str]:
    """12 digits -> label row of the hierarchy ffsc; for what is not observed 2, or 0 as SJEDD trains it."""
    rows = {name: hierarchy.load("ffsc").rows[name] for name in dict.fromkeys(METHODS.values())}
    return {"".join(str(x if x >= 0 else open_) for x in row): name for open_ in (0, 2) for name, row in rows.items()}


def _listed(path: Path, names: dict[str, str]) -> dict[str, str]:
    """Path -> label row; empty if there is no list."""
    found: dict[str, str] = {}
    for number, line in lines(path, NAME) if path.is_file() else ():
        name, _, digits = line.rpartition(" ")
        if digits not in names:
            known = ", ".join(f"{value} {key}" for key, value in names.items())
            raise DataError(
                f'{path}, line {number}: expected "<path> <12 digits>" with one of {known}. Found {line!r}.'
            )
        found[inside(name, f"{path}, line {number}")] = names[digits]
    return found


LAYOUTS = {"ffsc": FFSC}
