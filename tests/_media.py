"""Small media for the tests: drawn faces with 68 landmarks, videos, and the official folder trees with such videos."""

from __future__ import annotations

import json
import os
import signal
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from semdf.faces.finders import Whole


def landmarks(centre=(64.0, 64.0), size: float = 80.0, turn: float = 0.0) -> np.ndarray:
    """A schematic face, iBUG order `[68, 2]`; `size` is its height in pixels, `turn` its rotation in degrees."""
    jaw = [(0.5 * np.cos(a), 0.05 + 0.5 * np.sin(a)) for a in np.linspace(np.pi, 0, 17)]
    rise = [0.05 * np.sin(np.pi * k / 4) for k in range(5)]
    left_brow = [(-x, -0.28 - rise[k]) for k, x in enumerate(np.linspace(0.38, 0.1, 5))]
    right_brow = [(x, -0.28 - rise[k]) for k, x in enumerate(np.linspace(0.1, 0.38, 5))]
    bridge = [(0.0, y) for y in np.linspace(-0.16, 0.08, 4)]
    base = [(x, 0.14) for x in np.linspace(-0.1, 0.1, 5)]
    lids = [(-0.09, 0.0), (-0.03, -0.035), (0.03, -0.035), (0.09, 0.0), (0.03, 0.035), (-0.03, 0.035)]
    eyes = [(s * 0.22 + x, -0.16 + y) for s in (-1, 1) for x, y in lids]
    outer = [(0.18 * np.cos(a), 0.3 + 0.06 * np.sin(a)) for a in np.linspace(np.pi, 3 * np.pi, 13)[:-1]]
    inner = [(0.12 * np.cos(a), 0.3 + 0.02 * np.sin(a)) for a in np.linspace(np.pi, 3 * np.pi, 9)[:-1]]
    points = np.array([*jaw, *left_brow, *right_brow, *bridge, *base, *eyes, *outer, *inner]) * size
    angle = np.deg2rad(turn)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return points @ rotation.T + np.asarray(centre)


def draw(points: np.ndarray, size: int = 128, seed: int = 0) -> np.ndarray:
    """A drawn face `[size, size, 3] uint8` at the landmarks, with noise; colours come from the seed."""
    random = np.random.default_rng(seed)
    image = np.full((size, size, 3), random.integers(60, 200, 3), np.uint8)
    skin = random.integers(120, 220, 3).tolist()
    iris = random.integers(0, 120, 3).tolist()
    lips = random.integers(90, 200, 3).tolist()
    oval = cv2.convexHull(points.astype(np.int32))
    cv2.fillPoly(image, [oval], skin)
    for part, colour in ((slice(36, 42), iris), (slice(42, 48), iris), (slice(48, 60), lips), (slice(31, 36), iris)):
        cv2.fillPoly(image, [points[part].astype(np.int32)], colour)
    noise = cv2.GaussianBlur(random.normal(0, 12, image.shape).astype(np.float32), (0, 0), 1)
    return np.clip(image + noise * 2, 0, 255).astype(np.uint8)


