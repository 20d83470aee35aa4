import json
import subprocess
import sys

import nbformat
import pytest

from semdf.errors import MissingError, ParameterError
from semdf.pipeline import ROOT, nb


def notebook(path, code="print(x)", parameters="x = 1"):
    cells = [nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}), nbformat.v4.new_code_cell(code)]
    for i, cell in enumerate(cells):
        cell["id"] = f"c{i}"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


def test_two_runs_write_the_same_bytes_and_the_values_arrive(tmp_path):
    code = "import sys, time; print(x); print(time.time(), file=sys.stderr)"
    source = notebook(tmp_path / "n.ipynb", code)
    one, two = (nb.run(source, tmp_path / f"{n}.ipynb", {"x": 1e-7}) for n in "ab")
    assert one.read_bytes() == two.read_bytes()
    assert json.loads(one.read_text())["cells"][2]["outputs"][0]["text"] == ["1e-07\n"]


def test_an_unknown_parameter_is_refused_before_anything_runs(tmp_path):
    source = notebook(tmp_path / "n.ipynb")
    with pytest.raises(ParameterError, match="no parameter y; known: x"):
        nb.run(source, tmp_path / "out.ipynb", {"y": 1})
    with pytest.raises(MissingError, match="none.ipynb"):
        nb.declared(tmp_path / "none.ipynb")


def test_a_failed_run_leaves_no_executed_notebook(tmp_path):
    source = notebook(tmp_path / "n.ipynb", "raise ValueError(x)")
    with pytest.raises(nb.NotebookError, match="n.ipynb: ValueError: 1"):
        nb.run(source, tmp_path / "out.ipynb", {})
    assert not (tmp_path / "out.ipynb").exists()


def test_exactly_one_cell_declares_parameters(tmp_path):
    path = tmp_path / "n.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x = 1")]), path)
    with pytest.raises(ParameterError, match="one cell tagged 'parameters', found 0"):
        nb.declared(path)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["notebooks/none.ipynb", "x.ipynb"], "none.ipynb"),
        (["notebooks/05_training.ipynb", "x.ipynb", "--section", "trian"], "found trian"),
        (["notebooks/05_training.ipynb", "x.ipynb", "--set", "epochs"], "NAME=VALUE"),
        (["notebooks/05_training.ipynb", "x.ipynb", "--set", "epohcs=3"], "epohcs"),
        (["notebooks/02_faces.ipynb", "x.ipynb", "--set", "data_dir=nowhere"], "must be a folder at"),
    ],
)
def test_the_command_says_what_is_wrong_in_one_line(arguments, words):
    done = subprocess.run(
        [sys.executable, "-m", "semdf.pipeline.nb", *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode != 0 and words in done.stderr
    assert "Traceback" not in done.stderr and not (ROOT / "x.ipynb").exists()
