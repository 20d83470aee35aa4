"""Where a node's prompt finds its evidence: relevance maps, and measures of whether they can be believed.

A detector that compares prompts with the cells of a picture (`semdf.method.cells`) has the map within itself: the
logits of the cells. A legal state in which a node is active has the root active too, and its score is the sum of both
logits; so the map of a node is its logit and the root's.

For other towers a map is gradient times activation of one layer of the image tower, summed over channels. The
gradient is that of the log-odds of the node's marginal. For convolutions this is HiResCAM (Draelos and Carin, 2020);
for a ViT the same product is taken over tokens. Captum computes it. Negative relevance is set to 0: only evidence for
the node counts.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import torch
from captum.attr import LayerGradientXActivation
from torch import Tensor, nn

from semdf.errors import DataError, ParameterError
from semdf.method.cells import STRIDE, CellTower

__all__ = ["LAYERS", "conceal", "iou", "layer", "log_odds", "maps", "pointing_game"]

#: Stages of a convolutional tower that a map can be taken from; the earlier, the finer and the less specific (ours).
#: A cell of their maps is 8, 16 or 32 pixels wide. The number is the place in the blocks of timm's EfficientNet.
LAYERS = {"layer2": 2, "layer3": 4, "layer4": 6}


def layer(model: nn.Module, name: str = "layer3") -> nn.Module:
    """The module that maps are taken from: a stage of a convolutional tower, or a ViT's last block but one.

    The very last block's tokens would carry no gradient but the class token's.

    Raises:
        ParameterError: An unknown stage, or a tower that is neither.
    """
    detector: Any = model
    visual = detector.image.visual
    if hasattr(visual, "transformer"):
        return visual.transformer.resblocks[-2]
    if name not in LAYERS:
        raise ParameterError(f"layer must be one of {', '.join(LAYERS)}, found {name!r}")
    if hasattr(visual, "trunk") and len(getattr(visual.trunk, "blocks", ())) > LAYERS[name]:
        return visual.trunk.blocks[LAYERS[name]]
    if not hasattr(visual, name):
        raise ParameterError(
            f"model must have a ResNet, EfficientNet or ViT image tower, found {type(visual).__name__}"
        )
    return getattr(visual, name)


def log_odds(model: nn.Module, images: Tensor) -> Tensor:
    """Log-odds [B, N] of a detector's marginals on normalised images [B, 3, H, W]; finite also at 0 and 1."""
    p = model(images).double().clamp(1e-12, 1 - 1e-12)
    return torch.log(p) - torch.log1p(-p)


def maps(model: nn.Module, images: Tensor, nodes: list[int], name: str | None = None) -> np.ndarray:
    """Relevance of every pixel for some nodes.

    Args:
        model: A detector with `image` and `forward` -> [B, N], in evaluation mode.
        images: [B, 3, H, W], normalised.
        nodes: Indices of nodes.
        name: "cells", or see `layer`; None: cells where the detector has them, and else layer3.

    Returns:
        [B, len(nodes), H, W] float32, each map in 0..1 with maximum 1, or 0 everywhere without evidence for the node.

    Raises:
        ParameterError: An unknown node, a layer that the tower does not have.
    """
    count = log_odds(model, images[:1].detach()).shape[1]
    if wrong := [node for node in nodes if not 0 <= node < count]:
        raise ParameterError(f"nodes must lie in 0 to {count - 1}, found {wrong}")
    detector: Any = model
    has_cells = isinstance(detector.image.visual, CellTower)
    if name is None:
        name = "cells" if has_cells else "layer3"
    if has_cells != (name == "cells"):
        kind = "with" if has_cells else "without"
        allowed = "cells" if has_cells else f"one of {', '.join(LAYERS)}"
        raise ParameterError(f"layer must be {allowed} for a tower {kind} cells, found {name!r}")
    if has_cells:
        return _cell_maps(detector, images, nodes)
    method = LayerGradientXActivation(lambda x: log_odds(model, x), layer(model, name))
    size = images.shape[-2:]
    result = np.zeros((len(images), len(nodes), *size), np.float32)
    for k, node in enumerate(nodes):
        relevance = method.attribute(images, target=node).detach()
        planes = _planes(relevance).float().cpu().numpy()
        for i, plane in enumerate(planes):
            large = cv2.resize(plane.clip(min=0), size[::-1], interpolation=cv2.INTER_CUBIC)
            result[i, k] = _scaled(large)
    return result


