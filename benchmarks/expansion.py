"""Forgeries a second on one core: `python -m benchmarks.expansion [--size 144 317]`.

Rendered people of the embedded data, cut and scaled to each size, are forged by every preset; drawing the donor is part
of it, reading and writing pictures is not.
"""

import argparse
import sys
import time

import cv2
import numpy as np
import pandas as pd

from benchmarks import record
from semdf import ROOT, layouts, presets
from semdf.errors import MissingError
from semdf.extract import extract
from semdf.faces import Annotated
from semdf.forger import Forger
from semdf.shards import read_image

DATASET = "FaceForensics++"


def faces(size: int, videos: int) -> tuple[pd.DataFrame, list[np.ndarray], list[np.ndarray]]:
    """Rows, crops `[size, size, 3]` and region maps of the first frames of some real and forged videos."""
    root, out = ROOT / "data" / DATASET, ROOT / "scratch" / "benchmarks" / f"expansion-{size}"
    if not root.is_dir():
        raise MissingError(f"data: expected the embedded data at data/{DATASET}. Found none: run `dvc pull`.")
    rows = layouts.load("faceforensics++").read(root)
    rows = rows[rows["split"] == "train"].groupby("manipulation").head(videos).reset_index(drop=True)
    finder = Annotated(root.parent / "annotations" / f"{DATASET}.npz")
    table = extract(rows, root, out, finder, frames=1, size=size, alignment="similarity", margin=1.3)
    table = table[table["status"] == "ok"].reset_index(drop=True)
    images = [read_image(out, r.shard, r.member) for r in table.itertuples()]
    return table, images, [read_image(out, r.shard, r.regions_member) for r in table.itertuples()]


def measure(forger: Forger, seconds: float) -> tuple[float, int]:
    """Mean processor time of one forgery and their number; every face in turn, one epoch after the other."""
    for item in range(min(len(forger), 8)):  # warm up
        forger(item)
    times, start = [], time.perf_counter()
    while time.perf_counter() - start < seconds:
        before = time.process_time()
        forger(len(times) % len(forger), 1 + len(times) // len(forger))
        times.append(time.process_time() - before)
    return float(np.mean(times)), len(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, nargs="+", default=[144, 317], help="side of the crops, pixels")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--videos", type=int, default=20, help="of each manipulation")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    rows = []
    for size in options.size:
        table, images, maps = faces(size, options.videos)
        for name in presets.known():
            mean, count = measure(Forger(table, images, presets.load(name), regions=maps), options.seconds)
            rows.append(
                {"name": f"expand/{name}", "size": size, "seconds": mean, "peak_mb": None, "gflop": None,
                 "matmul_share": None, "ratio_to_released": None, "machine": record.machine(1),
                 "rate": 1 / mean, "unit": f"images of {size} x {size} a second of one core"}
            )  # fmt: skip
            sys.stdout.write(f"{name} {size} px: {1 / mean:.0f} a second ({count} forgeries)\n")
    record.record(rows)


if __name__ == "__main__":
    main()
