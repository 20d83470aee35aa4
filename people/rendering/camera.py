"""From linear light to a picture: lens, tone curve, colour, sharpening and sensor noise."""

from functools import lru_cache

import cv2
import numpy as np

from people.body.parameters import Camera

__all__ = ["develop", "expose"]

NOMINAL = 192  # pixels; blur and motion are given for a frame of this size


def expose(linear: np.ndarray) -> np.ndarray:
    """Film-like tone curve: linear light `[H, W, 3]` to display values in 0..1."""
    x = np.maximum(linear, 0) * 1.5
    x = x * (2.51 * x + 0.12) / (x * (2.43 * x + 0.72) + 0.30)  # filmic rational curve, constants ours
    return np.clip(x, 0, 1) ** (1 / 2.2)


@lru_cache(maxsize=8)
def _vignette(height: int, width: int) -> np.ndarray:
    """How much light the corners lose: `[H, W, 1]`, 0 in the middle."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    radius = ((x / width - 0.5) ** 2 + (y / height - 0.5) ** 2) * 2
    return (radius**1.3)[..., None]


def _smear(picture: np.ndarray, length: float, angle: float) -> np.ndarray:
    """Motion blur along a line of `length` pixels."""
    half = int(np.ceil(length / 2)) + 1
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    for t in np.linspace(-0.5, 0.5, 33):
        x = half + t * length * np.cos(angle)
        y = half - t * length * np.sin(angle)
        i = int(x)
        j = int(y)
        for row, column in ((j, i), (j, i + 1), (j + 1, i), (j + 1, i + 1)):
            kernel[row, column] += (1 - abs(x - column)) * (1 - abs(y - row))
    return cv2.filter2D(picture, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT)


def develop(linear: np.ndarray, camera: Camera, frame: int = 0) -> np.ndarray:
    """Picture `[H, W, 3] uint8` of a camera; the noise differs from frame to frame."""
    rng = np.random.default_rng((camera.seed, frame))
    height, width = linear.shape[:2]
    scale = height / NOMINAL
    light = linear * np.asarray(camera.white_balance, np.float32)
    if camera.motion > 0:
        light = _smear(light, camera.motion * scale, camera.motion_angle)
    if camera.vignette > 0:
        light = light * (1 - camera.vignette * _vignette(height, width))
    light = cv2.GaussianBlur(light.astype(np.float32), (0, 0), camera.blur * scale)
    picture = expose(light).astype(np.float32)
    grey = picture.mean(-1, keepdims=True)
    picture = grey + (picture - grey) * camera.saturation
    picture = 0.5 + (picture - 0.5) * camera.contrast
    if camera.sharpening > 0:
        soft = cv2.GaussianBlur(picture, (0, 0), 1.0 * scale)
        picture = picture + camera.sharpening * (picture - soft)
    grain = 0.55 * rng.standard_normal((height, width, 3), np.float32)  # coarser in colour than in brightness
    grain = cv2.GaussianBlur(grain, (0, 0), 0.8) * 1.9
    grain += cv2.GaussianBlur(rng.standard_normal((height, width, 1), np.float32), (0, 0), 0.45)[..., None] * 1.2
    # shot noise grows with the root of the signal, the tone curve then flattens the bright end
    signal = np.clip(grey, 0.02, 1)
    picture = picture + camera.noise * grain * (0.55 + 1.3 * np.sqrt(signal) * (1.15 - signal))
    if camera.fade > 0:
        picture = camera.fade + (1 - camera.fade) * picture
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
