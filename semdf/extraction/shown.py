"""The picture that a player shows of a decoded frame: turned and mirrored, with square pixels, in sRGB."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = ["UPRIGHT", "Orientation", "Shown", "oriented"]

#: Numbers of ITU-T H.273 for what swscale turns into sRGB. Primaries wider than those of sRGB: film, BT.2020, XYZ, P3.
WIDE = (8, 9, 10, 11, 12)
#: Transfer functions that a display for sRGB does not show as meant: linear, logarithmic, PQ, SMPTE 428, HLG.
FOREIGN = (8, 9, 10, 16, 17, 18)
#: Matrices of colours that swscale does not know: ICtCp and those that FFmpeg counts after it.
UNKNOWN = (14, 15, 16, 17)
BT709 = 1
SRGB = 13
UNSPECIFIED = 2


class Orientation(NamedTuple):
    """What is done to a stored picture: its axes are swapped first, then columns and rows may be reversed."""

    transposed: bool
    mirrored: bool
    flipped: bool


UPRIGHT = Orientation(False, False, False)


def oriented(image: np.ndarray, how: Orientation) -> np.ndarray:
    """`image [H, W, ...]` as it is to be seen, contiguous in memory."""
    if how.transposed:
        image = image.swapaxes(0, 1)
    if how.mirrored:
        image = image[:, ::-1]
    if how.flipped:
        image = image[::-1]
    return np.ascontiguousarray(image)


def of_matrix(matrix: np.ndarray) -> Orientation:
    """The orientation that lies nearest to a display matrix.

    Args:
        matrix: [3, 3], (x, y, 1) of the stored picture times it is the place on the screen (ISO/IEC 14496-12, 6.2.2).
    """
    (xx, xy), (yx, yy) = matrix[:2, :2].tolist()
    if abs(xx) + abs(yy) >= abs(xy) + abs(yx):
        return Orientation(False, xx < 0, yy < 0)
    return Orientation(True, yx < 0, xy < 0)


class Shown:
    """Frame -> `[H, W, 3]` uint8, sRGB, as shown; None, with the reason in `problem`, if that cannot be.

    Attributes:
        most: Pixels that a picture may have.
        problem: "" or why a frame was left out, the first reason.
    """

    def __init__(self, film: Any, most: int) -> None:
        from av.video.reformatter import VideoReformatter

        self.most = most
        self.problem = ""
        self.aspect = float(film.sample_aspect_ratio or 1)
        self.reformat = VideoReformatter().reformat  # one for all frames: setting it up costs more than a frame

    def __call__(self, frame: Any) -> np.ndarray | None:
        """The picture of one frame."""
        size = self._square(frame)
        pixels = frame.width * frame.height
        if size:
            pixels = size["width"] * size["height"]
        if pixels > self.most:
            self._leave(f"a frame has {frame.width} x {frame.height} pixels, more than {self.most}, the limit set")
            return None
        if frame.colorspace in UNKNOWN:
            self._leave(f"the colours of a frame must have a matrix that FFmpeg converts, found {frame.colorspace}")
            return None
        shown = self.reformat(frame, format="rgb24", threads=1, **size, **_colours(frame))
        return oriented(shown.to_ndarray(), _orientation(frame))

    def _square(self, frame: Any) -> dict[str, int]:
        """The size at which pixels are square, if they are not: the shorter side grows, so that nothing is lost."""
        if self.aspect == 1:
            return {}
        if self.aspect > 1:
            return {"width": round(frame.width * self.aspect), "height": frame.height}
        return {"width": frame.width, "height": round(frame.height / self.aspect)}

    def _leave(self, why: str) -> None:
        self.problem = self.problem or why


def _orientation(frame: Any) -> Orientation:
    data = frame.side_data.get("DISPLAYMATRIX")
    return UPRIGHT if data is None else of_matrix(np.frombuffer(data, np.int32).reshape(3, 3))


def _colours(frame: Any) -> dict[str, int]:
    """Arguments of the reformatter that bring a frame's colours to sRGB; none where a player shows them as they are.

    A player shows the numbers of BT.601 and BT.709 on a screen for sRGB without a change; so do we.
    """
    if frame.color_trc in FOREIGN:
        return {"dst_color_trc": SRGB, "dst_color_primaries": BT709}
    if frame.color_primaries in WIDE:
        return {"dst_color_trc": frame.color_trc, "dst_color_primaries": BT709}
    return {}
