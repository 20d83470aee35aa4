"""Cost of finding a donor among 10^2 to 10^6 crops: `python -m benchmarks.donors [--size 100 1000] [--dry]`.

A made-up manifest of one data set and split: one video in five is real, 32 crops a video, 68 landmarks of jittered
faces, skin tones in memory. A go is one draw of a donor: `nearest` is the pairing of the preset sjedd (real donors, a
fifth of the crops), `pose` that of sladd (forged donors, four fifths); both look at a pool of a bounded size, `all` is
`nearest` without that bound; `build` is what a process does once before it draws. `size` counts all crops. One process
and one thread.
"""

from collections.abc import Callable
from itertools import count

import numpy as np
import pandas as pd

from benchmarks.scaling import Make, run
from semdf.forging.donors import POOL, Donors

FRAMES, REALS = 32, 5


def crops(rows: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """A manifest of so many usable crops, with the columns that pairing looks at, and their skin tones `[n, 3]`."""
    random, video = np.random.default_rng(seed), np.arange(rows) // FRAMES
    person, method = video // REALS, video % REALS  # of each person one real video and four fakes
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
    for start in range(0, rows, 65536):  # in parts: the peak memory is to be that of pairing
        part = points[start : start + 65536]
        part[:] = face.ravel() + random.normal(0, 10, part.shape)
    table["landmarks"] = list(points)
    return table, random.uniform(0, 100, (rows, 3))


def _draw(rows: int, pairing: str, source: str, pool: int | None = POOL) -> Callable[[], object]:
    donors, random, turn = Donors(*crops(rows), pairing, source, pool=pool), np.random.default_rng(1), count()
    targets = np.flatnonzero(np.arange(rows) // FRAMES % REALS == 0)
    return lambda: donors.draw(int(targets[next(turn) * FRAMES % len(targets)]), random)


def _build(rows: int) -> Callable[[], object]:
    known = crops(rows)
    return lambda: Donors(*known)


THINGS: dict[str, Make] = {
    "donors/nearest": lambda rows: _draw(rows, "nearest", "real"),
    "donors/all": lambda rows: _draw(rows, "nearest", "real", None),
    "donors/pose": lambda rows: _draw(rows, "pose", "fake"),
    "donors/build": _build,
}

if __name__ == "__main__":
    run("donors", __doc__, THINGS, unit="crops a second")
