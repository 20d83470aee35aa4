"""One job of the benchmarks: a pristine video or picture, its forgeries, their annotations and provenance."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from people.benchmarks.annotations import write_annotations
from people.benchmarks.domains import CODECS, DOMAINS, SETTINGS, draw_target, seed_words, show
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

__all__ = ["ANNOTATIONS", "PROVENANCE", "Codec", "finish_job", "run_job"]

ANNOTATIONS, PROVENANCE = "annotations.npz", "provenance.json"
MARGIN = 14  # pixels around the landmarks that a pasted donor is rendered for


@dataclass(frozen=True)
class Codec:
    """How a pristine item and all that is made of it are stored. edge: pixels cut off each side (of pictures)."""

    crf: int
    quality: int
    chroma: str
    edge: int


def run_job(job: Job, root: Path) -> dict[str, np.ndarray]:
    """Render one job's files below `root`/<data set>; returns their annotations by member name."""
    return _run(job, root)[0]


def _run(job: Job, root: Path) -> tuple[dict[str, np.ndarray], list[dict]]:
    cv2.setNumThreads(1)
    target = draw_target(job.domain, job.seed, job.identity, job.clip)
    codec = _draw_codec(job)
    pristine = [show(job.domain, target.scene(frame), frame) for frame in range(len(target))]
    members, rows = {}, []
    if job.path:
        members |= _store(job, root, job.path, pristine, codec)
        rows.append(describe_pristine(job, target, codec))
    donors: dict[tuple, list[Shown]] = {}
    for forgery in job.forgeries:
        settings = _draw_settings(job, forgery)
        source = draw_target(forgery.domain, job.seed, forgery.identity, forgery.clip)
        kind = METHODS[forgery.method].donor, forgery.domain, forgery.identity, forgery.clip
        if kind not in donors or METHODS[forgery.method].area == "whole":  # both reenactments paste from one picture
            donors[kind] = _donors(job, forgery, target, source, pristine, settings)
        results = [forge(forgery.method, *pair, settings) for pair in zip(pristine, donors[kind], strict=True)]
        members |= _store(job, root, forgery.path, [shown for shown, _ in results], codec)
        altered = np.stack([_cut(altered, codec.edge) for _, altered in results])
        members[f"{_key(forgery.path)}/forged"] = altered
        donor = donor_scene(METHODS[forgery.method].donor, target, source, 0, settings.seed)
        rows.append(describe_forgery(job, forgery, donor, settings, codec))
    return members, rows


def _draw_codec(job: Job) -> Codec:
    place = DOMAINS[job.domain]
    rng = np.random.default_rng(seed_words(job.domain, job.seed, CODECS, job.identity, job.clip))
    low, high = place.quality or (95, 95)
    crf, quality = int(rng.integers(place.crf[0], place.crf[1] + 1)), int(rng.integers(low, high + 1))
    return Codec(crf, quality, place.chroma, place.edge)


def _draw_settings(job: Job, forgery: Forgery) -> Settings:
    numbers = job.identity, job.clip, DOMAINS[forgery.domain].word, forgery.identity, forgery.clip
    words = *numbers, list(METHODS).index(forgery.method)
    return draw_settings(forgery.method, np.random.default_rng(seed_words(job.domain, job.seed, SETTINGS, *words)))


def _donors(
    job: Job, forgery: Forgery, target: Clip, source: Clip, pristine: list[Shown], settings: Settings
) -> list[Shown]:
    """The donor pictures; only the part that can be pasted is rendered."""
    recipe, shown = METHODS[forgery.method], []
    for frame, own in enumerate(pristine):
        scene = donor_scene(recipe.donor, target, source, frame, settings.seed)
        window = None if recipe.area == "whole" else _window(own)
        shown.append(show(job.domain, scene, frame, window))
    return shown


def _window(target: Shown) -> Window:
    """The part of the frame in which a donor can be pasted: the landmarks and a margin."""
    low = np.clip(target.landmarks.min(0).astype(int) - MARGIN, 0, SIZE).tolist()
    high = np.clip(target.landmarks.max(0).astype(int) + MARGIN, 0, SIZE).tolist()
    return low[0], low[1], high[0], high[1]


def _store(job: Job, root: Path, path: str, shown: list[Shown], codec: Codec) -> dict[str, np.ndarray]:
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
    return np.ascontiguousarray(picture[edge : len(picture) - edge, edge : len(picture) - edge])


def _key(path: str) -> str:
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
        members, rows = _run(job, unfinished / "files")
        write_annotations(unfinished / ANNOTATIONS, members)
        with atomic(unfinished / PROVENANCE) as temporary:
            temporary.write_text(json.dumps(rows))
        os.replace(unfinished, done)
        return sum(len(array) for name, array in members.items() if name.endswith("/landmarks"))
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
