"""Build the site: gather its pages below scratch/site, each in the place it has in the repository, and run Sphinx.

python docs/site/build.py          # notebooks that no stage executes are shown without outputs
python docs/site/build.py --run    # they are executed first, at their defaults (two minutes)
"""

import argparse
import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGES = (
    *("CONTRIBUTING.md", "SECURITY.md", "docs/course.md", "docs/data.md", "docs/results.md", "docs/scale.md"),
    "benchmarks/README.md",
)
#: Where links lead whose target is no page: the executed notebooks are what the site shows in the place of the others.
ELSEWHERE = {"docs/rendered": "notebooks/00_tour.ipynb", "README.md": "index.md"}
EXECUTED = re.compile(r"docs/rendered/([^./]+)[^/]*\.ipynb")
MARK = re.compile(r"### (BEGIN|END) SOLUTION")
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]+)(#[^)]*)?\)")
TREES = """
```{toctree}
:hidden:
:caption: Notebooks
:glob:

notebooks/*
```

```{toctree}
:hidden:
:caption: About
:glob:

docs/*
benchmarks/README
CONTRIBUTING
SECURITY
```

```{toctree}
:hidden:
:caption: Reference

api/index
```
"""


def gather(source: Path, run: bool = False) -> None:
    """Everything that Sphinx reads, below `source`, which is emptied."""
    shutil.rmtree(source, ignore_errors=True)
    page(ROOT / "README.md", source / "index.md", TREES)
    for name in PAGES:
        if (ROOT / name).is_file():
            page(ROOT / name, source / name)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        show(executed(path, run), source / "notebooks" / path.name)
    reference(source / "api")


def page(path: Path, target: Path, more: str = "") -> None:
    """A Markdown page with the files that it links to; links to what the site does not hold become plain text."""

    def link(found: re.Match) -> str:
        image, text, to, anchor = found.groups()
        if "://" in to:
            return found.group()
        place = (path.parent / to).resolve().relative_to(ROOT).as_posix()
        place = EXECUTED.sub(r"notebooks/\1.ipynb", ELSEWHERE.get(place, place))
        shown = place in PAGES or place == "index.md" or place.startswith("notebooks/")
        if not shown and not (ROOT / place).is_file():
            return text
        if not shown:
            copy(place, target.parents[path.relative_to(ROOT).as_posix().count("/")])
        up = "../" * path.relative_to(ROOT).as_posix().count("/")
        return f"{image}[{text}]({up}{place}{anchor or ''})"

    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(LINK.sub(link, path.read_text()) + more)


def copy(place: str, source: Path) -> None:
    (source / place).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ROOT / place, source / place)


def executed(path: Path, run: bool) -> Path:
    """The rendered copy of a notebook; else, with `run`, one that is executed now; else the source."""
    if rendered := sorted((ROOT / "docs" / "rendered").glob(f"{path.stem}*.ipynb")):
        return rendered[0]
    if not run:
        return path
    target = ROOT / "scratch" / "site" / "executed" / path.name
    subprocess.run([sys.executable, "-m", "semdf.pipeline.nb", path, target], cwd=ROOT, check=True)
    return target


def show(path: Path, target: Path) -> None:
    """A notebook with its solutions folded away and without the cells that grade them; what a stage passed says so."""
    notebook = nbformat.read(path, 4)
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if "solution" in tags:
            cell.source = "\n".join(line for line in cell.source.splitlines() if not MARK.match(line))
        cell.metadata["tags"] = tags + [
            {"solution": "hide-cell", "grade": "remove-cell"}[t] for t in tags if t in ("solution", "grade")
        ]
        if "injected-parameters" in tags:
            cell.source = cell.source.replace("# Parameters", "# as the pipeline passes them (params.yaml)", 1)
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target)


def reference(folder: Path) -> None:
    """A page for every module that users import, and a list of them with their first sentences."""
    folder.mkdir(parents=True)
    lines, entries = [], []
    for path in sorted((ROOT / "semdf").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if parts[1] == "people" or parts[-1].startswith("_") and parts[-1] != "__init__":
            continue  # the people need an extra that readers do not have
        (folder / f"{name}.rst").write_text(f"{name}\n{'=' * len(name)}\n\n.. automodule:: {name}\n   :members:\n")
        said = ast.get_docstring(ast.parse(path.read_text())) or ""
        lines.append(f"| [{name}]({name}.rst) | {said.splitlines()[0]} |")
        entries.append(f"{name.removeprefix('semdf.')} <{name}>")
    tree = "\n```{toctree}\n:hidden:\n\n" + "\n".join(entries) + "\n```\n"
    table = "| module | what it is |\n|---|---|\n" + "\n".join(lines)
    (folder / "index.md").write_text(f"# The package\n\nFrom the docstrings.\n\n{table}\n{tree}")


def build(source: Path, out: Path) -> None:
    """Run Sphinx into `out`, which is emptied; a warning is an error."""
    shutil.rmtree(out, ignore_errors=True)
    options = ["-b", "html", "-W", "--keep-going", "-q", "-c", str(HERE)]
    subprocess.run([sys.executable, "-m", "sphinx", *options, str(source), str(out)], cwd=ROOT, check=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Build the site below scratch/site/html.")
    parser.add_argument("--run", action="store_true", help="execute the notebooks that no stage of the pipeline does")
    site = ROOT / "scratch" / "site"
    gather(site / "source", parser.parse_args().run)
    build(site / "source", site / "html")
    print("scratch/site/html/index.html")
