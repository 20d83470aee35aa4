"""The command line: an answer or a reason for every file, exit codes, never a traceback."""

import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import platformdirs
import pytest
from _files import PHOTOS, WEIGHTS, needs_photos, needs_weights
from _media import celeb_df, draw, faceforensics, landmarks, write_video
from click.testing import CliRunner

import semdf.evaluation.detector
from semdf.cli import main
from semdf.errors import MissingError
from semdf.explanation.verdict import Verdict, sentence
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
    fake, real = result.output.splitlines()
    assert result.exit_code == 0
    assert fake.endswith("a.png, 1 frame: Fake (90 %). Physical inconsistency (90 %). Regions: mouth (90 %).")
    assert real.endswith(", 1 frame: Real (92 %).")


def test_json_has_one_object_a_line(run, picture, tmp_path):
    clip = write_video(tmp_path / "c.mp4", [np.full((64, 64, 3), 100, np.uint8)] * 6)
    result = run("score", "--json", "--finder", "whole", "--frames", 4, picture("a.png", 230), clip)
    rows = [json.loads(line) for line in result.output.splitlines()]
    assert [set(row) for row in rows] == [{"path", "status", "p"}] * 2
    assert set(rows[0]["p"]) == set(Detector.nodes) and rows[1]["p"]["fake"] == pytest.approx(100 / 255, abs=0.02)


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
        assert row["path"] == str(path) and row["p"] is None and path.name in row["status"]
    lines = run("score", "--finder", "whole", *bad, picture("a.png", 230)).output.splitlines()
    assert len(lines) == 7 and all("no answer" in line for line in lines[:-1])


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
    assert "RetinaFace" in rows[0]["status"] and "gone.png" in rows[2]["status"]


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
    assert json.loads(result.output)["p"] == first["p"] and result.exit_code == 0


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


def test_a_binary_detector_names_nothing():
    verdict = Verdict("a.mp4", "ok", {"fake": 0.7}, 2)
    assert sentence(verdict, hierarchy.load("ffpp")) == "a.mp4, 2 frames: Fake (70 %)."
