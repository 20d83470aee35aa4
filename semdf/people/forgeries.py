"""The ways in which the miniature benchmarks forge a frame: a donor picture pasted into the target's picture.

Each imitates the visible traces of a family: an autoencoder's low resolution, a graphics pipeline's edges, a
reenactment's resampling, a generator's upsampling pattern, and a carefully blended swap.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from semdf.people.surface import Region

__all__ = ["FORGERIES", "Settings", "Shown", "draw_settings", "paste"]

FACE = slice(17, 68)  # brows to mouth
MOUTH = slice(48, 68)


@dataclass(frozen=True, eq=False)
class Shown:
    """A finished picture `[H, W, 3] uint8` with its regions `[H, W] uint8` and landmarks `[68, 2]`."""

    image: np.ndarray
    regions: np.ndarray
    landmarks: np.ndarray


@dataclass(frozen=True, eq=False)
class Settings:
    """What stays the same through one forged video."""

    detail: float  # resolution of the pasted patch against the frame
    feather: float  # pixels
    grow: int  # pixels
    matching: float  # share of colour matching
    kernel: np.ndarray  # [3, 3] upsampling kernel


#: Ranges of detail, feather, grow and matching (ours; the traces survive the codec at this scale).
RANGES = {
    "Deepfakes": ((0.36, 0.55), (2.0, 3.5), (3, 6), (0.75, 1.0)),
    "FaceSwap": ((0.50, 0.68), (0.6, 1.0), (2, 4), (0.35, 0.65)),
    "Face2Face": ((0.46, 0.64), (1.2, 2.4), (3, 6), (0.0, 0.0)),
    "NeuralTextures": ((0.50, 0.50), (1.5, 2.5), (2, 5), (0.0, 0.0)),
    "Celeb-synthesis": ((0.56, 0.74), (3.0, 5.0), (4, 7), (0.9, 1.0)),
}


def draw_settings(method: str, rng: np.random.Generator) -> Settings:
    """Random settings of a method (a key of `FORGERIES`)."""
    detail, feather, grow, matching = RANGES[method]
    kernel = np.outer([1, 2, 1], [1, 2, 1]) * rng.uniform(0.85, 1.15, (3, 3))
    return Settings(
        float(rng.uniform(*detail)),
        float(rng.uniform(*feather)),
        int(rng.integers(*grow)),
        float(rng.uniform(*matching)),
        kernel.astype(np.float32),
    )


def paste(method: str, target: Shown, donor: Shown, settings: Settings) -> tuple[Shown, np.ndarray]:
    """Forge one frame; returns what is shown and the altered pixels `[H, W] uint8` (0 or 1)."""
    resample, area, blend = FORGERIES[method]
    mask = _area_mask(target, donor, area, settings.grow)
    patch = resample(donor.image, settings)
    patch = _match_colour(patch, target.image, mask, settings.matching)
    alpha = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), settings.feather)
    image = blend(target.image, patch, alpha)
    image = np.clip(image + 0.5, 0, 255).astype(np.uint8)
    forged = (image != target.image).any(-1)
    inside = alpha > 0.5
    regions = np.where(inside, donor.regions, target.regions)
    column, row = np.clip(np.round(donor.landmarks), 0, np.array(inside.shape[::-1]) - 1).astype(int).T
    landmarks = np.where(inside[row, column][:, None], donor.landmarks, target.landmarks)
    return Shown(image, regions, landmarks.astype(np.float32)), forged.astype(np.uint8)


def _area_mask(target: Shown, donor: Shown, area: slice, grow: int) -> np.ndarray:
    """Hull of both pictures' landmarks of an area, grown, on the face and below the target's hair: 0 or 1."""
    mask = np.zeros(target.regions.shape, np.uint8)
    points = np.concatenate([target.landmarks[area], donor.landmarks[area]])
    if area == MOUTH:  # the whole lower face moves with the mouth
        jaw = np.concatenate([target.landmarks[5:12], donor.landmarks[5:12]])
        points = np.concatenate([points, 0.35 * points.mean(0) + 0.65 * jaw])
    cv2.fillConvexPoly(mask, cv2.convexHull(np.round(points).astype(np.int32)), 1)
    ball = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * grow + 1, 2 * grow + 1))
    mask = cv2.dilate(mask, ball)
    face = ((target.regions | donor.regions) & Region.SKIN) > 0
    hair = cv2.dilate(((target.regions & Region.HAIR) > 0).astype(np.uint8), np.ones((3, 3), np.uint8))
    return mask * (face & (hair == 0)).astype(np.uint8)


def _match_colour(patch: np.ndarray, target: np.ndarray, mask: np.ndarray, share: float) -> np.ndarray:
    """Move mean and spread of the patch's Lab values towards the target's (Reinhard et al. 2001)."""
    if share == 0 or mask.sum() < 8:
        return patch
    own, other = (cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) for picture in (patch, target))
    inside = mask > 0
    mean, wanted = own[inside].mean(0), other[inside].mean(0)
    gain = np.clip((other[inside].std(0) + 1) / (own[inside].std(0) + 1), 0.6, 1.6)
    moved = (own - mean) * (1 + (gain - 1) * share) + mean + (wanted - mean) * share
    moved = cv2.cvtColor(moved.astype(np.float32), cv2.COLOR_LAB2RGB)
    return np.clip(moved * 255, 0, 255)


def _blur_by_scale(image: np.ndarray, settings: Settings, interpolation: int = cv2.INTER_LINEAR) -> np.ndarray:
    size = image.shape[1::-1]
    small = cv2.resize(image, None, fx=settings.detail, fy=settings.detail, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, size, interpolation=interpolation).astype(np.float32)


def _resample_sharply(image: np.ndarray, settings: Settings) -> np.ndarray:
    return np.clip(_blur_by_scale(image, settings, cv2.INTER_CUBIC), 0, 255)


def _resample_well(image: np.ndarray, settings: Settings) -> np.ndarray:
    return np.clip(_blur_by_scale(image, settings, cv2.INTER_LANCZOS4), 0, 255)


def _synthesise(image: np.ndarray, settings: Settings) -> np.ndarray:
    """Halve and upsample by a transposed convolution whose kernel overlaps unevenly (Odena et al. 2016)."""
    height, width = image.shape[:2]
    sparse, ones = np.zeros((height, width, 3), np.float32), np.zeros((height, width), np.float32)
    sparse[::2, ::2] = cv2.resize(image, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    ones[::2, ::2] = 1
    gain = cv2.filter2D(ones, -1, settings.kernel).mean()
    return np.clip(cv2.filter2D(sparse, -1, settings.kernel) / gain, 0, 255)


def _blend_alpha(target: np.ndarray, patch: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return target + alpha[..., None] * (patch.astype(np.float32) - target)


def _blend_bands(target: np.ndarray, patch: np.ndarray, alpha: np.ndarray, levels: int = 3) -> np.ndarray:
    """Multi-band blending: fine detail is cut sharply, coarse colour softly (Burt and Adelson 1983)."""
    weight = alpha[..., None]
    difference = patch.astype(np.float32) - target
    blended = np.zeros_like(difference)
    for level in range(levels):
        coarse = cv2.GaussianBlur(difference, (0, 0), 2.0**level)
        band = difference - coarse
        blended += band * weight
        difference = coarse
        weight = cv2.GaussianBlur(weight, (0, 0), 2.0**level)[..., None]
    reach = cv2.dilate(alpha, np.ones((15, 15), np.uint8))[..., None] > 0.05
    return target + (blended + difference * weight) * reach


Step = Callable[..., np.ndarray]
#: Method -> how the patch is resampled, which landmarks bound it, how it is blended.
FORGERIES: dict[str, tuple[Step, slice, Step]] = {
    "Deepfakes": (_blur_by_scale, FACE, _blend_alpha),
    "FaceSwap": (_resample_sharply, FACE, _blend_alpha),
    "Face2Face": (_blur_by_scale, FACE, _blend_alpha),
    "NeuralTextures": (_synthesise, MOUTH, _blend_alpha),
    "Celeb-synthesis": (_resample_well, FACE, _blend_bands),
}
