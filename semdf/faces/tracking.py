"""The main face of a video: which of the faces found in its frames belong to one person."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from semdf.errors import ParameterError
from semdf.faces.crops import Face

__all__ = ["CHOICES", "ManyFaces", "area", "largest", "main_track"]

#: Ways to choose one face a frame: `largest` and `main_track`.
CHOICES = ("largest", "track")
#: A face continues a track only if its centre moved by at most this many of its sides since the track was last seen
#: (ours).
REACH = 1.0
#: A face continues a track only if its side changed by at most this factor since the track was last seen (ours).
GROWTH = 2.0


def area(face: Face) -> float:
    """The area of the face's box, square pixels."""
    return float((face.box[2] - face.box[0]) * (face.box[3] - face.box[1]))


def largest(found: Sequence[Sequence[Face]]) -> list[Face | None]:
    """The largest face of every frame, None where there is none."""
    return [max(faces, key=area, default=None) for faces in found]


def main_track(found: Sequence[Sequence[Face]]) -> list[Face | None]:
    """One person's face in every frame, None where that person is not seen.

    Faces of successive frames are assigned so that the distances between them, in sides of the face, are smallest
    in total (Kuhn, 1955). A face that continues no track begins a new one. The main track is the one with the largest
    sum of box areas: its face is large and seen often (ours).
    """
    from scipy.optimize import linear_sum_assignment  # SciPy is slow to import

    tracks: list[dict[int, Face]] = []  # of each person, the face by the number of the frame
    for number, faces in enumerate(found):
        last = [track[max(track)] for track in tracks]
        cost = np.array([[_distance(old, new) for new in faces] for old in last]).reshape(len(last), len(faces))
        taken = set()
        for old, new in zip(*linear_sum_assignment(np.minimum(cost, 1e6)), strict=True):
            if cost[old, new] <= REACH:
                tracks[old][number] = faces[new]
                taken.add(new)
        tracks += [{number: face} for new, face in enumerate(faces) if new not in taken]
    best = max(tracks, key=lambda track: sum(map(area, track.values())), default={})
    return [best.get(number) for number in range(len(found))]


def _distance(old: Face, new: Face) -> float:
    """The distance between two faces' centres in sides of the face; infinite if the sides differ too much."""
    sides = np.sqrt([max(area(old), 1e-6), max(area(new), 1e-6)])
    if sides.max() / sides.min() > GROWTH:
        return np.inf
    step = (old.box[:2] + old.box[2:] - new.box[:2] - new.box[2:]) / 2
    return float(np.linalg.norm(step) / sides.mean())


class ManyFaces:
    """A finder that sees all faces of a frame with a network, and takes one of them.

    Attributes:
        face: "largest" of every frame, or "track": the same person in all frames.
        longest: Frames are shrunk to at most this side before detection, pixels.
    """

    face: str
    longest: int

    def __post_init__(self) -> None:
        if self.face not in CHOICES:
            raise ParameterError(f"face must be one of {', '.join(CHOICES)}, found {self.face!r}")
        if self.longest < 32:
            raise ParameterError(f"longest must be at least 32, found {self.longest}")

    def __getstate__(self) -> dict:
        """All but the network: each process reads it for itself."""
        return {key: value for key, value in self.__dict__.items() if key != "_network"}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)

    def candidates(self, frames: Sequence[np.ndarray]) -> list[list[Face]]:
        """All faces of every frame, the surest first."""
        raise NotImplementedError

    def find(
        self,
        frames: Sequence[np.ndarray],
        key: str,  # noqa: ARG002  # the protocol's signature
        indices: Sequence[int],  # noqa: ARG002  # the protocol's signature
    ) -> list[Face | None]:
        """The main face of every frame; frames of one call may differ in size."""
        found = self.candidates(frames)
        return main_track(found) if self.face == "track" else largest(found)
