"""One picture or video: an answer for each of its faces, with the numbers that it rests on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from semdf.errors import DataError, SemdfError
from semdf.explanation.card import UNMEASURED, Card, Decision, Kind, Named, decide
from semdf.extraction.video import Sample, read_frames
from semdf.faces.choose import named
from semdf.faces.crops import Face, crop
from semdf.faces.finders import Annotated, FaceFinder, fitted
from semdf.faces.landmarks import span
from semdf.faces.quality import Quality, quality
from semdf.faces.tracking import area, largest, main_track
from semdf.method.hierarchy import Hierarchy

__all__ = ["Evidence", "FaceVerdict", "Progress", "Verdict", "judge", "record"]

#: From which marginal on a node is named (Zou et al., 2025).
NAMED_FROM = 0.5
#: How many frames a finder gets together, so that progress can be told in between (ours).
TOGETHER = 8

#: Told what is being done, and how much of the whole is done, 0 to 1.
Progress = Callable[[str, float], None]


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


@runtime_checkable
class _FindsAll(Protocol):
    """A finder that can tell all faces of a frame, such as RetinaFace."""

    def candidates(self, frames: Sequence[np.ndarray]) -> list[list[Face]]:
        """All faces of every frame."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the verdict on a face rests on.

    Attributes:
        crops: [T, H, W, 3] uint8, sRGB.
        frames: [T], the numbers of their frames.
        p: [T, N], their marginals.
        boxes: [T, 4], x0, y0, x1, y1 of the face in its frame, pixels.
        image: [H, W, 3] uint8, the frame with the highest probability of a forgery.
    """

    crops: np.ndarray
    frames: np.ndarray
    p: np.ndarray
    boxes: np.ndarray
    image: np.ndarray


@dataclass(frozen=True)
class FaceVerdict:
    """The answer to one face.

    Attributes:
        box: x0, y0, x1, y1, pixels: of a video in the frame with the highest probability of a forgery.
        p: Node -> mean marginal over the frames; empty where the face could not be cut out.
        quality: Of the face; of a video the medians over its frames.
        decision: The answer, the calibrated probability, and the reasons of "cannot tell".
        named: The nodes that are named: altered by their marginals, in a face called forged, and measured to be named
            better than chance. In falling order of their marginals.
        evidence: None where the face could not be cut out.
        problem: "" or why it could not be cut out.
    """

    box: tuple[float, float, float, float]
    p: dict[str, float]
    quality: Quality | None = None
    decision: Decision = UNMEASURED
    named: tuple[Named, ...] = ()
    evidence: Evidence | None = None
    problem: str = ""


@dataclass(frozen=True)
class Verdict:
    """The answer to one file.

    Attributes:
        path: The file.
        status: "ok", or why there is no answer, or an answer on a part of the file only: then it starts with
            "incomplete video".
        kind: Whether it is a picture or a video; a video of one frame counts as a picture.
        faces: Of a picture all faces, the largest first. Of a video one: the largest face of every frame, unless the
            finder follows one person.
        most: Of a video: how many faces its frames show at most, where the finder tells.
        finder: What found the faces, as `semdf.faces.choose.named` calls it.
    """

    path: str
    status: str
    kind: Kind = "picture"
    faces: tuple[FaceVerdict, ...] = ()
    most: int = 0
    finder: str = ""

    @property
    def answered(self) -> bool:
        """Whether the detector has scored a face."""
        return any(face.p for face in self.faces)

    @property
    def main(self) -> FaceVerdict | None:
        """The largest face that was scored."""
        return next((face for face in self.faces if face.p), None)

    @property
    def p(self) -> dict[str, float]:
        """Node -> mean marginal of the largest face; empty without an answer."""
        return self.main.p if self.main else {}

    @property
    def frames(self) -> int:
        """Number of frames in which the largest face was scored."""
        return len(self.evidence.frames) if self.evidence else 0

    @property
    def evidence(self) -> Evidence | None:
        """What the answer to the largest face rests on."""
        return self.main.evidence if self.main else None


def judge(
    path: Path,
    detector: Detector,
    finder: FaceFinder,
    frames: int = 32,
    card: Card | None = None,
    progress: Progress | None = None,
) -> Verdict:
    """Score all faces of one picture, or the main face in `frames` evenly spread frames of one video.

    Nothing is raised for a file that cannot be judged: the status of its verdict says why.

    Args:
        path: The file.
        detector: Any.
        finder: Of its faces.
        frames: Of a video.
        card: What was measured about the detector; without it no face gets an answer.
        progress: Is told how far it is.
    """
    path = Path(path)
    tell = progress or _silent
    try:
        tell("reading the file", 0.0)
        sample = read_frames(path, frames)
        kind: Kind = "picture" if sample.total == 1 else "video"
        found = _find(path, sample, finder, tell)
        tell("looking for traces of forging", 0.8)
        if kind == "picture":
            alone = sorted(found[0], key=area, reverse=True)
            faces = [_scored([face], sample, detector, finder, card, kind) for face in alone]
        else:
            chosen = main_track(found) if getattr(finder, "face", "largest") == "track" else largest(found)
            faces = [_scored(chosen, sample, detector, finder, card, kind)] if any(chosen) else []
    except SemdfError as error:
        return Verdict(str(path), str(error), finder=named(finder))
    tell("done", 1.0)
    status = f"incomplete video: {sample.problem}" if sample.problem else "ok"
    if not faces:
        status = f"no face; {status}" if sample.problem else "no face"
    elif not any(face.p for face in faces):
        status = faces[0].problem
    return Verdict(str(path), status, kind, tuple(faces), max(map(len, found), default=0), named(finder))


def _silent(what: str, done: float) -> None:
    """Progress that nobody wants to hear of."""
    del what, done


def _find(path: Path, sample: Sample, finder: FaceFinder, tell: Progress) -> list[list[Face]]:
    """All faces of every frame that the finder tells; of some finders one a frame."""
    key = path.absolute().with_suffix("").as_posix()
    if isinstance(finder, Annotated):
        key = finder.locate(path)
    found: list[list[Face]] = []
    for start in range(0, len(sample.images), TOGETHER):
        tell("looking for faces", 0.3 + 0.5 * start / len(sample.images))
        images = sample.images[start : start + TOGETHER]
        if isinstance(finder, _FindsAll):
            found += finder.candidates(images)
        else:
            ones = finder.find(images, key, sample.indices[start : start + TOGETHER])
            found += [[face] if face is not None else [] for face in ones]
    return found


def _scored(
    chosen: Sequence[Face | None],
    sample: Sample,
    detector: Detector,
    finder: FaceFinder,
    card: Card | None,
    kind: Kind,
) -> FaceVerdict:
    """The verdict on a face that is seen in some of the frames, in one at least."""
    settings = detector.crop
    crops: list[np.ndarray] = []
    seen: list[tuple[int, Face]] = []
    qualities: list[Quality] = []
    problem = ""
    for place, (image, face) in enumerate(zip(sample.images, chosen, strict=True)):
        if face is None:
            continue
        try:
            frame, placed = fitted(image, face, finder, settings["size"], settings["alignment"])
            cut = crop(frame, placed, **settings)
        except DataError as error:  # landmarks that span no face
            problem = problem or str(error)
            continue
        crops.append(cut.image)
        seen.append((place, face))
        qualities.append(quality(cut.image, cut.landmarks, span(face.landmarks)))
    if not crops:
        first = next(face for face in chosen if face is not None)
        return FaceVerdict(_box(first), {}, problem=problem)
    stacked = np.stack(crops)
    p = detector.score(stacked)
    mean = dict(zip(detector.nodes, p.mean(0).tolist(), strict=True))
    typical = Quality(*np.median(np.asarray(qualities), axis=0).tolist())
    decision = decide(card, kind, mean[detector.nodes[0]], typical)
    best, face = seen[int(p[:, 0].argmax())]
    evidence = Evidence(
        crops=stacked,
        frames=np.asarray([sample.indices[place] for place, _ in seen]),
        p=p,
        boxes=np.asarray([_box(one) for _, one in seen]),
        image=sample.images[best],
    )
    return FaceVerdict(_box(face), mean, typical, decision, _named(mean, decision, card), evidence)


def _box(face: Face) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (round(float(value), 2) for value in face.box)
    return x0, y0, x1, y1


def _named(p: dict[str, float], decision: Decision, card: Card | None) -> tuple[Named, ...]:
    """The nodes that may be named of a face called forged, in falling order of their marginals."""
    if card is None or decision.answer != "forged":
        return ()
    falling = sorted(p, key=lambda node: -p[node])
    rows = [card.names(node) for node in falling if p[node] >= NAMED_FROM]
    return tuple(row for row in rows if row is not None)


def record(verdict: Verdict, card: Card | None = None) -> dict[str, Any]:
    """The verdict as JSON can hold it, with all its numbers: docs/verdict.schema.json describes it."""
    return {
        "path": verdict.path,
        "status": verdict.status,
        "finder": verdict.finder or None,
        "kind": verdict.kind if verdict.faces else None,
        "most_faces": verdict.most,
        "faces": [_face_record(face, verdict.kind, card) for face in verdict.faces],
    }


def _face_record(face: FaceVerdict, kind: Kind, card: Card | None) -> dict[str, Any]:
    unit = card.unit(kind) if card else None
    rates = []
    if unit and face.decision.answer:
        for outcome in unit.outcomes:
            row: dict[str, Any] = {"data": outcome.data, "split": outcome.split, "trained": outcome.trained}
            for name, answers in (("reals", outcome.reals), ("fakes", outcome.fakes)):
                row[name] = answers.rate(face.decision.answer).model_dump() if answers else None
            rates.append(row)
    seen = []
    if face.evidence:
        for frame, box, p in zip(face.evidence.frames, face.evidence.boxes, face.evidence.p, strict=True):
            marginals = dict(zip(face.p, p.astype(float).tolist(), strict=True))
            seen.append({"frame": int(frame), "box": box.tolist(), "p": marginals})
    return {
        "box": list(face.box),
        "answer": face.decision.answer,
        "probability": face.decision.probability,
        "reasons": [reason._asdict() for reason in face.decision.reasons],
        "rates": rates,
        "named": [row.model_dump() for row in face.named],
        "quality": face.quality._asdict() if face.quality else None,
        "p": face.p or None,
        "frames": seen,
        "problem": face.problem,
    }
