"""What a network says of pictures: one loop for the validation of a training and for trained detectors."""

from __future__ import annotations

import torch
from torch import Tensor

from semdf.method.model import Detector
from semdf.training.views import views

__all__ = ["score_pictures"]


def score_pictures(model: Detector, pictures: Tensor, *, batch: int = 64, resample: bool = False) -> Tensor:
    """Marginals `[n, N] float32` of pictures `[n, H, W, 3] uint8` (sRGB) in the deterministic view, on the CPU.

    Args:
        model: A network in evaluation mode, on any device.
        pictures: [n, H, W, 3] uint8, sRGB.
        batch: How many pictures go through the network together.
        resample: Whether pictures are scaled instead of cut, see `semdf.training.views.views`.
    """
    device = next(model.parameters()).device
    parts = []
    with torch.inference_mode():
        for part in pictures.split(batch):
            seen = views(part, model.image_size, resample=resample)
            parts.append(model(model.normalise(seen.to(device))))
    return torch.cat(parts).float().cpu()
