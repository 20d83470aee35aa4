"""What the repository promises about itself: environments agree, imports follow the table, no machine shows through."""

import ast
import re
import subprocess
import sys
import tomllib

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

from semdf import ROOT
from semdf.imports import closure

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


def test_constraints_name_no_host_or_path():
    text = (ROOT / "constraints.txt").read_text()
    assert not re.search(r"://|@|^-|file:", text, re.M)


# module -> what it may import of the package (a folder stands for all in it); nothing outside people/ imports people
GROUND = {"errors", "artifacts", "params", "semdf"}
FLOORS = [
    {
        "hierarchy",
        "encoding",
        "losses",
        "bilevel",
        "landmarks",
        "shards",
        "paths",
        "headers",
        "parts",
        "manifest",
        "decoding",
        "video",
        "crops",
        "tracking",
        "imports",
        "params",
        "artifacts",
        "checkpoints",
        "determinism",
        "distributed",
        "plots",
        "forest",
        "intervals",
        "literature",
        "interchange",
        "perturb",
        "tour",
        "diversity",
        "editions",
        "mend",
    },
    {
        "explain",
        "relevance",
        "marginals",
        "prompts",
        "faces",
        "finders",
        "retinaface",
        "layouts",
        "check",
        "blend",
        "colour",
        "masks",
        "warp",
        "evaluate",
        "towers",
        "nb",
        "render",
        "stills",
        "parsing",
    },
    {
        "weighting",
        "forge",
        "pairing",
        "presets",
        "model",
        "upstream",
        "zeroshot",
        "parser_views",
        "comparisons",
        "smoothness",
    },
    {
        "datasets",
        "partners",
        "cutting",
        "extract",
        "merge",
        "plan",
        "expand",
        "forger",
        "runs",
        "portraits",
        "pretrain",
        "parser_training",
    },
    {"train", "score", "verdict", "cluster"},
    {"robustness", "faithfulness", "evidence", "trial", "ablate", "jobs"},
    {"cli"},
]


def unit(path: str) -> str:
    parts = path.removeprefix("semdf/").removesuffix(".py").split("/")
    return "semdf" if parts[0] == "__init__" else parts[0]


def direct(path) -> set[str]:
    from semdf.imports import _imports, _locate

    found = {_locate(name) for name in _imports(path)} - {None}
    return {unit(p.relative_to(ROOT).as_posix()) for p in found}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_imports_follow_the_floors(path):
    me = unit(path.relative_to(ROOT).as_posix())
    imported = direct(path) - {me} - GROUND
    if me == "people":
        return
    assert "people" not in imported
    floor = {name: i for i, names in enumerate(FLOORS) for name in names}
    assert me in floor or me in GROUND, f"{me} has no place in the table of floors"
    above = {name for name in imported if floor.get(name, 99) > floor.get(me, -1)}
    assert not above, f"{me} imports {above} from a floor above"
    same = {name for name in imported if floor[name] == floor.get(me)}
    assert me not in set().union(
        *(direct(ROOT / "semdf" / f"{n}.py") for n in same if (ROOT / "semdf" / f"{n}.py").is_file())
    ), "cycle"


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, semdf; print([m for m in ('torch', 'numpy', 'pandas', 'cv2', 'open_clip') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_evaluation_and_plots_need_no_torch():
    code = "import sys, semdf.evaluate, semdf.plots; print('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == "False"
    )


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_modules_are_short_and_explain_themselves(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    assert ast.get_docstring(ast.parse(text)), "a module starts with a docstring"


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
    found = closure(ROOT / "semdf" / "extract.py")
    assert {"semdf/shards.py", "semdf/faces.py", "semdf/landmarks.py", "semdf/errors.py"} <= found
    assert "semdf/train.py" not in found


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
