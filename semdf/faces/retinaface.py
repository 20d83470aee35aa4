"""RetinaFace (Deng et al., CVPR 2020) through facexlib: weights from a local file, never from the network."""

from __future__ import annotations

import contextlib
import hashlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from semdf.faces.crops import Face
from semdf.errors import DataError, MissingError, ParameterError
from semdf.faces.tracking import CHOICES, largest, main_track

__all__ = ["MODELS", "RetinaFace", "find_weights"]

#: Name of the detector -> facexlib's network, file of its weights.
MODELS = {
    "retinaface_resnet50": ("resnet50", "detection_Resnet50_Final.pth"),
    "retinaface_mobile0.25": ("mobile0.25", "detection_mobilenet0.25_Final.pth"),
}
#: SHA-256 of the files as many projects have them; their authors publish none.
SHA256 = {
    "detection_Resnet50_Final.pth": "6d1de9c2944f2ccddca5f5e010ea5ae64a39845a86311af6fdf30841b0a5a16d",
    "detection_mobilenet0.25_Final.pth": "5f88f7957d9eaef82b49b9e0202bc56e97292e2aede2999209accd34442cc4df",
}
#: Where the authors of facexlib have the larger one.
RELEASE = (
    "https://github.com/xinntao/facexlib/releases/download/v0.1.0/detection_Resnet50_Final.pth "
    f"(SHA-256 {SHA256['detection_Resnet50_Final.pth']})"
)
#: Of the box offsets, as trained; boxes that overlap by more than the second figure are one face (facexlib).
VARIANCE = (0.1, 0.2)
OVERLAP = 0.4


def find_weights(where: Path) -> tuple[str, Path] | None:
    """(detector, weights file) in a folder, the larger detector first, or of a file of a known name; else
    None."""
    where = Path(where)
    for name, (_, filename) in MODELS.items():
        path = where / filename if where.is_dir() else where
        if path.is_file() and path.name == filename:
            return name, path
    return None


@dataclass(frozen=True)
class RetinaFace:
    """The main face above a confidence, found in batches of frames.

    weights: the weights file, or the folder that holds it.
    model: a name in `MODELS`.
    confidence: faces at or below it are ignored (Zou et al., 2025: 0.8).
    longest: frames are shrunk to at most this side before detection, pixels (ours; the crop is cut from the
    full frame).
    batch: frames that go through the network together.
    face: "largest" of every frame, or "track": the same person in all frames, see `semdf.faces.tracking`.
    Raises MissingError when the weights are not there. Warns when they are loaded and are not those of `SHA256`.
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
            raise ParameterError(f"model should be one of {', '.join(MODELS)}. Found {self.model!r}.")
        if self.face not in CHOICES:
            raise ParameterError(f"face should be one of {', '.join(CHOICES)}. Found {self.face!r}.")
        if self.batch < 1 or self.longest < 32:
            raise ParameterError(f"expected batch >= 1 and longest >= 32. Found {self.batch} and {self.longest}.")
        path = Path(self.weights)
        path = path if path.suffix == ".pth" else path / MODELS[self.model][1]
        if not path.is_file():
            rule = f"expected the weights file {path.name} in {path.parent}"
            raise MissingError(f"{self.model}: {rule}. Found none: fetch {RELEASE}.")
        object.__setattr__(self, "file", path)

    def __getstate__(self) -> dict:
        return {key: value for key, value in self.__dict__.items() if key != "_network"}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)

    def fingerprint(self) -> str:
        size = self.file.stat().st_size
        return f"{self.model} {self.file.name}:{size} {self.confidence} {self.longest} {self.batch} {self.face}"

    @cached_property
    def _network(self) -> Any:
        return _load(self.model, self.file, self.device)

    def find(self, frames: Sequence[np.ndarray], key: str, indices: Sequence[int]) -> list[Face | None]:
        """The main face of every frame; frames of one call may differ in size."""
        found = self.candidates(frames)
        return main_track(found) if self.face == "track" else largest(found)

    def candidates(self, frames: Sequence[np.ndarray]) -> list[list[Face]]:
        """All faces of every frame, the surest first."""
        found: list[list[Face]] = []
        with _one_thread(self.device):
            for batch in _equal_runs(frames, self.batch):
                found += self._detect(batch)
        return found

    def _detect(self, frames: Sequence[np.ndarray]) -> list[list[Face]]:
        import torch

        scale = min(1.0, self.longest / max(frames[0].shape[:2]))
        if scale < 1:
            size = tuple(max(round(side * scale), 1) for side in frames[0].shape[1::-1])
            frames = [cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames]
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
    """What the network says of one frame. boxes: [A, 4], scores: [A, 2], points: [A, 10], one row a prior box; size:
    [2], width and height of the whole frame."""
    from facexlib.detection.retinaface_utils import decode, decode_landm, py_cpu_nms

    sure = scores[:, 1] > confidence  # decoding the others, nearly all, would be for nothing
    if not bool(sure.any()):
        return []
    corners = decode(boxes[sure], priors[sure], VARIANCE).cpu().numpy() * np.tile(size, 2)
    places = decode_landm(points[sure], priors[sure], VARIANCE).cpu().numpy() * np.tile(size, 5)
    certain = scores[sure, 1].cpu().numpy()
    kept = py_cpu_nms(np.column_stack([corners, certain]), OVERLAP)
    return [Face(corners[i], places[i].reshape(5, 2), float(certain[i])) for i in kept]


@lru_cache(maxsize=8)
def _priors(model: str, height: int, width: int) -> Any:
    """The prior boxes `[A, 4]` of frames of one size; facexlib makes them in a loop, which takes as long as the small
    network itself."""
    from facexlib.detection.retinaface import generate_config
    from facexlib.detection.retinaface_utils import PriorBox

    return PriorBox(generate_config(MODELS[model][0]), image_size=(height, width)).forward()


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
    """On the CPU the number of threads changes the last bits, and crops should not depend on the machine's
    cores."""
    import torch

    threads = torch.get_num_threads()
    if device == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _load(model: str, path: Path, device: str) -> Any:
    """facexlib's network with the weights of `path`. facexlib's own loader would download; this one does
    not."""
    import torch
    from facexlib.detection.retinaface import RetinaFace as Network

    _compare(model, path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torchvision: facexlib still says `pretrained=False`
        network = Network(network_name=MODELS[model][0], device=torch.device(device))
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict({name.removeprefix("module."): value for name, value in state.items()}, strict=True)
    except Exception as error:  # torch raises many kinds for a file that is none of its own
        raise DataError(
            f"{model}: expected weights of this network in {path}. Found {type(error).__name__}."
        ) from error
    return _fused(network.eval()).to(device, memory_format=torch.channels_last)


def _compare(model: str, path: Path) -> None:
    """Warn of weights that are not the recorded ones."""
    expected = SHA256[MODELS[model][1]]
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        rule = f"expected the SHA-256 {expected} of {MODELS[model][1]}"
        warnings.warn(
            f"{path.name}: {rule}. Found {found}: weights of your own, or not what was published", stacklevel=2
        )


def _fused(network: Any) -> Any:
    """The same network with every batch normalisation drawn into the convolution before it: a third faster on a CPU,
    results equal to rounding."""
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
