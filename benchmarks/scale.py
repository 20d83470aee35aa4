"""The numbers of docs/scale.md, from results.json: `python -m benchmarks.scale [--check]`.

Rewrites what stands between `<!-- name -->` and `<!-- /name -->`, and nothing else. A number whose row is not in
results.json is written as UNKNOWN.
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
FRAMES, SIDE, MEASURED_SIDE, BATCH = 32, 317, 112, 8
#: A full HD picture has so many times the pixels of the benchmark's clip (1280 x 720).
FULL_HD = 1920 * 1080 / (1280 * 720)
FORGERIES = 3  # of each real crop of the training split
#: The worked example (assumed, no offer of anybody): cores, price of a core-hour and of a GB-month, months.
CORES, CORE_HOUR, GB_MONTH, MONTHS = 400, 0.04, 0.02, 1


@dataclass(frozen=True)
class Size:
    """A data set: its videos; crops and real crops of its training split (published or assumed)."""

    videos: int
    split: int
    reals: int

    @property
    def crops(self) -> int:
        return self.videos * FRAMES


SETS = {
    "FaceForensics++ (1,000 originals, 4 x 1,000 fakes, one compression)": Size(5_000, 115_200, 23_040),
    "DFDC (100,000 clips)": Size(100_000, 3_200_000, 640_000),
    "10^8 frames (3,125,000 clips)": Size(3_125_000, 100_000_000, 20_000_000),
}


class Rates:
    """What results.json says; not a number where it has no such row."""

    def __init__(self, rows: Sequence[Mapping]) -> None:
        self.rows = {(row["name"], row["size"]): row for row in rows}

    def __call__(self, name: str, size: int, field: str = "seconds") -> float:
        value = self.rows.get((name, size), {}).get(field)
        return math.nan if value is None else float(value)

    def machine(self, name: str, size: int) -> str:
        """Machine and, if it is known, day."""
        row = self.rows.get((name, size))
        return "" if row is None else "; ".join(filter(None, (row["machine"], row.get("date"))))

    def drawing(self, crops: int, name: str = "donors/nearest") -> float:
        """Seconds to draw a donor among so many crops: between two measured sizes on the line through their logarithms;
        above the largest as long as there from the pool, in proportion among all of them (`donors/all`).
        """
        known = {size: row["seconds"] for (thing, size), row in self.rows.items() if thing == name}
        if not known:
            return math.nan
        sizes = np.array(sorted(known), float)
        costs = np.array([known[size] for size in sorted(known)])
        if crops >= sizes[-1]:
            return float(costs[-1] * (crops / sizes[-1] if name == "donors/all" else 1))
        return float(np.exp(np.interp(np.log(crops), np.log(sizes), np.log(costs))))

    def bytes_of(self, name: str) -> float:
        """Bytes of a picture of SIDE pixels: those measured, by the number of pixels."""
        return self(f"disk/{name}", MEASURED_SIDE, "bytes") * (SIDE / MEASURED_SIDE) ** 2


def short(value: float, unit: str = "") -> str:
    """Three digits: 1420 -> "1,420", 0.20349 -> "0.203"; UNKNOWN for what is not a number."""
    return UNKNOWN if math.isnan(value) else f"{float(f'{value:.3g}'):,.10g} {unit}".rstrip()


def volume(number: float) -> str:
    """Bytes in a unit that suits them."""
    unit, size = next((u, s) for u, s in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("bytes", 1)) if
                      math.isnan(number) or number >= s or s == 1)  # fmt: skip
    return short(number / size, unit)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def rates(of: Rates) -> str:
    """What was measured, of which row, on which machine."""
    clip = f"{FRAMES} of 300 frames of 1280 x 720, RetinaFace (MobileNet 0.25)"
    wanted: list[tuple[str, str, str, int]] = [
        (f"extraction, {clip} on frames shrunk to 640 px", "s a video and core", "extract/ours", FRAMES),
        ("the same, detection on full frames", "s a video and core", "extract/ours/full", FRAMES),
        (f"a forgery, {SIDE} px crops, preset `sjedd`", "s on one core", "expand/sjedd", SIDE),
        (f"reading a {SIDE} px crop and its skin tone, by which donors are chosen", "s on one core",
         "expand/skin_tone", SIDE),
        *((f"drawing a donor for a crop of 10^{k}, of which a fifth are real, from the pool", "s on one core",
           "donors/nearest", 10**k) for k in (4, 6)),
        *((f"the same among all of 10^{k}", "s on one core", "donors/all", 10**k) for k in (4, 6)),
        (f"scoring {FRAMES} crops, ViT-B/32", "s on two cores", "inference/ours", FRAMES),
        *((f"training step, ViT-B/32, batch {BATCH}, `{name}`", "s on two cores", f"step/{name}", BATCH)
          for name in ("auto_lambda", "auto_lambda_late", "equal")),
    ]  # fmt: skip
    rows = [[w, short(of(n, s), unit), f"`{n}`, {s}", of.machine(n, s)] for w, unit, n, s in wanted]
    stored = [
        (f"a crop on disk, {MEASURED_SIDE} px PNG with its region map, in its tar", "disk/crop", MEASURED_SIDE),
        ("a forgery with its mask, the same way", "disk/forgery", MEASURED_SIDE),
        ("a row of a manifest", "disk/crop_row", 1),
        ("a row of an expanded one", "disk/forgery_row", 1),
    ]
    rows += [[w, volume(of(n, s, "bytes")), f"`{n}`, {s}", ""] for w, n, s in stored]
    exponent = of("donors/all", 10**6, "exponent")
    rows.insert(8, ["exponent of that time, by sizes from 10^4 on", short(exponent), "`donors/all`", ""])
    return table(["what", "measured", "row, size", "machine"], rows)


def sizes(of: Rates) -> str:
    """What the data sets of SETS take."""

    def hours(seconds: Callable[[Size], float]) -> Callable[[Size], str]:
        return lambda s: short(seconds(s) / 3600)

    lines: dict[str, Callable[[Size], str]] = {
        "crops": lambda s: f"{s.crops:,}",
        "extraction, 640 px": hours(lambda s: s.videos * of("extract/ours", FRAMES)),
        "the same at 1920 x 1080, upper end": hours(lambda s: s.videos * of("extract/ours", FRAMES) * FULL_HD),
        "extraction, full frames": hours(lambda s: s.videos * of("extract/ours/full", FRAMES)),
        "crops on disk, PNG": lambda s: volume(s.crops * of.bytes_of("crop")),
        "tars of 1 GB, at least one a manipulation": lambda s: short(
            float(np.ceil(s.crops * of.bytes_of("crop") / 1e9))
        ),
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
    return table(["", *SETS], [[name, *map(line, SETS.values())] for name, line in lines.items()])


def held(size: Size) -> float:
    """Bytes of the training split's crops and of their forgeries, decoded."""
    return (size.split + FORGERIES * size.reals) * SIDE**2 * 3


