"""The table of weights: complete, pinned, shown in the documents, and what the code looks for."""

import re
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import open_clip
import platformdirs
import pytest
import torch
from safetensors.torch import save_file

from semdf.errors import DataError, ParameterError
from semdf.evaluation import outside
from semdf.faces import mtcnn, parsing, retinaface
from semdf.method import imagenet, towers
from semdf.pipeline import ROOT
from semdf.weights import registry
from semdf.weights.fetch import sha256_of
from semdf.weights.registry import WEIGHTS

PAGE = (ROOT / "docs" / "weights.md").read_text()


@pytest.mark.parametrize("entry", WEIGHTS.values(), ids=list(WEIGHTS))
def test_an_entry_is_complete(entry):
    assert all([entry.use, entry.file, entry.licence, entry.training, entry.source])
    assert sum(map(bool, (entry.address, entry.page, entry.package, entry.path))) == 1
    assert entry.size > 0 or entry.page
    assert re.fullmatch("[0-9a-f]{64}|", entry.sha256)


@pytest.mark.parametrize("entry", [e for e in WEIGHTS.values() if e.address], ids=lambda e: e.name)
def test_an_address_cannot_come_to_mean_another_file(entry):
    """It names a release, a commit or the SHA-256 itself, and is encrypted."""
    pinned = rf"/releases/download/v[0-9.]+/|/resolve/[0-9a-f]{{40}}/|/{entry.sha256}/"
    assert entry.address.startswith("https://") and re.search(pinned, entry.address)


def test_names_of_files_tell_them_apart():
    files = [entry.file for entry in WEIGHTS.values() if entry.address or entry.page]
    assert len(set(files)) == len(files) and all(Path(file).name == file for file in files)


def test_the_encoders_are_all_that_openai_published():
    """With the addresses and hashes that open_clip has, but for the one that is fetched from a hub."""
    told = {
        name: open_clip.get_pretrained_cfg(name, tag)["url"]
        for name, tag in open_clip.list_pretrained()
        if tag == "openai" and not name.endswith("-quickgelu")
    }
    assert set(told) <= set(WEIGHTS)
    for name, address in told.items():
        if (name, "openai") not in towers.PINNED:
            assert WEIGHTS[name].address == address and WEIGHTS[name].sha256 in address
    for (name, _), release in towers.PINNED.items():
        assert str(release) == f"{WEIGHTS[name].address} (SHA-256 {WEIGHTS[name].sha256})"


def test_what_the_code_reads_is_in_the_table():
    assert {model.file for model in retinaface.MODELS.values()} <= {entry.file for entry in WEIGHTS.values()}
    assert WEIGHTS["parser"].file == WEIGHTS["own-parser"].file == parsing.FILE
    assert WEIGHTS["imagenet"].file == imagenet.FILE and WEIGHTS["imagenet"].sha256 == imagenet.SHA256
    assert WEIGHTS["imagenet"].package == imagenet.PACKAGE
    assert WEIGHTS["mtcnn"].package == mtcnn.PACKAGE
    assert all(name in WEIGHTS["mtcnn"].file for name in mtcnn.SHA256)
    assert WEIGHTS["mtcnn"].size == sum((mtcnn.weights_folder() / name).stat().st_size for name in mtcnn.SHA256)
    assert WEIGHTS["imagenet"].size == imagenet.weights_file().stat().st_size
    for name in outside.known():
        assert WEIGHTS[name].file == outside.find(name).file


@pytest.mark.parametrize("entry", WEIGHTS.values(), ids=list(WEIGHTS))
def test_the_page_has_a_row_for_each(entry):
    if entry.address:
        origin = f"[fetched]({entry.address})"
    elif entry.page:
        origin = f"by hand: {entry.page}"
    else:
        origin = f"package `{entry.package}`" if entry.package else f"this repository, `{entry.path}`"
    size = f"{entry.size:,}" if entry.size else "not known"
    hashed = f"`{entry.sha256}`" if entry.sha256 else "not published"
    assert f"| `{entry.name}` | {entry.use} | {entry.licence} | {entry.training} | {entry.source} |" in PAGE
    assert f"| `{entry.name}` | `{entry.file}` | {size} | {hashed} | {origin} |" in PAGE


def test_the_page_has_no_row_of_something_else():
    assert set(re.findall(r"^\| `([^`]+)` \|", PAGE, re.M)) == set(WEIGHTS)


def test_packages_have_the_version_whose_files_were_described():
    pins = dict(re.findall(r'"([a-z0-9-]+)==([^"]+)"', (ROOT / "pyproject.toml").read_text()))
    for entry in WEIGHTS.values():
        if entry.package:
            assert metadata.version(entry.package) == pins[entry.package]
            assert registry.place(entry) == f"package {entry.package}"


def test_files_are_looked_for_in_one_named_folder_or_in_two(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name, **_: tmp_path / "cache" / name)
    named = tmp_path / "named"
    here = Path("weights")
    fetched = tmp_path / "cache" / "semdf" / "weights"
    monkeypatch.setenv("SEMDF_WEIGHTS", str(named))
    assert registry.folder() == named and registry.folders() == (named,)
    for unset in (lambda: monkeypatch.setenv("SEMDF_WEIGHTS", ""), lambda: monkeypatch.delenv("SEMDF_WEIGHTS")):
        unset()
        assert registry.folder() == fetched and registry.folders() == (here, fetched)
    entry = WEIGHTS["gend"]
    assert registry.find(entry.file) is None and registry.place(entry) == ""
    for folder in (fetched, here):
        folder.mkdir(parents=True)
        (folder / entry.file).touch()
        assert registry.find(entry.file) == folder / entry.file and registry.place(entry) == str(folder / entry.file)


def test_a_name_that_is_none_lists_them_all():
    with pytest.raises(ParameterError, match="weights must be one of retinaface, .*, found 'resnet'"):
        registry.load("resnet")


def test_what_is_missing_is_said_with_address_hash_and_place(monkeypatch):
    monkeypatch.setenv("SEMDF_WEIGHTS", "here")
    entry = WEIGHTS["gend"]
    told = registry.missing("gend")
    assert all(part in told for part in ("`semdf fetch gend`", entry.address, entry.sha256, entry.file, "into here"))
    told = registry.missing("lnclip")
    assert WEIGHTS["lnclip"].page in told and "as lnclip.ckpt" in told and "semdf fetch" not in told


def test_an_encoder_takes_the_file_that_was_fetched_and_asks_no_hub(tmp_path, monkeypatch):
    monkeypatch.setenv("SEMDF_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(open_clip, "create_model", lambda *_, **__: pytest.fail("a hub was asked"))
    state = towers.create("semdf-mini", seed=3).state_dict()
    path = tmp_path / "small.safetensors"
    save_file(state, path)
    entry = replace(WEIGHTS["ViT-B-32"], name="semdf-mini", file=path.name, sha256=sha256_of(path))
    monkeypatch.setitem(WEIGHTS, "semdf-mini", entry)
    found = towers.create("semdf-mini", "openai").state_dict()
    assert all(torch.equal(found[name], value) for name, value in state.items())
    monkeypatch.setitem(WEIGHTS, "semdf-mini", replace(entry, sha256="0" * 64))
    with pytest.raises(DataError, match=r"pretrained: .*small.safetensors must have the SHA-256 0{64}, found "):
        towers.create("semdf-mini", "openai")
