"""FaceForensics++ (Roessler et al., ICCV 2019): the tree that the official download script makes.

original_sequences/youtube/<compression>/videos/NNN.mp4
manipulated_sequences/<manipulation>/<compression>/videos/<target>_<source>.mp4; all manipulations share file names
{train,val,test}.json in the root, splits/ or dataset/splits/: pairs of ids; a pair gives both directions
DeepFakeDetection (Google and Jigsaw, 2019) comes with it: original_sequences/actors/<compression>/videos/
AA__<scene>.mp4 and manipulated_sequences/DeepFakeDetection/<compression>/videos/AA_BB__<scene>__<code>.mp4
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar

import pandas as pd

from semdf.errors import DataError, ParameterError
from semdf.layouts import Layout
from semdf.layouts.lists import first, read_json
from semdf.layouts.protocols import Part, Protocol, Published, Sizes, Sources
from semdf.layouts.rows import files, folder, located, refuse, table

__all__ = ["COMPRESSIONS", "LAYOUTS", "MANIPULATIONS", "ORDER", "PROTOCOLS", "FaceForensics", "read_pairs"]

NAME = "FaceForensics++"
SPLITS = ("train", "val", "test")
#: Folder names; the download script calls c0 "raw".
COMPRESSIONS = ("raw", "c0", "c23", "c40")
#: Each has a label row of its own name.
MANIPULATIONS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter", "DeepFakeDetection")
_ACTED = re.compile(r"(?P<target>\d\d)_(?P<source>\d\d)__(?P<scene>\w+)__\w+")
_ACTOR = re.compile(r"(?P<target>\d\d)__(?P<scene>\w+)")


@dataclass(frozen=True)
class FaceForensics(Layout):
    """The videos of one compression.

    Attributes:
        compression: "raw" (or "c0"), "c23", "c40", or "" for the only one that is there.
        manipulations: The forgeries to read; each must have its folder. "DeepFakeDetection" brings its own originals
            ("actors"); it has no official split and counts as test (our reading).
    """

    compression: str = ""
    manipulations: tuple[str, ...] = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
    lists_name_all: ClassVar[bool] = True
    apart: ClassVar[Mapping[str, str]] = {
        "manipulated_sequences/*/masks/*": "masks or models of the forgeries, which are not read",
        "manipulated_sequences/*/models/*": "masks or models of the forgeries, which are not read",
        "original_sequences/actors/*": "videos of actors, which are read with DeepFakeDetection",
        "downloaded_videos/*": "films as they were downloaded, which are not read",
        "*_sequences/*/frames/*": "frames that somebody extracted, which are not read",
        "*_sequences/*/images/*": "frames that somebody extracted, which are not read",
    }

    def __post_init__(self) -> None:
        for name in self.manipulations:
            if name not in MANIPULATIONS:
                known = ", ".join(MANIPULATIONS)
                raise ParameterError(f"{NAME}: a manipulation must be one of {known}, found {name!r}")

    @staticmethod
    def marks(root: Path) -> bool:
        """Whether the folder of the originals or of the forgeries is there."""
        return (root / "original_sequences").is_dir() or (root / "manipulated_sequences").is_dir()

    @classmethod
    def present(cls, root: Path) -> list[FaceForensics]:
        """A layout for each compression, with the manipulations that are there.

        Raises:
            ParameterError: For a folder of another manipulation.
        """
        tops = [path for path in (root / "manipulated_sequences").glob("*") if path.is_dir()]
        found = []
        for compression in _compressions(_originals(root)):
            forged = [top.name for top in tops if (top / compression / "videos").is_dir()]
            found.append(cls(compression, tuple(sorted(forged, key=_place))))
        return found

    def read(self, root: Path) -> pd.DataFrame:
        """A row for every video on disk or in a split file; one that has no file gets the status "missing file"."""
        root = folder(Path(root), NAME)
        pairs = read_pairs(root)
        compression = _chosen(_originals(root), self.compression)
        return table(self._rows(root, compression, pairs), root, NAME)

    def _rows(self, root: Path, compression: str, pairs: dict[tuple[str, str], str]) -> Iterator[dict]:
        split_of = {identity: split for pair, split in pairs.items() for identity in pair}
        where = Path("original_sequences", "youtube", compression, "videos")
        for video in _videos(root, where, split_of):
            stem = video.stem
            yield {**_row("original", video), "label": "real", "split": split_of.get(stem, ""), "target": stem}
        for name in self.manipulations:
            where = Path("manipulated_sequences", name, compression, "videos")
            if name == "DeepFakeDetection":
                yield from _acted(root, where, compression)
            else:
                yield from _forged(root, where, name, pairs)


def _forged(root: Path, where: Path, name: str, pairs: dict[tuple[str, str], str]) -> Iterator[dict]:
    """The videos of one manipulation."""
    videos = _videos(root, where, ("_".join(pair) for pair in pairs))
    odd = [video.name for video in videos if not re.fullmatch(r"\w+_\w+", video.stem)]
    refuse(odd, f"{NAME}, {where}", "a forged video must be called <target>_<source>.mp4")
    for video in videos:
        target, _, source = video.stem.partition("_")
        yield {
            **_row(name, video),
            "label": name,
            "split": pairs.get((target, source), ""),
            "target": target,
            "source": source,
            "pristine": f"{NAME}/original/{target}",
        }


def _acted(root: Path, where: Path, compression: str) -> Iterator[dict]:
    """DeepFakeDetection: the actors' own videos and the forged ones."""
    home = Path("original_sequences", "actors", compression, "videos")
    for manipulation, place, form in (("actors", home, _ACTOR), ("DeepFakeDetection", where, _ACTED)):
        videos = _videos(root, place)
        rule = "a video of an actor must be called AA__<scene>.mp4, a forged one AA_BB__<scene>__<code>.mp4"
        refuse([video.name for video in videos if not form.fullmatch(video.stem)], f"{NAME}, {place}", rule)
        for video in videos:
            match = form.fullmatch(video.stem)
            assert match, "others are refused"
            part = match.groupdict()
            fake = manipulation != "actors"
            yield {
                **_row(manipulation, video),
                "label": manipulation if fake else "real",
                "split": "test",
                "target": f"actor{part['target']}",
                "source": f"actor{part['source']}" if fake else "",
                "pristine": f"{NAME}/actors/{part['target']}__{part['scene']}" if fake else "",
            }


