"""How fast faces are cut out of videos: ours beside a plain loop and beside a loop that detects frame by frame.

    python -m benchmarks.extraction --weights FOLDER [--picture FILE] [--model NAME]

One video of 300 frames, 1280 x 720, H.264, one keyframe in 250 (x264's defaults); 32 crops of 317 pixels as PNG.

    ours            `semdf.extraction.extract`: only the sampled frames are made into pictures; detection works in
                    batches, on frames shrunk to 640 pixels
    ours/full       the same without shrinking, so that detection sees what the loops see
    frame_by_frame  every frame is decoded (OpenCV); the detector, loaded once, is given each sampled frame by itself
    released        what the authors' released script does: the detector is built anew for every frame, and all 300
                    frames are searched and cut. Timed on the first `measured` frames and scaled to all of them

Every way runs in a process of its own with one thread. Measured are the processor's time, which other work on the
machine does not change, as videos per second and core, and the peak of the process's memory, the detector included.
Without the file of the weights, or without a picture of a face, the detector has random weights, which compute as long;
what they find is replaced by a fixed face.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
import pandas as pd
import torch
from facexlib.detection.retinaface import RetinaFace as Network

from benchmarks.measure import alone
from benchmarks.quiet import Watch
from benchmarks.record import record, row
from benchmarks.scaling import peak
from semdf.extraction.extract import extract
from semdf.faces.crops import Face, crop
from semdf.faces.retinaface import MODELS, RetinaFace
from semdf.faces.tracking import largest
from semdf.storage.tars import encode_png

WAYS = ("ours", "ours/full", "frame_by_frame", "released")
FRAMES = 300
SAMPLED = 32
WIDTH = 1280
HEIGHT = 720
#: The box of the face at time 0: left, top, right, bottom.
BOX = (390, 110, 890, 610)
#: What stands for a detection where the weights are random.
FIXED = Face(np.array(BOX, float), np.array([(570, 310), (710, 310), (640, 390), (590, 460), (690, 460)], float))


def clip(path: Path, picture: Path | None, seed: int = 0) -> Path:
    """Write the video: a picture, or coloured noise for want of one, that drifts over a blurred background."""
    random = np.random.default_rng(seed)
    back = cv2.resize(random.integers(0, 255, (18, 32, 3), dtype=np.uint8), (WIDTH, HEIGHT))
    face = cv2.imread(str(picture))[:, :, ::-1] if picture else random.integers(0, 255, (32, 32, 3), dtype=np.uint8)
    face = cv2.resize(np.ascontiguousarray(face), (500, 500), interpolation=cv2.INTER_AREA)
    grain = random.normal(0, 3, (HEIGHT + 64, WIDTH + 64, 1)).astype(np.float32)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "23", "threads": "1"})
        stream.width = WIDTH
        stream.height = HEIGHT
        stream.pix_fmt = "yuv420p"
        for number in range(FRAMES):
            image = back.astype(np.float32)
            x = int(BOX[0] + 100 * np.sin(number / 40))
            y = int(BOX[1] + 30 * np.sin(number / 25))
            image[y : y + 500, x : x + 500] = face
            right, down = random.integers(0, 64, 2)
            image += grain[down : down + HEIGHT, right : right + WIDTH]
            frame = av.VideoFrame.from_ndarray(np.clip(image, 0, 255).astype(np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def weights_of(model: str, folder: Path, picture: Path | None, scratch: Path) -> tuple[Path, bool]:
    """The file of the weights, and whether they are random ones, written to `scratch`."""
    path = folder / MODELS[model][1]
    if path.is_file() and picture is not None:
        return path, False
    torch.manual_seed(0)
    network = Network(network_name=MODELS[model][0], device=torch.device("cpu"))
    torch.save(network.state_dict(), scratch / path.name)
    return scratch / path.name, True


class Substitute(RetinaFace):
    """Does all the work of the detector, whose weights are random, and then takes the fixed face."""

    def find(self, frames: Sequence[np.ndarray], key: str, indices: Sequence[int]) -> list[Face | None]:
        """The fixed face in every frame."""
        super().find(frames, key, indices)
        return [FIXED] * len(frames)


def ours(video: Path, finder: RetinaFace, out: Path) -> int:
    """Crops made by `semdf.extraction.extract`."""
    row = {"dataset": "d", "manipulation": "m", "video": "d/m/v", "path": video.name, "label": "real"}
    manifest = extract(pd.DataFrame([row]), video.parent, out, finder, frames=SAMPLED)
    return int((manifest["status"] == "ok").sum())


def load(model: str, weights: Path) -> Network:
    """Facexlib's detector as facexlib builds it."""
    network = Network(network_name=MODELS[model][0], device=torch.device("cpu"))
    state = torch.load(weights, map_location="cpu", weights_only=True)
    network.load_state_dict({name.removeprefix("module."): value for name, value in state.items()})
    return network.eval()


def cut_one(network: Network, bgr: np.ndarray, fixed: bool, path: Path) -> int:
    """Search one frame, cut out the largest face and write it; the number of crops."""
    with torch.no_grad():
        rows = network.detect_faces(bgr, conf_threshold=0.8)
    found = [Face(row[:4], row[5:].reshape(5, 2), float(row[4])) for row in rows]
    face = FIXED if fixed else largest([found])[0]
    if face is None:
        return 0
    made = crop(np.ascontiguousarray(bgr[:, :, ::-1]), face, 317, 1.3, "similarity")
    path.write_bytes(encode_png(made.image))
    return 1


