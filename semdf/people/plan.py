"""What the miniature benchmarks consist of: counts, id pairs, and one job per pristine video."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

__all__ = [
    "CELEB",
    "FFPP",
    "MANIPULATIONS",
    "YOUTUBE",
    "Counts",
    "Job",
    "celeb_jobs",
    "ffpp_jobs",
    "split_pairs",
]

FFPP, CELEB, YOUTUBE = "FaceForensics++", "Celeb-DF-v2", "YouTube-real"
MANIPULATIONS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")


@dataclass(frozen=True)
class Counts:
    """How much to render. FaceForensics++ in id pairs; the official ratio of splits is 720 : 140 : 140."""

    train_pairs: int = 64
    val_pairs: int = 13
    test_pairs: int = 13
    celebrities: int = 20
    clips: int = 2  # per celebrity
    swaps: int = 2  # per clip
    youtube: int = 15

    def scaled(self, scale: float) -> "Counts":
        """Counts times `scale`, at least one pair per split and three celebrities."""
        values = {name: max(1, round(value * scale)) for name, value in vars(self).items()}
        values.update(celebrities=max(3, values["celebrities"]), clips=self.clips, swaps=self.swaps)
        return Counts(**values)

    @property
    def identities(self) -> int:
        return 2 * (self.train_pairs + self.val_pairs + self.test_pairs)


@dataclass(frozen=True)
class Job:
    """One pristine video and the forgeries made from it; sources are (method, identity, clip)."""

    dataset: str
    domain: str
    seed: int
    identity: int
    clip: int
    path: str  # relative to the data set, without .mp4
    forgeries: tuple[tuple[str, str, int, int], ...] = ()  # method, path, source identity, source clip


def split_pairs(counts: Counts, seed: int) -> dict[str, list[list[str]]]:
    """Id pairs of each split; no identity is in two splits."""
    order = np.random.default_rng((seed, 99)).permutation(counts.identities)
    pairs = [[f"{a:03d}", f"{b:03d}"] for a, b in order.reshape(-1, 2).tolist()]
    first, second = counts.train_pairs, counts.train_pairs + counts.val_pairs
    return {"train": pairs[:first], "val": pairs[first:second], "test": pairs[second:]}


def ffpp_jobs(counts: Counts, seed: int) -> Iterator[Job]:
    """One job per identity: the original and four forgeries with its partner as source."""
    for pairs in split_pairs(counts, seed).values():
        for pair in pairs:
            for target, source in (pair, pair[::-1]):
                forged = tuple(
                    (method, f"manipulated_sequences/{method}/c23/videos/{target}_{source}", int(source), 0)
                    for method in MANIPULATIONS
                )
                path = f"original_sequences/youtube/c23/videos/{target}"
                yield Job(FFPP, FFPP, seed, int(target), 0, path, forged)


def celeb_jobs(counts: Counts, seed: int) -> Iterator[Job]:
    """Clips of celebrities, each swapped with a few others, and pristine videos of further people."""
    people = counts.celebrities
    for target in range(people):
        for clip in range(counts.clips):
            steps = [1 + (clip * counts.swaps + k) % (people - 1) for k in range(counts.swaps)]
            sources = dict.fromkeys((target + step) % people for step in steps)
            forged = tuple(
                ("Celeb-synthesis", f"Celeb-synthesis/id{target}_id{source}_{clip:04d}", source, clip)
                for source in sources
            )
            yield Job(CELEB, CELEB, seed, target, clip, f"Celeb-real/id{target}_{clip:04d}", forged)
    for person in range(counts.youtube):
        yield Job(CELEB, YOUTUBE, seed, person, 0, f"{YOUTUBE}/{person:05d}")
