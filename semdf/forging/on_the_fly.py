"""Forgeries on the fly: faces in memory, a fresh forgery of each in every epoch, nothing on disk."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from semdf.errors import DataError
from semdf.forging.donors import Donors, skin_tone, stream
from semdf.forging.forge import Forgery, Portrait, forge
from semdf.forging.presets import Preset, load

__all__ = ["Forger", "tones_of"]

#: A face whose drawn region cannot be forged is tried again so often, with another region and donor (ours).
ATTEMPTS = 8


class Forger:
    """Forges the real faces of a manifest; item i is the forgery of face `targets[i]`.

    It holds arrays and no open file, so it may live in a torch Dataset with worker processes:
    `Forger(...)(i, epoch)` in `__getitem__`, or `batch` in a collate function.

    Args:
        rows: Manifest rows with status "ok", one a picture.
        images: [n, H, W, 3] uint8, sRGB.
        preset: None for "sjedd".
        regions: [n, H, W] uint8, bits of `semdf.faces.crops.REGION_BITS`, which presets with mask "regions" need.
        seed: The same seed, epoch and item make the same bytes.

    Raises:
        DataError: Rows and images are not equally many, or no face is real.
    """

    def __init__(
        self,
        rows: pd.DataFrame,
        images: Sequence[np.ndarray],
        preset: Preset | None = None,
        *,
        regions: Sequence[np.ndarray] | None = None,
        seed: int = 0,
    ) -> None:
        self.preset = preset or load("sjedd")
        self.seed = seed
        rows = rows.reset_index(drop=True)
        if len(rows) != len(images):
            raise DataError(f"images: must be one for each of the {len(rows)} rows, found {len(images)}")
        self.targets = np.flatnonzero(rows["label"] == "real")
        if not len(self.targets):
            raise DataError('rows: must have real faces (label "real"), found none')
        maps = [None] * len(rows) if regions is None else regions
        self.portraits = []
        for image, row, found, sample in zip(images, rows["landmarks"], maps, rows["sample"], strict=True):
            points = np.asarray(row, dtype=float).reshape(-1, 2)
            self.portraits.append(Portrait(image, points, found, sample))
        self.donors = Donors(rows, tones_of(self.portraits, self.preset), self.preset.pairing, self.preset.source)

    def __repr__(self) -> str:
        return f"Forger({len(self)} faces, {self.preset.name!r}, {self.donors})"

    def __len__(self) -> int:
        return len(self.targets)

    def __call__(self, item: int, epoch: int = 0) -> Forgery:
        """A forgery of face `targets[item]`.

        Raises:
            DataError: There is no donor, or none of `ATTEMPTS` regions and donors can be used; the message then ends
                with the last one's.
        """
        number = int(self.targets[item])
        target = self.portraits[number]
        failure = ""
        for attempt in range(ATTEMPTS):
            seed = stream(self.seed, target.key, f"{epoch} {attempt}")
            random = np.random.default_rng(seed)
            region = str(random.choice(self.preset.regions))
            donor = self.donors.draw(number, random)
            if donor is None:
                raise DataError(f"{target.key}: must have a donor of another person, found none")
            try:
                return forge(target, self.portraits[donor], region, seed=seed, options=self.preset.options)
            except DataError as error:
                failure = str(error)
        raise DataError(f"{target.key}: must be forged within {ATTEMPTS} attempts, found in the last: {failure}")

    def batch(self, items: Sequence[int], epoch: int = 0) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """Images `[B, H, W, 3] uint8`, masks `[B, H, W] float32` and names of label rows of some items."""
        made = [self(int(item), epoch) for item in items]
        images = np.stack([forgery.image for forgery in made])
        masks = np.stack([forgery.mask for forgery in made])
        return images, masks, [forgery.label for forgery in made]


def tones_of(portraits: Sequence[Portrait], preset: Preset) -> np.ndarray | None:
    """Skin tones `[n, 3]` where the preset's pairing looks at them, else None."""
    if preset.pairing not in ("nearest", "pose"):
        return None
    return np.array([skin_tone(portrait.image, portrait.landmarks) for portrait in portraits])
