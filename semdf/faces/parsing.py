"""Face parsing with facexlib's BiSeNet (Yu et al., ECCV 2018): pictures in, region bits out, nothing downloaded.

The network has the 19 classes of CelebAMask-HQ (Lee et al., CVPR 2020). Official weights are used where they are;
otherwise those that this project trained on rendered people, in the same file format.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
from facexlib.parsing.bisenet import BiSeNet
from torch import Tensor

from semdf.artifacts import read_tensors
from semdf.errors import DataError, MissingError, ParameterError
from semdf.faces.crops import REGION_BITS
from semdf.weights.registry import WEIGHTS, find, folders, missing

__all__ = [
    "CLASSES",
    "FILE",
    "MIRRORED",
    "PARTS",
    "SIZE",
    "Parser",
    "find_weights",
    "normalise",
    "overlay",
    "part_bits",
    "region_ious",
]

#: The classes of facexlib in order, and the regions that each belongs to. The parts of the face belong to the skin,
#: too, and so do the ears. Neck, clothes, hats, glasses and jewellery are `other`, as in the rendered people.
CLASSES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("background", ()),
    ("skin", ("skin",)),
    ("left brow", ("skin", "eyebrow")),
    ("right brow", ("skin", "eyebrow")),
    ("left eye", ("skin", "eye")),
    ("right eye", ("skin", "eye")),
    ("glasses", ("other",)),
    ("left ear", ("skin",)),
    ("right ear", ("skin",)),
    ("earring", ("other",)),
    ("nose", ("skin", "nose")),
    ("inner mouth", ("skin", "mouth")),
    ("upper lip", ("skin", "lip", "mouth")),
    ("lower lip", ("skin", "lip", "mouth")),
    ("neck", ("other",)),
    ("necklace", ("other",)),
    ("clothes", ("other",)),
    ("hair", ("hair",)),
    ("hat", ("other",)),
)
#: The region bits of each class.
_BITS = tuple(sum(REGION_BITS[name] for name in regions) for _, regions in CLASSES)
#: The region bits of each part: classes of equal bits are one part.
PARTS = tuple(dict.fromkeys(_BITS))
#: The index of each class's part, [19].
_PART = torch.tensor([PARTS.index(bits) for bits in _BITS])
#: What each class [19] becomes in a mirrored picture; left and right are sides of the picture here.
MIRRORED = np.array([0, 1, 3, 2, 5, 4, 6, 8, 7, *range(9, 19)], np.uint8)

#: Colour and share of each region in an overlay, later ones on top.
_TINTS = {
    "skin": ((255, 200, 150), 0.4),
    "other": ((120, 120, 120), 0.4),
    "hair": ((60, 60, 255), 0.4),
    "nose": ((0, 200, 200), 0.6),
    "mouth": ((255, 255, 255), 0.6),
    "lip": ((255, 0, 120), 0.6),
    "eyebrow": ((0, 200, 0), 0.6),
    "eye": ((255, 230, 0), 0.6),
}

#: Name of the weights file, as facexlib has it.
FILE = WEIGHTS["parser"].file
#: The longer side at which the weights of this project do best on aligned crops of margin 1.3 to 1.6, pixels (ours).
SIZE = 256
#: Mean and standard deviation of ImageNet's channels.
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


def normalise(images: Tensor) -> Tensor:
    """Pictures `[B, 3, H, W] float` in [0, 1] as facexlib feeds them: minus ImageNet's mean, over its deviation."""
    mean = images.new_tensor(_MEAN).view(1, 3, 1, 1)
    std = images.new_tensor(_STD).view(1, 3, 1, 1)
    return (images - mean) / std


def part_bits(logits: Tensor) -> Tensor:
    """Region bits `[B, H, W] uint8` of class logits `[B, 19, H, W]`.

    They are those of the part whose classes have most probability together: left and right eye, or upper and lower lip,
    do not compete.
    """
    share = torch.zeros(len(logits), len(PARTS), *logits.shape[2:], dtype=logits.dtype, device=logits.device)
    share.index_add_(1, _PART.to(logits.device), logits.softmax(1))
    return torch.tensor(PARTS, dtype=torch.uint8, device=logits.device)[share.argmax(1)]


