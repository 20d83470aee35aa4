"""What the face parser learns from: rendered pictures with their classes, changed so much that photographs fit in.

Everything random comes from a generator; every choice and range here is ours.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from semdf.errors import DataError
from semdf.faces.crops import REGION_BITS
from semdf.faces.landmarks import five, span
from semdf.faces.parsing import CLASSES, MIRRORED

__all__ = ["SPANS", "View", "augment", "classes_of"]

#: The `span` of a face in a view, in parts of the side, is drawn from this range.
SPANS = (0.15, 0.42)

#: The number of each class by its name.
_CLASS = {name: np.uint8(i) for i, (name, _) in enumerate(CLASSES)}

#: Sizes of the features of smooth noise, pixels.
_SCALES = (2, 4, 8, 16, 32)


class View(NamedTuple):
    """A picture that the face parser learns from.

    Attributes:
        image: [H, W, 3] uint8, sRGB.
        classes: [H, W] uint8, numbers of `semdf.faces.parsing.CLASSES`.
    """

    image: np.ndarray
    classes: np.ndarray


class _Paint(NamedTuple):
    """How classes are recoloured together.

    Attributes:
        classes: Names of the classes.
        chance: That they are.
        brightness: Standard deviation of the logarithm of a common gain.
        tint: The same of a gain of each channel.
        texture: Largest factor of the noise.
    """

    classes: tuple[str, ...]
    chance: float
    brightness: float
    tint: float
    texture: float


_BROWS = ("left brow", "right brow")
_SKIN = tuple(name for name, regions in CLASSES if "skin" in regions)
_PAINTS = (
    _Paint(("hair",), 0.7, 0.6, 0.15, 0.20),
    _Paint(("neck", "necklace", "clothes"), 0.7, 0.8, 0.30, 0.15),
    _Paint(("glasses", "hat"), 0.7, 0.8, 0.30, 0.15),
    _Paint(_BROWS, 0.5, 0.4, 0.10, 0.10),
    _Paint(("upper lip", "lower lip"), 0.5, 0.15, 0.12, 0.03),
    _Paint(("left eye", "right eye"), 0.4, 0.25, 0.08, 0.03),
    _Paint(("nose",), 0.2, 0.08, 0.03, 0.03),
    _Paint(_SKIN, 0.8, 0.20, 0.08, 0.05),
)


def classes_of(image: np.ndarray, regions: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Facexlib's classes `[H, W] uint8` of a rendered person.

    An eye is what lies between the lids, so inside the landmarks' outline; left and right, above and below are those
    of the picture. What is `other` beside the eyes is glasses, above them a hat; below, neck where it has the colour
    of the face's skin, else clothes.

    Args:
        image: [H, W, 3] uint8, sRGB.
        regions: [H, W] uint8, bits of `semdf.faces.crops.REGION_BITS`.
        landmarks: [68, 2], pixels.

    Raises:
        DataError: Regions or landmarks have another shape.
    """
    points = np.asarray(landmarks, dtype=float)
    if regions.ndim != 2 or points.shape != (68, 2):
        raise DataError(
            f"regions and landmarks must be [H, W] and [68, 2], found {list(regions.shape)} and {list(points.shape)}"
        )
    bit = {name: (regions & value) > 0 for name, value in REGION_BITS.items()}

    # frame of the face: `sideways` grows to the right, `below` down from the line of the eyes
    left, right = five(points)[:2]
    across = (right - left) / (np.linalg.norm(right - left) + 1e-9)
    down = np.array([-across[1], across[0]])
    rows, columns = np.mgrid[: regions.shape[0], : regions.shape[1]]
    centre = (left + right) / 2
    sideways = (columns - centre[0]) * across[0] + (rows - centre[1]) * across[1]
    below = (columns - centre[0]) * down[0] + (rows - centre[1]) * down[1]
    is_right = sideways > 0
    height = below / span(points)
    skin = bit["skin"] & ~bit["hair"]

    found = np.zeros(regions.shape, np.uint8)
    found[bit["other"]] = _CLASS["clothes"]
    found[bit["other"] & (height < 0.5)] = _CLASS["glasses"]
    found[bit["other"] & (height < -0.4)] = _CLASS["hat"]
    found[_like_skin(image, skin) & (found == _CLASS["clothes"])] = _CLASS["neck"]
    found[bit["hair"]] = _CLASS["hair"]
    found[skin] = _CLASS["skin"]
    found[skin & bit["nose"]] = _CLASS["nose"]
    brow = skin & bit["eyebrow"]
    found[brow] = np.where(is_right[brow], _CLASS["right brow"], _CLASS["left brow"])
    lids = _inside(points[36:42], regions.shape) | _inside(points[42:48], regions.shape)
    eye = skin & bit["eye"] & lids
    found[eye] = np.where(is_right[eye], _CLASS["right eye"], _CLASS["left eye"])
    gap = skin & bit["mouth"] & ~bit["lip"] & _inside(points[60:68], regions.shape)
    found[gap] = _CLASS["inner mouth"]

    # seam of the lips: from corner to corner, halfway between their inner edges
    lip = skin & bit["lip"]
    halfway = (points[61:64] + points[67:64:-1]) / 2
    middle = np.stack([points[60], *halfway, points[64]]) - centre
    order = np.argsort(middle @ across)
    seam = np.interp(sideways, (middle @ across)[order], (middle @ down)[order])
    found[lip] = np.where((below > seam)[lip], _CLASS["lower lip"], _CLASS["upper lip"])
    return found


