"""Exercises: every notebook has them, the student edition holds no answer, and grades tell right from wrong."""

import re

import nbformat
import pytest

from semdf.errors import DataError, MissingError
from semdf.pipeline import ROOT, nb
from semdf.pipeline.editions import BEGIN, END, instructor, student, write

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
#: Stages whose products are stored with the data: an edit of the notebook would make the stored ones outdated.
STORED = {"02b_parser"}
TAUGHT = [path for path in NOTEBOOKS if path.stem not in STORED]


def cells_of(notebook, tag):
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def small(answer="x = 2", check='assert x == 2, "one and one"\nprint("Exercise 1: right")', tags=("solution", "grade")):
    """A notebook with one exercise."""
    cells = [nbformat.v4.new_code_cell("one = 1", metadata={"tags": ["parameters"]})]
    for tag, source in zip(tags, (answer, check), strict=False):
        cells.append(nbformat.v4.new_code_cell(source, metadata={"tags": [tag]}))
        cells[-1]["id"] = f"{tag}-1"
    cells[0]["id"] = "parameters"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


SOLVED = f"# add\n{BEGIN}\nx = one + 1\n{END}"


@pytest.mark.parametrize("path", TAUGHT, ids=lambda p: p.stem)
def test_a_notebook_has_three_exercises_and_each_its_solution_and_grade(path):
    source = nbformat.read(path, 4)
    solved, graded = cells_of(instructor(source), "solution"), cells_of(source, "grade")
    titles = re.findall(r"^### Exercise (\d+): \S", "\n".join(c.source for c in source.cells), re.M)
    assert len(solved) >= 3
    assert titles == [str(k) for k in range(1, len(solved) + 1)]
    assert [c["id"] for c in solved] == [f"solution-{k}" for k in titles]
    for k, cell in zip(titles, graded, strict=True):
        assert cell["id"] == f"grade-{k}" and "assert " in cell.source
        assert cell.source.endswith(f'print("Exercise {k}: right")')


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_the_student_edition_holds_no_solution(path):
    source = nbformat.read(path, 4)
    made = student(source)
    assert [c["id"] for c in made.cells] == [c["id"] for c in source.cells]
    text = "\n".join(c.source for c in made.cells)
    assert BEGIN not in text and END not in text
    for before, after in zip(cells_of(source, "solution"), cells_of(made, "solution"), strict=True):
        answer = before.source.partition(BEGIN + "\n")[2].partition(END)[0]
        assert answer.strip() and "# your answer" in after.source
        lines = [line.strip() for line in answer.splitlines() if len(line.strip()) > 25]
        assert not [line for line in lines if line in after.source]
    others = [c for c in made.cells if not {"solution", "grade"} & set(c.metadata.get("tags", []))]
    assert all(c in source.cells for c in others)


def test_the_instructor_edition_is_the_source():
    source = small(SOLVED)
    source.cells[1].outputs = [nbformat.v4.new_output("stream", text="old")]
    made = instructor(source)
    assert [c.source for c in made.cells] == [c.source for c in source.cells]
    assert not made.cells[1].outputs and source.cells[1].outputs


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("# your answer", "Exercise 1: not yet\n"),
        ("x = 3", "Exercise 1: wrong. one and one\n"),
        ("x = 2", "Exercise 1: right\n"),
    ],
)
def test_a_grade_says_not_yet_wrong_or_right(answer, said, capsys):
    made = student(small(SOLVED))
    assert made.cells[1].source == "# add\n# your answer"
    scope = {"one": 1}
    exec(answer, scope)
    exec(made.cells[2].source, scope)
    assert capsys.readouterr().out == said


def test_the_student_edition_runs_to_its_end(tmp_path):
    path = tmp_path / "n.ipynb"
    nbformat.write(student(nbformat.read(ROOT / "notebooks" / "01_label_hierarchy.ipynb", 4)), path)
    done = nbformat.read(nb.run(path, tmp_path / "done.ipynb", {}), 4)
    said = ["".join(o.get("text", "") for o in c.outputs) for c in cells_of(done, "grade")]
    assert said == [f"Exercise {k}: not yet\n" for k in range(1, len(said) + 1)] and said


@pytest.mark.parametrize(
    "broken",
    [
        small("x = 2"),
        small(f"{BEGIN}\nx = 2"),
        small(f"{SOLVED}\n{SOLVED}"),
        small(SOLVED, tags=("solution",)),
        small(SOLVED, SOLVED),
        small(f"if one:\n    {BEGIN}\n    x = 2\n    {END}"),
    ],
    ids=["unmarked", "unfinished", "twice", "ungraded", "in the grade", "indented"],
)
def test_a_malformed_exercise_is_refused(broken, tmp_path):
    (tmp_path / "notebooks").mkdir()
    nbformat.write(broken, tmp_path / "notebooks" / "n.ipynb")
    with pytest.raises(DataError, match="n.ipynb"):
        write(tmp_path / "notebooks", tmp_path / "out")


def test_one_command_writes_both_editions(tmp_path):
    written = write(ROOT / "notebooks", tmp_path)
    assert {p.relative_to(tmp_path).as_posix() for p in written} == {
        f"{edition}/{path.name}" for edition in ("student", "instructor") for path in NOTEBOOKS
    }
    for path in written:
        nbformat.validate(nbformat.read(path, 4))
    with pytest.raises(MissingError):
        write(tmp_path, tmp_path / "none")
