"""What training the normalisation layers alone saves: `python -m benchmarks.norms [--encoder ViT-B-32 ...]`.

A step of the joint embedding under equal weights, with `freeze` as in the block `train` of params.yaml: random weights
of OpenAI's encoders, float32, the hierarchy of FaceForensics++, batches of noise. Every variant is measured in a
process of its own, on one thread, and its processor time is counted, so that other work beside it matters less. The
rows `norms/ENCODER/FREEZE` have two fields more: `trained`, how many numbers are trained, and `ratio_to_full`, how many
times as fast the step is as the one that trains everything.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import measure
from benchmarks.quiet import Watch
from benchmarks.record import record, row
from benchmarks.scaling import peak
from benchmarks.step import LR, WEIGHT_DECAY, batches
from semdf.method import hierarchy, weighting
from semdf.method.losses import Fidelity
from semdf.method.model import JointEmbedding

FREEZE = ("none", "all_but_norms")


def model_of(encoder: str, freeze: str) -> JointEmbedding:
    """The model that is trained, with random weights."""
    model = JointEmbedding(encoder, hierarchy.load("ffpp"), similarity="dot", seed=0, quick_gelu=True)
    return model.tune_norms() if freeze == "all_but_norms" else model


def prepare(model: JointEmbedding, size: int) -> Callable[[], object]:
    """One step, as a function without arguments."""
    lower, _ = batches(size)
    objective = Fidelity(model)
    strategy = weighting.load("equal")
    trained = weighting.trainable(model).values()
    optimiser = torch.optim.AdamW(trained, lr=LR, weight_decay=WEIGHT_DECAY, fused=True)

    def action() -> object:
        done = strategy.backward(objective, lower, lr=LR, weight_decay=WEIGHT_DECAY)
        optimiser.step()
        return done.losses

    return action


def cost(action: Callable[[], object], repeats: int) -> dict:
    """The fields of a row of results.json that a step costs; a first one, whose operations are counted, is not timed.

    Matrix products are counted alone, without those of attention.
    """
    with FlopCounterMode(display=False) as counter:
        action()
    watch = Watch()
    times: list[float] = []
    for _ in range(repeats):
        start = time.process_time()
        action()
        times.append(time.process_time() - start)
    gflop = counter.get_total_flops() / 1e9
    return {"seconds": statistics.median(times), "peak_mb": round(peak()), "gflop": round(gflop), **watch.said()}


def main() -> None:
    """The command: all variants, or one alone in this process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", nargs="+", default=["ViT-B-32"])
    parser.add_argument("--batch", type=int, default=8, help="images a step")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--alone", choices=FREEZE, help="measure this one in this process and print JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.alone:
        model = model_of(options.encoder[0], options.alone)
        found = cost(prepare(model, options.batch), options.repeats)
        found["trained"] = sum(p.numel() for p in model.parameters() if p.requires_grad)
        sys.stdout.write(f"{json.dumps(found)}\n")
        return
    how = [f"--{name}={getattr(options, name)}" for name in ("batch", "repeats")]
    for encoder in options.encoder:
        rows = []
        for freeze in FREEZE:
            found = measure.alone("benchmarks.norms", "--encoder", encoder, "--alone", freeze, *how)
            made = row(f"norms/{encoder}/{freeze}", options.batch, **found)
            rows.append(made | {"ratio_to_full": round((rows or [made])[0]["seconds"] / made["seconds"], 2)})
            sys.stdout.write(f"{json.dumps(rows[-1])}\n")
            sys.stdout.flush()
        record(rows)


if __name__ == "__main__":
    main()
