"""How different the drawn people are: distributions of their attributes and distances between identities."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree

from semdf.people import head as heads
from semdf.people.parameters import Person
from semdf.people.raster import SKIN

__all__ = ["attribute_counts", "face_vectors", "nearest_distances"]

#: Attribute -> its word for a person.
WORDS = {
    "age": lambda person: person.age_group,
    "gender": lambda person: person.gender_name,
    "skin tone": lambda person: person.skin_tone,
    "hair style": lambda person: person.hair.style,
    "hair colour": lambda person: person.hair_colour_name,
    "beard": lambda person: person.beard_name,
    "glasses": lambda person: person.glasses_name,
    "hat": lambda person: person.hat_name,
    "iris": lambda person: person.iris_name,
    "clothes": lambda person: person.clothes.top,
}


def attribute_counts(people: Sequence[Person]) -> dict[str, dict[str, int]]:
    """How often each word of each attribute occurs, most frequent first."""
    return {name: dict(Counter(map(word, people)).most_common()) for name, word in WORDS.items()}


def face_vectors(people: Sequence[Person]) -> np.ndarray:
    """Shapes of the faces at rest without size and place: `[P, D] float32`, root mean square in millimetres.

    The Euclidean distance of two rows is the root mean square distance of their faces' skin points.
    """
    head = heads.load()
    own = head.vertices_of(SKIN)
    own = own[(head.canonical[own, 1] < -0.06) & (head.canonical[own, 2] > 0.78) & (head.ears[own] < 0.1)]
    reference = head.canonical[own] - head.canonical[own].mean(0)
    size = np.linalg.norm(reference)
    rows = []
    for person in people:
        face = head.neutral(person)[own]
        face = face - face.mean(0)
        rows.append((face * (size / np.linalg.norm(face)) - reference).ravel() * 1000 / np.sqrt(len(own)))
    return np.asarray(rows, np.float32)


def nearest_distances(people: Sequence[Person]) -> np.ndarray:
    """Distance of each face shape to the nearest other one: `[P]` millimetres (see `face_vectors`)."""
    vectors = face_vectors(people)
    return cKDTree(vectors).query(vectors, k=2)[0][:, 1]
