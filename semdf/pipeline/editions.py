"""Two editions of the notebooks: the student's without the solutions of exercises, the instructor's with them.

    python -m semdf.pipeline.editions --out scratch/editions

In the sources every exercise has a cell tagged `solution`, whose answer stands between two marks, and a cell tagged
`grade`, which raises an error when the answer is wrong; so the sources are their own test. The marks are those of
nbgrader (nbgrader.readthedocs.io, ClearSolutions), which removes such answers too.
"""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import indent

import click
import nbformat
from nbformat import NotebookNode

from semdf.errors import DataError, MissingError
from semdf.pipeline import ROOT

__all__ = ["BEGIN", "END", "instructor", "student", "write"]

BEGIN = "### BEGIN SOLUTION"
END = "### END SOLUTION"
ANSWER = "# your answer\n"
SOLVED = re.compile(rf"^{BEGIN}\n.*?^{END}(?:\n|\Z)", re.M | re.S)


def instructor(notebook: NotebookNode) -> NotebookNode:
    """A copy of the source without outputs.

    Raises:
        DataError: A solution lacks one of its two marks, or its grade.
    """
    copy = nbformat.from_dict(notebook)
    for cell in copy.cells:
        if cell.cell_type == "code":
            cell.outputs = []
            cell.execution_count = None
    solved = [cell["id"] for cell in copy.cells if "solution" in _tags(cell)]
    graded = [cell["id"] for cell in copy.cells if "grade" in _tags(cell)]
    if [_number(name) for name in solved] != [_number(name) for name in graded]:
        raise DataError(f"every solution must have its grade, found {solved} and {graded}")
    for cell in copy.cells:
        wanted = 1 if "solution" in _tags(cell) else 0
        begins = cell.source.count(BEGIN)
        ends = cell.source.count(END)
        if not begins == ends == len(SOLVED.findall(cell.source)) == wanted:
            raise DataError(f"cell {cell['id']!r} must hold {wanted} marked solution, found marks {(begins, ends)}")
    return copy


def student(notebook: NotebookNode) -> NotebookNode:
    """A copy without the answers, whose grades print instead of raising errors: "not yet", "wrong" and why, or "right".

    Grades are folded away, not hidden: a reader who unfolds one sees what is asked of the answer.
    """
    copy = instructor(notebook)
    for cell in copy.cells:
        if "solution" in _tags(cell):
            cell.source = SOLVED.sub(ANSWER, cell.source).rstrip("\n")
        if "grade" in _tags(cell):
            cell.source = _printing(cell.source, _number(cell["id"]))
            cell.metadata["jupyter"] = {"source_hidden": True}
    return copy


def _tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def _number(name: str) -> str:
    """The number of an exercise, from the id of its cell: "solution-2" -> "2"."""
    return name.rpartition("-")[2]


def _printing(checks: str, number: str) -> str:
    """A grade that prints instead of raising an error; where a name is not assigned, the answer is not yet given."""
    return (
        f"try:\n{indent(checks, '    ')}\n"
        f'except NameError:\n    print("Exercise {number}: not yet")\n'
        f'except Exception as reason:\n    print("Exercise {number}: wrong.", reason)'
    )


def write(source: Path, out: Path) -> list[Path]:
    """Write both editions of every notebook in the folder `source`, into `out`/student and `out`/instructor.

    Raises:
        MissingError: The folder holds no notebook.
        DataError: See `instructor`; the message names the notebook.
    """
    notebooks = sorted(source.glob("*.ipynb"))
    if not notebooks:
        raise MissingError(f"folder {source.name!r} must hold notebooks, found none")
    written = []
    for path in notebooks:
        for edition in (student, instructor):
            target = out / edition.__name__ / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                nbformat.write(edition(nbformat.read(path, 4)), target)
            except DataError as error:
                raise DataError(f"{path.name}: {error}") from None
            written.append(target)
    return written


@click.command()
@click.option("--source", type=Path, default=Path("notebooks"), show_default=True, help="Folder of the sources.")
@click.option("--out", type=Path, default=Path("scratch/editions"), show_default=True, help="Where to write.")
def main(source: Path, out: Path) -> None:
    """Write the student and the instructor edition of the notebooks."""
    try:
        written = write(ROOT / source, ROOT / out)
    except (DataError, MissingError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{len(written) // 2} notebooks in {out / 'student'} and in {out / 'instructor'}")


if __name__ == "__main__":
    main()
