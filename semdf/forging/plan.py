"""Which pictures an expansion makes, each from which crops: the regions, the donors and the seeds, drawn by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from semdf.forging.donors import Donors, skin_tone, stream
from semdf.forging.presets import Preset
from semdf.storage.tars import read_image

__all__ = ["Job", "Parser", "parsed", "plan"]

#: Crops that are parsed at once.
BATCH = 32


class Parser(Protocol):
    """Finds the regions of faces."""

    def parse(self, images: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        """Region maps `[H, W]` uint8 (`semdf.faces.crops.REGION_BITS`) of crops `[H, W, 3]` uint8."""

    def fingerprint(self) -> str:
        """What the maps depend on besides the crops; asked for by shards alone."""


class Job(NamedTuple):
    """One picture to make. target, donor: rows of the manifest, donor None if there is none; region: "" for a copy.

    number: how often the region came before for this crop. quality: of the JPEG, 0 for none. maps: parsed regions.
    """

    target: dict
    donor: dict | None
    region: str
    number: int
    seed: list[int]
    quality: int
    maps: tuple[np.ndarray, np.ndarray] | None = None


def plan(
    usable: pd.DataFrame, root: Path, preset: Preset, per_image: int, recompress: tuple[int, ...], seed: int,
    shard: tuple[int, int],
) -> list[Job]:  # fmt: skip
    """The pictures of a shard (i, n), every n-th from the i-th on, in the order in which all are written: by data set
    and region.

    usable: rows of a manifest, status "ok" only. What is drawn for a crop depends on its name and on the donors there
    are, not on the shard: donors are drawn for the shard's crops alone.
    """
    rows, settings = usable.to_dict("records"), (preset.regions, per_image, recompress, seed)
    places = []
    for number in map(int, np.flatnonzero(usable["label"] == "real")):
        names, *_ = _drawn(rows[number]["sample"], *settings)
        each = [*([(-1, "")] if recompress else []), *enumerate(names)]
        places += [(rows[number]["dataset"], region, number, place) for place, region in each]
    places = sorted(places)[shard[0] :: shard[1]]
    last: dict[int, int] = {}
    for *_, number, place in places:
        last[number] = max(place, last.get(number, -1))
    tones: Any = _Tones(rows, root) if preset.pairing in ("nearest", "pose") else None
    donors, drawn = Donors(usable, tones, preset.pairing, preset.source), {}
    for number, place in last.items():
        names, quality, random = _drawn(rows[number]["sample"], *settings)
        drawn[number] = names, quality, [donors.draw(number, random) for _ in names[: place + 1]]
    jobs = []
    for _, region, number, place in places:
        names, quality, givers = drawn[number]
        if place < 0:
            jobs.append(Job(rows[number], None, "", 0, [], quality))
            continue
        again, giver = names[:place].count(region), givers[place]
        own = stream(seed, rows[number]["sample"], region, *([str(again)] if again else []))
        jobs.append(Job(rows[number], None if giver is None else rows[giver], region, again, own, quality))
    return jobs


def _drawn(
    name: str, regions: Sequence[str], per_image: int, recompress: tuple[int, ...], seed: int
) -> tuple[list[str], int, np.random.Generator]:
    """The regions to forge in the crop of this name, sorted; the quality of its JPEGs; the source of further chance."""
    random = np.random.default_rng(stream(seed, name))
    drawn = [region for _ in range(-(-per_image // len(regions))) for region in random.permutation(regions)]
    quality = int(random.integers(recompress[0], recompress[1] + 1)) if recompress else 0
    return sorted(str(region) for region in drawn[:per_image]), quality, random


class _Tones:
    """Skin tones `[n, 3]` of the crops of all rows; a crop is read when its tone is first asked for."""

    def __init__(self, rows: list[dict], root: Path) -> None:
        self.rows, self.root = rows, root
        self.table = np.full((len(rows), 3), np.nan, np.float32)

    def __getitem__(self, numbers: np.ndarray | int) -> np.ndarray:
        for number in np.ravel(numbers):
            if np.isnan(self.table[number, 0]):
                row = self.rows[number]
                points = np.reshape(row["landmarks"], (-1, 2))
                self.table[number] = skin_tone(read_image(self.root, row["shard"], row["member"]), points)
        return self.table[numbers]


def parsed(jobs: list[Job], root: Path, preset: Preset, parser: Parser | None) -> list[Job]:
    """The jobs with region maps, if the preset needs them and there is a parser."""
    if parser is None or preset.options.mask != "regions":
        return jobs
    faces = {row["sample"]: row for job in jobs if job.donor for row in (job.target, job.donor)}
    maps: dict[str, np.ndarray] = {}
    names = list(faces)
    for start in range(0, len(names), BATCH):
        some = names[start : start + BATCH]
        images = [read_image(root, faces[name]["shard"], faces[name]["member"]) for name in some]
        maps |= dict(zip(some, parser.parse(images), strict=True))
    return [j._replace(maps=(maps[j.target["sample"]], maps[j.donor["sample"]])) if j.donor else j for j in jobs]
