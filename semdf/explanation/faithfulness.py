"""Can the explanations be believed? Maps against the forged masks, and what happens when a region is concealed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from semdf.artifacts import read_table
from semdf.errors import DataError, ParameterError
from semdf.evaluation.detector import Detector
from semdf.explanation.relevance import conceal, iou, maps, pointing_game
from semdf.faces.regions import core
from semdf.storage.columns import PROBED_FORGERY
from semdf.storage.tars import read_image
from semdf.training.views import views

__all__ = ["NODES", "choose", "examine", "show"]

#: Expanded region -> the node that its sentence should name.
NODES = {"eyes": "eye", "mouth": "mouth", "nose": "nose"}
GROWN = 0.08  # of the crop's side: how far beyond the landmarks a region is concealed, for the feather (ours)


def choose(manifest: Path, split: str, count: int, seed: int = 0) -> pd.DataFrame:
    """Up to `count` expanded samples of every region of NODES, drawn from the usable ones of a split.

    Raises:
        DataError: a region has none.
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


def examine(detector: Detector, manifest: Path, chosen: pd.DataFrame, layer: str = "layer3") -> pd.DataFrame:
    """How well the map of the forged region's node hits the forged mask, and how the node reacts to concealing.

    Args:
        detector: Of the joint embedding or of node heads.
        manifest: Of the expansion; shards lie beside it.
        chosen: Rows of `choose`.
        layer: See `semdf.explanation.relevance.layer`.

    Returns:
        A row a sample: sample, region, p (of the node), pointing, pointing_root (of the root's map, the control: a
        map that does no better says "fake", not "this region"), chance (share of the mask in the picture), iou,
        iou_chance (of a random map of that size), alike (correlation of the node's map with the root's), drop (fall
        of p when the forged region is concealed), drop_other (mean fall when each of the other regions is).
    """
    if missing := set(NODES.values()) - set(detector.nodes):
        raise ParameterError(f"detector must have the nodes {', '.join(sorted(missing))}, found {detector.nodes}")
    rows = []
    for row in tqdm(chosen.to_dict("records"), desc="explanations", unit="face", mininterval=5):
        rows.append(_examine(detector, Path(manifest), row, layer))
    return pd.DataFrame(rows)


def show(detector: Detector, manifest: Path, row: dict, layer: str = "layer3") -> tuple[np.ndarray, ...]:
    """The network's view of a row of `choose` [H, W, 3] uint8, its node's map [H, W], the forged mask [H, W] bool."""
    image, (own, _), mask = _seen(detector, manifest, row, layer)
    return image, own, mask


def _seen(detector: Detector, manifest: Path, row: dict, layer: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `show`, with the maps [2, H, W] of the node and of the root."""
    root = Path(manifest).parent
    image = read_image(root, row["shard"], row["member"])
    forged = read_image(root, row["shard"], row["mask_member"]).reshape(*image.shape[:2], -1)[..., 0] > 127
    node = detector.nodes.index(NODES[row["label"]])
    size, resample = detector.model.image_size, detector.config.crop.resampled
    seen = views(torch.from_numpy(image[None]), size, resample=resample)
    relevance = maps(detector.model, detector.model.normalise(seen), [node, 0], layer)[0]
    return seen[0].permute(1, 2, 0).numpy(), relevance, _view(forged, size, resample)


def _examine(detector: Detector, manifest: Path, row: dict, layer: str) -> dict:
    image = read_image(manifest.parent, row["shard"], row["member"])
    points = np.asarray(row["landmarks"], dtype=float).reshape(-1, 2)
    node = detector.nodes.index(NODES[row["label"]])
    hidden = {region: conceal(image, _grown(core(points, region, image.shape))) for region in NODES}
    p = detector.score(np.stack([image, *hidden.values()]))[:, node]
    drop = dict(zip(hidden, p[0] - p[1:], strict=True))
    _, (relevance, of_root), mask = _seen(detector, manifest, row, layer)
    share = float(mask.mean())
    varied = relevance.std() > 0 and of_root.std() > 0
    return {
        "sample": row["sample"],
        "region": row["label"],
        "p": float(p[0]),
        "pointing": pointing_game(relevance, mask),
        "pointing_root": pointing_game(of_root, mask),
        "chance": share,
        "iou": iou(relevance, mask),
        "iou_chance": share / (2 - share) if share else np.nan,
        "alike": float(np.corrcoef(relevance.ravel(), of_root.ravel())[0, 1]) if varied else np.nan,
        "drop": float(drop.pop(row["label"])),
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
    top, left = (mask.shape[0] - size) // 2, (mask.shape[1] - size) // 2
    return mask[top : top + size, left : left + size]
