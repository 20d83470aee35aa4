"""RetinaFace (Deng et al., CVPR 2020) through facexlib: weights from a local file, never from the network.

`semdf fetch` brings the file here, see `semdf.weights`.
"""

from __future__ import annotations

import contextlib
import hashlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from semdf.errors import DataError, MissingError, ParameterError
from semdf.faces.crops import Face
from semdf.faces.tracking import ManyFaces
from semdf.weights.registry import WEIGHTS, missing

__all__ = ["MODELS", "Model", "RetinaFace", "Weights", "find_weights"]


class Model(NamedTuple):
    """A detector of facexlib: the name of its network, and the name and file of its weights."""

    network: str
    weights: str
    file: str


class Weights(NamedTuple):
    """A weights file that was found, and the name of its detector."""

    model: str
    file: Path


#: The detectors by name, the larger one first.
MODELS = {
    "retinaface_resnet50": Model("resnet50", "retinaface", WEIGHTS["retinaface"].file),
    "retinaface_mobile0.25": Model("mobile0.25", "retinaface-mobile", WEIGHTS["retinaface-mobile"].file),
}
#: Variances of the box offsets, as the networks were trained (facexlib).
VARIANCE = (0.1, 0.2)
#: Boxes whose intersection over union is larger are one face (facexlib).
OVERLAP = 0.4


def find_weights(where: Path) -> Weights | None:
    """The weights in a folder, those of the larger detector first, or a file that has one of their names; else None."""
    where = Path(where)
    for name, model in MODELS.items():
        path = where / model.file if where.is_dir() else where
        if path.is_file() and path.name == model.file:
            return Weights(name, path)
    return None


@dataclass(frozen=True)
class RetinaFace(ManyFaces):
    """The main face above a confidence, found in batches of frames.

    When the weights are loaded, a warning says so if they are not the recorded ones.

    Attributes:
        weights: The weights file, or the folder that holds it.
        model: A name in `MODELS`.
        confidence: Faces at or below it are ignored (Zou et al., 2025: 0.8).
        longest: Frames are shrunk to at most this side before detection, pixels (ours); crops are cut from the full
            frame.
        batch: How many frames go through the network together.
        device: Where the network runs, such as "cpu" or "cuda".
        face: "largest" of every frame, or "track": the same person in all frames, see `semdf.faces.tracking`.
        file: The weights file.

    Raises:
        MissingError: The weights are not there.
        ParameterError: An attribute is out of range or names something unknown.
    """

    weights: Path
    model: str = "retinaface_resnet50"
    confidence: float = 0.8
    longest: int = 640
    batch: int = 8
    device: str = "cpu"
    face: str = "largest"
    file: Path = field(init=False)

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise ParameterError(f"model must be one of {', '.join(MODELS)}, found {self.model!r}")
        super().__post_init__()
        if self.batch < 1:
            raise ParameterError(f"batch must be at least 1, found {self.batch}")
        path = Path(self.weights)
        if path.suffix != ".pth":
            path = path / MODELS[self.model].file
        if not path.is_file():
            raise MissingError(
                f"{self.model}: the weights file {path.name} must be in {path.parent}, found none: "
                f"{missing(MODELS[self.model].weights)}"
            )
        object.__setattr__(self, "file", path)

    def fingerprint(self) -> str:
        """The detector, its weights and its settings."""
        size = self.file.stat().st_size
        return f"{self.model} {self.file.name}:{size} {self.confidence} {self.longest} {self.batch} {self.face}"

    @cached_property
    def _network(self) -> Any:
        return _load(self.model, self.file, self.device)

    def load(self) -> None:
        """Read the weights now, and not with the first frame.

        Raises:
            DataError: They are not this network's.
            ParameterError: The device is not there.
        """
        assert self._network is not None

    def candidates(self, frames: Sequence[np.ndarray]) -> list[list[Face]]:
        """All faces of every frame, the surest first."""
        found: list[list[Face]] = []
        with _one_thread(self.device):
            for batch in _equal_runs(frames, self.batch):
                found += self._detect(batch)
        return found

    def _detect(self, frames: Sequence[np.ndarray]) -> list[list[Face]]:
        """`candidates` of frames of one size, as one batch."""
        import torch

        scale = min(1.0, self.longest / max(frames[0].shape[:2]))
        if scale < 1:
            shrunk = tuple(max(round(side * scale), 1) for side in frames[0].shape[1::-1])
            frames = [cv2.resize(frame, shrunk, interpolation=cv2.INTER_AREA) for frame in frames]
        height, width = frames[0].shape[:2]
        network = self._network
        with torch.inference_mode():
            pixels = torch.from_numpy(np.stack(frames)).to(self.device)  # [B, H, W, 3], as the memory is laid out
            pixels = pixels.flip(-1).float().permute(0, 3, 1, 2) - network.mean_tensor
            boxes, scores, points = network(pixels.contiguous(memory_format=torch.channels_last))
            priors = _priors(self.model, height, width).to(self.device)
            size = np.array([width, height]) / scale
            return [_faces(*found, priors, self.confidence, size) for found in zip(boxes, scores, points, strict=True)]


