"""Which face gives the region: a donor for every target, never of the same person, or the target itself."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
import pandas as pd

from semdf.errors import ParameterError
from semdf.faces.landmarks import five, ibug, span

__all__ = ["PAIRINGS", "POOL", "SOURCES", "Donors", "Tones", "poses", "skin_tone", "stream"]

#: How a donor is chosen. "nearest": by similar landmarks, then by similar skin tone. "landmarks": by similar landmarks
#: alone. "pose": by similar head pose, then by similar skin tone. "random": any other person. "self": the face itself.
PAIRINGS = ("nearest", "landmarks", "pose", "random", "self")

#: Which crops give: untouched ones, or forged ones.
SOURCES = ("real", "fake")

#: Keep the 40 nearest by landmarks or pose, then the 8 nearest of them by skin tone; draw one of the 8 (ours). A single
#: best donor would come back for every frame of a video. Pairing by landmarks alone draws from the 8 nearest at once.
SHORTLIST = 40
FINALISTS = 8

#: Most candidates of one data set and split (ours). Of more, so many are drawn, the same in every process. The work
#: would otherwise grow with the square of the number of faces.
POOL = 10_000


#: How many numbers five landmarks are, x and y of each.
FIVE = 10

#: Faces that are described at once.
CHUNK = 4096


class Tones(Protocol):
    """Skin tones by the numbers of rows: an array `[n, 3]`, or what reads a tone when it is asked for."""

    def __getitem__(self, numbers: np.ndarray | int, /) -> np.ndarray:
        """The tones `[..., 3]` of these rows."""


def stream(seed: int, *names: str) -> list[int]:
    """A seed for one item, which depends on its names alone and not on the order of work.

    >>> stream(1, "a") == stream(1, "a") != stream(1, "b")
    True
    """
    return [int(seed), *(zlib.crc32(name.encode()) for name in names)]


def skin_tone(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The median CIELAB colour `[3]` of two discs on the cheeks of a crop `[H, W, 3] uint8`; zeros without a pixel."""
    left_eye, right_eye, _, left_mouth, right_mouth = five(landmarks)
    radius = max(0.12 * span(landmarks), 1.0)
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    discs = np.zeros(image.shape[:2], bool)
    for eye, corner in ((left_eye, left_mouth), (right_eye, right_mouth)):
        x, y = eye + 0.55 * (corner - eye)
        discs |= (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
    if not discs.any():
        return np.zeros(3)
    pixels = image[discs][None].astype(np.float32) / 255
    return np.median(cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)[0], axis=0)


class Donors:
    """The candidates among the rows of a manifest.

    Landmarks are compared after removing position and scale, the idea of Face X-ray (Li et al., CVPR 2020); head poses
    are compared by `poses`.

    Args:
        rows: Rows of status "ok", with the index 0 ... n - 1.
        tones: `skin_tone` of every row; None pairs without it.
        pairing: Of `PAIRINGS`.
        source: Of `SOURCES`. The pairing "self" looks at neither.
        pool: Most candidates of each data set and split, see `POOL`; None for all.
        landmarks: Of the rows, read when they are asked for; None takes the column of this name.

    Raises:
        ParameterError: An unknown pairing or source.
    """

    def __init__(
        self,
        rows: pd.DataFrame,
        tones: Tones | None,
        pairing: str = "nearest",
        source: str = "real",
        *,
        pool: int | None = POOL,
        landmarks: Sequence[np.ndarray] | None = None,
    ) -> None:
        for name, value, known in (("pairing", pairing, PAIRINGS), ("source", source, SOURCES)):
            if value not in known:
                raise ParameterError(f"{name} must be one of {', '.join(known)}, found {value!r}")
        self.pairing = pairing
        self.source = source
        self.tones = tones
        names = rows[["target", "source"]].to_numpy(dtype=object)
        numbers = pd.factorize(names.ravel())[0].reshape(-1, 2)
        self._persons = np.where(names == "", -1, numbers)
        self._groups = rows.groupby(["dataset", "split"], sort=False).ngroup().to_numpy()
        eligible = np.flatnonzero((rows["label"] == "real") == (source == "real"))
        self._candidates = {
            group: _some(eligible[self._groups[eligible] == group], pool) for group in np.unique(self._groups)
        }
        self._table: _Described | None = None
        if pairing in ("nearest", "landmarks", "pose"):
            points = rows["landmarks"].tolist() if landmarks is None else landmarks
            self._table = _Described(points, np.concatenate(list(self._candidates.values())), pairing == "pose")

    def __repr__(self) -> str:
        return f"Donors({sum(map(len, self._candidates.values()))} {self.source}, {self.pairing})"

    def allowed(self, row: int) -> np.ndarray:
        """Numbers of the possible donors: of the pool of the row's data set and split, none of the row's persons.

        A fake shows two persons, its target and its source: both count.
        """
        found = self._candidates[self._groups[row]]
        persons = [person for person in self._persons[row] if person >= 0]
        if not persons:
            return found
        shown = self._persons[found]
        strange = [(shown != person).all(1) for person in persons]
        return found[np.logical_and.reduce(strange)]

    def draw(self, row: int, random: np.random.Generator) -> int | None:
        """The number of a donor for a row; None if there is none."""
        if self.pairing == "self":
            return int(row)
        found = self.allowed(row)
        if not len(found):
            return None
        if self._table is None:
            return int(random.choice(found))
        if self.pairing == "landmarks":
            found = _nearest(found, self._table, row, FINALISTS)
        else:
            found = _nearest(found, self._table, row, SHORTLIST)
            if self.tones is not None:
                found = _nearest(found, self.tones, row, FINALISTS)
        return int(random.choice(found))


