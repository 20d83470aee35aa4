"""How long the commands of the README take: `times.csv`, and its table in docs/other_machines.md.

    make verify; python -m benchmarks.times            # takes up what the run of all stages wrote to scratch/times.csv
    python -m benchmarks.times "make test" make test   # runs `make test`, and puts its time into the row "make test"

Alone on the machine, as the other benchmarks. Columns of times.csv: what (a command, or a stage of `make reproduce`),
seconds, machine (processor and logical cores), date (UTC).
"""

from __future__ import annotations

import argparse
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from ruamel.yaml import YAML

from semdf.artifacts import atomic, read_table, write_table
from semdf.errors import DataError
from semdf.pipeline import ROOT
from semdf.pipeline.machine import machine
from semdf.pipeline.reproduce import TIMES as LAST_RUN
from semdf.pipeline.reproduce import duration

__all__ = ["PAGE", "TIMES", "put", "render", "stages"]

TIMES = Path(__file__).parent / "times.csv"
PAGE = ROOT / "docs" / "other_machines.md"
START = "<!-- times -->\n"
END = "<!-- /times -->"


def put(table: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table with new ones, each in the place of the row of its name if there is one."""
    both = pd.concat([table, new], ignore_index=True)
    order = {name: number for number, name in enumerate(both["what"].unique())}
    kept = both.drop_duplicates("what", keep="last")
    return kept.sort_values("what", key=lambda names: names.map(order), ignore_index=True)


def stages(run: pd.DataFrame, pipeline: Path = ROOT / "dvc.yaml") -> pd.DataFrame:
    """The rows of a run of all stages, named as in times.csv.

    Raises:
        DataError: The run lacks a stage of the pipeline that is not frozen.
    """
    document: Any = YAML(typ="safe").load(pipeline)
    wanted = [name for name, stage in document["stages"].items() if not stage.get("frozen")]
    ran = set(run["what"].str.partition("@")[0])
    lacking = [name for name in wanted if name not in ran]
    if lacking:
        raise DataError(f"a run must have every stage, found none of the name {', '.join(lacking)}: make verify")
    names = run["what"].map(lambda name: "make reproduce" if name == "all" else f"stage {name}")
    return run.assign(what=names)


def render(text: str, table: pd.DataFrame) -> str:
    """The page with its table of times written anew.

    Raises:
        DataError: The page has no place for it.
    """
    if text.count(START) != 1 or text.count(END) != 1:
        raise DataError(f"the page must have one {START.strip()} and one {END}, found other numbers of them")
    before, rest = text.split(START)
    after = rest.split(END)[1]
    rows = ["| what | time | machine |", "|---|---|---|"]
    for row in table.itertuples():
        rows.append(f"| {row.what} | {duration(row.seconds)} | {row.machine}; {row.date} |")
    return "".join([before, START, "\n".join(rows), "\n", END, after])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", help="the name of a row")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the command to measure")
    options = parser.parse_args()
    if options.command:
        begun = time.monotonic()
        subprocess.run(options.command, cwd=ROOT, check=True)
        seconds = round(time.monotonic() - begun, 1)
        today = datetime.now(UTC).date().isoformat()
        row = {"what": options.what, "seconds": seconds, "machine": machine(), "date": today}
        new = pd.DataFrame([row])
    elif options.what:
        parser.error(f"a command must follow the name of a row, found none after {options.what!r}")
    else:
        new = stages(read_table(ROOT / LAST_RUN))
    table = put(read_table(TIMES), new)
    write_table(table, TIMES)
    page = render(PAGE.read_text(), table)
    with atomic(PAGE) as draft:
        draft.write_text(page)


if __name__ == "__main__":
    main()
