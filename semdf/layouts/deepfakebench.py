"""The JSON lists of DeepfakeBench (Yan et al., NeurIPS 2023): data set -> label -> split -> [compression ->] video.

A video has a label and the paths of its frames. The lists of FaceForensics++ have the level of compressions
(c23, c40, raw), the others do not. What is read is what their script preprocessing/rearrange.py writes, its slips
included: in DFDC.json the split val is one video, and not videos by name.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import ClassVar, NamedTuple

import pandas as pd

from semdf.errors import DataError, ParameterError
from semdf.layouts import Layout
from semdf.layouts.faceforensics import COMPRESSIONS
from semdf.layouts.lists import inside, read_json
from semdf.layouts.rows import folder, table

__all__ = ["LABELS", "LAYOUTS", "ORDER", "OWN", "SPLITS", "DeepfakeBench", "label_of"]

#: What the names of lists begin with that `semdf export` writes.
OWN = "semdf-"
#: What our own labels in such lists begin with; data set, manipulation and label row follow, each after a colon.
_PREFIX = "semdf:"


class _Meaning(NamedTuple):
    """What one of their labels is here: data set, manipulation and label row."""

    dataset: str
    manipulation: str
    label: str


#: By their label.
LABELS = {
    "FF-real": _Meaning("FaceForensics++", "original", "real"),
    "FF-DF": _Meaning("FaceForensics++", "Deepfakes", "Deepfakes"),
    "FF-F2F": _Meaning("FaceForensics++", "Face2Face", "Face2Face"),
    "FF-FS": _Meaning("FaceForensics++", "FaceSwap", "FaceSwap"),
    "FF-NT": _Meaning("FaceForensics++", "NeuralTextures", "NeuralTextures"),
    "FF-FH": _Meaning("FaceShifter", "FaceShifter", "FaceShifter"),
    "DFD_real": _Meaning("FaceForensics++", "actors", "real"),
    "DFD_fake": _Meaning("FaceForensics++", "DeepFakeDetection", "DeepFakeDetection"),
    "CelebDFv1_real": _Meaning("Celeb-DF-v1", "real", "real"),
    "CelebDFv1_fake": _Meaning("Celeb-DF-v1", "Celeb-synthesis", "Celeb-synthesis"),
    "CelebDFv2_real": _Meaning("Celeb-DF-v2", "real", "real"),
    "CelebDFv2_fake": _Meaning("Celeb-DF-v2", "Celeb-synthesis", "Celeb-synthesis"),
    "DFDCP_Real": _Meaning("DFDC-Preview", "original_videos", "real"),
    "DFDCP_FakeA": _Meaning("DFDC-Preview", "method_A", "DFDC-Preview"),
    "DFDCP_FakeB": _Meaning("DFDC-Preview", "method_B", "DFDC-Preview"),
    "DFDC_Real": _Meaning("DFDC", "real", "real"),
    "DFDC_Fake": _Meaning("DFDC", "fake", "DFDC"),
    "DF_real": _Meaning("DeeperForensics-1.0", "source_videos", "real"),
    "DF_fake": _Meaning("DeeperForensics-1.0", "end_to_end", "DeeperForensics"),
    "UADFV_Real": _Meaning("UADFV", "real", "real"),
    "UADFV_Fake": _Meaning("UADFV", "fake", "fake"),
}
SPLITS = ("train", "val", "test")


def label_of(dataset: str, manipulation: str, row: str) -> str:
    """Their label of such videos, or one of ours, which names all three.

    >>> label_of("FaceForensics++", "original", "real")
    'FF-real'
    >>> label_of("FaceForensics++", "expanded-eyes", "eyes")
    'semdf:FaceForensics++:expanded-eyes:eyes'

    Raises:
        DataError: A name has a colon.
    """
    meaning = _Meaning(dataset, manipulation, row)
    for theirs, known in LABELS.items():
        if known == meaning:
            return theirs
    if wrong := [name for name in meaning if ":" in name or not name]:
        raise DataError(f"label: names must be given and have no colon, found {wrong[0]!r}")
    return f"{_PREFIX}{':'.join(meaning)}"


def _meaning(label: str) -> _Meaning | None:
    """What a label is here; None for one that is neither theirs nor ours."""
    if label in LABELS:
        return LABELS[label]
    names = label.removeprefix(_PREFIX).split(":")
    return _Meaning(*names) if label.startswith(_PREFIX) and len(names) == 3 and all(names) else None


#: What their script calls its lists, without the ending.
LISTS = (
    *("FaceForensics++", "FF-DF", "FF-F2F", "FF-FS", "FF-NT", "FaceShifter", "DeepFakeDetection"),
    *("Celeb-DF-v1", "Celeb-DF-v2", "DFDCP", "DFDC", "DeeperForensics-1.0", "UADFV"),
)


@dataclass(frozen=True)
class DeepfakeBench(Layout):
    """One of the lists, as a row for every frame.

    Attributes:
        file: The list, in the root or named absolutely; "" for the only *.json in the root.
        compression: Of FaceForensics++.
        splits: Those to read; of others nothing is checked. Their lists often repeat the test videos as val, so val is
            left out (ours). Lists that repeat them as train, too, are read one split at a time.
        cut: What to take off the front of each path. The rest must be relative to the root.
    """

    file: str = ""
    compression: str = "c23"
    splits: tuple[str, ...] = ("train", "test")
    cut: str = ""
    apart: ClassVar[Mapping[str, str]] = {
        "*/landmarks/*": "landmarks or masks, which are not read",
        "*/masks/*": "landmarks or masks, which are not read",
        "*/videos/*": "videos that the frames come from, which are not read",
    }

    def __post_init__(self) -> None:
        for split in self.splits:
            if split not in SPLITS:
                raise ParameterError(f"DeepfakeBench: a split must be one of {', '.join(SPLITS)}, found {split!r}")

    @staticmethod
    def marks(root: Path) -> bool:
        """Whether one of their lists is there, or one in their form that `semdf export` wrote."""
        return any((root / f"{name}.json").is_file() for name in LISTS) or any(root.glob(f"{OWN}*.json"))

    @classmethod
    def present(cls, root: Path) -> list[DeepfakeBench]:
        """The layouts of every list and compression; of a list that names a video in two splits, one a split."""
        own = [f"{name}.json" for name in LISTS if (root / f"{name}.json").is_file()]
        own += sorted(path.name for path in root.glob(f"{OWN}*.json"))
        return [layout for name in own or [""] for layout in cls(name)._parts(root)]

    @property
    def part(self) -> str:
        """The list, where it is named, and what is read of it."""
        return ", ".join(filter(None, (self.file, self.compression, "/".join(self.splits))))

    def read(self, root: Path) -> pd.DataFrame:
        """A row for every frame.

        Raises:
            DataError: For a video that is in two splits.
        """
        root = folder(Path(root), "DeepfakeBench")
        path = self._list(root)
        return table(self._rows(_content(path), path), root, "DeepfakeBench")

    def _list(self, root: Path) -> Path:
        found = [root / self.file] if self.file else sorted(root.glob("*.json"))
        if len(found) != 1:
            raise ParameterError(f"DeepfakeBench: the list to read must be named, found {len(found)} in {root}")
        return found[0]

    def _parts(self, root: Path) -> Iterator[DeepfakeBench]:
        """The layouts that together read all of this list."""
        path = self._list(root)
        homes: dict[tuple[str, str], set[str]] = {}
        for video in _videos(_content(path), path, SPLITS):
            homes.setdefault((video.compression, video.key), set()).add(video.split)
        for compression in sorted({compression for compression, _ in homes}):
            splits = [found for (name, _), found in homes.items() if name == compression]
            named = tuple(split for split in SPLITS if any(split in found for found in splits))
            alone = all(len(found) == 1 for found in splits)
            for chosen in [named] if alone else [(split,) for split in named]:
                yield replace(self, compression=compression, splits=chosen)

    def _rows(self, content: dict, path: Path) -> Iterator[dict]:
        home: dict[str, str] = {}
        empty = []
        for video in _videos(content, path, self.splits):
            if video.compression not in ("", self.compression):
                continue
            if not video.frames:
                empty.append(video.name)
            if home.setdefault(video.key, video.split) != video.split:
                both = f"{home[video.key]} and {video.split}"
                way = "read one split alone, such as splits=test"
                raise DataError(f"{path}: a video must be in one split, found {video.key} in {both}: {way}")
            meaning = video.meaning
            for frame in video.frames:
                place = inside(self._without_front(_text(frame, video.name, path)), str(path))
                yield {
                    "dataset": meaning.dataset,
                    "manipulation": meaning.manipulation,
                    "video": f"{video.key}--{PurePosixPath(place).stem}",
                    "path": place,
                    "label": meaning.label,
                    "split": video.split,
                    "target": video.key.rpartition("/")[2].partition("_")[0],
                    "compression": video.compression,
                }
        if empty:
            shown = ", ".join(sorted(empty)[:3])
            warnings.warn(f"{path}: a video must have frames, found {len(empty)} without: {shown}", stacklevel=2)

    def _without_front(self, frame: str) -> str:
        """The path of a frame without `cut`."""
        path = _posix(frame).removeprefix(self.cut)
        return path.lstrip("/") if self.cut else path


class _Video(NamedTuple):
    """A video of a list. `compression` is "" where the list has no such level."""

    label: str
    split: str
    compression: str
    name: str
    frames: list

    @property
    def meaning(self) -> _Meaning:
        """What its label is here."""
        found = _meaning(self.label)
        assert found is not None, "unknown labels are refused when the list is read"
        return found

    @property
    def key(self) -> str:
        """Of the video in this package."""
        return f"{self.meaning.dataset}/{self.meaning.manipulation}/{PurePosixPath(_posix(self.name)).name}"


def _content(path: Path) -> dict:
    return read_json(path, dict, "DeepfakeBench's object by data set")


def _videos(content: dict, path: Path, splits: tuple[str, ...]) -> Iterator[_Video]:
    """Every video in some splits of the list."""
    for dataset in content.values():
        for label, by_split in _items(dataset, "label", (), path):
            if _meaning(label) is None:
                raise DataError(f"{path}: a label must be one of {', '.join(LABELS)}, found {label!r}")
            for split, videos in _items(by_split, "split", SPLITS, path):
                if split not in splits:
                    continue
                for compression, by_name in _by_compression(videos, path):
                    for name, entry in _entries(by_name, path):
                        if not isinstance(entry, dict) or not isinstance(entry.get("frames"), list):
                            raise DataError(f"{path}: a video must have a list of frames, found {name}: {entry!r}")
                        yield _Video(label, split, compression, name, entry["frames"])


def _by_compression(videos: object, path: Path) -> Iterator[tuple[str, object]]:
    """The videos of a split, apart by compression, "" for a list that has no such level."""
    if isinstance(videos, dict) and set(videos) <= set(COMPRESSIONS):
        yield from _items(videos, "compression", (), path)
    else:
        yield "", videos


def _entries(videos: object, path: Path) -> Iterator[tuple[str, object]]:
    """Name and entry of every video, also of one that stands where the videos by name should.

    Its name is then that of the folder of its frames.
    """
    if isinstance(videos, dict) and isinstance(videos.get("frames"), list):
        frames = videos["frames"]
        if frames:
            yield PurePosixPath(_posix(_text(frames[0], "frames", path))).parent.name, videos
        videos = {name: entry for name, entry in videos.items() if name not in ("frames", "label", "masks")}
    yield from _items(videos, "video", (), path)


def _text(frame: object, name: str, path: Path) -> str:
    """The path of a frame as the list has it."""
    if not isinstance(frame, str):
        raise DataError(f"{path}: a frame of a video must be a path, found {name}: {frame!r}")
    return frame


def _posix(name: str) -> str:
    return name.replace("\\", "/")


def _items(value: object, what: str, known: tuple[str, ...], path: Path) -> Iterator[tuple[str, object]]:
    """The items of an object by `what`, whose keys are among `known` (any if empty)."""
    if not isinstance(value, dict):
        raise DataError(f"{path}: must have an object by {what}, found {type(value).__name__}")
    for key in value if known else ():
        if key not in known:
            raise DataError(f"{path}: a {what} must be one of {', '.join(known)}, found {key!r}")
    yield from value.items()


ORDER = 100
LAYOUTS = {"deepfakebench": DeepfakeBench}
