"""A file's answer: every face, its reasons and rates, in words and in JSON."""

import json
from typing import ClassVar

import cv2
import jsonschema
import numpy as np
import pytest
from _cards import card
from _media import draw, landmarks, write_video
from _training import config

from semdf.artifacts import read_weights, write_weights
from semdf.errors import DataError
from semdf.explanation import verdict, wording
from semdf.faces.finders import Face, Whole
from semdf.faces.landmarks import five
from semdf.method import hierarchy
from semdf.pipeline import ROOT
from semdf.storage.tars import encode_png
from semdf.training import runs

FFPP = hierarchy.load("ffpp")
SCHEMA = json.loads((ROOT / "docs" / "verdict.schema.json").read_text())


class Detector:
    """The redder the crop, the more it is a forgery of the mouth."""

    hierarchy = FFPP
    nodes = FFPP.nodes
    crop: ClassVar = {"size": 64, "alignment": "similarity", "margin": 1.3}

    def score(self, crops):
        p = np.zeros((len(crops), len(self.nodes)), np.float32)
        named = [FFPP.index(name) for name in ("fake", "physical inconsistency", "mouth")]
        redder = crops[..., 0].mean((1, 2)) - crops[..., 2].mean((1, 2))
        p[:, named] = np.clip(redder / 100, 0, 0.97)[:, None]
        return p


class Several:
    """Finds one face for each of some places, scaled copies of the drawn one."""

    def __init__(self, *places):
        self.places = places

    def candidates(self, frames):
        return [[self._face(place) for place in self.places] for _ in frames]

    def find(self, frames, key, indices):
        raise AssertionError("a finder of all faces is asked for all")

    def fingerprint(self):
        return "several"

    @staticmethod
    def _face(place):
        x, y, scale = place
        points = five(landmarks()) * scale + [x, y]
        return Face(np.concatenate([points.min(0), points.max(0)]), points)


