"""The command line: an answer or a reason for every file, exit codes, never a traceback."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import platformdirs
import pytest
import torch
from _files import PHOTOS, WEIGHTS, needs_photos, needs_weights
from _media import celeb_df, draw, faceforensics, landmarks, write_video
from click.testing import CliRunner
from facexlib.detection.retinaface import RetinaFace as Network

import semdf.cli
import semdf.evaluation.detector
import semdf.explanation.verdict
import semdf.extraction.extract
import semdf.extraction.one_video
import semdf.forging.expand
from semdf.cli import main
from semdf.errors import MissingError
from semdf.explanation.wording import LIMIT
from semdf.faces import retinaface
from semdf.method import hierarchy
from semdf.storage.tars import encode_png


class Detector:
    """Stands in for a trained run: the brighter the crop, the more it is a fake of the mouth."""

    hierarchy = hierarchy.load("ffpp")
    nodes = hierarchy.nodes
    crop: ClassVar = {"size": 64, "alignment": "similarity", "margin": 1.3}

    def score(self, crops):
        assert crops.shape[1:] == (64, 64, 3) and crops.dtype == np.uint8
        p = np.zeros((len(crops), len(self.nodes)), np.float32)
        named = [self.hierarchy.index(name) for name in ("fake", "physical inconsistency", "mouth")]
        p[:, named] = crops.mean((1, 2, 3))[:, None] / 255
        return p


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setattr(semdf.evaluation.detector, "find_detector", lambda: Path("run"))
    monkeypatch.setattr(semdf.evaluation.detector, "load_detector", lambda path: Detector())
    monkeypatch.delenv("SEMDF_WEIGHTS", raising=False)
    runner = CliRunner()

    def call(*words):
        result = runner.invoke(main, [str(word) for word in words])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return call


@pytest.fixture
def picture(tmp_path):
    def make(name, level):
        (tmp_path / name).write_bytes(encode_png(np.full((80, 80, 3), level, np.uint8)))
        return tmp_path / name

    return make


def test_a_sentence_for_each_file(run, picture):
    result = run("score", "--finder", "whole", picture("a.png", 230), picture("b.png", 20))
    fake, real, last = result.output.splitlines()
    assert result.exit_code == 0
    assert "a.png, face 1 of 1: probability of a forgery 90 %" in fake and "Nothing was measured" in fake
    assert "b.png, face 1 of 1: probability of a forgery 8 %" in real and last == LIMIT


def test_json_has_one_object_a_line(run, picture, tmp_path):
    clip = write_video(tmp_path / "c.mp4", [np.full((64, 64, 3), 100, np.uint8)] * 6)
    result = run("score", "--json", "--finder", "whole", "--frames", 4, picture("a.png", 230), clip)
    rows = [json.loads(line) for line in result.output.splitlines()]
    picture, video = (row["faces"][0] for row in rows)
    assert [row["kind"] for row in rows] == ["picture", "video"] and len(video["frames"]) == 4
    assert set(picture["p"]) == set(Detector.nodes) and video["p"]["fake"] == pytest.approx(100 / 255, abs=0.02)


def test_bad_files_get_their_line_and_the_others_their_score(run, picture, tmp_path):
    (tmp_path / "zero.mp4").touch()
    (tmp_path / "text.jpg").write_text("not a picture")
    (tmp_path / "cut.mp4").write_bytes(
        write_video(tmp_path / "v.mp4", [np.zeros((64, 64, 3), np.uint8)] * 9).read_bytes()[:300]
    )
    write_video(tmp_path / "sound.mp4", [], audio=True)
    bad = [tmp_path / name for name in ("zero.mp4", "text.jpg", "cut.mp4", "sound.mp4", "gone.png")] + [tmp_path]
    result = run("score", "--json", "--finder", "whole", *bad, picture("a.png", 230))
    rows = [json.loads(line) for line in result.output.splitlines()]
    assert result.exit_code == 1 and len(rows) == 7
    assert [row["status"] for row in rows[-1:]] == ["ok"]
    for path, row in zip(bad, rows[:-1], strict=True):
        assert row["path"] == str(path) and row["faces"] == [] and path.name in row["status"]
    lines = run("score", "--finder", "whole", *bad, picture("a.png", 230)).output.splitlines()
    assert len(lines) == 8 and all("no answer" in line for line in lines[:-2])


def test_missing_weights_name_both_ways_out(run, picture, tmp_path):
    result = run("score", picture("a.png", 9), "--weights", tmp_path)
    assert result.exit_code == 1
    assert "detection_Resnet50_Final.pth" in result.output and "--finder whole" in result.output


def test_a_file_whose_faces_cannot_be_found_does_not_stop_the_others(run, picture, tmp_path, data, monkeypatch):
    monkeypatch.setenv("SEMDF_WEIGHTS", str(tmp_path / "empty"))
    video = data / "Celeb-DF-v2" / "Celeb-real" / "id0_0000.mp4"  # its landmarks lie beside the data
    result = run("score", "--json", picture("a.png", 9), video, tmp_path / "gone.png")
    rows = [json.loads(line) for line in result.output.splitlines()]
    assert result.exit_code == 1 and [row["status"] == "ok" for row in rows] == [False, True, False]
    assert rows[0]["status"] == "no face" and "gone.png" in rows[2]["status"]


def test_a_face_is_found_without_weights_and_the_finder_is_named(run, tmp_path, data, monkeypatch):
    monkeypatch.setenv("SEMDF_WEIGHTS", str(tmp_path / "empty"))
    shutil.copy(data / "DiFF" / "DiFF_real" / "test" / "00031_0.jpg", tmp_path / "photo.jpg")  # away from its landmarks
    result = run("score", tmp_path / "photo.jpg")
    assert result.exit_code == 0 and "photo.jpg, " in result.stdout and "no face" not in result.stdout
    told = "faces found by mtcnn, because RetinaFace's weights are not here: semdf fetch retinaface"
    assert result.stderr.splitlines() == [told]
    assert run("score", "--finder", "mtcnn", tmp_path / "photo.jpg").stderr == ""
    result = run("score", "--json", tmp_path / "photo.jpg", tmp_path / "gone.png")
    assert [json.loads(line)["finder"] for line in result.stdout.splitlines()] == ["mtcnn", "mtcnn"]


def test_a_missing_model_is_an_error_of_one_line(picture, tmp_path):
    result = CliRunner().invoke(
        main, ["score", "--finder", "whole", "--model", str(tmp_path), str(picture("a.png", 9))]
    )
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    assert len(result.output.splitlines()) == 1 and "config.json" in result.output


def test_the_detector_is_looked_for_in_three_places(tmp_path, monkeypatch):
    """The variable, the working folder, the user's data folder; a variable that leads nowhere is an error."""
    find = semdf.evaluation.detector.find_detector
    named, here, installed = tmp_path / "named", Path("runs", "auto_lambda-0"), tmp_path / "home" / "semdf" / "detector"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(platformdirs, "user_data_path", lambda name, **_: tmp_path / "home" / name)
    monkeypatch.delenv("SEMDF_DETECTOR", raising=False)
    with pytest.raises(MissingError, match=r"\$SEMDF_DETECTOR \(not set\), at runs/auto_lambda-0 .*--model FOLDER"):
        find()
    for folder in (installed, here, named):
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        if folder == named:
            monkeypatch.setenv("SEMDF_DETECTOR", str(named))
        assert find() == folder
    (named / "config.json").unlink()
    with pytest.raises(MissingError, match=rf"\$SEMDF_DETECTOR \({named}\)"):
        find()


