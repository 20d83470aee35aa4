"""The numbers of docs/scale.md, from results.json: `python -m benchmarks.scale [--check]`.

The guide has a block for each function of BLOCKS, between the lines `<!-- name -->` and `<!-- /name -->`; only blocks
are written anew. A number whose row is not in results.json is written as UNKNOWN.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.record import read
from semdf.artifacts import atomic
from semdf.errors import DataError
from semdf.forging.donors import POOL
from semdf.pipeline import ROOT

__all__ = ["BLOCKS", "GUIDE", "SETS", "UNKNOWN", "Rates", "render"]

GUIDE = ROOT / "docs" / "scale.md"
UNKNOWN = "not measured yet"
FRAMES = 32  # of a video
SIDE = 317  # of a crop, pixels
MEASURED_SIDE = 112  # of the crops whose bytes were measured, pixels
BATCH = 8
#: A full HD picture has so many times the pixels of the benchmark's clip (1280 x 720).
FULL_HD = 1920 * 1080 / (1280 * 720)
FORGERIES = 3  # of each real crop of the training split
#: The worked example: all prices are assumed, and nobody's offer.
CORES = 400
CORE_HOUR = 0.04
GB_MONTH = 0.02
MONTHS = 1
#: The weightings whose training steps are shown.
TRAININGS = ("auto_lambda", "auto_lambda_late", "equal")


@dataclass(frozen=True)
class Size:
    """A data set.

    Attributes:
        videos: Their number.
        split: Crops of its training split, published or assumed.
        reals: Real crops among them.
    """

    videos: int
    split: int
    reals: int

    @property
    def crops(self) -> int:
        """Crops of all videos."""
        return self.videos * FRAMES


SETS = {
    "FaceForensics++ (1,000 originals, 4 x 1,000 fakes, one compression)": Size(
        videos=5_000, split=115_200, reals=23_040
    ),
    "DFDC (100,000 clips)": Size(videos=100_000, split=3_200_000, reals=640_000),
    "10^8 frames (3,125,000 clips)": Size(videos=3_125_000, split=100_000_000, reals=20_000_000),
}


class Rates:
    """Numbers of results.json; NaN where it has no such row."""

    def __init__(self, rows: Sequence[Mapping]) -> None:
        self.rows = {(row["name"], row["size"]): row for row in rows}

    def __call__(self, name: str, size: int, field: str = "seconds") -> float:
        """A field of the row of this name and size."""
        value = self.rows.get((name, size), {}).get(field)
        return math.nan if value is None else float(value)

    def machine(self, name: str, size: int) -> str:
        """The machine and, if it is known, the day of a measurement."""
        row = self.rows.get((name, size))
        if row is None:
            return ""
        return f"{row['machine']}; {row['date']}" if row.get("date") else row["machine"]

    def drawing(self, crops: int, name: str = "donors/nearest") -> float:
        """Seconds to draw a donor among so many crops.

        Between two measured sizes: on the straight line through their logarithms. Above the largest one: as long as
        there if donors are drawn from a pool, in proportion to the crops if from all of them (`donors/all`).
        """
        known = {size: row["seconds"] for (thing, size), row in self.rows.items() if thing == name}
        if not known:
            return math.nan
        sizes = np.array(sorted(known), float)
        costs = np.array([known[size] for size in sorted(known)])
        if crops >= sizes[-1]:
            factor = crops / sizes[-1] if name == "donors/all" else 1
            return float(costs[-1] * factor)
        return float(np.exp(np.interp(np.log(crops), np.log(sizes), np.log(costs))))

    def bytes_of(self, name: str) -> float:
        """Bytes of a picture of SIDE pixels: the measured bytes, in proportion to the number of pixels."""
        return self(f"disk/{name}", MEASURED_SIDE, "bytes") * (SIDE / MEASURED_SIDE) ** 2


def short(value: float, unit: str = "") -> str:
    """Three digits: 1420 -> "1,420", 0.20349 -> "0.203"; UNKNOWN for what is not a number."""
    return UNKNOWN if math.isnan(value) else f"{float(f'{value:.3g}'):,.10g} {unit}".rstrip()


def volume(number: float) -> str:
    """Bytes in the largest unit of which there is one at least."""
    if math.isnan(number):
        return UNKNOWN
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= size:
            return short(number / size, unit)
    return short(number, "bytes")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def rates(of: Rates) -> str:
    """What was measured, of which row, on which machine."""
    rows: list[list[str]] = []

    def seconds(what: str, unit: str, name: str, size: int) -> None:
        rows.append([what, short(of(name, size), unit), f"`{name}`, {size}", of.machine(name, size)])

    def stored(what: str, name: str, size: int) -> None:
        rows.append([what, volume(of(name, size, "bytes")), f"`{name}`, {size}", ""])

    clip = f"{FRAMES} of 300 frames of 1280 x 720, RetinaFace (MobileNet 0.25)"
    seconds(f"extraction, {clip} on frames shrunk to 640 px", "s a video and core", "extract/ours", FRAMES)
    seconds("the same, detection on full frames", "s a video and core", "extract/ours/full", FRAMES)
    seconds(f"a forgery, {SIDE} px crops, preset `sjedd`", "s on one core", "expand/sjedd", SIDE)
    what = f"reading a {SIDE} px crop and its skin tone, by which donors are chosen"
    seconds(what, "s on one core", "expand/skin_tone", SIDE)
    for power in (4, 6):
        what = f"drawing a donor for a crop of 10^{power}, of which a fifth are real, from the pool"
        seconds(what, "s on one core", "donors/nearest", 10**power)
    for power in (4, 6):
        seconds(f"the same among all of 10^{power}", "s on one core", "donors/all", 10**power)
    exponent = of("donors/all", 10**6, "exponent")
    rows.append(["exponent of that time, by sizes from 10^4 on", short(exponent), "`donors/all`", ""])
    seconds(f"scoring {FRAMES} crops, ViT-B/32", "s on two cores", "inference/ours", FRAMES)
    for name in TRAININGS:
        what = f"training step, ViT-B/32, batch {BATCH}, `{name}`"
        seconds(what, "s on two cores", f"step/{name}", BATCH)
    stored(f"a crop on disk, {MEASURED_SIDE} px PNG with its region map, in its tar", "disk/crop", MEASURED_SIDE)
    stored("a forgery with its mask, the same way", "disk/forgery", MEASURED_SIDE)
    stored("a row of a manifest", "disk/crop_row", 1)
    stored("a row of an expanded one", "disk/forgery_row", 1)
    return table(["what", "measured", "row, size", "machine"], rows)


def sizes(of: Rates) -> str:
    """What the data sets of SETS take."""

    def hours(seconds: Callable[[Size], float]) -> Callable[[Size], str]:
        return lambda s: short(seconds(s) / 3600)

    def tars(size: Size) -> float:
        return float(np.ceil(size.crops * of.bytes_of("crop") / 1e9))

    lines: dict[str, Callable[[Size], str]] = {
        "crops": lambda s: f"{s.crops:,}",
        "extraction, 640 px": hours(lambda s: s.videos * of("extract/ours", FRAMES)),
        "the same at 1920 x 1080, upper end": hours(lambda s: s.videos * of("extract/ours", FRAMES) * FULL_HD),
        "extraction, full frames": hours(lambda s: s.videos * of("extract/ours/full", FRAMES)),
        "crops on disk, PNG": lambda s: volume(s.crops * of.bytes_of("crop")),
        "tars of 1 GB, at least one a manipulation": lambda s: short(tars(s)),
        "manifest": lambda s: volume(s.crops * of("disk/crop_row", 1, "bytes")),
        "scoring all crops": hours(lambda s: 2 * s.crops / FRAMES * of("inference/ours", FRAMES)),
        "crops of the training split (published; assumed: all)": lambda s: f"{s.split:,}",
        "real ones among them, that are forged (assumed: one clip in five)": lambda s: f"{s.reals:,}",
        f"expansion, {FORGERIES} forgeries each": hours(lambda s: FORGERIES * s.reals * of("expand/sjedd", SIDE)),
        "the same, skin tones of the real ones": hours(lambda s: s.reals * of("expand/skin_tone", SIDE)),
        f"the same, drawing donors from pools of {POOL:,}": hours(lambda s: FORGERIES * s.reals * of.drawing(s.split)),
        "the same among all (not what is done)": hours(
            lambda s: FORGERIES * s.reals * of.drawing(s.split, "donors/all")
        ),
        "forgeries on disk, PNG and mask": lambda s: volume(FORGERIES * s.reals * of.bytes_of("forgery")),
        "file to train on the split and its forgeries from": lambda s: volume(held(s)),
    }
    rows = [[name, *(line(size) for size in SETS.values())] for name, line in lines.items()]
    return table(["", *SETS], rows)


def held(size: Size) -> float:
    """Bytes of the training split's crops and of their forgeries, decoded."""
    return (size.split + FORGERIES * size.reals) * SIDE**2 * 3


