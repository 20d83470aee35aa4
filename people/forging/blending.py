"""Where a forged patch goes and how it is joined to the target: area masks, colour matching, blends."""

from collections.abc import Callable

import cv2
import numpy as np

from people.drawing.surface import Region
from semdf.forging.blend import alpha, bands, cloned

__all__ = ["AREAS", "BLENDS", "area_mask", "match_colour"]

#: Landmarks (iBUG order) whose hull bounds an area: brows to mouth, jaw to brows, mouth, eyes with brows.
AREAS = {"face": slice(17, 68), "head": slice(0, 68), "mouth": slice(48, 68), "eyes": slice(36, 48)}


def area_mask(
    area: str, points: list[np.ndarray], regions: list[np.ndarray], grow: int, shrink_hair: bool = True
) -> np.ndarray:
    """Hull of the landmarks `[68, 2]` of both pictures, grown by `grow` pixels: `[H, W] uint8`, 0 or 1.

    Only the face counts (in either region mask `[H, W]`), and nothing that the target's hair covers.
    """
    mask: np.ndarray = np.zeros(regions[0].shape, np.uint8)
    hull = np.concatenate([one[AREAS[area]] for one in points])
    if area == "mouth":  # the whole lower face moves with the mouth
        jaw = np.concatenate([one[5:12] for one in points])
        hull = np.concatenate([hull, 0.35 * hull.mean(0) + 0.65 * jaw])
    cv2.fillConvexPoly(mask, cv2.convexHull(np.round(hull).astype(np.int32)), 1)
    ball = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * grow + 1, 2 * grow + 1))
    mask = cv2.dilate(mask, ball)
    face = ((regions[0] | regions[1]) & Region.SKIN) > 0
    hair: np.ndarray = ((regions[0] & Region.HAIR) > 0).astype(np.uint8)
    if shrink_hair:
        hair = cv2.dilate(hair, np.ones((3, 3), np.uint8))
    return mask * (face & (hair == 0)).astype(np.uint8)


def match_colour(patch: np.ndarray, target: np.ndarray, mask: np.ndarray, share: float) -> np.ndarray:
    """Move mean and spread of the patch's Lab values inside the mask towards the target's (Reinhard et al. 2001)."""
    if share == 0 or mask.sum() < 8:
        return patch
    own = cv2.cvtColor(patch.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    other = cv2.cvtColor(target.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    inside = mask > 0
    mean = own[inside].mean(0)
    wanted = other[inside].mean(0)
    gain = np.clip((other[inside].std(0) + 1) / (own[inside].std(0) + 1), 0.6, 1.6)
    moved = (own - mean) * (1 + (gain - 1) * share) + mean + (wanted - mean) * share
    moved = cv2.cvtColor(moved.astype(np.float32), cv2.COLOR_LAB2RGB)
    return np.clip(moved * 255, 0, 255)


#: Each takes target and patch `[H, W, 3]` and the patch's weight `[H, W] float32`; it returns `[H, W, 3] float32`.
BLENDS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "alpha": alpha,
    "bands": bands,
    "poisson": cloned,
}
