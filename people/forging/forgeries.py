"""How a frame is forged: a donor picture is resynthesised by a generator's stand-in and joined to the target's.

`METHODS` of `people.forging.methods` says which donor, trace, area and blend make which manipulation.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import cv2
import numpy as np

from people.body.checks import Checked
from people.forging.blending import BLENDS, area_mask, match_colour
from people.forging.methods import METHODS
from semdf.errors import ParameterError
from semdf.forging.traces import TRACES, Trace

__all__ = ["Forged", "Settings", "Shown", "draw_settings", "forge"]


@dataclass(frozen=True, eq=False)
class Shown:
    """A finished picture `[H, W, 3] uint8` with its regions `[H, W] uint8` and landmarks `[68, 2]`.

    `clean` is the same picture before sensor noise; where it is missing the picture stands for it.
    """

    image: np.ndarray
    regions: np.ndarray
    landmarks: np.ndarray
    clean: np.ndarray | None = None


class Forged(NamedTuple):
    """A forged frame."""

    shown: Shown
    altered: np.ndarray  # [H, W] uint8, 1 where a pixel differs from the target's


@dataclass(frozen=True)
class Settings(Checked):
    """What stays the same through one forged video or picture."""

    detail: float  # resolution that survives the generator, 0..1
    feather: float  # pixels
    grow: int  # pixels
    matching: float  # share of colour matching, 0..1
    grain: float  # share of the camera's noise that the result carries, 0..1
    texture: float  # share of lost fine structure that comes back in the wrong place, 0..1
    seed: int  # of the generator's fixed patterns

    ranges: ClassVar = dict(
        detail=(0.05, 1),
        feather=(0.1, 30),
        grow=(0, 30),
        matching=(0, 1),
        grain=(0, 1),
        texture=(0, 1),
        seed=(0, 1 << 32),
    )


TEXTURE = 12.0  # levels of 255


def draw_settings(method: str, rng: np.random.Generator) -> Settings:
    """Random settings of a method.

    Raises:
        ParameterError: the method is none of `METHODS`.
    """
    if method not in METHODS:
        raise ParameterError(f"method: must be one of {', '.join(METHODS)}, found {method!r}")
    ranges = METHODS[method]
    return Settings(
        detail=float(rng.uniform(*ranges.detail)),
        feather=float(rng.uniform(*ranges.feather)),
        grow=int(rng.integers(ranges.grow[0], ranges.grow[1] + 1)),
        matching=float(rng.uniform(*ranges.matching)),
        grain=float(rng.uniform(*ranges.grain)),
        texture=float(rng.uniform(*ranges.texture)),
        seed=int(rng.integers(1 << 30)),
    )


def forge(method: str, target: Shown, donor: Shown, settings: Settings) -> Forged:
    """Forge one frame by a key of `METHODS`."""
    recipe = METHODS[method]
    patch = _resynthesise(TRACES[recipe.trace], donor, settings)
    if recipe.area == "whole":
        image = np.clip(patch + 0.5, 0, 255).astype(np.uint8)
        return Forged(Shown(image, donor.regions, donor.landmarks), np.ones(image.shape[:2], np.uint8))
    points = [target.landmarks, donor.landmarks]
    regions = [target.regions, donor.regions]
    mask = area_mask(recipe.area, points, regions, settings.grow)
    patch = match_colour(patch, target.image, mask, settings.matching)
    alpha = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), settings.feather)
    image = BLENDS[recipe.blend](target.image, patch, alpha)
    image = np.clip(image + 0.5, 0, 255).astype(np.uint8)
    altered = (image != target.image).any(-1)
    inside = alpha > 0.5
    column, row = np.clip(np.round(donor.landmarks), 0, np.array(inside.shape[::-1]) - 1).astype(int).T
    landmarks = np.where(inside[row, column][:, None], donor.landmarks, target.landmarks)
    shown = Shown(image, np.where(inside, donor.regions, target.regions), landmarks.astype(np.float32))
    return Forged(shown, altered.astype(np.uint8))


def _resynthesise(trace: Trace, donor: Shown, settings: Settings) -> np.ndarray:
    """The generator sees what the camera saw, noise and all, or (`grain` > 0) the noise comes after it.

    A share of the fine structure that it lost comes back in the wrong place, as generators invent texture; no
    more than `TEXTURE` levels of it, so that no edge appears twice.
    """
    seen = donor.image if settings.grain == 0 or donor.clean is None else donor.clean
    patch = trace(seen, settings.detail, settings.seed)
    if settings.texture:
        shift = np.random.default_rng((settings.seed, 9)).choice([-5, -4, -3, 3, 4, 5], 2)
        lost = np.roll(seen.astype(np.float32) - patch, shift, (0, 1))
        patch = patch + settings.texture * np.clip(lost, -TEXTURE, TEXTURE)
    if seen is not donor.image:
        patch = patch + settings.grain * (donor.image.astype(np.float32) - seen)
    return np.clip(patch, 0, 255)
