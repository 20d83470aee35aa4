"""A verdict in words: the answer to each face, and beside it how often that answer is wrong, as its card says."""

from __future__ import annotations

from semdf.explanation.card import Answers, Card, Kind, Named, Outcome, Rate, Reason, Unit
from semdf.explanation.explain import percent
from semdf.explanation.verdict import FaceVerdict, Verdict

__all__ = ["LIMIT", "answer", "lines", "map_note"]

#: What no answer of a detector of altered faces says.
LIMIT = (
    "What no answer says: whether a picture was generated as a whole. The detector looks for faces that were altered "
    "in a picture of a person. No answer is proof."
)
#: Number of a face -> what is said where it lies below and above what was measured.
_OUTSIDE = {
    "size": ("the face is too small", "the face is too large"),
    "sharpness": ("the face is too blurred", "the face is too sharp or noisy"),
    "brightness": ("the face is too dark", "the face is too bright"),
    "turn": ("the face is turned too little", "the face is turned away"),
    "nod": ("the face looks too far up", "the face looks too far down"),
    "tilt": ("the head is tilted too little", "the head is tilted too far"),
}
_UNITS = {"size": " pixels", "tilt": " degrees"}


def lines(verdict: Verdict, card: Card | None) -> list[str]:
    """A line for each face, or one that says why there is none."""
    if not verdict.answered:
        return [f"{verdict.path}: no answer ({verdict.status})"]
    amiss = "" if verdict.status == "ok" else f" ({verdict.status})"
    if verdict.kind == "video":
        face = verdict.faces[0]
        count = f"{verdict.frames} frame" + "s" * (verdict.frames != 1)
        others = f", which show up to {verdict.most} faces: the largest of each" if verdict.most > 1 else ""
        return [f"{verdict.path}, {count}{others}{amiss}: {answer(face, verdict.kind, card)}"]
    said = []
    for number, face in enumerate(verdict.faces, 1):
        place = f"face {number} of {len(verdict.faces)}"
        if len(verdict.faces) > 1:
            x0, y0, x1, y1 = (round(value) for value in face.box)
            place += f", from ({x0}, {y0}) to ({x1}, {y1})"
        said.append(f"{verdict.path}, {place}{amiss}: {answer(face, verdict.kind, card)}")
    return said


def answer(face: FaceVerdict, kind: Kind, card: Card | None) -> str:
    """The answer to a face, its probability or reasons, its measured errors, and what may be named."""
    if not face.p:
        return f"no answer ({face.problem})"
    decision = face.decision
    unit = card.unit(kind) if card else None
    if decision.answer is None or unit is None:
        raw = next(iter(face.p.values()))
        lacking = f"its card holds nothing on {kind}s" if card else "it has no card"
        return (
            f"probability of a forgery {percent(raw)}, as the detector gives it. Nothing was measured for this "
            f"detector ({lacking}): no answer follows from the number."
        )
    if decision.answer == "cannot tell":
        reasons = "; ".join(map(_reason, decision.reasons))
        return f"cannot tell: {reasons}."
    parts = [f"{decision.answer} (probability of a forgery {percent(decision.probability or 0.0)})."]
    parts.append(_errors(decision.answer == "forged", unit))
    if face.named:
        parts.append(f"Altered: {'; '.join(map(_naming, face.named))}.")
    return " ".join(part for part in parts if part)


def _reason(reason: Reason) -> str:
    if reason.name == "probability":
        between = f"{percent(reason.low)} and {percent(reason.high)}"
        return (
            f"the probability of a forgery, {percent(reason.value)}, lies between the bounds of the answers, {between}"
        )
    small, large = _OUTSIDE[reason.name]
    words = small if reason.value < reason.low else large
    unit = _UNITS.get(reason.name, "")
    return (
        f"{words} ({reason.name} {reason.value:.3g}{unit}; the detector was measured on {reason.low:.3g} to "
        f"{reason.high:.3g})"
    )


def _errors(forged: bool, unit: Unit) -> str:
    """How often the answer is wrong: for people like those of training, and at worst on other data sets."""
    whom = "real" if forged else "forged"

    def wrong(outcome: Outcome) -> Rate | None:
        answers: Answers | None = outcome.reals if forged else outcome.fakes
        if answers is None:
            return None
        return answers.forged if forged else answers.no_sign

    own = wrong(unit.outcomes[0])
    said = []
    if own:
        where = f"{own.people} people of {unit.outcomes[0].data} whom training did not see"
        said.append(f"{percent(own.value)} of {whom} faces got this answer ({_interval(own)}; {where})")
    elsewhere: list[tuple[Rate, str]] = []
    for outcome in unit.outcomes[1:]:
        rate = wrong(outcome)
        if rate and not outcome.trained:
            elsewhere.append((rate, outcome.data))
    if elsewhere:
        worst, data = max(elsewhere, key=lambda pair: pair[0].value)
        count = len({name for _, name in elsewhere})
        over = f"the worst of {count} data sets that it was not trained on"
        said.append(f"{percent(worst.value)} in {data}, {over} ({_interval(worst)})")
    return f"Measured: {', '.join(said)}." if said else ""


def _naming(row: Named) -> str:
    return (
        f"{row.node} (right for {percent(row.right.value)} of the forged faces for which it was named, "
        f"{_interval(row.right)}; chance {percent(row.chance)})"
    )


def map_note(node: str, card: Card | None) -> str:
    """What is said beside the map of a node; "" where it may not be shown."""
    row = card.points(node) if card else None
    if row is None:
        return ""
    return (
        f"The brightest place of such a map lay in the forged region for {percent(row.hits.value)} of "
        f"{row.hits.of} forgeries ({_interval(row.hits)}; chance {percent(row.chance)})."
    )


def _interval(rate: Rate) -> str:
    return f"95 % interval {_bare(rate.low)} to {percent(rate.high)}"


def _bare(value: float) -> str:
    return percent(value).removesuffix(" %")
