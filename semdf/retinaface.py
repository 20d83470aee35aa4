"""RetinaFace (Deng et al., CVPR 2020) through facexlib: weights from a local file, never from the network."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from semdf.crops import Face
from semdf.errors import DataError, MissingError, ParameterError

__all__ = ["MODELS", "RetinaFace", "find_weights"]

#: Name of the detector -> facexlib's network, file of its weights.
MODELS = {
    "retinaface_resnet50": ("resnet50", "detection_Resnet50_Final.pth"),
    "retinaface_mobile0.25": ("mobile0.25", "detection_mobilenet0.25_Final.pth"),
}


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
    """The largest face above a confidence, found in batches of frames.

    weights: the weights file, or the folder that holds it.
    model: a name in `MODELS`.
    confidence: faces at or below it are ignored (Zou et al., 2025: 0.8).
    longest: frames are shrunk to at most this side before detection, pixels (ours; the crop is cut from the
    full frame).
    batch: frames that go through the network together.
    Raises MissingError when the weights are not there.
    """

    weights: Path
    model: str = "retinaface_resnet50"
    confidence: float = 0.8
    longest: int = 640
    batch: int = 8
    device: str = "cpu"
    file: Path = field(init=False)

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise ParameterError(f"model should be one of {', '.join(MODELS)}. Found {self.model!r}.")
        path = Path(self.weights)
        path = path if path.suffix == ".pth" else path / MODELS[self.model][1]
        if not path.is_file():
            raise MissingError(f"{self.model}: expected the weights file {path.name} in {path.parent}. Found none.")
        object.__setattr__(self, "file", path)

    def __getstate__(self) -> dict:
        return {key: value for key, value in self.__dict__.items() if key != "_network"}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)

    def fingerprint(self) -> str:
        size = self.file.stat().st_size
        return f"{self.model} {self.file.name}:{size} {self.confidence} {self.longest} {self.batch}"

    @cached_property
    def _network(self) -> Any:
        return _load(self.model, self.file, self.device)

    def find(self, frames: Sequence[np.ndarray], key: str, indices: Sequence[int]) -> list[Face | None]:
        """The largest face of every frame; frames of one call may differ in size."""
        faces: list[Face | None] = []
        with _one_thread(self.device):
            for batch in _equal_runs(frames, self.batch):
                faces += self._detect(batch)
        return faces

    def _detect(self, frames: Sequence[np.ndarray]) -> list[Face | None]:
        import torch

        scale = min(1.0, self.longest / max(frames[0].shape[:2]))
        bgr = [frame[:, :, ::-1] for frame in frames]
        if scale < 1:
            bgr = [
                cv2.resize(np.ascontiguousarray(f), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for f in bgr
            ]
        tensor = torch.from_numpy(np.stack(bgr).astype(np.float32))
        with torch.inference_mode():
            boxes, points = self._network.batched_detect_faces(tensor, conf_threshold=self.confidence)
        return [_largest(b, p, scale) for b, p in zip(boxes, points, strict=True)]


def _largest(boxes: np.ndarray, points: np.ndarray, scale: float) -> Face | None:
    if not len(boxes):
        return None
    best = int(np.argmax((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])))
    return Face(boxes[best, :4] / scale, points[best].reshape(5, 2) / scale, float(boxes[best, 4]))


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
    return network.to(device).eval()