# -- names that no encoding can print --------------------------------------------------------------------------------


def nameless(folder: Path, name: bytes, level: int) -> Path:
    path = os.fsencode(folder) + b"/" + name
    with open(path, "wb") as file:
        file.write(encode_png(np.full((80, 80, 3), level, np.uint8)))
    return Path(os.fsdecode(path))


def test_a_name_that_cannot_be_printed_stops_no_other_file(run, picture, tmp_path):
    odd = nameless(tmp_path, b"caf\xe9.png", 230)
    words = ["score", "--finder", "whole", picture("a.png", 20), odd, picture("b.png", 230)]
    result = run(*words)
    assert result.exit_code == 0
    lines = result.output.splitlines()[:-1]
    assert [", face 1 of 1: " in line for line in lines] == [True] * 3 and "caf\\udce9.png" in lines[1]
    rows = [json.loads(line) for line in run(*words, "--json").output.splitlines()]
    assert [row["status"] for row in rows] == ["ok"] * 3 and os.fsencode(rows[1]["path"]) == os.fsencode(odd)
    broken = nameless(tmp_path, b"\xff.mp4", 9)
    broken.write_bytes(b"no film")
    result = run("score", "--finder", "whole", broken, picture("b.png", 230))
    assert result.exit_code == 1 and len(result.output.splitlines()) == 3 and "no answer" in result.output


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_a_terminal_of_any_encoding_shows_every_name(encoding, tmp_path):
    """In a process of its own, whose standard output has that encoding."""
    nameless(tmp_path, b"caf\xe9.heif2", 230)
    nameless(tmp_path, "\u7530.heif2".encode(), 230)
    nameless(tmp_path, b"a.png", 230)
    words = [str(Path(sys.executable).with_name("semdf")), "check", str(tmp_path), "--layout", "pictures"]
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run(words, capture_output=True, env=environment)
    assert done.returncode == 1 and b"Traceback" not in done.stderr, done.stderr
    assert done.stdout.startswith(b"pictures: 1 rows") and b"a name that a table cannot hold" in done.stdout


