"""The matrix of ablations: train what is missing, keep the scores of every training, one row a video.

    python -m semdf.ablation.matrix              # as in the block `ablate` of params.yaml
    python -m semdf.ablation.matrix --missing    # what is still to be trained
    python -m semdf.ablation.matrix --minutes 45 # start no training after so many minutes, then write what is done

A name stands for one change or several, joined by +: `binary+pretrained`. Two names with one meaning are trained once.
Each training leaves its scores in scratch/ablate/, under a digest of configuration, code and inputs, so an
interrupted matrix goes on where it stopped. Nothing is chosen here: test sets are scored, not looked at.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from time import monotonic
from typing import Any

import pandas as pd
from tqdm import tqdm

from semdf import params
from semdf.ablation.one_training import Data, Job, perform
from semdf.artifacts import digest, read_json, read_table, write_json, write_table
from semdf.dependencies import sources
from semdf.errors import MissingError, ParameterError
from semdf.forging.presets import choose
from semdf.training.runs import Config, Crop, configure, weights_of

__all__ = ["DATA", "DEFAULT", "collect", "describe", "forge", "jobs", "matrix", "train_missing", "write"]


#: Part of a run's name -> fields of `Data`.
DATA: dict[str, dict[str, Any]] = {
    **{
        f"without_{name}": {"without": (name,), "main": (f"FaceForensics++: {name}",)}
        for name in ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
    },
    "quarter": {"share": 0.25},
    "fake_source": {"expand": {"source": "fake"}},
    "random_pairing": {"expand": {"pairing": "random"}},
    "sladd": {"expand": {"preset": "sladd"}},
    "self_blended": {"expand": {"preset": "self_blended"}},
    "poisson": {"expand": {"blend": "poisson"}},
    "laplacian": {"expand": {"blend": "laplacian"}},
    "recompressed": {"expand": {"recompress": [60, 95]}},
    "ffsc": {"dataset": "FFSC", "main": ("FFSC",), "passes": 4},
    "without_age": {"without": ("age",), "main": ("FFSC: HFGI-age",)},
    "without_expression": {"without": ("smile", "surprise"), "main": ("FFSC: HFGI-smile",)},
    "without_gender": {"without": ("gender",), "main": ("FFSC: StyleCLIP-gender",)},
    "without_identity": {"without": ("identity",), "main": ("FFSC: InfoSwap",)},
    "without_pose": {"without": ("pose",), "main": ("FFSC: FNeVR",)},
}

#: Part of a run's name that takes the block `train` as it is, without the changes of the matrix: the default training.
DEFAULT = "default"


def describe(
    run: str, seed: int, train: Mapping[str, Any], crop: Crop, default: Mapping[str, Any] | None = None
) -> tuple[Config, Data]:
    """Configuration and data of a run by its name.

    What is trained on FFSC sees no forgeries: in its hierarchy a blended region has no reason.

    Args:
        train: The block `train` with the changes of the matrix.
        default: The block without them, for runs with the part `DEFAULT`.

    Raises:
        ParameterError: unknown parts, or parts that contradict each other or change nothing.
    """
    parts = run.split("+")
    if DEFAULT in parts:
        if default is None or default == train:
            raise ParameterError(
                f"run {run!r}: {DEFAULT} must leave out changes of the block train, found none of them"
            )
        parts.remove(DEFAULT)
        train = default
    data = _data(run, sorted((p for p in parts if p in DATA), key=lambda p: "dataset" not in DATA[p]))
    train, rest = dict(train), [p for p in parts if p not in DATA]
    if data.dataset == "FFSC":
        train |= {"hierarchy": "ffsc", "epochs": train["epochs"] * data.passes}
        rest = [*(p for p in rest if p != "no_expansion"), "no_expansion"]
    config = configure("+".join(rest) or "auto_lambda", seed, train, crop.model_dump())
    if data.expand and not config.variant.expanded:
        raise ParameterError(f"run {run!r}: must train on forgeries to have other ones, found none of them")
    return config, data


def _data(run: str, parts: Sequence[str]) -> Data:
    """What these names make of the data together, the data set's own name first."""
    data = Data()
    seen: set[str] = set()
    for part in parts:
        expand = DATA[part].get("expand", {})
        fields = {*DATA[part], *expand} - {"expand", "main", "passes"}
        if again := sorted(seen & fields):
            raise ParameterError(f"run {run!r}: must set each field once, found {again[0]} again in {part}")
        seen |= fields
        data = Data(**{**asdict(data), **DATA[part], "expand": {**data.expand, **expand}})
    if data.without and not data.main[0].startswith(data.dataset):
        raise ParameterError(f"run {run!r}: must leave out labels of {data.dataset}, found {', '.join(data.without)}")
    return data


