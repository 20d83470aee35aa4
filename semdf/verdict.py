"""One picture or video, one answer: the probability of a fake, and what a detector names as altered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from semdf.crops import crop, rescale
from semdf.errors import SemdfError
from semdf.faces import Annotated, FaceFinder
from semdf.hierarchy import Hierarchy
from semdf.video import read_frames

__all__ = ["Verdict", "judge", "sentence"]


class Detector(Protocol):
    """What `semdf.score.load_detector` returns."""

    hierarchy: Hierarchy
    nodes: tuple[str, ...]
    crop: dict

    def score(self, crops: np.ndarray) -> np.ndarray:
        """Marginals [n, N] of crops [n, H, W, 3] uint8."""


@dataclass(frozen=True)
class Verdict:
    """The answer to one file.

    status: "ok", or why there is no answer. p: node -> mean marginal over the frames with a face; empty
    without an answer. frames: number of those frames.
    """

    path: str
    status: str
    p: dict[str, float]
    frames: int = 0


def judge(path: Path, detector: Detector, finder: FaceFinder, frames: int = 32) -> Verdict:
    """Score one picture, or `frames` evenly spread frames of one video. What is wrong with the file is the
    status."""
    path = Path(path)
    try:
        sample = read_frames(path, frames)
        absolute = path.absolute().with_suffix("").as_posix()
        key = finder.locate(path) if isinstance(finder, Annotated) else absolute
        faces = finder.find(sample.images, key, sample.indices)
        pairs = [(image, face) for image, face in zip(sample.images, faces, strict=True) if face is not None]
        if not pairs:
            return Verdict(str(path), "no face", {})
        if detector.crop["alignment"] == "native" and not isinstance(finder, Annotated):
            pairs = [rescale(*pair, detector.crop["size"]) for pair in pairs]
        crops = np.stack([crop(image, face, **detector.crop).image for image, face in pairs])
        p = detector.score(crops).mean(0)
    except SemdfError as error:
        return Verdict(str(path), str(error), {})
    named = {node: float(value) for node, value in zip(detector.nodes, p, strict=True)}
    return Verdict(str(path), "ok", named, len(pairs))


def sentence(verdict: Verdict, hierarchy: Hierarchy, threshold: float = 0.5) -> str:
    """The verdict in words: nodes at or above `threshold` are named, the most probable first.

    threshold: 0.5, Zou et al. (2025).
    """
    if verdict.status != "ok":
        return f"{verdict.path}: no answer ({verdict.status})"
    (root,) = (hierarchy.nodes[i] for i in hierarchy.levels["root"])
    word = "fake" if verdict.p[root] >= threshold else "real"
    frames = f"{verdict.frames} frame" + "s" * (verdict.frames != 1)
    text = f"{verdict.path}: probably {word}, p(fake) = {verdict.p[root]:.2f} over {frames}"
    if word == "real":
        return text + "."
    attributes, regions = (_named(verdict.p, hierarchy, level, threshold) for level in ("global", "local"))
    text += f". Altered attribute: {attributes or 'none named'}; altered region: {regions or 'none named'}."
    return text


def _named(p: dict[str, float], hierarchy: Hierarchy, level: str, threshold: float) -> str:
    nodes = [hierarchy.nodes[i] for i in hierarchy.levels[level]]
    found = sorted((node for node in nodes if p.get(node, 0) >= threshold), key=lambda node: -p[node])
    return ", ".join(f"{node} {p[node]:.2f}" for node in found)
