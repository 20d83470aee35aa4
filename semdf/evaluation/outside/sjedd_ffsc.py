"""The authors' own detector for FFSC: as `sjedd`, with the twelve nodes of that data set's hierarchy.

Source: Zou et al., IEEE TCSVT 2025; the hierarchy of FFSC: Zou et al., IEEE TIFS 20, 2025, arXiv 2405.08487.
"""

from __future__ import annotations

from pathlib import Path

from semdf.evaluation.outside import Adapter
from semdf.method import hierarchy
from semdf.method.model import JointEmbedding, released

__all__ = ["ADAPTER"]

ENCODER = "ViT-B-32-quickgelu"
TREE = hierarchy.load("ffsc")


def network(path: Path, encoder: str = ENCODER) -> JointEmbedding:
    """The network of a checkpoint."""
    return released(path, TREE, encoder)


ADAPTER = Adapter(network=network, file="sjedd_ffsc.pth", tree="ffsc", nodes=TREE.nodes)
