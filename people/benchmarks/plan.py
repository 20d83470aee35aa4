"""What the miniature benchmarks consist of: counts, splits, and one job per pristine video or picture."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np

from semdf.errors import ParameterError

__all__ = [
    "CELEB",
    "DATASETS",
    "DEEPER",
    "DFDC",
    "DIFF",
    "DIFFUSIONFACE",
    "FFPP",
    "FFSC",
    "MANIPULATIONS",
    "YOUTUBE",
    "Counts",
    "Forgery",
    "Job",
    "dealt",
    "split_pairs",
    "unlike",
]

FFPP, CELEB, YOUTUBE, DFDC, DEEPER = "FaceForensics++", "Celeb-DF-v2", "YouTube-real", "DFDC", "DeeperForensics-1.0"
FFSC, DIFF, DIFFUSIONFACE = "FFSC", "DiFF", "DiffusionFace"
#: Folders below data/; FaceShifter's videos are in the tree of FaceForensics++.
DATASETS = (FFPP, CELEB, DFDC, DEEPER, FFSC, DIFF, DIFFUSIONFACE)
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
    dfdc: int = 40  # real videos, and as many forged ones
    actors: int = 12  # faces that DeeperForensics-1.0 puts on test videos of FaceForensics++
    ffsc_train: int = 30  # pristine pictures of each split
    ffsc_val: int = 6
    ffsc_test: int = 36
    ffsc_each: int = 15  # forged pictures of each type in its split
    ffsc_each_val: int = 3
    diff_test: int = 40  # pristine pictures
    diff_swaps: int = 20  # of each method that swaps, test
    diff_each: int = 10  # of each other method, test
    diff_few: int = 4  # pristine pictures of train and of val
    diffusionface: int = 40  # pristine pictures, and as many swaps
    diffusionface_inpaint: int = 20
    diffusionface_each: int = 4  # of each other folder

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            low = 3 if name == "celebrities" else 2 if name in PAIRED else 1
            if not isinstance(value, int) or value < low:
                raise ParameterError(f"{name} should be a whole number of at least {low}. Found {value!r}.")

    def scaled(self, scale: float) -> "Counts":
        """Counts times `scale`, at least one pair per split and three celebrities."""
        if not 0 < scale <= 4:
            raise ParameterError(f"scale should lie above 0 and not above 4. Found {scale}.")
        values = {name: max(2 if name in PAIRED else 1, round(value * scale)) for name, value in vars(self).items()}
        values.update(celebrities=max(3, values["celebrities"]), clips=self.clips, swaps=self.swaps)
        return Counts(**values)

    @property
    def identities(self) -> int:
        return 2 * (self.train_pairs + self.val_pairs + self.test_pairs)


#: Counts of people who swap faces among themselves.
PAIRED = ("dfdc", "actors", "ffsc_train", "ffsc_val", "ffsc_test", "diff_test", "diff_few", "diffusionface")


class Forgery(NamedTuple):
    """A forged file: how, where (relative to the data set), and whose face or motion (domain, identity, clip)."""

    method: str
    path: str
    identity: int
    clip: int
    domain: str


@dataclass(frozen=True)
class Job:
    """One pristine video or picture and the forgeries made from it.

    path: relative to the data set; "" where the pristine one belongs to another data set.
    """

    dataset: str
    domain: str
    seed: int
    identity: int
    clip: int
    path: str
    forgeries: tuple[Forgery, ...] = ()

    @property
    def name(self) -> str:
        """A file name of its own."""
        return f"{self.dataset}-{self.domain}-{self.identity}-{self.clip}"


def split_pairs(counts: Counts, seed: int) -> dict[str, list[list[str]]]:
    """Id pairs of FaceForensics++ by split; no identity is in two splits."""
    order = np.random.default_rng((seed, 99)).permutation(counts.identities)
    pairs = [[f"{a:03d}", f"{b:03d}"] for a, b in order.reshape(-1, 2).tolist()]
    first, second = counts.train_pairs, counts.train_pairs + counts.val_pairs
    return {"train": pairs[:first], "val": pairs[first:second], "test": pairs[second:]}


def unlike(index: int, people: range, turn: int) -> int:
    """Another number of `people`: partner number `turn` of `index`, all of them before one comes again."""
    return people[(people.index(index) + 1 + turn % (len(people) - 1)) % len(people)]


def dealt(methods: tuple[str, ...], people: Sequence[int], each: int) -> Iterator[tuple[str, int, int]]:
    """(method, target, turn): `each` targets per method, evenly spread over the people."""
    for m, method in enumerate(methods):
        for turn in range(each):
            yield method, people[(m * 7 + turn) % len(people)], m + turn
