"""The field's distortions, each in five severities, for training with them and for testing robustness.

Names and parameters of seven are those of DeeperForensics-1.0 (Jiang et al., CVPR 2020, released code). SJEDD trains
with the first two levels of four of them, and with JPEG (released code). The code of DeeperForensics-1.0 calls a
pixelation "JPEG"; here each distortion has the name of what it does. Sizes are in pixels of the given picture, whatever
its resolution. The number of blocks grows with the picture's area; in DeeperForensics-1.0 it counts whole multiples of
256 pixels, so that small crops get none.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import cv2
import numpy as np

from semdf.errors import DataError, ParameterError

__all__ = ["DISTORTIONS", "LEVELS", "TRAINING", "Distortion", "augment", "distort", "distort_clip", "draw", "jpeg"]

LEVELS = (1, 2, 3, 4, 5)
BLOCK = 8  # pixels, side of a grey block

Image = np.ndarray
Apply = Callable[[Image, float, np.random.Generator], Image]


@dataclass(frozen=True)
class Distortion:
    """One distortion.

    Attributes:
        apply: What is done to a picture; None if only a whole clip can be treated.
        values: The parameter at levels 1 to 5.
        unit: What the parameter means.
        source: Where the values come from.
    """

    apply: Apply | None
    values: tuple[float, float, float, float, float]
    unit: str
    source: str


def _saturation(image: Image, share: float, _: np.random.Generator) -> Image:
    luma, *chroma = _ycc(image)
    return _rgb([luma, *(128 + (c - 128) * share for c in chroma)])


def _contrast(image: Image, share: float, _: np.random.Generator) -> Image:
    return _bytes(image.astype(np.float32) * share)


def _blocks(image: Image, count: float, random: np.random.Generator) -> Image:
    height, width = image.shape[:2]
    result = image.copy()
    for _ in range(max(1, round(count * height * width / 256**2))):
        top = random.integers(0, max(1, height - BLOCK))
        left = random.integers(0, max(1, width - BLOCK))
        result[top : top + BLOCK, left : left + BLOCK] = 128
    return result


def _noise(image: Image, variance: float, random: np.random.Generator) -> Image:
    # the released code adds the noise to luma of 219 steps and chroma of 224; here both have 255
    scale = 255 * np.sqrt(variance) * np.array([255 / 219, 255 / 224, 255 / 224], np.float32)
    noise = scale * random.standard_normal(image.shape, np.float32)
    ycc = np.stack(_ycc(image), -1) + noise
    return _rgb(np.moveaxis(ycc, -1, 0))


def _blur(image: Image, kernel: float, _: np.random.Generator) -> Image:
    return cv2.GaussianBlur(image, (int(kernel), int(kernel)), kernel / 6)


def _pixelation(image: Image, factor: float, _: np.random.Generator) -> Image:
    height, width = image.shape[:2]
    size = (max(1, int(width // factor)), max(1, int(height // factor)))
    small = cv2.resize(image, size)
    return cv2.resize(small, (width, height))


def _resize(image: Image, share: float, _: np.random.Generator) -> Image:
    height, width = image.shape[:2]
    size = (max(1, round(width * share)), max(1, round(height * share)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def jpeg(image: Image, quality: float) -> Image:
    """A picture `[H, W, 3] uint8` that went through JPEG of this quality, 1 to 100."""
    done, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    if not done:
        raise DataError(f"JPEG: picture must be one that can be encoded, found shape {list(image.shape)}")
    bgr = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert bgr is not None, "it was encoded here"
    return np.ascontiguousarray(bgr[..., ::-1])


def _jpeg(image: Image, quality: float, _: np.random.Generator) -> Image:
    return jpeg(image, quality)


_DF = "DeeperForensics-1.0, released code"
_SJEDD = "75 to 90: SJEDD, released code; 60 and 40 ours"

#: Name of a distortion -> what it is.
DISTORTIONS: dict[str, Distortion] = {
    "saturation": Distortion(_saturation, (0.4, 0.3, 0.2, 0.1, 0.0), "share of chroma kept", _DF),
    "contrast": Distortion(_contrast, (0.85, 0.725, 0.6, 0.475, 0.35), "share of the values kept", _DF),
    "blocks": Distortion(_blocks, (16, 32, 48, 64, 80), "grey blocks for each 256 x 256 pixels", _DF),
    "noise": Distortion(_noise, (0.001, 0.002, 0.005, 0.01, 0.05), "variance in YCbCr, of 1", _DF),
    "blur": Distortion(_blur, (7, 9, 13, 17, 21), "Gaussian kernel in pixels, sigma a sixth", _DF),
    "pixelation": Distortion(_pixelation, (2, 3, 4, 5, 6), "factor of down-sampling", _DF),
    "H.264": Distortion(None, (30, 32, 35, 38, 40), "constant rate factor of x264", _DF),
    "JPEG": Distortion(_jpeg, (90, 80, 75, 60, 40), "quality", _SJEDD),
    "resize": Distortion(_resize, (0.9, 0.75, 0.6, 0.5, 0.35), "share of the side, area then bicubic", "ours"),
}

#: SJEDD's augmentation with probability 0.3: one of these names, and one of its levels, each equally likely.
TRAINING = {"blocks": (1, 2), "noise": (1, 2), "blur": (1, 2), "pixelation": (1, 2), "JPEG": (1, 2, 3)}


def distort(image: Image, name: str, level: int, *, seed: int | Sequence[int] = 0) -> Image:
    """A picture `[H, W, 3] uint8` with one distortion; level 0 returns it unchanged.

    Args:
        name: A key of DISTORTIONS.
        level: 0 to 5.
        seed: Of noise and of the places of blocks.

    Raises:
        ParameterError: Unknown name or level.
        DataError: Not a picture.
    """
    kind = _known(name, level)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise DataError(f"image must be [H, W, 3] uint8, found {list(image.shape)} {image.dtype}")
    if level == 0:
        return image.copy()
    if kind.apply is None:
        return distort_clip(image[None], name, level)[0]
    return kind.apply(image, kind.values[level - 1], np.random.default_rng(seed))


def distort_clip(frames: Image, name: str, level: int, *, seed: int = 0) -> Image:
    """Frames `[T, H, W, 3] uint8` of one video with one distortion; noise and blocks differ from frame to frame.

    Arguments and errors as for `distort`; "H.264" encodes the frames as one clip.
    """
    kind = _known(name, level)
    if level == 0:
        return frames.copy()
    if kind.apply is None:
        return _h264(frames, int(kind.values[level - 1]))
    return np.stack([distort(frame, name, level, seed=(seed, i)) for i, frame in enumerate(frames)])


def draw(image: Image, random: np.random.Generator, probability: float = 0.3) -> Image:
    """SJEDD's augmentation (released code): with `probability` one of TRAINING, all equally likely."""
    if random.random() >= probability:
        return image
    name = list(TRAINING)[random.integers(len(TRAINING))]
    level = int(random.choice(TRAINING[name]))
    kind = DISTORTIONS[name]
    assert kind.apply, "those of TRAINING change one picture"
    return kind.apply(image, kind.values[level - 1], random)