# -- faults of the set-up --------------------------------------------------------------------------------------------


@pytest.fixture
def page(tmp_path):
    """A web page that was saved as RetinaFace's weights."""
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "detection_mobilenet0.25_Final.pth").write_text("<!DOCTYPE html><html>Not Found</html>")
    return tmp_path / "weights"


@pytest.mark.filterwarnings("ignore:.*must have the SHA-256")
def test_weights_that_are_none_stop_before_the_first_file(run, picture, tmp_path, page, monkeypatch):
    monkeypatch.setattr(semdf.extraction.one_video, "read_frames", lambda *_: pytest.fail("a file was read"))
    monkeypatch.setattr(semdf.explanation.verdict, "read_frames", lambda *_: pytest.fail("a file was read"))
    (tmp_path / "set").mkdir()
    picture("set/1_a.png", 9)
    picture("set/2_b.png", 9)
    told = "retinaface_mobile0.25: .*detection_mobilenet0.25_Final.pth must hold weights of this network, found "
    result = run("extract", tmp_path / "set", tmp_path / "out", "--layout", "pictures", "--weights", page)
    assert result.exit_code == 1 and re.search(told, result.output) and not (tmp_path / "out").exists()
    result = run("score", picture("a.png", 9), "--weights", page, tmp_path / "set" / "1_a.png")
    assert result.exit_code == 1 and re.search(told, result.output) and "no answer" not in result.output
    monkeypatch.setenv("SEMDF_WEIGHTS", str(page))
    result = run("expand", tmp_path / "set", tmp_path / "more", "--seed", 1)
    assert result.exit_code == 1 and re.search(told, result.output) and not (tmp_path / "more").exists()


def test_weights_of_the_face_parser_that_are_none_stop_before_the_first_picture(run, picture, tmp_path, monkeypatch):
    monkeypatch.setattr(semdf.extraction.one_video, "read_frames", lambda *_: pytest.fail("a file was read"))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "parsing_bisenet.pth").write_text("<html>")
    monkeypatch.setenv("SEMDF_WEIGHTS", str(tmp_path / "weights"))
    (tmp_path / "set").mkdir()
    picture("set/1_a.png", 9)
    (tmp_path / "set" / "1_a.tem").write_text("no template")
    result = run("expand", tmp_path / "set", tmp_path / "more", "--seed", 1, "--mask", "regions")
    assert result.exit_code == 1 and "must hold BiSeNet's weights" in result.output


def test_annotations_that_are_none_stop_before_the_first_file(run, picture, tmp_path, monkeypatch):
    monkeypatch.setattr(semdf.extraction.one_video, "read_frames", lambda *_: pytest.fail("a file was read"))
    (tmp_path / "set").mkdir()
    picture("set/1_a.png", 9)
    (tmp_path / "notes.npz").write_text("<html>")
    words = ["--layout", "pictures", "--annotations", tmp_path / "notes.npz"]
    result = run("extract", tmp_path / "set", tmp_path / "out", *words)
    assert result.exit_code == 1 and "notes.npz must be an npz file" in result.output
    result = run("score", picture("a.png", 9), "--annotations", tmp_path / "notes.npz")
    assert result.exit_code == 1 and "notes.npz must be an npz file" in result.output and "answer" not in result.output


@pytest.fixture
def untrained(tmp_path, monkeypatch):
    """A folder with RetinaFace's smaller network, untrained; the calls that read it are counted."""
    torch.manual_seed(0)
    network = Network(network_name="mobile0.25", device=torch.device("cpu"))
    (tmp_path / "weights").mkdir()
    torch.save(network.state_dict(), tmp_path / "weights" / "detection_mobilenet0.25_Final.pth")
    calls = []
    load = retinaface._load
    monkeypatch.setattr(retinaface, "_load", lambda *words: calls.append(words) or load(*words))
    return tmp_path / "weights", calls


