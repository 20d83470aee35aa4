"""The shape of the head as a distance in every direction, which hair and hats stay outside of."""

import numpy as np
from scipy import ndimage

from people.body import head as heads

__all__ = ["MIDDLE", "Skull", "unit"]

MIDDLE = np.array([0.0, -0.050, 0.910])  # of the canonical head


def unit(way: np.ndarray) -> np.ndarray:
    """Vectors `[..., 3]` of length 1 in these directions."""
    return way / (np.linalg.norm(way, axis=-1, keepdims=True) + 1e-9)


class Skull:
    """Distance of the skin from the head's middle in every direction, so that hair stays outside."""

    def __init__(self, body: np.ndarray, ears: bool = True) -> None:
        head = heads.load()
        self.middle = MIDDLE + (body - head.canonical)[head.canonical[:, 2] > 0.93].mean(0)
        used = (head.canonical[:, 2] > 0.74) & (ears | (head.ears < 0.1))
        polar, around, radius = self._angles(body[used])
        table = np.zeros((36, 72), np.float32)
        np.maximum.at(table, (polar.astype(int), around.astype(int)), radius.astype(np.float32))
        for _ in range(6):
            grown = ndimage.maximum_filter(table, 3, mode=("nearest", "wrap"))
            table = np.where(table > 0, table, grown)
        self.table = ndimage.gaussian_filter(table, 0.7, mode=("nearest", "wrap"))

    def _angles(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row and column of the table, and distance from the middle, of points `[..., 3]`."""
        way = points - self.middle
        radius = np.linalg.norm(way, axis=-1) + 1e-9
        polar = np.arccos(np.clip(way[..., 2] / radius, -1, 1)) / np.pi * 35.999
        around = (np.arctan2(way[..., 0], -way[..., 1]) / np.pi + 1) * 35.999
        return polar, around, radius

    def height(self, points: np.ndarray) -> np.ndarray:
        """How far points lie over the skin, metres."""
        polar, around, radius = self._angles(points)
        return radius - ndimage.map_coordinates(self.table, [polar, around], order=1, mode="nearest")

    def push(self, points: np.ndarray, margin: float | np.ndarray) -> np.ndarray:
        """Move points outwards that lie less than `margin` (metres) over the skin; those at the neck stay."""
        way = points - self.middle
        lift = np.maximum(margin - self.height(points), 0) * np.clip((way[..., 2] + 0.055) / 0.03, 0, 1)
        return points + way / (np.linalg.norm(way, axis=-1, keepdims=True) + 1e-9) * lift[..., None]
