"""Meshes whose vertices know where they lie on the canonical head."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Mesh", "join"]


@dataclass(frozen=True, eq=False)
class Mesh:
    """V vertices and T triangles."""

    vertices: np.ndarray  # [V, 3]
    normals: np.ndarray  # [V, 3]
    canonical: np.ndarray  # [V, 3] texture position
    turning: np.ndarray  # [V] share of the head's rotation
    masks: np.ndarray  # [V, 4]: lips, lashes, ears, eyelids
    faces: np.ndarray  # [T, 3] int32
    material: np.ndarray  # [T] int8, see raster


def join(parts: list[Mesh]) -> Mesh:
    """One mesh of several, float32; the vertices keep their order."""
    faces = []
    first = 0
    for part in parts:
        faces.append(part.faces + first)
        first += len(part.vertices)
    return Mesh(
        vertices=np.concatenate([part.vertices for part in parts]).astype(np.float32),
        normals=np.concatenate([part.normals for part in parts]).astype(np.float32),
        canonical=np.concatenate([part.canonical for part in parts]).astype(np.float32),
        turning=np.concatenate([part.turning for part in parts]).astype(np.float32),
        masks=np.concatenate([part.masks for part in parts]).astype(np.float32),
        faces=np.concatenate(faces).astype(np.int32),
        material=np.concatenate([part.material for part in parts]),
    )
