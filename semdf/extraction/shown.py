"""The picture that a player shows of a decoded frame: turned and mirrored, with square pixels, in sRGB."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from semdf.extraction.colours import PLAIN_CURVES, PLAIN_PRIMARIES, in_srgb

__all__ = ["UPRIGHT", "Orientation", "Shown", "of_matrix", "oriented"]

#: Numbers of matrices, ITU-T H.273 and FFmpeg's, by which swscale cannot make RGB of YCbCr: ICtCp and those behind it.
UNKNOWN_MATRICES = (14, 15, 16, 17)


class Orientation(NamedTuple):
    """What is done to a stored picture: its axes are swapped first, then columns and rows may be reversed."""

    transposed: bool
    mirrored: bool
    flipped: bool


UPRIGHT = Orientation(False, False, False)
#: By quarters of a turn, counter-clockwise.
TURNS = (UPRIGHT, Orientation(True, False, True), Orientation(False, True, True), Orientation(True, True, False))


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
        way: How the frames lie that were seen last.
    """

    def __init__(self, film: Any, most: int) -> None:
        from av.video.reformatter import VideoReformatter

        self.most = most
        self.problem = ""
        self.way = UPRIGHT
        self.aspect = float(film.sample_aspect_ratio or 1)
        self.reformat = VideoReformatter().reformat  # one for all frames: setting it up costs more than a frame

    def see(self, frame: Any) -> None:
        """Note how a frame lies. All that are decoded are to be seen: a stream may say it at keyframes alone."""
        try:
            data = frame.side_data.get("DISPLAYMATRIX")
        except ValueError:  # PyAV 18 does not know the EXIF data of motion JPEG beside it; a reflection is then lost
            self.way = TURNS[round(frame.rotation / 90) % 4]
            return
        if data is not None:
            self.way = of_matrix(np.frombuffer(data, np.int32).reshape(3, 3))
        elif frame.key_frame:
            self.way = UPRIGHT

    def __call__(self, frame: Any) -> np.ndarray | None:
        """The picture of the frame that was seen last."""
        size = self._square(frame)
        pixels = frame.width * frame.height
        if size:
            pixels = size["width"] * size["height"]
        if pixels > self.most:
            self._leave(f"a frame has {frame.width} x {frame.height} pixels, more than {self.most}, the limit set")
            return None
        image = self._coloured(frame, size)
        if image is None:
            kind = f"{frame.colorspace}, {frame.color_primaries}, {frame.color_trc}"
            self._leave(f"matrix, primaries and curve of a frame's colours must be convertible to sRGB, found {kind}")
            return None
        return oriented(image, self.way)

    def _square(self, frame: Any) -> dict[str, int]:
        """The size at which pixels are square, if they are not: the shorter side grows, so that nothing is lost."""
        if self.aspect == 1:
            return {}
        if self.aspect > 1:
            return {"width": round(frame.width * self.aspect), "height": frame.height}
        return {"width": frame.width, "height": round(frame.height / self.aspect)}

    def _coloured(self, frame: Any, size: dict[str, int]) -> np.ndarray | None:
        """[H, W, 3] uint8 sRGB; None where the colours are of a kind that is not known.

        A player shows the numbers of BT.601 and BT.709 on a screen for sRGB without a change; so do we.
        """
        if frame.colorspace in UNKNOWN_MATRICES:
            return None
        if frame.color_trc in PLAIN_CURVES and frame.color_primaries in PLAIN_PRIMARIES:
            return self.reformat(frame, format="rgb24", threads=1, **size).to_ndarray()
        deep = self.reformat(frame, format="rgb48le", threads=1, **size).to_ndarray()
        return in_srgb(deep, frame.color_trc, frame.color_primaries)

    def _leave(self, why: str) -> None:
        self.problem = self.problem or why
