"""One picture or video, one answer: the probability of a fake, and what a detector names as altered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from semdf.errors import SemdfError
from semdf.explanation import explain
from semdf.extraction.video import read_frames
from semdf.faces.crops import crop
from semdf.faces.finders import Annotated, FaceFinder, fitted
from semdf.method.hierarchy import Hierarchy

__all__ = ["Evidence", "Verdict", "judge", "sentence"]


class Detector(Protocol):
    """What `semdf.evaluation.detector.load_detector` returns."""

    hierarchy: Hierarchy
    nodes: tuple[str, ...]
    crop: dict

    def score(self, crops: np.ndarray) -> np.ndarray:
        """Marginals [n, N] of crops [n, H, W, 3] uint8."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a verdict rests on: crops [T, H, W, 3] uint8, the numbers [T] of their frames, marginals [T, N]."""

    crops: np.ndarray
    frames: np.ndarray
    p: np.ndarray


@dataclass(frozen=True)
class Verdict:
    """The answer to one file.

    status: "ok", or why there is no answer. p: node -> mean marginal over the frames with a face; empty
    without an answer. frames: number of those frames. evidence: None without an answer.
    """

    path: str
    status: str
    p: dict[str, float]
    frames: int = 0
    evidence: Evidence | None = None


def judge(path: Path, detector: Detector, finder: FaceFinder, frames: int = 32) -> Verdict:
    """Score one picture, or `frames` evenly spread frames of one video. What is wrong with the file is the
    status.
    """
    path = Path(path)
    try:
        sample = read_frames(path, frames)
        absolute = path.absolute().with_suffix("").as_posix()
        key = finder.locate(path) if isinstance(finder, Annotated) else absolute
        faces = finder.find(sample.images, key, sample.indices)
        known = [(i, face) for i, face in enumerate(faces) if face is not None]
        found, pairs = [i for i, _ in known], [(sample.images[i], face) for i, face in known]
        if not pairs:
            return Verdict(str(path), "no face", {})
        size, alignment = detector.crop["size"], detector.crop["alignment"]
        fitting = [fitted(*pair, finder, size, alignment) for pair in pairs]
        crops = np.stack([crop(image, face, **detector.crop).image for image, face in fitting])
        p = detector.score(crops)
    except SemdfError as error:
        return Verdict(str(path), str(error), {})
    named = {node: float(value) for node, value in zip(detector.nodes, p.mean(0), strict=True)}
    return Verdict(str(path), "ok", named, len(pairs), Evidence(crops, np.asarray(sample.indices)[found], p))


def sentence(verdict: Verdict, hierarchy: Hierarchy, threshold: float = 0.5) -> str:
    """The verdict in words, see `explain.sentence`, with the file and the number of frames it rests on."""
    if verdict.status != "ok":
        return f"{verdict.path}: no answer ({verdict.status})"
    frames = f"{verdict.frames} frame" + "s" * (verdict.frames != 1)
    return f"{verdict.path}, {frames}: {explain.sentence(verdict.p, hierarchy, threshold)}"