def group(tmp_path, *places, colours):
    """A picture with a coloured copy of the drawn face at each place, and a finder that knows them."""
    image = np.full((400, 700, 3), 128, np.uint8)
    for (x, y, scale), colour in zip(places, colours, strict=True):
        face = (draw(landmarks()) * 0.5 + np.array(colour) * 0.5).astype(np.uint8)
        small = cv2.resize(face, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        image[y : y + small.shape[0], x : x + small.shape[1]] = small
    path = tmp_path / "group.png"
    path.write_bytes(encode_png(image))
    return path, Several(*places)


RED, BLUE = (255, 0, 0), (0, 0, 255)


def checked(found, known=None):
    """The record of a verdict, held against the documented schema."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    made = json.loads(json.dumps(verdict.record(found, known), allow_nan=False))
    jsonschema.validate(made, SCHEMA)
    return made


def test_every_face_of_a_picture_has_its_box_and_answer(tmp_path):
    path, finder = group(tmp_path, (10, 10, 0.6), (250, 10, 1.2), colours=(BLUE, RED))
    found = verdict.judge(path, Detector(), finder, card=card())
    assert [face.decision.answer for face in found.faces] == ["forged", "no sign of forgery found"], "largest first"
    assert found.faces[0].box[0] > 250 > found.faces[1].box[2] and found.kind == "picture"
    assert found.p == found.faces[0].p and found.faces[0].evidence.crops.shape == (1, 64, 64, 3)
    first, second = wording.lines(found, card())
    assert first.startswith(f"{path}, face 1 of 2, from (") and ": forged (probability" in first
    assert "face 2 of 2" in second and ": no sign of forgery found (" in second
    made = checked(found, card())
    assert [len(face["rates"]) for face in made["faces"]] == [2, 2] and made["most_faces"] == 2


def test_the_errors_of_the_answer_stand_beside_it(tmp_path):
    path, finder = group(tmp_path, (10, 10, 0.6), (250, 10, 1.2), colours=(BLUE, RED))
    forged, clear = wording.lines(verdict.judge(path, Detector(), finder, card=card()), card())
    assert "Measured: 4 % of real faces got this answer (95 % interval 0 to 9 %; 20 people of Home" in forged
    assert "10 % of forged faces got this answer" in clear
    assert "60 % in Elsewhere, the worst of 1 data sets that it was not trained on" in clear
    assert "Elsewhere" not in forged, "no reals were measured there"


def test_what_is_altered_is_named_only_above_chance(tmp_path):
    path, finder = group(tmp_path, (10, 10, 0.8), colours=(RED,))
    found = verdict.judge(path, Detector(), finder, card=card())
    (line,) = wording.lines(found, card())
    assert [row.node for row in found.faces[0].named] == ["mouth"]
    assert "Altered: mouth (right for 90 % of the forged faces for which it was named" in line
    assert "physical" not in line, "its rate was not measured"
    silent = card(named=[])
    (line,) = wording.lines(verdict.judge(path, Detector(), finder, card=silent), silent)
    assert "Altered" not in line and "mouth" not in line
    assert wording.map_note("mouth", card()) == "" and "40 % of 80 forgeries" in wording.map_note("fake", card())


def test_without_a_card_there_is_a_probability_and_no_answer(tmp_path):
    path, finder = group(tmp_path, (10, 10, 0.8), colours=(RED,))
    found = verdict.judge(path, Detector(), finder)
    (line,) = wording.lines(found, None)
    assert "Nothing was measured for this detector (it has no card)" in line and "forged (" not in line
    assert (
        checked(found)["faces"][0] | {"answer": None, "probability": None, "rates": [], "named": []}
        == (checked(found)["faces"][0])
    )
    lacking = card(picture=None)
    (line,) = wording.lines(verdict.judge(path, Detector(), finder, card=lacking), lacking)
    assert "its card holds nothing on pictures" in line


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ({"size": {"low": 200.0, "high": 400.0}}, "the face is too small (size "),
        ({"size": {"low": 1.0, "high": 2.0}}, "the face is too large (size "),
        ({"sharpness": {"low": 90.0, "high": 99.0}}, "the face is too blurred (sharpness "),
        ({"brightness": {"low": 254.0, "high": 255.0}}, "the face is too dark (brightness "),
        ({"turn": {"low": 0.0, "high": 0.0}}, "the face is turned away (turn "),
    ],
)
def test_reasons_name_the_number_and_what_was_measured(tmp_path, bounds, said):
    known = type(card()).model_validate(card().model_dump() | {"ranges": bounds})
    path, finder = group(tmp_path, (10, 10, 0.8), colours=(RED,))
    found = verdict.judge(path, Detector(), finder, card=known)
    (line,) = wording.lines(found, known)
    assert f": cannot tell: {said}" in line and "the detector was measured on" in line
    (reason,) = checked(found, known)["faces"][0]["reasons"]
    assert reason["name"] in bounds and not reason["low"] <= reason["value"] <= reason["high"]


def test_of_a_video_the_largest_face_is_answered(tmp_path):
    shade = [np.full((128, 200, 3), (level, 60, 10), np.uint8) for level in (40, 120, 250, 120)]
    path = write_video(tmp_path / "a.mp4", shade)
    told = []
    places = ((0, 0, 0.2), (40, 0, 0.4))
    known = card(ranges={})
    found = verdict.judge(path, Detector(), Several(*places), 4, known, lambda *step: told.append(step))
    assert found.kind == "video" and found.most == 2 and len(found.faces) == 1 and found.frames == 4
    made = checked(found, known)["faces"][0]
    assert [row["frame"] for row in made["frames"]] == [0, 1, 2, 3]
    assert made["p"]["fake"] == pytest.approx(np.mean([row["p"]["fake"] for row in made["frames"]]), abs=1e-6)
    assert found.evidence.boxes[:, 0].min() > 40, "the larger one"
    assert made["box"] == made["frames"][2]["box"], "where the probability is highest"
    (line,) = wording.lines(found, known)
    assert "a.mp4, 4 frames, which show up to 2 faces: the largest of each: " in line
    shares = [done for _, done in told]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1


def test_one_face_that_cannot_be_cut_does_not_stop_the_others(tmp_path):
    path, _ = group(tmp_path, (10, 10, 0.8), colours=(RED,))
    finder = Several((10, 10, 0.8), (300, 300, 0.0))
    found = verdict.judge(path, Detector(), finder, card=card())
    good, bad = found.faces
    assert good.p and not bad.p and "must not all coincide" in bad.problem and found.status == "ok"
    assert (
        "face 2 of 2" in wording.lines(found, card())[1] and "no answer (landmarks" in wording.lines(found, card())[1]
    )
    made = checked(found, card())
    assert made["faces"][1]["p"] is None and made["faces"][1]["quality"] is None
    alone = verdict.judge(path, Detector(), Several((300, 300, 0.0)), card=card())
    assert not alone.answered and "coincide" in alone.status


# -- what is no picture or video, or hardly one ------------------------------------------------------------------------


def test_a_picture_without_a_face(tmp_path):
    path, _ = group(tmp_path, colours=())
    found = verdict.judge(path, Detector(), Several(), card=card())
    assert found.status == "no face" and wording.lines(found, card()) == [f"{path}: no answer (no face)"]
    assert checked(found, card())["kind"] is None


@pytest.mark.parametrize("kind", [".png", ".jpg", ".webp"])
def test_a_picture_of_one_pixel_is_judged_and_not_told(tmp_path, kind):
    path = tmp_path / f"dot{kind}"
    assert cv2.imwrite(str(path), np.full((1, 1, 3), 200, np.uint8))
    found = verdict.judge(path, Detector(), Whole(), card=card())
    (line,) = wording.lines(found, card())
    assert ": cannot tell: the face is too small (size 0." in line and "measured on 10 to 400" in line
    checked(found, card())


def test_a_picture_of_a_hundred_megapixels_and_more_is_refused_by_its_header(tmp_path):
    from PIL import Image

    path = tmp_path / "huge.png"
    Image.new("1", (10_001, 10_000)).save(path)
    found = verdict.judge(path, Detector(), Whole(), card=card())
    assert found.status == "huge.png: a picture must have at most 100000000 pixels, the limit set, found 100010000"
    checked(found, card())


def test_files_without_pictures_name_what_they_are_not(tmp_path):
    (tmp_path / "text.txt").write_text("no picture\n" * 20)
    write_video(tmp_path / "sound.mp4", [], audio=True)
    (tmp_path / "empty.jpg").touch()
    for name, said in (("text.txt", "must be a video, found"), ("sound.mp4", "must"), ("empty.jpg", "an empty file")):
        found = verdict.judge(tmp_path / name, Detector(), Whole(), card=card())
        assert not found.answered and name in found.status and said in found.status
        checked(found, card())


def test_weights_of_the_wrong_net_are_counted_in_one_sentence(tmp_path):
    runs.save(runs.build(config()), config(), tmp_path)
    state = read_weights(tmp_path / "model.safetensors")
    first, second = list(state)[:2]
    wrong = {name: value for name, value in state.items() if name != first}
    wrong |= {second: state[second].new_zeros(7, 1), "head.bias": state[first]}
    write_weights(wrong, tmp_path / "model.safetensors")
    with pytest.raises(DataError) as error:
        runs.load(tmp_path)
    assert str(error.value).startswith(f"{tmp_path.name}/model.safetensors must fit its config.json, found 1 of ")
    assert f"weights missing (the first {first!r}), 1 unknown (the first 'head.bias'), 1 of another" in str(error.value)
    assert "\n" not in str(error.value) and "[7, 1] for " in str(error.value)
