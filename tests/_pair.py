"""Trains alone or, under torchrun, as one of several: `python tests/_pair.py FOLDER` writes what came out.

    python tests/_pair.py one --device cuda                                         # on one GPU
    torchrun --standalone --nproc-per-node 2 tests/_pair.py two --device cuda       # on two
    python tests/_pair.py two --beside one                                          # the largest differences by case

Towers compute in float64, so that rounding makes no visible difference. In float32 it would: Adam blows it up where a
gradient is nearly zero.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch
from _training import config, samples
from torch import nn

from semdf.artifacts import read_table, read_weights, write_table, write_weights
from semdf.errors import SemdfError
from semdf.training import distributed, runs, train
from semdf.training.datasets import Samples
from semdf.training.views import views

#: Name -> objective, changes of the block `train`, variant.
CASES = {
    "binary": ("binary", {}, {}),
    "unpaired": ("equal", {"paired": False}, {}),
    "auto_lambda": ("auto_lambda", {"lambda_every": 1}, {}),
    "optimiser_step": ("auto_lambda", {"lambda_every": 2}, {"virtual": "adamw", "upper": "held_out"}),
    "late": ("auto_lambda_late", {"lambda_every": 1}, {}),
    "pcgrad": ("pcgrad", {}, {}),
    "dwa": ("dwa", {"epochs": 3}, {}),
    "uncertainty": ("uncertainty", {}, {}),
    "random": ("random", {}, {}),
    "upgrad": ("upgrad", {}, {}),
    "cagrad": ("cagrad", {}, {}),
    "finite_difference": ("auto_lambda_fd", {"lambda_every": 1}, {}),
    "augmented": ("equal", {"augment": "sjedd"}, {}),
    "nearest": ("equal", {"partner": "nearest"}, {}),
}


def apart(data: Samples) -> Samples:
    """Samples whose fakes and sources are of other frames, so that they are pairs only if the nearest frame will do."""
    pairs = len(data) // 2
    videos = [f"real/{i}" for i in range(pairs)]
    rows = data.rows.assign(
        video=[*videos, *(f"fake/{i}" for i in range(pairs))],
        frame=[0] * pairs + [3] * pairs,
        pristine=[""] * pairs + videos,
    )
    return replace(data, rows=rows, partner=torch.full_like(data.partner, -1))


def work(folder: Path, device: str = "cpu") -> None:
    """Weights, curve and validation scores of every case: two steps of two pairs."""
    build = runs.build
    train.build = lambda *args: build(*args).double()
    changed = {} if device == "cpu" else {"device": device}
    try:
        for name, (objective, changes, variant) in CASES.items():
            small = {"epochs": 1, "warmup": 0.0, "pairs": 4, "batch": 4, "processes": distributed.size()}
            data = apart(samples(8)) if changes.get("partner") == "nearest" else samples(8)
            record = train.fit(data, samples(3, 1), config(objective, variant, **small | changes | changed))
            p = torch.from_numpy(train.predict(record.model, samples(3, 1), batch=4))  # the second part has two rows
            record.model.cpu()
            with torch.no_grad():
                seen = views(samples(3, 1).images, record.model.image_size)
                logits = record.model.logits(record.model.normalise(seen))
            if distributed.rank() == 0:
                write_weights({**record.model.state_dict(), "p": p, "logits": logits}, folder / f"{name}.safetensors")
                write_table(record.history, folder / f"{name}.parquet")
    finally:
        train.build = build


def facts() -> dict:
    """What the parts of `semdf.training.distributed` do in this process."""
    rank = distributed.rank()
    size = distributed.size()
    parts = list(torch.arange(7).split(3))  # of 3, 3 and 1
    done: list[int] = []

    def compute(part: torch.Tensor) -> torch.Tensor:
        done.extend(part.tolist())
        return torch.stack([part.float(), part * torch.nan], 1)

    whole = distributed.spread(compute, parts)
    few = distributed.spread(lambda part: part[:, None].float(), parts[:1])  # some processes get none
    tensors = [torch.full((3,), float(rank)), torch.full((2, 2), 2.0 * rank, dtype=torch.float64), torch.ones(0)]
    distributed.average(tensors)
    told = {
        "share": distributed.share(2 * 2 * size).tolist(),
        "done": done,
        "whole": whole[:, 0].tolist(),
        "unknown": whole[:, 1].isnan().all().item(),
        "few": few.flatten().tolist(),
        "means": [tensor.flatten().tolist() for tensor in tensors],
        "norm": normalisation(),
    }
    refused = {
        "uneven": lambda: distributed.share(2 * (size + 1)),
        "disagreed": lambda: distributed.agreed(rank, "epochs"),
        "wrong": lambda: distributed.joined(size + 1).__enter__(),
    }
    for name, call in refused.items():
        try:
            call()
        except SemdfError as error:
            told[name] = str(error)
    return told


def normalisation() -> float:
    """The largest difference of batch normalisation over the processes from that of the whole batch in one."""
    random = torch.Generator().manual_seed(0)
    images = torch.randn(8, 3, 5, 4, generator=random, dtype=torch.float64) + 7
    slopes = torch.randn(8, 3, 5, 4, generator=random, dtype=torch.float64) + 7
    alone = nn.BatchNorm2d(3).double()
    tower = nn.Sequential(nn.Identity(), nn.BatchNorm2d(3)).double()
    for norm in (alone, tower[1]):
        nn.init.constant_(norm.weight, 1.5)
    distributed.synchronise(tower)
    places = torch.arange(distributed.rank(), 8, distributed.size())
    whole = images.clone().requires_grad_()
    expected = alone(whole)
    expected.mul(slopes).mean().backward()
    part = images[places].clone().requires_grad_()
    found = tower(part)
    found.mul(slopes[places]).mean().backward()
    distributed.average([p.grad for p in tower.parameters()])
    pairs = [(found, expected[places]), (part.grad / distributed.size(), whole.grad[places])]
    pairs += [(a.grad, b.grad) for a, b in zip(tower.parameters(), alone.parameters(), strict=True)]
    pairs += [(a, b) for a, b in zip(tower.buffers(), alone.buffers(), strict=True)]
    pairs += [(tower.eval()(images), alone.eval()(images))]
    return max(float((a - b).detach().abs().max()) for a, b in pairs)


def differences(one: Path, two: Path) -> dict[str, float]:
    """The largest difference of a weight, logit, score, loss or lambda between two folders, by case."""
    found = {}
    for case in CASES:
        weights = [read_weights(folder / f"{case}.safetensors") for folder in (one, two)]
        curves = [read_table(folder / f"{case}.parquet").to_numpy(float) for folder in (one, two)]
        assert weights[0].keys() == weights[1].keys()
        apart = [float((weights[1][name] - value).abs().max()) for name, value in weights[0].items() if value.numel()]
        curve = torch.from_numpy(curves[0] - curves[1]).abs().nan_to_num()
        found[case] = max(*apart, float(curve.max()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--beside", type=Path, metavar="FOLDER", help="compare the two, train nothing")
    options = parser.parse_args()
    if options.beside:
        for case, largest in differences(options.folder, options.beside).items():
            print(f"{case:20} {largest:.1e}")
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    with distributed.joined(device=options.device):
        if distributed.size() > 1:
            (options.folder / f"{distributed.rank()}.json").write_text(json.dumps(facts()))
        work(options.folder, options.device)


if __name__ == "__main__":
    main()
