"""The pages that the site is built from, before Sphinx: links lead to pages of the site, and nothing is left outside.

Sphinx says the same (tests/docs/test_site.py), but where the extra `site` is not installed only these tests run.
"""

import re
import sys
from fnmatch import fnmatch

import nbformat
import pytest

from semdf.pipeline import ROOT

LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^(```|~~~).*?^\1|`[^`\n]+`", re.S | re.M)


@pytest.fixture(scope="module")
def build():
    sys.path.insert(0, str(ROOT / "docs" / "site"))
    import build

    yield build
    sys.path.remove(str(ROOT / "docs" / "site"))


@pytest.fixture(scope="module")
def source(build, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "source"
    build.gather(folder)
    return folder


def texts(path):
    if path.suffix == ".md":
        return path.read_text()
    return "\n".join(c.source for c in nbformat.read(path, 4).cells if c.cell_type == "markdown")


def dead(source):
    for path in sorted([*source.rglob("*.md"), *source.rglob("*.ipynb")]):
        for to in LINK.findall(CODE.sub("", texts(path))):
            place = to.partition("#")[0]
            if place and "://" not in to and not to.startswith("mailto:") and not (path.parent / place).is_file():
                yield f"{path.relative_to(source)} -> {to}"


def test_links_lead_to_pages(source):
    assert not list(dead(source))


def test_a_dead_link_is_found(source):
    page = source / "docs" / "course.md"
    text = page.read_text()
    page.write_text(text + "\n[notebook 7](rendered/07_nothing.ipynb), [fine](data.md#here), `[code](nowhere.md)`\n")
    try:
        assert list(dead(source)) == ["docs/course.md -> rendered/07_nothing.ipynb"]
    finally:
        page.write_text(text)


def test_every_page_is_in_a_list_of_contents(build, source):
    listed = re.findall(r"^[\w/*]+$", build.TREES, re.M)
    for path in sorted([*source.rglob("*.md"), *source.rglob("*.ipynb")]):
        name = path.relative_to(source).with_suffix("").as_posix()
        assert name == "index" or any(fnmatch(name, pattern) for pattern in listed), name


def test_links_to_executed_notebooks_lead_to_those_shown(build, tmp_path, monkeypatch):
    rendered = sorted((ROOT / "docs" / "rendered").glob("*.ipynb"))
    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    page.write_text("\n".join(f"[{path.stem}](rendered/{path.name})" for path in rendered))
    monkeypatch.setattr(build, "ROOT", tmp_path)
    build.page(page, tmp_path / "made" / "docs" / "page.md")
    shown = LINK.findall((tmp_path / "made" / "docs" / "page.md").read_text())
    assert len(shown) == len(rendered) > 10
    assert "../notebooks/05_training.ipynb" in shown
    for to in shown:
        assert (ROOT / "docs" / to).is_file(), to
