"""Stages of the pipeline that kill their own process at a given event: for tests/across/test_kill.py."""

import os
import signal
import threading
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from _training import TREE, config

from semdf import layouts
from semdf.artifacts import read_table, write_table
from semdf.evaluation.detector import Detector, load_detector, score_manifest
from semdf.extraction.extract import extract
from semdf.faces.finders import Annotated
from semdf.forging.expand import expand
from semdf.pipeline import ROOT
from semdf.storage.journal import PartWriter
from semdf.storage.manifest import join
from semdf.storage.tars import ShardWriter
from semdf.training import runs
from semdf.training.datasets import load
from semdf.training.train import fit

DATA = ROOT / "data" / "FaceForensics++"


def extraction(made: Path, out: Path) -> None:
    """A few originals of two splits with their forgeries, from the shipped videos."""
    rows = layouts.load("faceforensics++").read(DATA)
    split = rows["split"].isin(["train", "val"])
    originals = rows[split & (rows["manipulation"] == "original")].groupby("split", sort=False).head(3)["video"]
    own = rows["video"].isin(originals)
    forged = (rows["manipulation"] == "Deepfakes") & rows["pristine"].isin(originals)
    finder = Annotated(ROOT / "data" / "annotations" / "FaceForensics++.npz")
    extract(rows[own | forged].reset_index(drop=True), DATA, out, finder, frames=2, size=136, alignment="native")


def expansion(made: Path, out: Path) -> None:
    manifest = read_table(made / "extraction" / "manifest.parquet")
    write_table(expand(manifest, made / "extraction", out, per_image=2), out / "manifest.parquet")


def shards(made: Path, out: Path) -> None:
    """The same forgeries in two shards, joined."""
    manifest = read_table(made / "extraction" / "manifest.parquet")
    for i in range(2):
        expand(manifest, made / "extraction", out, per_image=2, shard=(i, 2))
    join(out)


def training(made: Path, out: Path) -> None:
    """Three epochs of two steps; the checkpoints lie beside the run."""
    manifests = [made / stage / "manifest.parquet" for stage in ("extraction", "expansion")]
    samples = load(manifests, TREE, ["train"])
    validation = load(manifests, TREE, ["val"])
    run = config("auto_lambda_late", epochs=3, pairs=4, batch=4, lambda_every=2)
    record = fit(samples, validation, run, checkpoints=out.with_name("checkpoints"))
    write_table(record.history, out / "curve.csv")
    runs.save(record.model, run, out)


def scoring(made: Path, out: Path) -> None:
    detector = load_detector(made / "training")
    scores = score_manifest(detector, made / "extraction" / "manifest.parquet", ["train", "val"], batch=4)
    write_table(scores, out / "frames.parquet")


#: Stages in their order: each reads what those before it made.
STAGES = {stage.__name__: stage for stage in (extraction, expansion, shards, training, scoring)}


class Watched(NamedTuple):
    """A function that is watched: where it is found, its name, and which argument is the file that it writes."""

    owner: Any
    name: str
    file: int | None = None


WATCHED = (
    Watched(os, "replace"),
    Watched(ShardWriter, "add"),
    Watched(PartWriter, "put"),
    Watched(Detector, "score"),
    Watched(torch, "save", file=1),
    Watched(pd.DataFrame, "to_parquet", file=1),
    Watched(torch.optim.AdamW, "step"),
)


def run(stage: str, made: Path, out: Path, count: Path, at: int = 0, after: float = 0.0) -> None:
    """Do a stage, write the number of its events to the file `count`, and its errors beside it.

    An event lies before and after each watched call. Where the call writes a file, another lies between, at which the
    file is cut to half its length.

    Args:
        stage: A key of STAGES.
        made: What the stages before it made.
        out: Its own folder.
        count: The file for the number.
        at: Die at the event of this number.
        after: Die so many seconds after the start; 0 for never.
    """
    events = 0

    def event() -> None:
        nonlocal events
        events += 1
        if events == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(watched: Watched) -> None:
        plain = getattr(watched.owner, watched.name)

        def wrapped(*args, **kwargs):
            event()
            result = plain(*args, **kwargs)
            file = None if watched.file is None else args[watched.file]
            if isinstance(file, Path):
                if events + 1 == at:
                    os.truncate(file, file.stat().st_size // 2)
                event()
            event()
            return result

        setattr(watched.owner, watched.name, wrapped)

    for watched in WATCHED:
        watch(watched)
    if after:
        threading.Timer(after, os.kill, (os.getpid(), signal.SIGKILL)).start()
    os.dup2(os.open(count.with_name("errors"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    torch.set_num_threads(1)
    STAGES[stage](made, out)
    count.write_text(str(events))
    os._exit(0)