@pytest.mark.filterwarnings("ignore:.*must have the SHA-256")
def test_weights_are_read_once_for_all_files(run, picture, untrained):
    weights, calls = untrained
    files = [picture(f"{name}.png", 9) for name in "abc"]
    result = run("score", *files, "--weights", weights)
    assert len(result.stdout.splitlines()) == 3 and "no face" in result.stdout and len(calls) == 1
    assert result.stderr == "faces found by retinaface_mobile0.25\n"


@pytest.mark.filterwarnings("ignore:.*must have the SHA-256")
@pytest.mark.parametrize("device", ["cuda:77", "nonsense"])
def test_a_device_that_is_not_there_stops_before_the_first_file(run, picture, tmp_path, untrained, device):
    weights, _ = untrained
    (tmp_path / "set").mkdir()
    picture("set/1_a.png", 9)
    words = ["--layout", "pictures", "--weights", weights, "--device", device]
    result = run("extract", tmp_path / "set", tmp_path / "out", *words)
    assert result.exit_code == 1 and f"device must be one that torch has here, found '{device}'" in result.output


# -- what is no row --------------------------------------------------------------------------------------------------


@pytest.fixture
def strays(picture, tmp_path):
    """A folder of pictures of two people among what is no picture: copies, other kinds, notes, links."""
    for place in ("set", "set/.ipynb_checkpoints", "set/@eaDir", "elsewhere"):
        (tmp_path / place).mkdir()
    for name in ("set/1_a.png", "set/2_b.png", "set/.ipynb_checkpoints/1_a-checkpoint.png", "set/@eaDir/1_a.png",
                 "elsewhere/3_c.png"):  # fmt: skip
        picture(name, 9)
    for name in ("a.hexif", "b.hexif", "c.gixf", "notes.txt"):
        (tmp_path / "set" / name).write_bytes(b"x")
    (tmp_path / "set" / "more").symlink_to(tmp_path / "elsewhere")
    return tmp_path / "set"


COUNTED = (
    "2 (.ipynb_checkpoints, @eaDir), no row: hidden",
    "3 (a.hexif, b.hexif, c.gixf), no row: an ending that is not read",
    "1 (notes.txt), no row: a list, a text or landmarks",
    "1 (more), no row: a link that leads outside; $SEMDF_LINKS names folders that may be read",
)


def test_extract_counts_what_is_no_row(run, strays, tmp_path):
    words = ["--layout", "pictures", "--finder", "whole", "--size", 16, "--workers", 1]
    result = run("extract", strays, tmp_path / "out", *words)
    assert result.exit_code == 0 and "2 crops" in result.output and all(line in result.output for line in COUNTED)
    result = run("check", strays, "--layout", "pictures")
    assert result.exit_code == 1 and all(line in result.output for line in COUNTED)


def test_expand_takes_no_hidden_folder_for_people_and_counts_what_it_does_not_read(run, strays, tmp_path, monkeypatch):
    asked = []

    def extract(rows, *_, **__):
        asked.append(sorted(rows["path"]))
        made = rows.assign(status="no face", regions_member="", frame=0)
        made.loc[0, "status"] = "ok"
        return made

    monkeypatch.setattr(semdf.extraction.extract, "extract", extract)
    monkeypatch.setattr(semdf.forging.expand, "expand", lambda table, *_, **__: table)
    (strays / "1_a.tem").touch()
    with pytest.warns(UserWarning, match="of 2 pictures 1 with no face"):
        result = run("expand", strays, tmp_path / "out", "--seed", 1)
    assert asked == [["1_a.png", "2_b.png"]]
    counted = [line.replace("1 (notes.txt)", "2 (1_a.tem, notes.txt)") for line in COUNTED]
    assert all(line in result.output for line in counted), result.output


def test_a_folder_of_others_alone_is_named_by_what_it_holds(run, strays, tmp_path):
    for path in strays.glob("*.png"):
        path.unlink()
    result = run("expand", strays, tmp_path / "out", "--seed", 1)
    assert result.exit_code == 1 and "found neither, but " in result.output
    assert "2: hidden" in result.output and "3: an ending that is not read" in result.output


