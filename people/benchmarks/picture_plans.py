"""Jobs of the data sets of pictures, in the order and under the names of the official releases."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from people.benchmarks.plan import DIFF, DIFFUSIONFACE, FFSC, Counts, Forgery, Job, dealt, unlike

__all__ = ["FFSC_LABELS", "diff_jobs", "diffusionface_jobs", "ffsc_jobs", "ffsc_label"]

#: FFSC's manipulations of training and of test protocol 1 (Zou et al. 2025), with their kind of label.
FFSC_TRAIN = {
    "BlendFace": "identity",
    "diffae-age": "age",
    "diffae-gender": "gender",
    "fomm-expr": "surprise",
    "fomm-pose": "pose",
    "fsgan": "identity",
    "simswap": "identity",
    "StyleGAN2_dis-gender": "gender",
    "StyleRes-age": "age",
    "StyleRes-expr": "smile",
    "TPS-pose": "pose",
}
FFSC_TEST = {
    "FNeVR": "pose",
    "HFGI-age": "age",
    "HFGI-smile": "smile",
    "InfoSwap": "identity",
    "StyleCLIP-gender": "gender",
}
#: root | age expr gender id pose | eye brow lip mouth nose skin; 2 = not observed.
FFSC_LABELS = {
    "real": "000000000000",
    "age": "110000100001",
    "smile": "101000001100",
    "surprise": "101000101111",
    "gender": "120110111101",
    "identity": "120010111111",
    "pose": "100001111111",
}
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
YOUTUBE_SHARE = 6  # every sixth pristine picture of FFSC stands for a video of CDF-youtube, and is not forged
#: Face swap, face editing, picture to picture, text to picture.
DIFF_METHODS = {
    "FS": ("DCFace", "DiffFace"),
    "FE": ("CoDiff", "cycle_diff", "Imagic"),
    "I2I": ("DreamBooth", "FreeDoM_I", "LoRA", "SDXL_Refine"),
    "T2I": ("FreeDoM_T", "HPS", "Midjourney", "SDXL"),
}
IMG2IMG = tuple(f"SDv{version}_DS0.{strength}" for version in (15, 21) for strength in (3, 5, 7))
TEXT2IMG = (
    *(f"stable_diffusion_v_1_5_text2img_{name}" for name in ("p3g7", "p4g5", "p5g3")),
    *(f"stable_diffusion_v_2_1_text2img_{name}" for name in ("p0g5", "p1g7", "p2g3")),
)
UNCONDITIONAL = ("ADM", "DDIM", "DDPM", "LDM", "PNDM")


def ffsc_label(path: str) -> str:
    """The 12 digits of a picture of FFSC by its path."""
    parts = path.split("/")
    kinds = {**FFSC_TRAIN, **FFSC_TEST, "Real": "real"}
    return FFSC_LABELS[next(kinds[part] for part in parts if part in kinds)]


class _Film(NamedTuple):
    """A frame of a made-up video."""

    name: str  # eleven characters
    clip: int
    frame: int


def _film(seed: int, person: int) -> _Film:
    """The video that a person is in."""
    rng = np.random.default_rng((seed, 97, person))
    name = "".join(ALPHABET[i] for i in rng.integers(len(ALPHABET), size=11))
    clip = int(rng.integers(300))
    frame = int(rng.integers(200))
    return _Film(name, clip, frame)


def _from_youtube(person: int) -> bool:
    return person % YOUTUBE_SHARE == YOUTUBE_SHARE - 1


def _ffsc_path(method: str, target: _Film, source: _Film) -> str:
    """The name of a forged picture below its method's folder, as the release has it."""
    v, c, f = target
    v2, c2, f2 = source
    start = 10 + c + f / 25  # seconds
    names = {
        "BlendFace": f"{v}_{c}_{f:04d}_by_{v2}_{c2}_{f2:04d}.png",
        "diffae-gender": f"Female/{v}_{c}_{f:04d}_Male_-0.2.png",
        "fomm-expr": f"{v}_{c}_{f:04d}_surprised.png",
        "fomm-pose": f"{v}_{c}_{f:04d}_pose_fr100.png",
        "fsgan": f"{v}_{start:.6f}_{start + 8:.6f}/{f:04d}.png",
        "simswap": f"{v}_{c}_2_{v2}_{c2}/{f:04d}.png",
        "StyleGAN2_dis-gender": f"{v}_{c}_{f:04d}_gender.png",
        "TPS-pose": f"pose/{v}_{c}_{f:04d}_pose_fr100.png",
        "FNeVR": f"{v}_{c}_{f:04d}_pose_fr15.png",
        "InfoSwap": f"{v}_{c}_To_{c2:05d}/{f:04d}_gen.png",
        "StyleCLIP-gender": f"{v}_{c}_{f:04d}.png",
    }
    return names.get(method, f"{v}_{c}/{f:04d}.png")