class _Described:
    """What faces are compared by: of the candidates at hand, of another face computed when it is asked for.

    So a process holds the numbers of its candidates alone, whatever the number of crops.

    Args:
        landmarks: Of all rows.
        candidates: Numbers of the rows that are described now.
        by_pose: Whether by `poses`, or by their shapes.
    """

    def __init__(self, landmarks: Sequence[np.ndarray], candidates: np.ndarray, by_pose: bool) -> None:
        self._landmarks = landmarks
        self._by_pose = by_pose
        # the five points, if some face has no more
        self._few = not by_pose and any(len(points) == FIVE for points in landmarks)
        self._place = np.full(len(landmarks), -1, np.int32)
        self._place[candidates] = np.arange(len(candidates))
        parts = [self._describe(candidates[at : at + CHUNK]) for at in range(0, len(candidates), CHUNK)]
        self._table = np.concatenate(parts) if parts else np.empty((0, 0))

    def __getitem__(self, numbers: np.ndarray | int, /) -> np.ndarray:
        """[..., d] of candidates, or [d] of any row."""
        places = self._place[numbers]
        if np.ndim(places) == 0 and places < 0:
            return self._describe(np.array([numbers]))[0]
        return self._table[places]

    def _describe(self, numbers: np.ndarray) -> np.ndarray:
        points = [self._landmarks[number] for number in numbers]
        return poses(points) if self._by_pose else _shapes(points, few=self._few)


def _nearest(found: np.ndarray, table: Tones, row: int, count: int) -> np.ndarray:
    """The `count` of the numbers `found` whose rows of the table lie nearest to that of `row`, the nearest first."""
    distance = ((table[found] - table[row]) ** 2).sum(1)
    if len(found) > count:
        near = distance <= np.partition(distance, count - 1)[count - 1]
        found = found[near]
        distance = distance[near]
    return found[np.argsort(distance, kind="stable")[:count]]


def _some(candidates: np.ndarray, pool: int | None) -> np.ndarray:
    """At most `pool` of the candidates, in their order; which ones depends on their number alone."""
    if pool is None or len(candidates) <= pool:
        return candidates
    return np.sort(np.random.default_rng(0).choice(candidates, pool, replace=False))


def poses(landmarks: Sequence[Sequence[float]]) -> np.ndarray:
    """How far each head is turned and nodded `[n, 2]`: the tip of the nose in the frame of eyes and mouth, in spans.

    Seen from the front it lies near (0, 0.5): 0 between the eyes, 1 between the corners of the mouth (ours).
    """
    table = []
    for row in landmarks:
        left_eye, right_eye, nose, *mouth = five(np.reshape(row, (-1, 2)))
        centre = (left_eye + right_eye) / 2
        below = np.mean(mouth, axis=0)
        across = right_eye - left_eye
        across = across / max(np.linalg.norm(across), 1e-9)
        down = np.array([-across[1], across[0]])
        unit = max(abs((below - centre) @ down), 1e-9)
        table.append([(nose - centre) @ across / unit, (nose - centre) @ down / unit])
    return np.array(table).reshape(-1, 2)


def _shapes(landmarks: Sequence[Sequence[float]], *, few: bool) -> np.ndarray:
    """Landmarks without position and scale: 68 points `[n, 136]`, or a `few` of them, five, `[n, 10]`."""
    points = [ibug(np.reshape(row, (-1, 2))) for row in landmarks]
    if few:
        points = [five(p) for p in points]
    table = np.array(points).reshape(len(points), -1, 2)
    table = table - table.mean(1, keepdims=True)
    sizes = np.linalg.norm(table, axis=(1, 2), keepdims=True)
    return (table / sizes).reshape(len(points), -1)
