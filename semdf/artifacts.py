"""The only readers and writers of products: tables, metrics, weights. Writing is atomic, bytes are stable."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
import socket
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from semdf.errors import DataError, MissingError, SemdfError, WriteError
from semdf.storage.columns import Kind, kind_of

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "atomic",
    "checked",
    "digest",
    "digest_all",
    "read_cells",
    "read_json",
    "read_parts",
    "read_rows",
    "read_table",
    "read_tensors",
    "read_weights",
    "temporary",
    "write_json",
    "write_table",
    "write_weights",
    "writing",
]

#: No point lies further from a picture's corner, pixels: with larger numbers, later computations overflow (ours).
FAR = 1e6
#: Which errors of torch stand for errors of the system: their messages contain one of these names of its source files.
_TORCH_FILES = ("inline_container", "iostream")


class _Unread:
    """What stands for a value that training scripts save beside the weights: nothing of its class is run."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


#: Classes of such values by name, and what stands for them: settings (argparse, yacs), paths, and numbers of numpy.
_UNREAD: dict[str, type] = {
    "yacs.config.CfgNode": OrderedDict,
    **dict.fromkeys(
        [
            "argparse.Namespace",
            "pathlib.Path",
            "pathlib.PosixPath",
            "pathlib.WindowsPath",
            "numpy.dtype",
            "numpy.core.multiarray.scalar",
            "numpy._core.multiarray.scalar",
        ],
        _Unread,
    ),
}


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """A block that writes `path`.

    Raises:
        WriteError: The system does not let it be written, for example because the disk is full.
    """
    try:
        yield
    except SemdfError:
        raise
    except (OSError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not any(file in str(error) for file in _TORCH_FILES):
            raise
        said = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise WriteError(f"{_shown(Path(path))} cannot be written: {said}") from error


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path` and move it there when the block ends without an error.

    What a killed process of this machine left of the same file is removed.

    Raises:
        WriteError: The disk is full, or writing is not allowed.
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
    """A folder below $TMPDIR that is gone when the block ends.

    Raises:
        WriteError: None can be made.
    """
    with writing("the temporary folder"):
        made = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    with made as folder:
        yield Path(folder)


def _alive(process: int) -> bool:
    """Whether there is a process of that number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # another user's, or no number of a process
        pass
    return True


def write_table(frame: pd.DataFrame, path: str | Path) -> Path:
    """Write a table as Parquet or CSV, by the ending; floats in CSV get six significant digits.

    Raises:
        DataError: The name has another ending.
        WriteError: The disk is full, or writing is not allowed.
    """
    path = Path(path)
    with atomic(path) as draft:
        if path.suffix == ".parquet":
            frame.to_parquet(draft, index=False)
        elif path.suffix == ".csv":
            frame.to_csv(draft, index=False, float_format="%.6g", lineterminator="\n")
        else:
            raise DataError(f"table {path.name!r} must end in .parquet or .csv")
    return path


def _table_at(path: str | Path) -> Path:
    """The path of a table that is there.

    Raises:
        MissingError: There is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingError(f"a table must be at {_shown(path)}, found none: run `make reproduce`")
    return path


def read_table(path: str | Path, columns: Iterable[str] = ()) -> pd.DataFrame:
    """Read a table and check it with `checked`; the kinds of a CSV file's cells are not checked.

    Raises:
        MissingError: There is no such file.
        DataError: It cannot be read, lacks a column, or a cell is of the wrong kind.
    """
    path = _table_at(path)
    try:
        frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    except Exception as error:  # pandas and pyarrow raise many kinds for a file that is no table
        raise DataError(f"table {_shown(path)} must be readable: {_brief(error)}") from error
    # pandas guesses the types of a CSV file's columns each time it reads it
    return checked(frame, f"table {_shown(path)}", columns, kinds=path.suffix != ".csv")


def read_rows(
    path: str | Path,
    columns: Iterable[str],
    where: Mapping[str, Collection[str]] | None = None,
    *,
    optional: Iterable[str] = (),
    plain: Iterable[str] = (),
) -> pd.DataFrame:
    """Some columns of some rows of a large Parquet table. The rest of it is never in memory as a whole.

    Args:
        path: The table.
        columns: What is read; the table must have them.
        where: Of which columns the cells must be among which ones.
        optional: Further columns, read if the table has them.
        plain: Columns of text whose cells all differ. Texts of the others become categories, each held once.

    Raises:
        MissingError: There is no such file.
        DataError: It cannot be read, lacks a column, or a column is of the wrong kind.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    path = _table_at(path)
    name = f"table {_shown(path)}"
    where = where or {}
    columns = list(columns)
    try:
        with pq.ParquetFile(path) as file:
            found = file.schema_arrow.names
            if missing := [c for c in columns if c not in found]:
                raise DataError(f"{name} must have the columns {missing}, found {found}")
            columns += [c for c in optional if c in found]
            shared = [c for c in columns if kind_of(c) == "text" and c not in plain]
            parts = []
            for batch in file.iter_batches(columns=columns):
                _check_batch(batch, name)
                for column, among in where.items():
                    batch = batch.filter(pc.is_in(batch[column], pa.array(list(among), batch[column].type)))
                whole = pa.Table.from_batches([batch])
                for column in shared:
                    at = whole.column_names.index(column)
                    whole = whole.set_column(at, column, whole[column].dictionary_encode())
                parts.append(whole)
            if not parts:
                return pd.DataFrame({column: [] for column in columns})
            return pa.concat_tables(parts).unify_dictionaries().to_pandas()[columns]
    except SemdfError:
        raise
    except Exception as error:  # as in `read_table`
        raise DataError(f"{name} must be readable: {_brief(error)}") from error


def read_parts(path: str | Path, columns: Iterable[str], rows: int = 2**16) -> Iterator[pd.DataFrame]:
    """A large Parquet table with all its columns, so many rows at a time; each part is checked with `checked`.

    Raises:
        MissingError: There is no such file.
        DataError: It cannot be read, lacks a column, or a cell is of the wrong kind.
    """
    import pyarrow.parquet as pq

    path = _table_at(path)
    name = f"table {_shown(path)}"
    columns = list(columns)
    try:
        with pq.ParquetFile(path) as file:
            checked(file.schema_arrow.empty_table().to_pandas(), name, columns)  # a table without rows has no parts
            for batch in file.iter_batches(rows):
                yield checked(batch.to_pandas(), name, columns)
    except (SemdfError, GeneratorExit):
        raise
    except Exception as error:  # as in `read_table`
        raise DataError(f"{name} must be readable: {_brief(error)}") from error


def _check_batch(batch: Any, name: str) -> None:
    """Raise DataError unless the columns of an Arrow batch are of the kinds that `semdf.storage.columns` names."""
    import pyarrow.types as types

    tests = {
        "text": lambda kind: types.is_string(kind) or types.is_large_string(kind),
        "whole number": types.is_integer,
    }
    for field, cells in zip(batch.schema, batch.columns, strict=True):
        rule = kind_of(field.name)
        if rule in tests and not (tests[rule](field.type) and cells.null_count == 0):
            says = _RULES[rule].says
            raise DataError(f"{name}: {field.name!r} must be {says}, found {field.type} with {cells.null_count} gaps")


def read_cells(path: str | Path) -> pd.DataFrame:
    """Read a CSV file, its cells as text, "" where there is nothing.

    Raises:
        MissingError: There is no such file.
        DataError: It cannot be read, has a column twice, or a line with too many cells.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingError(f"a table must be at {_shown(path)}, found none")
    try:
        frame = pd.read_csv(path, keep_default_na=False, dtype=str)
    except Exception as error:  # as in `read_table`
        raise DataError(f"table {_shown(path)} must be readable: {_brief(error)}") from error
    if not isinstance(frame.index, pd.RangeIndex):  # pandas makes the surplus cells names of rows
        raise DataError(f"table {_shown(path)} must have {len(frame.columns)} cells in each line, found more")
    return checked(frame.fillna(""), f"table {_shown(path)}", ())


def checked(frame: pd.DataFrame, name: str, columns: Iterable[str], *, kinds: bool = True) -> pd.DataFrame:
    """A table if it has some columns, and their cells are of the kinds that `semdf.storage.columns` names.

    Args:
        frame: The table.
        name: Of the table, for messages.
        columns: What it must have.
        kinds: Whether to check the cells' kinds.

    Raises:
        DataError: A column is not there, any column is there twice, or a cell is of another kind; the message names
            the first such cell.
    """
    columns = list(columns)
    if missing := [c for c in columns if c not in frame]:
        raise DataError(f"{name} must have the columns {missing}, found {list(frame)}")
    if twice := sorted(set(map(str, frame.columns[frame.columns.duplicated()]))):
        raise DataError(f"{name} must have each column once, found {twice} again")
    for column in columns if kinds and len(frame) else ():
        rule = _RULES.get(kind_of(column))
        if rule is None or rule.all_good(frame[column]):
            continue
        row = next((i for i, cell in enumerate(frame[column]) if not rule.good(cell)), 0)
        found = repr(frame[column].iloc[row])[:80]
        raise DataError(f"{name}, row {row}: {column!r} must be {rule.says}, found {found}")
    return frame


class _Rule(NamedTuple):
    """What cells of one kind must be: in words, for a whole column (which is quicker), and for one cell."""

    says: str
    all_good: Callable[[pd.Series], bool]
    good: Callable[[Any], bool]


def _all_text(cells: pd.Series) -> bool:
    if isinstance(cells.dtype, pd.CategoricalDtype):
        return not cells.isna().any() and _all_text(cells.cat.categories.to_series())
    if cells.isna().any() or pd.api.types.infer_dtype(cells, skipna=False) != "string":
        return False
    return cells.dtype != object or _is_text("".join(cells))


def _is_text(cell: Any) -> bool:
    try:
        return isinstance(cell, str) and cell.encode() is not None
    except UnicodeEncodeError:  # half a character, or bytes of a file name in another encoding
        return False


def _all_whole(cells: pd.Series) -> bool:
    return pd.api.types.is_integer_dtype(cells) and not cells.isna().any()


def _is_whole(cell: Any) -> bool:
    return isinstance(cell, int | np.integer) and cell is not True


def _all_points(cells: pd.Series) -> bool:
    return cells.map(_is_points).all()


def _is_points(cell: Any) -> bool:
    try:
        numbers = np.asarray(cell, dtype=float)
    except (TypeError, ValueError):
        return False
    return numbers.ndim == 1 and len(numbers) % 2 == 0 and bool((np.abs(numbers) < FAR).all())


def _is_number(cell: Any) -> bool:
    return isinstance(cell, float | int | np.number)


#: The rules of those kinds of `semdf.storage.columns` that are checked.
_RULES: dict[Kind | None, _Rule] = {
    "text": _Rule("text in UTF-8", _all_text, _is_text),
    "whole number": _Rule("a whole number", _all_whole, _is_whole),
    "points": _Rule("a list of finite numbers, x and y in turn", _all_points, _is_points),
    "number": _Rule("a number", pd.api.types.is_numeric_dtype, _is_number),
}


def write_json(value: Any, path: str | Path) -> Path:
    """Write metrics or a configuration as JSON, floats as they are.

    Raises:
        WriteError: The disk is full, or writing is not allowed.
    """
    with atomic(path) as draft:
        draft.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n")
    return Path(path)


def read_json(path: str | Path) -> Any:
    """Read what `write_json` wrote.

    Raises:
        MissingError: There is no such file.
        DataError: It holds no JSON.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingError(f"a file must be at {_shown(path)}, found none: run `make reproduce`")
    try:
        return json.loads(path.read_text())
    except (ValueError, OSError, RecursionError) as error:
        raise DataError(f"file {_shown(path)} must hold JSON: {_brief(error)}") from None


def write_weights(state: dict[str, Tensor], path: str | Path) -> Path:
    """Write a state dict as safetensors.

    Raises:
        WriteError: The disk is full, or writing is not allowed.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with atomic(path) as draft:
        try:
            save_file({k: v.detach().cpu().contiguous().clone() for k, v in state.items()}, draft)
        except SafetensorError as error:  # it has only the text of the system's error
            raise OSError(str(error)) from error
    return Path(path)


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read a state dict from safetensors.

    Raises:
        MissingError: There is no such file.
        DataError: It is no safetensors file.
    """
    from safetensors.torch import load_file

    path = Path(path)
    if not path.is_file():
        raise MissingError(f"weights must be at {_shown(path)}, found none: run `make reproduce`")
    try:
        return load_file(path)
    except Exception as error:  # safetensors, torch and the system raise many kinds
        raise DataError(f"weights {_shown(path)} must be a safetensors file: {_brief(error)}") from error


def read_tensors(path: str | Path) -> dict[str, Any]:
    """Read a dict that `torch.save` wrote: tensors and plain values, never code.

    Settings, paths and numpy numbers, which training scripts save beside the weights, are passed over: something empty
    stands for them.

    Raises:
        MissingError: There is no such file.
        DataError: It holds anything else.
    """
    import torch
    from torch.serialization import safe_globals

    path = Path(path)
    if not path.is_file():
        raise MissingError(f"weights must be at {_shown(path)}, found none")
    try:
        with safe_globals([(stub, name) for name, stub in _UNREAD.items()]):
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a file that it did not write
        if found := re.search(r"Unsupported global: GLOBAL (\S+)|unsupported GLOBAL (\S+)", str(error)):
            raise DataError(
                f"weights {_shown(path)} must be tensors and plain values, found {found[1] or found[2]}, which is code "
                "that reading does not run: where the file comes from, save the weights alone, "
                "`torch.save({'model': model.state_dict()}, path)`"
            ) from error
        raise DataError(f"weights {_shown(path)} must be tensors that torch.save wrote: {_brief(error)}") from error
    if not isinstance(state, dict):
        raise DataError(f"weights {_shown(path)} must be a dict, found {type(state).__name__}")
    return state


def digest(*parts: Any) -> str:
    """A short fingerprint of files (given as Path) and of values that JSON can hold."""
    return digest_all(parts)


def digest_all(parts: Iterable[Any]) -> str:
    """The `digest` of parts that are not in memory together."""
    total = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else json.dumps(part, sort_keys=True).encode()
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()[:16]


def _shown(path: Path) -> str:
    """The path as a message or a product may show it: the last three parts."""
    return repr("/".join(path.parts[-3:]))


def _brief(error: Exception) -> str:
    """The first line of a library's error; the kind of the error stands before a short one."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # torch colours its messages
    if found := re.search(r"WeightsUnpickler error: *(.+)", text):
        text = found[1]
    text = text.strip().partition("\n")[0][:300]
    return text if len(text) > 20 else f"{type(error).__name__} {text}".strip()
