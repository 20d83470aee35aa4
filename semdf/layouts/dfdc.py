"""The Deepfake Detection Challenge (Dolhansky et al., 2020): test, validation and training parts.

test/labels.csv ("filename,label", 1 = fake: the reverse of Celeb-DF's list) and the videos that it names, in test/,
test/videos/ or one level of sub-folders of either; validation/ likewise.
train/dfdc_train_part_<N>/metadata.json and its videos: {"a.mp4": {"label": "FAKE", "original": "b.mp4"}}; the
metadata.json of the test set has {"is_fake": 1} in place of the label.
The archives unpack to folders that people put in several places: dfdc_train_part_<N>/ may also lie in the root, in a
folder dfdc_train_part_0<N>/ of the archive's own name, and test/ in another test/.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from semdf.errors import DataError, MissingError, ParameterError
from semdf.layouts import Layout
from semdf.layouts.lists import inside, read_json, read_table
from semdf.layouts.protocols import Part, Protocol, Published, Sizes, Sources
from semdf.layouts.rows import files, folder, located, table

__all__ = ["DFDC", "LAYOUTS", "ORDER", "PROTOCOLS"]

NAME = "DFDC"
#: Folder -> split.
PARTS = {"train": "train", "validation": "val", "test": "test"}
#: Where the labels of the test part may lie, and the metadata of training parts.
LABELS = ("test/labels.csv", "test/test/labels.csv")
_PART = "dfdc_train_part_*"
TRAINING = tuple(f"{home}{_PART}/{inner}metadata.json" for home in ("train/", "") for inner in ("", f"{_PART}/"))
#: What an entry of metadata.json may say, and whether it means a fake.
MEANINGS: dict[str, dict[Any, bool]] = {"label": {"REAL": False, "FAKE": True}, "is_fake": {0: False, 1: True}}


@dataclass(frozen=True)
class DFDC(Layout):
    """The parts that are there; which method made a fake is not published.

    Attributes:
        parts: Of "train", "validation", "test"; empty for all that are there.
    """

    parts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for part in self.parts:
            if part not in PARTS:
                raise ParameterError(f"{NAME}: a part must be one of {', '.join(PARTS)}, found {part!r}")

    @staticmethod
    def marks(root: Path) -> bool:
        """Whether the labels of the test part or the metadata of a training part are there."""
        return any((root / name).is_file() for name in LABELS) or any(
            path.is_file() for name in TRAINING for path in root.glob(name)
        )

    def read(self, root: Path) -> pd.DataFrame:
        """A row for every video in a list. A training part without metadata.json has no labels, and so no rows.

        Raises:
            DataError: For a video beside a list that does not name it, since its label is unknown.
        """
        root = folder(Path(root), NAME)
        training = _training(root)
        there = [part for part in PARTS if (root / part).is_dir() or (part == "train" and training)]
        parts = self.parts or there
        if not parts:
            raise MissingError(f"{NAME}: must have one of the folders {', '.join(PARTS)} in {root}, found none")
        rows: list[dict] = []
        for part in parts:
            rows += _trained(root, training) if part == "train" else _listed(root, part)
        return table(rows, root, NAME)


def _listed(root: Path, part: str) -> Iterator[dict]:
    """The videos of labels.csv. Where there is a metadata.json it must say the same."""
    top = folder(root / part, f"{NAME}, {part}")
    inner = top / part
    path = next((home / "labels.csv" for home in (top, inner) if (home / "labels.csv").is_file()), None)
    if path is None:
        raise MissingError(f"{NAME}: must have the labels of {part} at {top / 'labels.csv'}, found none")
    home = path.parent
    fakes = _read_labels(path)
    _compare(fakes, home / "metadata.json")
    on_disk = _by_name(files(top, root, (".mp4",)))
    places = located(fakes, on_disk)
    _unlisted(set(on_disk) - set(places.values()), path)
    place = (home / "videos" if (home / "videos").is_dir() else home).relative_to(root).as_posix()
    for name, fake in fakes.items():
        yield _row(on_disk.get(places[name], f"{place}/{name}"), fake, PARTS[part])


def _read_labels(path: Path) -> dict[str, bool]:
    """File name -> whether it is a fake."""
    fakes: dict[str, bool] = {}
    for number, row in read_table(path, ("filename", "label")):
        where = f"{path}, line {number}"
        name = inside(row["filename"], where)
        if row["label"] not in ("0", "1") or name in fakes:
            raise DataError(f"{where}: must have each video once, with 0 (real) or 1 (fake), found {row}")
        fakes[name] = row["label"] == "1"
    return fakes


def _compare(fakes: dict[str, bool], path: Path) -> None:
    """Raise DataError where a metadata.json, which need not be there, has another label."""
    if not path.is_file():
        return
    for name, entry in read_json(path, dict, "an object by video").items():
        if name in fakes and _fake(entry, path, name) != fakes[name]:
            raise DataError(f"{path}: a label must agree with labels.csv, found {name}: {entry}")


def _training(root: Path) -> dict[str, list[str]]:
    """Path of each metadata.json of the training parts -> the videos beside and below it that no nearer one has."""
    tops = [root / "train", *sorted(path for path in root.glob(_PART) if path.is_dir())]
    found = [path for top in tops for path in files(top, root, (".json", ".mp4"))]
    parts: dict[str, list[str]] = {path: [] for path in found if PurePosixPath(path).name == "metadata.json"}
    for path in found:
        homes = (f"{parent.as_posix()}/metadata.json" for parent in PurePosixPath(path).parents)
        home = next((home for home in homes if home in parts), None)
        if home and path.lower().endswith(".mp4"):
            parts[home].append(path)
    return parts


def _trained(root: Path, training: Mapping[str, list[str]]) -> Iterator[dict]:
    """The training parts; a fake names the original it was made from."""
    for name_of_list, videos in training.items():
        path = root / name_of_list
        content = read_json(path, dict, "an object by video")
        on_disk = _by_name(videos)
        places = located(content, on_disk)
        _unlisted(set(on_disk) - set(places.values()), path)
        for name, entry in content.items():
            fake = _fake(entry, path, name)
            place = (PurePosixPath(name_of_list).parent / inside(name, str(path))).as_posix()
            original = Path(inside(entry["original"], str(path))).stem if entry.get("original") else Path(name).stem
            known = fake and f"{original}.mp4" in content
            yield {
                **_row(on_disk.get(places[name], place), fake, PARTS["train"]),
                "target": original,  # the video that was filmed stands for the person: identities are not published
                "pristine": f"{NAME}/real/{original}" if known else "",
            }


def _row(path: str, fake: bool, split: str) -> dict:
    manipulation = "fake" if fake else "real"
    return {
        "dataset": NAME,
        "manipulation": manipulation,
        "video": f"{NAME}/{manipulation}/{Path(path).stem}",
        "path": path,
        "label": "DFDC" if fake else "real",
        "split": split,
    }


def _fake(entry: object, path: Path, name: str) -> bool:
    """Whether the entry of a video in metadata.json calls it a fake."""
    said = {key: entry[key] for key in MEANINGS if key in entry} if isinstance(entry, dict) else {}
    try:
        (fake,) = {MEANINGS[key][value] for key, value in said.items()}
    except (KeyError, TypeError, ValueError):  # another value, one that is no key, none or two that disagree
        rule = "a video must have a label, REAL or FAKE, or is_fake, 0 or 1"
        raise DataError(f"{path}: {rule}, found {entry!r} for {name}") from None
    return fake


def _by_name(paths: list[str]) -> dict[str, str]:
    """File name -> path; of videos of one name the first counts."""
    return {PurePosixPath(path).name: path for path in reversed(paths)}


def _unlisted(names: set[str], path: Path) -> None:
    """Raise DataError if there are `names` that a list does not have."""
    if names:
        shown = ", ".join(sorted(names)[:3])
        raise DataError(f"{path}: every video beside it must have a label, found {len(names)} without: {shown}")


ORDER = 40
LAYOUTS = {"dfdc": DFDC}
PROTOCOLS = (
    Protocol(
        dataset=NAME,
        layout="dfdc",
        level="video",
        fakes=Part(NAME, ("fake",), "test"),
        reals=Part(NAME, ("real",), "test"),
        complete=Sizes(fakes=2500, reals=2500),
        published=(
            Published(2500, "real", split="test"),
            Published(2500, "fake", split="test"),
            Published(4000, split="val", absent="note"),
            Published(19154, "real", split="train", absent="note"),
            Published(100000, "fake", split="train", absent="note"),
        ),
        sources=Sources(
            test="the authors' README: the test set of the full version, labels.csv",
            counts="Dolhansky et al., arXiv 2006.07397; by label: github.com/SCLBD/DeepfakeBench/issues/63",
        ),
        notes=(
            'Some videos show no face that a detector finds; extraction gives them the status "no face", '
            "they are not dropped.",
            "In labels.csv 1 means fake.",
        ),
    ),
)
