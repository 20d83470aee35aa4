"""Nothing below a data set's folder vanishes: every file is a row, or counted under a reason, or refused by name."""

import os
from pathlib import Path

import _trees
import pandas as pd
import pytest

from semdf import layouts
from semdf.errors import MissingError, SemdfError
from semdf.extraction.check import beside, check
from semdf.layouts import tree
from semdf.layouts.rows import LINKED, files, known, located
from semdf.pipeline import ROOT
from semdf.storage.paths import LINKS, Bounds, real_paths


def bench(root):
    """A list with its frames."""
    _trees.bench(root)
    places = ("original_sequences/youtube/c23/frames/000", "manipulated_sequences/Deepfakes/c23/frames/000_003")
    return _trees.touch(root, *(f"FaceForensics++/{place}/012.png" for place in places))


#: Layout -> what makes a tiny tree of it.
TREES = _trees.OFFICIAL | {
    "celeb-df-v1": lambda root: _trees.celeb(root / "v1").rename(root / "Celeb-DF-v1"),
    "faceshifter": lambda root: _trees.faceforensics(root, forged=("FaceShifter",)),
    "deepfakebench": bench,
    "table": _trees.own_table,
    "pictures": lambda root: _trees.touch(root, "ann/1_a.png", "bob/2_b.jpg"),
}


def test_every_layout_has_a_tree():
    assert set(TREES) == set(layouts.names())


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"y")
    return path


