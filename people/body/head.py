"""The distilled head: a mesh linear in age, gender, weight, ancestry, local changes and expression."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from people.body.distil import ensure_head
from people.body.parameters import Person
from people.drawing.raster import CAVITY, EYE_LEFT, EYE_RIGHT, MOUTH, SKIN, TONGUE

__all__ = ["Head", "load"]

PART_MATERIALS = {
    "eye_front.L": EYE_LEFT,
    "eye_back.L": EYE_LEFT,
    "eye_front.R": EYE_RIGHT,
    "eye_back.R": EYE_RIGHT,
    "eye_cavity.L": CAVITY,
    "eye_cavity.R": CAVITY,
    "mouth_cavity": MOUTH,
    "tongue": TONGUE,
}


@dataclass(frozen=True, eq=False)
class Head:
    """Mesh and blend shapes: V vertices, T triangles; textures refer to `canonical`, the average adult."""

    canonical: np.ndarray  # [V, 3], x left, y back, z up
    faces: np.ndarray  # [T, 3] int32
    material: np.ndarray  # [T] int8, see raster
    corners: np.ndarray  # [90, 3V]
    corner_labels: np.ndarray  # [90, 4]: age, gender, weight, ancestry
    age_anchors: np.ndarray  # [5]
    local: np.ndarray  # [2K, 3V], positive and negative in turn
    local_names: tuple[str, ...]
    actions: np.ndarray  # [52, 3V]
    action_names: tuple[str, ...]
    turning: np.ndarray  # [V] share of the head's rotation
    lips: np.ndarray  # [V] 0..1
    ears: np.ndarray  # [V] 0..1
    eyelids: np.ndarray  # [V] 0..1
    lashes: np.ndarray  # [V] 0..1

    def neutral(self, person: Person) -> np.ndarray:
        """Vertices `[V, 3] float32` of a person at rest."""
        change = np.asarray(person.local, np.float32)
        weights = np.stack([np.maximum(change, 0), np.maximum(-change, 0)], 1).ravel()
        return (self._corner_weights(person) @ self.corners + weights @ self.local).reshape(-1, 3)

    def expressed(self, neutral: np.ndarray, expression: np.ndarray) -> np.ndarray:
        """Vertices `[V, 3]` of the neutral head with facial actions of the given strengths `[52]`."""
        used = np.flatnonzero(expression)
        return neutral + (expression[used] @ self.actions[used]).reshape(-1, 3).astype(np.float32)

    def action(self, name: str) -> int:
        """The number of a facial action."""
        return self.action_names.index(name)

    def vertices_of(self, *materials: int) -> np.ndarray:
        """Indices of the vertices that triangles of these materials use."""
        return np.unique(self.faces[np.isin(self.material, materials)])

    def _corner_weights(self, person: Person) -> np.ndarray:
        """Shares `[90] float32` of the corner meshes in a person."""
        age = np.zeros(len(self.age_anchors))
        low = int(np.clip(np.searchsorted(self.age_anchors, person.age) - 1, 0, len(age) - 2))
        share = (person.age - self.age_anchors[low]) / (self.age_anchors[low + 1] - self.age_anchors[low])
        age[low] = 1 - share
        age[low + 1] = share
        gender = np.array([1 - person.gender, person.gender])
        weight = np.array(
            [max(0, 1 - 2 * person.weight), 1 - abs(2 * person.weight - 1), max(0, 2 * person.weight - 1)]
        )
        label = self.corner_labels
        ancestry = np.asarray(person.ancestry)[label[:, 3].astype(int)]
        product = age[label[:, 0].astype(int)] * gender[label[:, 1].astype(int)]
        return (product * weight[(label[:, 2] * 2).astype(int)] * ancestry).astype(np.float32)


@cache
def load(path: Path | None = None) -> Head:
    """Read the distilled head (distil it first when it is missing)."""
    with np.load(path or ensure_head()) as pack:
        part_names = [str(name) for name in pack["part_names"]]
        material = np.full(len(pack["faces"]), SKIN, np.int8)
        for name, code in PART_MATERIALS.items():
            material[pack["face_part"] == part_names.index(name)] = code
        faces = pack["faces"]
        canonical = pack["canonical"]
        return Head(
            canonical=canonical,
            faces=faces,
            material=material,
            corners=pack["corners"].reshape(len(pack["corners"]), -1),
            corner_labels=pack["corner_labels"],
            age_anchors=pack["age_anchors"],
            local=pack["local"].astype(np.float32).reshape(2 * len(pack["local_names"]), -1),
            local_names=tuple(str(name) for name in pack["local_names"]),
            actions=pack["actions"].astype(np.float32).reshape(len(pack["action_names"]), -1),
            action_names=tuple(str(name) for name in pack["action_names"]),
            turning=pack["turning"],
            lips=pack["mask_lips"],
            ears=pack["mask_ears"],
            eyelids=pack["mask_eyelids"],
            lashes=_lashes(canonical, faces, material),
        )


def _lashes(canonical: np.ndarray, faces: np.ndarray, material: np.ndarray) -> np.ndarray:
    """Lash weight of each vertex: 1 on the rim of the upper lid, a quarter on the lower one."""
    rim = np.intersect1d(faces[material == SKIN], faces[material == CAVITY])
    eyes = canonical[np.unique(faces[np.isin(material, (EYE_LEFT, EYE_RIGHT))])]
    weight = np.zeros(len(canonical), np.float32)
    weight[rim] = np.where(canonical[rim, 2] > eyes[:, 2].mean() + 0.0005, 1.0, 0.25)
    return weight
