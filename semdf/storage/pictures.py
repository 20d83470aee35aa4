"""How many pixels a picture has, told by its header before anything of it is decoded."""

from __future__ import annotations

import io

from semdf.errors import DataError

__all__ = ["PICTURES", "allow"]

#: Endings of picture files, in lower case.
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


def allow(data: bytes, name: str, most: int) -> None:
    """Do nothing if a picture has at most `most` pixels.

    A picture of a kind whose header Pillow does not know is refused: OpenCV would decode some such kinds, whatever
    their size.

    Raises:
        DataError: There are more, or the header is of no known kind.
    """
    found = _pixels(data)
    if found is None or found > most:
        what = "a header of no known kind" if found is None else found
        raise DataError(f"{name}: a picture must have at most {most} pixels, the limit set, found {what}")


def _pixels(data: bytes) -> int | None:
    """The number of pixels that the header says; None for no header that Pillow knows."""
    from PIL import Image

    usual = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None  # only the limit of `allow` counts
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return picture.width * picture.height
    except Exception:  # Pillow raises many kinds for damaged headers
        return None
    finally:
        Image.MAX_IMAGE_PIXELS = usual
