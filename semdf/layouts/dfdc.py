"""The Deepfake Detection Challenge (Dolhansky et al., 2020): test, validation and training parts.

test/labels.csv ("filename,label", 1 = fake: the reverse of Celeb-DF's list) and the videos it names, in test/,
test/videos/ or one level of sub-folders of either; validation/ likewise
train/dfdc_train_part_<N>/metadata.json and its videos: {"a.mp4": {"label": "FAKE", "original": "b.mp4"}}; the
test set's metadata.json has {"is_fake": 1} in place of the label
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from semdf.errors import DataError, MissingError, ParameterError
from semdf.layouts.lists import inside, read_json, read_table
from semdf.layouts.rows import files, folder, table

__all__ = ["DFDC", "LAYOUTS"]

NAME = "DFDC"
#: Folder -> split.
PARTS = {"train": "train", "validation": "val", "test": "test"}


@dataclass(frozen=True)
class DFDC:
    """The parts that are there; which method made a fake is not published.

    parts: of "train", "validation", "test"; empty for all that are there.
    """

    parts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for part in self.parts:
            if part not in PARTS:
                raise ParameterError(f"{NAME}: a part should be one of {', '.join(PARTS)}. Found {part!r}.")

    @staticmethod
    def marks(root: Path) -> bool:
        return (root / "test" / "labels.csv").is_file() or any(root.glob("train/dfdc_train_part_*/metadata.json"))

    def read(self, root: Path) -> pd.DataFrame:
        """A row for every video on disk or in a list; one that no list names raises DataError, since its label
        is unknown.
        """
        root = folder(Path(root), NAME)
        parts = self.parts or [part for part in PARTS if (root / part).is_dir()]
        if not parts:
            raise MissingError(f"{NAME}: expected one of the folders {', '.join(PARTS)} in {root}. Found none.")
        rows = [row for part in parts for row in (_trained if part == "train" else _listed)(root, part)]
        return table(rows, root, NAME)


def _listed(root: Path, part: str) -> Iterator[dict]:
    """The videos of labels.csv. Where there is a metadata.json it must say the same."""
    top = folder(root / part, f"{NAME}, {part}")
    path = top / "labels.csv"
    if not path.is_file():
        raise MissingError(f"{NAME}: expected the labels of {part} at {path}. Found none.")
    on_disk = _by_name(top, root)
    labels = {}
    for number, row in read_table(path, ("filename", "label")):
        name = inside(row["filename"], f"{path}, line {number}")
        if row["label"] not in ("0", "1") or name in labels:
            raise DataError(f"{path}, line {number}: expected each video once, with 0 (real) or 1 (fake). Found {row}.")
        labels[name] = row["label"] == "1"
    extra = top / "metadata.json"
    for name, entry in (read_json(extra, dict, "an object by video") if extra.is_file() else {}).items():
        if name in labels and _fake(entry, extra, name) != labels[name]:
            raise DataError(f"{extra}: a label should agree with labels.csv. Found {name}: {entry}.")
    _unlisted(set(on_disk) - set(labels), path)
    place = f"{part}/videos" if (top / "videos").is_dir() else part
    for name, fake in labels.items():
        yield _row(on_disk.get(name, f"{place}/{name}"), fake, PARTS[part])


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
            yield _row(place, fake, PARTS[part]) | {
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
    known: dict[str, dict[Any, bool]] = {"label": {"REAL": False, "FAKE": True}, "is_fake": {0: False, 1: True}}
    said = {key: entry[key] for key in known if key in entry} if isinstance(entry, dict) else {}
    try:
        (fake,) = {known[key][value] for key, value in said.items()}
    except (KeyError, TypeError, ValueError):  # another value, one that is no key, none or two that disagree
        rule = "a video has a label, REAL or FAKE, or is_fake, 0 or 1"
        raise DataError(f"{path}: {rule}. Found {entry!r} for {name}.") from None
    return fake


def _by_name(top: Path, root: Path) -> dict[str, str]:
    return {Path(path).name: path for path in files(top, root, (".mp4",))}


def _unlisted(names: set[str], path: Path) -> None:
    if names:
        shown = ", ".join(sorted(names)[:3])
        raise DataError(f"{path}: every video beside it should have a label. Found {len(names)} without: {shown}.")


LAYOUTS = {"dfdc": DFDC}
