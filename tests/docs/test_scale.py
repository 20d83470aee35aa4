"""The guide to scale: what it names exists, its numbers are the benchmarks', its SLURM template does a shard."""

import math
import os
import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import record, scale
from semdf import params
from semdf.artifacts import read_json
from semdf.errors import DataError
from semdf.pipeline import ROOT, torchrun
from semdf.training import datasets

GUIDE = (ROOT / "docs" / "scale.md").read_text()
FOUND = {(row["name"], row["size"]): row for row in read_json(ROOT / "benchmarks" / "results.json")}
TEMPLATE = ROOT / "docs" / "slurm_extract.sbatch"


def call(tmp_path, *words: str, **variables: str) -> subprocess.CompletedProcess:
    """Run the template where `semdf` prints its words."""
    (tmp_path / "semdf").write_text('#!/bin/bash\nprintf "%s\\n" "$@"\n')
    (tmp_path / "semdf").chmod(0o755)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    return subprocess.run(["bash", TEMPLATE, *words], env=path | variables, capture_output=True, text=True)


def test_the_template_is_bash():
    assert subprocess.run(["bash", "-n", TEMPLATE]).returncode == 0


def test_a_task_does_its_shard(tmp_path):
    slurm = {"SLURM_ARRAY_TASK_ID": "7", "SLURM_CPUS_PER_TASK": "4", "SHARDS": "100"}
    done = call(tmp_path, "/data/a b", "/out", "dfdc", "--weights", "w", **slurm)
    assert done.stdout.splitlines() == [
        *("extract", "/data/a b", "/out", "--layout", "dfdc", "--workers", "4", "--shard", "7/100", "--weights", "w")
    ]


def test_what_is_missing_is_said(tmp_path):
    for words, variables, said in (
        ((), {}, "usage"),
        (("a", "b", "c"), {}, "SHARDS"),
        (("a", "b", "c"), {"SHARDS": "2"}, "sbatch --array"),
    ):
        done = call(tmp_path, *words, **variables)
        assert done.returncode != 0 and said in done.stderr and not done.stdout


def test_the_guide_names_parameters_and_commands_that_exist():
    named = re.findall(r"`?\b(train|score)\.(\w+): ", GUIDE)
    assert {"processes", "threads", "device"} <= {field for _, field in named}
    assert all(field in params.SECTIONS[section].model_fields for section, field in named)
    assert set(re.findall(r"-m semdf\.pipeline\.torchrun (\w+)", GUIDE)) == set(torchrun.main.commands)


def measured(name: str, size: int, field: str = "seconds") -> float:
    """The value of a row; the test is skipped where the row is not there yet."""
    if (name, size) not in FOUND:
        pytest.skip(f"results.json has no row {name!r} of size {size} yet: make benchmark")
    return FOUND[name, size][field]


def drawing(crops: int, name: str = "donors/nearest") -> float:
    """Seconds of drawing one donor, by hand: a straight line in logarithms; above 10^6 in proportion among all."""
    if crops > 10**6:
        return measured(name, 10**6) * (crops / 10**6 if name == "donors/all" else 1)
    low = 10 ** int(math.log10(crops))
    if low == crops:
        return measured(name, crops)
    a, b = (math.log(measured(name, n)) for n in (low, 10 * low))
    return math.exp(a + (b - a) * math.log10(crops / low))


def line(first: str) -> list[str]:
    """The other cells of the row of the table of sizes that begins like this."""
    table = GUIDE[GUIDE.index("<!-- sizes -->") : GUIDE.index("<!-- /sizes -->")]
    (row,) = [row for row in table.splitlines() if row.startswith(f"| {first} |")]
    return [cell.strip() for cell in row.strip("|").split("|")][1:]


def number(cell: str) -> float:
    """A number, in hours or bytes."""
    digits, _, unit = cell.partition(" ")
    return float(digits.replace(",", "")) * {"": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}[unit]


