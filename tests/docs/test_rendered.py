"""What readers are shown belongs to the sources: executed notebooks are not older than the notebooks."""

import base64
import json
import re

import cv2
import nbformat
import numpy as np
import pytest
from ruamel.yaml import YAML

from semdf.pipeline import ROOT
from semdf.pipeline.publish import render

RENDERED = sorted((ROOT / "docs" / "rendered").glob("*.ipynb"))


def told(path) -> list[tuple[str, str, str]]:
    """Kind, name and text of the cells that an author wrote."""
    cells = nbformat.read(path, 4).cells
    return [(c.cell_type, c["id"], c.source) for c in cells if "injected-parameters" not in c.metadata.get("tags", [])]


@pytest.mark.parametrize("path", RENDERED, ids=lambda p: p.name)
def test_an_executed_notebook_has_the_cells_of_its_source(path):
    source = ROOT / "notebooks" / f"{path.name.split('.')[0]}.ipynb"
    assert told(path) == told(source), f"{path.name} is older than its source: run `dvc repro render`"


@pytest.mark.parametrize("path", RENDERED, ids=lambda p: p.name)
def test_an_executed_notebook_ran_to_its_end_without_an_error(path):
    cells = [c for c in nbformat.read(path, 4).cells if c.cell_type == "code" and c.source.strip()]
    assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1))
    assert not [o for c in cells for o in c.outputs if o.output_type == "error"]


@pytest.mark.parametrize("path", RENDERED, ids=lambda p: p.name)
def test_an_executed_notebook_shows_no_time_and_no_address(path):
    notebook = nbformat.read(path, 4)
    for output in (output for cell in notebook.cells for output in cell.get("outputs", ())):
        output.get("data", {}).pop("image/png", None)  # base64 may spell anything
    text = json.dumps(notebook)
    assert not re.search(r" at 0x[0-9a-f]{6,}|\d{4}-\d\d-\d\dT\d\d:\d\d|\d+(\.\d+)?\s?it/s", text)


def pictures(path) -> list[np.ndarray]:
    outputs = [o for c in nbformat.read(path, 4).cells for o in c.get("outputs", ())]
    found = [o["data"]["image/png"] for o in outputs if "image/png" in o.get("data", {})]
    return [cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_UNCHANGED) for text in found]


def test_pictures_of_a_copy_are_smaller_and_equal(tmp_path):
    """An alpha channel goes only where it hides nothing; all else of the notebook stays."""
    noisy = np.random.default_rng(0).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    opaque = np.dstack([np.zeros((200, 300, 3), np.uint8) + 7, np.full((200, 300), 255, np.uint8)])
    outputs = []
    for image in (noisy, opaque):
        data = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 0])[1].tobytes()
        outputs.append(nbformat.v4.new_output("display_data", {"image/png": base64.b64encode(data).decode()}))
    outputs.append(nbformat.v4.new_output("stream", name="stdout", text="said"))
    cells = [nbformat.v4.new_markdown_cell("# A", id="a"), nbformat.v4.new_code_cell("1", id="b", outputs=outputs)]
    (tmp_path / "made").mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "made" / "x.ipynb")
    (copy,) = render(tmp_path / "shown", (tmp_path / "made" / "x.ipynb",))
    assert copy.stat().st_size < 0.1 * (tmp_path / "made" / "x.ipynb").stat().st_size
    one, two = pictures(copy)
    assert np.array_equal(one, noisy) and np.array_equal(two, opaque[..., :3])
    assert told(copy) == told(tmp_path / "made" / "x.ipynb")
    assert nbformat.read(copy, 4).cells[1].outputs[2] == outputs[2]


@pytest.mark.parametrize("path", RENDERED, ids=lambda p: p.name)
def test_an_executed_notebook_has_less_than_a_megabyte(path):
    assert path.stat().st_size < 1e6


def test_every_notebook_that_is_a_stage_is_rendered():
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    ran = {re.search(r"notebooks/(\w+)\.ipynb", stage["cmd"]) for stage in stages.values()} - {None}
    assert {found.group(1) for found in ran} <= {path.name.split(".")[0] for path in RENDERED}