def augment(images: Image, randoms: Sequence[np.random.Generator]) -> Image:
    """Pictures `[n, H, W, 3] uint8`, each treated by `draw` with a generator of its own."""
    return np.stack([draw(image, random) for image, random in zip(images, randoms, strict=True)])


def _known(name: str, level: int) -> Distortion:
    if name not in DISTORTIONS:
        raise ParameterError(f"distortion must be one of {', '.join(DISTORTIONS)}, found {name!r}")
    if level not in (0, *LEVELS):
        raise ParameterError(f"level must be 0 to {LEVELS[-1]}, found {level!r}")
    return DISTORTIONS[name]


def _h264(frames: Image, crf: int) -> Image:
    """Encoded with x264 at a constant rate factor, yuv420p, and decoded; odd sides are padded for it."""
    height, width = frames.shape[1:3]
    padded = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(25))
        stream.width = padded.shape[2]
        stream.height = padded.shape[1]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        stream.options = {"crf": str(crf), "x264-params": "mbtree=0"}  # x264's mbtree lets the bytes vary between runs
        for frame in padded:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file, "r") as encoded:
        decoded = [frame.to_ndarray(format="rgb24") for frame in encoded.decode(video=0)]
    if len(decoded) != len(frames):
        raise DataError(f"H.264: must give {len(frames)} frames back, found {len(decoded)}")
    return np.stack(decoded)[:, :height, :width]


def _ycc(image: Image) -> list[np.ndarray]:
    """Full-range Y, Cb, Cr as float32 in 0..255 (ITU-R BT.601)."""
    luma, red, blue = np.moveaxis(cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2YCrCb), -1, 0)
    # OpenCV centres the chroma of floats at 0.5, also of floats from 0 to 255
    return [luma, blue - 0.5 + 128, red - 0.5 + 128]


def _rgb(ycc: Sequence[np.ndarray]) -> Image:
    luma, blue, red = ycc
    stacked = np.stack([luma, red - 128 + 0.5, blue - 128 + 0.5], -1).astype(np.float32)
    return _bytes(cv2.cvtColor(stacked, cv2.COLOR_YCrCb2RGB))


def _bytes(values: np.ndarray) -> Image:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)