def augment(
    image: np.ndarray, classes: np.ndarray, landmarks: np.ndarray, size: int, random: np.random.Generator
) -> View:
    """One view of a picture.

    Another place, size and slope of the face, mirrored or not, bent a little; other colours of hair, clothes, brows
    and skin; another background and light; things in front; and what cameras and files do.

    Args:
        image: [H, W, 3] uint8, sRGB.
        classes: [H, W] uint8, see `classes_of`.
        landmarks: [68, 2], pixels.
        size: Side of the view, pixels.
        random: Everything random comes from it.
    """
    image, classes = _move(image, classes, landmarks, size, random)
    picture = image.astype(np.float32) / 255
    picture = _recolour(picture, classes, random)
    if random.random() < 0.75:
        behind = _soft(classes == 0, 0.7)
        picture += (_pattern(size, random) - picture) * behind[..., None]
    picture = _light(picture, random)
    person = classes > 0
    if person.any():  # cameras expose for people, more or less
        level = float(picture[person].mean())
        picture *= np.float32(np.clip(level, 0.12, 0.65) / max(level, 1e-3))
    classes = classes.copy()
    things = int(random.choice([0, 1, 2], p=[0.6, 0.3, 0.1]))
    for _ in range(things):
        shape = _blob(size, random)
        picture += (_pattern(size, random) - picture) * _soft(shape, 0.7)[..., None]
        classes[shape] = _CLASS["background"]
    return View(_photograph(np.clip(picture, 0, 1), random), classes)


def _like_skin(image: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """Pixels `[H, W] bool` with the chromaticity of the face's `skin`."""
    if not skin.any():
        return skin
    shares = image.astype(np.float32) + 4
    shares = cv2.blur(shares / shares.sum(2, keepdims=True), (3, 3))[..., :2]
    known = shares[skin]
    near = np.abs(shares - np.median(known, 0)) < 2.5 * known.std(0) + 0.01
    return cv2.medianBlur(near.all(2).astype(np.uint8), 5) > 0


def _inside(outline: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], 1, shift=4)
    return mask > 0


def _soft(mask: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma)


