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
    """The first file that exists; else MissingError, which says `what` and where it was looked for."""
    for path in candidates:
        if path.is_file():
            return path
    places = " or ".join(str(path) for path in candidates)
    raise MissingError(f"{what}: expected a file at {places}. Found none.")


def lines(path: Path, what: str) -> Iterator[tuple[int, str]]:
    """Number and text of the lines that are not empty."""
    text = _text(first([path], what))
    yield from ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip())


def read_json(path: Path, kind: type[Json], what: str) -> Json:
    """The JSON object or list in a file."""
    try:
        content = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: expected {what}. Found {error}.") from error
    if not isinstance(content, kind):
        raise DataError(f"{path}: expected {what}. Found {type(content).__name__}.")
    return content


def read_table(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Line number and cells of a CSV file that has at least `columns`."""
    reader = csv.DictReader(_text(path).splitlines())
    try:
        yield from _cells(reader, path, columns)
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: expected a CSV file. Found {error}.") from error


def _cells(reader: csv.DictReader, path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, Mapping[str, str]]]:
    missing = [name for name in columns if name not in (reader.fieldnames or ())]
    if missing:
        raise DataError(f"{path}: expected the columns {', '.join(columns)}. Found {reader.fieldnames}.")
    for row in reader:
        if any(value is None for value in row.values()) or None in row:
            raise DataError(
                f"{path}, line {reader.line_num}: expected {len(reader.fieldnames or ())} cells. Found {row}."
            )
        yield reader.line_num, row


def splits(where: Path, what: str) -> dict[str, str]:
    """Name -> split from train.txt, val.txt and test.txt in `where`. DataError for a name in two of them."""
    home: dict[str, str] = {}
    for split in ("train", "val", "test"):
        path = where / f"{split}.txt"
        for number, line in lines(path, f"{what}, list of the split {split}"):
            name = inside(line, f"{path}, line {number}")
            if home.setdefault(name, split) != split:
                raise DataError(
                    f"{path}, line {number}: a video belongs to one split. Found {name} in {home[name]} too."
                )
    return home


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected UTF-8 text. Found {error}.") from error
    except OSError as error:
        raise MissingError(f"{path}: expected a readable file. Found {error}.") from error