def training(of: Rates) -> str:
    """One epoch over the forged training crops of FaceForensics++."""
    fakes = 4 * 720 * FRAMES
    steps = fakes // (BATCH // 2)
    cells = [short(steps * of(f"step/{name}", BATCH) / 3600) for name in TRAININGS]
    lines = [
        f"One epoch over the {fakes:,} forged training crops of FaceForensics++ (720 x 4 x {FRAMES}), each beside",
        f"its source, batch {BATCH}: {steps:,} steps. Hours on two cores:",
        "",
        table(TRAININGS, [cells]),
    ]
    return "\n".join(lines)


def shards(of: Rates) -> str:
    """What a cluster of CORES makes of DFDC."""
    videos = SETS["DFDC (100,000 clips)"].videos
    shrunk = short(videos * of("extract/ours", FRAMES) / CORES / 60)
    full = short(videos * of("extract/ours/full", FRAMES) / CORES / 60)
    worker = volume(of("extract/ours", FRAMES, "peak_mb") * 1e6)
    lines = [
        f"With four workers a task, 100 tasks are {CORES} cores: if the file system delivers, DFDC takes them",
        f"{shrunk} minutes with detection at 640 px, {full} on full frames. Peak memory of one worker:",
        f"{worker} (`extract/ours`); the template asks for 8 GB for four.",
    ]
    return "\n".join(lines)


