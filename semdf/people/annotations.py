"""Exact annotations of a data set in one npz: landmarks, regions, forged pixels of every video."""

import io
import zipfile
from pathlib import Path

import numpy as np

from semdf.people.files import replace_file

__all__ = ["write_annotations"]


def write_annotations(path: Path, members: dict[str, np.ndarray]) -> None:
    """Write arrays as an npz for `numpy.load`; sorted members and fixed times keep the bytes stable.

    bzip2 instead of deflate: masks of neighbouring frames are nearly equal, which deflate's window misses.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_BZIP2) as archive:
        for name in sorted(members):
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(members[name]), allow_pickle=False)
            entry = zipfile.ZipInfo(name + ".npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_BZIP2
            archive.writestr(entry, buffer.getvalue())
