"""The only readers and writers of products: tables, metrics, weights. Writing is atomic, bytes are stable."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from semdf.errors import DataError, MissingError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "atomic",
    "digest",
    "read_json",
    "read_table",
    "read_weights",
    "write_json",
    "write_table",
    "write_weights",
]


@contextmanager
def atomic(path: str | Path):
    """Give a temporary path beside `path` and move it there when the block ends without an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield draft
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def write_table(frame: pd.DataFrame, path: str | Path) -> Path:
    """Write a table as Parquet or CSV, by the ending; floats in CSV get six significant digits."""
    path = Path(path)
    with atomic(path) as draft:
        if path.suffix == ".parquet":
            frame.to_parquet(draft, index=False)
        elif path.suffix == ".csv":
            frame.to_csv(draft, index=False, float_format="%.6g", lineterminator="\n")
        else:
            raise DataError(f"table {path.name!r} must end in .parquet or .csv")
    return path


def read_table(path: str | Path, columns: Iterable[str] = ()) -> pd.DataFrame:
    """Read a table and check that `columns` are there.

    Raises:
        MissingError: there is no such file.
        DataError: it cannot be read or lacks a column.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingError(f"table expected at {_shown(path)}, found none: run `make reproduce`")
    try:
        frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise DataError(f"table {_shown(path)} must be readable: {error}") from None
    if missing := [c for c in columns if c not in frame]:
        raise DataError(f"table {_shown(path)} must have the columns {missing}, found {list(frame)}")
    return frame


def write_json(value: Any, path: str | Path) -> Path:
    """Write metrics or a configuration, floats as they are."""
    with atomic(path) as draft:
        draft.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n")
    return Path(path)


def read_json(path: str | Path) -> Any:
    """Read what `write_json` wrote. Raises MissingError or DataError."""
    path = Path(path)
    if not path.is_file():
        raise MissingError(f"file expected at {_shown(path)}, found none: run `make reproduce`")
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise DataError(f"file {_shown(path)} must hold JSON: {error}") from None


def write_weights(state: dict[str, Tensor], path: str | Path) -> Path:
    """Write a state dict as safetensors."""
    from safetensors.torch import save_file

    with atomic(path) as draft:
        save_file({k: v.detach().cpu().contiguous().clone() for k, v in state.items()}, draft)
    return Path(path)


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read a state dict from safetensors. Raises MissingError or DataError."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(path)
    if not path.is_file():
        raise MissingError(f"weights expected at {_shown(path)}, found none: run `make reproduce`")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise DataError(f"weights {_shown(path)} must be a safetensors file: {error}") from None


def digest(*parts: Any) -> str:
    """A short fingerprint of files (given as Path) and of values that JSON can hold."""
    total = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else json.dumps(part, sort_keys=True).encode()
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()[:16]


def _shown(path: Path) -> str:
    """The path as a message or a product may show it: the last three parts."""
    return repr("/".join(path.parts[-3:]))