#: Videos, crops of the training split and real ones among them, of three data sets.
VIDEOS = (5e3, 1e5, 3.125e6)
SPLIT = (115_200, 3_200_000, 10**8)
REALS = (23_040, 640_000, 2 * 10**7)
#: A crop of 317 pixels has so many times the pixels of the measured ones.
AREA = (317 / 112) ** 2
#: Row of the table -> what it must be, in the data set of this number.
SIZES = {
    "crops": lambda i: 32 * VIDEOS[i],
    "extraction, 640 px": lambda i: VIDEOS[i] * measured("extract/ours", 32) / 3600,
    "the same at 1920 x 1080, upper end": lambda i: VIDEOS[i] * 2.25 * measured("extract/ours", 32) / 3600,
    "extraction, full frames": lambda i: VIDEOS[i] * measured("extract/ours/full", 32) / 3600,
    "crops on disk, PNG": lambda i: 32 * VIDEOS[i] * AREA * measured("disk/crop", 112, "bytes"),
    "tars of 1 GB, at least one a manipulation": (
        lambda i: np.ceil(32 * VIDEOS[i] * AREA * measured("disk/crop", 112, "bytes") / 1e9)
    ),
    "manifest": lambda i: 32 * VIDEOS[i] * measured("disk/crop_row", 1, "bytes"),
    "scoring all crops": lambda i: 2 * VIDEOS[i] * measured("inference/ours", 32) / 3600,
    "crops of the training split (published; assumed: all)": lambda i: SPLIT[i],
    "real ones among them, that are forged (assumed: one clip in five)": lambda i: REALS[i],
    "expansion, 3 forgeries each": lambda i: 3 * REALS[i] * measured("expand/sjedd", 317) / 3600,
    "the same, skin tones of the real ones": lambda i: REALS[i] * measured("expand/skin_tone", 317) / 3600,
    "the same, drawing donors from pools of 10,000": lambda i: 3 * REALS[i] * drawing(SPLIT[i]) / 3600,
    "the same among all (not what is done)": lambda i: 3 * REALS[i] * drawing(SPLIT[i], "donors/all") / 3600,
    "forgeries on disk, PNG and mask": lambda i: 3 * REALS[i] * AREA * measured("disk/forgery", 112, "bytes"),
    "file to train on the split and its forgeries from": lambda i: (SPLIT[i] + 3 * REALS[i]) * 317 * 317 * 3,
}


def test_the_guide_is_what_the_results_make_of_it():
    assert scale.render(GUIDE, record.read()) == GUIDE, "python -m benchmarks.scale"
    assert len([row for row in GUIDE.splitlines() if row.startswith("| ")]) > 30


def test_a_number_without_its_row_is_not_printed():
    """Neither here nor if there were no rows at all: what is left are published and assumed counts."""
    cells = re.findall(r"\| ([^|]+) \| `(\S+)`, (\d+) \|", GUIDE)
    assert len(cells) > 10
    for cell, name, size in cells:
        assert (cell == scale.UNKNOWN) == ((name, int(size)) not in FOUND), name
    bare = scale.render(GUIDE, [])
    start = bare.index("<!-- rates -->")
    table = bare[start : bare.index("<!-- /rates -->")].splitlines()[3:]
    assert len(table) > 10 and all(row.split("|")[2].strip() == scale.UNKNOWN for row in table)


@pytest.mark.parametrize("first", SIZES)
def test_the_sizes_are_products_of_measured_rates(first):
    wanted = [SIZES[first](i) for i in range(3)]
    assert [number(cell) for cell in line(first)] == pytest.approx(wanted, rel=0.006), "three digits"


@pytest.mark.parametrize("name", ["auto_lambda", "auto_lambda_late", "equal"])
def test_an_epoch_is_steps_of_the_benchmark(name):
    (head,) = [i for i, row in enumerate(GUIDE.splitlines()) if row.startswith("| auto_lambda |")]
    names, _, cells = (
        [cell.strip() for cell in row.strip("|").split("|")] for row in GUIDE.splitlines()[head : head + 3]
    )
    hours = 720 * 4 * 32 / 4 * measured(f"step/{name}", 8) / 3600
    assert number(dict(zip(names, cells, strict=True))[name]) == pytest.approx(hours, rel=0.006)


