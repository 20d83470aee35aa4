"""Who and what is shown in the embedded data, and how far the face of each person is from the next.

Read from `data/provenance.parquet` and `data/people/manifest.parquet`, which say of every picture how person and scene
were drawn, and from the exact landmarks.
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
#: Changes of a still that leave the person as they are, and the camera elsewhere.
SAME = ("none", "pose", "all")
ANCESTRIES = ("African", "Asian", "European")


def _kind(thing: dict | None) -> str:
    kind = (thing or {}).get("kind")
    return kind if isinstance(kind, str) else "none"


#: Attribute -> what it is, of a person's parameters. The numbers lie in 0 to 1, melanin in 0 to 2.
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
#: The same of a scene: degrees, and for the camera the standard deviation of its noise and its blur in pixels.
SCENE = {
    "expression": lambda scene: scene["expression"]["name"],
    "yaw": lambda scene: float(np.degrees(scene["pose"]["yaw"])),
    "pitch": lambda scene: float(np.degrees(scene["pose"]["pitch"])),
    "gaze": lambda scene: float(np.degrees(scene["expression"]["gaze_yaw"])),
    "light": lambda scene: scene["light"]["kind"],
    "noise": lambda scene: scene["camera"]["noise"],
    "blur": lambda scene: scene["camera"]["blur"],
}
#: Landmarks that hardly move with the expression: nose and corners of the eyes; and the jaw, which follows the mouth.
POINTS = (*range(JAW.start, JAW.stop), *range(NOSE.start, NOSE.stop), 36, 39, 42, 45)
#: Heads turned further than this are left out of the distances, degrees (ours).
FRONTAL = 20.0
#: What `distances` compares.
PAIRS = ("same person", "nearest other", "another at random")


def pictures(provenance: pd.DataFrame, stills: pd.DataFrame | None = None) -> pd.DataFrame:
    """One row a pristine picture or first frame: `dataset`, `person`, `key` (of its annotations), ATTRIBUTES, SCENE,
    `camera` (distance to the face, metres), and `landmarks` of stills ([136] pixels; None for others).

    provenance: rows with `dataset`, `path`, `fake`, `target` (domain / person / clip); `person` and `scene` as JSON.
    stills: the manifest of `data/people`, of which pictures of the person as drawn are taken.

    Raises DataError when a column is missing or nothing is real.
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
    known = {name: of(person) for name, of in ATTRIBUTES.items()} | {name: of(scene) for name, of in SCENE.items()}
    place = {"dataset": dataset, "person": who, "key": key}
    return {**place, **known, "camera": scene["pose"]["distance"], "landmarks": landmarks}


def _nested(row: dict) -> dict:
    """The scene of a still, from columns such as `scene.person.hair.style`."""
    scene: dict[str, Any] = {}
    for name, value in row.items():
        first, *path = name.split(".")
        if first == "scene":
            place = scene
            for part in path[:-1]:
                place = place.setdefault(part, {})
            place[path[-1]] = value
    return scene


def cast(shown: pd.DataFrame) -> pd.DataFrame:
    """One row a person, of the first of their `pictures`: `dataset`, `person` and the columns of ATTRIBUTES."""
    return shown.drop_duplicates("person")[["dataset", "person", *ATTRIBUTES]].reset_index(drop=True)


def located(shown: pd.DataFrame, annotations: Path) -> pd.DataFrame:
    """The same `pictures` with `landmarks` of all, [68, 2] pixels; annotations: folder of those of the data sets."""
    found: dict[int, np.ndarray] = {}
    for dataset, part in shown.groupby("dataset", sort=False):
        if dataset == STILLS:
            found |= {i: np.reshape(row, (68, 2)) for i, row in zip(part.index, part["landmarks"], strict=True)}
            continue
        with np.load(Path(annotations) / f"{dataset}.npz") as members:
            found |= {i: members[f"{key}/landmarks"][0] for i, key in zip(part.index, part["key"], strict=True)}
    return shown.assign(landmarks=[found[i] for i in shown.index])


def shapes(shown: pd.DataFrame) -> np.ndarray:
    """Shapes of faces [n, 2 K] of the K = 30 POINTS: the Euclidean distance of two rows is the root mean square
    distance of their points in per cent of the distance between the eyes.

    Landmarks are brought onto each other by a generalised Procrustes analysis (Gower, Psychometrika 40, 1975), which
    removes place, size and roll. What a quadratic form of yaw and pitch, the nearness of the camera and the opening of
    the mouth explain linearly is subtracted (ours): it would else be larger than the difference between people.

    shown: `landmarks` [68, 2], `yaw`, `pitch` (degrees), `camera` (metres), of more than ten pictures.
    """
    if len(shown) <= 10:
        raise DataError(f"pictures must be more than ten, from which the effect of pose is taken, found {len(shown)}")
    points = np.stack(shown["landmarks"]).astype(float)
    left, right = (points[:, eye].mean(1) for eye in EYES)
    mouth = np.linalg.norm(points[:, 62] - points[:, 66], axis=1) / np.linalg.norm(left - right, axis=1)
    yaw, pitch = np.radians(shown["yaw"].to_numpy(float)), np.radians(shown["pitch"].to_numpy(float))
    near = 1 / shown["camera"].to_numpy(float)
    causes = [yaw**0, yaw, pitch, yaw**2, pitch**2, yaw * pitch, near, near * yaw, near * pitch, mouth]
    aligned, mean = _procrustes(points[:, list(POINTS)])
    corners = mean[-4:]
    eyes = np.linalg.norm(corners[:2].mean(0) - corners[2:].mean(0))
    flat, effect = aligned.reshape(len(aligned), -1), np.column_stack(causes)
    rest = flat - effect @ np.linalg.lstsq(effect, flat, rcond=None)[0]
    return 100 * rest / eyes / np.sqrt(len(POINTS))


def _procrustes(points: np.ndarray, rounds: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """[n, K, 2] without place, of unit size, turned onto their mean [K, 2]; without reflections."""
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
    """Distances of `shapes` of near-frontal faces: `pair` (of PAIRS), `person`, `other` (who), `distance`, per cent.

    Each person's first picture is compared with their second one, where there is one; with the nearest first picture of
    another person; and with that of another person at random.

    shown: `located` pictures. Raises DataError when they show fewer than two people within FRONTAL degrees.
    """
    front = shown[(shown["yaw"].abs() < FRONTAL) & (shown["pitch"].abs() < FRONTAL)].reset_index(drop=True)
    if front["person"].nunique() < 2:
        raise DataError(f"pictures must show two people at least from the front, found {front['person'].nunique()}")
    table, turn = shapes(front), front.groupby("person").cumcount().to_numpy()
    names, first = front["person"].to_numpy(), np.flatnonzero(turn == 0)
    place = dict(zip(names[first], first, strict=True))
    again = np.flatnonzero(turn == 1)
    before = np.array([place[name] for name in names[again]], int)
    apart = np.linalg.norm(table[first, None] - table[first], axis=-1)
    np.fill_diagonal(apart, np.inf)
    step = np.random.default_rng(seed).integers(1, len(first), len(first))
    stranger = (np.arange(len(first)) + step) % len(first)
    found = []
    for pair, one, other in zip(
        PAIRS, (before, first, first), (again, first[apart.argmin(1)], first[stranger]), strict=True
    ):
        far = np.linalg.norm(table[one] - table[other], axis=1)
        found.append(pd.DataFrame({"pair": pair, "person": names[one], "other": names[other], "distance": far}))
    return pd.concat(found, ignore_index=True)
