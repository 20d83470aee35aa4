"""What readers are shown belongs to the sources: executed notebooks are not older than the notebooks."""

import json
import re

import nbformat
import pytest
from ruamel.yaml import YAML

from semdf import ROOT

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
    text = json.dumps(json.loads(path.read_text()))
    assert not re.search(r" at 0x[0-9a-f]{6,}|\d{4}-\d\d-\d\dT\d\d:\d\d|\d+(\.\d+)?\s?it/s", text)


def test_every_notebook_that_is_a_stage_is_rendered():
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    ran = {re.search(r"notebooks/(\w+)\.ipynb", stage["cmd"]) for stage in stages.values()} - {None}
    assert {found.group(1) for found in ran} <= {path.name.split(".")[0] for path in RENDERED}
