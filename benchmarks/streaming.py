"""Training from tars while it reads: `python -m benchmarks.streaming [--size 1000 100000 1000000] [--dry]`.

Crops of 224 px as JPEGs, one real and four fakes of each frame. There are `PICTURES` different ones at the most; larger
manifests name them again. The system has them in memory after the first pass, so that the rates are those of the
processors, not of a disk. For each size, in a process of its own:

    start     seconds from the start of Python to the first batch, with the imports
    memory    peak of the proportional set size over all processes, shared pages counted once, while rows are read and
              the loader runs an epoch; a network that is trained has its own memory besides
    loader    pictures a second of the loader alone: epochs from call to end, the start of the readers included
    decode    pictures a second of `cv2.imdecode` in as many processes on the same bytes, in turn with the loader
    cpu       the same two a second of processor time, which other work on the machine changes less
    waiting   share of a training's time in which it waits for its next batch, after the first one: ViT-B/32, `equal`,
              8 pictures a step

`headers` counts members of a tar that are found a second, which is part of the start. The table is `streaming.csv`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd

from benchmarks.quiet import Watch
from semdf.artifacts import write_table
from semdf.storage.tars import ShardReader, ShardWriter, encode_image

#: Pictures that differ: frames of one real and four forged videos each.
PICTURES = 5 * 200
KINDS = {name: name for name in ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")} | {"original": "real"}
FRAMES = 32
SIDE = 224
BATCH = 32
READERS = 2
#: Steps of the training whose waiting is measured.
STEPS = 6
#: Members of the tar whose headers are read.
MEMBERS = 20_000
CSV = Path(__file__).with_name("streaming.csv")


def picture(random: np.random.Generator) -> np.ndarray:
    """A smooth picture with faint noise, [224, 224, 3]: as a JPEG it needs 20 kB or so, as a crop of a face does."""
    coarse = random.integers(30, 220, (14, 14, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    return np.clip(smooth + random.integers(-3, 4, smooth.shape), 0, 255).astype(np.uint8)


def write_tars(folder: Path, pictures: int = PICTURES) -> None:
    """The pictures, a tar for each manipulation, with the same members in each."""
    random = np.random.default_rng(0)
    for kind in KINDS:
        with ShardWriter(folder / "d" / f"{kind}.tar") as tar:
            for number in range(pictures // len(KINDS)):
                tar.add(f"{number}.jpg", encode_image(picture(random), "jpeg"))


def manifest(rows: int, pictures: int = PICTURES) -> pd.DataFrame:
    """A table of so many crops whose pictures come again and again; the last two frames are for validation."""
    frames = rows // len(KINDS)
    place = np.arange(frames)
    video = (place // FRAMES).astype(str).astype(object)
    member = (place % (pictures // len(KINDS))).astype(str).astype(object) + ".jpg"
    split = np.where(place >= frames - 2, "val", "train")
    tables = []
    for kind, label in KINDS.items():
        key = "d/" + kind + "/" + video
        parts = {
            "dataset": "d",
            "manipulation": kind,
            "video": key,
            "label": label,
            "split": split,
            "target": video,
            "source": "" if label == "real" else video,
            "pristine": "" if label == "real" else "d/original/" + video,
            "frame": place % FRAMES,
            "sample": key + "/" + (place % FRAMES).astype(str).astype(object),
            "shard": f"d/{kind}.tar",
            "member": member,
            "status": "ok",
        }
        tables.append(pd.DataFrame(parts))
    return pd.concat(tables, ignore_index=True)


def proportional(process: int) -> int:
    """Bytes of memory of a process and of those that it started; pages that several use are shared out among them."""
    total = 0
    pending = [process]
    while pending:
        one = Path("/proc", str(pending.pop()))
        try:
            lines = (one / "smaps_rollup").read_text().splitlines()
            for task in (one / "task").iterdir():
                pending += [int(child) for child in (task / "children").read_text().split()]
        except OSError:  # it ended meanwhile
            continue
        total += 1024 * next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


@contextmanager
def peak_of(process: int, every: float = 0.25) -> Iterator[list[int]]:
    """A list whose one entry is the peak of `proportional` in the meantime, bytes."""
    peak = [0]
    done = threading.Event()

    def look() -> None:
        while not done.wait(every):
            peak[0] = max(peak[0], proportional(process))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


class Rate(NamedTuple):
    """Pictures a second on the clock, and a second of processor time of all processes that made them."""

    clock: float
    processor: float


def decode(folder: str, kind: str, seconds: float) -> Rate:
    """Plain decoding in this process."""
    cv2.setNumThreads(1)
    with_all = ShardReader(Path(folder) / "d" / f"{kind}.tar")
    bytes_of = [np.frombuffer(with_all.read(member), np.uint8) for member in with_all.members]
    start = time.perf_counter()
    spent = time.process_time()
    done = 0
    while time.perf_counter() - start < seconds:
        cv2.imdecode(bytes_of[done % len(bytes_of)], cv2.IMREAD_COLOR)
        done += 1
    return Rate(done / (time.perf_counter() - start), done / (time.process_time() - spent))


def loaded(folder: Path, began: float, seconds: float, rounds: int) -> dict:
    """What one size costs, in this process."""
    import torch

    from semdf.method import hierarchy
    from semdf.training import datasets, runs, train
    from semdf.training.batches import steps

    torch.set_num_threads(1)
    tree = hierarchy.load("ffpp")
    block = {**_block(), "reading": "stream", "readers": READERS, "batch": BATCH, "pairs": 150 * BATCH // 2}
    crop = {"size": SIDE, "alignment": "native", "margin": 1.3}
    config = runs.configure("equal", 0, block, crop)
    watch = Watch()
    with peak_of(os.getpid()) as peak:
        samples = datasets.load([folder / "manifest.parquet"], tree, ["train"], reading="stream")
        validation = datasets.load([folder / "manifest.parquet"], tree, ["val"], reading="stream")
        first = steps(samples, None, config, 0, SIDE)
        next(first)
        start = time.time() - began
        del first  # ends its readers
        _loader(steps, samples, config, 0, seconds)
    decoding = []
    loading = []
    with ProcessPoolExecutor(READERS, get_context("spawn")) as pool:
        kinds = list(KINDS)[:READERS]
        for turn in range(rounds):
            found = list(pool.map(decode, [str(folder)] * READERS, kinds, [seconds] * READERS))
            decoding.append(Rate(sum(r.clock for r in found), statistics.mean(r.processor for r in found)))
            loading.append(_loader(steps, samples, config, turn, seconds))
    small = {"epochs": 1, "batch": 8, "pairs": 4 * STEPS, "warmup": 0.0}
    waits: list[float] = []
    trained = runs.configure("equal", 0, {**block, **small, "threads": 1}, crop)
    usual = train.steps
    train.steps = lambda *arguments: _timed(usual(*arguments), waits)
    try:
        train.fit(samples, validation, trained)
    finally:
        train.steps = usual
    waited = sum(waits[2::2])
    return {
        "crops": len(samples) + len(validation),
        "start_s": round(start, 2),
        "memory_mb": round(peak[0] / 1e6),
        "decode_per_s": round(statistics.median(r.clock for r in decoding)),
        "loader_per_s": round(statistics.median(r.clock for r in loading)),
        "share": _share([r.clock for r in loading], [r.clock for r in decoding]),
        "decode_per_cpu_s": round(statistics.median(r.processor for r in decoding)),
        "loader_per_cpu_s": round(statistics.median(r.processor for r in loading)),
        "cpu_share": _share([r.processor for r in loading], [r.processor for r in decoding]),
        "waiting": round(waited / (waited + sum(waits[1::2])), 4),
        "step_s": round(statistics.median(waits[1::2]), 3),
        **watch.said(),
    }


def _share(loading: list[float], decoding: list[float]) -> float:
    """The median over the turns of the loader's rate as a share of that of decoding."""
    return round(statistics.median(a / b for a, b in zip(loading, decoding, strict=True)), 3)


