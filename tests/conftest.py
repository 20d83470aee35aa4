"""Shared by all tests: where things are, and a clean place for what notebooks write."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from semdf.pipeline import ROOT
from semdf.pipeline.products import SMALL

settings.register_profile("semdf", deadline=None)  # no test is about time
settings.load_profile("semdf")


def pytest_sessionstart(session):
    if not hasattr(session.config, "workerinput"):  # once, and not in each of the workers
        shutil.rmtree(SMALL, ignore_errors=True)


@pytest.fixture(scope="session")
def data() -> Path:
    """The embedded data; a test that needs them fails when they have not been pulled."""
    folder = ROOT / "data"
    assert folder.is_dir(), "data/ is missing: run `dvc pull data.dvc`, or `make test`, which does"
    return folder


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)
