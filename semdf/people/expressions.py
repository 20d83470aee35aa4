"""Facial expressions as strengths of anny's 52 facial actions."""

import numpy as np

from semdf.people import head as heads

__all__ = ["EXPRESSIONS", "SHARES", "add", "compose", "draw_expression"]

#: Both sides are meant where a name ends in "*". Strengths are for a full expression (ours, after FACS).
EXPRESSIONS: dict[str, dict[str, float]] = {
    "neutral": {},
    "smile": {"mouthSmile*": 0.95, "cheekSquint*": 0.5, "eyeSquint*": 0.3},
    "laugh": {"mouthSmile*": 1.05, "jawOpen": 0.38, "mouthUpperUp*": 0.55, "mouthLowerDown*": 0.35,
              "cheekSquint*": 0.75, "eyeSquint*": 0.5},
    "surprise": {"jawOpen": 0.55, "browInnerUp": 1.0, "browOuterUp*": 1.0, "eyeWide*": 1.0,
                 "mouthFunnel": 0.35},
    "sad": {"mouthFrown*": 0.95, "browInnerUp": 1.0, "mouthShrugLower": 0.5, "eyeSquint*": 0.25},
    "anger": {"browDown*": 1.1, "noseSneer*": 0.6, "mouthPress*": 0.6, "eyeSquint*": 0.5, "mouthFrown*": 0.4},
    "disgust": {"noseSneer*": 1.1, "mouthUpperUp*": 0.65, "browDown*": 0.6, "mouthFrown*": 0.5,
                "eyeSquint*": 0.6},
    "pucker": {"mouthPucker": 1.0, "mouthFunnel": 0.35, "browInnerUp": 0.25},
    "shout": {"jawOpen": 0.7, "browDown*": 0.7, "mouthStretch*": 0.5, "eyeSquint*": 0.35},
    "smirk": {"mouthSmileLeft": 0.9, "mouthLeft": 0.3, "browOuterUpRight": 0.5, "mouthDimpleLeft": 0.5},
}  # fmt: skip
#: How often each is drawn.
SHARES = (0.26, 0.20, 0.14, 0.07, 0.06, 0.06, 0.05, 0.05, 0.05, 0.06)
STILL = ("tongue", "Frown", "Roll", "jaw", "Blink", "Look")  # never part of the random rest


def add(expression: np.ndarray, actions: dict[str, float], strength: float = 1.0) -> None:
    """Add actions to an expression `[52]` in place; a name ending in "*" means left and right."""
    head = heads.load()
    for name, value in actions.items():
        for full in (name[:-1] + "Left", name[:-1] + "Right") if name.endswith("*") else (name,):
            expression[head.action(full)] += value * strength


def compose(name: str, strength: float = 1.0) -> np.ndarray:
    """A named expression `[52] float32`."""
    expression = np.zeros(len(heads.load().action_names), np.float32)
    add(expression, EXPRESSIONS[name], strength)
    return expression


def draw_expression(rng: np.random.Generator, name: str | None = None) -> np.ndarray:
    """A random expression `[52]` with a little of everything, not quite open eyes, and a gaze."""
    name = name or str(rng.choice(list(EXPRESSIONS), p=SHARES))
    expression = compose(name, rng.uniform(0.6, 1.05))
    free = np.array([not any(word in action for word in STILL) for action in heads.load().action_names])
    expression += np.clip(rng.normal(0, 0.05, len(free)), 0, 0.15).astype(np.float32) * free
    across, up = rng.normal(0, 0.2, 2)
    add(expression, {"eyeBlink*": max(0.0, rng.normal(0.02, 0.07))})
    add(expression, {"eyeLookInLeft": max(across, 0), "eyeLookOutRight": max(across, 0)})
    add(expression, {"eyeLookOutLeft": max(-across, 0), "eyeLookInRight": max(-across, 0)})
    add(expression, {"eyeLookUp*" if up > 0 else "eyeLookDown*": 0.7 * abs(up)})
    return expression
