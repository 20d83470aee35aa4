"""How many pixels a picture has, told by its header before anything of it is decoded."""

from __future__ import annotations

import io

from semdf.errors import DataError

__all__ = ["PICTURES", "allow"]

#: Endings of picture files, in lower case.
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


def allow(data: bytes, name: str, most: int) -> None:
    """Raise DataError if a picture has more than `most` pixels, or is of a kind whose header Pillow does not know:
    OpenCV would decode some such kinds, of whatever size.
    """
    found = _pixels(data)
    if found is None or found > most:
        what = "a header of no known kind" if found is None else found
        raise DataError(f"{name}: expected a picture of at most {most} pixels, the limit set. Found {what}.")


def _pixels(data: bytes) -> int | None:
    from PIL import Image

    own, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # the caller's is the limit that counts
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return picture.width * picture.height
    except Exception:  # Pillow's readers of damaged headers raise many kinds
        return None
    finally:
        Image.MAX_IMAGE_PIXELS = own
