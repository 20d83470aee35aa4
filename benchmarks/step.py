"""Cost of a training step: `python -m benchmarks.step [--batch 8 32] [--variant released auto_lambda ...]`.

ViT-B-32 with random weights, float32, the hierarchy of FaceForensics++, the released similarity and settings of both
optimisers, two batches of noise. Every variant is measured in a process of its own. On a GPU the same steps run under
bfloat16 autocast, and memory is that of the GPU; that has not been run.
"""

import argparse
import json
import sys
from collections.abc import Callable

import torch

from benchmarks import measure, released
from benchmarks.record import record, row
from semdf.method import hierarchy, towers, weighting
from semdf.method.losses import Fidelity
from semdf.method.model import JointEmbedding

#: OpenAI's weights need QuickGELU, so this is the ViT-B/32 that the authors train.
ENCODER = "ViT-B-32-quickgelu"
LR = 6e-7
WEIGHT_DECAY = 1e-3
VARIANTS = ("released", "equal", "auto_lambda", "auto_lambda_late", "auto_lambda_fd")


def batches(size: int, seed: int = 0) -> list[list[torch.Tensor]]:
    """Lower and upper batch: images of noise, and label rows, every other one real."""
    generator = torch.Generator().manual_seed(seed)
    tree = hierarchy.load("ffpp")
    fakes = [name for name in tree.labels if name != "real"]
    names = ["real" if i % 2 else fakes[i // 2 % len(fakes)] for i in range(size)]
    rows = torch.stack([torch.from_numpy(tree.label(name)) for name in names])
    return [[torch.randn(size, 3, 224, 224, generator=generator), rows] for _ in range(2)]


def prepare(variant: str, size: int, lr: float = LR) -> Callable[[], object]:
    """One step of a variant, as a function without arguments."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    lower, upper = ([tensor.to(device) for tensor in batch] for batch in batches(size))
    tree = hierarchy.load("ffpp")
    autocast = torch.autocast(device, torch.bfloat16, enabled=device == "cuda")
    if variant == "released":
        step = released.Step(released.Model(towers.create(ENCODER, seed=0), tree).to(device), lr, WEIGHT_DECAY)

        def action() -> object:
            with autocast:
                return step(lower, upper)

        return action
    precision = "bfloat16" if device == "cuda" else "float32"
    model = JointEmbedding(ENCODER, tree, similarity="dot", precision=precision, seed=0).to(device)
    objective = Fidelity(model)
    strategy = weighting.load(variant)
    optimiser = torch.optim.AdamW(weighting.trainable(model).values(), lr=lr, weight_decay=WEIGHT_DECAY, fused=True)

    def action() -> object:
        with autocast:
            done = strategy.backward(objective, lower, upper, lr=lr, weight_decay=WEIGHT_DECAY)
        optimiser.step()
        return done.losses, done.weights

    return action


def compare(module: str, name: str, size: int, variants: list[str], options: argparse.Namespace) -> None:
    """Measure variants, each in a process of its own; print the rows `name/variant` and put them into results.json."""
    rows: dict[str, dict] = {}
    how = [f"--{option}={getattr(options, option)}" for option in ("repeats", "warmup", "threads")]
    for variant in variants:
        found = measure.alone(module, "--alone", variant, "--batch", str(size), *how)
        made = row(f"{name}/{variant}", size, options.threads, **found)
        rows[variant] = made
        base = rows.get("released")
        made["ratio_to_released"] = round(base["seconds"] / made["seconds"], 2) if base else None
        sys.stdout.write(f"{json.dumps(made)}\n")
        sys.stdout.flush()
        if base:
            record([made])


def parse(variants: tuple[str, ...], sizes: list[int], doc: str) -> argparse.Namespace:
    """The command line that both benchmarks have."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--batch", type=int, nargs="+", default=sizes, help="images a step")
    parser.add_argument("--variant", nargs="+", choices=variants, default=list(variants))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--warmup", type=int, default=2, help="goes before, that are not counted")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--alone", choices=variants, help="measure this one in this process and print JSON")
    return parser.parse_args()


def run(name: str, variants: tuple[str, ...], sizes: list[int], doc: str, prepare: Callable, least: int = 1) -> None:
    """The command `python -m benchmarks.<name>`: all variants, or one alone in this process.

    Args:
        name: Of the rows, and of the module.
        variants: Names of what can be measured.
        sizes: Images a batch, unless the command line says otherwise.
        doc: The docstring of the module; its first line describes the command.
        prepare: Takes a variant and a size, and returns what is timed.
        least: How often each is timed at least.
    """
    options = parse(variants, sizes, doc.splitlines()[0])
    torch.set_num_threads(options.threads)
    if options.alone:
        repeats = max(options.repeats, least)
        found = measure.measure(prepare(options.alone, options.batch[0]), repeats, options.warmup)
        sys.stdout.write(f"{json.dumps(found)}\n")
        return
    for size in options.batch:
        compare(f"benchmarks.{name}", name, size, options.variant, options)


if __name__ == "__main__":
    run("step", VARIANTS, [8, 32], __doc__, prepare)
