"""Products that notebooks need: small ones are made once, however many ask for them."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from semdf.errors import MissingError
from semdf.pipeline import ROOT, products


@pytest.fixture
def made(tmp_path, monkeypatch):
    """The notebooks that were run, in a checkout of its own where running one takes a while."""
    runs = []

    def run(source, target, values):
        assert target.name == source.name and not values
        runs.append(source.stem)
        time.sleep(0.2)
        (tmp_path / "scratch" / "notebooks" / "faces").mkdir(parents=True)
        (tmp_path / "scratch" / "notebooks" / "faces" / "manifest.parquet").touch()

    monkeypatch.setattr(products, "ROOT", tmp_path)
    monkeypatch.setattr(products, "SMALL", tmp_path / "scratch" / "notebooks")
    monkeypatch.setattr(products, "LOCKS", tmp_path / "scratch" / "locks")
    monkeypatch.setattr(products.nb, "run", run)
    return runs


def test_a_small_product_is_made_once_for_all_who_ask(made, tmp_path):
    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(products.ensure, ["scratch/notebooks/faces"] * 4))
    assert folders == [tmp_path / "scratch" / "notebooks" / "faces"] * 4 and made == ["02_faces"]


def test_a_product_of_the_pipeline_must_be_there(made, tmp_path):
    (tmp_path / "faces").mkdir()
    assert products.ensure("faces") == tmp_path / "faces"
    for path in ("expanded", "scratch/notebooks/nothing"):
        with pytest.raises(MissingError, match=f"folder '{path}' must be there, found none: run `make reproduce`"):
            products.ensure(path)
    assert not made


def test_small_products_have_their_notebooks():
    for maker in products.MAKERS.values():
        assert (ROOT / "notebooks" / f"{maker.notebook}.ipynb").is_file()