def test_the_example_is_the_formula():
    parts = {
        "extraction, 640 px": 3.125e6 * measured("extract/ours", 32) / 3600,
        "scoring": 2 * 3.125e6 * measured("inference/ours", 32) / 3600,
        "expansion, drawing donors included": (
            6e7 * (measured("expand/sjedd", 317) + measured("donors/nearest", 10**6)) / 3600
        ),
    }
    parts["all"] = sum(parts.values())
    example = GUIDE[GUIDE.index("<!-- example -->") :]
    for first, hours in parts.items():
        (row,) = [row for row in example.splitlines() if row.startswith(f"| {first} |")]
        found = [number(cell.strip()) for cell in row.strip("|").split("|")[1:]]
        assert found == pytest.approx([hours, hours / 400, hours * 0.04], rel=0.006), first
    disk = (1e8 * measured("disk/crop", 112, "bytes") + 6e7 * measured("disk/forgery", 112, "bytes")) * AREA / 1e9
    (row,) = [row for row in example.splitlines() if row.startswith("| 1 month of ")]
    assert number(row.strip("|").split("|")[-1].strip()) == pytest.approx(0.02 * disk, rel=0.006)


def test_donors_from_a_pool_cost_the_same_at_any_size():
    """What the guide says of the pool: above its size a draw is the draw among 50,000 crops, a fifth of them real."""
    assert drawing(10**8) == drawing(10**6) < 3 * drawing(10**5)
    assert drawing(10**8, "donors/all") > 100 * drawing(10**8)


def anonymous() -> int:
    """Bytes of this process that lie in memory and in no file."""
    if not (status := Path("/proc/self/status")).is_file():
        pytest.skip("only Linux says what lies in files")
    return 1024 * int(re.search(r"RssAnon:\s+(\d+)", status.read_text())[1])


@pytest.mark.parametrize(("limit", "held"), [(datasets.IN_MEMORY, 1.0), (0, 0.0)])
def test_training_holds_every_crop_once_or_in_a_file(limit, held, monkeypatch, tmp_path):
    monkeypatch.setattr(datasets, "read_image", lambda *_: np.zeros((317, 317, 3), np.uint8))
    monkeypatch.setattr(datasets, "IN_MEMORY", limit)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    rows = pd.DataFrame({"folder": "", "shard": "", "member": range(400)})
    before = anonymous()
    images = datasets._read_images(rows)
    grown = anonymous() - before
    assert abs(grown / images.nbytes - held) < 0.25


def test_the_guide_says_from_where_on_training_needs_a_file():
    crop = 317 * 317 * 3
    assert "some 28,000 crops" in GUIDE and round(datasets.IN_MEMORY / crop, -3) == 28_000
    assert "is 301 kB" in GUIDE and round(crop / 1e3) == 301
    assert "above 8.6 GB" in GUIDE and round(datasets.IN_MEMORY / 1e9, 1) == 8.6


def test_a_guide_without_a_block_is_refused():
    with pytest.raises(DataError, match="one block of each of .*, found "):
        scale.render(GUIDE.replace("<!-- sizes -->", ""), [])
    with pytest.raises(DataError, match="block 'sizes' must end with"):
        scale.render(GUIDE.replace("<!-- /sizes -->", ""), [])


@pytest.mark.parametrize(("name", "above"), [("donors/all", 3e6), ("donors/nearest", 1e6)])
def test_drawing_lies_between_the_measured_sizes(name, above):
    """Above them it grows in proportion among all, and not at all from the pool."""
    rows = [record.row(name, size, seconds=size**1.5) for size in (100, 10_000)]
    of = scale.Rates(rows)
    assert of.drawing(1000, name) == pytest.approx(1000**1.5) and of.drawing(30_000, name) == pytest.approx(above)
    assert math.isnan(scale.Rates([]).drawing(1000, name))
