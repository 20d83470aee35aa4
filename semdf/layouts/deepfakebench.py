"""The JSON lists of DeepfakeBench (Yan et al., NeurIPS 2023): data set -> label -> split -> [compression ->] video.

A video has a label and the paths of its frames. The lists of FaceForensics++ have the level of compressions
(c23, c40, raw), the others do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pandas as pd

from semdf.errors import DataError, ParameterError
from semdf.layouts import Layout
from semdf.layouts.faceforensics import COMPRESSIONS
from semdf.layouts.lists import inside, read_json
from semdf.layouts.rows import folder, table

__all__ = ["LABELS", "LAYOUTS", "ORDER", "DeepfakeBench"]


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


@dataclass(frozen=True)
class DeepfakeBench(Layout):
    """One of the lists, as a row for every frame.

    Attributes:
        file: The list, in the root or named absolutely; "" for the only *.json in the root.
        compression: Of FaceForensics++.
        splits: Those to read. Their lists often repeat the test videos as val, so val is left out (ours).
        cut: What to take off the front of each path. The rest must be relative to the root.
    """

    file: str = ""
    compression: str = "c23"
    splits: tuple[str, ...] = ("train", "test")
    cut: str = ""

    @staticmethod
    def marks(root: Path) -> bool:
        """Whether one of the best known lists is there."""
        return any((root / f"{name}.json").is_file() for name in ("FaceForensics++", "FF-DF", "Celeb-DF-v2", "DFDCP"))

    def read(self, root: Path) -> pd.DataFrame:
        """A row for every frame.

        Raises:
            DataError: For a video that is in two splits.
        """
        root = folder(Path(root), "DeepfakeBench")
        found = [root / self.file] if self.file else sorted(root.glob("*.json"))
        if len(found) != 1:
            raise ParameterError(f"DeepfakeBench: the list to read must be named, found {len(found)} in {root}")
        content = read_json(found[0], dict, "DeepfakeBench's object by data set")
        return table(self._rows(content, found[0]), root, "DeepfakeBench")

    def _rows(self, content: dict, path: Path) -> Iterator[dict]:
        home: dict[str, str] = {}
        for video in _videos(content, path):
            if video.split not in self.splits or video.compression not in ("", self.compression):
                continue
            meaning = LABELS[video.label]
            name = PurePosixPath(video.name.replace("\\", "/")).name
            key = f"{meaning.dataset}/{meaning.manipulation}/{name}"
            if home.setdefault(key, video.split) != video.split:
                both = f"{home[key]} and {video.split}"
                raise DataError(f"{path}: a video must be in one split, found {key} in {both}")
            for frame in video.frames:
                place = inside(self._without_front(str(frame)), str(path))
                yield {
                    "dataset": meaning.dataset,
                    "manipulation": meaning.manipulation,
                    "video": f"{key}--{PurePosixPath(place).stem}",
                    "path": place,
                    "label": meaning.label,
                    "split": video.split,
                    "target": key.rpartition("/")[2].partition("_")[0],
                    "compression": video.compression,
                }

    def _without_front(self, frame: str) -> str:
        """The path of a frame without `cut`."""
        path = frame.replace("\\", "/").removeprefix(self.cut)
        return path.lstrip("/") if self.cut else path


class _Video(NamedTuple):
    """A video of a list. `compression` is "" where the list has no such level."""

    label: str
    split: str
    compression: str
    name: str
    frames: list


def _videos(content: dict, path: Path) -> Iterator[_Video]:
    """Every video in the list."""
    for dataset in content.values():
        for label, by_split in _items(dataset, "label", tuple(LABELS), path):
            for split, videos in _items(by_split, "split", SPLITS, path):
                for compression, by_name in _by_compression(videos, path):
                    for name, entry in _items(by_name, "video", (), path):
                        if not isinstance(entry, dict) or not isinstance(entry.get("frames"), list):
                            raise DataError(f"{path}: a video must have a list of frames, found {name}: {entry!r}")
                        yield _Video(label, split, compression, name, entry["frames"])


def _by_compression(videos: object, path: Path) -> Iterator[tuple[str, object]]:
    """The videos of a split, apart by compression, "" for a list that has no such level."""
    if isinstance(videos, dict) and set(videos) <= set(COMPRESSIONS):
        yield from _items(videos, "compression", (), path)
    else:
        yield "", videos


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