def _block() -> dict:
    """The block `train` of the pipeline, with an encoder of 224 px from random weights, and without the camera."""
    from semdf import params
    from semdf.pipeline import ROOT

    block = params.read(ROOT / "params.yaml")["train"].model_dump()
    plain = {"encoder": "ViT-B-32", "pretrained": "", "camera": None, "augment": "none", "statistics": "moving"}
    known = {name: value for name, value in {**plain, "features": "pooled"}.items() if name in block}
    return {**block, **known}


def _loader(steps: Callable, samples: object, config: object, epoch: int, seconds: float) -> Rate:
    """Whole epochs of the loader; the time of the process that takes the batches counts as well."""
    start = time.perf_counter()
    spent = _processor_time()
    done = 0
    while time.perf_counter() - start < seconds:
        done += sum(len(step.lower.indices) for step in steps(samples, None, config, epoch, SIDE))
    return Rate(done / (time.perf_counter() - start), done / (_processor_time() - spent))


def _processor_time() -> float:
    """Seconds of this process and of those that it started and that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def _timed(made: Iterator, waits: list[float]) -> Iterator:
    """What is made; `waits` gets in turn how long the training waited for it, and how long it then worked."""
    while True:
        start = time.perf_counter()
        try:
            one = next(made)
        except StopIteration:
            return
        waits.append(time.perf_counter() - start)
        start = time.perf_counter()
        yield one
        waits.append(time.perf_counter() - start)


def headers(folder: Path, members: int = MEMBERS) -> float:
    """Members of a tar that are found a second."""
    tar = folder / "headers.tar"
    with ShardWriter(tar) as writer:
        for number in range(members):
            writer.add(f"{number // FRAMES:05d}/{number % FRAMES:04d}.png", bytes(600))
    start = time.perf_counter()
    found = len(ShardReader(tar))
    rate = found / (time.perf_counter() - start)
    tar.unlink()
    return rate


def main() -> None:
    """Measure all sizes, each in a process of its own, or one alone in this process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, nargs="+", default=[10**3, 10**5, 10**6], help="crops")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each turn of the loader and of decoding")
    parser.add_argument("--rounds", type=int, default=5, help="turns of both")
    parser.add_argument("--dry", action="store_true", help="print the rows, write no table")
    parser.add_argument("--alone", type=Path, help="measure the manifest in this folder in this process and print JSON")
    parser.add_argument("--began", type=float, default=0.0, help="when that process was started")
    options = parser.parse_args()
    if options.alone:
        found = loaded(options.alone, options.began, options.seconds, options.rounds)
        sys.stdout.write(f"{json.dumps(found)}\n")
        return
    from benchmarks.measure import alone
    from benchmarks.record import machine

    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rate = round(headers(folder))
        sys.stdout.write(f"headers: {rate} members a second\n")
        write_tars(folder)
        for size in options.size:
            write_table(manifest(size), folder / "manifest.parquet")
            how = ["--alone", name, "--seconds", str(options.seconds), "--rounds", str(options.rounds)]
            found = alone("benchmarks.streaming", *how, "--began", str(time.time()))
            rows.append({**found, "headers_per_s": rate, "readers": READERS, "machine": machine(1)})
            sys.stdout.write(f"{json.dumps(rows[-1])}\n")
            sys.stdout.flush()
    if not options.dry:
        write_table(pd.DataFrame(rows), CSV)


if __name__ == "__main__":
    main()
