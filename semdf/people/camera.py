"""From linear light to a picture: tone curve, colour, blur and sensor noise."""

import cv2
import numpy as np

from semdf.people.parameters import Camera

__all__ = ["develop", "expose"]


def expose(linear: np.ndarray) -> np.ndarray:
    """Film-like tone curve: linear light `[H, W, 3]` to display values in 0..1."""
    x = np.maximum(linear, 0) * 1.45
    x = np.clip(x * (1 + 0.10 * x) / (1 + 0.60 * x), 0, 1)
    x = 0.78 * x + 0.22 * x * x * (3 - 2 * x)
    return x ** (1 / 2.2)


def develop(linear: np.ndarray, camera: Camera, frame: int = 0) -> np.ndarray:
    """Picture `[H, W, 3] uint8` of a camera; the noise differs from frame to frame."""
    rng = np.random.default_rng((camera.seed, frame))
    picture = expose(linear * np.asarray(camera.white_balance, np.float32)).astype(np.float32)
    grey = picture.mean(-1, keepdims=True)
    picture = grey + (picture - grey) * camera.saturation
    picture = 0.5 + (picture - 0.5) * camera.contrast
    picture = cv2.GaussianBlur(picture, (0, 0), camera.blur)
    height, width = picture.shape[:2]
    noise = 0.6 * rng.standard_normal((height, width, 3), np.float32)
    noise += 0.8 * rng.standard_normal((height, width, 1), np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 0.45) * 1.6
    picture = picture + camera.noise * noise * (1.4 - 0.8 * grey)
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