def example(of: Rates) -> str:
    """Price and time of 10^8 frames, at assumed prices."""
    size = SETS["10^8 frames (3,125,000 clips)"]
    forging = of("expand/sjedd", SIDE) + of.drawing(size.split)
    parts = {
        "extraction, 640 px": size.videos * of("extract/ours", FRAMES),
        "expansion, drawing donors included": FORGERIES * size.reals * forging,
        "scoring": 2 * size.crops / FRAMES * of("inference/ours", FRAMES),
    }
    hours = {name: seconds / 3600 for name, seconds in parts.items()}
    hours["all"] = sum(hours.values())
    rows = [[name, short(hour), short(hour / CORES), short(hour * CORE_HOUR)] for name, hour in hours.items()]
    disk = (size.crops * of.bytes_of("crop") + FORGERIES * size.reals * of.bytes_of("forgery")) / 1e9
    rows.append([f"{MONTHS} month of {volume(disk * 1e9)}", "", "", short(disk * MONTHS * GB_MONTH)])
    text = (
        f"*Example.* 10^8 frames on {CORES} cores, at assumed prices: {CORE_HOUR} a core-hour, {GB_MONTH} a GB-month "
        "(of any currency; no\noffer of anybody), as if all cores were always busy."
    )
    return f"{text}\n\n{table(['part', 'core-hours', 'hours of wall time', 'price'], rows)}"


BLOCKS: dict[str, Callable[[Rates], str]] = {
    "rates": rates,
    "sizes": sizes,
    "training": training,
    "shards": shards,
    "example": example,
}


def render(text: str, rows: Sequence[Mapping]) -> str:
    """The guide with every block written anew.

    Raises:
        DataError: A block is missing, stands twice or is unknown.
    """
    found = re.findall(r"^<!-- (\w+) -->$", text, re.M)
    if sorted(found) != sorted(BLOCKS):
        raise DataError(f"the guide must have one block of each of {sorted(BLOCKS)}, found {sorted(found)}")
    of = Rates(rows)
    for name, block in BLOCKS.items():
        start = f"<!-- {name} -->\n"
        end = f"\n<!-- /{name} -->"
        if end not in text:
            raise DataError(f"block {name!r} must end with {end.strip()!r}, found no such line")
        before, rest = text.split(start)
        after = rest.split(end, 1)[1]
        text = f"{before}{start}{block(of)}{end}{after}"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing, fail if the guide is not up to date")
    options = parser.parse_args()
    old = GUIDE.read_text()
    new = render(old, read())
    if options.check:
        sys.exit(0 if old == new else "docs/scale.md is not up to date: python -m benchmarks.scale")
    with atomic(GUIDE) as draft:
        Path(draft).write_text(new)


if __name__ == "__main__":
    main()