def write_video(
    path: Path,
    images: list[np.ndarray],
    audio: bool = False,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    pixels: str = "yuv420p",
    times: list[int] | None = None,
    turned: int = 0,
    matrix: list[int] | None = None,
    aspect: Fraction | None = None,
    colours: dict[str, int] | None = None,
) -> Path:
    """A video at 25 frames a second or, with `times`, of frames at these milliseconds.

    With `audio` it has a sound track and no picture. `turned`: degrees, counter-clockwise, by which a player is told to
    turn the picture; `matrix`: the nine numbers of the display matrix. `aspect`: of a pixel. `colours`: fields of the
    codec that say what the numbers mean. `images` are RGB or, of two axes, the planes of `pixels` one below the other.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options={"movflags": "faststart"} if path.suffix == ".mp4" else {}) as container:
        if audio:
            stream = container.add_stream("aac", rate=8000)
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
            frame.rate = 8000
            frame.pts = 0
            packets = [*stream.encode(frame), *stream.encode()]
        else:
            stream = container.add_stream(codec, rate=25, options={"crf": "18", "threads": "1"} | (options or {}))
            stream.height, stream.width = images[0].shape[:2]
            if images[0].ndim == 2:
                stream.height = images[0].shape[0] * 2 // 3
            stream.pix_fmt = pixels
            stream.codec_context.time_base = Fraction(1, 1000 if times else 25)
            if turned:
                stream.set_display_rotation(turned)
            if matrix:
                stream.set_display_matrix(matrix)
            if aspect:
                stream.codec_context.sample_aspect_ratio = aspect
            for name, value in (colours or {}).items():
                setattr(stream.codec_context, name, value)
            given = pixels if images[0].ndim == 2 else "rgb24"
            frames = [av.VideoFrame.from_ndarray(image, format=given) for image in images]
            for number, frame in enumerate(frames):
                frame.time_base = stream.codec_context.time_base
                frame.pts = times[number] if times else number
            packets = [p for frame in [*frames, None] for p in stream.encode(frame)]
        for packet in packets:
            container.mux(packet)
    return path


def moving(total: int, random: np.random.Generator, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Frames of a pattern that drifts and flickers, so that codecs predict one frame from others."""
    base = random.integers(0, 255, (height, width, 3), dtype=np.uint8)
    frames = [np.roll(base, (2 * t, 3 * t), (0, 1)) for t in range(total)]
    return [np.where(np.arange(width)[:, None] < 9, np.uint8(7 * t % 256), f) for t, f in enumerate(frames)]


def counting(total: int, size: int = 64) -> list[np.ndarray]:
    """Frames whose grey level tells their number: 4 levels a frame from 16 on."""
    return [np.full((size, size, 3), 16 + 4 * number, np.uint8) for number in range(total)]


def faceforensics(root: Path, frames: int = 6) -> Path:
    """Six identities, a pair in each split, four manipulations: 6 originals and 24 forgeries."""
    pairs = {"train": [["000", "001"]], "val": [["002", "003"]], "test": [["004", "005"]]}
    for split, content in pairs.items():
        (root / f"{split}.json").parent.mkdir(parents=True, exist_ok=True)
        (root / f"{split}.json").write_text(json.dumps(content))
    points = {f"{i:03d}": landmarks((64 + i, 62), 78 + i, i) for i in range(6)}
    notes = {}

    def film(folder: Path, stem: str, seed: int) -> None:
        shown = [points[stem[:3]] + k % 2 for k in range(frames)]
        write_video(root / folder / f"{stem}.mp4", [draw(face, 128, seed) for face in shown])
        key = (folder / stem).as_posix()
        notes[f"{key}/landmarks"] = np.stack(shown).astype(np.float32)
        notes[f"{key}/regions"] = np.ones((frames, 128, 128), np.uint8)

    for identity in points:
        film(Path("original_sequences/youtube/c23/videos"), identity, int(identity))
    for number, name in enumerate(("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")):
        for (one, two), *_ in pairs.values():
            for stem in (f"{one}_{two}", f"{two}_{one}"):
                film(Path("manipulated_sequences", name, "c23/videos"), stem, 10 * number + int(stem[:3]))
    np.savez(root.parent / "annotations.npz", **notes)
    return root


def celeb_df(root: Path) -> Path:
    """Empty files under the official names: a layout does not look into them."""
    for name in ("Celeb-real/id0_0000", "Celeb-real/id1_0000", "Celeb-synthesis/id0_id1_0000", "YouTube-real/00000"):
        path = root / f"{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (root / "List_of_testing_videos.txt").write_text(
        "1 Celeb-real/id1_0000.mp4\n0 Celeb-synthesis/id0_id1_0000.mp4\n1 YouTube-real/00001.mp4\n"
    )
    return root


class Deadly:
    """Takes the whole frame for the face; kills its process when it first meets `key`."""

    def __init__(self, key: str, mark: Path) -> None:
        self.key = key
        self.mark = mark

    def fingerprint(self) -> str:
        return "deadly"

    def find(self, frames, key, indices):
        if key == self.key and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return Whole().find(frames, key, indices)
