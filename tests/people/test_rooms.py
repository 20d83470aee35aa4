"""The rooms of the renderer: imports between them follow one table, and none runs back."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from semdf.dependencies import locate
from semdf.pipeline import ROOT

MODULES = sorted((ROOT / "people").rglob("*.py"))
#: Room -> the rooms it may import; `people/__init__.py` says what each is for.
ARROWS = {
    "drawing": "",
    "body": "drawing",
    "skin": "body drawing",
    "hair": "body drawing skin",
    "rendering": "body drawing hair skin",
    "scenes": "body rendering",
    "forging": "body drawing",
    "benchmarks": "body forging rendering scenes",
    "audit": "benchmarks",
}


def room(path: Path) -> str:
    """The room of a module below people/; "" for the package itself."""
    parts = path.relative_to(ROOT / "people").parts
    return parts[0] if len(parts) > 1 else ""


def imported(path: Path) -> set[Path]:
    """The modules of the renderer that a module imports, inside functions too; it imports by absolute names alone."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    found = locate({name for name in names if name.split(".")[0] == "people"})
    return found - {path}


def arrows(path: Path) -> set[str]:
    """The rooms that a module imports, other than its own."""
    return {room(other) for other in imported(path)} - {room(path), ""}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_imports_between_rooms_are_in_the_table(path):
    me = room(path)
    assert me in ARROWS or path == ROOT / "people" / "__init__.py", f"{me} is no room of the table"
    allowed = set(ARROWS.get(me, "").split())
    assert arrows(path) <= allowed, f"{me} may import {sorted(allowed)}"


def test_no_arrow_of_the_table_runs_back():
    TopologicalSorter({name: others.split() for name, others in ARROWS.items()}).prepare()


def test_every_arrow_of_the_table_is_used():
    found = {name: set() for name in ARROWS}
    for path in MODULES:
        if room(path):
            found[room(path)] |= arrows(path)
    assert {name: " ".join(sorted(others)) for name, others in found.items()} == ARROWS


def test_modules_do_not_import_each_other_in_a_circle():
    graph = {path: imported(path) for path in MODULES if path.name != "__init__.py"}
    TopologicalSorter(graph).prepare()


def test_the_package_says_which_rooms_there_are():
    said = (ROOT / "people" / "__init__.py").read_text()
    rooms = {path.parent.name for path in MODULES if path.name == "__init__.py" and room(path)}
    assert rooms == set(ARROWS) and all(f"`{name}`" in said for name in rooms)
