"""The Deepfake Detection Challenge (Dolhansky et al., 2020): test, validation and training parts.

test/labels.csv ("filename,label", 1 = fake: the reverse of Celeb-DF's list) and the videos that it names, in test/,
test/videos/ or one level of sub-folders of either; validation/ likewise.
train/dfdc_train_part_<N>/metadata.json and its videos: {"a.mp4": {"label": "FAKE", "original": "b.mp4"}}; the
metadata.json of the test set has {"is_fake": 1} in place of the label.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from semdf.errors import DataError, MissingError, ParameterError
from semdf.layouts import Layout
from semdf.layouts.lists import inside, read_json, read_table
from semdf.layouts.protocols import Part, Protocol, Published, Sizes, Sources
from semdf.layouts.rows import files, folder, table

__all__ = ["DFDC", "LAYOUTS", "ORDER", "PROTOCOLS"]

NAME = "DFDC"
#: Folder -> split.
PARTS = {"train": "train", "validation": "val", "test": "test"}
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
        return (root / "test" / "labels.csv").is_file() or any(root.glob("train/dfdc_train_part_*/metadata.json"))

    def read(self, root: Path) -> pd.DataFrame:
        """A row for every video on disk or in a list.

        Raises:
            DataError: For a video that no list names, since its label is unknown.
        """
        root = folder(Path(root), NAME)
        parts = self.parts or [part for part in PARTS if (root / part).is_dir()]
        if not parts:
            raise MissingError(f"{NAME}: must have one of the folders {', '.join(PARTS)} in {root}, found none")
        rows: list[dict] = []
        for part in parts:
            rows += _trained(root, part) if part == "train" else _listed(root, part)
        return table(rows, root, NAME)


def _listed(root: Path, part: str) -> Iterator[dict]:
    """The videos of labels.csv. Where there is a metadata.json it must say the same."""
    top = folder(root / part, f"{NAME}, {part}")
    path = top / "labels.csv"
    if not path.is_file():
        raise MissingError(f"{NAME}: must have the labels of {part} at {path}, found none")
    on_disk = _by_name(top, root)
    fakes = _read_labels(path)
    _compare(fakes, top / "metadata.json")
    _unlisted(set(on_disk) - set(fakes), path)
    place = f"{part}/videos" if (top / "videos").is_dir() else part
    for name, fake in fakes.items():
        yield _row(on_disk.get(name, f"{place}/{name}"), fake, PARTS[part])


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


def _trained(root: Path, part: str) -> Iterator[dict]:
    """The training parts; a fake names the original it was made from."""
    for path in sorted(folder(root / part, NAME).glob("**/metadata.json")):
        top = path.parent
        content = read_json(path, dict, "an object by video")
        _unlisted(set(_by_name(top, root)) - set(content), path)
        for name, entry in content.items():
            fake = _fake(entry, path, name)
            place = (top.relative_to(root) / inside(name, str(path))).as_posix()
            original = Path(inside(entry["original"], str(path))).stem if entry.get("original") else Path(name).stem
            known = fake and f"{original}.mp4" in content
            yield {
                **_row(place, fake, PARTS[part]),
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


def _by_name(top: Path, root: Path) -> dict[str, str]:
    """File name -> path, of the videos below a folder."""
    return {Path(path).name: path for path in files(top, root, (".mp4",))}


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
