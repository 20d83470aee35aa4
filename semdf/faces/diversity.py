"""Who and what is shown in the embedded data, and how far the faces of two people are apart.

This is read from `data/provenance.parquet` and `data/people/manifest.parquet`, which say of every picture how person
and scene were drawn, and from the exact landmarks.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from semdf.errors import DataError
from semdf.faces.landmarks import EYES, JAW, NOSE

__all__ = ["ATTRIBUTES", "PAIRS", "POINTS", "SCENE", "STILLS", "cast", "distances", "located", "pictures", "shapes"]

#: Name of the stills' domain in the tables.
STILLS = "people"
#: Changes of a still that leave the person as they are and put the camera elsewhere, or change nothing.
SAME = ("none", "pose", "all")
#: The ancestries of the body model, in its order.
ANCESTRIES = ("African", "Asian", "European")

#: Attribute -> its value for a person's parameters. Numbers lie in 0 to 1, melanin in 0 to 2.
ATTRIBUTES = {
    "age": lambda person: person["age"],
    "gender": lambda person: person["gender"],
    "melanin": lambda person: person["melanin"],
    "ancestry": lambda person: ANCESTRIES[int(np.argmax(person["ancestry"]))],
    "hair": lambda person: person["hair"]["style"],
    "beard": lambda person: person["beard_style"] if person["gender"] < 0.5 and person["beard"] > 0.08 else "none",
    "glasses": lambda person: _kind(person.get("glasses")),
    "hat": lambda person: _kind(person["clothes"].get("hat")),
}
#: Attribute -> its value for a scene's parameters. Yaw, pitch and gaze are degrees; noise is the standard deviation of
#: the camera's noise, blur that of its blur in pixels.
SCENE = {
    "expression": lambda scene: scene["expression"]["name"],
    "yaw": lambda scene: float(np.degrees(scene["pose"]["yaw"])),
    "pitch": lambda scene: float(np.degrees(scene["pose"]["pitch"])),
    "gaze": lambda scene: float(np.degrees(scene["expression"]["gaze_yaw"])),
    "light": lambda scene: scene["light"]["kind"],
    "noise": lambda scene: scene["camera"]["noise"],
    "blur": lambda scene: scene["camera"]["blur"],
}
#: The landmarks that are compared: the jaw, the nose and the corners of the eyes. The expression hardly moves them;
#: only the jaw follows the mouth.
POINTS = (*range(JAW.start, JAW.stop), *range(NOSE.start, NOSE.stop), 36, 39, 42, 45)
#: Heads turned further than this are left out of the distances, degrees (ours).
FRONTAL = 20.0
#: What `distances` compares.
PAIRS = ("same person", "nearest other", "another at random")


def pictures(provenance: pd.DataFrame, stills: pd.DataFrame | None = None) -> pd.DataFrame:
    """A table of the real pictures and of the first frames of the real videos, a row each.

    Args:
        provenance: With the columns `dataset`, `path`, `fake`, `target`, `person` and `scene` of
            `semdf.storage.columns.PROVENANCE`.
        stills: The manifest of `data/people`; only its pictures of the person as first drawn are taken. None leaves
            the stills out.

    Returns:
        The columns `dataset`, `person`, `key` (of the picture's annotations), those of `ATTRIBUTES` and `SCENE`,
        `camera` (distance to the face, metres), and `landmarks` ([136] pixels for stills, None for others).

    Raises:
        DataError: A column is missing, or nothing is real.
    """
    if missing := {"dataset", "path", "fake", "target", "person", "scene"} - set(provenance):
        raise DataError(f"provenance must have the columns dataset, path, fake, target ..., found no {min(missing)}")
    real = provenance[~provenance["fake"]]
    if real.empty:
        raise DataError(f"provenance must hold pristine items, found none in {len(provenance)} rows")
    rows = []
    for item in real.itertuples():
        key = item.path.removeprefix(f"{item.dataset}/").rsplit(".", 1)[0]
        who = item.target.rsplit("/", 1)[0]
        rows.append(_row(item.dataset, who, key, json.loads(item.person), json.loads(item.scene), None))
    chosen = [] if stills is None else stills[stills["change"].isin(SAME)].to_dict("records")
    for still in chosen:
        scene = _nested(still)
        rows.append(
            _row(STILLS, f"{STILLS}/{still['identity']}", still["id"], scene["person"], scene, still["landmarks"])
        )
    return pd.DataFrame(rows)


def _row(dataset: str, who: str, key: str, person: dict, scene: dict, landmarks: np.ndarray | None) -> dict:
    """One row of `pictures`."""
    return {
        "dataset": dataset,
        "person": who,
        "key": key,
        **{name: value_of(person) for name, value_of in ATTRIBUTES.items()},
        **{name: value_of(scene) for name, value_of in SCENE.items()},
        "camera": scene["pose"]["distance"],
        "landmarks": landmarks,
    }


def _kind(thing: dict | None) -> str:
    """The kind of something that a person may wear; "none" without it."""
    kind = (thing or {}).get("kind")
    return kind if isinstance(kind, str) else "none"


def _nested(row: dict) -> dict:
    """The scene of a still as nested dicts, from columns such as `scene.person.hair.style`."""
    scene: dict[str, Any] = {}
    for name, value in row.items():
        first, *path = name.split(".")
        if first != "scene":
            continue
        place = scene
        for part in path[:-1]:
            place = place.setdefault(part, {})
        place[path[-1]] = value
    return scene


def cast(shown: pd.DataFrame) -> pd.DataFrame:
    """A row a person, from the first of their `pictures`: `dataset`, `person` and the columns of `ATTRIBUTES`."""
    return shown.drop_duplicates("person")[["dataset", "person", *ATTRIBUTES]].reset_index(drop=True)


def located(shown: pd.DataFrame, annotations: Path) -> pd.DataFrame:
    """The same `pictures` with `landmarks` for all, [68, 2] pixels.

    Args:
        shown: Rows of `pictures`.
        annotations: The folder with `<data set>.npz` of every data set.
    """
    found: dict[int, np.ndarray] = {}
    for dataset, part in shown.groupby("dataset", sort=False):
        if dataset == STILLS:
            for i, points in zip(part.index, part["landmarks"], strict=True):
                found[i] = np.reshape(points, (68, 2))
            continue
        with np.load(Path(annotations) / f"{dataset}.npz") as members:
            for i, key in zip(part.index, part["key"], strict=True):
                found[i] = members[f"{key}/landmarks"][0]
    return shown.assign(landmarks=[found[i] for i in shown.index])


def shapes(shown: pd.DataFrame) -> np.ndarray:
    """Shapes of faces [n, 2 K], of the K = 30 `POINTS`.

    The Euclidean distance of two rows is the root mean square distance of their points, in per cent of the distance
    between the eyes. Landmarks are brought onto each other by a generalised Procrustes analysis (Gower, Psychometrika
    40, 1975), which removes place, size and roll. Then the linear effect of yaw, pitch, their squares and product, the
    nearness of the camera and the opening of the mouth is subtracted (ours): it is larger than the difference between
    people.

    Args:
        shown: Rows with `landmarks` [68, 2], `yaw` and `pitch` (degrees) and `camera` (metres), more than ten.

    Raises:
        DataError: There are ten rows or fewer.
    """
    if len(shown) <= 10:
        raise DataError(f"pictures must be more than ten, from which the effect of pose is taken, found {len(shown)}")
    points = np.stack(shown["landmarks"]).astype(float)
    left, right = (points[:, eye].mean(1) for eye in EYES)
    mouth = np.linalg.norm(points[:, 62] - points[:, 66], axis=1) / np.linalg.norm(left - right, axis=1)
    yaw = np.radians(shown["yaw"].to_numpy(float))
    pitch = np.radians(shown["pitch"].to_numpy(float))
    near = 1 / shown["camera"].to_numpy(float)
    causes = [yaw**0, yaw, pitch, yaw**2, pitch**2, yaw * pitch, near, near * yaw, near * pitch, mouth]
    aligned, mean = _procrustes(points[:, list(POINTS)])
    corners = mean[-4:]
    eyes = np.linalg.norm(corners[:2].mean(0) - corners[2:].mean(0))
    flat = aligned.reshape(len(aligned), -1)
    effect = np.column_stack(causes)
    rest = flat - effect @ np.linalg.lstsq(effect, flat, rcond=None)[0]
    return 100 * rest / eyes / np.sqrt(len(POINTS))


def _procrustes(points: np.ndarray, rounds: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Points [n, K, 2] centred, of unit size and turned onto their mean, without reflections; and that mean [K, 2]."""
    points = points - points.mean(1, keepdims=True)
    points = points / np.linalg.norm(points, axis=(1, 2), keepdims=True)
    mean = points[0]
    for _ in range(rounds):
        left, _, right = np.linalg.svd(np.swapaxes(points, 1, 2) @ mean)
        left[:, :, 1] *= np.sign(np.linalg.det(left @ right))[:, None]
        points = points @ (left @ right)
        mean = points.mean(0) / np.linalg.norm(points.mean(0))
    return points, mean


def distances(shown: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """How far faces seen from the front are apart, by their `shapes`.

    Each person's first picture is compared with their second one, where there is one; with the nearest first picture of
    another person; and with that of another person at random.

    Args:
        shown: Rows of `located`.
        seed: Of the random choice.

    Returns:
        The columns `pair` (of `PAIRS`), `person`, `other` (the person of the other picture) and `distance` (per cent
        of the distance between the eyes).

    Raises:
        DataError: Fewer than two people are seen within `FRONTAL` degrees.
    """
    front = shown[(shown["yaw"].abs() < FRONTAL) & (shown["pitch"].abs() < FRONTAL)].reset_index(drop=True)
    if front["person"].nunique() < 2:
        raise DataError(f"pictures must show two people at least from the front, found {front['person'].nunique()}")
    table = shapes(front)
    names = front["person"].to_numpy()
    turn = front.groupby("person").cumcount().to_numpy()  # which of the person's pictures a row is
    first = np.flatnonzero(turn == 0)
    second = np.flatnonzero(turn == 1)
    first_of = dict(zip(names[first], first, strict=True))
    before_second = np.array([first_of[name] for name in names[second]], int)
    apart = np.linalg.norm(table[first, None] - table[first], axis=-1)
    np.fill_diagonal(apart, np.inf)
    nearest = first[apart.argmin(1)]
    step = np.random.default_rng(seed).integers(1, len(first), len(first))
    stranger = first[(np.arange(len(first)) + step) % len(first)]
    found = []
    sides = ((before_second, second), (first, nearest), (first, stranger))
    for pair, (one, other) in zip(PAIRS, sides, strict=True):
        far = np.linalg.norm(table[one] - table[other], axis=1)
        found.append(pd.DataFrame({"pair": pair, "person": names[one], "other": names[other], "distance": far}))
    return pd.concat(found, ignore_index=True)
