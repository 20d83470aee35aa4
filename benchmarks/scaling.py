"""How seconds and memory grow with the number of rows: measurements from 10^2 rows on, and the power of growth."""

from __future__ import annotations

import argparse
import gc
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.quiet import Watch
from benchmarks.record import record, row

__all__ = ["Make", "clock", "exponent", "peak", "run"]

#: A number of rows -> what is timed, ready to go.
Make = Callable[[int], Callable[[], object]]
#: The exponent is that of sizes from here on; below, the cost of the call itself hides the growth.
FROM = 10_000


def exponent(sizes: Sequence[float], costs: Sequence[float], least: float = FROM) -> float | None:
    """The b of costs = a sizes^b: the slope of a line through the logarithms, for sizes of at least `least`.

    None for fewer than two such sizes, or if a cost is not positive.

    >>> exponent([10, 100, 1000], [2, 200, 20000], least=1)
    2.0
    """
    chosen = [(size, cost) for size, cost in zip(sizes, costs, strict=True) if size >= least]
    if len({size for size, _ in chosen}) < 2 or min(cost for _, cost in chosen) <= 0:
        return None
    x, y = np.log(np.array(chosen, dtype=float)).T
    return round(float(np.polyfit(x, y, 1)[0]), 2)


def clock(action: Callable[[], object], seconds: float = 1.0, most: int = 20) -> dict:
    """Median and shortest time of an action, repeated for so many seconds: once at least, `most` times at most."""
    times: list[float] = []
    start = time.perf_counter()
    while not times or (time.perf_counter() - start < seconds and len(times) < most):
        before = time.perf_counter()
        action()
        times.append(time.perf_counter() - before)
    return {"seconds": statistics.median(times), "fastest": min(times), "goes": len(times)}


def peak() -> float:
    """Largest resident memory of this process so far, 10^6 bytes.

    Read from /proc where there is one, because `ru_maxrss` begins with what the parent had when it started the process.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def grow(make: Make, sizes: Sequence[int], seconds: float, limit: float) -> list[dict]:
    """Measure one thing at all sizes, in rising order, so that the peak of the memory after each is its own.

    Args:
        make: Prepares the thing.
        sizes: Numbers of rows.
        seconds: Of each measurement.
        limit: Seconds that one go may take. A size is left out, with those above it, if one go would take longer, in
            proportion to the size before.

    Returns:
        An entry a size: `size`, the fields of `clock` and `Watch.said`, `peak_mb`, and `made_mb`, the peak of the
        memory when the thing was ready to go.
    """
    found: list[dict] = []
    for size in sorted(sizes):
        if found and found[-1]["seconds"] * size / found[-1]["size"] > limit:
            break
        action = make(size)
        gc.collect()
        ready = peak()
        watch = Watch()
        entry = {"size": size, **clock(action, seconds), "made_mb": round(ready), "peak_mb": round(peak())}
        entry.update(watch.said())
        found.append(entry)
        del action
    return found


def run(name: str, doc: str, things: dict[str, Make], unit: str = "rows a second") -> None:
    """The command `python -m benchmarks.<name>`: each thing over all sizes, in a process of its own."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--size", type=int, nargs="+", default=[10**k for k in range(2, 7)], help="rows")
    parser.add_argument("--thing", nargs="+", choices=things, default=list(things))
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement, one go at least")
    parser.add_argument("--limit", type=float, default=20.0, help="leave out sizes of which one go would take longer")
    parser.add_argument("--dry", action="store_true", help="print the rows, put none into results.json")
    parser.add_argument("--alone", choices=things, help="measure this one in this process and print JSON")
    options = parser.parse_args()
    if options.alone:
        found = grow(things[options.alone], options.size, options.seconds, options.limit)
        sys.stdout.write(f"{json.dumps(found)}\n")
        return
    from benchmarks import measure  # with torch, which would count as memory of what is measured

    for thing in options.thing:
        how = ["--size", *map(str, options.size), "--seconds", str(options.seconds), "--limit", str(options.limit)]
        found = measure.alone(f"benchmarks.{name}", "--alone", thing, *how)
        sizes = [entry["size"] for entry in found]
        grown = exponent(sizes, [entry["seconds"] for entry in found])
        memory = exponent(sizes, [entry["peak_mb"] - found[0]["made_mb"] for entry in found])
        rows = []
        for entry in found:
            rate = round(entry["size"] / entry["seconds"], 1)
            one = row(thing, **entry, rate=rate, unit=unit, exponent=grown, memory_exponent=memory)
            rows.append(one)
            sys.stdout.write(f"{one['name']} {one['size']}: {one['seconds']:.4f} s, {one['peak_mb']} MB\n")
        sys.stdout.write(f"{thing}: time ~ n^{grown}, memory ~ n^{memory}, quiet: {[r['quiet'] for r in rows]}\n")
        sys.stdout.flush()
        if not options.dry:
            record(rows)
