"""Which face gives the region: a donor for every target, never of the same person, or the target itself."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import cv2
import numpy as np
import pandas as pd

from semdf.errors import ParameterError
from semdf.faces.landmarks import five, ibug, span

__all__ = ["PAIRINGS", "POOL", "SOURCES", "Donors", "poses", "skin_tone", "stream"]

#: Who gives: the "nearest" by landmarks and then by skin tone, by "landmarks" alone, by "pose" and then by skin tone, a
#: stranger at "random", or the target "self".
PAIRINGS = ("nearest", "landmarks", "pose", "random", "self")
SOURCES = ("real", "fake")

#: So many are taken by landmarks or pose, of those so many by skin tone, and one is drawn (ours): one best donor would
#: come back for every frame of a video.
NEAREST = (40, 8)

#: Of more candidates of a data set and split than this, so many are drawn, the same in every process, and donors are
#: looked for among them (ours): or else the work would grow with the square of the faces.
POOL = 10_000


def stream(seed: int, *names: str) -> list[int]:
    """A seed for one item, which depends on its names alone and not on the order of work.

    >>> stream(1, "a") == stream(1, "a") != stream(1, "b")
    True
    """
    return [int(seed), *(zlib.crc32(name.encode()) for name in names)]


def skin_tone(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The median CIELAB colour `[3]` of two discs on the cheeks of a crop `[H, W, 3] uint8`."""
    left, right, _, *mouth = five(landmarks)
    radius = max(0.12 * span(landmarks), 1.0)
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    discs = np.zeros(image.shape[:2], bool)
    for eye, corner in zip((left, right), mouth, strict=True):
        x, y = eye + 0.55 * (corner - eye)
        discs |= (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
    if not discs.any():
        return np.zeros(3)
    pixels = image[discs][None].astype(np.float32) / 255
    return np.median(cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)[0], axis=0)


class Donors:
    """The candidates among the rows of a manifest.

    rows: status "ok" only, index 0 ... n - 1. tones: [n, 3], their `skin_tone`; None pairs without it.
    pairing: of `PAIRINGS`; landmarks are compared after removing position and scale (the idea of Face X-ray: Li et al.,
        CVPR 2020), head poses by `poses`.
    source: whether donors are "real" or "fake" pictures; "self" looks at neither.
    pool: so many candidates of each data set and split at the most, see `POOL`; None for all.
    """

    def __init__(
        self,
        rows: pd.DataFrame,
        tones: np.ndarray | None,
        pairing: str = "nearest",
        source: str = "real",
        *,
        pool: int | None = POOL,
    ) -> None:
        for name, value, known in (("pairing", pairing, PAIRINGS), ("source", source, SOURCES)):
            if value not in known:
                raise ParameterError(f"{name} should be one of {', '.join(known)}. Found {value!r}.")
        self.pairing, self.source, self.tones = pairing, source, tones
        names = rows[["target", "source"]].to_numpy(dtype=object)
        self._persons = np.where(names == "", -1, pd.factorize(names.ravel())[0].reshape(-1, 2))
        self._groups = rows.groupby(["dataset", "split"], sort=False).ngroup().to_numpy()
        eligible = np.flatnonzero((rows["label"] == "real") == (source == "real"))
        self._candidates = {
            group: _some(eligible[self._groups[eligible] == group], pool) for group in np.unique(self._groups)
        }
        self._table = (poses if pairing == "pose" else _shapes)(rows["landmarks"])

    def __repr__(self) -> str:
        return f"Donors({sum(map(len, self._candidates.values()))} {self.source}, {self.pairing})"

    def allowed(self, row: int) -> np.ndarray:
        """Numbers of the possible donors: of the pool of the row's data set and split, none of the row's persons.

        A fake shows two persons, its target and its source: both count.
        """
        found = self._candidates[self._groups[row]]
        shown = self._persons[found]
        known = [person for person in self._persons[row] if person >= 0]
        return found[np.logical_and.reduce([(shown != person).all(1) for person in known])] if known else found

    def draw(self, row: int, random: np.random.Generator) -> int | None:
        """The number of a donor for a row; None if there is none."""
        if self.pairing == "self":
            return int(row)
        found = self.allowed(row)
        if self.pairing == "landmarks":
            found = self._nearest(found, self._table, row, NEAREST[1])
        elif self.pairing != "random":
            found = self._nearest(found, self._table, row, NEAREST[0])
            found = found if self.tones is None else self._nearest(found, self.tones, row, NEAREST[1])
        return int(random.choice(found)) if len(found) else None

    @staticmethod
    def _nearest(found: np.ndarray, table: np.ndarray, row: int, count: int) -> np.ndarray:
        distance = ((table[found] - table[row]) ** 2).sum(1)
        if len(found) > count:
            near = distance <= np.partition(distance, count - 1)[count - 1]
            found, distance = found[near], distance[near]
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
        left, right, nose, *mouth = five(np.reshape(row, (-1, 2)))
        across, centre, below = right - left, (left + right) / 2, np.mean(mouth, axis=0)
        across = across / max(np.linalg.norm(across), 1e-9)
        down = np.array([-across[1], across[0]])
        unit = max(abs((below - centre) @ down), 1e-9)
        table.append([(nose - centre) @ across / unit, (nose - centre) @ down / unit])
    return np.array(table).reshape(-1, 2)


def _shapes(landmarks: Sequence[Sequence[float]]) -> np.ndarray:
    """Landmarks without position and scale `[n, 136]`; the five points `[n, 10]` where some row has no more."""
    points = [ibug(np.reshape(row, (-1, 2))) for row in landmarks]
    if any(len(p) != 68 for p in points):
        points = [five(p) for p in points]
    table = np.array(points).reshape(len(points), -1, 2)
    table = table - table.mean(1, keepdims=True)
    return (table / np.linalg.norm(table, axis=(1, 2), keepdims=True)).reshape(len(points), -1)
