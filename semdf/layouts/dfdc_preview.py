"""The preview of the Deepfake Detection Challenge (Dolhansky et al., 2019, arXiv 1910.08854).

dataset.json: path -> label ("real", "fake"), set ("train", "test"), target_id, swapped_id, source_video;
the paths are original_videos/<id>/<name>.mp4 and method_{A,B}/<id>/<folder>/<name>.mp4
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from semdf.errors import DataError
from semdf.layouts.lists import first, inside, read_json
from semdf.layouts.rows import files, flat, folder, table

__all__ = ["LAYOUTS", "DFDCPreview"]

NAME = "DFDC-Preview"
LIST = "dataset.json"
#: Folder -> label row.
FOLDERS = {"original_videos": "real", "method_A": "DFDC-Preview", "method_B": "DFDC-Preview"}


@dataclass(frozen=True)
class DFDCPreview:
    """All listed videos; the list has no validation set."""

    @staticmethod
    def marks(root: Path) -> bool:
        return (root / LIST).is_file() and any((root / name).is_dir() for name in FOLDERS)

    def read(self, root: Path) -> pd.DataFrame:
        """A row for every video in the list; one that has no file gets the status "missing file"; one that no
        list names raises DataError.
        """
        root = folder(Path(root), NAME)
        path = first([root / LIST], NAME)
        content = read_json(path, dict, "an object by video")
        on_disk = {p for name in FOLDERS if (root / name).is_dir() for p in files(root / name, root, (".mp4",))}
        extra = sorted(on_disk - set(content))
        if extra:
            raise DataError(f"{path}: every video should be listed. Found {len(extra)} that are not: {extra[0]}.")
        return table(_rows(content, path), root, NAME)


def _rows(content: dict, path: Path) -> Iterator[dict]:
    for name, entry in content.items():
        place, _, rest = inside(name, str(path)).partition("/")
        entry = entry if isinstance(entry, dict) else {}
        fake = FOLDERS.get(place) != "real"
        if place not in FOLDERS or not rest or entry.get("label") != ("fake" if fake else "real"):
            rule = f"a video lies in one of {', '.join(FOLDERS)}, and its label is fake in a method's folder"
            raise DataError(f"{path}: {rule}. Found {name}: {entry.get('label')!r}.")
        if entry.get("set") not in ("train", "test"):
            raise DataError(f"{path}: the set of a video is train or test. Found {name}: {entry.get('set')!r}.")
        source = str(entry.get("source_video") or "")
        yield {
            "dataset": NAME,
            "manipulation": place,
            "video": f"{NAME}/{place}/{flat(rest)}",
            "path": name,
            "label": FOLDERS[place],
            "split": entry["set"],
            "target": str(entry.get("target_id") or ""),
            "source": str(entry.get("swapped_id") or ""),
            "pristine": _key(source) if fake and source in content else "",
        }


def _key(path: str) -> str:
    place, _, rest = path.partition("/")
    return f"{NAME}/{place}/{flat(rest)}"


LAYOUTS = {"dfdc-preview": DFDCPreview}