def jobs(blocks: Mapping[str, Any], faces: Path, expanded: Path, work: Path) -> list[Job]:
    """All trainings of the matrix, seed by seed; the data of other expansions need not be there yet.

    Args:
        blocks: What `semdf.params.read` gives; of use are `ablate`, `train` and `expand`.
        faces, expanded: Folders with a manifest each.

    Raises:
        MissingError: faces, forgeries or pretrained weights are missing.
        ParameterError: a change of the block `train` that is refused.
    """
    chosen = blocks["ablate"]
    default = blocks["train"].model_dump()
    train = params.check("train", default | chosen.changes).model_dump()
    crop = Crop(**read_json(faces / "crop.json"))
    inputs = faces / "manifest.parquet", expanded / "manifest.parquet"
    if missing := [path for path in inputs if not path.is_file()]:
        raise MissingError(f"matrix: manifest expected in {missing[0].parent.name!r}, found none: run `make reproduce`")
    shards = sorted(path for path in (*faces.rglob("*.tar"), *expanded.rglob("*.tar")))
    state = digest(*inputs, *shards, *_code(), chosen.frames)
    found = []
    for number, seed in enumerate(chosen.seeds):
        wanted = [name for name in chosen.groups if number < chosen.fewer_seeds.get(name, len(chosen.seeds))]
        members = [run for name in wanted for run in chosen.groups[name]]
        for run in dict.fromkeys(members):
            config, data = describe(run, seed, train, crop, default)
            own = expansion(data, blocks["expand"], state, work) if data.expand else expanded
            start = weights_of(config.train)
            if start and not start.is_file():
                raise MissingError(f"run {run!r}: weights expected at {start.name!r}, found none: dvc pull pretrain")
            key = digest(config.model_dump(), asdict(data), own.name, state, *([start] if start else []))
            folders = (faces / "manifest.parquet", own / "manifest.parquet")
            found.append(Job(run, seed, config, data, folders, inputs, chosen.frames, work / key))
    return found


def _code() -> list[Path]:
    """The files that decide what a training computes, without those whose effect is in its configuration."""
    files = {*sources("ablation.one_training"), *sources("forging.expand")}
    return sorted(path for path in files if path.stem not in ("params", "errors", "artifacts", "intervals"))


def expansion(data: Data, block: params.Section, state: str, work: Path) -> Path:
    """The folder of a run's own forgeries, whether or not they are there."""
    settings = params.check("expand", block.model_dump() | dict(data.expand)).model_dump()
    return work / f"expanded-{digest(settings, state)}"


def forge(job: Job, block: params.Section, workers: int) -> None:
    """Make the forgeries of a run unless they are there: of the data set that it is trained on, with its settings."""
    from semdf.forging.expand import expand
    from semdf.forging.sources import parser_for

    out = job.manifests[1]
    if out.is_file():
        return
    settings = params.check("expand", block.model_dump() | dict(job.data.expand)).model_dump()
    choices = {k: settings[k] for k in ("regions", "pairing", "source", "colour", "blend", "mask")}
    preset = choose(settings["preset"], **choices)
    faces = read_table(job.manifests[0])
    faces = faces[(faces["dataset"] == job.data.dataset) & (faces["split"] == "train")]
    rest = {k: settings[k] for k in ("per_image", "recompress", "seed")}
    parser = parser_for(preset, faces)
    made = expand(faces, job.manifests[0].parent, out.parent, preset=preset, parser=parser, workers=workers, **rest)
    write_table(made, out)


