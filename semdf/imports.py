"""What a notebook or module imports of this package, directly or not: the dependencies of a stage."""

from __future__ import annotations

import ast
from pathlib import Path

import nbformat

from semdf import ROOT

__all__ = ["closure", "sources"]


def closure(source: Path) -> set[str]:
    """The files of the package, relative to the root, that a module or notebook imports directly or not.

    A subpackage that loads its members by name (layouts, weighting) counts as its whole folder.
    """
    seen: set[str] = set()
    queue = [source]
    while queue:
        for name in _imports(queue.pop()):
            path = _locate(name)
            shown = path.relative_to(ROOT).as_posix() if path else ""
            if path and shown not in seen:
                seen.add(shown)
                queue.extend(sorted(path.glob("*.py")) if path.is_dir() else [path])
    return seen


def _imports(path: Path) -> set[str]:
    if path.suffix == ".ipynb":
        cells = [c.source for c in nbformat.read(path, 4).cells if c.cell_type == "code"]
        code = "\n".join(line for cell in cells for line in cell.splitlines() if not line.startswith(("%", "!")))
    else:
        code = path.read_text()
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(filter(None, (_package(path, node.level), node.module)))
            names |= {base} | {f"{base}.{a.name}" for a in node.names}
    return {n for n in names if n.startswith("semdf")}


def _package(path: Path, level: int) -> str:
    """The dotted package that a relative import of `level` dots starts from; empty for an absolute one."""
    parts = path.relative_to(ROOT).parent.parts if level else ()
    return ".".join(parts[: len(parts) - level + 1])


def _locate(name: str) -> Path | None:
    """The file of a dotted module name, its folder for a subpackage, None for a name inside a module."""
    parts = name.split(".")
    if len(parts) > 1 and (ROOT / "semdf" / parts[1]).is_dir():
        return ROOT / "semdf" / parts[1]
    module = ROOT.joinpath(*parts).with_suffix(".py")
    if len(parts) == 1:
        module = ROOT / "semdf" / "__init__.py"
    return module if module.is_file() else None


def sources(module: str) -> list[Path]:
    """The files that decide what a module computes: its own, those it imports, and the tables they read."""
    files: list[Path] = []
    for name in sorted(closure(ROOT / "semdf" / f"{module}.py") | {f"semdf/{module}.py"}):
        path = ROOT / name
        files += sorted(path.glob("*.py")) if path.is_dir() else [path]
    tables = [p for folder in ("hierarchies", "encoders") for p in sorted((ROOT / "semdf" / folder).glob("*.*"))]
    return files + tables
