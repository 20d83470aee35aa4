"""The matrix of ablations: train what is missing, keep the scores of every training, one row a video.

    python -m semdf.pipeline.ablations              # as in the block `ablate` of params.yaml
    python -m semdf.pipeline.ablations --missing    # what is still to be trained
    python -m semdf.pipeline.ablations --minutes 45 # start no training after so many minutes, then write what is done

The name of a run stands for one change or several, joined by +: `binary+pretrained`. Two names with one meaning are
trained once. Each training leaves its scores in a folder of its own, named by a digest of configuration, code and
inputs, so an interrupted matrix goes on where it stopped. Nothing is chosen by the scores of test sets.
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
from typing import Any, NamedTuple

import pandas as pd
from tqdm import tqdm

from semdf import params
from semdf.ablation.one_training import Data, Job, perform
from semdf.artifacts import digest, read_json, read_table, write_json, write_table
from semdf.dependencies import sources
from semdf.errors import MissingError, ParameterError
from semdf.forging.presets import choose
from semdf.training.runs import Config, Crop, configure, weights_of

__all__ = [
    "DATA",
    "DEFAULT",
    "Description",
    "Tables",
    "collect",
    "describe",
    "expansion",
    "forge",
    "jobs",
    "matrix",
    "train_missing",
    "write",
]

#: Part of a run's name -> fields of `Data`.
DATA: dict[str, dict[str, Any]] = {
    "without_Deepfakes": {"without": ("Deepfakes",), "main": ("FaceForensics++: Deepfakes",)},
    "without_Face2Face": {"without": ("Face2Face",), "main": ("FaceForensics++: Face2Face",)},
    "without_FaceSwap": {"without": ("FaceSwap",), "main": ("FaceForensics++: FaceSwap",)},
    "without_NeuralTextures": {"without": ("NeuralTextures",), "main": ("FaceForensics++: NeuralTextures",)},
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


class Description(NamedTuple):
    """What the name of a run stands for: what is trained and how, and on which data."""

    config: Config
    data: Data


class Tables(NamedTuple):
    """Of all trainings that are done: a row a video with its scores, and a row an epoch with losses and weights."""

    scores: pd.DataFrame
    curves: pd.DataFrame


def describe(
    run: str, seed: int, train: Mapping[str, Any], crop: Crop, default: Mapping[str, Any] | None = None
) -> Description:
    """Configuration and data of a run by its name.

    What is trained on FFSC sees no forgeries: its hierarchy has no attribute that says that a region was blended.

    Args:
        train: The block `train` with the changes of the matrix.
        default: The block without them, for runs with the part `DEFAULT`.

    Raises:
        ParameterError: Unknown parts, or parts that contradict each other or change nothing.
    """
    parts = run.split("+")
    if DEFAULT in parts:
        if default is None or default == train:
            raise ParameterError(
                f"run {run!r}: {DEFAULT} must leave out changes of the block train, found none of them"
            )
        parts.remove(DEFAULT)
        train = default
    of_data = [part for part in parts if part in DATA]
    rest = [part for part in parts if part not in DATA]
    data = _data(run, of_data)
    train = dict(train)
    if data.dataset == "FFSC":
        train["hierarchy"] = "ffsc"
        train["epochs"] = train["epochs"] * data.passes
        rest = [part for part in rest if part != "no_expansion"]
        rest.append("no_expansion")
    config = configure("+".join(rest) or "auto_lambda", seed, train, crop.model_dump())
    if data.expand and not config.variant.expanded:
        raise ParameterError(f"run {run!r}: must train on forgeries to have other ones, found none of them")
    return Description(config, data)


def _data(run: str, parts: Sequence[str]) -> Data:
    """What parts of the name of a run, all of them of `DATA`, make of the data together."""
    fields: dict[str, Any] = {}
    expand: dict[str, Any] = {}
    seen: set[str] = set()
    # the data set comes first, so that its test sets do not replace those of another part
    for part in sorted(parts, key=lambda part: "dataset" not in DATA[part]):
        changed = dict(DATA[part])
        forgeries = changed.pop("expand", {})
        named = {*changed, *forgeries} - {"main", "passes"}
        if again := sorted(seen & named):
            raise ParameterError(f"run {run!r}: must set each field once, found {again[0]} again in {part}")
        seen |= named
        fields.update(changed)
        expand.update(forgeries)
    data = Data(**fields, expand=expand)
    if data.without and not data.main[0].startswith(data.dataset):
        raise ParameterError(f"run {run!r}: must leave out labels of {data.dataset}, found {', '.join(data.without)}")
    return data


def jobs(blocks: Mapping[str, Any], faces: Path, expanded: Path, work: Path) -> list[Job]:
    """All trainings of the matrix, seed by seed; the data of other expansions need not be there yet.

    Args:
        blocks: What `semdf.params.read` gives; of use are `ablate`, `train` and `expand`.
        faces: Folder of the faces, with a manifest.
        expanded: Folder of the usual forgeries, with a manifest.
        work: Folder for the results of the trainings, and for other forgeries.

    Raises:
        MissingError: Faces, forgeries or pretrained weights are missing.
        ParameterError: A change of the block `train` that is refused.
    """
    chosen = blocks["ablate"]
    default = blocks["train"].model_dump()
    train = params.check("train", {**default, **chosen.changes}).model_dump()
    crop = Crop(**read_json(faces / "crop.json"))
    inputs = (faces / "manifest.parquet", expanded / "manifest.parquet")
    for manifest in inputs:
        if not manifest.is_file():
            where = manifest.parent.name
            raise MissingError(f"matrix: must have a manifest in {where!r}, found none: run `make reproduce`")
    shards = sorted([*faces.rglob("*.tar"), *expanded.rglob("*.tar")])
    state = digest(*inputs, *shards, *_code(), chosen.frames)
    found = []
    for number, seed in enumerate(chosen.seeds):
        for run in _runs(chosen, number):
            config, data = describe(run, seed, train, crop, default)
            forgeries = expansion(data, blocks["expand"], state, work) if data.expand else expanded
            key = digest(config.model_dump(), asdict(data), forgeries.name, state, *_start(run, config))
            manifests = (inputs[0], forgeries / "manifest.parquet")
            found.append(Job(run, seed, config, data, manifests, inputs, chosen.frames, work / key))
    return found


def _runs(chosen: params.Ablate, number: int) -> list[str]:
    """The runs that are trained with the seed of this number; some groups have fewer seeds. Each run is there once."""
    runs: dict[str, None] = {}
    for name, members in chosen.groups.items():
        if number < chosen.fewer_seeds.get(name, len(chosen.seeds)):
            runs.update(dict.fromkeys(members))
    return list(runs)


def _start(run: str, config: Config) -> list[Path]:
    """The file of pretrained weights that a run starts from, if there is one.

    Raises:
        MissingError: The run needs such a file and it is not there.
    """
    start = weights_of(config.train)
    if start is None:
        return []
    if not start.is_file():
        raise MissingError(f"run {run!r}: weights must be at {start.name!r}, found none: dvc pull pretrain")
    return [start]


def _code() -> list[Path]:
    """The files that decide what a training computes, without those whose effect is in its configuration."""
    files = {*sources("ablation.one_training"), *sources("forging.expand")}
    return sorted(path for path in files if path.stem not in ("params", "errors", "artifacts", "intervals"))


def _settings(data: Data, block: params.Section) -> dict[str, Any]:
    """The block `expand` with the changes of a run."""
    return params.check("expand", {**block.model_dump(), **data.expand}).model_dump()


def expansion(data: Data, block: params.Section, state: str, work: Path) -> Path:
    """The folder of a run's own forgeries, whether or not they are there.

    Args:
        data: What the run is trained on.
        block: The block `expand`.
        state: Digest of inputs and code.
        work: The folder above.
    """
    return work / f"expanded-{digest(_settings(data, block), state)}"


def forge(job: Job, block: params.Section, workers: int, parser_weights: Path | None = None) -> None:
    """Make the forgeries of a run unless they are there: of the data set that it is trained on, with its settings.

    Args:
        job: The run.
        block: The block `expand`.
        workers: Processes that forge.
        parser_weights: As for `semdf.forging.sources.parser_for`.
    """
    from semdf.forging.expand import expand
    from semdf.forging.sources import parser_for

    source, out = job.manifests
    if out.is_file():
        return
    settings = _settings(job.data, block)
    choices = {name: settings[name] for name in ("regions", "pairing", "source", "colour", "blend", "mask")}
    preset = choose(settings["preset"], **choices)
    faces = read_table(source)
    faces = faces[(faces["dataset"] == job.data.dataset) & (faces["split"] == "train")]
    made = expand(
        faces,
        source.parent,
        out.parent,
        preset=preset,
        parser=parser_for(preset, faces, parser_weights),
        workers=workers,
        per_image=settings["per_image"],
        recompress=settings["recompress"],
        seed=settings["seed"],
    )
    write_table(made, out)


def train_missing(
    todo: Sequence[Job],
    blocks: Mapping[str, Any],
    *,
    minutes: float = float("inf"),
    parser_weights: Path | None = None,
) -> None:
    """Train what is not there yet, in as many processes as the parameters say; results do not depend on the order.

    Args:
        todo: The trainings, as `jobs` gives them.
        blocks: As for `jobs`.
        minutes: No training starts after so many.
        parser_weights: As for `semdf.forging.sources.parser_for`.
    """
    end = monotonic() + 60 * minutes
    processes = blocks["ablate"].processes
    waiting = list({job.folder: job for job in todo if not job.done}.values())
    if minutes > 0:
        for job in waiting:
            if job.data.expand:
                forge(job, blocks["expand"], processes, parser_weights)
    bar = tqdm(total=len(waiting), desc="trainings", mininterval=5)
    if processes > 1:
        _train_together(waiting, processes, end, bar)
        return
    while waiting and monotonic() < end:
        perform(waiting.pop(0))
        bar.update()


def _train_together(waiting: list[Job], processes: int, end: float, bar: tqdm) -> None:
    """Train in several processes at once; none starts after the time `end`. Jobs that start are taken off the list."""
    with bar, _quiet(), ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        running: dict[Future, Job] = {}
        while True:
            while waiting and len(running) < processes and monotonic() < end:
                job = waiting.pop(0)
                running[pool.submit(perform, job)] = job
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


def collect(todo: Sequence[Job]) -> Tables:
    """Scores and curves of the trainings that are done; each row starts with run and seed.

    Raises:
        MissingError: No training is done.
    """
    done = [job for job in todo if job.done]
    if not done:
        raise MissingError(
            "matrix: at least one training must be done, found none: run `python -m semdf.pipeline.ablations`"
        )
    return Tables(_joined(done, "scores.parquet"), _joined(done, "curve.parquet"))


def _joined(done: Sequence[Job], name: str) -> pd.DataFrame:
    """A table of every training, below one another, with run and seed."""
    parts = []
    for job in done:
        part = read_table(job.folder / name)
        part.insert(0, "run", job.run)
        part.insert(1, "seed", job.seed)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def matrix(todo: Sequence[Job], groups: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """What was run at which scale: groups with the runs that are done, and of every run its seeds and settings."""
    runs: dict[str, Any] = {}
    for job in todo:
        if not job.done:
            continue
        if job.run not in runs:
            runs[job.run] = _entry(job)
        runs[job.run]["seeds"].append(job.seed)
    kept = {}
    for name, members in groups.items():
        trained = [run for run in members if run in runs]
        if len(trained) > 1 and trained[0] == members[0]:  # the first one is what the others are compared with
            kept[name] = trained
    return {"groups": kept, "runs": runs}


def _entry(job: Job) -> dict[str, Any]:
    """The settings of a run that is done, still without seeds."""
    usual = asdict(Data())
    data = {"dataset": job.data.dataset}
    for name, value in asdict(job.data).items():
        if name not in ("main", "passes") and value != usual[name]:
            data[name] = value
    settings = job.config.model_dump()
    return {
        "objective": settings["objective"],
        "seeds": [],
        "steps": int(read_table(job.folder / "curve.parquet")["steps"].sum()),
        "main": list(job.data.main),
        "data": data,
        "train": settings["train"],
        "variant": settings["variant"],
    }


def write(todo: Sequence[Job], groups: Mapping[str, Sequence[str]], out: Path) -> None:
    """Write `scores.parquet`, `lambda.csv` and `matrix.json` of the trainings that are done."""
    tables = collect(todo)
    write_table(tables.scores, out / "scores.parquet")
    write_table(tables.curves, out / "lambda.csv")
    write_json(matrix(todo, groups), out / "matrix.json")
