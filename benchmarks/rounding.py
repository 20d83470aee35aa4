"""What another processor changes: `python -m benchmarks.rounding [--objective equal]`, about ten minutes.

The default training in float32, three times from the same seed: as it is, with the instructions of an older processor
(AVX2, where newer ones have AVX-512), and with one thread instead of two. The three differ in the order of sums alone.
Writes the AUCs of all test sets to `rounding.csv`: test set, then a column a case.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd

from semdf import params
from semdf.ablation import comparisons
from semdf.ablation.one_training import Data, Job, perform
from semdf.artifacts import read_json, read_table, write_table
from semdf.pipeline import ROOT
from semdf.training.runs import configure

#: Name of a case -> environment and changes of the block `train`.
CASES: dict[str, tuple[dict[str, str], dict[str, int]]] = {
    "as it is": ({}, {}),
    "AVX2": ({"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}, {}),
    "one thread": ({}, {"threads": 1}),
}
WORK = ROOT / "scratch" / "rounding"


def job(objective: str, case: str) -> Job:
    """The training of one case; what is done is kept in scratch/."""
    train = params.read(ROOT / "params.yaml")["train"].model_dump() | CASES[case][1]
    config = configure(objective, 0, train, read_json(ROOT / "faces" / "crop.json"))
    seen = ROOT / "faces" / "manifest.parquet", ROOT / "expanded" / "manifest.parquet"
    return Job(objective, 0, config, Data(), seen, seen, 4, WORK / f"{objective}-{case.replace(' ', '_')}")


def table(scores: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """AUCs of the videos, a row a test set and a column a case."""
    parts = [part.assign(run=case, seed=0) for case, part in scores.items()]
    found = comparisons.measure(pd.concat(parts, ignore_index=True), resamples=100, seed=0).table()
    found = found[~found["dataset"].str.contains(":")]
    return found.pivot(index="dataset", columns="run", values="auc")[list(scores)].round(4).reset_index()


def main() -> None:
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
            subprocess.run(command, cwd=ROOT, env=os.environ | CASES[case][0], check=True)
    scores = {case: read_table(todo.folder / "scores.parquet") for case, todo in jobs.items()}
    write_table(table(scores), Path(__file__).with_name("rounding.csv"))


if __name__ == "__main__":
    main()
