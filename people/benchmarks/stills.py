"""Single pictures of many people with captions, regions and landmarks: what encoders and parsers learn from.

Made by `python -m people.benchmarks.stills --out data/people --seed 0`. The folder holds `stills.tar` (`<id>.jpg` and
`<id>.regions.png`, bits of `surface.Region`) and `manifest.parquet`, one row a picture.
"""

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields, replace
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import click
import cv2
import numpy as np
import pandas as pd
from tqdm import tqdm

from people.body.checks import Checked
from people.body.distil import ensure_head
from people.body.expressions import EXPRESSIONS, draw_expression
from people.body.parameters import YEARS, Expression, Person, Scene
from people.rendering.camera import develop
from people.rendering.render import render
from people.scenes.captions import describe, write
from people.scenes.casting import draw_camera, draw_light, draw_person, draw_pose
from semdf.artifacts import write_table
from semdf.errors import ParameterError
from semdf.storage.tars import ShardWriter

__all__ = ["CHANGES", "Still", "draw_stills", "render_stills"]

#: What differs from a person's first picture; the last two take turns.
CHANGES = ("none", "expression", "pose", "all", "age", "gender")
PER_PERSON = 5  # pictures
SHARES = {"train": 0.76, "val": 0.08, "test": 0.16}  # of the people
JPEG = (cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_OPTIMIZE, 1)
PNG = (cv2.IMWRITE_PNG_COMPRESSION, 9, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE)  # smallest for masks
CAPTIONS = 10  # sentences a picture
#: First word of the seeds, apart from those of the benchmarks: no still shows a person of theirs.
STILLS = 7


@dataclass(frozen=True, eq=False)
class Still:
    """A picture to be taken, and what is said of it."""

    identity: int
    change: str
    scene: Scene


def draw_stills(seed: int, identity: int) -> Iterator[Still]:
    """The pictures of one person: one, and others in which one thing or, but for the person, all is different."""
    rng = np.random.default_rng((seed, STILLS, identity))
    first = _sitting(rng, draw_person(rng))
    yield Still(identity, "none", first)
    shown = first.expression.name if isinstance(first.expression, Expression) else ""
    others = [name for name in EXPRESSIONS if name != shown]
    yield Still(identity, "expression", replace(first, expression=draw_expression(rng, str(rng.choice(others)))))
    yield Still(identity, "pose", replace(first, pose=_sitting(rng, first.person).pose))
    yield Still(identity, "all", _sitting(rng, first.person))
    change = CHANGES[4 + identity % 2]
    person = _older_or_younger(rng, first.person) if change == "age" else _other_gender(first.person)
    yield Still(identity, change, replace(first, person=person))


def _sitting(rng: np.random.Generator, person: Person) -> Scene:
    """A person before a camera, with any expression; half of the heads are turned."""
    expression = draw_expression(rng, str(rng.choice(list(EXPRESSIONS))))
    pose = draw_pose(rng)
    if rng.random() < 0.5:
        pose = replace(pose, yaw=float(rng.uniform(0.25, 0.6) * rng.choice([-1, 1])))
    camera = draw_camera(rng, noise=(0.002, 0.006), blur=(0.35, 0.8), cast=0.06)
    light = draw_light(rng)
    return Scene(person, expression, pose, light, camera, int(rng.integers(1 << 30)))


def _older_or_younger(rng: np.random.Generator, person: Person) -> Person:
    """The same person in other years, with the grey of that age."""
    years = rng.uniform(66, 82) if person.years < 45 else rng.uniform(18, 30)
    grey = float(np.clip((years - 42) / 28, 0, 1) * rng.uniform(0.3, 1.0))
    ages, in_years = YEARS
    age = float(np.interp(years, in_years, ages))
    return replace(person, age=age, hair=replace(person.hair, grey=grey))


def _other_gender(person: Person) -> Person:
    """The same person as the other gender, hair and all."""
    return replace(person, gender=1 - person.gender)


def _flatten(item: Checked, prefix: str = "") -> dict[str, Any]:
    """Every named parameter of a scene as a column: `person.hair.style`, `pose.yaw`, `expression` ..."""
    columns: dict[str, Any] = {}
    for field in fields(item):
        value = getattr(item, field.name)
        name = prefix + field.name
        if value is None:
            continue
        if isinstance(value, Checked):
            columns.update(_flatten(value, name + "."))
        elif isinstance(value, np.ndarray | tuple):
            columns[name] = np.round(np.asarray(value, np.float32).ravel(), 4)
        else:
            columns[name] = value
    return columns