def region_ious(found: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Intersection over union of each region of `REGION_BITS`, over all pixels; NaN for a region that neither has.

    Args:
        found: Region bits, uint8, of any shape.
        truth: The same, of equal shape.
    """
    shares = {}
    for name, bit in REGION_BITS.items():
        a = (found & bit) > 0
        b = (truth & bit) > 0
        union = int((a | b).sum())
        shares[name] = int((a & b).sum()) / union if union else float("nan")
    return shares


def overlay(image: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """The picture `[H, W, 3] uint8` with its regions `[H, W]` tinted, each in its colour, for looking at."""
    shown = image.astype(np.float32)
    for name, (colour, share) in _TINTS.items():
        inside = (regions & REGION_BITS[name]) > 0
        shown[inside] = image[inside] * (1 - share) + np.asarray(colour, np.float32) * share
    return shown.astype(np.uint8)


def find_weights(*places: Path) -> Path | None:
    """The first weights file in some folders; None if there is none.

    Args:
        places: Without any, `semdf.weights.registry.folders` for the official file, then `pretrained/parser/` in the
            working folder for the one that the stage `parser` made.
    """
    return find(FILE, places or (*folders(), Path("pretrained", "parser")))


@dataclass(frozen=True)
class Parser:
    """Region bits of faces that fill a good part of the picture, as aligned crops do.

    Attributes:
        weights: The file, or the folder that holds it; None looks where `find_weights` does.
        size: Pictures are scaled to this longer side, pixels, a multiple of 32. None becomes 512 for weights in
            `semdf.weights.registry.folders`, the official ones, which were trained at it, else `SIZE`.
        mirror: Whether to average with the mirrored picture, at twice the time (ours).
        batch: How many pictures go through the network together.
        device: Where the network runs, such as "cpu" or "cuda".
        file: The weights file.

    Raises:
        MissingError: There are no weights.
        ParameterError: `size` or `batch` is out of range.
    """

    weights: Path | None = None
    size: int | None = None
    mirror: bool = True
    batch: int = 8
    device: str = "cpu"
    file: Path = field(init=False)

    def __post_init__(self) -> None:
        if self.size is not None and (self.size < 64 or self.size % 32):
            raise ParameterError(f"size must be a multiple of 32 from 64 on, found {self.size}")
        if self.batch < 1:
            raise ParameterError(f"batch must be at least 1, found {self.batch}")
        path = Path(self.weights) if self.weights is not None else find_weights()
        if path is not None and path.is_dir():
            path = find_weights(path)
        if path is None or not path.is_file():
            where = "weights/ or pretrained/parser/" if self.weights is None else str(self.weights)
            raise MissingError(
                f"face parser: the weights file {FILE} must be in {where}, found none: {missing('parser')}"
            )
        object.__setattr__(self, "file", path)
        if self.size is None:
            object.__setattr__(self, "size", 512 if path.parent in folders() else SIZE)

    def __getstate__(self) -> dict:
        return {key: value for key, value in self.__dict__.items() if key != "network"}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)

    def fingerprint(self) -> str:
        """What the result depends on besides the pictures."""
        state = self.file.stat()
        return f"parser {self.file.name}:{state.st_size}:{state.st_mtime_ns} {self.size} {self.mirror}"

    @cached_property
    def network(self) -> BiSeNet:
        """The network of facexlib with the weights of `file`.

        Raises:
            DataError: They are not its own.
        """
        network = BiSeNet(num_class=len(CLASSES))
        try:
            network.load_state_dict(read_tensors(self.file), strict=True)
        except (DataError, RuntimeError, TypeError, AttributeError) as error:
            raise DataError(f"face parser: {self.file.name} must hold BiSeNet's weights, found {error}") from error
        return network.to(self.device).eval()

    def load(self) -> None:
        """Read the weights now, and not with the first picture.

        Raises:
            DataError: They are not the network's.
        """
        assert self.network is not None

    def parse(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Region bits `[H, W] uint8` (`semdf.faces.crops.REGION_BITS`) of every picture `[H, W, 3] uint8`, sRGB.

        Eye is what lies between the lids, mouth the lips and what is between them. Pictures may differ in size.

        Raises:
            DataError: One is no such picture, or the weights are not the network's.
        """
        regions: list[np.ndarray] = []
        for run in _equal_runs(images, self.batch):
            height, width = run[0].shape[:2]
            logits = self._logits(np.stack([self._scaled(image) for image in run]))
            full = torch.nn.functional.interpolate(logits, (height, width), mode="bilinear", align_corners=False)
            regions += list(part_bits(full).cpu().numpy())
        return regions

    def _scaled(self, image: np.ndarray) -> np.ndarray:
        """The picture with `size` as its longer side, both sides rounded to multiples of 32."""
        height, width = image.shape[:2]
        scale = self.size / max(height, width)
        shape = [max(32, round(side * scale / 32) * 32) for side in (width, height)]
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        return cv2.resize(np.ascontiguousarray(image), shape, interpolation=how)

    def _logits(self, images: np.ndarray) -> Tensor:
        """Class logits `[B, 19, h, w]` of pictures `[B, h, w, 3] uint8`."""
        batch = torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2).float() / 255
        with torch.inference_mode():
            logits = self.network(normalise(batch))[0]
            if self.mirror:
                other = self.network(normalise(batch.flip(3)))[0].flip(3)
                logits = (logits + other[:, torch.from_numpy(MIRRORED).long()]) / 2
        return logits


def _equal_runs(images: Sequence[np.ndarray], most: int) -> Iterator[list[np.ndarray]]:
    """Consecutive pictures of one shape, at most `most` together.

    Raises:
        DataError: One is no picture.
    """
    run: list[np.ndarray] = []
    for image in images:
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
            raise DataError(f"picture: must be [H, W, 3] uint8, found {image.shape} {image.dtype}")
        if run and (image.shape != run[0].shape or len(run) == most):
            yield run
            run = []
        run.append(image)
    if run:
        yield run
