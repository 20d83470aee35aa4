"""The only readers and writers of products: tables, metrics, weights. Writing is atomic, bytes are stable."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import socket
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from semdf.errors import DataError, MissingError, SemdfError, WriteError
from semdf.storage.columns import kind_of

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "atomic",
    "checked",
    "digest",
    "read_cells",
    "read_json",
    "read_table",
    "read_tensors",
    "read_weights",
    "temporary",
    "write_json",
    "write_table",
    "write_weights",
    "writing",
]

#: No point lies further from a picture's corner, pixels: larger numbers overflow in what is computed of them (ours).
FAR = 1e6


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """A block that writes `path`. Raises WriteError, which names it, for what the system says against it."""
    try:
        yield
    except SemdfError:
        raise
    except (OSError, RuntimeError) as error:
        torchs = ("inline_container", "iostream")  # of the system's errors torch hands on no more
        if isinstance(error, RuntimeError) and not any(word in str(error) for word in torchs):
            raise
        said = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise WriteError(f"{_shown(Path(path))} cannot be written: {said}") from error


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path` and move it there when the block ends without an error.

    What a killed process of this machine left of the same file is removed.

    Raises WriteError where the disk is full or writing is not allowed.
    """
    path = Path(path)
    drafts = f".{path.name}.{socket.gethostname()}."
    draft = path.with_name(f"{drafts}{os.getpid()}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f"{glob.escape(drafts)}*"):
            if left.suffix[1:].isdecimal() and not _alive(int(left.suffix[1:])):
                left.unlink(missing_ok=True)
        try:
            yield draft
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)


@contextmanager
def temporary() -> Iterator[Path]:
    """A folder below $TMPDIR that is gone when the block ends. Raises WriteError where none can be made."""
    with writing("the temporary folder"):
        made = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    with made as folder:
        yield Path(folder)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # another user's, or no number of a process
        pass
    return True


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
    """Read a table and check that `columns` are there and hold what their names promise, see `checked`.

    Raises:
        MissingError: there is no such file.
        DataError: it cannot be read, lacks a column, or a cell is of the wrong kind.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingError(f"table expected at {_shown(path)}, found none: run `make reproduce`")
    try:
        frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    except Exception as error:  # pandas and pyarrow raise many kinds for a file that is none of theirs
        raise DataError(f"table {_shown(path)} must be readable: {_brief(error)}") from error
    # what the types of a CSV file are is guessed anew each time it is read
    return checked(frame, f"table {_shown(path)}", columns, kinds=path.suffix != ".csv")


def read_cells(path: str | Path) -> pd.DataFrame:
    """Read a CSV file, its cells as text, "" where there is nothing. Raises MissingError or DataError."""
    path = Path(path)
    if not path.is_file():
        raise MissingError(f"table expected at {_shown(path)}, found none")
    try:
        frame = pd.read_csv(path, keep_default_na=False, dtype=str)
    except Exception as error:  # as above
        raise DataError(f"table {_shown(path)} must be readable: {_brief(error)}") from error
    if not isinstance(frame.index, pd.RangeIndex):  # pandas takes the surplus for names of rows
        raise DataError(f"table {_shown(path)} must have {len(frame.columns)} cells in each line, found more")
    return checked(frame.fillna(""), f"table {_shown(path)}", ())


def checked(frame: pd.DataFrame, name: str, columns: Iterable[str], *, kinds: bool = True) -> pd.DataFrame:
    """`frame` if it has `columns`, each once, and their cells are of the kind that `semdf.storage.columns` names.

    Raises DataError, which names the first cell that is not.
    """
    columns = list(columns)
    if missing := [c for c in columns if c not in frame]:
        raise DataError(f"{name} must have the columns {missing}, found {list(frame)}")
    if twice := sorted(set(map(str, frame.columns[frame.columns.duplicated()]))):
        raise DataError(f"{name} must have each column once, found {twice} again")
    for column in columns if kinds and len(frame) else ():
        kind = kind_of(column)
        if kind == "text":
            rule, good = "text in UTF-8", _utf8
            whole = not frame[column].isna().any() and pd.api.types.infer_dtype(frame[column], skipna=False) == "string"
            whole = whole and (frame[column].dtype != object or _utf8("".join(frame[column])))
        elif kind == "whole number":
            rule, good = "a whole number", lambda cell: isinstance(cell, int | np.integer) and cell is not True
            whole = pd.api.types.is_integer_dtype(frame[column]) and not frame[column].isna().any()
        elif kind == "points":
            rule, good = "a list of finite numbers, x and y in turn", _points
            whole = frame[column].map(_points).all()
        elif kind == "number":
            rule, good = "a number", lambda cell: isinstance(cell, float | int | np.number)
            whole = pd.api.types.is_numeric_dtype(frame[column])
        else:
            continue
        if not whole:
            row = next((i for i, cell in enumerate(frame[column]) if not good(cell)), 0)
            found = repr(frame[column].iloc[row])[:80]
            raise DataError(f"{name}, row {row}: {column!r} must be {rule}, found {found}")
    return frame


def _utf8(cell: Any) -> bool:
    try:
        return isinstance(cell, str) and cell.encode() is not None
    except UnicodeEncodeError:  # half a character, or bytes of a file name in another encoding
        return False


def _points(cell: Any) -> bool:
    try:
        numbers = np.asarray(cell, dtype=float)
    except (TypeError, ValueError):
        return False
    return numbers.ndim == 1 and len(numbers) % 2 == 0 and bool((np.abs(numbers) < FAR).all())


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
    except (ValueError, OSError, RecursionError) as error:
        raise DataError(f"file {_shown(path)} must hold JSON: {_brief(error)}") from None


def write_weights(state: dict[str, Tensor], path: str | Path) -> Path:
    """Write a state dict as safetensors."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with atomic(path) as draft:
        try:
            save_file({k: v.detach().cpu().contiguous().clone() for k, v in state.items()}, draft)
        except SafetensorError as error:  # of the system's errors only the text is left
            raise OSError(str(error)) from error
    return Path(path)


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read a state dict from safetensors. Raises MissingError or DataError."""
    from safetensors.torch import load_file

    path = Path(path)
    if not path.is_file():
        raise MissingError(f"weights expected at {_shown(path)}, found none: run `make reproduce`")
    try:
        return load_file(path)
    except Exception as error:  # besides its own kind, those of torch and of the system
        raise DataError(f"weights {_shown(path)} must be a safetensors file: {_brief(error)}") from error


def read_tensors(path: str | Path) -> dict[str, Any]:
    """Read a dict that `torch.save` wrote: tensors and plain values, never code. Raises MissingError or DataError."""
    import torch

    path = Path(path)
    if not path.is_file():
        raise MissingError(f"weights expected at {_shown(path)}, found none")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a file that is none of its own
        raise DataError(f"weights {_shown(path)} must be tensors that torch.save wrote: {_brief(error)}") from error
    if not isinstance(state, dict):
        raise DataError(f"weights {_shown(path)} must be a dict, found {type(state).__name__}")
    return state


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


def _brief(error: Exception) -> str:
    """The first line of what a library says, with the kind of the error where that is all it says."""
    text = str(error).strip().partition("\n")[0][:300]
    return text if len(text) > 20 else f"{type(error).__name__} {text}".strip()
