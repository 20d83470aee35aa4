"""GenD on CLIP ViT-L/14: class token, length 1, one linear layer, softmax; its second output is the fake's.

Source: Yermakov et al., "Deepfake Detection that Generalizes Across Benchmarks", WACV 2026, arXiv 2508.06248; weights
`yermandy/GenD_CLIP_L_14` at revision 9413725 (MIT), whose form their `src/hf/modeling_gend.py` says.

Their crop is a similarity of five points, too. The points that it aims at lie at most 1.2 pixels of 317 from ours, but
it is fitted by least medians, which leaves points out that do not fit; ours by least squares over all five.
"""

from __future__ import annotations

from pathlib import Path

from semdf.artifacts import read_weights
from semdf.evaluation.outside import Adapter
from semdf.evaluation.outside._probe import ENCODER, Probe, probe

__all__ = ["ADAPTER"]


def network(path: Path, encoder: str = ENCODER) -> Probe:
    """The network of a file of weights (`.safetensors`)."""
    names = {"tower": "feature_extractor.vision_model.", "head": "model.linear."}
    return probe(read_weights(path), path, normalised=True, encoder=encoder, **names)


ADAPTER = Adapter(network=network, file="gend_clip_l_14.safetensors")
