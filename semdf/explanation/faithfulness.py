"""Can the explanations be believed? Maps against the forged masks, and what happens when a region is concealed."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from semdf.artifacts import read_table
from semdf.errors import DataError, ParameterError
from semdf.evaluation.detector import Detector
from semdf.evaluation.evaluate import people
from semdf.explanation.relevance import conceal, iou, maps, pointing_game
from semdf.faces.regions import core
from semdf.storage.columns import PROBED_FORGERY, VIDEO
from semdf.storage.tars import read_image
from semdf.training.views import views

__all__ = ["NODES", "Shown", "choose", "examine", "hits", "show"]

#: Expanded region -> the node that its sentence should name.
NODES = {"eyes": "eye", "mouth": "mouth", "nose": "nose"}
#: How far beyond its landmarks a region is concealed, in parts of the crop's side, because forgeries fade out (ours).
GROWN = 0.08


class Shown(NamedTuple):
    """What the network sees of a forgery, and where it finds its evidence.

    Attributes:
        image: [H, W, 3] uint8, sRGB.
        relevance: [H, W], the map of the forged region's node.
        mask: [H, W] bool, what was forged.
    """

    image: np.ndarray
    relevance: np.ndarray
    mask: np.ndarray


class _Seen(NamedTuple):
    """As `Shown`, with the map [H, W] of the root as well."""

    image: np.ndarray
    relevance: np.ndarray
    of_root: np.ndarray
    mask: np.ndarray


def choose(manifest: Path, split: str, count: int, seed: int = 0) -> pd.DataFrame:
    """Up to `count` expanded samples of every region of `NODES`, drawn from the usable ones of a split.

    Raises:
        DataError: A region has none.
    """
    rows = read_table(manifest, PROBED_FORGERY)
    rows = rows[(rows["split"] == split) & (rows["status"] == "ok")]
    parts = []
    for region in NODES:
        own = rows[rows["label"] == region]
        if own.empty:
            raise DataError(f"manifest must hold usable forgeries of the {region}, split {split!r}, found none")
        parts.append(own.sample(min(count, len(own)), random_state=seed))
    return pd.concat(parts, ignore_index=True)


def examine(detector: Detector, manifest: Path, chosen: pd.DataFrame, layer: str | None = None) -> pd.DataFrame:
    """How well the map of the forged region's node hits the forged mask, and how the node reacts to concealing.

    Args:
        detector: Of the joint embedding or of node heads.
        manifest: Of the expansion; shards lie beside it.
        chosen: Rows of `choose`.
        layer: See `semdf.explanation.relevance.layer`.

    Returns:
        A row a sample: sample, region, p (of the node), pointing, pointing_root (of the root's map, the control: a
        node's map that does no better says "fake", not "this region"), chance (share of the mask in the picture), iou,
        iou_chance (of a random map), alike (correlation of the node's map with the root's), drop (fall of p when the
        forged region is concealed), drop_other (mean fall when each of the other regions is).

    Raises:
        ParameterError: The detector lacks a node of `NODES`.
    """
    if missing := set(NODES.values()) - set(detector.nodes):
        raise ParameterError(f"detector must have the nodes {', '.join(sorted(missing))}, found {detector.nodes}")
    rows = []
    for row in tqdm(chosen.to_dict("records"), desc="explanations", unit="face", mininterval=5):
        rows.append(_examine(detector, Path(manifest), row, layer))
    return pd.DataFrame(rows)


def show(detector: Detector, manifest: Path, row: dict, layer: str | None = None) -> Shown:
    """What the network sees of a row of `choose`, the map of its node, and the forged mask."""
    seen = _seen(detector, manifest, row, layer)
    return Shown(seen.image, seen.relevance, seen.mask)


def hits(
    detector: Detector,
    manifest: Path,
    data: str,
    split: str,
    count: int = 60,
    layer: str | None = None,
    seed: int = 0,
    batch: int = 16,
) -> pd.DataFrame:
    """Whether the map of the root, and that of the forged region's node, have their highest pixel in what was forged.

    It is the pointing game of `examine`, for detectors without nodes as well, and without what `examine` conceals.

    Args:
        detector: Any.
        manifest: Of the expansion; shards lie beside it.
        data: Name of the data set that was forged.
        split: Of that data set.
        count: Forgeries of each region of `NODES`, at most.
        layer: See `semdf.explanation.relevance.layer`.
        seed: Of the choice.
        batch: Pictures at once.

    Returns:
        A row for each map that is not empty: node, person, hit (0 or 1), chance (share of the mask in the picture),
        control (for a node below the root, whether the root's map hits; else `chance`).
    """
    rows = read_table(manifest, (*VIDEO, *PROBED_FORGERY))
    rows = rows[(rows["dataset"] == data) & (rows["split"] == split) & (rows["status"] == "ok")]
    parts = []
    for region in NODES:
        own = rows[rows["label"] == region]
        parts.append(own.sample(min(count, len(own)), random_state=seed))
    chosen = pd.concat(parts, ignore_index=True)
    chosen = chosen.assign(person=people(chosen))
    model = detector.model
    resample = detector.resampled
    found = []
    for _, part in chosen.groupby(["label", np.arange(len(chosen)) // batch], sort=False):
        node = NODES[part["label"].iloc[0]]
        nodes = [detector.nodes[0]]
        if node in detector.nodes:
            nodes.append(node)
        images = [read_image(Path(manifest).parent, row.shard, row.member) for row in part.itertuples()]
        view = views(torch.from_numpy(np.stack(images)), model.image_size, resample=resample)
        planes = maps(model, model.normalise(view), [detector.nodes.index(name) for name in nodes], layer)
        for row, of_nodes in zip(part.itertuples(), planes, strict=True):
            stored = read_image(Path(manifest).parent, row.shard, row.mask_member)
            mask = _view(stored.reshape(*stored.shape[:2], -1)[..., 0] > 127, model.image_size, resample)
            share = float(mask.mean())
            of_root = pointing_game(of_nodes[0], mask)
            for place, (name, plane) in enumerate(zip(nodes, of_nodes, strict=True)):
                control = of_root if place else share
                hit = pointing_game(plane, mask)
                found.append({"node": name, "person": row.person, "hit": hit, "chance": share, "control": control})
    columns = ["node", "person", "hit", "chance", "control"]
    return pd.DataFrame(found, columns=columns).dropna().reset_index(drop=True)


def _seen(detector: Detector, manifest: Path, row: dict, layer: str | None) -> _Seen:
    """As `show`, with the map of the root."""
    folder = Path(manifest).parent
    image = read_image(folder, row["shard"], row["member"])
    stored = read_image(folder, row["shard"], row["mask_member"])
    forged = stored.reshape(*image.shape[:2], -1)[..., 0] > 127
    node = detector.nodes.index(NODES[row["label"]])
    model = detector.model
    resample = detector.config.crop.resampled
    view = views(torch.from_numpy(image[None]), model.image_size, resample=resample)
    of_node, of_root = maps(model, model.normalise(view), [node, 0], layer)[0]
    return _Seen(view[0].permute(1, 2, 0).numpy(), of_node, of_root, _view(forged, model.image_size, resample))


def _examine(detector: Detector, manifest: Path, row: dict, layer: str | None) -> dict:
    """One row of `examine`."""
    image = read_image(manifest.parent, row["shard"], row["member"])
    points = np.asarray(row["landmarks"], dtype=float).reshape(-1, 2)
    node = detector.nodes.index(NODES[row["label"]])
    hidden = [conceal(image, _grown(core(points, region, image.shape))) for region in NODES]
    p = detector.score(np.stack([image, *hidden]))[:, node]
    drop = dict(zip(NODES, p[0] - p[1:], strict=True))
    own_drop = drop.pop(row["label"])
    seen = _seen(detector, manifest, row, layer)
    share = float(seen.mask.mean())
    alike = np.nan
    if seen.relevance.std() > 0 and seen.of_root.std() > 0:
        alike = float(np.corrcoef(seen.relevance.ravel(), seen.of_root.ravel())[0, 1])
    return {
        "sample": row["sample"],
        "region": row["label"],
        "p": float(p[0]),
        "pointing": pointing_game(seen.relevance, seen.mask),
        "pointing_root": pointing_game(seen.of_root, seen.mask),
        "chance": share,
        "iou": iou(seen.relevance, seen.mask),
        "iou_chance": share / (2 - share) if share else np.nan,
        "alike": alike,
        "drop": float(own_drop),
        "drop_other": float(np.mean(list(drop.values()))),
    }


def _grown(mask: np.ndarray) -> np.ndarray:
    """The mask with a border of GROWN."""
    side = 2 * max(1, round(GROWN * mask.shape[0] / 2)) + 1
    ball = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return cv2.dilate(mask.astype(np.uint8), ball) > 0


def _view(mask: np.ndarray, size: int, resample: bool) -> np.ndarray:
    """The part of a crop's mask that the network sees; see `semdf.training.views.views`."""
    if resample:
        return cv2.resize(mask.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA) > 0.5
    top = (mask.shape[0] - size) // 2
    left = (mask.shape[1] - size) // 2
    return mask[top : top + size, left : left + size]
