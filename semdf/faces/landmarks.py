"""Landmark schemes: 68 points, 5 points and 189 points.

The 68 points are those of iBUG 300-W, the 5 points are eye centres, nose tip and mouth corners, and the 189 points are
those of .tem files. All are `[K, 2]` float arrays of pixels, x to the right and y down; "left" is the left of the
picture.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from semdf.errors import DataError

__all__ = [
    "BROWS",
    "EYES",
    "GROUPS",
    "LIPS",
    "NOSE",
    "TEMPLATE",
    "five",
    "from_tem",
    "ibug",
    "read_tem",
    "read_template",
    "similarity",
    "span",
]

#: Where each part stands among the 68 points; of brows and eyes the left one first.
JAW = slice(0, 17)
BROWS = (slice(17, 22), slice(22, 27))
NOSE = slice(27, 36)
EYES = (slice(36, 42), slice(42, 48))
LIPS = slice(48, 60)

#: The landmarks by which a donor's region is fitted to its place: the region's own and some next to it.
GROUPS = {
    "eyes": (*range(36, 48), 27),
    "eyebrows": (*range(17, 27), 36, 39, 42, 45),
    "nose": (*range(27, 36), 39, 42),
    "lips": (*range(48, 60), 33),
    "mouth": (*range(48, 60), 33),
    "skin": tuple(range(68)),
    "face": tuple(range(17, 68)),
}

#: Where the five points lie in a 317 x 317 crop of margin 1.3: Zou et al. (2025), released extraction code.
TEMPLATE = np.array([[119.95, 149.13], [196.67, 148.71], [158.55, 192.76], [127.04, 237.67], [190.57, 237.32]])

#: The points of the 189-point template of webmorph.org (DeBruine, 2018) along the outline of the face.
_OUTLINE = (110, 186, 111, 125, 126, 127, 128, 129, 130, 131, 132, 133, 114, 188, 113)
#: For each of the points 17 to 67, the points of that template whose mean it is.
_FROM_189 = (
    *((71,), (72,), (73,), (74,), (75,)),  # left brow, 17-21
    *((78,), (79,), (80,), (81,), (82,)),  # right brow, 22-26
    *((51, 57), (52, 58), (53, 59), (54, 60)),  # bridge, 27-30
    *((63, 64), (65, 180), (55,), (70, 181), (68, 69)),  # below the nose, 31-35
    *((18,), (19,), (21,), (22,), (30,), (28,)),  # left eye, 36-41
    *((23,), (24,), (26,), (27,), (33,), (31,)),  # right eye, 42-47
    *((87,), (88,), (89,), (90,), (91,), (92,)),  # upper edge of the lips, 48-53
    *((93,), (108,), (107,), (106,), (105,), (104,)),  # lower edge of the lips, 54-59
    *((87, 94), (95,), (96,), (97,), (93, 98), (102,), (101,), (100,)),  # inner edges of the lips, 60-67
)


def ibug(landmarks: np.ndarray) -> np.ndarray:
    """68 landmarks `[68, 2]` of 68 or 189; 5 stay 5.

    Raises:
        DataError: Another number of points.
    """
    points = np.asarray(landmarks, dtype=float).reshape(-1, 2)
    if len(points) not in (5, 68, 189):
        raise DataError(f"landmarks: must be 5, 68 or 189 points, found {len(points)}")
    return from_tem(points) if len(points) == 189 else points


def five(landmarks: np.ndarray) -> np.ndarray:
    """Eye centres, nose tip and mouth corners `[5, 2]` of 189, 68 or 5 landmarks."""
    points = ibug(landmarks)
    if len(points) == 5:
        return points
    left, right = EYES
    return np.stack([points[left].mean(0), points[right].mean(0), points[30], points[48], points[54]])


def span(landmarks: np.ndarray) -> float:
    """The unit of length of a face, pixels: the mean of the distances from eye to eye and from eyes to mouth.

    A turned head shortens one more than the other.
    """
    points = five(landmarks)
    down = points[3:].mean(0) - points[:2].mean(0)
    return float(np.linalg.norm(points[1] - points[0]) + np.linalg.norm(down)) / 2


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The least-squares similarity `[2, 3]` that takes the points `source [K, 2]` to `target [K, 2]`.

    Umeyama (IEEE TPAMI 13(4), 1991), Eqs. 39-42, in two dimensions, without reflection.

    Raises:
        DataError: All points of the source are one.
    """
    source = np.asarray(source, dtype=float)
    target = np.asarray(target, dtype=float)
    a = source - source.mean(0)
    b = target - target.mean(0)
    left, values, right = np.linalg.svd(b.T @ a)
    signs = np.array([1.0, np.sign(np.linalg.det(left @ right))])
    spread = (a**2).sum()
    if spread < 1e-9:
        raise DataError(f"landmarks: must not all coincide, found all at {source[0].round(2).tolist()}")
    turn = (values * signs).sum() / spread * (left * signs) @ right
    return np.column_stack([turn, target.mean(0) - turn @ source.mean(0)])


def from_tem(points: np.ndarray) -> np.ndarray:
    """The 68 landmarks `[68, 2]` of the 189-point template; the jaw is its outline at 17 equal steps."""
    outline = points[list(_OUTLINE)]
    steps = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(outline, axis=0), axis=1))])
    at = np.linspace(0, steps[-1], 17)
    jaw = np.column_stack([np.interp(at, steps, outline[:, axis]) for axis in (0, 1)])
    return np.concatenate([jaw, [points[list(group)].mean(0) for group in _FROM_189]])


def read_tem(path: Path) -> np.ndarray:
    """The 68 landmarks `[68, 2]` of a .tem file.

    Raises:
        DataError: The file has another content.
    """
    return from_tem(read_template(path))


def read_template(path: Path) -> np.ndarray:
    """All landmarks `[189, 2]` of a .tem file, which holds their number and then a line of x, TAB and y for each.

    Raises:
        DataError: The file has another content.
    """
    lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    try:
        count = int(lines[0])
        points = np.array([[float(word) for word in line.split()] for line in lines[1 : count + 1]])
    except (ValueError, IndexError) as error:
        rule = "must hold a count and a line of x and y for every landmark"
        raise DataError(f"{path}: {rule}, found {error}") from error
    if count != 189 or points.shape != (189, 2):
        raise DataError(f"{path}: must hold 189 landmarks, found {count} announced and an array of {points.shape}")
    return points
