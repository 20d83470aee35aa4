"""A picture put together anew from small pieces of another one."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

__all__ = ["rebuild"]


def rebuild(image: np.ndarray, library: np.ndarray, where: np.ndarray, side: int = 5) -> np.ndarray:
    """The image, in which each piece is the most similar one of the library; pieces that overlap are averaged.

    In outline the texture synthesis of Efros and Leung (ICCV 1999), with the image in the place of what is grown:
    shapes stay, every pixel is another picture's.

    Args:
        image: [H, W, 3] float32.
        library: [H, W, 3] float32, the picture that gives the pieces, from the same place and a little around it.
        where: [H, W] bool, what is rebuilt.
        side: Of a piece, pixels, odd.

    Returns:
        [H, W, 3] float32; the image itself where nothing is rebuilt.
    """
    margin = side // 2
    inner = np.zeros_like(where)
    inner[margin:-margin, margin:-margin] = where[margin:-margin, margin:-margin]
    if not inner.any():
        return image
    near = cv2.dilate(inner.astype(np.uint8), np.ones((2 * side + 1, 2 * side + 1), np.uint8)) > 0
    near[:margin] = near[-margin:] = False
    near[:, :margin] = near[:, -margin:] = False
    wanted = _pieces(image, inner, side)
    offered = _pieces(library, near, side)
    lengths = (offered**2).sum(1)
    chosen = np.concatenate([(lengths - 2 * part @ offered.T).argmin(1) for part in np.array_split(wanted, 8)])

    total = np.zeros_like(image, np.float32)
    count = np.zeros(image.shape[:2], np.float32)
    rows, columns = np.nonzero(inner)
    found = offered[chosen].reshape(-1, side, side, 3)
    for down in range(side):
        for across in range(side):
            place = (rows + down - margin, columns + across - margin)
            np.add.at(total, place, found[:, down, across])
            np.add.at(count, place, 1)
    covered = count > 0
    result = image.astype(np.float32, copy=True)
    result[covered] = total[covered] / count[covered][:, None]
    return result


def _pieces(image: np.ndarray, centres: np.ndarray, side: int) -> np.ndarray:
    """The pieces `[n, side * side * 3] float32` around the pixels where `centres` is True."""
    margin = side // 2
    windows = sliding_window_view(image, (side, side), axis=(0, 1))  # [H - side + 1, W - side + 1, 3, side, side]
    rows, columns = np.nonzero(centres)
    found = windows[rows - margin, columns - margin]
    return found.transpose(0, 2, 3, 1).reshape(len(rows), -1).astype(np.float32)
