"""Samples and configurations of small trainings."""

import cv2
import numpy as np
import pandas as pd
import torch
from ruamel.yaml import YAML

from semdf.method import hierarchy
from semdf.pipeline import ROOT
from semdf.training.datasets import Samples
from semdf.training.runs import Config

TREE = hierarchy.load("ffpp")
_PARAMS = YAML(typ="safe").load((ROOT / "params.yaml").read_text())

#: The block `train` of the pipeline, and the same with the small encoder from random weights, for small trainings.
DEFAULT = _PARAMS["train"]
BLOCK = {
    **DEFAULT,
    "encoder": "semdf-mini",
    "pretrained": "",
    "features": "pooled",
    "similarity": "cosine",
    "directions": "prompts",
    "scale": 3.0,
    "positions": 20.0,
    "statistics": "moving",
    "camera": None,
    "epochs": 8,
    "lr": 2.0e-3,
}


def config(objective="equal", variant=None, **changes) -> Config:
    small = {"epochs": 2, "pairs": 8, "batch": 8, "warmup": 0.25, "threads": 1}
    block = {**BLOCK, **small, **changes}
    crop = {"size": 128, "alignment": "native", "margin": 1.3}
    return Config(objective=objective, seed=0, train=block, crop=crop, variant=variant or {})


def samples(pairs=16, seed=0) -> Samples:
    """Pairs that a small training learns: smooth colours are real, a fake is its source with a faint checkerboard."""
    random = np.random.default_rng(seed)
    coarse = random.integers(40, 200, (pairs, 4, 4, 3)).astype(np.float32)
    real = np.stack([cv2.resize(c, (128, 128), interpolation=cv2.INTER_CUBIC) for c in coarse]).clip(0, 215)
    board = (np.indices((128, 128)).sum(0) % 2 * 40)[None, :, :, None]
    images = np.concatenate([real, real + board]).astype(np.uint8)
    labels = ["real"] * pairs + ["Deepfakes"] * pairs
    target = [str(i) for i in range(pairs)] * 2
    source = [""] * pairs + [str(i ^ 1) for i in range(pairs)]
    rows = pd.DataFrame({"manipulation": labels, "label": labels, "target": target, "source": source})
    targets = torch.from_numpy(np.stack([TREE.label(x) for x in labels]))
    partner = torch.tensor([-1] * pairs + list(range(pairs)))
    return Samples(rows, torch.from_numpy(images), targets, torch.ones_like(targets, dtype=torch.bool), partner)


def grey_samples(videos: int = 6, frames: int = 2, size: int = 20) -> Samples:
    """Originals and two manipulations of `videos` identities; every picture has its own grey level."""
    rows, targets = [], []
    for label, manipulation in (("real", "original"), ("Deepfakes", "Deepfakes"), ("eyes", "expanded-eyes")):
        for v in range(videos):
            for f in range(frames):
                rows.append(
                    {"manipulation": manipulation, "video": f"{manipulation}/{v}", "frame": f, "label": label, "v": v}
                )
                targets.append(TREE.label(label))
    partner = [-1 if r["label"] == "real" else r["v"] * frames + r["frame"] for r in rows]
    images = torch.arange(len(rows), dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, size, size, 3).clone()
    targets = torch.from_numpy(np.stack(targets))
    observed = torch.ones_like(targets, dtype=torch.bool)
    return Samples(pd.DataFrame(rows), images, targets, observed, torch.tensor(partner))


def same_weights(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))
