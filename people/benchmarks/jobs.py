"""One job of the benchmarks: a pristine video or picture, its forgeries, their annotations and provenance."""

import json
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from people.benchmarks.annotations import write_annotations
from people.benchmarks.domains import CODECS, DOMAINS, SETTINGS, Codec, draw_target, seed_words, show
from people.benchmarks.donors import donor_scene
from people.benchmarks.pictures import write_picture
from people.benchmarks.plan import Forgery, Job
from people.benchmarks.provenance import describe_forgery, describe_pristine
from people.benchmarks.video import write_video
from people.forging.forgeries import Settings, Shown, draw_settings, forge
from people.forging.methods import METHODS
from people.rendering.render import SIZE, Window
from people.scenes.motion import Clip
from semdf.artifacts import atomic

__all__ = ["ANNOTATIONS", "PROVENANCE", "Made", "finish_job", "run_job"]

#: Files beside those of a finished job.
ANNOTATIONS = "annotations.npz"
PROVENANCE = "provenance.json"
MARGIN = 14  # pixels around the landmarks that a pasted donor is rendered for


class Made(NamedTuple):
    """What is known of a job's files."""

    members: dict[str, np.ndarray]  # annotations by member name
    rows: list[dict[str, Any]]  # of the provenance


def run_job(job: Job, root: Path) -> dict[str, np.ndarray]:
    """Render one job's files below `root`/<data set>; returns their annotations by member name."""
    return _run(job, root).members


def _run(job: Job, root: Path) -> Made:
    """Render one job's files below `root`/<data set>: the pristine one, then its forgeries."""
    cv2.setNumThreads(1)
    target = draw_target(job.domain, job.seed, job.identity, job.clip)
    codec = _draw_codec(job)
    pristine = [show(job.domain, target.scene(frame), frame) for frame in range(len(target))]
    members: dict[str, np.ndarray] = {}
    rows: list[dict[str, Any]] = []
    if job.path:
        members.update(_store(job, root, job.path, pristine, codec))
        rows.append(describe_pristine(job, target, codec))
    kept: dict[tuple[str, str, int, int], list[Shown]] = {}  # donor pictures, which reenactments share
    for forgery in job.forgeries:
        recipe = METHODS[forgery.method]
        settings = _draw_settings(job, forgery)
        source = draw_target(forgery.domain, job.seed, forgery.identity, forgery.clip)
        kind = (recipe.donor, forgery.domain, forgery.identity, forgery.clip)
        if kind not in kept or recipe.area == "whole":
            kept[kind] = _donors(job, forgery, target, source, pristine, settings)
        frames = [forge(forgery.method, own, donor, settings) for own, donor in zip(pristine, kept[kind], strict=True)]
        members.update(_store(job, root, forgery.path, [frame.shown for frame in frames], codec))
        members[f"{_key(forgery.path)}/forged"] = np.stack([_cut(frame.altered, codec.edge) for frame in frames])
        scene = donor_scene(recipe.donor, target, source, 0, settings.seed)
        rows.append(describe_forgery(job, forgery, scene, settings, codec))
    return Made(members, rows)


def _draw_codec(job: Job) -> Codec:
    """How a job's files are stored."""
    place = DOMAINS[job.domain]
    rng = np.random.default_rng(seed_words(job.domain, job.seed, CODECS, job.identity, job.clip))
    best, worst = place.crf
    crf = int(rng.integers(best, worst + 1))
    low, high = place.quality or (95, 95)
    quality = int(rng.integers(low, high + 1))
    return Codec(crf, quality, place.chroma, place.edge)


def _draw_settings(job: Job, forgery: Forgery) -> Settings:
    """Settings of a forgery, seeded by who is in it and how it is made."""
    words = (
        *(job.identity, job.clip),
        *(DOMAINS[forgery.domain].word, forgery.identity, forgery.clip),
        list(METHODS).index(forgery.method),
    )
    return draw_settings(forgery.method, np.random.default_rng(seed_words(job.domain, job.seed, SETTINGS, *words)))


def _donors(
    job: Job, forgery: Forgery, target: Clip, source: Clip, pristine: list[Shown], settings: Settings
) -> list[Shown]:
    """The donor pictures; only the part that can be pasted is rendered."""
    recipe = METHODS[forgery.method]
    shown = []
    for frame, own in enumerate(pristine):
        scene = donor_scene(recipe.donor, target, source, frame, settings.seed)
        window = None if recipe.area == "whole" else _window(own)
        shown.append(show(job.domain, scene, frame, window))
    return shown


def _window(target: Shown) -> Window:
    """The part of the frame in which a donor can be pasted: the landmarks and a margin."""
    left, top = np.clip(target.landmarks.min(0).astype(int) - MARGIN, 0, SIZE).tolist()
    right, bottom = np.clip(target.landmarks.max(0).astype(int) + MARGIN, 0, SIZE).tolist()
    return Window(left, top, right, bottom)


def _store(job: Job, root: Path, path: str, shown: list[Shown], codec: Codec) -> dict[str, np.ndarray]:
    """Write one file; returns its landmarks and regions by member name."""
    frames = [_cut(one.image, codec.edge) for one in shown]
    if DOMAINS[job.domain].still:
        write_picture(root / job.dataset / path, frames[0], codec.quality, codec.chroma)
    else:
        write_video(root / job.dataset / path, frames, codec.crf)
    landmarks = np.stack([one.landmarks for one in shown]) - np.float32(codec.edge)
    return {
        f"{_key(path)}/landmarks": (np.round(landmarks * 16) / 16).astype(np.float32),  # sixteenths compress well
        f"{_key(path)}/regions": np.stack([_cut(one.regions, codec.edge) for one in shown]),
    }


def _cut(picture: np.ndarray, edge: int) -> np.ndarray:
    """A square picture or map without `edge` pixels on each side."""
    return np.ascontiguousarray(picture[edge : len(picture) - edge, edge : len(picture) - edge])


def _key(path: str) -> str:
    """What the annotations of a file begin with."""
    return path.rsplit(".", 1)[0]


def finish_job(job: Job, parts: Path) -> int:
    """Render a job into folder `parts`/<name of the job>, which is there only when all of it is.

    The folder holds the files below `files/`, `annotations.npz` and `provenance.json`. Returns the number of
    pictures (frames) that were made.
    """
    done = parts / job.name
    unfinished = parts / f".{job.name}.{os.getpid()}.part"
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        made = _run(job, unfinished / "files")
        write_annotations(unfinished / ANNOTATIONS, made.members)
        with atomic(unfinished / PROVENANCE) as temporary:
            temporary.write_text(json.dumps(made.rows))
        os.replace(unfinished, done)
        return sum(len(array) for name, array in made.members.items() if name.endswith("/landmarks"))
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
