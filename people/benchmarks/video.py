"""Write short H.264 videos whose bytes depend on the frames and settings alone."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from semdf.artifacts import atomic

__all__ = ["FPS", "write_video"]

FPS = 25


def write_video(path: Path, frames: list[np.ndarray], crf: int, preset: str = "medium") -> None:
    """Encode frames `[H, W, 3] uint8` as mp4 (H.264, yuv420p, 25 frames a second, one thread)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = frames[0].shape[:2]
    exact = {"fflags": "+bitexact"}
    with atomic(path) as temporary, av.open(str(temporary), "w", format="mp4", options=exact) as container:
        stream = container.add_stream("libx264", rate=Fraction(FPS))
        stream.width = width
        stream.height = height
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        # without macroblock trees: their assembly reads memory that was never set, so bytes would vary
        stream.options = {"crf": str(crf), "preset": preset, "x264-params": "mbtree=0"}
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
