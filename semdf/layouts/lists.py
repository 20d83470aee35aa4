"""List files of the data sets: lines, JSON and CSV whose paths stay below the root."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from semdf.errors import DataError, MissingError
from semdf.storage.paths import inside

__all__ = ["first", "inside", "lines", "read_json", "read_table", "splits"]

Json = TypeVar("Json", dict, list)


def first(candidates: list[Path], what: str) -> Path:
    """The first file that exists.

    Raises:
        MissingError: If there is none; the message says `what` was looked for, and where.
    """
    for path in candidates:
        if path.is_file():
            return path
    places = " or ".join(str(path) for path in candidates)
    raise MissingError(f"{what}: must be a file at {places}, found none")


def lines(path: Path, what: str) -> Iterator[tuple[int, str]]:
    """Number and text of the lines that are not empty."""
    text = _text(first([path], what))
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield number, line.strip()


def read_json(path: Path, kind: type[Json], what: str) -> Json:
    """The JSON object or list in a file; `what` describes it in messages."""
    try:
        content = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: must hold {what}, found {error}") from error
    if not isinstance(content, kind):
        raise DataError(f"{path}: must hold {what}, found {type(content).__name__}")
    return content


def read_table(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Line number and cells of a CSV file that has at least `columns`."""
    reader = csv.DictReader(_text(path).splitlines())
    try:
        yield from _cells(reader, path, columns)
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: must be CSV, found {error}") from error


def _cells(reader: csv.DictReader, path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, Mapping[str, str]]]:
    header = reader.fieldnames or ()
    if any(name not in header for name in columns):
        raise DataError(f"{path}: must have the columns {', '.join(columns)}, found {reader.fieldnames}")
    for row in reader:
        if any(value is None for value in row.values()) or None in row:
            raise DataError(f"{path}, line {reader.line_num}: must have {len(header)} cells, found {row}")
        yield reader.line_num, row


def splits(where: Path, what: str) -> dict[str, str]:
    """Name -> split, from train.txt, val.txt and test.txt in `where`.

    Raises:
        DataError: For a name that is in two of them.
    """
    home: dict[str, str] = {}
    for split in ("train", "val", "test"):
        path = where / f"{split}.txt"
        for number, line in lines(path, f"{what}, list of the split {split}"):
            place = f"{path}, line {number}"
            name = inside(line, place)
            if home.setdefault(name, split) != split:
                raise DataError(f"{place}: a video must be in one split, found {name} in {home[name]} too")
    return home


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: must be text in UTF-8, found {error}") from error
    except OSError as error:
        raise MissingError(f"{path}: must be a readable file, found {error}") from error
