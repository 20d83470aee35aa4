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
    "CHANGELOG.md",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/course.md",
    "docs/data.md",
    "docs/data_card.md",
    "docs/formats.md",
    "docs/gpu.md",
    "docs/limits.md",
    "docs/model_card.md",
    "docs/other_machines.md",
    "docs/others.md",
    "docs/real_data.md",
    "docs/results.md",
    "docs/scale.md",
    "docs/speed.md",
    "docs/why.md",
    "docs/weights.md",
    "benchmarks/README.md",
)
#: Target of a link that is no page of the site -> the page that is shown instead.
ELSEWHERE = {"docs/rendered": "notebooks/00_tour.ipynb", "README.md": "index.md"}
#: Executed notebooks, which the site shows under the names of their sources.
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
CHANGELOG
CODE_OF_CONDUCT
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
    """Put everything that Sphinx reads into the folder `source`, which is emptied first."""
    shutil.rmtree(source, ignore_errors=True)
    page(ROOT / "README.md", source / "index.md", TREES)
    for name in PAGES:
        if (ROOT / name).is_file():
            page(ROOT / name, source / name)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        show(executed(path, run), source / "notebooks" / path.name)
    reference(source / "api")


def page(path: Path, target: Path, more: str = "") -> None:
    """Write a Markdown page and copy the files that it links to; links to what is not there become plain text.

    Args:
        path: The page in the repository.
        target: Where it is written.
        more: Text that is added at its end.
    """
    depth = len(path.relative_to(ROOT).parts) - 1

    def link(found: re.Match) -> str:
        image, text, to, anchor = found.groups()
        if "://" in to:
            return found.group()
        place = (path.parent / to).resolve().relative_to(ROOT).as_posix()
        place = EXECUTED.sub(r"notebooks/\1.ipynb", ELSEWHERE.get(place, place))
        is_page = place in PAGES or place == "index.md" or place.startswith("notebooks/")
        if not is_page:
            if not (ROOT / place).is_file():
                return text
            copy(place, target.parents[depth])
        return f"{image}[{text}]({'../' * depth}{place}{anchor or ''})"

    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(LINK.sub(link, path.read_text()) + more)


def copy(place: str, source: Path) -> None:
    """Copy a file of the repository to its place below `source`."""
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
    """Write a notebook with its solutions folded away and without the cells that grade them.

    The cell with the parameters that a stage passed says that the pipeline passed them.
    """
    notebook = nbformat.read(path, 4)
    for cell in notebook.cells:
        tags = list(cell.metadata.get("tags", []))
        if "solution" in tags:
            cell.source = "\n".join(line for line in cell.source.splitlines() if not MARK.match(line))
            tags.append("hide-cell")
        if "grade" in tags:
            tags.append("remove-cell")
        cell.metadata["tags"] = tags
        if "injected-parameters" in tags:
            cell.source = cell.source.replace("# Parameters", "# as the pipeline passes them (params.yaml)", 1)
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target)


def reference(folder: Path) -> None:
    """Write a page for every module that users import, and a list of them with the first lines of their docstrings."""
    folder.mkdir(parents=True)
    rows: list[str] = []
    entries: list[str] = []
    for path in sorted((ROOT / "semdf").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        elif parts[-1].startswith("_"):
            continue
        name = ".".join(parts)
        title = f"{name}\n{'=' * len(name)}"
        (folder / f"{name}.rst").write_text(f"{title}\n\n.. automodule:: {name}\n   :members:\n")
        said = ast.get_docstring(ast.parse(path.read_text())) or ""
        rows.append(f"| [{name}]({name}.rst) | {said.splitlines()[0]} |")
        entries.append(f"{name.removeprefix('semdf.')} <{name}>")
    table = "\n".join(["| module | what it is |", "|---|---|", *rows])
    tree = "\n".join(["```{toctree}", ":hidden:", "", *entries, "```"])
    (folder / "index.md").write_text(f"# The package\n\nFrom the docstrings.\n\n{table}\n\n{tree}\n")


def build(source: Path, out: Path) -> None:
    """Run Sphinx into the folder `out`, which is emptied first; a warning is an error."""
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
