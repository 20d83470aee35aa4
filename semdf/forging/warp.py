"""Where each pixel of the target comes from in the source: similarity and piecewise affine alignment."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial import Delaunay

from semdf.errors import ParameterError
from semdf.faces.landmarks import GROUPS, five, ibug, similarity

__all__ = ["WARPS", "Warp", "align", "jitter", "piecewise", "warp"]

#: Ways to align a donor, the values of the option `alignment`. "region" fits the landmarks of the region and of what is
#: next to it (lips alone piecewise), "face" the five of the face, "piecewise" moves every landmark to its place, "none"
#: leaves the source where it is.
WARPS = ("region", "face", "piecewise", "none")


@dataclass(frozen=True)
class Warp:
    """columns, rows: [h, w] float32, the place in the source of each pixel of a window of the target."""

    columns: np.ndarray
    rows: np.ndarray

    def __call__(self, array: np.ndarray, how: int = cv2.INTER_CUBIC) -> np.ndarray:
        """The source seen from the target: `array` [H, W] or [H, W, C], 0 where it has no pixel."""
        return cv2.remap(array, self.columns, self.rows, how, borderMode=cv2.BORDER_CONSTANT)

    def inside(self, shape: tuple[int, int]) -> np.ndarray:
        """Pixels that lie within a source of that shape, `[h, w] bool`."""
        (height, width), edge = shape, 1e-3
        across = (self.columns >= -edge) & (self.columns <= width - 1 + edge)
        return across & (self.rows >= -edge) & (self.rows <= height - 1 + edge)


def align(source: np.ndarray, target: np.ndarray, region: str = "") -> np.ndarray:
    """The similarity `[2, 3]` that takes the source's landmarks to the target's: those of a region, or the five.

    region: a name of `semdf.faces.regions.REGIONS`, joined ones too.
    """
    source, target = ibug(source), ibug(target)
    if region and len(source) == len(target) == 68:
        points = sorted(set().union(*(GROUPS[name] for name in region.split("+"))))
        return similarity(source[points], target[points])
    return similarity(five(source), five(target))


def jitter(
    matrix: np.ndarray, centre: np.ndarray, shift: np.ndarray, scale: float = 1.0, turn: float = 0.0
) -> np.ndarray:
    """The similarity `[2, 3]` followed by a small scaling and turn (degrees) about `centre` and a shift (pixels)."""
    angle = np.deg2rad(turn)
    spin = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = spin @ (matrix[:, 2] - centre) + centre + shift
    return np.column_stack([spin @ matrix[:, :2], moved])


def warp(matrix: np.ndarray, window: tuple[int, int, int, int]) -> Warp:
    """The warp of a similarity `[2, 3]` (source to target) for a window of the target.

    window: row and column of its first pixel, height, width.
    """
    rows, columns = _grid(window)
    back = cv2.invertAffineTransform(matrix)
    across = back[0, 0] * columns + back[0, 1] * rows + back[0, 2]
    down = back[1, 0] * columns + back[1, 1] * rows + back[1, 2]
    return Warp(across.astype(np.float32), down.astype(np.float32))


def piecewise(source: np.ndarray, target: np.ndarray, matrix: np.ndarray, window: tuple[int, int, int, int]) -> Warp:
    """The warp that takes every landmark to its counterpart, affine on each triangle of the target's landmarks.

    Beyond the landmarks the similarity `matrix` continues it. source, target: [K, 2] each, of one scheme.
    """
    source, target = ibug(source), ibug(target)
    if len(source) != len(target):
        raise ParameterError(
            f"alignment 'piecewise' needs landmarks of one scheme. Found {len(source)}, {len(target)}."
        )
    back = cv2.invertAffineTransform(matrix)
    reach = 2 * np.ptp(target, axis=0).max() + max(window)
    ring = target.mean(0) + reach * np.array([[-1, -1], [0, -1], [1, -1], [1, 0], [1, 1], [0, 1], [-1, 1], [-1, 0]])
    targets = np.concatenate([target, ring])
    sources = np.concatenate([source, ring @ back[:, :2].T + back[:, 2]])
    mesh = Delaunay(targets)
    rows, columns = _grid(window)
    places = np.column_stack([columns.ravel(), rows.ravel()])
    triangle = mesh.find_simplex(places)
    inverse = mesh.transform[triangle]
    two = np.einsum("nij,nj->ni", inverse[:, :2], places - inverse[:, 2])
    weights = np.column_stack([two, 1 - two.sum(1)])
    found = np.einsum("nk,nkj->nj", weights, sources[mesh.simplices[triangle]]).astype(np.float32)
    return Warp(*(np.ascontiguousarray(found[:, axis].reshape(window[2:])) for axis in (0, 1)))


def _grid(window: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    top, left, height, width = window
    return tuple(np.mgrid[top : top + height, left : left + width].astype(float))
