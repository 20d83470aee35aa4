"""Cost of finding a donor among 10^2 to 10^6 crops: `python -m benchmarks.donors [--size 100 1000] [--dry]`.

The manifest is made up, of one data set and split: one video in five is real, 32 crops a video, 68 landmarks of
jittered faces, skin tones in memory. One go is one draw of a donor. `size` counts all crops. One process, one thread.

    nearest   the pairing of the preset sjedd: real donors, a fifth of the crops, from a pool of bounded size
    pose      the pairing of the preset sladd: forged donors, four fifths of the crops, from such a pool
    all       as `nearest`, from all crops instead of a pool
    build     what a process does once before it draws
"""

from collections.abc import Callable
from itertools import count

import numpy as np
import pandas as pd

from benchmarks.scaling import Make, run
from semdf.forging.donors import POOL, Donors

FRAMES = 32  # of a video
VIDEOS = 5  # of a person, one of them real


def crops(rows: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """A manifest of so many usable crops, with the columns that pairing looks at, and their skin tones `[n, 3]`."""
    random = np.random.default_rng(seed)
    video = np.arange(rows) // FRAMES
    person = video // VIDEOS
    method = video % VIDEOS
    label = np.array(["real", "Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures"], object)[method]
    number = person.astype(str).astype(object)
    other = (person + 1).astype(str).astype(object)
    table = pd.DataFrame(
        {
            "dataset": "FaceForensics++",
            "split": "train",
            "label": label,
            "target": number,
            "source": np.where(method > 0, other, ""),
        }
    )
    face = random.uniform(0, 300, (68, 2))
    points = np.empty((rows, 136))
    for start in range(0, rows, 65536):  # in parts, so that the peak of the memory is that of pairing
        part = points[start : start + 65536]
        part[:] = face.ravel() + random.normal(0, 10, part.shape)
    table["landmarks"] = list(points)
    return table, random.uniform(0, 100, (rows, 3))


def _draw(rows: int, pairing: str, source: str, pool: int | None = POOL) -> Callable[[], object]:
    table, tones = crops(rows)
    donors = Donors(table, tones, pairing, source, pool=pool)
    random = np.random.default_rng(1)
    turn = count()
    targets = np.flatnonzero(np.arange(rows) // FRAMES % VIDEOS == 0)

    def draw() -> object:
        target = targets[next(turn) * FRAMES % len(targets)]
        return donors.draw(int(target), random)

    return draw


def _build(rows: int) -> Callable[[], object]:
    table, tones = crops(rows)
    return lambda: Donors(table, tones)


THINGS: dict[str, Make] = {
    "donors/nearest": lambda rows: _draw(rows, "nearest", "real"),
    "donors/all": lambda rows: _draw(rows, "nearest", "real", None),
    "donors/pose": lambda rows: _draw(rows, "pose", "fake"),
    "donors/build": _build,
}

if __name__ == "__main__":
    run("donors", __doc__, THINGS, unit="crops a second")
