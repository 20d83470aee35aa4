"""How much another processor changes the AUCs: `python -m benchmarks.rounding [--objective equal]`, about ten minutes.

The default training runs in float32 three times from the same seed: as it is, with the instructions of an older
processor (AVX2, where newer ones have AVX-512), and with one thread instead of two. The three differ only in the order
of sums. The AUCs of all test sets are written to `rounding.csv`: the test set, then a column for each case.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from semdf import params
from semdf.ablation import comparisons
from semdf.ablation.one_training import Data, Job, perform
from semdf.artifacts import read_json, read_table, write_table
from semdf.pipeline import ROOT
from semdf.training.runs import configure


class Case(NamedTuple):
    """What is changed: environment variables, and parameters of the block `train`."""

    environment: Mapping[str, str] = {}
    train: Mapping[str, int] = {}


CASES = {
    "as it is": Case(),
    "AVX2": Case(environment={"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}),
    "one thread": Case(train={"threads": 1}),
}
WORK = ROOT / "scratch" / "rounding"


def job(objective: str, case: str) -> Job:
    """The training of one case; a finished one is kept in scratch/."""
    train = params.read(ROOT / "params.yaml")["train"].model_dump()
    train.update(CASES[case].train)
    config = configure(objective, 0, train, read_json(ROOT / "faces" / "crop.json"))
    seen = (ROOT / "faces" / "manifest.parquet", ROOT / "expanded" / "manifest.parquet")
    folder = WORK / f"{objective}-{case.replace(' ', '_')}"
    return Job(run=objective, seed=0, config=config, data=Data(), manifests=seen, scored=seen, frames=4, folder=folder)


def table(scores: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """AUCs of the videos, a row a test set and a column a case."""
    parts = [part.assign(run=case, seed=0) for case, part in scores.items()]
    found = comparisons.measure(pd.concat(parts, ignore_index=True), resamples=100, seed=0).table()
    found = found[~found["dataset"].str.contains(":")]
    return found.pivot(index="dataset", columns="run", values="auc")[list(scores)].round(4).reset_index()


def main() -> None:
    """Train all cases and compare them, or train one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objective", default="equal")
    parser.add_argument("--case", choices=CASES, help="train this one alone, in the environment as it is")
    asked = parser.parse_args()
    if asked.case:
        perform(job(asked.objective, asked.case))
        return
    jobs = {case: job(asked.objective, case) for case in CASES}
    for case, todo in jobs.items():
        if not todo.done:
            todo.folder.mkdir(parents=True, exist_ok=True)
            command = [sys.executable, "-m", "benchmarks.rounding", "--objective", asked.objective, "--case", case]
            subprocess.run(command, cwd=ROOT, env={**os.environ, **CASES[case].environment}, check=True)
    scores = {case: read_table(todo.folder / "scores.parquet") for case, todo in jobs.items()}
    write_table(table(scores), Path(__file__).with_name("rounding.csv"))


if __name__ == "__main__":
    main()
