"""`semdf check`: complete trees are silent, every kind of fault is told apart, a miniature is called one."""

import os

import _trees
import cv2
import numpy as np
import pytest
from _media import counting, write_video
from click.testing import CliRunner

from semdf.cli import main
from semdf.errors import ParameterError
from semdf.extraction import check as module
from semdf.extraction.check import check
from semdf.layouts import protocols


def found(reports) -> dict[str, str]:
    """Kind -> all texts of one report."""
    (report,) = reports
    texts: dict[str, str] = {}
    for finding in report.findings:
        texts[finding.kind] = "\n".join(filter(None, (texts.get(finding.kind, ""), finding.text)))
    return texts


@pytest.mark.parametrize("name", _trees.OFFICIAL)
def test_a_tiny_tree_is_good_and_its_counts_are_not_held_against_it(name, tmp_path):
    reports = check(_trees.OFFICIAL[name](tmp_path), headers=False)
    assert all(report.good for report in reports), reports
    published = protocols.of_layout(name).published
    assert ("miniature" in found(reports)) == bool(published)
    assert "count" not in found(reports)


@pytest.fixture
def playable(tmp_path):
    """A tiny FaceForensics++ of real videos."""
    film = write_video(tmp_path / "film.mp4", counting(2)).read_bytes()
    root = _trees.faceforensics(tmp_path / "ffpp")
    for path in root.rglob("*.mp4"):
        path.write_bytes(film)
    return root


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """FaceForensics++ in its official size, a byte a video."""
    return _trees.faceforensics(tmp_path_factory.mktemp("ffpp"), 1000, forged=("Deepfakes", "FaceSwap"))


def test_a_complete_tree_is_counted(complete):
    texts = found(check(complete, headers=False))
    assert set(texts) == {"absent", "count", "note"}
    assert texts["count"] == "Face2Face: 0, published 1000\nNeuralTextures: 0, published 1000"
    assert "FaceShifter: none of 1000 published" in texts["absent"]


def test_a_video_too_few_or_too_many_is_told(complete):
    gone = complete / "manipulated_sequences/Deepfakes/c23/videos/000_001.mp4"
    gone.rename(gone.with_name("000_777.mp4"))
    part = _trees.touch(complete, "original_sequences/youtube/c23/videos/012.mp4.part")
    try:
        texts = found(check(complete, headers=False))
        assert "Deepfakes: 1 (manipulated_sequences/Deepfakes/c23/videos/000_001.mp4) in the lists" in texts["missing"]
        assert (
            "Deepfakes: 1 (manipulated_sequences/Deepfakes/c23/videos/000_777.mp4) on disk, in no" in texts["surplus"]
        )
        assert "1 (original_sequences/youtube/c23/videos/012.mp4.part), no row: an ending" in texts["surplus"]
        assert "Deepfakes: 1001, published 1000" in texts["count"]
    finally:
        gone.with_name("000_777.mp4").rename(gone)
        (part / "original_sequences/youtube/c23/videos/012.mp4.part").unlink()


def test_celeb_df_counts_its_list(tmp_path):
    real = [f"Celeb-real/id{i}_0000" for i in range(590)]
    other = [f"YouTube-real/{i:05d}" for i in range(300)]
    _trees.touch(tmp_path, *real, *other, "Celeb-synthesis/id0_id1_0000")
    lines = [f"1 {name}.mp4\n" for name in real[:178]] + ["0 Celeb-synthesis/id0_id1_0000.mp4\n"]
    texts = found(check(_trees.write(tmp_path, "List_of_testing_videos.txt", "".join(lines)), headers=False))
    assert texts["count"] == "Celeb-synthesis: 1, published 5639\nCeleb-synthesis, test: 1, published 340"


def test_unreadable_files_are_named(playable):
    root = playable
    assert set(found(check(root))) == {"miniature", "note"}
    videos = root / "original_sequences/youtube/c23/videos"
    (videos / "000.mp4").write_bytes(b"")
    (videos / "001.mp4").write_bytes((videos / "001.mp4").read_bytes()[:60])
    write_video(videos / "002.mp4", [], audio=True)
    texts = found(check(root))
    assert texts["unreadable"].splitlines() == [
        "1 (original_sequences/youtube/c23/videos/000.mp4) empty",
        "2 (original_sequences/youtube/c23/videos/001.mp4, original_sequences/youtube/c23/videos/002.mp4); "
        "the first: 001.mp4: must have a video stream, found none",
    ]
    assert "002.mp4" not in found(check(root, headers=False))["unreadable"]


