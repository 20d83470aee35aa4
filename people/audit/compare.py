"""Are these the data that are shipped? `python -m people.audit.compare data scratch/shipped`

Parameters, lists, captions and landmarks do not depend on the processor. Pixels do: they come out of matrix products,
whose last bit is that of the kernel which a library chooses for the processor, and a codec makes grey levels of it; so
do the edges of masks, by a few pixels. docs/data.md says by how much.
"""

import io
import tarfile
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import click
import numpy as np
import pandas as pd
from tqdm import tqdm

from semdf.errors import MissingError
from semdf.extraction.video import read_frames
from semdf.storage.tars import decode_image

__all__ = ["MOST", "compare"]

PICTURES = {".jpg", ".jpeg", ".png", ".mp4"}
#: Mean absolute difference of a picture, in grey levels of 255, up to which it shows the same scene (ours): another
#: processor changes single hairs and some noise of the codec, other parameters change tens of levels.
MOST = 8.0
FEW = 0.005  # share of a mask's or a map's pixels that rounding may move


def compare(made: Path, shipped: Path) -> pd.DataFrame:
    """What differs between two folders of rendered data, a row for each of their subfolders.

    Returns:
        folder, files, equal (files with equal bytes), other (names of files that are missing, surplus or, not being
        pictures, of other content), difference and largest (mean and largest over pictures of their mean absolute
        difference, grey levels of 255; pictures of equal bytes count as 0).

    Raises:
        MissingError: one of the folders is not there.
    """
    for folder in (made, shipped):
        if not folder.is_dir():
            raise MissingError(f"{folder}: a folder of rendered data expected, found none")
    files = [{p.relative_to(root) for p in root.rglob("*") if p.is_file()} for root in (made, shipped)]
    rows = [(path, *_judge(made / path, shipped / path)) for path in tqdm(sorted(files[0] & files[1]), mininterval=5)]
    rows += [(path, False, "missing or surplus", [np.inf]) for path in sorted(files[0] ^ files[1])]
    table = pd.DataFrame(rows, columns=["path", "equal", "other", "difference"])
    table["folder"] = [path.parts[0] if len(path.parts) > 1 else "." for path in table["path"]]
    return pd.DataFrame([_row(folder, part) for folder, part in table.groupby("folder")])


def _row(folder: str, part: pd.DataFrame) -> dict:
    apart = np.concatenate([[], *part["difference"]])
    return {
        "folder": folder,
        "files": len(part),
        "equal": int(part["equal"].sum()),
        "other": ", ".join(f"{p} ({why})" for p, why in zip(part["path"], part["other"], strict=True) if why),
        "difference": float(apart.mean()) if len(apart) else np.nan,
        "largest": float(apart.max()) if len(apart) else np.nan,
    }


def _judge(made: Path, shipped: Path) -> tuple[bool, str, list[float]]:
    """Equal bytes? What else is other, and the difference of every picture in the file."""
    suffix = made.suffix.lower()
    equal = made.read_bytes() == shipped.read_bytes()
    if suffix in PICTURES:
        return (True, "", [0.0]) if equal else (False, *_apart(*(_frames(path) for path in (made, shipped))))
    if equal:
        return True, "", []
    if suffix == ".tar":
        return False, *_archives(made, shipped)
    return False, "" if suffix == ".npz" and _same_arrays(made, shipped) else "other content", []


def _frames(path: Path) -> np.ndarray:
    images = read_frames(path, 10**6).images
    return np.stack(images) if images else np.zeros(0)


def _apart(a: np.ndarray, b: np.ndarray) -> tuple[str, list[float]]:
    if a.shape != b.shape or not a.size:
        return f"{list(a.shape)} instead of {list(b.shape)}", [np.inf]
    return "", [float(np.abs(a.astype(np.int16) - b).mean())]


def _archives(made: Path, shipped: Path) -> tuple[str, list[float]]:
    """Members as pictures; names and order must be equal, and maps of regions."""
    apart, other = [], []
    for (name, a), (same, b) in zip_longest(_members(made), _members(shipped), fillvalue=("missing or surplus", b"")):
        if name != same or (name.endswith(".regions.png") and a != b):
            other.append(name)
        elif not name.endswith(".regions.png"):
            apart += [0.0] if a == b else _apart(decode_image(a, name), decode_image(b, same))[1]
    return ", ".join(other[:3]), apart


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path) as archive:
        for member in archive:
            if stream := archive.extractfile(member):
                yield member.name, stream.read()


def _same_arrays(made: Path, shipped: Path) -> bool:
    a, b = (np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) for path in (made, shipped))
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
