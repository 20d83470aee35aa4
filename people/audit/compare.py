"""Rendered data beside those that are shipped: `python -m people.audit.compare data scratch/shipped`.

Lists, captions and landmarks do not depend on the processor, nor do parameters, but for the last bit of a person's
melanin. Pixels do: they come out of matrix products, whose last bit is that of the kernel which a library chooses for
the processor, and a codec makes grey levels of it; so do the edges of masks, by a few pixels. docs/data.md says by how
much.
"""

import io
import tarfile
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import pandas as pd
from tqdm import tqdm

from semdf.errors import MissingError
from semdf.extraction.video import read_frames
from semdf.storage.tars import decode_image

__all__ = ["FEW", "MOST", "compare"]

PICTURES = {".jpg", ".jpeg", ".png", ".mp4"}
#: Mean absolute difference of a picture, in grey levels of 255, up to which it shows the same scene (ours): another
#: processor changes single hairs and some noise of the codec, other parameters change tens of levels.
MOST = 8.0
FEW = 0.005  # share of a mask's or a map's pixels that rounding may move
ROUNDING = 1e-12  # of the numbers in a table, as a share of them


def compare(made: Path, shipped: Path) -> pd.DataFrame:
    """What differs between two folders of rendered data.

    Returns:
        A row for each of their subfolders. Columns: `folder`; `files`, their number; `equal`, how many have equal
        bytes; `other`, names of files that are missing, surplus or, not being pictures, of other content;
        `difference` and `largest`, mean and largest over pictures of their mean absolute difference, grey levels of
        255 (pictures of equal bytes count as 0).

    Raises:
        MissingError: one of the folders is not there.
    """
    for folder in (made, shipped):
        if not folder.is_dir():
            raise MissingError(f"{folder}: must be a folder of rendered data, found none")
    mine = _files(made)
    theirs = _files(shipped)
    judged = {path: _judge(made / path, shipped / path) for path in tqdm(sorted(mine & theirs), mininterval=5)}
    judged.update({path: Judgement(False, "missing or surplus", [np.inf]) for path in sorted(mine ^ theirs)})
    table = pd.DataFrame(judged.values(), columns=Judgement._fields)
    table.insert(0, "path", list(judged))
    table["folder"] = [path.parts[0] if len(path.parts) > 1 else "." for path in judged]
    return pd.DataFrame([_row(folder, part) for folder, part in table.groupby("folder")])


def _files(root: Path) -> set[Path]:
    """All files below a folder, relative to it."""
    return {path.relative_to(root) for path in root.rglob("*") if path.is_file()}


class Judgement(NamedTuple):
    """One file beside another."""

    equal: bool  # whether their bytes are
    other: str  # why the content is another, "" where it is not
    difference: list[float]  # mean absolute difference of every picture in them, grey levels of 255


def _row(folder: str, part: pd.DataFrame) -> dict[str, Any]:
    """A row of `compare`."""
    apart = np.concatenate([[], *part["difference"]])
    return {
        "folder": folder,
        "files": len(part),
        "equal": int(part["equal"].sum()),
        "other": ", ".join(f"{p} ({why})" for p, why in zip(part["path"], part["other"], strict=True) if why),
        "difference": float(apart.mean()) if len(apart) else np.nan,
        "largest": float(apart.max()) if len(apart) else np.nan,
    }


def _judge(made: Path, shipped: Path) -> Judgement:
    """Judge by bytes, else by what the file's ending says is in it."""
    suffix = made.suffix.lower()
    if made.read_bytes() == shipped.read_bytes():
        return Judgement(True, "", [0.0] if suffix in PICTURES else [])
    if suffix in PICTURES:
        return _apart(_frames(made), _frames(shipped))
    if suffix == ".tar":
        return _archives(made, shipped)
    alike = {".npz": _same_arrays, ".parquet": _same_tables}
    same = suffix in alike and alike[suffix](made, shipped)
    return Judgement(False, "" if same else "other content", [])


def _frames(path: Path) -> np.ndarray:
    """All pictures in a file `[T, H, W, 3] uint8`."""
    images = read_frames(path, 10**6).images
    return np.stack(images) if images else np.zeros(0)


def _apart(a: np.ndarray, b: np.ndarray) -> Judgement:
    """Pictures of other bytes."""
    if a.shape != b.shape or not a.size:
        return Judgement(False, f"{list(a.shape)} instead of {list(b.shape)}", [np.inf])
    return Judgement(False, "", [float(np.abs(a.astype(np.int16) - b).mean())])


def _archives(made: Path, shipped: Path) -> Judgement:
    """Members as pictures; names and order must be equal, and maps of regions."""
    apart: list[float] = []
    other: list[str] = []
    none = _Member("missing or surplus", b"")
    for mine, theirs in zip_longest(_members(made), _members(shipped), fillvalue=none):
        regions = mine.name.endswith(".regions.png")
        if mine.name != theirs.name or (regions and mine.data != theirs.data):
            other.append(mine.name)
        elif mine.data == theirs.data and not regions:
            apart.append(0.0)
        elif not regions:
            apart += _apart(decode_image(mine.data, mine.name), decode_image(theirs.data, theirs.name)).difference
    return Judgement(False, ", ".join(other[:3]), apart)


class _Member(NamedTuple):
    """A file in an archive."""

    name: str
    data: bytes


def _members(path: Path) -> Iterator[_Member]:
    """The files in an archive."""
    with tarfile.open(path) as archive:
        for member in archive:
            if stream := archive.extractfile(member):
                yield _Member(member.name, stream.read())


def _same_tables(made: Path, shipped: Path) -> bool:
    """Equal columns, types and rows; of numbers the last bits may be other ones."""
    try:
        pd.testing.assert_frame_equal(
            pd.read_parquet(made), pd.read_parquet(shipped), check_exact=False, rtol=ROUNDING, atol=0
        )
    except AssertionError:
        return False
    return True


def _same_arrays(made: Path, shipped: Path) -> bool:
    """Equal names, and arrays that `_same` takes for equal."""
    a = np.load(io.BytesIO(made.read_bytes()), allow_pickle=False)
    b = np.load(io.BytesIO(shipped.read_bytes()), allow_pickle=False)
    return a.files == b.files and all(_same(name, a[name], b[name]) for name in a.files)


def _same(name: str, a: np.ndarray, b: np.ndarray) -> bool:
    """Landmarks to the bit; where a map or mask of a forgery ends is decided by pixels, so a few may be other ones."""
    if a.shape == b.shape and name.endswith(("/forged", "/regions")):
        return float((a != b).mean()) < FEW
    return np.array_equal(a, b)


@click.command()
@click.argument("made", type=click.Path(path_type=Path))
@click.argument("shipped", type=click.Path(path_type=Path))
def main(made: Path, shipped: Path) -> None:
    """Compare rendered data with those that are shipped; fails where more than rounding differs."""
    table = compare(made, shipped)
    click.echo(table.drop(columns="other").round(3).to_string(index=False))
    if wrong := [text for text in table["other"] if text]:
        raise click.ClickException(f"other content: {'; '.join(wrong)[:1000]}")
    if (table["largest"] > MOST).any():
        raise click.ClickException(f"a picture differs by {table['largest'].max():.1f} grey levels, at most {MOST}")
    click.echo(
        "equal bytes" if (table["equal"] == table["files"]).all() else "the same scenes, other rounding of pixels"
    )


if __name__ == "__main__":
    main()