def reading(video: Path) -> cv2.VideoCapture:
    """The video, opened by OpenCV with one thread."""
    return cv2.VideoCapture(str(video), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])


def frame_by_frame(video: Path, model: str, weights: Path, fixed: bool, out: Path) -> int:
    """Crops of the sampled frames, one after the other."""
    out.mkdir()
    network = load(model, weights)
    capture = reading(video)
    made = 0
    wanted = {(2 * i + 1) * FRAMES // (2 * SAMPLED) for i in range(SAMPLED)}
    for number in range(FRAMES):
        good, bgr = capture.read()
        if good and number in wanted:
            made += cut_one(network, bgr, fixed, out / f"{number}.png")
    return made


def released(video: Path, model: str, weights: Path, fixed: bool, out: Path, most: int) -> int:
    """Crops of the first `most` frames, each with a detector of its own."""
    out.mkdir()
    capture = reading(video)
    made = 0
    for number in range(most):
        bgr = capture.read()[1]
        made += cut_one(load(model, weights), bgr, fixed, out / f"{number}.png")
    return made


def timed(function: Callable[[Path], int], scratch: Path, name: str, expected: int, repeat: int) -> float:
    """Median seconds of the processor's time over `repeat` goes; each must make the crops that are expected."""
    seconds = []
    for number in range(repeat):
        start = time.process_time()
        made = function(scratch / f"{name}-{number}")
        seconds.append(time.process_time() - start)
        if made != expected:
            raise SystemExit(f"{name}: must make {expected} crops, found {made}")
    return float(np.median(seconds))


def main() -> None:
    """Compare all ways, or measure one alone."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights", type=Path, default=Path("weights"), help="folder of RetinaFace's weights")
    parser.add_argument("--picture", type=Path, help="a photograph of a face; without it the weights are random")
    parser.add_argument("--model", choices=MODELS, default="retinaface_mobile0.25")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--measured", type=int, default=10, help="frames of the released way that are timed")
    parser.add_argument("--dry", action="store_true", help="print the rows, put none into results.json")
    parser.add_argument("--alone", choices=WAYS, help="measure this one in this process and print JSON")
    parser.add_argument("--video", type=Path, help="of --alone")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        if options.alone:
            sys.stdout.write(f"{json.dumps(measure(options.alone, options, Path(name)))}\n")
            return
        rows = compare(options, clip(Path(name) / "clip.mp4", options.picture))
    for one in rows:
        sys.stdout.write(f"{json.dumps(one)}\n")
    if not options.dry:
        record(rows)


def measure(way: str, options: argparse.Namespace, scratch: Path) -> dict:
    """Seconds of one way for one video, the peak memory of this process, and whether the weights are random."""
    weights, fixed = weights_of(options.model, options.weights, options.picture, scratch)
    video = options.video
    go: Callable[[Path], int]
    expected = SAMPLED
    scale = 1.0
    if way.startswith("ours"):
        kind = Substitute if fixed else RetinaFace
        finder = kind(weights, options.model, longest=WIDTH if way.endswith("full") else 640)
        # the network is loaded here, which a process does once and not for every video
        finder.find([np.zeros((HEIGHT, WIDTH, 3), np.uint8)], "", [0])
        go = partial(ours, video, finder)
    elif way == "frame_by_frame":
        go = partial(frame_by_frame, video, options.model, weights, fixed)
    else:
        expected = options.measured
        scale = FRAMES / options.measured
        go = partial(released, video, options.model, weights, fixed, most=options.measured)
    watch = Watch()
    seconds = scale * timed(go, scratch, way.replace("/", "-"), expected, options.repeat)
    return {"seconds": seconds, "peak_mb": round(peak()), "random": fixed, **watch.said()}


def compare(options: argparse.Namespace, video: Path) -> list[dict]:
    """The rows for benchmarks/results.json: every way, each in a process of its own."""
    how = ["--video", str(video), "--weights", str(options.weights.absolute()), "--model", options.model]
    how += ["--repeat", str(options.repeat), "--measured", str(options.measured)]
    if options.picture:
        how += ["--picture", str(options.picture.absolute())]
    found = {way: alone("benchmarks.extraction", "--alone", way, *how) for way in WAYS}
    suffix = "" if options.model == "retinaface_mobile0.25" else "/" + options.model.removeprefix("retinaface_")
    rows = []
    for way, one in found.items():
        random = one.pop("random")
        seconds = one["seconds"]
        rows.append(
            row(
                f"extract/{way}{suffix}",
                SAMPLED,
                **one,
                ratio_to_released=round(found["released"]["seconds"] / seconds, 2),
                ratio_to_frame_by_frame=round(found["frame_by_frame"]["seconds"] / seconds, 2),
                rate=float(f"{1 / seconds:.4g}"),
                unit="videos per second and core",
                detector=options.model + (", random weights" if random else ""),
                measured=options.measured if way == "released" else None,
            )
        )
    return rows


if __name__ == "__main__":
    main()
