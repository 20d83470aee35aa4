"""A card allows what was measured and no more, and belongs to the weights beside it."""

import json

import pytest
from _cards import card, quality, rate, weights_beside

from semdf.errors import DataError
from semdf.explanation import card as cards


def test_three_answers_by_their_bounds():
    known = card()
    for p, expected in ((0.9, "forged"), (0.6, "cannot tell"), (0.2, "no sign of forgery found")):
        decision = cards.decide(known, "picture", p, quality())
        assert decision.answer == expected and decision.probability == pytest.approx(p)
    undecided = cards.decide(known, "picture", 0.6, quality())
    assert undecided.reasons == (cards.Reason("probability", pytest.approx(0.6), 0.4, 0.8),)


def test_the_temperature_moves_a_probability_to_or_from_a_half():
    assert cards.calibrated(0.9, 1.0) == pytest.approx(0.9) and cards.calibrated(0.5, 7.0) == 0.5
    assert 0.5 < cards.calibrated(0.9, 4.0) < 0.9 < cards.calibrated(0.9, 0.5) < 1
    assert 0 < cards.calibrated(0.0, 1.0) < cards.calibrated(1.0, 1.0) < 1


@pytest.mark.parametrize(("name", "value"), [("size", 5.0), ("sharpness", 0.01), ("turn", 0.9), ("size", float("nan"))])
def test_a_face_outside_what_was_measured_gets_no_answer(name, value):
    decision = cards.decide(card(), "picture", 0.99, quality(**{name: value}))
    (reason,) = decision.reasons
    assert decision.answer == "cannot tell" and reason.name == name and reason.low < reason.high


def test_without_a_measurement_there_is_no_answer():
    assert cards.decide(None, "picture", 0.99, quality()) == cards.UNMEASURED
    assert cards.decide(card(video=None), "video", 0.99, quality()) == cards.UNMEASURED


def test_only_what_is_above_chance_is_named_or_pointed_at():
    known = card()
    assert known.names("mouth") and known.names("nose") is None and known.names("eye") is None
    assert known.points("fake") and known.points("mouth") is None


def test_a_card_is_read_as_it_was_written(tmp_path):
    known = card(weights=weights_beside(tmp_path))
    path = cards.write(known, tmp_path)
    assert path == tmp_path / "card.json" and cards.read(tmp_path) == known
    assert cards.read(tmp_path / "nowhere") is None
    file = tmp_path / "gend.safetensors"
    file.write_bytes(b"other weights")
    other = known.model_copy(update={"weights": cards.of_weights(file)})
    assert cards.write(other, file).name == "gend.safetensors.card.json" and cards.read(file) == other


def test_a_card_of_other_weights_is_refused(tmp_path):
    known = card(weights=weights_beside(tmp_path))
    cards.write(known, tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"trained again")
    with pytest.raises(DataError, match=r"card.json: must be of the weights model.safetensors.*SHA-256.*semdf card"):
        cards.read(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(DataError, match="must lie beside its weights model.safetensors, found none"):
        cards.read(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c | {"colour": 1}, "colour"),
        (lambda c: c | {"ranges": {"age": {"low": 0, "high": 1}}}, "ranges must be of size.*age"),
        (lambda c: c | {"ranges": {"size": {"low": 2, "high": 1}}}, "low must be at most high, found 2.0 and 1.0"),
        (
            lambda c: c["picture"].update(no_sign_to=0.9) or c,
            "no_sign_to must be at most forged_from, found 0.9 and 0.8",
        ),
        (lambda c: c["picture"].update(temperature=0) or c, "picture.temperature"),
        (lambda c: [], "dictionary"),
    ],
)
def test_what_is_no_card_is_refused_by_name(tmp_path, change, said):
    known = json.loads(card(weights=weights_beside(tmp_path)).model_dump_json())
    (tmp_path / "card.json").write_text(json.dumps(change(known)))
    with pytest.raises(DataError, match=f"{tmp_path.name}/card.json: .*{said}"):
        cards.read(tmp_path)


def test_answers_are_counted_by_name():
    given = cards.Answers(forged=rate(0.1), no_sign=rate(0.7), cannot_tell=rate(0.2))
    assert [given.rate(answer).value for answer in cards.ANSWERS] == [0.1, 0.7, 0.2]
