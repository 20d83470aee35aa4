"""The miniature benchmarks in the official folder layouts.

Made by `python -m semdf.people.benchmarks --out data --seed 0`.
"""

import json
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import click
import cv2
import numpy as np
from tqdm import tqdm

from semdf import ROOT
from semdf.people.annotations import write_annotations
from semdf.people.camera import develop
from semdf.people.casting import draw_camera, draw_person
from semdf.people.distil import ensure_head
from semdf.people.forgeries import FORGERIES, Shown, draw_settings, paste
from semdf.people.motion import Clip, draw_clip
from semdf.people.parameters import Person, Scene
from semdf.people.plan import CELEB, FFPP, YOUTUBE, Counts, Job, celeb_jobs, ffpp_jobs, split_pairs
from semdf.people.readme import describe
from semdf.people.render import FULL, SIZE, Window, render
from semdf.people.video import write_video

__all__ = ["render_benchmarks"]

FRAMES = 8
MARGIN = 14  # pixels around the landmarks that a donor is rendered for
CRF = {FFPP: 18, CELEB: 20}
#: Words of the seeds: equal numbers never mean the same person, clip or forgery in two domains.
PEOPLE, CLIPS, SETTINGS = range(3)
DOMAINS = {FFPP: 1, CELEB: 2, YOUTUBE: 3}
CAMERAS = {
    FFPP: dict(noise=(0.003, 0.007), blur=(0.35, 0.6), cast=0.04),
    CELEB: dict(noise=(0.004, 0.010), blur=(0.45, 0.75), cast=0.07),
    YOUTUBE: dict(noise=(0.004, 0.010), blur=(0.45, 0.75), cast=0.07),
}


def _person(domain: str, seed: int, identity: int) -> Person:
    return draw_person(np.random.default_rng((seed, PEOPLE, DOMAINS[domain], identity)))


def _clip(domain: str, seed: int, identity: int, clip: int) -> Clip:
    rng = np.random.default_rng((seed, CLIPS, DOMAINS[domain], identity, clip))
    camera = draw_camera(rng, **CAMERAS[domain])
    return draw_clip(rng, FRAMES, camera, _person(domain, seed, identity))


def _show(scene: Scene, frame: int, window: Window = FULL) -> Shown:
    picture = render(scene, window)
    return Shown(develop(picture.light, scene.camera, frame), picture.regions, picture.landmarks)


def _window(target: Shown) -> Window:
    """The part of the frame in which a donor can be pasted: the landmarks and a margin."""
    low = np.clip(target.landmarks.min(0).astype(int) - MARGIN, 0, SIZE).tolist()
    high = np.clip(target.landmarks.max(0).astype(int) + MARGIN, 0, SIZE).tolist()
    return low[0], low[1], high[0], high[1]


def _donor_scene(method: str, target: Clip, source: Clip, frame: int) -> Scene:
    """What is pasted: another person in the target's place, or the target with the source's expression."""
    camera = replace(target.camera, seed=target.camera.seed + 1)
    if method in ("Face2Face", "NeuralTextures"):
        return target.scene(frame, expression=source.expressions[frame], camera=camera)
    person = replace(source.person, hair=target.person.hair, clothes=target.person.clothes)
    light = target.light
    if method == "FaceSwap":  # a graphics pipeline knows how strong the light is, not where it comes from
        light = replace(light, direction=source.light.direction, shadow=0.5 * light.shadow)
    return target.scene(frame, person=person, light=light, camera=camera)


def run_job(job: Job, root: Path) -> dict[str, np.ndarray]:
    """Render one job's videos below `root`; returns their annotations by member name."""
    cv2.setNumThreads(1)
    target = _clip(job.domain, job.seed, job.identity, job.clip)
    pristine = [_show(target.scene(frame), frame) for frame in range(len(target))]
    members = _store(job, root, job.path, pristine)
    donors: dict[str, list[Shown]] = {}
    for method, path, identity, clip in job.forgeries:
        source = _clip(job.domain, job.seed, identity, clip)
        kind = "reenactment" if method in ("Face2Face", "NeuralTextures") else path
        if kind not in donors:  # both reenactments paste from the same pictures
            donors[kind] = [
                _show(_donor_scene(method, target, source, i), i, _window(shown)) for i, shown in enumerate(pristine)
            ]
        words = DOMAINS[job.domain], job.identity, identity, clip, list(FORGERIES).index(method)
        settings = draw_settings(method, np.random.default_rng((job.seed, SETTINGS, *words)))
        results = [paste(method, a, b, settings) for a, b in zip(pristine, donors[kind], strict=True)]
        members |= _store(job, root, path, [shown for shown, _ in results])
        members[f"{path}/forged"] = np.stack([forged for _, forged in results])
    return members


def _store(job: Job, root: Path, path: str, shown: list[Shown]) -> dict[str, np.ndarray]:
    write_video(root / job.dataset / f"{path}.mp4", [one.image for one in shown], CRF[job.dataset])
    landmarks = np.stack([one.landmarks for one in shown])
    return {
        f"{path}/landmarks": (np.round(landmarks * 16) / 16).astype(np.float32),  # sixteenths compress well
        f"{path}/regions": np.stack([one.regions for one in shown]),
    }


def render_benchmarks(out: Path, counts: Counts, seed: int, workers: int = 2) -> None:
    """Render all into another folder and put it in place of `out` when it is whole."""
    out = Path(out).resolve()
    beside = ROOT / "scratch" if out.parent == ROOT else out.parent  # scratch/ is git-ignored
    part = beside / f".{out.name}.{os.getpid()}.part"
    ensure_head()
    jobs = [*ffpp_jobs(counts, seed), *celeb_jobs(counts, seed)]
    try:
        with ProcessPoolExecutor(workers) as pool:
            results = pool.map(run_job, jobs, [part] * len(jobs))
            done = list(tqdm(results, total=len(jobs), unit="person", desc="rendering"))
        for dataset in (FFPP, CELEB):
            own = [result for job, result in zip(jobs, done, strict=True) if job.dataset == dataset]
            members = {name: array for result in own for name, array in result.items()}
            write_annotations(part / "annotations" / f"{dataset}.npz", members)
        _write_lists(part, jobs, split_pairs(counts, seed))
        (part / "README.md").write_text(describe(part, seed, FRAMES, CRF))
        _put_in_place(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write_lists(root: Path, jobs: list[Job], splits: dict[str, list[list[str]]]) -> None:
    for split, pairs in splits.items():
        (root / FFPP / f"{split}.json").write_text(json.dumps(pairs, indent=1) + "\n")
    lines = []
    for job in jobs:
        if job.dataset == CELEB:
            lines += [f"1 {job.path}.mp4"] + [f"0 {path}.mp4" for _, path, _, _ in job.forgeries]
    (root / CELEB / "List_of_testing_videos.txt").write_text("\n".join(sorted(lines, reverse=True)) + "\n")


def _put_in_place(part: Path, out: Path) -> None:
    old = part.with_suffix(".old")
    if out.exists():
        out.rename(old)
    part.rename(out)
    shutil.rmtree(old, ignore_errors=True)


@click.command()
@click.option("--out", default="data", type=click.Path(path_type=Path), help="The folder to write.")
@click.option("--seed", default=0, help="Seed of everything.")
@click.option("--scale", default=1.0, help="Share of the full size, for trials.")
@click.option("--workers", default=2, help="Processes.")
def main(out: Path, seed: int, scale: float, workers: int) -> None:
    """Render the miniature benchmarks."""
    render_benchmarks(out, Counts().scaled(scale), seed, workers)


if __name__ == "__main__":
    main()
