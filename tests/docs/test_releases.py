"""What a release has besides code: metadata with one source, a changelog of its form, links that lead somewhere."""

import importlib.util
import json
import re
import shutil

import pytest
from ruamel.yaml import YAML

import semdf
from semdf.pipeline import ROOT

CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / ".github").rglob("*.md")])
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
METADATA = ("CITATION.cff", "codemeta.json", ".zenodo.json")


@pytest.fixture(scope="module")
def metadata():
    spec = importlib.util.spec_from_file_location("metadata", ROOT / "docs" / "metadata.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def copy(tmp_path):
    for name in (*METADATA, "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_the_metadata_are_what_their_sources_say(metadata, copy):
    metadata.write(copy)
    for name in METADATA:
        assert (copy / name).read_text() == (ROOT / name).read_text(), f"{name}: python docs/metadata.py"


def test_the_version_stands_in_one_place(metadata, copy, monkeypatch):
    """A test of the wheel holds the installed version against the package's; here are the copies."""
    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text()
    monkeypatch.setattr(semdf, "__version__", "7.8.9")
    metadata.write(copy)
    assert "\nversion: 7.8.9\n" in (copy / "CITATION.cff").read_text()
    assert [json.loads((copy / name).read_text())["version"] for name in METADATA[1:]] == ["7.8.9", "7.8.9"]


def test_an_address_that_is_filled_in_is_passed_on(metadata, copy):
    text = (copy / "pyproject.toml").read_text()
    assert "# [project.urls]\n" in text and "repository-code" not in (ROOT / "CITATION.cff").read_text()
    (copy / "pyproject.toml").write_text(f'{text}\n[project.urls]\nRepository = "https://example.org/semdf"\n')
    metadata.write(copy)
    assert YAML(typ="safe").load(copy / "CITATION.cff")["repository-code"] == "https://example.org/semdf"
    assert json.loads((copy / "codemeta.json").read_text())["codeRepository"] == "https://example.org/semdf"


def test_the_changelog_has_the_form_of_keep_a_changelog():
    heads = re.findall(r"^## (.+)$", CHANGELOG, re.M)
    assert heads[0] == "[Unreleased]"
    for head in heads[1:]:
        assert re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", head), head
    kinds = set(re.findall(r"^### (.+)$", CHANGELOG, re.M))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_relative_link_of_a_page_leads_to_a_file_and_a_heading(path):
    text = re.sub(r"^(```.*?^```|    .*?)$", "", path.read_text(), flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        target = (path.parent / place).resolve() if place else path
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            heads = re.findall(r"^#+ (.+)$", target.read_text(), re.M)
            slugs = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
            assert anchor in slugs, f"{link}: {sorted(slugs)}"


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_modules_and_scripts_that_a_page_runs_exist(path):
    text = path.read_text()
    for name in re.findall(r"python -m ((?:semdf|benchmarks|people)[\w.]*\w)", text):
        assert importlib.util.find_spec(name), name
    for name in re.findall(r"(?:python|tests|torchrun.*) ((?:tests|docs)/[\w/]+\.py)", text):
        assert (ROOT / name).is_file(), name


def test_the_stored_data_and_weights_are_small():
    """A clone brings all of them; every version stays in git's history."""
    files = [path for path in (ROOT / "store").rglob("*") if path.is_file()]
    assert len(files) > 1000 and sum(path.stat().st_size for path in files) < 180e6


@pytest.mark.parametrize("path", FORMS, ids=lambda p: p.name)
def test_forms_of_issues_ask_by_fields_with_names_of_their_own(path):
    form = YAML(typ="safe").load(path)
    if path.name == "config.yml":
        assert form == {"blank_issues_enabled": True}
        return
    assert form["name"] and form["description"]
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    names = [field["id"] for field in fields]
    assert len(names) == len(set(names)) > 2 and all(field["attributes"]["label"] for field in fields)