def link(path: Path, target: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
    return path


def elsewhere(path: Path) -> Path:
    """A folder of a picture and a video beside the data set."""
    top = path.anchor / path.relative_to(path.anchor)
    while not (top / ".top").exists():
        top = top.parent
    put(top / "disk" / "x.png")
    put(top / "disk" / "x.mp4")
    return top / "disk"


def fifo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    return path


def nameless(folder: Path, ending: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with open(os.fsencode(folder) + b"/caf\xe9" + ending, "wb") as file:
        file.write(b"y")


#: Kind of stray -> (what puts it into a folder, whether it is harmless: None where that is the layout's affair).
STRAYS = {
    "a hidden file": (lambda at: put(at / ".DS_Store"), True),
    "a hidden picture": (lambda at: put(at / "._1.png"), True),
    "a hidden video": (lambda at: put(at / "._000.mp4"), True),
    "a hidden folder": (lambda at: put(at / ".ipynb_checkpoints" / "1_a-checkpoint.png"), True),
    "thumbnails": (lambda at: put(at / "@eaDir" / "1_a.png" / "SYNOPHOTO_THUMB.jpg"), True),
    "what an archive of a Mac has": (lambda at: put(at / "__MACOSX" / "000.mp4"), True),
    "a note": (lambda at: put(at / "Notes.TXT"), True),
    "a licence": (lambda at: put(at / "LICENSE"), True),
    "another kind of video": (lambda at: put(at / "000.avi"), False),
    "a picture of a phone": (lambda at: put(at / "1.xyz.heif2"), False),
    "an animation": (lambda at: put(at / "1_a.apng2"), False),
    "part of a download": (lambda at: put(at / "000.mp4.part"), False),
    "an archive": (lambda at: put(at / "part.zip"), False),
    "a file without an ending": (lambda at: put(at / "stray"), False),
    "a video": (lambda at: put(at / "stray.mp4"), None),
    "a video with capitals": (lambda at: put(at / "STRAY.MP4"), None),
    "a picture": (lambda at: put(at / "stray.png"), None),
    "a picture with capitals": (lambda at: put(at / "STRAY.JPG"), None),
    "a folder of others": (lambda at: [put(at / "more" / name) for name in ("stray.mp4", "stray.png")], None),
    "a name in no encoding": (lambda at: [nameless(at, ending) for ending in (b".mp4", b".png", b"")], False),
    "a folder in no encoding": (lambda at: nameless(Path(os.fsdecode(os.fsencode(at) + b"/\xff")), b".png"), False),
    "no file": (lambda at: fifo(at / "pipe"), False),
    "a link that leads nowhere": (lambda at: link(at / "gone", at / "nowhere"), False),
    "a link to itself": (lambda at: link(at / "round", at / "round"), False),
    "a link to its folder": (lambda at: link(at / "up", at), True),
    "a folder elsewhere": (lambda at: link(at / "out", elsewhere(at)), False),
    "a file elsewhere": (lambda at: link(at / "out.bin", elsewhere(at) / "x.png"), False),
    "a picture elsewhere": (lambda at: link(at / "out.png", elsewhere(at) / "x.png"), None),
    "a video elsewhere": (lambda at: link(at / "out.mp4", elsewhere(at) / "x.mp4"), None),
}


def below(root: Path) -> list[str]:
    """Every file and link below a folder, by a way of its own."""
    found = []
    for place, folders, names in os.walk(root):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        found += [os.path.relpath(os.path.join(place, name), root) for name in (*names, *links)]
    return found


def lost(root: Path, paths, reasons: dict[str, list[str]]) -> list[str]:
    """What is neither a row, nor counted, nor in a folder that is counted."""
    named = {*paths, *(name for names in reasons.values() for name in names)}
    return [path for path in below(root) if not named & {path, *map(str, Path(path).parents)}]


@pytest.fixture(params=sorted(TREES))
def planted(request, tmp_path):
    """(the name of a layout, its tree)"""
    (tmp_path / ".top").touch()
    root = TREES[request.param](tmp_path / "set")
    return request.param, root


def test_all_of_a_tree_itself_is_a_row_or_counted(planted):
    name, root = planted
    rows = pd.concat([layout.read(root) for layout in layouts.present(name, root)])
    reasons = tree.rest(root, rows["path"], layouts.present(name, root)[0].apart)
    assert not lost(root, rows["path"], reasons) and set(rows["status"]) == {"ok"}
    assert all(report.good for report in check(root, name, headers=False))


@pytest.mark.parametrize("kind", STRAYS)
def test_every_stray_is_a_row_or_counted_or_refused_by_name(planted, kind):
    name, root = planted
    plant, harmless = STRAYS[kind]
    own = {path.parent for path in root.rglob("*") if path.is_file() and path.suffix in (".mp4", ".png", ".jpg")}
    before = set(below(root))
    places = [root, sorted(own)[0], sorted(own)[-1] / "deeper"]
    for together in [places] if harmless is not None else [[place] for place in places]:
        for place in together:
            plant(place)
        strays = set(below(root)) - before
        assert strays
        judge(name, root, strays, harmless)
        for stray in strays:
            os.remove(os.fsencode(root / stray))
        for folder in sorted((p for p in root.rglob("*") if p.is_dir() and not any(p.iterdir())), reverse=True):
            folder.rmdir()


def judge(name: str, root: Path, strays: set[str], harmless: bool | None) -> None:
    """Assert that each stray is a row, counted or refused, and that the command says so."""
    reports = check(root, name, headers=False)
    said = "\n".join(map(str, reports))
    try:
        rows = pd.concat([layout.read(root) for layout in layouts.present(name, root)])
    except SemdfError as error:
        assert any(part in f"{error}" for stray in strays for part in Path(stray).parts[-2:]), error
        assert any(finding.kind == "broken" for report in reports for finding in report.findings)
        return
    layout = layouts.present(name, root)[0]
    reasons = tree.rest(root, rows["path"], layout.apart)
    assert not lost(root, rows["path"], reasons)
    assert all(reason in said for reason in reasons)
    if harmless is not None:
        assert strays - set(rows["path"])
        assert all(report.good for report in reports) == harmless, said
    lines = beside(root, rows, layout)
    assert len(lines) == len(reasons) and all(f"{len(names)} (" in "\n".join(lines) for names in reasons.values())


def test_the_page_on_formats_names_every_reason():
    said = (ROOT / "docs" / "formats.md").read_text()
    reasons = [getattr(tree, name) for name in tree.__all__ if name.isupper()]
    assert len(reasons) == 8 and all(f"| {reason.partition(';')[0]} |" in said for reason in reasons)


# -- links -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path):
    """A folder beside the data sets, which SEMDF_LINKS does not name."""
    (tmp_path / "disk").mkdir()
    return tmp_path / "disk"


@pytest.mark.parametrize("name", sorted(set(TREES) - {"table", "deepfakebench"}))
def test_a_part_that_is_a_linked_folder_is_read_where_it_may_and_told_where_not(name, tmp_path, disk, monkeypatch):
    root = TREES[name](tmp_path / "set")
    (layout,) = layouts.present(name, root)
    good = layout.read(root)
    place = good["path"].iloc[-1].rpartition("/")[0]
    moved = disk / "part"
    (root / place).rename(moved)
    (root / place).symlink_to(moved)
    reports = check(root, name, headers=False)
    assert not all(report.good for report in reports) and LINKS in str(reports[0])
    try:
        rows = layout.read(root)
    except SemdfError:  # nothing else was there
        rows = good[:0]
    assert not (rows.loc[rows["path"].str.startswith(f"{place}/"), "status"] == "ok").any()
    assert set(rows["path"]) <= set(good["path"])
    monkeypatch.setenv(LINKS, str(disk))
    pd.testing.assert_frame_equal(layout.read(root), good)
    assert all(report.good for report in check(root, name, headers=False))
    monkeypatch.delenv(LINKS)
    (root / place).unlink()
    moved.rename(root / ".store")  # inside the root, too
    (root / place).symlink_to(root / ".store")
    pd.testing.assert_frame_equal(layout.read(root), good)
    assert all(report.good for report in check(root, name, headers=False))


def test_links_that_lead_in_circles_end(tmp_path, disk, monkeypatch):
    root = _trees.touch(tmp_path / "set", "a/1.png", "b/2.png")
    (root / "a" / "round").symlink_to(root)
    (root / "b" / "a").symlink_to(root / "a")
    (root / "out").symlink_to(disk)
    (disk / "back").symlink_to(root)
    _trees.touch(disk, "3.png")
    monkeypatch.setenv(LINKS, str(tmp_path))
    assert files(root, root) == ["a/1.png", "b/2.png", "out/3.png"]
    found = tree.rest(root, files(root, root), {})
    assert found == {tree.ANOTHER_NAME: ["a/round", "b/a", "out/back"]}


def test_a_web_of_links_is_walked_once(tmp_path):
    for name in "abcdefghijklmnop":
        _trees.touch(tmp_path, f".{name}/{name}.png")
    for one in "abcdefghijklmnop":
        for other in "abcdefghijklmnop":
            (tmp_path / f".{one}" / other).symlink_to(tmp_path / f".{other}")
    (tmp_path / "in").symlink_to(tmp_path / ".a")
    assert len(files(tmp_path, tmp_path)) == 16


def test_one_rule_for_links_in_check_and_extraction(tmp_path, disk):
    """Behind a linked folder, check once called 30 files good of which extraction refused 24."""
    root = _trees.faceforensics(tmp_path / "set")
    part = root / "manipulated_sequences"
    part.rename(disk / "part")
    part.symlink_to(disk / "part")
    rows = layouts.load("faceforensics++").read(root)
    assert rows["status"].value_counts().to_dict() == {LINKED: 24, "ok": 6}
    (report,) = check(root, headers=False)
    assert not report.good and "24 (manipulated_sequences/" in str(report) and "6 files on disk" in report.summary


def test_real_paths_are_those_of_the_system(tmp_path, disk):
    root = _trees.touch(tmp_path / "set", "a/1.png", "a/b/2.png")
    (root / "c").symlink_to(root / "a")
    (root / "a" / "3.png").symlink_to(disk / "3.png")
    names = ["a/1.png", "a/b/2.png", "c/1.png", "c/b/2.png", "a/3.png", "c/3.png", "gone/4.png", "5.png"]
    assert real_paths(root, names) == [os.path.realpath(root / name) for name in names]
    assert [Bounds(root).allow(path) for path in real_paths(root, names)] == [True] * 4 + [False] * 2 + [True] * 2


def test_a_folder_that_may_not_be_listed_is_named(tmp_path, monkeypatch):
    root = _trees.celeb(tmp_path)
    scan = os.scandir

    def closed(path):
        if str(path).endswith("Celeb-synthesis"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(
        MissingError, match="Celeb-synthesis: must be a folder that may be listed, found Permission den"
    ):
        layouts.load("celeb-df-v2").read(root)
    (report,) = check(root, headers=False)
    assert not report.good and "Permission denied" in str(report)


# -- names -----------------------------------------------------------------------------------------------------------


def test_one_file_may_have_two_forms_of_a_name():
    assert known("cafe\u0301/A.MP4") == "caf\u00e9/A.mp4" and known("README") == "readme"
    assert known("a.tar/b") != known("A.tar/b")
    here = ["a.MP4", "cafe\u0301.mp4", "b.mp4", "b.MP4"]
    assert located(["a.mp4", "caf\u00e9.mp4", "b.Mp4", "b.mp4", "gone.mp4"], here) == {
        "a.mp4": "a.MP4", "caf\u00e9.mp4": "cafe\u0301.mp4", "b.Mp4": "b.Mp4", "b.mp4": "b.mp4", "gone.mp4": "gone.mp4"
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(TREES))
def test_endings_in_capitals_are_the_same_files(name, tmp_path):
    root = TREES[name](tmp_path / "set")
    options = {"compression": "c23"} if name == "faceforensics++" else {}
    good = layouts.load(name, **options).read(root)
    for path in good["path"]:
        (root / path).rename((root / path).with_suffix(Path(path).suffix.upper()))
    rows = layouts.load(name, **options).read(root)
    assert set(rows["status"]) == {"ok"}
    assert [known(path) for path in rows["path"]] == good["path"].tolist()
    pd.testing.assert_frame_equal(rows.drop(columns="path"), good.drop(columns="path"))
    assert all(report.good for report in check(root, name, headers=False))


def test_a_list_and_a_disk_may_write_accents_in_two_ways(tmp_path):
    text = "path,label\nfilms/caf\u00e9.mp4,real\nfilms/nai\u0308ve.mp4,Deepfakes\n"
    root = _trees.write(_trees.touch(tmp_path, "films/cafe\u0301", "films/na\u00efve"), "videos.csv", text)
    rows = layouts.load("table").read(root)
    assert set(rows["status"]) == {"ok"} and all((root / path).is_file() for path in rows["path"])
    assert all(report.good for report in check(root, headers=False))


def test_names_in_other_letters_are_missing_and_the_lookalike_is_named(tmp_path):
    root = _trees.write(_trees.touch(tmp_path, "films/Ann"), "videos.csv", "path,label\nfilms/ann.mp4,real\n")
    (report,) = check(root, headers=False)
    assert "1 (films/ann.mp4) in the lists, not on disk; in other letters there is 1 (films/Ann.mp4)" in str(report)
    assert "1 (films/Ann.mp4), no row: in no list" in str(report)


def test_a_name_in_no_encoding_stops_no_other(tmp_path):
    _trees.touch(tmp_path, "a.png", "b.png")
    nameless(tmp_path, b".png")
    assert layouts.load("pictures").read(tmp_path)["path"].tolist() == ["a.png", "b.png"]
    (report,) = check(tmp_path, "pictures", headers=False)
    assert not report.good and "a name that a table cannot hold" in str(report)


def test_a_picture_under_two_names_is_one_person(tmp_path):
    _trees.touch(tmp_path, "ann/1_a.png", "bob/2_b.png")
    (tmp_path / "bob" / "3_c.png").symlink_to(tmp_path / "ann" / "1_a.png")
    (tmp_path / "carl").symlink_to(tmp_path / "bob")
    rows = layouts.load("pictures").read(tmp_path)
    assert rows["path"].tolist() == ["ann/1_a.png", "bob/2_b.png"]
    assert tree.rest(tmp_path, rows["path"], {}) == {tree.ANOTHER_NAME: ["bob/3_c.png", "carl"]}
