"""Write pictures that went through one lossy codec, whatever their container."""

from pathlib import Path

import cv2
import numpy as np

from semdf.artifacts import atomic
from semdf.errors import ParameterError

__all__ = ["write_picture"]

CHROMA = {"420": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420, "444": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444}


def write_picture(path: Path, image: np.ndarray, quality: int, chroma: str) -> None:
    """Store `image` `[H, W, 3] uint8`: a JPEG, or the PNG of the decoded JPEG (a frame of a lossy video).

    quality: 1..100; chroma: "420" or "444".
    """
    if chroma not in CHROMA:
        raise ParameterError(f"chroma should be one of {', '.join(CHROMA)}. Found {chroma!r}.")
    if not 1 <= quality <= 100:
        raise ParameterError(f"quality should lie in 1..100. Found {quality}.")
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, CHROMA[chroma]]
    _, data = cv2.imencode(".jpg", image[..., ::-1], options)
    if path.suffix == ".png":
        _, data = cv2.imencode(".png", cv2.imdecode(data, cv2.IMREAD_COLOR), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as temporary:
        temporary.write_bytes(data.tobytes())
