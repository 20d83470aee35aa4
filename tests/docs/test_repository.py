"""What the repository promises about itself: environments agree, imports follow the table, no machine shows through."""

import ast
import contextlib
import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from importlib import metadata
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

from semdf.dependencies import closure, imports, locate
from semdf.pipeline import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MODULES = sorted((ROOT / "semdf").rglob("*.py"))


def tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return listed.stdout.splitlines()


def test_conda_and_pip_install_the_same():
    environment = YAML(typ="safe").load((ROOT / "environment.yml").read_text())["dependencies"]
    assert f"python{PROJECT['requires-python']}" in environment
    assert [d["pip"] for d in environment if isinstance(d, dict)] == [["-r requirements.txt"]]
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    assert lines == ["-c constraints.txt", "-e .[pipeline,test]"]


def test_every_dependency_has_a_tested_version():
    pins = dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", (ROOT / "constraints.txt").read_text(), re.M))
    pins = {canonicalize_name(k): v for k, v in pins.items()}
    extras = [r for extra in PROJECT["optional-dependencies"].values() for r in extra]
    for requirement in map(Requirement, PROJECT["dependencies"] + extras):
        name = canonicalize_name(requirement.name)
        assert name in pins and requirement.specifier.contains(pins[name]), requirement


def test_every_tested_version_that_is_here_supports_the_oldest_python():
    """Some packages need a later release of Python 3.11; a system's own Python may be an earlier one."""
    pins = re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / "constraints.txt").read_text(), re.M)
    needed: dict[str, str] = {}
    for name in pins:
        with contextlib.suppress(metadata.PackageNotFoundError):
            needed[name] = metadata.metadata(name).get("Requires-Python") or ""
    assert len(needed) > 150
    assert not {name: rule for name, rule in needed.items() if not SpecifierSet(rule).contains("3.11.0")}


def test_constraints_name_no_host_or_path():
    text = (ROOT / "constraints.txt").read_text()
    assert not re.search(r"://|@|^-|file:", text, re.M)


#: Room -> the rooms it may import. The modules on top of semdf/ (errors, dependencies, artifacts, params, plots) are
#: open to all; `cli` and the renderer `people` may import every room, and nothing imports them. Of the modules on top
#: only `artifacts` imports one: `storage.columns`, which says what the cells of a table hold and imports nothing.
ARROWS = {
    "app": "evaluation explanation faces",
    "artifacts": "storage",
    "method": "weights",
    "storage": "",
    "weights": "",
    "faces": "storage weights",
    "layouts": "method storage",
    "training": "method storage",
    "extraction": "faces layouts storage",
    "evaluation": "method storage training weights",
    "pretraining": "faces method storage training",
    "forging": "extraction faces layouts storage weights",
    "explanation": "evaluation extraction faces method storage training",
    "ablation": "evaluation forging layouts method training",
    "pipeline": "ablation evaluation explanation extraction faces forging layouts method pretraining storage training",
}
TOP = {"__init__", "artifacts", "cli", "dependencies", "errors", "params", "plots"}


def room(path: str) -> str:
    """The room of a module below semdf/, or the module's name if it lies on top."""
    return path.removeprefix("semdf/").removesuffix(".py").split("/")[0]


def arrows(path: Path) -> set[str]:
    """The rooms that a module imports, other than its own."""
    named = {room(found.relative_to(ROOT).as_posix()) for found in locate(imports(path))}
    return named - TOP - {room(path.relative_to(ROOT).as_posix())}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_imports_between_rooms_are_in_the_table(path):
    me = room(path.relative_to(ROOT).as_posix())
    assert me in ARROWS or me in TOP, f"{me} is no room of the table"
    allowed = set(ARROWS) if me == "cli" else set(ARROWS.get(me, "").split())
    assert arrows(path) <= allowed, f"{me} may import {sorted(allowed)}"


def test_no_arrow_of_the_table_runs_back():
    TopologicalSorter({name: others.split() for name, others in ARROWS.items()}).prepare()


def test_every_arrow_of_the_table_is_used():
    found = {name: set() for name in ARROWS}
    for path in MODULES:
        me = room(path.relative_to(ROOT).as_posix())
        if me in found:
            found[me] |= arrows(path)
    assert {name: " ".join(sorted(others)) for name, others in found.items()} == ARROWS


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_nothing_in_the_package_imports_the_renderer(path):
    assert not re.search(r"^\s*(from|import) people\b", path.read_text(), re.M)


def test_modules_of_a_room_do_not_import_each_other_in_a_circle():
    graph = {path: locate(imports(path)) - {path} for path in MODULES if path.name != "__init__.py"}
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("name", ARROWS)
def test_only_the_pipeline_knows_the_checkout(name):
    for path in (ROOT / "semdf" / name).rglob("*.py"):
        assert name == "pipeline" or "semdf.pipeline" not in {".".join(n.split(".")[:2]) for n in imports(path)}, path


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, semdf; print([m for m in ('torch', 'numpy', 'pandas', 'cv2', 'open_clip') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_the_modules_of_the_method_are_found_on_top():
    code = """
import sys, semdf
assert "hierarchy" in dir(semdf) and "semdf.method" not in sys.modules
from semdf import hierarchy, losses, marginals
import semdf.method.hierarchy
assert hierarchy is semdf.hierarchy is semdf.method.hierarchy
assert all(getattr(semdf, name).__name__ == f"semdf.method.{name}" for name in semdf._METHOD)
semdf.parsing
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == "AttributeError: module 'semdf' has no attribute 'parsing'"


def test_evaluation_and_plots_need_no_torch():
    code = "import sys, semdf.evaluation.evaluate, semdf.plots; print('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == "False"
    )


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_modules_explain_themselves(path):
    assert ast.get_docstring(ast.parse(path.read_text())), "a module starts with a docstring"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_source_notebooks_hold_no_output_and_no_machinery(path):
    cells = nbformat.read(path, 4).cells
    for cell in cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None
    code = "\n".join(c.source for c in cells if c.cell_type == "code")
    assert not re.search(r"sys\.path|filterwarnings|^class |/home/|/tmp/", code, re.M)
    titles = [c for c in cells if c.cell_type == "markdown"]
    assert titles[0].source.startswith("# ") and "**Purpose.**" in titles[0].source
    headings = re.findall(r"^## (.+)$", "\n".join(c.source for c in titles), re.M)
    assert headings[-3:] == ["Summary", "Exercises", "References"]


def test_closure_follows_relative_and_lazy_imports():
    found = closure(ROOT / "semdf" / "extraction" / "extract.py")
    assert {"semdf/storage/tars.py", "semdf/faces/finders.py", "semdf/faces/landmarks.py", "semdf/errors.py"} <= found
    assert "semdf/training/train.py" not in found


def test_no_tracked_file_shows_this_machine():
    pattern = re.compile(rb"/(?:root|home/[a-z]+|work|tmp)/[A-Za-z0-9_.-]")
    for name in tracked():
        path = ROOT / name
        if (
            path.suffix in (".py", ".md", ".yaml", ".yml", ".toml", ".txt", ".cff", ".json", ".csv", ".ipynb")
            or name == "Makefile"
        ):
            found = pattern.search(path.read_bytes()) if path.is_file() else None
            assert not found or name.startswith("tests/"), f"{name}: {found.group()!r}"


def test_tracked_files_are_small():
    for name in tracked():
        path = ROOT / name
        assert not path.is_file() or name.startswith("store/") or path.stat().st_size < 1.5e6, name
