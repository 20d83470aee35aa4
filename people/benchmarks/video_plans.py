"""Jobs of the data sets of videos, in the order and under the names of the official releases."""

from collections.abc import Iterator

import numpy as np

from people.benchmarks.domains import draw_who
from people.benchmarks.plan import (
    CELEB,
    DEEPER,
    DFDC,
    FFPP,
    MANIPULATIONS,
    YOUTUBE,
    Counts,
    Forgery,
    Job,
    split_pairs,
    unlike,
)

__all__ = ["actor_names", "celeb_jobs", "deeper_jobs", "dfdc_jobs", "ffpp_jobs"]

#: How DFDC's forged videos were made (Dolhansky et al. 2020, section 3), by weight (ours).
DFDC_METHODS = {"DF-128": 0.3, "DF-256": 0.25, "MM/NN": 0.1, "NTH": 0.1, "FSGAN": 0.15, "StyleGAN": 0.1}


def _ffpp(method: str, target: str, source: str) -> Forgery:
    """A forgery of FaceForensics++ by the three digits of its people."""
    path = f"manipulated_sequences/{method}/c23/videos/{target}_{source}.mp4"
    return Forgery(method, path, int(source), 0, FFPP)


def ffpp_jobs(counts: Counts, seed: int) -> Iterator[Job]:
    """One job per identity: the original and its forgeries with its partner as source; FaceShifter in test alone."""
    for split, pairs in split_pairs(counts, seed).items():
        methods = (*MANIPULATIONS, "FaceShifter") if split == "test" else MANIPULATIONS
        for pair in pairs:
            for target, source in (pair, pair[::-1]):
                forged = tuple(_ffpp(method, target, source) for method in methods)
                path = f"original_sequences/youtube/c23/videos/{target}.mp4"
                yield Job(FFPP, FFPP, seed, int(target), 0, path, forged)


def celeb_jobs(counts: Counts, seed: int) -> Iterator[Job]:
    """Clips of celebrities, each swapped with a few others, and pristine videos of further people."""
    people = range(counts.celebrities)
    for target in people:
        for clip in range(counts.clips):
            turns = range(clip * counts.swaps, (clip + 1) * counts.swaps)
            forged = tuple(
                Forgery("Celeb-synthesis", f"Celeb-synthesis/id{target}_id{source}_{clip:04d}.mp4", source, clip, CELEB)
                for source in dict.fromkeys(unlike(target, people, turn) for turn in turns)
            )
            yield Job(CELEB, CELEB, seed, target, clip, f"Celeb-real/id{target}_{clip:04d}.mp4", forged)
    for person in range(counts.youtube):
        yield Job(CELEB, YOUTUBE, seed, person, 0, f"{YOUTUBE}/{person:05d}.mp4")


def dfdc_jobs(counts: Counts, seed: int) -> Iterator[Job]:
    """Phone videos, each with one forgery; the names say nothing."""
    rng = np.random.default_rng((seed, 98))
    letters = rng.integers(97, 123, (2 * counts.dfdc, 10), np.uint8)
    names = [f"test/videos/{bytes(row).decode()}.mp4" for row in letters]
    methods = rng.choice(list(DFDC_METHODS), counts.dfdc, p=list(DFDC_METHODS.values()))
    people = range(counts.dfdc)
    for person in people:
        forged = Forgery(str(methods[person]), names[2 * person + 1], unlike(person, people, person % 7), 0, DFDC)
        yield Job(DFDC, DFDC, seed, person, 0, names[2 * person], (forged,))


def actor_names(counts: Counts, seed: int) -> list[str]:
    """Names of DeeperForensics-1.0's actors: M or W, 1 for Asian and 0 for others, a running number."""
    names = []
    for actor in range(counts.actors):
        person = draw_who(DEEPER, seed, actor)
        gender = "W" if person.gender > 0.5 else "M"
        asian = int(np.argmax(person.ancestry) == 1)
        names.append(f"{gender}{asian}{actor + 1:02d}")
    return names


def deeper_jobs(counts: Counts, seed: int) -> Iterator[Job]:
    """Every test video of FaceForensics++ and a few others, each with one actor's face."""
    names = actor_names(counts, seed)
    splits = split_pairs(counts, seed)
    chosen = splits["train"][:2] + splits["val"][:2] + splits["test"]
    for number, target in enumerate(identity for pair in chosen for identity in pair):
        actor = number % counts.actors
        path = f"manipulated_videos/end_to_end/{target}_{names[actor]}.mp4"
        forged = Forgery("end_to_end", path, actor, number // counts.actors, DEEPER)
        yield Job(DEEPER, FFPP, seed, int(target), 0, "", (forged,))
