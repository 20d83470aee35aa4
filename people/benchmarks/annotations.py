"""Exact annotations of a data set in one npz: landmarks, regions, forged pixels of every video or picture."""

import copy
import io
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from semdf.artifacts import atomic
from semdf.errors import DataError

__all__ = ["merge_annotations", "write_annotations"]


def write_annotations(path: Path, members: dict[str, np.ndarray]) -> None:
    """Write arrays as an npz for `numpy.load`; sorted members and fixed times keep the bytes stable.

    bzip2 instead of deflate: masks of neighbouring frames are nearly equal, which deflate's window misses.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_BZIP2) as archive:
        for name in sorted(members):
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(members[name]), allow_pickle=False)
            entry = zipfile.ZipInfo(name + ".npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_BZIP2
            archive.writestr(entry, buffer.getvalue())


def merge_annotations(path: Path, parts: list[Path]) -> None:
    """One npz of all members of `parts` (written by `write_annotations`), without compressing anything anew.

    The bytes are those that `write_annotations` would write of all members.

    Raises:
        DataError: a member is in two parts.
    """
    members: dict[str, _Member] = {}
    for part in parts:
        with zipfile.ZipFile(part) as archive:
            for entry in archive.infolist():
                if entry.filename in members:
                    raise DataError(f"annotations: a member must be in one part alone, found {entry.filename} twice")
                members[entry.filename] = _Member(entry, part)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as temporary, zipfile.ZipFile(temporary, "w") as merged:
        for name in sorted(members, key=lambda member: member.removesuffix(".npy")):
            _append(merged, members[name])


class _Member(NamedTuple):
    """An array in a part."""

    entry: zipfile.ZipInfo
    part: Path


def _append(archive: Any, member: _Member) -> None:
    """Copy a member's compressed bytes to the end of an open ZipFile, for which zipfile has no public call."""
    with member.part.open("rb") as file:
        file.seek(member.entry.header_offset + 26)  # lengths of name and extra field close the local header
        name_length = int.from_bytes(file.read(2), "little")
        extra_length = int.from_bytes(file.read(2), "little")
        file.seek(name_length + extra_length, 1)
        data = file.read(member.entry.compress_size)
    moved = copy.copy(member.entry)
    moved.header_offset = archive.fp.tell()
    archive.fp.write(moved.FileHeader(zip64=False))
    archive.fp.write(data)
    archive.filelist.append(moved)
    archive.NameToInfo[moved.filename] = moved
    archive.start_dir = archive.fp.tell()
    archive._didModify = True
