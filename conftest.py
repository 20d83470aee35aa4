"""How `pytest -n 2` gives tests to its workers."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import pytest

#: Files of tests that read or write what notebooks make at their defaults, below scratch/.
SHARING = ("tests/across/test_real_trees.py", "tests/docs/test_readme.py")


def unit(nodeid: str) -> str:
    """What must be done by one worker, and in order: the tests of a file; all notebooks, with the files of SHARING."""
    file = nodeid.split("::", 1)[0]
    return "notebooks" if PurePosixPath(file).suffix == ".ipynb" or file in SHARING else file


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The notebooks come first, because they take longest."""
    items.sort(key=lambda item: unit(item.nodeid) != "notebooks")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A scheduler of pytest-xdist that gives out units in the order of the tests."""
    from xdist.scheduler import LoadFileScheduling

    class Units(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit(nodeid)

    config.option.loadscopereorder = False
    return Units(config, log)
