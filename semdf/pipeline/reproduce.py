"""`make reproduce`: bring every result up to date, and say in the end what was found and how long each stage took.

    python -m semdf.pipeline.reproduce            # what has changed
    python -m semdf.pipeline.reproduce --force    # every stage anew

What DVC and the notebooks print goes to logs/reproduce.log. The times are also written to scratch/times.csv, from which
`python -m benchmarks.times` takes those that the documents show.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import click
import pandas as pd
from ruamel.yaml import YAML

from semdf.artifacts import read_table, write_table
from semdf.errors import SemdfError
from semdf.pipeline import ROOT, committed
from semdf.pipeline.dvc_repair import mend
from semdf.pipeline.machine import machine

__all__ = ["ReproduceError", "closing_table", "duration", "reproduce"]

LOG = Path("logs", "reproduce.log")
TIMES = Path("scratch", "times.csv")
#: What DVC prints when it starts a stage, and when it is done with one.
STARTED = re.compile(r"Running stage '([^']+)':")
DONE = re.compile(r"Updating lock file |(Stage )?'[^']+' (didn't change|is cached)")
#: Seconds between two looks at what DVC has printed.
PAUSE = 0.1


class ReproduceError(SemdfError, RuntimeError):
    """DVC ended with an error."""


def reproduce(words: Sequence[str] = ("--pull",), root: Path = ROOT) -> dict[str, float]:
    """Run `dvc repro` with these words; its output goes to a file, and the name of each stage to the terminal.

    Returns:
        Seconds by stage, of the stages that ran, in their order.

    Raises:
        ReproduceError: DVC ended with an error; the message has the last lines of its output.
    """
    log = root / LOG
    log.parent.mkdir(exist_ok=True)
    about = _descriptions(root / "dvc.yaml")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    with log.open("w") as written, log.open(errors="replace") as followed:
        process = subprocess.Popen(
            [sys.executable, "-m", "dvc", "repro", *words],
            cwd=root,
            env=os.environ | {"PATH": path},
            stdout=written,
            stderr=subprocess.STDOUT,
        )
        try:
            seconds = _follow(process, followed, about)
        finally:
            process.terminate()  # an interrupt from the keyboard ends DVC as well; nothing happens if it has ended
            process.wait()
    if process.returncode:
        raise ReproduceError(f"dvc repro must end well, found exit code {process.returncode}:\n{_last_lines(log)}")
    return seconds


def closing_table(root: Path = ROOT) -> pd.DataFrame:
    """ROC-AUC by data set (rows) and run (columns)."""
    table = read_table(root / "figures" / "auc.csv")
    whole = table[(table["manipulation"] == "all") & (table["row"] != "all data sets")]
    wide = whole.pivot(index="row", columns="run", values="auc")
    return wide.loc[whole["row"].unique(), whole["run"].unique()].rename_axis(index=None, columns=None)


def duration(seconds: float) -> str:
    """A duration for readers.

    >>> duration(4.2), duration(100), duration(1500)
    ('4 s', '1 min 40 s', '25 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def _descriptions(pipeline: Path) -> dict[str, str]:
    document: Any = YAML(typ="safe").load(pipeline)
    return {name: stage.get("desc", "") for name, stage in document["stages"].items()}


def _follow(process: subprocess.Popen, output: IO[str], about: dict[str, str]) -> dict[str, float]:
    """Print each stage that starts; return the seconds that each took."""
    seconds: dict[str, float] = {}
    running = ""
    since = 0.0
    for line in _lines(process, output):
        now = time.monotonic()
        started = STARTED.match(line)
        if running and (started or DONE.match(line)):
            seconds[running] = now - since
            running = ""
        if started:
            running = started.group(1)
            since = now
            click.echo(f"{running}: {about.get(running.partition('@')[0], '')}")
    return seconds


def _lines(process: subprocess.Popen, output: IO[str]) -> Iterator[str]:
    """The whole lines of a file that a process is writing, until the process ends."""
    part = ""
    while True:
        ended = process.poll() is not None  # asked before reading: what was written until then is read below
        for text in output:
            part += text
            if part.endswith("\n"):
                yield part.rstrip("\n")
                part = ""
        if ended:
            return
        time.sleep(PAUSE)


def _last_lines(log: Path, count: int = 20) -> str:
    """The end of a log without progress bars and empty lines."""
    lines = log.read_text(errors="replace").splitlines()
    told = [line for line in lines if line.strip() and not re.search(r"\d+%\|", line)]
    return "\n".join([*told[-count:], f"(the whole output: {LOG.as_posix()})"])


def _record(seconds: dict[str, float], whole: float, root: Path) -> None:
    """Write the times of a run to TIMES."""
    rows = [{"what": name, "seconds": round(value, 1)} for name, value in {**seconds, "all": whole}.items()]
    table = pd.DataFrame(rows).assign(machine=machine(), date=datetime.now(UTC).date().isoformat())
    (root / TIMES).parent.mkdir(exist_ok=True)
    write_table(table, root / TIMES)


def _close(seconds: dict[str, float], whole: float, root: Path) -> None:
    """Print the results, how far they are from the committed ones, and the times."""
    if (root / "figures" / "auc.csv").is_file():
        click.echo("\nROC-AUC of videos (of pictures where a data set has pictures); intervals: figures/auc.csv")
        click.echo(closing_table(root).to_string(float_format="{:.3f}".format))
    click.echo("")
    for sentence in committed.said(committed.differences(root)):
        click.echo(sentence)
    click.echo("Results: figures/ (tables, figures), docs/rendered/ (executed notebooks), runs/ (curves, weights).\n")
    if not seconds:
        click.echo(f"Nothing had changed: no stage ran ({duration(whole)}).")
        return
    width = max(map(len, seconds))
    for name, value in seconds.items():
        click.echo(f"{name:{width}}  {duration(value):>12}")
    click.echo(f"{'all':{width}}  {duration(whole):>12}  ({machine()})")


@click.command()
@click.option("--force", is_flag=True, help="Run every stage anew, those of frozen ones apart.")
def main(force: bool) -> None:
    """Bring every result up to date; print results and times."""
    for sentence in mend(ROOT):
        click.echo(sentence)
    begun = time.monotonic()
    try:
        seconds = reproduce(["--force"] if force else ["--pull"])
        whole = time.monotonic() - begun
        if seconds:
            _record(seconds, whole, ROOT)
        _close(seconds, whole, ROOT)
    except SemdfError as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
