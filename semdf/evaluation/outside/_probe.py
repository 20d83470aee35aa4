"""CLIP's image tower with a linear layer on its class token, read from weights under Hugging Face's names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semdf.errors import DataError
from semdf.method import towers
from semdf.method.model import Detector

__all__ = ["ENCODER", "Probe", "probe"]

#: The encoder that these detectors were made from, with OpenAI's activation.
ENCODER = "ViT-L-14"

#: Parts of open_clip's names -> what they are in Hugging Face's.
WORDS = {
    r"^class_embedding$": "embeddings.class_embedding",
    r"^positional_embedding$": "embeddings.position_embedding.weight",
    r"^conv1\.": "embeddings.patch_embedding.",
    r"^ln_pre\.": "pre_layrnorm.",
    r"^ln_post\.": "post_layernorm.",
    r"^transformer\.resblocks\.": "encoder.layers.",
    r"\.ln_(\d)\.": r".layer_norm\1.",
    r"\.attn\.out_proj\.": ".self_attn.out_proj.",
    r"\.mlp\.c_fc\.": ".mlp.fc1.",
    r"\.mlp\.c_proj\.": ".mlp.fc2.",
}
#: What such files hold besides, and no detector of this form reads: the projection to the texts, and a row of numbers.
UNREAD = re.compile(r"visual_projection\.|embeddings\.position_ids$")


class Probe(Detector):
    """The class token after the last norm, brought to length 1 if `normalised`, and a linear layer."""

    def __init__(self, visual: nn.Module, head: nn.Linear, normalised: bool) -> None:
        super().__init__()
        self.image = towers.ImageTower(visual)
        self.head = head
        self.normalised = normalised

    def cell_logits(self, images: Tensor) -> Tensor:
        """Log-odds of fake `[B, 1]` of normalised images `[B, 3, H, W]`; the second output is the fake's."""
        features = self.image(images)
        if self.normalised:
            features = F.normalize(features, dim=-1)
        real, fake = self.head(features).chunk(2, -1)
        return fake - real

    def forward(self, images: Tensor) -> Tensor:
        """Probability of fake `[B, 1]`."""
        return self.cell_logits(images).sigmoid()


def probe(state: Mapping[str, Tensor], path: Path, *, tower: str, head: str, normalised: bool, encoder: str) -> Probe:
    """The detector whose weights these are; each is used, or known to be unread.

    Args:
        state: The weights under the names of their file.
        path: The file, for errors.
        tower: What the names of the image tower begin with.
        head: What those of the linear layer begin with.
        encoder: Whose image tower it is, by open_clip's name.

    Raises:
        DataError: A weight is missing, has another shape, or is of no part of this network.
    """
    with torch.device("meta"):
        visual = towers.create(encoder, quick_gelu=True).visual
    visual.proj = None
    wanted = {name: value.shape for name, value in visual.state_dict().items()}
    width = wanted["class_embedding"][0]
    left = {name: value for name, value in state.items() if not UNREAD.search(name)}

    def take(name: str, *shape: int) -> Tensor:
        value = left.pop(name, None)
        if value is None or tuple(value.shape) != shape:
            found = "none" if value is None else f"the shape {list(value.shape)}"
            raise DataError(f"{path.name} must have {name} {list(shape)} ({encoder} and a linear layer), found {found}")
        return value.float()

    own = {}
    for name, shape in wanted.items():
        own[name] = torch.cat([take(tower + part, *rows) for part, rows in _parts(name, shape)])
    layer = nn.Linear(width, 2)
    layer.load_state_dict({"weight": take(f"{head}weight", 2, width), "bias": take(f"{head}bias", 2)})
    if left:
        raise DataError(f"{path.name} must hold {encoder} and a linear layer alone, found {min(left)} besides")
    visual.load_state_dict(own, assign=True)
    return Probe(visual, layer, normalised)


def _parts(name: str, shape: torch.Size) -> list[tuple[str, tuple[int, ...]]]:
    """Name and shape of the weights in the file that together are one weight of open_clip's tower."""
    for theirs, ours in WORDS.items():
        name = re.sub(theirs, ours, name)
    joined = re.fullmatch(r"(.*)\.attn\.in_proj_(weight|bias)", name)
    if not joined:
        return [(name, tuple(shape))]
    rows = (shape[0] // 3, *shape[1:])
    return [(f"{joined[1]}.self_attn.{kind}_proj.{joined[2]}", rows) for kind in "qkv"]