def train_missing(todo: Sequence[Job], blocks: Mapping[str, Any], *, minutes: float = float("inf")) -> None:
    """Train what is not there yet, in as many processes as the parameters say; results do not depend on the order.

    minutes: no training starts after so many.
    """
    end, processes = monotonic() + 60 * minutes, blocks["ablate"].processes
    ordered = list({job.folder: job for job in todo if not job.done}.values())
    for job in ordered if minutes > 0 else []:
        if job.data.expand:
            forge(job, blocks["expand"], processes)
    bar = tqdm(total=len(ordered), desc="trainings", mininterval=5)
    if processes == 1:
        while ordered and monotonic() < end:
            perform(ordered.pop(0))
            bar.update()
        return
    with bar, _quiet(), ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        running: dict[Future, Job] = {}
        while True:
            while ordered and len(running) < processes and monotonic() < end:
                running[pool.submit(perform, job := ordered.pop(0))] = job
            if not running:
                return
            first = next(as_completed(running))
            job = running.pop(first)
            if error := first.exception():
                error.add_note(f"run {job.run!r}, seed {job.seed}")
                raise error
            bar.update()


@contextmanager
def _quiet() -> Iterator[None]:
    """Processes that start meanwhile draw no bars of their own."""
    before = os.environ.get("TQDM_DISABLE")
    os.environ["TQDM_DISABLE"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["TQDM_DISABLE"]
        else:
            os.environ["TQDM_DISABLE"] = before


def collect(done: Sequence[Job]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores (run, seed and a row a video) and curves (run, seed and a row an epoch) of the trainings that are done."""
    tables = []
    for name in ("scores.parquet", "curve.parquet"):
        parts = [read_table(j.folder / name).assign(run=j.run, seed=j.seed) for j in done if j.done]
        if not parts:
            raise MissingError(
                "matrix: at least one training must be done, found none: run `python -m semdf.ablation.matrix`"
            )
        table = pd.concat(parts, ignore_index=True)
        tables.append(table[["run", "seed", *(c for c in table if c not in ("run", "seed"))]])
    return tables[0], tables[1]


def matrix(todo: Sequence[Job], groups: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """What was run at which scale: groups with the runs that are done, and of every run its seeds and settings."""
    runs: dict[str, Any] = {}
    usual = asdict(Data())
    for job in (j for j in todo if j.done):
        plain, changed = job.config.model_dump(), {k: v for k, v in asdict(job.data).items() if v != usual[k]}
        entry = {
            "objective": plain["objective"],
            "seeds": [],
            "steps": int(read_table(job.folder / "curve.parquet")["steps"].sum()),
            "main": list(job.data.main),
            "data": {"dataset": job.data.dataset} | {k: v for k, v in changed.items() if k not in ("main", "passes")},
            "train": plain["train"],
            "variant": plain["variant"],
        }
        runs.setdefault(job.run, entry)["seeds"].append(job.seed)
    kept = {name: [run for run in members if run in runs] for name, members in groups.items()}
    kept = {name: members for name, members in kept.items() if len(members) > 1 and members[0] == groups[name][0]}
    return {"groups": kept, "runs": runs}


def write(todo: Sequence[Job], groups: Mapping[str, Sequence[str]], out: Path) -> None:
    """Write `scores.parquet`, `lambda.csv` and `matrix.json` of the trainings that are done."""
    scores, curves = collect(todo)
    write_table(scores, out / "scores.parquet")
    write_table(curves, out / "lambda.csv")
    write_json(matrix(todo, groups), out / "matrix.json")
