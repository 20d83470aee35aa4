"""Forgeries a second on one core: `python -m benchmarks.expansion [--size 144 317]`.

Rendered people of the embedded data, cut and scaled to each size, are forged by every preset. Drawing the donor is
part of what is measured, reading and writing pictures is not. `skin_tone` is what pairing reads of a possible donor:
its crop, from the tar, and the colour of its cheeks. Each is measured in a process of its own, by its processor time.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from benchmarks.quiet import Watch
from benchmarks.record import record, row
from benchmarks.scaling import peak
from semdf import layouts
from semdf.artifacts import read_table
from semdf.errors import MissingError
from semdf.extraction.extract import extract
from semdf.faces.finders import Annotated
from semdf.forging import presets
from semdf.forging.donors import skin_tone
from semdf.forging.on_the_fly import Forger
from semdf.pipeline import ROOT
from semdf.storage.tars import read_image

DATASET = "FaceForensics++"
TONE = "skin_tone"


def folder(size: int) -> Path:
    """Where the crops of a size are."""
    return ROOT / "scratch" / "benchmarks" / f"expansion-{size}"


def cut(size: int, videos: int) -> None:
    """Cut the first frames of some real and forged videos."""
    root = ROOT / "data" / DATASET
    if not root.is_dir():
        raise MissingError(f"data: data/{DATASET} must hold the embedded data, found none: run `dvc pull`")
    rows = layouts.load("faceforensics++").read(root)
    rows = rows[rows["split"] == "train"].groupby("manipulation").head(videos).reset_index(drop=True)
    finder = Annotated(root.parent / "annotations" / f"{DATASET}.npz")
    extract(rows, root, folder(size), finder, frames=1, size=size, alignment="similarity", margin=1.3)


def prepare(name: str, size: int) -> Callable[[int], object]:
    """A function of a number that forges by the preset of this name, or reads a skin tone: of every crop in turn."""
    out = folder(size)
    table = read_table(out / "manifest.parquet")
    table = table[table["status"] == "ok"].reset_index(drop=True)
    if name == TONE:
        places = list(zip(table["shard"], table["member"], table["landmarks"], strict=True))

        def tone(i: int) -> np.ndarray:
            shard, member, landmarks = places[i % len(places)]
            return skin_tone(read_image(out, shard, member), np.reshape(landmarks, (-1, 2)))

        return tone
    images = [read_image(out, row.shard, row.member) for row in table.itertuples()]
    maps = [read_image(out, row.shard, row.regions_member) for row in table.itertuples()]
    forger = Forger(table, images, presets.load(name), regions=maps)
    return lambda i: forger(i % len(forger), 1 + i // len(forger))


def measure(action: Callable[[int], object], seconds: float) -> dict:
    """Mean processor time of one item, their number, and the peak memory of this process."""
    for item in range(8):  # warm up
        action(item)
    watch = Watch()
    times: list[float] = []
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        before = time.process_time()
        action(len(times))
        times.append(time.process_time() - before)
    return {"seconds": float(np.mean(times)), "goes": len(times), "peak_mb": round(peak()), **watch.said()}


def main() -> None:
    """Measure all, or one alone."""
    names = [*presets.known(), TONE]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, nargs="+", default=[144, 317], help="side of the crops, pixels")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--videos", type=int, default=20, help="of each manipulation")
    parser.add_argument("--dry", action="store_true", help="print the rows, put none into results.json")
    parser.add_argument("--alone", choices=names, help="measure this one in this process and print JSON")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    if options.alone:
        found = measure(prepare(options.alone, options.size[0]), options.seconds)
        sys.stdout.write(f"{json.dumps(found)}\n")
        return
    from benchmarks.measure import alone

    for size in options.size:
        cut(size, options.videos)
        for name in names:
            how = ["--alone", name, "--size", str(size), "--seconds", str(options.seconds)]
            found = alone("benchmarks.expansion", *how)
            unit = f"{'crops' if name == TONE else 'images'} of {size} x {size} a second of one core"
            made = row(f"expand/{name}", size, **found, rate=float(f"{1 / found['seconds']:.4g}"), unit=unit)
            sys.stdout.write(f"{made['name']} {size} px: {made['rate']} a second, {made['peak_mb']} MB\n")
            if not options.dry:
                record([made])


if __name__ == "__main__":
    main()
