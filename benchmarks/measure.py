"""Seconds, peak memory, operations and the machine's own rate, of one thing a process.

A thing is measured in a process of its own (`alone`), so that the peak of its resident memory is its own.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from math import prod

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.quiet import Watch
from benchmarks.scaling import peak
from semdf.pipeline import ROOT

__all__ = ["alone", "matmul_rate", "measure"]


def measure(action: Callable[[], object], repeats: int, warmup: int = 2) -> dict:
    """Median seconds of `action`, peak memory in 10^6 bytes, GFLOP, the rate of large matrix products, GFLOP/s,
    and whether the machine was quiet.

    The first steps are left out: they take memory from the system, later ones find it there.

    Rate and action alternate, so that both see the same machine.
    """
    cuda = torch.cuda.is_available()
    for _ in range(warmup):
        action()
    watch = Watch()
    times, rates = [], []
    for _ in range(repeats):
        rates.append(matmul_rate())
        times.append(_time(action, cuda))
    rates.append(matmul_rate())
    company = watch.said()
    memory = torch.cuda.max_memory_allocated() / 1e6 if cuda else peak()
    torch.backends.mha.set_fastpath_enabled(False)  # the same products, but where the counter sees them
    with FlopCounterMode(display=False, custom_mapping=_attention()) as counter:
        action()
    seconds, gflop, rate = statistics.median(times), counter.get_total_flops() / 1e9, statistics.median(rates)
    return {
        "seconds": round(seconds, 3),
        "fastest": round(min(times), 3),
        "peak_mb": round(memory),
        "gflop": round(gflop),
        "matmul_gflop_s": round(rate),
        "matmul_share": round(gflop / seconds / rate, 3),
        **company,
    }


def matmul_rate(size: int = 2048, seconds: float = 0.3) -> float:
    """GFLOP/s of square float32 matrix products."""
    cuda = torch.cuda.is_available()
    a, b = (torch.ones(size, size, device="cuda" if cuda else "cpu") for _ in range(2))
    done, start = 0, time.perf_counter()
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
    """The counter knows attention on a GPU only: its two products forward and five backward, on a CPU."""
    ops = torch.ops.aten

    def forward(q, k, v, *_, out_val=None, **__) -> int:  # shapes [B, H, L, E]
        return 4 * prod(q) * k[-2]

    def backward(_, q, k, *__, out_val=None, **___) -> int:
        return 10 * prod(q) * k[-2]

    return {
        ops._scaled_dot_product_flash_attention_for_cpu: forward,
        ops._scaled_dot_product_flash_attention_for_cpu_backward: backward,
    }
