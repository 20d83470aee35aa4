"""Seconds, peak memory, operations and the machine's own rate, of one thing a process.

A thing is measured in a process of its own (`alone`), so that the peak of its resident memory is its own.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from math import prod

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.quiet import Watch
from benchmarks.scaling import peak
from semdf.pipeline import ROOT

__all__ = ["alone", "matmul_rate", "measure"]


def measure(action: Callable[[], object], repeats: int, warmup: int = 2) -> dict:
    """The fields of a row of results.json that `action` costs, and the rate of large matrix products, GFLOP/s.

    The first `warmup` goes are left out: they take memory from the system, later ones find it there. Matrix products
    and action alternate, so that both see the same machine.
    """
    cuda = torch.cuda.is_available()
    for _ in range(warmup):
        action()
    watch = Watch()
    times: list[float] = []
    rates: list[float] = []
    for _ in range(repeats):
        rates.append(matmul_rate())
        times.append(_time(action, cuda))
    rates.append(matmul_rate())
    others = watch.said()
    memory = torch.cuda.max_memory_allocated() / 1e6 if cuda else peak()
    torch.backends.mha.set_fastpath_enabled(False)  # the counter does not see the products of the fast path
    with FlopCounterMode(display=False, custom_mapping=_attention()) as counter:
        action()
    seconds = statistics.median(times)
    gflop = counter.get_total_flops() / 1e9
    rate = statistics.median(rates)
    return {
        "seconds": round(seconds, 3),
        "fastest": round(min(times), 3),
        "peak_mb": round(memory),
        "gflop": round(gflop),
        "matmul_gflop_s": round(rate),
        "matmul_share": round(gflop / seconds / rate, 3),
        **others,
    }


def matmul_rate(size: int = 2048, seconds: float = 0.3) -> float:
    """GFLOP/s of square float32 matrix products."""
    cuda = torch.cuda.is_available()
    device = "cuda" if cuda else "cpu"
    a = torch.ones(size, size, device=device)
    b = torch.ones(size, size, device=device)
    done = 0
    start = time.perf_counter()
    while done == 0 or time.perf_counter() - start < seconds:
        _time(lambda: a @ b, cuda)
        done += 1
    return 2 * size**3 * done / (time.perf_counter() - start) / 1e9


def alone(module: str, *arguments: str) -> dict:
    """What `python -m module arguments` prints as JSON on its last line."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _time(action: Callable[[], object], cuda: bool) -> float:
    start = time.perf_counter()
    action()
    if cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def _attention() -> dict:
    """Operations of attention on a CPU, which the counter does not know: two products forward, five backward.

    The counter calls both with the shapes of the operator's arguments; queries and keys are [B, H, L, E].
    """
    ops = torch.ops.aten

    def forward(queries: Sequence[int], keys: Sequence[int], *_: object, **__: object) -> int:
        return 4 * prod(queries) * keys[-2]

    def backward(_slopes: object, queries: Sequence[int], keys: Sequence[int], *_: object, **__: object) -> int:
        return 10 * prod(queries) * keys[-2]

    return {
        ops._scaled_dot_product_flash_attention_for_cpu: forward,
        ops._scaled_dot_product_flash_attention_for_cpu_backward: backward,
    }