def _row(manipulation: str, video: PurePosixPath) -> dict:
    return {
        "dataset": NAME,
        "manipulation": manipulation,
        "video": f"{NAME}/{manipulation}/{video.stem}",
        "path": video.as_posix(),
        "compression": video.parts[-3],
    }


def _videos(root: Path, where: Path, listed: Iterable[str] = ()) -> list[PurePosixPath]:
    """The videos of a folder, on disk or `listed` by their stems, in the order of the stems."""
    on_disk = files(folder(root / where, f"{NAME}, videos"), root, (".mp4",), deep=False)
    named = located([(where / f"{stem}.mp4").as_posix() for stem in listed], on_disk).values()
    return sorted(map(PurePosixPath, {*on_disk, *named}), key=lambda video: (video.stem, video))


def _place(manipulation: str) -> int:
    return MANIPULATIONS.index(manipulation) if manipulation in MANIPULATIONS else len(MANIPULATIONS)


def _originals(root: Path) -> Path:
    return folder(root / "original_sequences" / "youtube", f"{NAME}, original videos")


def _compressions(originals: Path) -> list[str]:
    return sorted(path.name for path in originals.iterdir() if (path / "videos").is_dir())


def _chosen(originals: Path, wanted: str) -> str:
    """The compression's folder name; "raw" and "c0" mean the same."""
    found = _compressions(originals)
    if wanted:
        same = ("raw", "c0") if wanted in ("raw", "c0") else (wanted,)
        return next((name for name in same if name in found), wanted)
    if not found:
        raise ParameterError(f"{NAME}: videos must lie in <compression>/videos, found none in {originals}")
    if len(found) > 1:
        raise ParameterError(f"{NAME}: the compression to read must be named, found {', '.join(found)} in {originals}")
    return found[0]


def read_pairs(root: Path) -> dict[tuple[str, str], str]:
    """(target, source) -> split, both directions of every pair.

    Raises:
        DataError: When an identity is in two splits.
    """
    pairs: dict[tuple[str, str], str] = {}
    home: dict[str, str] = {}
    for split in SPLITS:
        places = [root / part / f"{split}.json" for part in ("", "splits", "dataset/splits")]
        path = first(places, f"{NAME}, split file")
        for one, two in _read_pairs(path):
            for identity in (one, two):
                if home.setdefault(identity, split) != split:
                    both = f"{identity!r} in {home[identity]} too"
                    raise DataError(f"{path}: an id must be in one split, found {both}")
            pairs[one, two] = split
            pairs[two, one] = split
    return pairs


def _read_pairs(path: Path) -> list[tuple[str, str]]:
    content = read_json(path, list, "a JSON list of id pairs")
    for pair in content:
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(item, str) for item in pair)):
            raise DataError(f'{path}: must have pairs of ids such as ["000", "003"], found {pair!r}')
        if not all(re.fullmatch(r"[A-Za-z0-9]+", item) for item in pair):
            raise DataError(f"{path}: an id must have letters and digits only, found {pair!r}")
    return [tuple(pair) for pair in content]


ORDER = 10
LAYOUTS = {"faceforensics++": FaceForensics}
PROTOCOLS = (
    Protocol(
        dataset=NAME,
        layout="faceforensics++",
        level="video",
        fakes=Part(NAME, ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures"), "test"),
        reals=Part(NAME, ("original",), "test"),
        complete=Sizes(fakes=560, reals=140),
        published=(
            Published(1000, "original"),
            Published(720, "original", split="train"),
            Published(140, "original", split="val"),
            Published(140, "original", split="test"),
            Published(1000, "Deepfakes"),
            Published(1000, "Face2Face"),
            Published(1000, "FaceSwap"),
            Published(1000, "NeuralTextures"),
            Published(1000, "FaceShifter", absent="note"),
            Published(363, "actors", absent="note"),
            Published(3068, "DeepFakeDetection", absent="note"),
        ),
        sources=Sources(
            test="Roessler et al., ICCV 2019: 720/140/140 videos by id pairs; SJEDD takes c23",
            counts=(
                "github.com/ondyari/FaceForensics; "
                "DeepFakeDetection (Google and Jigsaw, 2019): 363 and 3068 as users count it"
            ),
        ),
        notes=(
            "The manipulations share file names (000_003.mp4 lies in each); "
            "keys of videos therefore name the manipulation.",
        ),
    ),
)
