"""Face parsing with facexlib's BiSeNet (Yu et al., ECCV 2018): pictures in, region bits out, nothing downloaded.

The network has the 19 classes of CelebAMask-HQ (Lee et al., CVPR 2020). Official weights are used where they are;
otherwise those that this project trained on rendered people, in the same file format.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
from facexlib.parsing.bisenet import BiSeNet
from torch import Tensor

from semdf.faces.weights import weights_folder
from semdf.artifacts import read_tensors
from semdf.faces.crops import REGION_BITS
from semdf.errors import DataError, MissingError, ParameterError

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

#: The one table: facexlib's classes in order, and the regions that each belongs to. The face's parts are skin, too;
#: ears count as skin; neck, clothes, hats, glasses and jewellery are `other` (as in the rendered people).
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
_BITS = tuple(sum(REGION_BITS[name] for name in regions) for _, regions in CLASSES)
#: The different region bits, and for each class [19] which of them it has: classes of equal bits are one part.
PARTS = tuple(dict.fromkeys(_BITS))
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

#: facexlib's name of the weights file, and where its authors have it.
FILE = "parsing_bisenet.pth"
RELEASE = (
    f"https://github.com/xinntao/facexlib/releases/download/v0.2.0/{FILE} "
    "(SHA-256 468e13ca13a9b43cc0881a9f99083a430e9c0a38abd935431d1c28ee94b26567)"
)
#: The longer side at which the weights of this project do best on aligned crops of margin 1.3 to 1.6, pixels (ours).
SIZE = 256
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def normalise(images: Tensor) -> Tensor:
    """Pictures `[B, 3, H, W] float` in [0, 1] as facexlib feeds them: minus ImageNet's mean, over its deviation."""
    mean, std = (images.new_tensor(values).view(1, 3, 1, 1) for values in (_MEAN, _STD))
    return (images - mean) / std


def part_bits(logits: Tensor) -> Tensor:
    """Region bits `[B, H, W] uint8` of class logits `[B, 19, H, W]`: those of the part whose classes have most
    probability together, so that left and right, upper and lower do not compete."""
    share = torch.zeros(len(logits), len(PARTS), *logits.shape[2:], dtype=logits.dtype, device=logits.device)
    share.index_add_(1, _PART.to(logits.device), logits.softmax(1))
    return torch.tensor(PARTS, dtype=torch.uint8, device=logits.device)[share.argmax(1)]


def region_ious(found: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Intersection over union of each region of `REGION_BITS`, all pixels of `found` and `truth` (uint8 bits, equal
    shapes) together; nan for a region that neither has."""
    shares = {}
    for name, bit in REGION_BITS.items():
        a, b = (found & bit) > 0, (truth & bit) > 0
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


def find_weights(*folders: Path) -> Path | None:
    """facexlib's weights file: in the folders given, else in $SEMDF_WEIGHTS or weights/ (the official one), else the
    one that the stage `parser` made, in pretrained/parser/ of the working folder; None if there is none."""
    known = folders or (weights_folder(), Path("pretrained", "parser"))
    return next((Path(folder) / FILE for folder in known if (Path(folder) / FILE).is_file()), None)


@dataclass(frozen=True)
class Parser:
    """Region bits of faces that fill a good part of the picture, as aligned crops do.

    weights: the file, or the folder that holds it; None looks where `find_weights` does.
    size: pictures are scaled to this longer side, pixels, a multiple of 32; None: 512 for weights in the folder of the
        official ones, which were trained at it, else `SIZE`.
    mirror: average with the mirrored picture, at twice the time (ours).
    batch: pictures that go through the network together.
    Raises MissingError when there are no weights.
    """

    weights: Path | None = None
    size: int | None = None
    mirror: bool = True
    batch: int = 8
    device: str = "cpu"
    file: Path = field(init=False)

    def __post_init__(self) -> None:
        if self.size is not None and (self.size < 64 or self.size % 32):
            raise ParameterError(f"size should be a multiple of 32 from 64. Found {self.size}.")
        if self.batch < 1:
            raise ParameterError(f"batch should be at least 1. Found {self.batch}.")
        path = Path(self.weights) if self.weights is not None else find_weights()
        if path is not None and path.is_dir():
            path = find_weights(path)
        if path is None or not path.is_file():
            where = "weights/ or pretrained/parser/" if self.weights is None else str(self.weights)
            raise MissingError(
                f"face parser: expected the weights file {FILE} in {where}. Found none: fetch {RELEASE}."
            )
        object.__setattr__(self, "file", path)
        if self.size is None:
            object.__setattr__(self, "size", 512 if path.parent == weights_folder() else SIZE)

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
        """facexlib's network with the weights of `file`, strictly. Raises DataError if they are not its own."""
        network = BiSeNet(num_class=len(CLASSES))
        try:
            network.load_state_dict(read_tensors(self.file), strict=True)
        except (DataError, RuntimeError, TypeError, AttributeError) as error:
            raise DataError(f"face parser: expected BiSeNet's weights in {self.file.name}. Found {error}.") from error
        return network.to(self.device).eval()

    def parse(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Region bits `[H, W] uint8` (`semdf.faces.crops.REGION_BITS`) of every picture `[H, W, 3] uint8`, sRGB.

        Eye is what lies between the lids, mouth the lips and what is between them. Pictures may differ in size.
        """
        regions: list[np.ndarray] = []
        for run in _equal_runs(images, self.batch):
            height, width = run[0].shape[:2]
            logits = self._logits(np.stack([self._scaled(image) for image in run]))
            full = torch.nn.functional.interpolate(logits, (height, width), mode="bilinear", align_corners=False)
            regions += list(part_bits(full).cpu().numpy())
        return regions

    def _scaled(self, image: np.ndarray) -> np.ndarray:
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
    """Consecutive pictures of one shape, at most `most` together. Raises DataError for what is no picture."""
    run: list[np.ndarray] = []
    for image in images:
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
            raise DataError(f"picture: expected [H, W, 3] uint8. Found {image.shape} {image.dtype}.")
        if run and (image.shape != run[0].shape or len(run) == most):
            yield run
            run = []
        run.append(image)
    if run:
        yield run