@needs_photos
@needs_weights
def test_a_picture_without_a_face(run, picture, monkeypatch):
    monkeypatch.setenv("SEMDF_WEIGHTS", str(WEIGHTS))
    result = run("score", "--json", picture("a.png", 9), PHOTOS / "london" / "001_03.jpg")
    assert [json.loads(line)["status"] for line in result.output.splitlines()] == ["no face", "ok"]
    assert result.exit_code == 1


def test_annotated_videos(run, tmp_path):
    tree = faceforensics(tmp_path / "FaceForensics++", frames=3)
    video = tree / "original_sequences/youtube/c23/videos/000.mp4"
    other = write_video(tmp_path / "other.mp4", [draw(landmarks())] * 2)
    result = run("score", "--json", "--annotations", tmp_path / "annotations.npz", video, other)
    first, second = (json.loads(line) for line in result.output.splitlines())
    assert first["status"] == "ok" and "other.mp4" in second["status"] and result.exit_code == 1
    # annotations that come with the data are found beside them
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations.npz").rename(tmp_path / "annotations" / "FaceForensics++.npz")
    result = run("score", "--json", video)
    assert json.loads(result.output)["faces"] == first["faces"] and result.exit_code == 0


def test_extract_and_expand(run, tmp_path):
    tree = faceforensics(tmp_path / "FaceForensics++", frames=3)
    # a stranger within the split is needed
    (tree / "train.json").write_text('[["000", "001"], ["002", "003"]]')
    (tree / "val.json").write_text("[]")
    out, more = tmp_path / "faces", tmp_path / "expanded"
    options = ["--annotations", tmp_path / "annotations.npz", "--frames", 2, "--size", 96]
    options += ["--alignment", "native", "--workers", 1]
    result = run("extract", tree, out, "--layout", "faceforensics++", *options)
    assert result.exit_code == 0 and "60 crops" in result.output
    result = run("expand", out, more, "--seed", 1, "--region", "nose", "--workers", 1)
    made = pd.read_parquet(more / "manifest.parquet")
    assert result.exit_code == 0 and set(made["label"]) == {"nose"} and (more / made["shard"].iloc[0]).is_file()


def test_what_could_not_be_made_is_reported(run, tmp_path):
    celeb_df(tmp_path)
    result = run("extract", tmp_path, tmp_path / "out", "--layout", "celeb-df-v2", "--finder", "whole", "--workers", 1)
    assert result.exit_code == 1 and "0 crops" in result.output
    assert "4 without: unreadable video" in result.output and "1 without: missing file" in result.output


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["extract", "{}/nowhere", "{}/out", "--layout", "celeb-df-v2", "--finder", "whole"], "nowhere"),
        (["extract", "{}", "{}/out", "--layout", "dfdc2", "--finder", "whole"], "faceforensics++, faceshifter"),
        (["extract", "{}", "{}/out", "--layout", "dfdc", "--option", "x"], "must be NAME=VALUE, found 'x'"),
        (["expand", "{}", "{}/out", "--seed", "1", "--shard", "0/2"], "must have the manifest of `semdf extract`"),
        (["expand", "{}", "{}/out", "--seed", "1"], "manifest.parquet"),
        (["score", "--finder", "annotations", "{}/a.png"], "--annotations"),
        (["score", "--finder", "nobody", "{}/a.png"], "'whole'"),
        (["score"], "FILES"),
        (["scores"], "No such command"),
    ],
)
def test_wrong_words_are_answered(run, tmp_path, words, found):
    result = run(*(word.format(tmp_path) for word in words))
    assert result.exit_code != 0 and found in result.output and "Traceback" not in result.output


def test_small_faces_in_large_pictures_can_be_looked_for(run, picture, tmp_path, monkeypatch):
    """The side at which RetinaFace looks is an option of both commands that find faces."""
    sides = []

    def choose(name, path, **wish):
        sides.append(wish["longest"])
        return semdf.faces.finders.Whole()

    monkeypatch.setattr(semdf.cli, "choose", choose)
    path = picture("a.png", 200)
    assert run("score", path).exit_code == run("score", path, "--longest", "3000").exit_code == 0
    words = ("extract", tmp_path, tmp_path / "out", "--layout", "pictures", "--size", "32", "--workers", "1")
    assert run(*words, "--longest", "2000").exit_code == 0
    assert run("score", path, "--longest", "9").exit_code == 2
    assert sides == [640, 3000, 2000]
