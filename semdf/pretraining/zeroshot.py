"""What a CLIP understands without training for it: classes named by sentences, and retrieval.

A picture belongs to the class whose sentences are closest: features of a class's sentences are normalised,
averaged and normalised again, as in Radford et al., "Learning Transferable Visual Models From Natural Language
Supervision", ICML 2021.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import open_clip
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from semdf.errors import DataError
from semdf.method import towers
from semdf.pretraining.captioned import Stills

__all__ = ["TASKS", "classify", "embed_classes", "embed_images", "embed_sentences", "retrieval", "table"]

#: Sentences that name a class; a phrase of `TASKS` fills the gap (ours).
TEMPLATES = ("a photo of {}", "a picture of {}", "a portrait of {}")

#: Attribute -> its classes, as the manifest calls them -> phrases that say each (ours).
TASKS: dict[str, dict[str, tuple[str, ...]]] = {
    "gender": {"man": ("a man", "a male person"), "woman": ("a woman", "a female person")},
    "age": {
        "child": ("a child",),
        "young": ("a young person", "a youthful person"),
        "middle-aged": ("a middle-aged person",),
        "elderly": ("an elderly person", "an old person"),
    },
    "expression": {
        "neutral": ("a person, with a neutral expression", "a person, with a calm expression"),
        "smile": ("a person, smiling", "a person, with a smile"),
        "laugh": ("a person, laughing", "a person, with a big laugh"),
        "surprise": ("a person, surprised", "a person, with a surprised expression"),
        "sadness": ("a person, sad", "a person, with a sad expression"),
        "anger": ("a person, angry", "a person, with an angry expression"),
        "disgust": ("a person, disgusted", "a person, with an expression of disgust"),
        "pucker": ("a person, with puckered lips", "a person, with a kissing expression"),
        "shout": ("a person, shouting", "a person, with a shouting expression"),
        "smirk": ("a person, smirking", "a person, with a crooked smile"),
        "fear": ("a person, afraid", "a person, with a frightened expression"),
        "speaking": ("a person, speaking", "a person, with a speaking mouth"),
    },
    "hair": {
        "bald": ("a person, who is bald", "a person, with a bald head"),
        "balding": ("a person, balding",),
        "receding": ("a person, with a receding hairline",),
        **{
            word: (f"a person, with {word} hair",)
            for word in ("very short", "short", "shaggy", "curly", "afro", "chin-length", "long", "tied back")
        },
    },
    "hair_colour": {
        word: (f"a person, with {word} hair",)
        for word in ("black", "dark brown", "brown", "light brown", "red", "blond", "grey", "white")
    },
    "beard": {
        "none": ("a person, without a beard", "a person, with a shaved chin"),
        "stubble": ("a person, with stubble", "a person, unshaven"),
        "moustache": ("a person, with a moustache",),
        "goatee": ("a person, with a goatee",),
        "full": ("a person, with a beard", "a person, bearded"),
    },
    "glasses": {
        "none": ("a person, without glasses",),
        "yes": ("a person, wearing glasses", "a person, with glasses"),
        "sun": ("a person, wearing sunglasses", "a person, with dark sunglasses"),
    },
    "hat": {
        "none": ("a person, without a hat", "a person, bareheaded"),
        **{kind: (f"a person, wearing a {kind}",) for kind in ("cap", "beanie", "headscarf")},
    },
    "pose": {
        "left": ("a person, looking to the left", "a person, with the head turned to the left"),
        "front": ("a person, looking straight ahead", "a person, seen from the front"),
        "right": ("a person, looking to the right", "a person, with the head turned to the right"),
    },
    "tilt": {"up": ("a person, looking up",), "down": ("a person, looking down",)},
    "tone": {word: (f"a person, with {word} skin",) for word in ("light", "brown", "dark")},
    "mouth": {
        "closed": ("a face with a closed mouth", "a face with the mouth closed"),
        "open": ("a face with an open mouth", "a face with the mouth open"),
    },
    "lip": {word: (f"a face with {word} lips",) for word in ("thin", "full")},
    "lip_colour": {word: (f"a face with {word} lips",) for word in ("pale", "red")},
    "eyebrow": {word: (f"a face with {word} eyebrows",) for word in ("thin", "bushy")},
    "nose": {word: (f"a face with a {word} nose",) for word in ("short", "long")},
    "nose_width": {word: (f"a face with a {word} nose",) for word in ("narrow", "wide")},
    "eye": {word: (f"a face with {word} eyes",) for word in ("dark brown", "brown", "grey", "blue", "green", "hazel")},
    "skin": {word: (f"a face with {word} skin",) for word in ("smooth", "freckled", "wrinkled")},
    "light": {word: (f"a person, lit from the {word}",) for word in ("left", "front", "right")},
}


def embed_images(clip: open_clip.CLIP, stills: Stills, *, batch: int = 64) -> Tensor:
    """Normalised features [n, D] of all pictures in the deterministic view."""
    tower = towers.ImageTower(clip.visual)
    clip.eval()
    with torch.inference_mode():
        features = []
        for part in torch.arange(len(stills)).split(batch):
            views = torch.from_numpy(stills.views(part.tolist(), tower.preprocess.size)).permute(0, 3, 1, 2)
            features.append(F.normalize(tower(tower.normalise(views)), dim=-1))
        return torch.cat(features)


def embed_sentences(clip: open_clip.CLIP, sentences: Sequence[str]) -> Tensor:
    """Normalised features [n, D] of sentences."""
    clip.eval()
    with torch.inference_mode():
        tokens = towers.tokenize(list(sentences), clip.context_length)
        features = [F.normalize(towers.encode_text(clip, part), dim=-1) for part in tokens.split(256)]
        return torch.cat(features)


def embed_classes(clip: open_clip.CLIP, classes: Sequence[Sequence[str]]) -> Tensor:
    """Normalised features [C, D] of classes, each named by some phrases that are put into every template."""
    said = [[template.format(phrase) for phrase in phrases for template in TEMPLATES] for phrases in classes]
    features = embed_sentences(clip, [sentence for sentences in said for sentence in sentences])
    parts = features.split([len(sentences) for sentences in said])
    return F.normalize(torch.stack([part.mean(0) for part in parts]), dim=-1)


def classify(features: Tensor, classes: Tensor, names: Sequence[str]) -> np.ndarray:
    """The name of the closest class [n] for normalised features of pictures [n, D] and of classes [C, D]."""
    return np.array(list(names))[(features @ classes.T).argmax(1).numpy()]


def table(
    clip: open_clip.CLIP, stills: Stills, *, resamples: int = 1000, seed: int = 0, fewest: int = 10
) -> pd.DataFrame:
    """Zero-shot accuracy of every task: a row each, with 95 % intervals that resample people.

    Balanced accuracy is the mean over the classes of the share that is found, so chance is 1 / classes however
    often each occurs. Tasks with fewer than two classes are left out.

    Args:
        resamples: Of the people, for the intervals.
        seed: Of the resamples.
        fewest: Classes with fewer pictures are left out.

    Returns:
        task, classes, samples, people, accuracy, balanced_accuracy, low, high, chance, majority (the accuracy of
        always saying the commonest class).

    Raises:
        DataError: No task is left.
    """
    asked = {task: _known(stills, task, classes, fewest) for task, classes in TASKS.items()}
    asked = {task: names for task, names in asked.items() if len(names) > 1}
    if not asked:
        raise DataError(f"stills: must vary in one of {', '.join(TASKS)}, found none that does")
    features = embed_images(clip, stills)
    said = embed_classes(clip, [TASKS[task][name] for task, names in asked.items() for name in names])
    parts = said.split([len(names) for names in asked.values()])
    rows = []
    for (task, names), classes in zip(asked.items(), parts, strict=True):
        keep = np.flatnonzero(stills.rows[task].isin(names).to_numpy())
        truth = stills.rows[task].to_numpy()[keep]
        hit = classify(features[torch.from_numpy(keep)], classes, names) == truth
        people = stills.rows["identity"].to_numpy()[keep]
        low, high = _interval(hit, truth, people, resamples, seed)
        rows.append(
            {
                "task": task,
                "classes": len(names),
                "samples": len(keep),
                "people": len(np.unique(people)),
                "accuracy": float(hit.mean()),
                "balanced_accuracy": _balanced(hit, truth),
                "low": low,
                "high": high,
                "chance": 1 / len(names),
                "majority": float(pd.Series(truth).value_counts(normalize=True).iloc[0]),
            }
        )
    return pd.DataFrame(rows)


def retrieval(clip: open_clip.CLIP, stills: Stills, ranks: Sequence[int] = (1, 5, 10)) -> pd.DataFrame:
    """How often a picture's own sentence is among the closest, and the other way round, over all pictures.

    A row each for one sentence and for the mean of all of a picture's sentences; several sentences may be true of
    a picture, so 1 cannot be reached.
    """
    images = embed_images(clip, stills)
    captions = [list(said) for said in stills.rows["captions"]]
    sentences = embed_sentences(clip, [sentence for said in captions for sentence in said])
    every = sentences.view(len(stills), len(captions[0]), -1)
    texts = {"one": every[:, 0], "all": F.normalize(every.mean(1), dim=-1)}
    rows = []
    for name, text in texts.items():
        similarity = images @ text.T
        for direction, scores in (("picture to sentence", similarity), ("sentence to picture", similarity.T)):
            closer = (scores > scores.diagonal()[:, None]).sum(1)
            for rank in ranks:
                rows.append(
                    {
                        "sentences": name,
                        "direction": direction,
                        "rank": rank,
                        "recall": (closer < rank).float().mean().item(),
                        "chance": rank / len(stills),
                    }
                )
    return pd.DataFrame(rows)


def _known(stills: Stills, task: str, classes: Mapping[str, Sequence[str]], fewest: int) -> list[str]:
    """The classes of a task that have at least `fewest` pictures."""
    counts = stills.rows[task].value_counts() if task in stills.rows else {}
    return [name for name in classes if counts.get(name, 0) >= fewest]


def _balanced(hit: np.ndarray, truth: np.ndarray) -> float:
    """The mean over the classes of the share of hits."""
    return float(pd.Series(hit).groupby(truth).mean().mean())


def _interval(hit: np.ndarray, truth: np.ndarray, people: np.ndarray, resamples: int, seed: int) -> tuple[float, float]:
    """95 % percentile interval of the balanced accuracy over resampled people.

    A class that nobody in a resample shows is left out of its mean: how often it is found there is unknown, not 0.

    Args:
        hit: [n] bool, whether the class was found.
        truth: [n], names of the classes.
        people: [n], identities.
    """
    random = np.random.default_rng(seed)
    classes, truth = np.unique(truth, return_inverse=True)
    person = np.unique(people, return_inverse=True)[1]
    found = np.zeros((person.max() + 1, len(classes)))
    total = np.zeros_like(found)
    np.add.at(found, (person, truth), hit)
    np.add.at(total, (person, truth), 1)
    drawn = random.integers(0, len(found), (resamples, len(found)))
    shown = total[drawn].sum(1)
    shares = np.divide(found[drawn].sum(1), shown, out=np.full(shown.shape, np.nan), where=shown > 0)
    low, high = np.percentile(np.nanmean(shares, axis=1), [2.5, 97.5])
    return float(low), float(high)