def _move(
    image: np.ndarray, classes: np.ndarray, landmarks: np.ndarray, size: int, random: np.random.Generator
) -> View:
    """Turn, scale, stretch, shift, bend and mirror; beyond the picture its border is repeated."""
    points = np.asarray(landmarks, dtype=float)
    scale = size * np.exp(random.uniform(*np.log(SPANS))) / span(points)
    angle = np.clip(random.normal(0, 0.2), -0.6, 0.6) if random.random() < 0.9 else random.uniform(-1, 1)
    stretch = np.exp(random.normal(0, 0.06, 2)) * scale
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    forward = turn @ np.array([[1, random.normal(0, 0.05)], [0, 1]]) @ np.diag(stretch)
    centre = np.array([0.5, 0.53]) * size + random.normal(0, 0.07, 2) * size
    back = np.linalg.inv(forward)
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    bend = random.normal(0, 0.012 * size, (2, 6, 6)).astype(np.float32) * (random.random() < 0.7)
    dx, dy = (cv2.resize(shifts, (size, size), interpolation=cv2.INTER_CUBIC) for shifts in bend)
    x = columns + dx - centre[0]
    y = rows + dy - centre[1]
    middle = five(points).mean(0)
    across = (back[0, 0] * x + back[0, 1] * y + middle[0]).astype(np.float32)
    down = (back[1, 0] * x + back[1, 1] * y + middle[1]).astype(np.float32)
    if scale < 0.8:  # before shrinking, what is finer than the new pixels goes
        image = cv2.GaussianBlur(image, (0, 0), 0.5 / scale)
    how = cv2.INTER_CUBIC if random.random() < 0.5 else cv2.INTER_LINEAR
    image = cv2.remap(image, across, down, how, borderMode=cv2.BORDER_REPLICATE)
    classes = cv2.remap(classes, across, down, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    if random.random() < 0.5:
        image = np.ascontiguousarray(image[:, ::-1])
        classes = MIRRORED[classes[:, ::-1]]
    return View(image, classes)


def _noise(size: int, random: np.random.Generator, channels: int = 1, scales: tuple[int, ...] = _SCALES) -> np.ndarray:
    """Smooth noise `[size, size, channels] float32` about 0, a sum over some of `scales` (pixels)."""
    total = np.zeros((size, size, channels), np.float32)
    for scale in random.choice(scales, min(2, len(scales)), replace=False):
        side = max(2, size // int(scale))
        grid = random.standard_normal((side, side, channels), np.float32)
        large = cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
        total += large.reshape(size, size, channels) * np.float32(random.uniform(0.2, 1))
    return total


def _pattern(size: int, random: np.random.Generator) -> np.ndarray:
    """A surface `[size, size, 3] float32`: plain, shaded, cloudy, striped or made of boxes."""
    colour = _colour(random)
    picture: np.ndarray = np.broadcast_to(colour, (size, size, 3)).astype(np.float32)
    kind = random.integers(5)
    if kind:
        slope = random.normal(0, 0.2, (2, 2, 3)).astype(np.float32)
        picture = picture + cv2.resize(slope, (size, size), interpolation=cv2.INTER_LINEAR)
    if kind == 2:
        picture = picture + 0.2 * _noise(size, random, 3) * random.random()
        picture = picture + 0.2 * _noise(size, random) * random.random()
    if kind == 3:
        angle = random.uniform(0, np.pi)
        period = random.uniform(4, 60)
        rows, columns = np.mgrid[:size, :size]
        wave = np.sin((columns * np.cos(angle) + rows * np.sin(angle)) * 2 * np.pi / period)
        picture = np.where(wave[..., None] > random.uniform(-0.8, 0.8), picture, _colour(random))
    if kind == 4:
        picture = np.ascontiguousarray(picture)
        for x, y, w, h in random.integers(0, size, (int(random.integers(2, 12)), 4)).tolist():
            cv2.rectangle(picture, (x, y), (x + w // 2, y + h // 2), _colour(random).tolist(), -1)
        if random.random() < 0.7:
            picture = cv2.GaussianBlur(picture, (0, 0), random.uniform(0.5, 6))
    return np.clip(picture, 0, 1).astype(np.float32)


def _colour(random: np.random.Generator) -> np.ndarray:
    """Any brightness, near grey more often than not, now and then white, black or skin."""
    kind = random.random()
    if kind < 0.2:
        return np.clip(random.uniform(0.85, 1) + random.normal(0, 0.02, 3), 0, 1)
    if kind < 0.35:
        return random.uniform(0.25, 0.95) * np.array([1, random.uniform(0.65, 0.9), random.uniform(0.45, 0.85)])
    return np.clip(random.random() + random.normal(0, random.choice([0.03, 0.15]), 3), 0, 1)


def _recolour(picture: np.ndarray, classes: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Hair, clothes, brows, lips, eyes and skin each get other colours, contrast and fine texture."""
    for paint in _PAINTS:
        chosen = np.zeros(len(CLASSES), np.uint8)
        chosen[[_CLASS[name] for name in paint.classes]] = 1
        mask = chosen[classes]
        x, y, width, height = cv2.boundingRect(mask)
        if random.random() >= paint.chance or not width:
            continue
        box = slice(max(0, y - 4), y + height + 4), slice(max(0, x - 4), x + width + 4)
        part = np.clip(picture[box], 0, 1)
        gain = np.exp(random.normal(0, paint.brightness) + random.normal(0, paint.tint, 3)).astype(np.float32)
        other = cv2.pow(part, np.exp(random.normal(0, 0.2))) * gain
        if random.random() < 0.5:
            scales = (1, 2, 4) if random.random() < 0.7 else (4, 8, 16)
            grain = _noise(max(part.shape), random, scales=scales)[: len(part), : part.shape[1]]
            other *= np.exp(grain * np.float32(paint.texture * random.random()))
        if paint.classes == _BROWS and random.random() < 0.5:  # faint brows let the skin through
            other += (cv2.blur(part, (15, 15)) - other) * np.float32(random.uniform(0, 0.7))
        soft = _soft(mask[box], random.uniform(0.5, 1.5))[..., None]
        picture[box] += (np.clip(other, 0, 1) - part) * soft
    return picture


def _light(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A smooth field of light and, now and then, a hard shadow."""
    size = len(picture)
    if random.random() < 0.6:
        grid = random.normal(0, 0.25, (3, 3, 1)) + random.normal(0, 0.05, (3, 3, 3))
        field = cv2.resize(grid.astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
        picture = picture * np.exp(field)
    if random.random() < 0.2:
        shade = _soft(_blob(size, random, 0.9), random.uniform(1, 8))[..., None]
        picture = picture * (1 - shade * np.float32(random.uniform(0.2, 0.6)))
    return picture


def _blob(size: int, random: np.random.Generator, largest: float = 0.35) -> np.ndarray:
    """A shape `[size, size] bool`: an ellipse, a bar or a ragged polygon."""
    mask = np.zeros((size, size), np.uint8)
    x, y = random.uniform(0, size, 2)
    kind = random.integers(3)
    if kind == 0:
        axes = random.uniform(0.04, largest, 2) * size
        cv2.ellipse(mask, (int(x), int(y)), axes.astype(int).tolist(), random.uniform(0, 180), 0, 360, 1, -1)
    elif kind == 1:
        end = random.uniform(0, size, 2)
        cv2.line(mask, (int(x), int(y)), end.astype(int).tolist(), 1, int(random.uniform(0.02, 0.15) * size) + 1)
    else:
        angles = np.sort(random.uniform(0, 2 * np.pi, 7))
        radii = random.uniform(0.3, 1, 7) * random.uniform(0.08, largest) * size
        corners = np.column_stack([x + radii * np.cos(angles), y + radii * np.sin(angles)])
        cv2.fillPoly(mask, [corners.astype(np.int32)], 1)
    return mask > 0


def _photograph(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Exposure, contrast, colour, sharpness, noise and compression of some camera: `[H, W, 3] uint8`."""
    size = len(picture)
    picture = cv2.pow(picture, np.exp(random.normal(0, 0.25)))
    picture = (picture - 0.5) * np.float32(np.exp(random.normal(0, 0.15))) + np.float32(0.5 + random.normal(0, 0.06))
    grey = picture.mean(2, keepdims=True)
    picture = grey + (picture - grey) * np.float32(random.uniform(0.3, 1.6) * (random.random() < 0.92))
    picture = picture * np.exp(random.normal(0, 0.06, 3)).astype(np.float32)
    kind = random.random()
    if kind < 0.35:
        picture = cv2.GaussianBlur(picture, (0, 0), random.uniform(0.3, 1.8))
    elif kind < 0.55:
        small = max(32, int(size * random.uniform(0.35, 0.9)))
        picture = cv2.resize(picture, (small, small), interpolation=cv2.INTER_AREA)
        picture = cv2.resize(picture, (size, size), interpolation=cv2.INTER_CUBIC)
    elif kind < 0.75:
        sharp = picture - cv2.GaussianBlur(picture, (0, 0), random.uniform(0.8, 2))
        picture = picture + np.float32(random.uniform(0.2, 1.5)) * sharp
    if random.random() < 0.5:
        noise = random.standard_normal((size, size, 3), np.float32)
        picture = picture + noise * np.float32(random.uniform(0, 0.05))
    image = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    if random.random() < 0.5:
        _, data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(25, 96))])
        bgr = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert bgr is not None, "it was encoded here"
        image = bgr[:, :, ::-1]
    return np.ascontiguousarray(image)
