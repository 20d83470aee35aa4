"""Captioned pictures of rendered people, as `data/people` holds them, and the view a network gets of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from semdf.artifacts import read_table
from semdf.errors import DataError, ParameterError
from semdf.storage.columns import STILLS
from semdf.storage.tars import decode_image, read_member

__all__ = ["COLUMNS", "Stills", "load", "mirror", "view"]

#: What the manifest must tell of every picture; further columns say what it shows, one attribute each.
COLUMNS = STILLS

#: Side of the deterministic view, in heights of the face from brows to chin: a little wider than crops of the
#: embedded benchmarks, so that hair and hats are seen (ours).
ZOOM = 1.5


@dataclass(frozen=True)
class Stills:
    """Pictures, still compressed, and what is known of them; row i belongs to picture i.

    Attributes:
        rows: The manifest's rows.
        pictures: A JPEG each.
    """

    rows: pd.DataFrame
    pictures: tuple[bytes, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def image(self, i: int) -> np.ndarray:
        """Picture i, `[H, W, 3]` uint8 sRGB."""
        return decode_image(self.pictures[i])

    def views(self, indices: Sequence[int], size: int) -> np.ndarray:
        """The deterministic views `[B, size, size, 3]` of some pictures."""
        landmarks = self.rows["landmarks"]
        return np.stack([view(self.image(i), landmarks.iloc[i], size) for i in indices])


def load(folder: Path, splits: Sequence[str], *, at_most: int | None = None) -> Stills:
    """Read the pictures of some splits, or of their first people, up to `at_most` pictures.

    Raises:
        MissingError: The folder lacks its files.
        DataError: No picture is of these splits.
    """
    table = read_table(Path(folder) / "manifest.parquet", COLUMNS)
    wanted = table[table["split"].isin(list(splits))]
    rows = wanted.head(at_most or len(wanted)).reset_index(drop=True)
    if rows.empty:
        raise DataError(f"stills: must hold pictures of the splits {list(splits)}, found none")
    pictures = [read_member(folder, "stills.tar", f"{name}.jpg") for name in rows["id"]]
    return Stills(rows, tuple(pictures))


def view(
    image: np.ndarray,
    landmarks: np.ndarray,
    size: int,
    random: np.random.Generator | None = None,
    *,
    zoom: tuple[float, float] = (1.3, 2.1),
    native: float = 0.0,
) -> np.ndarray:
    """A square around the face at `size` pixels; outside the picture the border is repeated.

    Args:
        image: [H, W, 3] uint8, sRGB.
        landmarks: [68, 2] or [136], pixels.
        size: Side of the view, pixels.
        random: None for the deterministic view.
        zoom: Range of the square's side, in heights of the face.
        native: Share of views that are cut at `size` pixels without resampling.

    Raises:
        ParameterError: The zoom is no rising pair of positive numbers.
    """
    if not 0 < zoom[0] <= zoom[1]:
        raise ParameterError(f"zoom: must be a rising pair of positive numbers, found {zoom}")
    points = np.asarray(landmarks, np.float64).reshape(-1, 2)
    low = points.min(0)
    high = points.max(0)
    height = (high - low)[1]
    centre = (low + high) / 2 - [0, 0.12 * height]
    side = ZOOM * height
    if random is not None:
        side = size if random.random() < native else random.uniform(*zoom) * height
        centre = centre + random.uniform(-0.15, 0.15, 2) * height
    side = max(8, round(side))
    left, top = np.round(centre - side / 2).astype(int)
    columns = np.clip(np.arange(left, left + side), 0, image.shape[1] - 1)
    rows = np.clip(np.arange(top, top + side), 0, image.shape[0] - 1)
    cut = np.ascontiguousarray(image[rows[:, None], columns])
    if side == size:
        return cut
    return cv2.resize(cut, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_CUBIC)


def mirror(sentence: str) -> str:
    """What is true of the mirrored picture: left and right change places."""
    swap = {"left": "right", "right": "left"}
    words = []
    for word in sentence.split(" "):
        bare = word.rstrip(",.")
        words.append(swap.get(bare, bare) + word[len(bare) :])
    return " ".join(words)