def training(of: Rates) -> str:
    """One epoch over the forged training crops of FaceForensics++."""
    fakes = 4 * 720 * FRAMES
    steps = fakes // (BATCH // 2)
    names = ("auto_lambda", "auto_lambda_late", "equal")
    cells = [short(steps * of(f"step/{name}", BATCH) / 3600) for name in names]
    text = f"One epoch over the {fakes:,} forged training crops of FaceForensics++ (720 x 4 x {FRAMES}), each beside"
    return f"{text}\nits source, batch {BATCH}: {steps:,} steps. Hours on two cores:\n\n{table(names, [cells])}"


def shards(of: Rates) -> str:
    """What a cluster of CORES makes of DFDC."""
    videos = SETS["DFDC (100,000 clips)"].videos
    minutes = [short(videos * of(name, FRAMES) / CORES / 60) for name in ("extract/ours", "extract/ours/full")]
    worker = volume(of("extract/ours", FRAMES, "peak_mb") * 1e6)
    lines = [
        f"With four workers a task, 100 tasks are {CORES} cores: if the file system delivers, DFDC takes them",
        f"{minutes[0]} minutes with detection at 640 px, {minutes[1]} on full frames. Peak memory of one worker:",
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
    rows = [[n, short(h), short(h / CORES), short(h * CORE_HOUR)] for n, h in hours.items()]
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

    Raises DataError when a block is missing, stands twice or is unknown.
    """
    found = re.findall(r"^<!-- (\w+) -->$", text, re.M)
    if sorted(found) != sorted(BLOCKS):
        raise DataError(f"the guide must have one block of each of {sorted(BLOCKS)}, found {sorted(found)}")
    of = Rates(rows)
    for name, block in BLOCKS.items():
        start, end = f"<!-- {name} -->\n", f"\n<!-- /{name} -->"
        if end not in text:
            raise DataError(f"block {name!r} must end with {end.strip()!r}, found no such line")
        before, rest = text.split(start)
        text = f"{before}{start}{block(of)}{end}{rest.split(end, 1)[1]}"
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
