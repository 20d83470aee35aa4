"""The preview of the Deepfake Detection Challenge (Dolhansky et al., 2019, arXiv 1910.08854).

dataset.json: path -> label ("real", "fake"), set ("train", "test"), target_id, swapped_id, source_video;
the paths are original_videos/<id>/<name>.mp4 and method_{A,B}/<id>/<folder>/<name>.mp4.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from semdf.errors import DataError
from semdf.layouts import Layout
from semdf.layouts.lists import first, inside, read_json
from semdf.layouts.protocols import Part, Protocol, Published, Sizes, Sources
from semdf.layouts.rows import files, flat, folder, located, table

__all__ = ["LAYOUTS", "ORDER", "PROTOCOLS", "DFDCPreview"]

NAME = "DFDC-Preview"
LIST = "dataset.json"
#: Folder -> label row.
FOLDERS = {"original_videos": "real", "method_A": "DFDC-Preview", "method_B": "DFDC-Preview"}


@dataclass(frozen=True)
class DFDCPreview(Layout):
    """All listed videos; the list has no validation set."""

    @staticmethod
    def marks(root: Path) -> bool:
        """Whether the list and one of the folders are there."""
        return (root / LIST).is_file() and any((root / name).is_dir() for name in FOLDERS)

    def read(self, root: Path) -> pd.DataFrame:
        """A row for every video in the list; one that has no file gets the status "missing file".

        Raises:
            DataError: For a video that the list does not name.
        """
        root = folder(Path(root), NAME)
        path = first([root / LIST], NAME)
        content = read_json(path, dict, "an object by video")
        on_disk = {p for name in FOLDERS if (root / name).is_dir() for p in files(root / name, root, (".mp4",))}
        places = located(content, on_disk)
        extra = sorted(on_disk - set(places.values()))
        if extra:
            raise DataError(f"{path}: every video must be listed, found {len(extra)} that are not: {extra[0]}")
        return table(_rows(content, path, places), root, NAME)


def _rows(content: dict, path: Path, places: Mapping[str, str]) -> Iterator[dict]:
    """A row for every video. `places`: name in the list -> path."""
    for name, said in content.items():
        place, _, rest = inside(name, str(path)).partition("/")
        entry = said if isinstance(said, dict) else {}
        fake = FOLDERS.get(place) != "real"
        if place not in FOLDERS or not rest or entry.get("label") != ("fake" if fake else "real"):
            rule = f"a video must lie in one of {', '.join(FOLDERS)}, with the label fake in a method's folder"
            raise DataError(f"{path}: {rule}, found {name}: {entry.get('label')!r}")
        if entry.get("set") not in ("train", "test"):
            raise DataError(f"{path}: the set of a video must be train or test, found {name}: {entry.get('set')!r}")
        source = str(entry.get("source_video") or "")
        yield {
            "dataset": NAME,
            "manipulation": place,
            "video": _key(f"{place}/{rest}"),
            "path": inside(places[name], str(path)),
            "label": FOLDERS[place],
            "split": entry["set"],
            "target": str(entry.get("target_id") or ""),
            "source": str(entry.get("swapped_id") or ""),
            "pristine": _key(source) if fake and source in content else "",
        }


def _key(path: str) -> str:
    place, _, rest = path.partition("/")
    return f"{NAME}/{place}/{flat(rest)}"


ORDER = 50
LAYOUTS = {"dfdc-preview": DFDCPreview}
PROTOCOLS = (
    Protocol(
        dataset=NAME,
        layout="dfdc-preview",
        level="video",
        fakes=Part(NAME, ("method_A", "method_B"), "test"),
        reals=Part(NAME, ("original_videos",), "test"),
        complete=Sizes(fakes=501, reals=276),
        published=(
            Published(855, label="real", split="train"),
            Published(3618, label="DFDC-Preview", split="train"),
            Published(276, label="real", split="test"),
            Published(501, label="DFDC-Preview", split="test"),
        ),
        sources=Sources(
            test="dataset.json; SJEDD does not test on it",
            counts="github.com/SCLBD/DeepfakeBench/issues/63",
        ),
        notes=("It is not the DFDC of SJEDD's tests, which is the full version.",),
    ),
)
