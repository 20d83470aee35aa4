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
    "PAIRED",
    "YOUTUBE",
    "Counts",
    "Forgery",
    "Job",
    "Turn",
    "dealt",
    "split_pairs",
    "unlike",
]

FFPP = "FaceForensics++"
CELEB = "Celeb-DF-v2"
YOUTUBE = "YouTube-real"
DFDC = "DFDC"
DEEPER = "DeeperForensics-1.0"
FFSC = "FFSC"
DIFF = "DiFF"
DIFFUSIONFACE = "DiffusionFace"
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
            low = _least(name)
            if not isinstance(value, int) or value < low:
                raise ParameterError(f"{name}: must be a whole number of at least {low}, found {value!r}")

    def scaled(self, scale: float) -> "Counts":
        """Counts times `scale`, but for clips and swaps; at least one pair per split and three celebrities.

        Raises:
            ParameterError: `scale` is not above 0, or above 4.
        """
        if not 0 < scale <= 4:
            raise ParameterError(f"scale: must be above 0 and at most 4, found {scale}")
        values = {name: max(_least(name), round(value * scale)) for name, value in vars(self).items()}
        values.update(clips=self.clips, swaps=self.swaps)
        return Counts(**values)

    @property
    def identities(self) -> int:
        """People in FaceForensics++."""
        return 2 * (self.train_pairs + self.val_pairs + self.test_pairs)


#: Counts of people who swap faces among themselves.
PAIRED = ("dfdc", "actors", "ffsc_train", "ffsc_val", "ffsc_test", "diff_test", "diff_few", "diffusionface")


def _least(name: str) -> int:
    """The smallest value of a count."""
    if name == "celebrities":
        return 3
    return 2 if name in PAIRED else 1


class Forgery(NamedTuple):
    """A forged file."""

    method: str  # a key of `people.forging.methods.METHODS`
    path: str  # relative to the data set
    identity: int  # whose face or motion
    clip: int  # of that identity
    domain: str  # of that identity


@dataclass(frozen=True)
class Job:
    """One pristine video or picture and the forgeries made from it."""

    dataset: str
    domain: str
    seed: int
    identity: int
    clip: int
    path: str  # relative to the data set; "" where the pristine one belongs to another data set
    forgeries: tuple[Forgery, ...] = ()

    @property
    def name(self) -> str:
        """A file name of its own."""
        return f"{self.dataset}-{self.domain}-{self.identity}-{self.clip}"


def split_pairs(counts: Counts, seed: int) -> dict[str, list[list[str]]]:
    """Id pairs of FaceForensics++ by split; no identity is in two splits."""
    order = np.random.default_rng((seed, 99)).permutation(counts.identities)
    pairs = [[f"{a:03d}", f"{b:03d}"] for a, b in order.reshape(-1, 2).tolist()]
    val = counts.train_pairs
    test = val + counts.val_pairs
    return {"train": pairs[:val], "val": pairs[val:test], "test": pairs[test:]}


def unlike(index: int, people: range, turn: int) -> int:
    """Another number of `people`: partner number `turn` of `index`, all of them before one comes again."""
    return people[(people.index(index) + 1 + turn % (len(people) - 1)) % len(people)]


class Turn(NamedTuple):
    """Whom a method forges, and as which of its partners, see `unlike`."""

    method: str
    target: int
    turn: int


def dealt(methods: tuple[str, ...], people: Sequence[int], each: int) -> Iterator[Turn]:
    """`each` targets per method, evenly spread over the people."""
    for m, method in enumerate(methods):
        for turn in range(each):
            yield Turn(method, people[(m * 7 + turn) % len(people)], m + turn)
