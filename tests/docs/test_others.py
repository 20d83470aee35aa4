"""docs/others.md: detectors and options that exist, and numbers that are those of results.json."""

import re
from typing import get_args

import pytest

from benchmarks import record
from semdf import params
from semdf.cli import main
from semdf.evaluation import outside
from semdf.pipeline import ROOT

GUIDE = (ROOT / "docs" / "others.md").read_text()
ROWS = {row["name"]: row for row in record.read() if row["name"].startswith("norms/")}


def table(start: str) -> list[list[str]]:
    """The cells of the rows of the table whose head begins like this."""
    lines = GUIDE[GUIDE.index(start) :].splitlines()
    rows = lines[2 : next((i for i, line in enumerate(lines) if not line.startswith("|")), len(lines))]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_the_table_of_detectors_is_that_of_the_adapters():
    found = {cells[0].strip("`"): cells[3] for cells in table("| `--detector` |")}
    assert sorted(found) == sorted(outside.known())
    number = {"fake": 1, "ten nodes": 10, "twelve nodes": 12}
    assert {name: number[said] for name, said in found.items()} == {
        name: len(outside.find(name).nodes) for name in outside.known()
    }


def test_commands_and_options_exist():
    for line in re.findall(r"^    semdf (.+)$", GUIDE, re.M):
        words = line.split("#")[0].split()
        known = {option for p in main.commands[words[0]].params for option in p.opts}
        assert {word for word in words if word.startswith("--")} <= known, line
    assert (
        "all_but_norms" in get_args(params.Train.model_fields["freeze"].annotation) and "freeze: all_but_norms" in GUIDE
    )


def test_the_measured_savings_are_those_of_the_rows():
    rows = table("| encoder |")
    assert len(rows) == len(ROWS)
    for encoder, trains, batch, trained, seconds, memory, faster in rows:
        row = ROWS[f"norms/{encoder}/{'none' if trains == 'everything' else 'all_but_norms'}"]
        assert (int(batch), int(trained.replace(",", ""))) == (row["size"], row["trained"])
        assert float(seconds.removesuffix(" s")) == pytest.approx(row["seconds"], rel=0.01)
        assert float(memory.removesuffix(" GB")) == pytest.approx(row["peak_mb"] / 1000, abs=0.051)
        assert float(faster) == pytest.approx(row["ratio_to_full"], abs=0.051)
