"""The JSON lists of DeepfakeBench (Yan et al., NeurIPS 2023): data set -> label -> split -> [compression ->] video.

A video has a label and the paths of its frames. The lists of FaceForensics++ have the level of compressions
(c23, c40, raw), the others do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from semdf.errors import DataError, ParameterError
from semdf.layouts.faceforensics import COMPRESSIONS
from semdf.layouts.lists import inside, read_json
from semdf.layouts.rows import folder, table

__all__ = ["LABELS", "LAYOUTS", "DeepfakeBench"]

#: Their label -> our data set, manipulation and label row.
LABELS = {
    "FF-real": ("FaceForensics++", "original", "real"),
    "FF-DF": ("FaceForensics++", "Deepfakes", "Deepfakes"),
    "FF-F2F": ("FaceForensics++", "Face2Face", "Face2Face"),
    "FF-FS": ("FaceForensics++", "FaceSwap", "FaceSwap"),
    "FF-NT": ("FaceForensics++", "NeuralTextures", "NeuralTextures"),
    "FF-FH": ("FaceShifter", "FaceShifter", "FaceShifter"),
    "DFD_real": ("FaceForensics++", "actors", "real"),
    "DFD_fake": ("FaceForensics++", "DeepFakeDetection", "DeepFakeDetection"),
    "CelebDFv1_real": ("Celeb-DF-v1", "real", "real"),
    "CelebDFv1_fake": ("Celeb-DF-v1", "Celeb-synthesis", "Celeb-synthesis"),
    "CelebDFv2_real": ("Celeb-DF-v2", "real", "real"),
    "CelebDFv2_fake": ("Celeb-DF-v2", "Celeb-synthesis", "Celeb-synthesis"),
    "DFDCP_Real": ("DFDC-Preview", "original_videos", "real"),
    "DFDCP_FakeA": ("DFDC-Preview", "method_A", "DFDC-Preview"),
    "DFDCP_FakeB": ("DFDC-Preview", "method_B", "DFDC-Preview"),
    "DFDC_Real": ("DFDC", "real", "real"),
    "DFDC_Fake": ("DFDC", "fake", "DFDC"),
    "DF_real": ("DeeperForensics-1.0", "source_videos", "real"),
    "DF_fake": ("DeeperForensics-1.0", "end_to_end", "DeeperForensics"),
    "UADFV_Real": ("UADFV", "real", "real"),
    "UADFV_Fake": ("UADFV", "fake", "fake"),
}
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class DeepfakeBench:
    """One of the lists, as a row for every frame.

    file: the list, in the root or named absolutely; "" for the only *.json in the root.
    compression: of FaceForensics++.
    splits: those to read. Their lists often repeat the test videos as val, so val is left out (ours).
    cut: what to take off the front of each path. The rest must be relative to the root.
    """

    file: str = ""
    compression: str = "c23"
    splits: tuple[str, ...] = ("train", "test")
    cut: str = ""

    @staticmethod
    def marks(root: Path) -> bool:
        return any((root / f"{name}.json").is_file() for name in ("FaceForensics++", "FF-DF", "Celeb-DF-v2", "DFDCP"))

    def read(self, root: Path) -> pd.DataFrame:
        """A row for every frame. A video that is in two splits raises DataError."""
        root = folder(Path(root), "DeepfakeBench")
        found = [root / self.file] if self.file else sorted(root.glob("*.json"))
        if len(found) != 1:
            raise ParameterError(f"DeepfakeBench: name the list to read. Found {len(found)} in {root}.")
        content = read_json(found[0], dict, "DeepfakeBench's object by data set")
        return table(self._rows(content, found[0]), root, "DeepfakeBench")

    def _rows(self, content: dict, path: Path) -> Iterator[dict]:
        home: dict[str, str] = {}
        for name, split, compression, video, entry in _videos(content, path):
            if split not in self.splits or compression not in ("", self.compression):
                continue
            dataset, manipulation, label = LABELS[name]
            key = f"{dataset}/{manipulation}/{PurePosixPath(video.replace(chr(92), '/')).name}"
            if home.setdefault(key, split) != split:
                raise DataError(f"{path}: a video belongs to one split. Found {key} in {home[key]} and {split}.")
            for frame in entry["frames"]:
                place = inside(
                    str(frame).replace("\\", "/").removeprefix(self.cut).lstrip("/" if self.cut else ""), str(path)
                )
                yield {
                    "dataset": dataset,
                    "manipulation": manipulation,
                    "video": f"{key}--{PurePosixPath(place).stem}",
                    "path": place,
                    "label": label,
                    "split": split,
                    "target": key.rpartition("/")[2].partition("_")[0],
                    "compression": compression,
                }


def _videos(content: dict, path: Path) -> Iterator[tuple[str, str, str, str, dict]]:
    """(label, split, compression, video, entry) of every video in the list."""
    for dataset in content.values():
        for name, by_split in _items(dataset, "label", tuple(LABELS), path):
            for split, videos in _items(by_split, "split", SPLITS, path):
                deep = isinstance(videos, dict) and set(videos) <= set(COMPRESSIONS)
                for compression, inner in _items(videos, "compression", (), path) if deep else [("", videos)]:
                    for video, entry in _items(inner, "video", (), path):
                        if not isinstance(entry, dict) or not isinstance(entry.get("frames"), list):
                            raise DataError(f"{path}: a video should have a list of frames. Found {video}: {entry!r}.")
                        yield name, split, compression, video, entry


def _items(value: object, what: str, known: tuple[str, ...], path: Path) -> Iterator[tuple[str, object]]:
    """The items of an object by `what`, whose keys are among `known` (any if empty)."""
    if not isinstance(value, dict):
        raise DataError(f"{path}: expected an object by {what}. Found {type(value).__name__}.")
    for key in value if known else ():
        if key not in known:
            raise DataError(f"{path}: a {what} should be one of {', '.join(known)}. Found {key!r}.")
    yield from value.items()


LAYOUTS = {"deepfakebench": DeepfakeBench}
