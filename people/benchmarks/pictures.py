"""Write pictures that went through one lossy codec, whatever their container."""

from pathlib import Path

import cv2
import numpy as np

from semdf.artifacts import atomic
from semdf.errors import DataError, ParameterError

__all__ = ["decode_jpeg", "encode_jpeg", "write_picture"]

CHROMA = {"420": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420, "444": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444}


def encode_jpeg(image: np.ndarray, quality: int, *options: int) -> np.ndarray:
    """The bytes of a JPEG `[N] uint8` of `image` `[H, W, 3] uint8`; `options` are further ones of OpenCV."""
    return cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality, *options])[1]


def decode_jpeg(data: np.ndarray) -> np.ndarray:
    """The picture `[H, W, 3] uint8` in the bytes of a JPEG.

    Raises:
        DataError: there is none.
    """
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    if decoded is None:
        raise DataError(f"picture: must be a JPEG, found {len(data)} other bytes")
    return np.ascontiguousarray(decoded[..., ::-1])


def write_picture(path: Path, image: np.ndarray, quality: int, chroma: str) -> None:
    """Store `image` `[H, W, 3] uint8`: a JPEG, or the PNG of the decoded JPEG (a frame of a lossy video).

    Args:
        quality: 1..100, of the JPEG.
        chroma: "420" or "444", its subsampling.

    Raises:
        ParameterError: quality or chroma is none of these.
    """
    if chroma not in CHROMA:
        raise ParameterError(f"chroma: must be one of {', '.join(CHROMA)}, found {chroma!r}")
    if not 1 <= quality <= 100:
        raise ParameterError(f"quality: must be 1 to 100, found {quality}")
    data = encode_jpeg(image, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, CHROMA[chroma])
    if path.suffix == ".png":
        decoded = decode_jpeg(data)
        _, data = cv2.imencode(".png", decoded[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as temporary:
        temporary.write_bytes(data.tobytes())