def ffsc_jobs(counts: Counts, seed: int) -> Iterator[Job]:
    """Pristine pictures of three splits and what every manipulation of the split makes of some of them."""
    first = 0
    for split, count, methods, each in (
        ("Train", counts.ffsc_train, FFSC_TRAIN, counts.ffsc_each),
        ("Val", counts.ffsc_val, FFSC_TRAIN, counts.ffsc_each_val),
        ("Test", counts.ffsc_test, FFSC_TEST, counts.ffsc_each),
    ):
        people = range(first, first + count)
        first += count
        forged: dict[int, list[Forgery]] = {person: [] for person in people}
        targets = [person for person in people if not _from_youtube(person)]  # whose forgeries name their film
        for method, target, turn in dealt(tuple(methods), targets, each):
            source = unlike(target, people, turn)
            name = _ffsc_path(method, _film(seed, target), _film(seed, source))
            folder = f"{split}/Protocol-1/{method}" if split == "Test" else f"{split}/{method}"
            forged[target].append(Forgery(method, f"{folder}/{name}", source, 0, FFSC))
        for person in people:
            film = _film(seed, person)
            place = f"CDF-youtube/{person:05d}" if _from_youtube(person) else f"AVSpeech/{film.name}_{film.clip}"
            path = f"{split}/Real/{place}/{film.frame:04d}.png"
            yield Job(FFSC, FFSC, seed, person, 0, path, tuple(forged[person]))


def diff_jobs(counts: Counts, seed: int) -> Iterator[Job]:
    """Pristine pictures of three splits and what thirteen diffusion methods make of some of them."""
    first = 0
    strangers = 0
    for split, count in (("train", counts.diff_few), ("val", counts.diff_few), ("test", counts.diff_test)):
        people = range(first, first + count)
        first += count
        forged: dict[int, list[Forgery]] = {person: [] for person in people}
        for condition, methods in DIFF_METHODS.items():
            each = counts.diff_swaps if condition == "FS" else counts.diff_each
            each = each if split == "test" else counts.diff_few // 2
            for method, target, turn in dealt(methods, people, each):
                source = unlike(target, people, turn)
                name = f"{target:05d}_{source:05d}_{turn}" if condition == "FS" else f"{target:05d}_{turn}"
                made_of = source
                if condition == "T2I":  # somebody who is in no other picture
                    strangers += 1
                    made_of = 1000 + strangers
                forged[target].append(Forgery(method, f"{split}/{condition}/{method}/{name}.jpg", made_of, 0, DIFF))
        for person in people:
            yield Job(DIFF, DIFF, seed, person, 0, f"DiFF_real/{split}/{person:05d}_0.jpg", tuple(forged[person]))


def diffusionface_jobs(counts: Counts, seed: int) -> Iterator[Job]:
    """Pristine pictures, a swap of each, and a few pictures of every other folder."""
    people = range(counts.diffusionface)
    forged: dict[int, list[Forgery]] = {person: [] for person in people}
    number = 0
    for folder, each in (
        ("DiffSwap", counts.diffusionface),
        ("Inpaint/images", counts.diffusionface_inpaint),
        *((name, counts.diffusionface_each) for name in IMG2IMG),
        *((f"{name}/aligned", counts.diffusionface_each) for name in TEXT2IMG),
        *((name, counts.diffusionface_each) for name in UNCONDITIONAL),
    ):
        method = folder.split("/")[0]
        for turn in range(each):
            target = people[number % len(people)]
            number += 1
            source = 1000 + number if method in TEXT2IMG + UNCONDITIONAL else unlike(target, people, turn)
            forged[target].append(Forgery(method, f"{folder}/{target:05d}.png", source, 0, DIFFUSIONFACE))
    for person in people:
        yield Job(DIFFUSIONFACE, DIFFUSIONFACE, seed, person, 0, f"Real/{person:05d}.png", tuple(forged[person]))
