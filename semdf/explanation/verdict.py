"""One picture or video, one answer: the probability of a fake, and what a detector names as altered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from semdf.errors import SemdfError
from semdf.explanation import explain
from semdf.extraction.video import Sample, read_frames
from semdf.faces.crops import crop
from semdf.faces.finders import Annotated, FaceFinder, fitted
from semdf.method.hierarchy import Hierarchy

__all__ = ["Evidence", "Verdict", "judge", "sentence"]


class Detector(Protocol):
    """What `semdf.evaluation.detector.load_detector` returns."""

    @property
    def hierarchy(self) -> Hierarchy:
        """The label hierarchy."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the columns of `score`."""

    @property
    def crop(self) -> dict:
        """Arguments for `semdf.faces.crops.crop`."""

    def score(self, crops: np.ndarray) -> np.ndarray:
        """Marginals [n, N] of crops [n, H, W, 3] uint8."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a verdict rests on.

    Attributes:
        crops: [T, H, W, 3] uint8, sRGB.
        frames: [T], the numbers of their frames.
        p: [T, N], their marginals.
    """

    crops: np.ndarray
    frames: np.ndarray
    p: np.ndarray


@dataclass(frozen=True)
class Verdict:
    """The answer to one file.

    Attributes:
        path: The file.
        status: "ok", or why there is no answer, or an answer on a part of the file only: then it starts with
            "incomplete video".
        p: Node -> mean marginal over the frames with a face; empty without an answer.
        frames: Number of those frames.
        evidence: None without an answer.
    """

    path: str
    status: str
    p: dict[str, float]
    frames: int = 0
    evidence: Evidence | None = None

    @property
    def answered(self) -> bool:
        """Whether there is an answer."""
        return bool(self.p)


def judge(path: Path, detector: Detector, finder: FaceFinder, frames: int = 32) -> Verdict:
    """Score one picture, or `frames` evenly spread frames of one video.

    Nothing is raised for a file that cannot be judged: the status of its verdict says why.
    """
    path = Path(path)
    try:
        sample = read_frames(path, frames)
        evidence = _look(path, sample, detector, finder)
    except SemdfError as error:
        return Verdict(str(path), str(error), {})
    if evidence is None:
        return Verdict(str(path), f"no face; incomplete video: {sample.problem}" if sample.problem else "no face", {})
    mean = evidence.p.mean(0)
    named = {node: float(value) for node, value in zip(detector.nodes, mean, strict=True)}
    status = f"incomplete video: {sample.problem}" if sample.problem else "ok"
    return Verdict(str(path), status, named, len(evidence.frames), evidence)


def _look(path: Path, sample: Sample, detector: Detector, finder: FaceFinder) -> Evidence | None:
    """The crops of a file's frames with a face, and their marginals; None without any face."""
    key = path.absolute().with_suffix("").as_posix()
    if isinstance(finder, Annotated):
        key = finder.locate(path)
    faces = finder.find(sample.images, key, sample.indices)
    settings = detector.crop
    crops = []
    numbers = []
    for image, face, number in zip(sample.images, faces, sample.indices, strict=True):
        if face is None:
            continue
        image, face = fitted(image, face, finder, settings["size"], settings["alignment"])
        crops.append(crop(image, face, **settings).image)
        numbers.append(number)
    if not crops:
        return None
    stacked = np.stack(crops)
    return Evidence(stacked, np.asarray(numbers), detector.score(stacked))


def sentence(verdict: Verdict, hierarchy: Hierarchy, threshold: float = 0.5) -> str:
    """The verdict in words, see `explain.sentence`, with the file, the number of frames and what is amiss with it."""
    if not verdict.answered:
        return f"{verdict.path}: no answer ({verdict.status})"
    frames = f"{verdict.frames} frame" + "s" * (verdict.frames != 1)
    amiss = "" if verdict.status == "ok" else f" ({verdict.status})"
    return f"{verdict.path}, {frames}{amiss}: {explain.sentence(verdict.p, hierarchy, threshold)}"
