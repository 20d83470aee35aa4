"""Where each pixel of the target comes from in the source: similarity and piecewise affine alignment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from scipy.spatial import Delaunay

from semdf.errors import ParameterError
from semdf.faces.landmarks import GROUPS, five, ibug, similarity

__all__ = ["WARPS", "Warp", "Window", "align", "jitter", "piecewise", "warp"]

#: Ways to align a donor, the values of the option `alignment`. "region" fits the landmarks of the region and of what is
#: next to it (lips alone piecewise), "rigid" does so for lips too, "face" fits the five of the face, "piecewise" moves
#: every landmark to its place, "none" leaves the source where it is.
WARPS = ("region", "face", "piecewise", "none", "rigid")


class Window(NamedTuple):
    """A rectangle of a picture: row and column of its first pixel, and its size."""

    top: int
    left: int
    height: int
    width: int

    @property
    def corner(self) -> tuple[int, int]:
        """Column and row of the first pixel: what its x and y are for landmarks."""
        return self.left, self.top

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns: what an array of the picture is indexed with."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


@dataclass(frozen=True)
class Warp:
    """The place in the source of each pixel of a window of the target.

    Attributes:
        columns: [h, w] float32, x in the source.
        rows: [h, w] float32, y in the source.
    """

    columns: np.ndarray
    rows: np.ndarray

    def __call__(self, array: np.ndarray, how: int = cv2.INTER_CUBIC) -> np.ndarray:
        """The source seen from the target: `array` [H, W] or [H, W, C], 0 where it has no pixel."""
        return cv2.remap(array, self.columns, self.rows, how, borderMode=cv2.BORDER_CONSTANT)

    def inside(self, shape: tuple[int, int]) -> np.ndarray:
        """Pixels that lie within a source of that shape, `[h, w] bool`."""
        height, width = shape
        edge = 1e-3
        across = (self.columns >= -edge) & (self.columns <= width - 1 + edge)
        return across & (self.rows >= -edge) & (self.rows <= height - 1 + edge)


def align(source: np.ndarray, target: np.ndarray, region: str = "") -> np.ndarray:
    """The similarity `[2, 3]` that takes the source's landmarks to the target's: those of a region, or the five.

    Args:
        source: [5, 68 or 189, 2], pixels.
        target: The same.
        region: A name of `semdf.faces.regions.REGIONS`, joined ones too. Without a name, and where a face has no more
            than five landmarks, the five of the face are fitted.
    """
    source = ibug(source)
    target = ibug(target)
    if region and len(source) == len(target) == 68:
        groups = [GROUPS[name] for name in region.split("+")]
        points = sorted(set().union(*groups))
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


def warp(matrix: np.ndarray, window: Window) -> Warp:
    """The warp of a similarity `[2, 3]` (source to target) for a window of the target."""
    rows, columns = _grid(window)
    back = cv2.invertAffineTransform(matrix)
    across = back[0, 0] * columns + back[0, 1] * rows + back[0, 2]
    down = back[1, 0] * columns + back[1, 1] * rows + back[1, 2]
    return Warp(across.astype(np.float32), down.astype(np.float32))


def piecewise(source: np.ndarray, target: np.ndarray, matrix: np.ndarray, window: Window) -> Warp:
    """The warp that takes every landmark to its counterpart, affine on each triangle of the target's landmarks.

    Args:
        source: [K, 2], pixels.
        target: The same landmarks in the target.
        matrix: The similarity `[2, 3]` that continues the warp beyond the landmarks.
        window: The part of the target.

    Raises:
        ParameterError: Source and target have landmarks of different schemes.
    """
    source = ibug(source)
    target = ibug(target)
    if len(source) != len(target):
        raise ParameterError(
            f"alignment 'piecewise' must have landmarks of one scheme, found {len(source)} and {len(target)}"
        )
    back = cv2.invertAffineTransform(matrix)
    # ring: eight points far around the face, so that triangles cover the window; the similarity takes them along
    reach = 2 * np.ptp(target, axis=0).max() + max(window)
    ring = target.mean(0) + reach * np.array([[-1, -1], [0, -1], [1, -1], [1, 0], [1, 1], [0, 1], [-1, 1], [-1, 0]])
    targets = np.concatenate([target, ring])
    sources = np.concatenate([source, ring @ back[:, :2].T + back[:, 2]])
    mesh = Delaunay(targets)
    rows, columns = _grid(window)
    places = np.column_stack([columns.ravel(), rows.ravel()])
    triangle = mesh.find_simplex(places)
    inverse = mesh.transform[triangle]
    two = np.einsum("nij,nj->ni", inverse[:, :2], places - inverse[:, 2])  # barycentric weights; the third is the rest
    weights = np.column_stack([two, 1 - two.sum(1)])
    found = np.einsum("nk,nkj->nj", weights, sources[mesh.simplices[triangle]]).astype(np.float32)
    across = np.ascontiguousarray(found[:, 0].reshape(window.shape))
    down = np.ascontiguousarray(found[:, 1].reshape(window.shape))
    return Warp(across, down)


def _grid(window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Row and column `[h, w] float` of every pixel of the window."""
    rows, columns = np.mgrid[window.slices].astype(float)
    return rows, columns