def _cell_maps(detector: Any, images: Tensor, nodes: list[int]) -> np.ndarray:
    """Maps [B, len(nodes), H, W] of a detector with cells: their logits, less the offset that all cells share.

    The cells are 16 pixels apart. The picture goes through the tower four times, moved by half a cell, and the four
    grids together have cells that are 8 pixels apart.
    """
    height, width = images.shape[-2:]
    half = STRIDE // 2
    moves = (-half // 2, half // 2)
    padded = nn.functional.pad(images, (half, half, half, half), mode="replicate")
    implied = getattr(detector, "structure", "none") == "hierarchy"
    fine = np.zeros((len(images), len(nodes), height // half, width // half), np.float32)
    for row, down in enumerate(moves):
        for column, right in enumerate(moves):
            view = padded[..., half + down : half + down + height, half + right : half + right + width]
            with torch.no_grad():
                logits = detector.cell_logits(view)
                if hasattr(detector, "offset"):
                    logits = logits - detector.offset
            for k, node in enumerate(nodes):
                evidence = logits[..., node]
                if implied and node != 0:
                    evidence = evidence + logits[..., 0]
                grid = evidence.unflatten(1, (height // STRIDE, width // STRIDE))
                fine[:, k, row::2, column::2] = grid.float().cpu().numpy()
    result = np.zeros((len(images), len(nodes), height, width), np.float32)
    for i, k in np.ndindex(fine.shape[:2]):
        large = cv2.resize(fine[i, k].clip(min=0), (width, height), interpolation=cv2.INTER_CUBIC)
        result[i, k] = _scaled(large)
    return result


def _scaled(relevance: np.ndarray) -> np.ndarray:
    """A map with maximum 1, without negative values; 0 everywhere if nothing is positive."""
    positive = relevance.clip(min=0)
    highest = positive.max()
    return positive / highest if highest > 0 else positive


def _planes(relevance: Tensor) -> Tensor:
    """[B, h, w] from [B, C, h, w], or from tokens [B, 1 + h w, D], the first of which is the class token."""
    if relevance.ndim == 4:
        return relevance.sum(1)
    tokens = relevance.sum(-1)[:, 1:]
    side = math.isqrt(tokens.shape[1])
    if side**2 != tokens.shape[1]:
        raise DataError(f"tokens must form a square besides the class token, found {tokens.shape[1]}")
    return tokens.unflatten(1, (side, side))


def pointing_game(relevance: np.ndarray, mask: np.ndarray) -> float:
    """1 if the map's highest pixel lies in the mask, else 0; NaN where map or mask is empty.

    Chance is the mask's share of the picture. Source: Zhang et al., IJCV 126, 2018.
    """
    relevance, mask = _same(relevance, mask)
    if not mask.any() or relevance.max() <= 0:
        return math.nan
    return float(mask.flat[int(relevance.argmax())])


def iou(relevance: np.ndarray, mask: np.ndarray) -> float:
    """Intersection over union of the mask with as many of the map's highest pixels; NaN where one is empty."""
    relevance, mask = _same(relevance, mask)
    if not mask.any() or relevance.max() <= 0:
        return math.nan
    falling = np.argsort(-relevance, axis=None, kind="stable")
    chosen: np.ndarray = np.zeros(mask.size, bool)
    chosen[falling[: mask.sum()]] = True
    highest = chosen.reshape(mask.shape)
    return float((highest & mask).sum() / (highest | mask).sum())


def _same(relevance: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Map [H, W] and mask [H, W] bool, which must have one shape."""
    if relevance.shape != mask.shape or relevance.ndim != 2:
        raise DataError(f"map and mask must both be [H, W], found {list(relevance.shape)} and {list(mask.shape)}")
    return relevance, mask.astype(bool)


def conceal(image: np.ndarray, mask: np.ndarray, radius: int = 6) -> np.ndarray:
    """The picture without what a mask covers, filled in from around it (Telea's inpainting, OpenCV).

    If the named region matters, its probability falls more when it is concealed than when another region is. Grey or
    black patches would be forgeries of their own, so the region is filled in instead.

    Args:
        image: [H, W, 3] uint8.
        mask: [H, W] bool.
        radius: How far around a pixel the inpainting looks, pixels.
    """
    if image.ndim != 3 or image.dtype != np.uint8 or mask.shape != image.shape[:2]:
        raise DataError(f"image must be [H, W, 3] uint8 and mask [H, W], found {list(image.shape)}, {list(mask.shape)}")
    return cv2.inpaint(image, mask.astype(np.uint8), radius, cv2.INPAINT_TELEA)
