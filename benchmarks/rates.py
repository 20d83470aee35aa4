"""Pictures a second of the miniature: `python -m benchmarks.rates [--thing loading] [--dry]`.

    rendering   stills of 256 px, and frames of videos with their forgeries, encoded, in one process. Skipped without
                the extra `people`
    loading     pictures of the stage `extract` from its tars into memory, and batches of pairs from there as the
                network sees them. Needs `make reproduce`
    training    a step of the default run and of its baseline, on noise: the difference of a long and a short training,
                so that start and validation do not count
    scoring     the default run's network on crops of noise
    storage     bytes of a crop with its region map and of a forgery with its mask, in their tars, and of the rows of
                their manifests. Needs `make reproduce`

Training and scoring have random weights and the settings of params.yaml, its number of threads included.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.measure import alone
from benchmarks.quiet import Watch
from benchmarks.record import record, row
from benchmarks.scaling import clock, peak
from semdf import params
from semdf.errors import MissingError
from semdf.evaluation import detector
from semdf.method import hierarchy
from semdf.pipeline import ROOT
from semdf.training import datasets, runs, train
from semdf.training.pairs import pair_batches
from semdf.training.views import Part, views

RUNS = ("binary", "auto_lambda")
CROP = {"size": 112, "alignment": "native", "margin": 1.3}


def rendering(seconds: float) -> Iterator[dict]:
    """Stills, and whole jobs of FaceForensics++: a pristine video, its forgeries, all encoded."""
    from people.benchmarks import build, jobs, stills
    from people.benchmarks.plan import FFPP, Counts
    from people.body.distil import ensure_head
    from people.rendering.camera import develop
    from people.rendering.render import render

    ensure_head()
    scenes = (still.scene for identity in range(10**6) for still in stills.draw_stills(0, identity))

    def still() -> None:
        scene = next(scenes)
        develop(render(scene, size=256).light, scene.camera)

    still()  # compiles
    watch = Watch()
    found = clock(still, seconds, most=1000)
    yield row("render/stills", 256, **found, rate=1 / found["seconds"], unit="pictures a second", **watch.said())
    with tempfile.TemporaryDirectory() as folder:
        todo = iter(build.plan_jobs(Counts(), 0, [FFPP]))
        jobs.finish_job(next(todo), Path(folder))
        watch = Watch()
        frames = 0
        start = time.perf_counter()
        while not frames or time.perf_counter() - start < seconds:
            frames += jobs.finish_job(next(todo), Path(folder))
        spent = time.perf_counter() - start
    yield row("render/videos", frames, seconds=spent, rate=frames / spent, unit="frames a second", **watch.said())


def loading(seconds: float) -> Iterator[dict]:
    """Pictures from tars, and batches of pairs."""
    manifest = ROOT / "faces" / "manifest.parquet"
    if not manifest.is_file():
        raise MissingError("faces/manifest.parquet must be there, found none: run `make reproduce`")
    tree = hierarchy.load("ffpp")
    settings = params.read(ROOT / "params.yaml")["train"]

    def load() -> datasets.Samples:
        return datasets.load([manifest], tree, ["train"], datasets=[params.TRAINED])

    samples = load()  # afterwards the system has the files in memory
    watch = Watch()
    found = clock(load, seconds)
    rate = len(samples) / found["seconds"]
    yield row("load/tars", len(samples), **found, rate=rate, unit="pictures a second", **watch.said())
    watch = Watch()
    random = np.random.default_rng(0)
    half = settings.batch // 2

    def epoch() -> None:
        for indices in pair_batches(samples, settings.batch, 10 * half, [0]):
            drawn = Part(torch.arange(len(indices)) % half, half)
            views(samples.images[indices], 96, random, within=drawn)

    found = clock(epoch, seconds, most=1000)
    rate = 10 / found["seconds"]
    yield row("load/batches", settings.batch, **found, rate=rate, unit="batches a second", **watch.said())


def training(seconds: float) -> Iterator[dict]:
    """Steps of the baseline and of the default run."""
    settings = params.read(ROOT / "params.yaml")["train"].model_dump()
    for name in RUNS:

        def spent(steps: int, name: str = name) -> float:
            pairs = steps * settings["batch"] // 2
            config = runs.configure(name, 0, {**settings, "epochs": 1, "pairs": pairs}, CROP)
            samples = noise(pairs)
            validation = noise(2)
            start = time.perf_counter()
            train.fit(samples, validation, config)
            return time.perf_counter() - start

        few = settings["lambda_every"]
        many = few * (1 + max(1, round(seconds)))
        watch = Watch()
        step = (spent(many) - spent(few)) / (many - few)
        known = {"seconds": step, "rate": settings["batch"] / step, "unit": "pictures a second"}
        yield row(f"train/{name}", settings["batch"], settings["threads"], **known, **watch.said())


def scoring(seconds: float) -> Iterator[dict]:
    """Marginals of crops, as `semdf.evaluation.detector` makes them."""
    blocks = params.read(ROOT / "params.yaml")
    torch.set_num_threads(blocks["train"].threads)
    for name in RUNS:
        config = runs.configure(name, 0, blocks["train"].model_dump(), CROP)
        batch = blocks["score"].batch
        network = detector.Detector(runs.build(config).eval(), config)
        crops = noise(batch // 2).images.numpy()
        score = partial(network.score, crops, batch)
        score()
        watch = Watch()
        found = clock(score, seconds, most=1000)
        rate = batch / found["seconds"]
        known = {**found, "rate": rate, "unit": "pictures a second", **watch.said()}
        yield row(f"score/{name}", batch, blocks["train"].threads, **known)


def storage(_: float) -> Iterator[dict]:
    """Bytes on disk of what the stages `extract` and `expand` wrote, an item."""
    for name, folder in (("crop", "faces"), ("forgery", "expanded")):
        path = ROOT / folder / "manifest.parquet"
        if not path.is_file():
            raise MissingError(f"{folder}/manifest.parquet must be there, found none: run `make reproduce`")
        table = pd.read_parquet(path, columns=["status"])
        made = int((table["status"] == "ok").sum())
        tars = sum(tar.stat().st_size for tar in (ROOT / folder).rglob("*.tar"))
        yield row(f"disk/{name}", CROP["size"], bytes=round(tars / made), items=made)
        yield row(f"disk/{name}_row", 1, bytes=round(path.stat().st_size / len(table)), items=len(table))


def noise(pairs: int, seed: int = 0) -> datasets.Samples:
    """So many pairs of a fake and its source, of noise."""
    tree = hierarchy.load("ffpp")
    side = CROP["size"]
    random = np.random.default_rng(seed)
    fakes = [name for name in tree.labels if name != "real"]
    labels = [fakes[i % len(fakes)] for i in range(pairs)] + ["real"] * pairs
    return datasets.Samples(
        rows=pd.DataFrame({"manipulation": labels}),
        images=torch.from_numpy(random.integers(0, 256, (2 * pairs, side, side, 3), dtype=np.uint8)),
        targets=torch.from_numpy(np.stack([tree.label(name) for name in labels])),
        observed=torch.from_numpy(np.stack([tree.observed(name) for name in labels])),
        partner=torch.cat([torch.arange(pairs, 2 * pairs), torch.full((pairs,), -1)]),
    )


THINGS: dict[str, Callable[[float], Iterator[dict]]] = {
    "rendering": rendering,
    "loading": loading,
    "training": training,
    "scoring": scoring,
    "storage": storage,
}


def measured(thing: str, seconds: float) -> list[dict]:
    """The rows of one thing; none, and a word on it, where something is missing."""
    rows: list[dict] = []
    try:
        for one in THINGS[thing](seconds):
            if "bytes" not in one:
                one["peak_mb"] = round(peak())
            rows.append(one)
    except (MissingError, ImportError) as error:
        sys.stderr.write(f"{thing}: skipped, {error}\n")
        return []
    return rows


def main() -> None:
    """Measure some things, each in a process of its own, or one alone in this process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--thing", nargs="+", choices=THINGS, default=list(THINGS))
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement, about")
    parser.add_argument("--dry", action="store_true", help="print the rows, put none into results.json")
    parser.add_argument("--alone", choices=THINGS, help="measure this one in this process and print JSON")
    options = parser.parse_args()
    if options.alone:
        sys.stdout.write(f"{json.dumps(measured(options.alone, options.seconds))}\n")
        return
    for thing in options.thing:
        rows = alone("benchmarks.rates", "--alone", thing, "--seconds", str(options.seconds))
        for one in rows:
            if "bytes" in one:
                sys.stdout.write(f"{one['name']} {one['size']}: {one['bytes']} bytes, of {one['items']}\n")
                continue
            one["rate"] = float(f"{one['rate']:.4g}")
            sys.stdout.write(f"{one['name']} {one['size']}: {one['rate']} {one['unit']}, quiet: {one['quiet']}\n")
        sys.stdout.flush()
        if not options.dry:
            record(rows)


if __name__ == "__main__":
    main()
