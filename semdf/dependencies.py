"""What a notebook or module imports of this package, directly or not: the dependencies of a stage."""

from __future__ import annotations

import ast
from pathlib import Path

import nbformat

__all__ = ["BY_NAME", "closure", "imports", "locate", "sources"]

#: The folder that holds the package.
HOME = Path(__file__).resolve().parents[1]

#: Packages that load their members by name: whoever imports one depends on all of it.
BY_NAME = ("semdf/layouts", "semdf/method/weighting")

#: Tables beside a module, which it reads when it is imported.
TABLES = {
    "semdf/method/hierarchy.py": "semdf/method/hierarchies",
    "semdf/method/towers.py": "semdf/method/encoders",
    "semdf/forging/presets.py": "semdf/forging/presets.yaml",
}


def closure(source: Path) -> set[str]:
    """The files of the package that a module or notebook imports, directly or through others.

    A package of `BY_NAME` counts as its whole folder, and tables come with the module that reads them.

    Returns:
        Paths relative to the folder that holds the package.
    """
    seen: set[str] = set()
    queue = [source]
    while queue:
        for path in locate(imports(queue.pop())):
            shown = path.relative_to(HOME).as_posix()
            if shown in seen:
                continue
            seen.add(shown)
            if shown in TABLES:
                seen.add(TABLES[shown])
            queue.extend(sorted(path.glob("*.py")) if path.is_dir() else [path])
    return seen


def imports(path: Path) -> set[str]:
    """Dotted names that a module or notebook imports of the package, those inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(_code(path))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(filter(None, (_package(path, node.level), node.module)))
            names.add(base)
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] == "semdf"}


def _code(path: Path) -> str:
    """The Python of a module or notebook, without a notebook's lines for the shell and for IPython."""
    if path.suffix != ".ipynb":
        return path.read_text()
    cells = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    lines = "\n".join(cells).splitlines()
    return "\n".join(line for line in lines if not line.startswith(("%", "!")))


def _package(path: Path, level: int) -> str:
    """The dotted package that a relative import of `level` dots starts from; empty for an absolute one."""
    parts = path.relative_to(HOME).parent.parts if level else ()
    return ".".join(parts[: len(parts) - level + 1])


def locate(names: set[str]) -> set[Path]:
    """The files that importing these dotted names reads: the module, and the `__init__` of every package above it."""
    found: set[Path] = set()
    for name in names:
        parts = name.split(".")
        for depth in range(1, len(parts) + 1):
            place = HOME.joinpath(*parts[:depth])
            if place.relative_to(HOME).as_posix() in BY_NAME:
                found.add(place)
                break
            path = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
            if path.is_file():
                found.add(path)
    return found


def sources(module: str) -> list[Path]:
    """The files that decide what a module, such as "training.train", computes: its own, its imports' and tables."""
    own = HOME.joinpath("semdf", *module.split(".")).with_suffix(".py")
    files: list[Path] = []
    for name in sorted(closure(own) | {own.relative_to(HOME).as_posix()}):
        path = HOME / name
        files += sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
    return files
