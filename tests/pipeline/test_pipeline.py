"""The contract between dvc.yaml, params.yaml and the notebooks."""

import re
import shlex
import subprocess
import sys

import nbformat
import pytest
from ruamel.yaml import YAML

from semdf import params
from semdf.dependencies import closure
from semdf.pipeline import ROOT
from semdf.pipeline.nb import declared

STAGES = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
NOTEBOOK_STAGES = {name: stage for name, stage in STAGES.items() if "semdf.pipeline.nb" in stage["cmd"]}


#: Rooms that change seldom: a stage that reads a file of one depends on the whole folder.
WHOLE_ROOMS = ("method", "storage", "faces", "layouts", "extraction", "forging")


def room_of(path: str) -> str:
    """The folder of a file in one of `WHOLE_ROOMS`, else an empty text."""
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[1] in WHOLE_ROOMS else ""


def command(stage: dict) -> tuple[str, list[str], list[str]]:
    """The notebook, the sections and the names that are set."""
    words = shlex.split(stage["cmd"])
    values = dict(enumerate(words))
    sections = [values[i + 1] for i, w in values.items() if w == "--section"]
    names = [values[i + 1].partition("=")[0] for i, w in values.items() if w == "--set"]
    return words[3], sections, names


def test_every_stage_says_what_it_is_for():
    assert all(stage.get("desc") for stage in STAGES.values())


@pytest.mark.parametrize("name", NOTEBOOK_STAGES)
def test_a_stage_passes_exactly_the_notebook_s_parameters(name):
    notebook, sections, names = command(STAGES[name])
    passed = names + [field for s in sections for field in params.SECTIONS[s].model_fields]
    assert len(passed) == len(set(passed)), "a parameter is passed twice"
    optional = {"pictures"} & declared(ROOT / notebook)  # for readers' own pictures, never in the pipeline
    assert set(passed) | optional == declared(ROOT / notebook)


@pytest.mark.parametrize("name", NOTEBOOK_STAGES)
def test_a_stage_depends_on_what_its_notebook_imports(name):
    notebook, sections, _ = command(STAGES[name])
    code = {d for d in STAGES[name]["deps"] if d.startswith(("semdf", "literature"))}
    read = closure(ROOT / notebook) | closure(ROOT / "semdf" / "pipeline" / "nb.py") | {"semdf/pipeline/nb.py"}
    wanted = {room_of(path) or path for path in read}
    wanted |= {"literature/claims.csv"} if "semdf/pipeline/literature.py" in wanted else set()
    assert code == wanted
    assert notebook in STAGES[name]["deps"]
    assert set(sections) == set(STAGES[name].get("params", []))


def test_the_stage_card_depends_on_what_it_imports():
    module = "semdf/pipeline/card.py"
    code = {d for d in STAGES["card"]["deps"] if d.startswith("semdf")}
    assert code == {room_of(path) or path for path in closure(ROOT / module) | {module}}


@pytest.mark.parametrize("name", NOTEBOOK_STAGES)
def test_pipeline_values_have_the_types_of_the_notebook_s_defaults(name):
    notebook, sections, _ = command(STAGES[name])
    cells = nbformat.read(ROOT / notebook, 4).cells
    scope: dict = {}
    exec(next(c.source for c in cells if "parameters" in c.metadata.get("tags", [])), scope)
    for section in sections:
        for field, value in params.read(ROOT / "params.yaml")[section].model_dump().items():
            assert type(scope[field]) is type(value), f"{section}.{field}"


def test_committed_results_belong_to_the_committed_sources():
    """No stage would run: sources, data, parameters and committed outputs all match dvc.lock."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro", "--dry", "--allow-missing"], cwd=ROOT, capture_output=True, text=True
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0 and not re.search(r"Running stage '.*'", said), said


def test_outs_stay_out_of_git_unless_they_are_meant_to_be_read():
    outs = [o for s in STAGES.values() for o in s.get("outs", []) if isinstance(o, str)]
    for out in (re.sub(r"\$\{item\.(\w+)\}", "x", o) for o in outs):
        ignored = subprocess.run(["git", "check-ignore", "-q", out if "." in out else f"{out}/x"], cwd=ROOT)
        assert ignored.returncode == 0, out