def test_pictures_are_opened_too(tmp_path):
    root = _trees.diff(tmp_path)
    for path in root.rglob("*.[jp][pn]g"):
        path.write_bytes(cv2.imencode(path.suffix, np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    assert "unreadable" not in found(check(root))
    (root / "test/FE/Imagic/p1_0.png").write_bytes(b"not a picture")
    said = "1 (test/FE/Imagic/p1_0.png); the first: p1_0.png: must be a picture with a header"
    assert said in found(check(root))["unreadable"]


def test_the_traps_are_told(tmp_path):
    texts = found(check(_trees.deeperforensics(tmp_path / "a"), headers=False))
    assert "no reals, as published; tests take those of FaceForensics++" in texts["note"]
    assert "1 (M101) people or clips in more than one split" in texts["note"]
    assert "no face" in found(check(_trees.dfdc(tmp_path / "b"), headers=False))["note"]
    assert "share file names" in found(check(_trees.faceforensics(tmp_path / "c"), headers=False))["note"]
    root = _trees.touch(tmp_path / "d", "test/FS/DiffFace/a_b_0.png")
    assert found(check(root, headers=False))["no reals"]


def test_what_cannot_be_read_is_a_report(tmp_path):
    root = _trees.touch(_trees.celeb(tmp_path / "a"), "Celeb-synthesis/id0")
    assert "found Celeb-synthesis/id0.mp4" in found(check(root))["broken"]
    root = _trees.faceforensics(tmp_path / "b", forged=("FaceSwop",))
    assert "found 'FaceSwop'" in found(check(root))["broken"]
    with pytest.raises(ParameterError, match="found none of their marks"):
        check(tmp_path)


def test_originals_beside_the_root_are_no_surplus(tmp_path, monkeypatch):
    home, ffpp = _trees.deeperforensics(tmp_path / "D"), _trees.faceforensics(tmp_path / "F")
    layout = module.layouts.load("deeperforensics-1.0", originals=str(ffpp))
    monkeypatch.setattr(module.layouts, "present", lambda name, root: [layout])
    texts = found(check(home, headers=False))
    assert "surplus" not in texts and "missing" not in texts


def test_command(playable):
    root = playable
    result = CliRunner().invoke(main, ["check", str(root)])
    assert result.exit_code == 0, result.output
    assert result.output.startswith("faceforensics++ c23: 30 rows (6 real, 24 fake; train 10, ")
    assert "a miniature or a part" in result.output
    os.remove(root / "original_sequences/youtube/c23/videos/003.mp4")
    result = CliRunner().invoke(main, ["check", str(root), "--no-headers"])
    assert result.exit_code == 1 and "missing    original: 1 (original_sequences" in result.output
    result = CliRunner().invoke(main, ["check", str(root), "--layout", "celeb"])
    assert result.exit_code == 1 and "layout must be one of" in result.output
    result = CliRunner().invoke(main, ["check", str(root / "original_sequences")])
    assert result.exit_code == 1 and "name the layout otherwise" in result.output


def test_a_layout_may_be_named(tmp_path):
    root = _trees.faceforensics(tmp_path, forged=("FaceShifter",))
    (report,) = check(root, "FaceShifter", headers=False)
    assert report.good and report.title == "faceshifter c23" and "tests take those of FaceForensics++" in str(report)
    table = _trees.write(tmp_path / "own", "videos.csv", "path,label\na.mp4,real\n")
    assert found(check(table))["missing"] == "original: 1 (a.mp4) in the lists, not on disk"
    assert found(check(_trees.touch(tmp_path / "pictures", "a.png"), "pictures", headers=False)) == {}


def test_several_compressions_give_several_reports(tmp_path):
    for compression in ("c23", "c40"):
        _trees.faceforensics(tmp_path, compression=compression)
    titles = ["faceforensics++ c23", "faceforensics++ c40", "faceforensics++, all parts"]
    assert [report.title for report in check(tmp_path, headers=False)] == titles
