"""Which pictures an expansion makes, each from which crops: the regions, the donors and the seeds, drawn by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd

from semdf.errors import ParameterError
from semdf.forging.crops import Crops
from semdf.forging.donors import Donors, skin_tone, stream
from semdf.forging.presets import Preset, Seen
from semdf.storage.tars import read_image

__all__ = ["Job", "Maps", "Parser", "Recipe", "View", "parsed", "plan"]

#: Crops that are parsed at once.
BATCH = 32

#: The place of a crop's compressed copy, before its forgeries, whose places are 0, 1, 2 ...
COPY = -1


class Parser(Protocol):
    """Finds the regions of faces."""

    def parse(self, images: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        """Region maps `[H, W]` uint8 (`semdf.faces.crops.REGION_BITS`) of crops `[H, W, 3]` uint8."""

    def fingerprint(self) -> str:
        """What the maps depend on besides the crops; asked for by shards alone."""


@dataclass(frozen=True)
class Recipe:
    """What is made of every real crop: the arguments of these names of `semdf.forging.expand.expand`.

    Raises:
        ParameterError: A value out of range.
    """

    preset: Preset
    per_image: int = 1
    recompress: tuple[int, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if self.per_image < 1:
            raise ParameterError(f"per_image must be at least 1, found {self.per_image}")
        if self.recompress and self.preset.seen:
            raise ParameterError(
                f"recompress must be empty with the preset {self.preset.name!r}, which compresses by itself, "
                f"found {list(self.recompress)}"
            )
        if not self.recompress:
            return
        if len(self.recompress) != 2 or not 1 <= self.recompress[0] <= self.recompress[1] <= 100:
            raise ParameterError(f"recompress must be empty or a range within [1, 100], found {list(self.recompress)}")

    @property
    def pictures(self) -> int:
        """How many pictures are made of a crop: the forgeries, and a copy where they are compressed."""
        return self.per_image + self.copies

    @property
    def copies(self) -> bool:
        """Whether forgeries are seen otherwise than the crops, so that a copy that is seen alike is made of each."""
        return bool(self.recompress) or self.preset.seen is not None


class Maps(NamedTuple):
    """Parsed regions `[H, W]` uint8 of the two crops of a job."""

    target: np.ndarray
    donor: np.ndarray


class View(NamedTuple):
    """How the pictures made of a crop are stored; alike, so that none of it is a trace.

    Attributes:
        factor: To which crops are made smaller before anything is forged; they get their size back.
        first: Quality of a JPEG before that; 0 for none.
        second: Quality of the JPEG after it; 0 for none.
        sharpness: Amount of unsharp masking before the second JPEG; negative ones blur.
    """

    factor: float = 1.0
    first: int = 0
    second: int = 0
    sharpness: float = 0.0


class Job(NamedTuple):
    """One picture to make: a forgery, or a copy of a real crop that is stored as its forgeries are.

    Attributes:
        target: Row of the manifest.
        donor: Row of the manifest; None if there is none.
        region: What is forged; empty for a copy.
        number: How often the region came before for this crop.
        seed: Of everything that is random in the forgery.
        view: How it is stored; None as it is.
        maps: None where no parser was used.
    """

    target: dict
    donor: dict | None
    region: str
    number: int
    seed: list[int]
    view: View | None
    maps: Maps | None = None


class _Slot(NamedTuple):
    """A picture of the plan. Slots sort as the pictures are written: by data set and region, then by crop.

    Attributes:
        dataset: The crop's.
        region: What is forged; empty for a copy.
        crop: Number of the crop's row.
        place: Of the region among those that are drawn for the crop, or `COPY`.
    """

    dataset: str
    region: str
    crop: int
    place: int


class _Drawn(NamedTuple):
    """What is drawn for a crop first, by its name alone.

    Attributes:
        regions: To forge, sorted.
        view: How its pictures are stored; None as they are.
        random: What draws the donors, next.
    """

    regions: list[str]
    view: View | None
    random: np.random.Generator


def plan(crops: Crops, root: Path, recipe: Recipe, shard: tuple[int, int]) -> list[Job]:
    """The pictures of a shard in the order in which they are written.

    What is drawn for a crop depends on its name and on the possible donors, not on the shard. Donors are drawn for the
    shard's crops alone.

    Args:
        crops: The usable rows of a manifest.
        root: The manifest's folder.
        recipe: What is made of every real crop.
        shard: (i, n): every n-th picture from the i-th on.
    """
    first, step = shard
    slots = sorted(_slots(crops.rows, recipe))[first::step]
    last: dict[int, int] = {}
    for slot in slots:
        last[slot.crop] = max(slot.place, last.get(slot.crop, COPY))

    preset = recipe.preset
    tones = _Tones(crops, root) if preset.pairing in ("nearest", "pose") else None
    donors = Donors(crops.rows, tones, preset.pairing, preset.source, landmarks=crops.landmarks)
    rows = dict(zip(last, crops.records(list(last)), strict=True))
    drawn: dict[int, _Drawn] = {}
    givers: dict[int, list[int | None]] = {}
    for crop, place in last.items():
        drawn[crop] = _draw(rows[crop]["sample"], recipe)
        givers[crop] = [donors.draw(crop, drawn[crop].random) for _ in range(place + 1)]

    given = sorted({giver for some in givers.values() for giver in some if giver is not None} - set(rows))
    rows.update(zip(given, crops.records(given), strict=True))
    jobs = []
    for slot in slots:
        target = rows[slot.crop]
        view = drawn[slot.crop].view
        if slot.place == COPY:
            jobs.append(Job(target, None, "", 0, [], view))
            continue
        giver = givers[slot.crop][slot.place]
        donor = None if giver is None else rows[giver]
        before = drawn[slot.crop].regions[: slot.place].count(slot.region)
        names = [target["sample"], slot.region]
        if before:
            names.append(str(before))
        jobs.append(Job(target, donor, slot.region, before, stream(recipe.seed, *names), view))
    return jobs


def _slots(rows: pd.DataFrame, recipe: Recipe) -> Iterator[_Slot]:
    """All pictures that are made of the real crops, crop by crop."""
    real = rows.loc[rows["label"] == "real", ["dataset", "sample"]]
    for crop, dataset, sample in real.itertuples():
        if recipe.copies:
            yield _Slot(dataset, "", crop, COPY)
        for place, region in enumerate(_draw(sample, recipe).regions):
            yield _Slot(dataset, region, crop, place)


def _draw(name: str, recipe: Recipe) -> _Drawn:
    """What is drawn for the crop of this name."""
    random = np.random.default_rng(stream(recipe.seed, name))
    regions = recipe.preset.regions
    rounds = -(-recipe.per_image // len(regions))
    drawn = [str(region) for _ in range(rounds) for region in random.permutation(regions)]
    view = None
    if recipe.recompress:
        low, high = recipe.recompress
        view = View(second=int(random.integers(low, high + 1)))
    elif recipe.preset.seen:
        view = _draw_view(recipe.preset.seen, random)
    return _Drawn(sorted(drawn[: recipe.per_image]), view, random)


def _draw_view(seen: Seen, random: np.random.Generator) -> View:
    """How the pictures made of a crop are stored."""
    if random.random() < seen.untouched:
        return View()
    low, high = seen.quality
    factor = round(random.uniform(*seen.resolution), 4)
    first, second = random.integers(low, high + 1, 2)
    return View(factor, int(first), int(second), round(random.uniform(*seen.sharpness), 4))


class _Tones:
    """Skin tones `[n, 3]` of the crops of all rows; a crop is read when its tone is first asked for."""

    def __init__(self, crops: Crops, root: Path) -> None:
        self.crops = crops
        self.root = root
        self.table = np.full((len(crops), 3), np.nan, np.float32)

    def __getitem__(self, numbers: np.ndarray | int, /) -> np.ndarray:
        for number in np.ravel(numbers):
            if np.isnan(self.table[number, 0]):
                row = self.crops.records([number])[0]
                image = read_image(self.root, row["shard"], row["member"])
                self.table[number] = skin_tone(image, np.reshape(row["landmarks"], (-1, 2)))
        return self.table[numbers]


def parsed(jobs: list[Job], root: Path, preset: Preset, parser: Parser | None) -> list[Job]:
    """The jobs with region maps, if the preset needs them and there is a parser."""
    if parser is None or preset.options.mask != "regions":
        return jobs
    faces: dict[str, dict] = {}
    for job in jobs:
        if job.donor:
            faces[job.target["sample"]] = job.target
            faces[job.donor["sample"]] = job.donor
    maps: dict[str, np.ndarray] = {}
    samples = list(faces)
    for start in range(0, len(samples), BATCH):
        batch = samples[start : start + BATCH]
        images = [read_image(root, faces[sample]["shard"], faces[sample]["member"]) for sample in batch]
        maps.update(zip(batch, parser.parse(images), strict=True))
    return [_with_maps(job, maps) for job in jobs]


def _with_maps(job: Job, maps: dict[str, np.ndarray]) -> Job:
    if not job.donor:
        return job
    return job._replace(maps=Maps(maps[job.target["sample"]], maps[job.donor["sample"]]))
