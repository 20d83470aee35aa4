"""A small card that was made by hand, for tests of what reads cards."""

from pathlib import Path
from typing import Any

from semdf.explanation import card as cards
from semdf.faces.quality import Quality


def rate(value: float, people: int = 20) -> cards.Rate:
    low = round(max(value - 0.05, 0), 6)
    high = round(min(value + 0.05, 1), 6)
    return cards.Rate(value=value, low=low, high=high, of=80, people=people)


def unit(**changes: Any) -> cards.Unit:
    """Of a detector that is wrong for 4 % of reals and 10 % of fakes, and for 60 % of the fakes of other data."""
    reals = cards.Answers(forged=rate(0.04), no_sign=rate(0.8), cannot_tell=rate(0.16))
    fakes = cards.Answers(forged=rate(0.7), no_sign=rate(0.1), cannot_tell=rate(0.2))
    elsewhere = cards.Answers(forged=rate(0.3), no_sign=rate(0.6), cannot_tell=rate(0.1))
    outcomes = [
        cards.Outcome(data="Home", split="val", trained=True, reals=reals, fakes=fakes),
        cards.Outcome(data="Elsewhere", split="test", trained=False, reals=None, fakes=elsewhere),
    ]
    return cards.Unit(**{"temperature": 1.0, "forged_from": 0.8, "no_sign_to": 0.4, "outcomes": outcomes} | changes)


def card(**changes: Any) -> cards.Card:
    """It names the mouth better than chance, the nose not; the map of the root points, that of the mouth does not."""
    fields: dict[str, Any] = {
        "weights": {},
        "ranges": {
            "size": cards.Range(low=10.0, high=400.0),
            "sharpness": cards.Range(low=0.05, high=50.0),
            "turn": cards.Range(low=0.0, high=0.5),
        },
        "picture": unit(),
        "video": unit(),
        "named": [
            cards.Named(node="mouth", right=rate(0.9), chance=0.6, gain_low=0.1),
            cards.Named(node="nose", right=rate(0.6), chance=0.6, gain_low=-0.1),
        ],
        "pointing": [
            cards.Pointing(node="fake", hits=rate(0.4), chance=0.1, gain_low=0.2),
            cards.Pointing(node="mouth", hits=rate(0.1), chance=0.2, gain_low=-0.2),
        ],
    }
    return cards.Card(**fields | changes)


def quality(**changes: float) -> Quality:
    usual = {"size": 80.0, "sharpness": 0.5, "brightness": 120.0, "turn": 0.1, "nod": 0.5, "tilt": 2.0}
    return Quality(**usual | changes)


def weights_beside(folder: Path) -> dict[str, str]:
    """Weights in a folder, and what its card says of them."""
    (folder / "model.safetensors").write_bytes(b"weights")
    return cards.of_weights(folder)
