"""The authors' own detector for FaceForensics++: CLIP ViT-B/32, both towers tuned, marginals of ten nodes.

Source: Zou et al., IEEE TCSVT 2025, doi 10.1109/tcsvt.2025.3572508, and what their training saves: a state dict of
OpenAI's CLIP under "model". The weights do not tell which hierarchy they were trained with: see `sjedd_ffsc`.
"""

from __future__ import annotations

from pathlib import Path

from semdf.evaluation.outside import Adapter
from semdf.method import hierarchy
from semdf.method.model import JointEmbedding, released

__all__ = ["ADAPTER"]

ENCODER = "ViT-B-32-quickgelu"
TREE = hierarchy.load("ffpp")


def network(path: Path, encoder: str = ENCODER) -> JointEmbedding:
    """The network of a checkpoint."""
    return released(path, TREE, encoder)


ADAPTER = Adapter(network=network, file="sjedd.pth", nodes=TREE.nodes)
