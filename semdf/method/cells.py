"""An image tower that answers for each cell of a picture instead of once for all of it.

    f_i(x) = log mean_c exp(similarity(phi_c(x), psi(t_i)))

A local forgery shows in a few places. The mean over all places, which is what a tower's own pooling takes, thins its
traces out. So the tower is cut at the stage whose cells are 16 pixels apart, a linear map takes each cell into the
joint space, and each cell is compared with each prompt. The logit of a node is the soft maximum over the cells: pooling
by log-mean-exp, after Pinheiro and Collobert, "From image-level to pixel-level labeling with convolutional networks",
CVPR 2015 (there with a factor that makes the maximum harder; here it is 1). Its use here is ours.

The logits of the cells are at once a map of where the evidence for a node lies.
"""

from __future__ import annotations

import math
from typing import Any

import open_clip
import torch
from torch import Tensor, nn

from semdf.errors import ParameterError

__all__ = ["STRIDE", "CellTower", "pool"]

#: How far apart cells are, pixels.
STRIDE = 16


class CellTower(nn.Module):
    """The first stages of an image tower and a new linear map: images `[B, 3, H, W]` -> cells `[B, C, D]`.

    C is (H / 16) (W / 16), row by row.

    Args:
        visual: An EfficientNet of timm in open_clip's wrapper, or CLIP's ResNet. Its stages are taken over, not copied.
        dimension: D, that of the text tower.

    Raises:
        ParameterError: Another kind of tower.
    """

    def __init__(self, visual: Any, dimension: int) -> None:
        super().__init__()
        stages: list[nn.Module]
        if hasattr(visual, "trunk") and hasattr(visual.trunk, "blocks") and hasattr(visual.trunk, "conv_stem"):
            trunk = visual.trunk
            last, channels = _last_block(trunk)
            stages = [trunk.conv_stem, trunk.bn1, *trunk.blocks[: last + 1]]
        elif isinstance(visual, open_clip.model.ModifiedResNet):
            stem = nn.Sequential(
                visual.conv1, visual.bn1, visual.act1,
                visual.conv2, visual.bn2, visual.act2,
                visual.conv3, visual.bn3, visual.act3,
                visual.avgpool,
            )  # fmt: skip
            channels = visual.layer3[-1].bn3.num_features
            stages = [stem, visual.layer1, visual.layer2, visual.layer3]
        else:
            raise ParameterError(
                f"features: must be pooled for a tower that is neither an EfficientNet nor a ResNet, "
                f"found cells and {type(visual).__name__}"
            )
        self.stages = nn.Sequential(*stages)
        self.projection = nn.Linear(channels, dimension, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Features `[B, C, D]`, not normalised, of the cells of normalised images `[B, 3, H, W]`."""
        features = self.stages(images)
        return self.projection(features.flatten(2).transpose(1, 2))


def _last_block(trunk: Any) -> tuple[int, int]:
    """The last block of a trunk with the stride of cells, and its channels."""
    for stage in trunk.feature_info:
        if stage["reduction"] == STRIDE:
            return int(stage["module"].rpartition(".")[2]), int(stage["num_chs"])
    raise ParameterError(f"features: cells need a stage of stride {STRIDE}, found none in {type(trunk).__name__}")


def pool(logits: Tensor) -> Tensor:
    """Logits `[B, N]` of pictures: those of cells `[B, C, N]` by log-mean-exp, or `[B, N]` as they are."""
    if logits.ndim == 2:
        return logits
    return torch.logsumexp(logits, 1) - math.log(logits.shape[1])
