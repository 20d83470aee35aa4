"""results.json: one row for each thing that was measured. `record` puts rows in, `read` gives them back.

    name              what was measured, such as "step/auto_lambda" or "inference/ours"
    size              how much of it: images a step, frames, videos
    seconds           of one go, the median over repetitions
    peak_mb           largest resident memory of the process (on a GPU: allocated memory), 10^6 bytes
    gflop             floating-point operations of one go, 10^9
    matmul_share      gflop / seconds, as a share of the rate of large matrix products in the same run, 0 to 1
    ratio_to_released how many times as fast as the released way, of the same size and run
    machine           processor (model name, family and model number, logical cores) and number of threads

A field that has no meaning for a row is None. Further fields are allowed, such as

    rate, unit        how many of what a second
    exponent          b of seconds ~ size^b over the larger sizes; memory_exponent the same of the memory
    others, quiet     share of the processors that other processes took meanwhile, and whether that was next to nothing
    bytes             of one item on disk; items: how many there were
    date              day of the measurement, UTC (rows that were measured before this field existed have none)
"""

import fcntl
import json
import math
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from semdf.artifacts import read_json, write_json
from semdf.errors import DataError
from semdf.pipeline.machine import machine

__all__ = ["FIELDS", "RESULTS", "machine", "read", "record", "row"]

RESULTS = Path(__file__).parent / "results.json"

#: Name of a field -> the types its value may have.
FIELDS: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "size": (int,),
    "seconds": (int, float, type(None)),
    "peak_mb": (int, float, type(None)),
    "gflop": (int, float, type(None)),
    "matmul_share": (int, float, type(None)),
    "ratio_to_released": (int, float, type(None)),
    "machine": (str,),
}


def record(rows: Sequence[Mapping[str, object]], path: Path = RESULTS) -> None:
    """Put rows into the file, sorted: each replaces the row of its name and size. Several processes may do so at once.

    Raises:
        DataError: A row lacks one of `FIELDS`, or a value is of another type or not finite; nothing is written.
    """
    for row in rows:
        _check(row)
    path.parent.mkdir(parents=True, exist_ok=True)
    # the lock is on the folder, because the file is replaced by another one
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        kept = {(row["name"], row["size"]): row for row in (*read(path), *rows)}
        write_json([dict(kept[key]) for key in sorted(kept)], path)
    finally:
        os.close(folder)


def read(path: Path = RESULTS) -> list[dict]:
    """All rows, sorted by name and size; none if there is no file yet."""
    return read_json(path) if Path(path).is_file() else []


def row(name: str, size: int, threads: int = 1, **found: object) -> dict:
    """A row of what was found today; fields of FIELDS that are not in `found` are None. Seconds keep four digits."""
    made: dict[str, object] = dict.fromkeys(FIELDS)
    made.update(name=name, size=size, machine=machine(threads), date=datetime.now(UTC).date().isoformat())
    made.update(found)
    for field in ("seconds", "fastest"):
        value = made.get(field)
        if isinstance(value, float):
            made[field] = float(f"{value:.4g}")
    return made


def _check(row: Mapping[str, object]) -> None:
    name = row.get("name", "?")
    missing = [field for field in FIELDS if field not in row]
    if missing:
        raise DataError(f"row {name!r}: must have the fields {list(FIELDS)}, found none of the name {missing[0]!r}")
    for field, types in FIELDS.items():
        value = row[field]
        if not isinstance(value, types) or isinstance(value, bool):
            wanted = " or ".join("null" if t is type(None) else t.__name__ for t in types)
            raise DataError(f"row {name!r}: {field} must be {wanted}, found {value!r}")
    for field, value in row.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise DataError(f"row {name!r}: {field} must be finite, found {value!r}")
    try:
        json.dumps(dict(row))
    except TypeError as error:
        raise DataError(f"row {name!r}: every value must be JSON: {error}") from None
