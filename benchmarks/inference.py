"""Cost of scoring frames: `python -m benchmarks.inference [--batch 32]`.

The model of `benchmarks.step`, without gradients. Ours makes one image pass and keeps the features of the prompts
between batches; the released way makes three image passes and encodes the prompts with every batch.
"""

from collections.abc import Callable

import torch

from benchmarks import released
from benchmarks.step import ENCODER, batches, run
from semdf.method import hierarchy, towers
from semdf.method.model import JointEmbedding

VARIANTS = ("released", "ours")


def prepare(variant: str, size: int) -> Callable[[], torch.Tensor]:
    """Marginals `[B, N]` of one batch, as a function without arguments."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    lower, _ = batches(size)
    images = lower[0].to(device)
    tree = hierarchy.load("ffpp")
    if variant == "released":
        model = released.Model(towers.create(ENCODER, seed=0), tree)
    else:
        precision = "bfloat16" if device == "cuda" else "float32"
        model = JointEmbedding(ENCODER, tree, similarity="dot", precision=precision, seed=0)
    model = model.to(device).eval()

    def action() -> torch.Tensor:
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            return model(images)

    return action


if __name__ == "__main__":
    run("inference", VARIANTS, [32], __doc__, prepare, least=7)
