"""The student and the instructor edition of the notebooks: with exercises open, and with their solutions.

    python -m semdf.pipeline.editions --out scratch/editions

In the sources every exercise has a cell tagged `solution`, whose answer stands between two marks, and a cell tagged
`grade`, which raises where the answer is wrong; so the sources are their own test. The marks are nbgrader's
(nbgrader.readthedocs.io, ClearSolutions), which would do the same.
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

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
ANSWER = "# your answer\n"
SOLVED = re.compile(rf"^{BEGIN}\n.*?^{END}(?:\n|\Z)", re.M | re.S)


def instructor(notebook: NotebookNode) -> NotebookNode:
    """Everything: a copy of the source without outputs.

    Raises:
        DataError: a solution without its two marks, or without a grade.
    """
    copy = nbformat.from_dict(notebook)
    for cell in copy.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    solved, graded = ([c["id"] for c in copy.cells if tag in _tags(c)] for tag in ("solution", "grade"))
    if [name.rpartition("-")[2] for name in solved] != [name.rpartition("-")[2] for name in graded]:
        raise DataError(f"every solution must have its grade, found {solved} and {graded}")
    for cell in copy.cells:
        marks = (cell.source.count(BEGIN), cell.source.count(END))
        wanted = (1, 1) if "solution" in _tags(cell) else (0, 0)
        if marks != wanted or len(SOLVED.findall(cell.source)) != wanted[0]:
            raise DataError(f"cell {cell['id']!r} must hold {wanted[0]} marked solution, found marks {marks}")
    return copy


def student(notebook: NotebookNode) -> NotebookNode:
    """The same without the answers; a grade says "not yet", "wrong" and why, or "right", and never stops the notebook.

    Grades are folded away, not hidden: who unfolds one sees what is asked of the answer.
    """
    copy = instructor(notebook)
    for cell in copy.cells:
        if "solution" in _tags(cell):
            cell.source = SOLVED.sub(ANSWER, cell.source).rstrip("\n")
        if "grade" in _tags(cell):
            cell.source = _gentle(cell.source, cell["id"].rpartition("-")[2])
            cell.metadata["jupyter"] = {"source_hidden": True}
    return copy


def _tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def _gentle(checks: str, number: str) -> str:
    """A grade that prints instead of raising; a name that nobody has assigned is an answer not yet given."""
    return (
        f"try:\n{indent(checks, '    ')}\n"
        f'except NameError:\n    print("Exercise {number}: not yet")\n'
        f'except Exception as reason:\n    print("Exercise {number}: wrong.", reason)'
    )


def write(source: Path, out: Path) -> list[Path]:
    """Both editions of every notebook of the folder `source`, below `out`/student and `out`/instructor.

    Raises:
        MissingError: no notebook there.
        DataError: see `instructor`; the message names the notebook.
    """
    if not (notebooks := sorted(source.glob("*.ipynb"))):
        raise MissingError(f"notebooks expected in {source.name!r}, found none")
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


@click.command(help="Write the student and the instructor edition of the notebooks.")
@click.option("--source", type=Path, default=Path("notebooks"), show_default=True, help="Folder of the sources.")
@click.option("--out", type=Path, default=Path("scratch/editions"), show_default=True, help="Where to write.")
def main(source: Path, out: Path) -> None:
    try:
        written = write(ROOT / source, ROOT / out)
    except (DataError, MissingError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{len(written) // 2} notebooks in {out / 'student'} and in {out / 'instructor'}")


if __name__ == "__main__":
    main()
