"""One video or picture: its sampled frames, the face in each, the crops, and a row with a status for everything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from semdf.errors import DataError, MissingError, ParameterError
from semdf.extraction.video import Limits, Sample, read_frames
from semdf.faces.crops import ALIGNMENTS
from semdf.faces.finders import Face, FaceFinder, crop, fitted
from semdf.storage.paths import below
from semdf.storage.tars import FORMATS, encode_image, encode_png

__all__ = ["Settings", "cut", "stem"]


@dataclass(frozen=True)
class Settings:
    """How crops are made.

    Attributes:
        frames: How many of a video.
        size: Side of a crop, pixels.
        alignment: See `semdf.faces.crops.placement`, as for margin.
        format: See `semdf.storage.tars.encode_image`, as for quality.
        limits: What is read at all.
    """

    frames: int = 32
    size: int = 317
    alignment: str = "similarity"
    margin: float = 1.3
    format: str = "png"
    quality: int = 95
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.alignment not in ALIGNMENTS:
            raise ParameterError(f"alignment must be one of {', '.join(ALIGNMENTS)}, found {self.alignment!r}")
        if self.format not in FORMATS:
            raise ParameterError(f"format must be {' or '.join(FORMATS)}, found {self.format!r}")
        if not 1 <= self.quality <= 100:
            raise ParameterError(f"quality must lie in [1, 100], found {self.quality}")
        if self.frames < 1:
            raise ParameterError(f"frames must be at least 1, found {self.frames}")
        if self.size < 8:
            raise ParameterError(f"size must be at least 8, found {self.size}")
        if self.margin <= 0:
            raise ParameterError(f"margin must lie above 0, found {self.margin}")


def stem(row: dict) -> str:
    """The video's key without data set and manipulation: the name of its crops within their tar."""
    start = f"{row['dataset']}/{row['manipulation']}/"
    return row["video"].removeprefix(start) if row["video"].startswith(start) else PurePosixPath(row["video"]).name


def cut(row: dict, root: Path, finder: FaceFinder, settings: Settings) -> tuple[dict[str, bytes], list[dict]]:
    """The files of the crops by name, and a row for each sampled frame of the video at `root / row["path"]`.

    What is wrong with the video becomes the status of its rows; a video without any frame has one row.
    """
    try:
        sample = read_frames(below(root, row["path"], "path"), settings.frames, settings.limits)
    except MissingError:
        return {}, [_without_crop("missing file")]
    except DataError as error:
        return {}, [_without_crop(f"unreadable video: {error}")]
    try:
        faces = finder.find(sample.images, str(PurePosixPath(row["path"]).with_suffix("")), sample.indices)
    except DataError as error:
        return {}, [_without_crop(f"unreadable landmarks: {error}")]
    members: dict[str, bytes] = {}
    cells = list(_cells(stem(row), sample, faces, finder, settings, members))
    if sample.problem:
        cells.append(_without_crop(f"incomplete video: {sample.problem}"))
    return members, cells


def _without_crop(status: str, frame: int = -1) -> dict:
    """What a row says where there is no crop."""
    return {
        "frame": frame,
        "member": "",
        "regions_member": "",
        "box": [],
        "landmarks": [],
        "score": 0.0,
        "status": status,
    }


def _cells(
    name: str,
    sample: Sample,
    faces: list[Face | None],
    finder: FaceFinder,
    settings: Settings,
    members: dict[str, bytes],
) -> Iterator[dict]:
    """A row for each frame; the files are put into `members`."""
    for image, index, face in zip(sample.images, sample.indices, faces, strict=True):
        if face is None:
            yield _without_crop("no face", index)
            continue
        try:
            frame, placed = fitted(image, face, finder, settings.size, settings.alignment)
            made = crop(frame, placed, settings.size, settings.margin, settings.alignment)
        except DataError as error:  # landmarks that span no face
            yield _without_crop(f"unreadable landmarks: {error}", index)
            continue
        member = f"{name}/{index:04d}{FORMATS[settings.format]}"
        members[member] = encode_image(made.image, settings.format, settings.quality)
        regions = ""
        if made.regions is not None:
            regions = f"{name}/{index:04d}.regions.png"
            members[regions] = encode_png(made.regions)
        yield {
            "frame": index,
            "member": member,
            "regions_member": regions,
            "box": [round(float(value), 2) for value in face.box],
            "landmarks": [round(float(value), 3) for value in made.landmarks.ravel()],
            "score": round(float(face.score), 6),
            "status": "ok",
        }