def _faces(boxes: Any, scores: Any, points: Any, priors: Any, confidence: float, size: np.ndarray) -> list[Face]:
    """The faces that the network finds in one frame.

    Args:
        boxes: [A, 4], one row a prior box.
        scores: [A, 2].
        points: [A, 10].
        priors: [A, 4].
        confidence: Faces at or below it are left out.
        size: [2], width and height of the whole frame.
    """
    from facexlib.detection.retinaface_utils import decode, decode_landm, py_cpu_nms

    sure = scores[:, 1] > confidence  # nearly all others are not: they are not decoded
    if not bool(sure.any()):
        return []
    corners = decode(boxes[sure], priors[sure], VARIANCE).cpu().numpy() * np.tile(size, 2)
    places = decode_landm(points[sure], priors[sure], VARIANCE).cpu().numpy() * np.tile(size, 5)
    certain = scores[sure, 1].cpu().numpy()
    kept = py_cpu_nms(np.column_stack([corners, certain]), OVERLAP)
    return [Face(corners[i], places[i].reshape(5, 2), float(certain[i])) for i in kept]


@lru_cache(maxsize=8)
def _priors(model: str, height: int, width: int) -> Any:
    """The prior boxes `[A, 4]` of frames of one size.

    They are kept, because facexlib makes them in a loop, which takes as long as the small network itself.
    """
    from facexlib.detection.retinaface import generate_config
    from facexlib.detection.retinaface_utils import PriorBox

    return PriorBox(generate_config(MODELS[model].network), image_size=(height, width)).forward()


def _equal_runs(frames: Sequence[np.ndarray], most: int) -> Iterator[list[np.ndarray]]:
    """Consecutive frames of one size, at most `most` together."""
    run: list[np.ndarray] = []
    for frame in frames:
        if run and (frame.shape != run[0].shape or len(run) == most):
            yield run
            run = []
        run.append(frame)
    if run:
        yield run


@contextlib.contextmanager
def _one_thread(device: str) -> Iterator[None]:
    """One thread of torch on the CPU.

    The number of threads changes the last bits there, and crops should not depend on the machine's cores.
    """
    import torch

    threads = torch.get_num_threads()
    if device == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _load(model: str, path: Path, device: str) -> Any:
    """The network of facexlib with the weights of `path`; unlike facexlib's own loader, nothing is downloaded."""
    import torch
    from facexlib.detection.retinaface import RetinaFace as Network

    try:
        torch.zeros(1, device=device)
    except Exception as error:  # torch raises many kinds for a device that is unknown or not there
        said = str(error).partition("\n")[0]
        raise ParameterError(f"device must be one that torch has here, found {device!r}: {said}") from error
    _compare(model, path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torchvision: facexlib still says `pretrained=False`
        network = Network(network_name=MODELS[model].network, device=torch.device(device))
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict({name.removeprefix("module."): value for name, value in state.items()}, strict=True)
    except Exception as error:  # torch raises many kinds for a file that is none of its own
        raise DataError(f"{model}: {path} must hold weights of this network, found {type(error).__name__}") from error
    return _fused(network.eval()).to(device, memory_format=torch.channels_last)


def _compare(model: str, path: Path) -> None:
    """Warn of weights that are not the recorded ones."""
    recorded = WEIGHTS[MODELS[model].weights]
    published = recorded.file
    expected = recorded.sha256
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        warnings.warn(
            f"{path.name}: must have the SHA-256 {expected} of {published}, found {found}: weights of your own, or not "
            "what was published",
            stacklevel=2,
        )


def _fused(network: Any) -> Any:
    """The same network with every batch normalisation made part of the convolution before it.

    This is a third faster on a CPU; results are equal up to rounding.
    """
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    before = ""
    for name, part in list(network.named_children()):
        if isinstance(part, nn.BatchNorm2d) and before:
            setattr(network, before, fuse_conv_bn_eval(getattr(network, before), part))
            setattr(network, name, nn.Identity())
        before = name if isinstance(part, nn.Conv2d) else ""
        _fused(part)
    return network
