"""One camera for a fake and its source: the same random blur, resampling, noise and JPEG for both pictures of a pair.

Forging smooths. A detector may learn that alone, and then takes every blurred picture for a fake. Behind one camera the
smoothness of a picture says nothing; only a difference within the picture does. The ranges are ours: wider than what
forging leaves, and beyond level 3 of the distortions in `semdf.training.perturb`.
"""

from __future__ import annotations

import cv2
import numpy as np

from semdf.params import Camera
from semdf.training.perturb import jpeg

__all__ = ["shoot"]

#: Ways of shrinking a picture and of enlarging it again.
SHRINK = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC)
ENLARGE = (cv2.INTER_LINEAR, cv2.INTER_CUBIC)


def shoot(image: np.ndarray, camera: Camera, seed: np.random.SeedSequence) -> np.ndarray:
    """The picture `[H, W, 3] uint8` as the camera of this seed shows it; equal seeds do the same to any picture.

    Args:
        camera: The ranges that blur, resampling, noise and JPEG are drawn from.
        seed: Decides what is done and how strongly.
    """
    random = np.random.default_rng(seed)
    if random.random() < camera.untouched:
        return image
    count = 2 if random.random() < camera.second else 1
    steps = np.sort(random.permutation(4)[:count])  # light passes the lens first, the codec comes last
    for step in steps:
        image = (_blur, _resample, _noise, _compress)[step](image, camera, random)
    return image


def _between(limits: list[float], random: np.random.Generator) -> float:
    low, high = limits
    return random.uniform(low, high)


def _blur(image: np.ndarray, camera: Camera, random: np.random.Generator) -> np.ndarray:
    deviation = max(0.01, _between(camera.blur, random))  # OpenCV asks for a positive one
    return cv2.GaussianBlur(image, (0, 0), deviation)


def _resample(image: np.ndarray, camera: Camera, random: np.random.Generator) -> np.ndarray:
    height, width = image.shape[:2]
    share = _between(camera.resize, random)
    shrink, enlarge = SHRINK[random.integers(len(SHRINK))], ENLARGE[random.integers(len(ENLARGE))]
    size = max(1, round(width * share)), max(1, round(height * share))
    return cv2.resize(cv2.resize(image, size, interpolation=shrink), (width, height), interpolation=enlarge)


def _noise(image: np.ndarray, camera: Camera, random: np.random.Generator) -> np.ndarray:
    """Gaussian noise of each channel, or, in one picture of two, the same for all three."""
    deviation = _between(camera.noise, random)
    channels = 1 if random.random() < 0.5 else 3
    noise = random.standard_normal((*image.shape[:2], channels), np.float32)
    return np.clip(np.rint(image + deviation * noise), 0, 255).astype(np.uint8)


def _compress(image: np.ndarray, camera: Camera, random: np.random.Generator) -> np.ndarray:
    return jpeg(image, int(random.integers(camera.jpeg[0], camera.jpeg[1], endpoint=True)))
