"""The guide to scale names what exists; the SLURM template is bash and calls the command with the shard of its task."""

import os
import re
import subprocess

from semdf import ROOT, jobs, params

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
    guide = (ROOT / "docs" / "scale.md").read_text()
    named = re.findall(r"`?\b(train|score)\.(\w+): ", guide)
    assert {"processes", "threads", "device"} <= {field for _, field in named}
    assert all(field in params.SECTIONS[section].model_fields for section, field in named)
    assert set(re.findall(r"-m semdf\.jobs (\w+)", guide)) == set(jobs.main.commands)