class _Taken(NamedTuple):
    """A finished picture."""

    row: dict[str, Any]  # of the manifest
    jpeg: bytes
    regions: bytes  # a PNG


def _take(still: Still, size: int, seed: int, number: int) -> _Taken:
    """Render a picture and say ten sentences about it."""
    picture = render(still.scene, size=size)
    image = develop(picture.light, still.scene.camera)
    words = describe(still.scene)
    rng = np.random.default_rng((seed, STILLS, still.identity, number))
    sentences = [write(words, rng) for _ in range(CAPTIONS)]
    row = {
        "id": f"{still.identity:04d}-{number}",
        "identity": still.identity,
        "change": still.change,
        "caption": sentences[0],
        "captions": sentences,
        **words,
        "landmarks": (np.round(picture.landmarks * 16) / 16).astype(np.float32).ravel(),
        **{f"scene.{name}": value for name, value in _flatten(still.scene).items()},
    }
    jpeg = cv2.imencode(".jpg", image[..., ::-1], JPEG)[1]
    regions = cv2.imencode(".png", picture.regions, PNG)[1]
    return _Taken(row, jpeg.tobytes(), regions.tobytes())


def _person(seed: int, identity: int, count: int, size: int) -> list[_Taken]:
    """The first `count` pictures of one person."""
    cv2.setNumThreads(1)
    stills = list(draw_stills(seed, identity))[:count]
    return [_take(still, size, seed, number) for number, still in enumerate(stills)]


def _splits(people: int) -> list[str]:
    """The split of each person: shares of the people, in order (they are all drawn alike), at least one each."""
    val = max(1, round(SHARES["val"] * people))
    test = max(1, round(SHARES["test"] * people))
    return ["train"] * (people - val - test) + ["val"] * val + ["test"] * test


def render_stills(out: Path, count: int = 1850, seed: int = 0, size: int = 256, workers: int = 2) -> pd.DataFrame:
    """Render `count` pictures into another folder and put it in place of `out` when it is whole.

    The bytes depend on count, seed and size alone.

    Args:
        out: The folder.
        count: Of pictures, a multiple of 5.
        seed: Of everything.
        size: Side of the pictures, pixels.
        workers: Processes.

    Returns:
        The manifest.

    Raises:
        ParameterError: the count is below 15 or no multiple of 5.
    """
    if count < 3 * PER_PERSON or count % PER_PERSON:
        raise ParameterError(f"count: must be a multiple of {PER_PERSON} from {3 * PER_PERSON} on, found {count}")
    out = Path(out).resolve()
    people = count // PER_PERSON
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    ensure_head()
    rows: list[dict[str, Any]] = []
    try:
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool, ShardWriter(part / "stills.tar") as shard:
            results = pool.map(_person, repeat(seed), range(people), repeat(PER_PERSON), repeat(size), chunksize=2)
            for split, taken in tqdm(zip(_splits(people), results, strict=True), total=people, unit="person"):
                for still in taken:
                    name = still.row["id"]
                    shard.add(f"{name}.jpg", still.jpeg)
                    shard.add(f"{name}.regions.png", still.regions)
                    rows.append({"id": name, "identity": still.row["identity"], "split": split, **still.row})
        manifest = pd.DataFrame(rows)
        write_table(manifest, part / "manifest.parquet")
        old = part.with_suffix(".old")
        if out.exists():
            out.rename(old)
        part.rename(out)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return manifest


@click.command()
@click.option("--out", default="data/people", type=click.Path(path_type=Path), help="The folder to write.")
@click.option("--count", default=1850, help="How many pictures, five a person.")
@click.option("--seed", default=0, help="Seed of everything.")
@click.option("--size", default=256, help="Side of the pictures, pixels.")
@click.option("--workers", default=2, help="Processes.")
def main(out: Path, count: int, seed: int, size: int, workers: int) -> None:
    """Render captioned pictures of people."""
    render_stills(out, count, seed, size, workers)


if __name__ == "__main__":
    main()
