"""The workflows and forms of the code host have its schemas, run what is there, and cover the promised versions."""

import re
import subprocess
import sys
import tomllib

import pytest
import versions
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

from semdf.pipeline import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SCHEMAS = {
    "github-workflows": WORKFLOWS,
    "github-issue-config": [GITHUB / "ISSUE_TEMPLATE" / "config.yml"],
    "github-issue-forms": [GITHUB / "ISSUE_TEMPLATE" / f"{name}.yml" for name in ("bug", "proposal")],
    "citation-file-format": [ROOT / "CITATION.cff"],
}


def check(schema: str, *files) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_files_of_the_host_have_its_schemas(schema):
    """The schemas lie in the checker's package: nothing is fetched."""
    done = check(schema, *SCHEMAS[schema])
    assert SCHEMAS[schema] and done.returncode == 0, done.stdout + done.stderr


def test_a_workflow_with_a_misspelt_word_is_found(tmp_path):
    path = tmp_path / "a.yml"
    path.write_text(WORKFLOWS[0].read_text().replace("runs-on:", "run-on:"))
    assert check("github-workflows", path).returncode == 1


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_a_workflow_runs_targets_and_files_that_exist_and_trusts_only_pinned_actions(path):
    jobs = YAML(typ="safe").load(path)["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    for step in steps:
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"]), step["uses"]
        words = step.get("run", "").split()
        if words[:1] == ["make"]:
            assert {word for word in words[1:] if "=" not in word} <= targets
        elif words:
            assert words == ["bash", ".ci/run"] and (ROOT / ".ci" / "run").is_file()
    assert all("timeout-minutes" in job for job in jobs.values() if len(job["steps"]) > 1)


def test_the_matrix_covers_the_pythons_that_the_package_names():
    (workflow,) = [path for path in WORKFLOWS if path.name == "tests.yml"]
    matrix = YAML(typ="safe").load(workflow)["jobs"]["versions"]["strategy"]["matrix"]
    named = re.findall(r"Python :: (3\.\d+)", " ".join(PROJECT["classifiers"]))
    assert matrix["python"] == named
    assert all(SpecifierSet(PROJECT["requires-python"]).contains(f"{python}.0") for python in named)
    asked = {*matrix["versions"], *(entry["versions"] for entry in matrix["include"])}
    assert asked == {"oldest", "tested", "newest"}


def test_the_oldest_versions_are_the_lower_bounds():
    lines = versions.oldest(["numpy>=2", "open_clip_torch>=3.2", "dvc>=3.67,<4", "torchjd[cagrad]>=0.18", "x==1.0"])
    assert lines == ["dvc==3.67.*", "numpy==2.0.*", "open-clip-torch==3.2.*", "torchjd==0.18.*"]
    every = versions.constraints("oldest").splitlines()
    for requirement in map(Requirement, PROJECT["dependencies"]):
        bounds = [part for part in requirement.specifier if part.operator in (">=", "==")]
        assert bounds, f"{requirement} must have a lower bound"
    assert len(every) > 25 and versions.constraints("newest") == ""
    assert versions.constraints("tested") == (ROOT / "constraints.txt").read_text()


def test_the_lock_has_the_tested_versions_with_hashes_and_no_host():
    text = (ROOT / "requirements.lock").read_text()
    assert not re.search(r"://|@|file:|^-", text, re.M)
    entries = re.findall(r"^([A-Za-z0-9._-]+)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.M)
    assert len(entries) == len(re.findall(r"^[A-Za-z0-9]", text, re.M)) > 200
    locked = {canonicalize_name(name): version for name, version, _ in entries}
    pins = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", (ROOT / "constraints.txt").read_text(), re.M)
    for name, version in pins:
        assert locked.get(canonicalize_name(name), version) == version, f"{name}: make lock"
    extras = PROJECT["optional-dependencies"]
    for requirement in map(Requirement, [*PROJECT["dependencies"], *extras["pipeline"], *extras["test"]]):
        assert canonicalize_name(requirement.name) in locked, f"{requirement}: make lock"
