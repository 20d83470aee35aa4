"""Data set expansion: forgeries of the real crops of a manifest, to disk, with a manifest of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from semdf import __version__
from semdf.artifacts import digest, digest_all, writing
from semdf.errors import DataError, ParameterError
from semdf.extraction.pool import worker_pool
from semdf.forging.colour import sharpen
from semdf.forging.crops import Crops, gather
from semdf.forging.forge import Options, Portrait, forge, label_of
from semdf.forging.plan import Job, Parser, Recipe, View, parsed, plan
from semdf.forging.presets import Preset, load
from semdf.storage.columns import FORGERY
from semdf.storage.journal import claim
from semdf.storage.manifest import EXPANSION, Piece, assemble, completed, part_of, written
from semdf.storage.paths import below, leaves
from semdf.storage.tars import encode_png, read_image

__all__ = ["EXTRA", "RECOMPRESSED", "Parser", "expand"]

#: Columns that an expanded manifest has after those of the manifest it comes from.
EXTRA = FORGERY

#: The manipulation of compressed copies of real crops.
RECOMPRESSED = "recompressed"

#: Changes when equal settings make other bytes: finished shards of another number are void.
FORM = 2

#: Fewer pictures are made without other processes, which take longer to start (ours).
FEWEST = 32


class _Task(NamedTuple):
    """What a process needs to make one picture: the job, the folder of the crops, and how regions are replaced."""

    job: Job
    root: Path
    options: Options


def expand(
    manifest: pd.DataFrame | Path,
    root: Path,
    out: Path,
    *,
    preset: Preset | str = "sjedd",
    per_image: int = 1,
    recompress: Sequence[int] = (),
    seed: int = 0,
    parser: Parser | None = None,
    workers: int = 1,
    shard: tuple[int, int] | None = None,
) -> pd.DataFrame:
    """Forge regions of every real crop; write `out/<data set>/expanded-<label>.tar` and return its manifest.

    A forgery that could not be made keeps a row whose status says why. Equal arguments give equal bytes, whatever
    `workers`. The columns are the manifest's and `EXTRA`; `pristine` is the video of the crop that was altered.

    Args:
        manifest: What `semdf.extraction.extract.extract` returned, or the file: then no process holds the landmarks of
            all crops, but only those of possible donors and of the crops that it forges.
        root: The folder that it wrote to.
        out: The folder to write to.
        preset: A name, or what `semdf.forging.presets.choose` made.
        per_image: Forgeries of a crop. Their regions are drawn from the preset's without repetition, and from all of
            them again when none is left.
        recompress: Lowest and highest JPEG quality, or empty for none. A quality is drawn for each crop and serves all
            its forgeries and a copy of the crop itself, which is then what they are paired with: compressing forgeries
            alone would be a trace of its own.
        seed: Of everything random.
        parser: Makes the region maps that the preset's masks need; without it they are those of the manifest.
        workers: Processes that forge.
        shard: (i, n), 0 <= i < n: every n-th picture from picture i on, into `out/shard-<i>-of-<n>/`, with its
            manifest; `manifest.join` puts them together. Donors are found among all crops, whichever the shard. A
            shard that was killed starts again, one that is complete is not made again.

    Raises:
        ParameterError: A setting out of range.
        DataError: The manifest lacks what is needed, or has no real crop.
    """
    preset = load(preset) if isinstance(preset, str) else preset
    recipe = Recipe(preset, per_image, tuple(recompress), seed)
    crops = _usable(manifest)
    columns = [*crops.columns, *EXTRA]
    root = Path(root)
    out = Path(out)

    def pieces(part: tuple[int, int]) -> Iterator[Piece]:
        jobs = parsed(plan(crops, root, recipe, part), root, preset, parser)
        return _forged([_Task(job, root, preset.options) for job in jobs], workers)

    if shard is None:
        made = pieces((0, 1))
        if out.resolve() != root.resolve():
            with writing(out):  # an older manifest would take the new tars for its own if this run is interrupted
                (out / "manifest.parquet").unlink(missing_ok=True)
        return pd.DataFrame(written(made, out), columns=columns)

    if not 0 <= shard[0] < shard[1]:
        raise ParameterError(f"shard i/n must have 0 <= i < n, found {shard[0]}/{shard[1]}")
    if out.resolve() == root.resolve():  # joining the shards would replace the manifest of the crops
        raise ParameterError(f"out must be another folder than that of the crops, found {out}")
    folder = part_of(out, shard)
    record = _record(crops, root, recipe, parser, shard)
    with claim(folder):
        found = completed(folder, record, EXPANSION)
        return assemble(pieces(shard), columns, folder, record, EXPANSION) if found is None else found


def _usable(manifest: pd.DataFrame | Path) -> Crops:
    """The rows of the manifest that have a crop.

    Raises:
        DataError: A column is missing, some row cannot be used, or no crop is real.
    """
    crops = gather(manifest)
    real = crops.rows[crops.rows["label"] == "real"]
    for row in real[["manipulation", "video", "sample"]].to_dict("records"):
        if leaves(f"{_stem(row)}/0.png"):  # a tar cuts the name at a NUL, and the forgery would not be found again
            names = f"{row['manipulation']!r} and {row['video']!r}"
            raise DataError(f"manifest, {row['sample']!r}: manipulation and video must name a file, found {names}")
    if real.empty:
        raise DataError('manifest: must have real crops (label "real", status "ok"), found none')
    return crops


def _record(crops: Crops, root: Path, recipe: Recipe, parser: Parser | None, shard: tuple[int, int]) -> dict:
    """What a shard is made from; `table` is the same in all of them."""
    first, step = shard
    settings = [
        __version__,
        FORM,
        asdict(recipe.preset),
        recipe.per_image,
        recipe.recompress,
        recipe.seed,
        parser.fingerprint() if parser else parser,
    ]
    rows = (json.dumps(row, default=_plain) for row in crops)
    pictures = int((crops.rows["label"] == "real").sum()) * recipe.pictures
    stamps = [_stamp(root, tar) for tar in sorted(set(crops.rows["shard"]))]
    return {
        "table": digest_all(chain([settings], rows)),
        "shard": list(shard),
        "videos": len(range(first, pictures, step)),
        "files": digest(stamps),
    }


def _plain(cell: object) -> object:
    return cell.tolist() if isinstance(cell, np.ndarray | np.generic) else str(cell)


def _stamp(root: Path, tar: str) -> list[int] | None:
    try:
        state = below(root, tar, "shard").stat()
    except OSError:  # not there, which matters only if it is read
        return None
    return [state.st_size, state.st_mtime_ns]


def _forged(tasks: list[_Task], workers: int) -> Iterator[Piece]:
    """What is written of each task, in their order."""
    with tqdm(total=len(tasks), desc="forgeries", unit="image", mininterval=1) as bar, ExitStack() as stack:
        made: Iterator[tuple[dict, dict[str, bytes]]]
        if workers == 1 or len(tasks) < FEWEST:
            made = map(_make, tasks)
        else:
            pool = stack.enter_context(worker_pool(workers))
            made = pool.map(_make, tasks, chunksize=16)
        for row, members in made:
            yield Piece(row, members, [row])
            bar.update()


def _make(task: _Task) -> tuple[dict, dict[str, bytes]]:
    """The row of a picture, and its files by their names."""
    if task.job.region:
        return _forgery(task.job, task.root, task.options)
    return _copy(task.job, task.root)


def _copy(job: Job, root: Path) -> tuple[dict, dict[str, bytes]]:
    """The copy of a real crop that is stored as its forgeries are."""
    target = job.target
    stem = _stem(target)
    member = f"{stem}/{target['frame']:04d}.png"
    view = job.view or View()
    face = _smaller(_portrait(target, root), view)
    row = _row(target, RECOMPRESSED, stem)
    row["pristine"] = ""
    row["member"] = member
    row["provenance"] = json.dumps(_story(view))
    return row, {member: encode_png(_stored(face.image, view, read_image(root, target["shard"], target["member"])))}


def _forgery(job: Job, root: Path, options: Options) -> tuple[dict, dict[str, bytes]]:
    """The forgery of a real crop; without files where it cannot be made, and the status says why."""
    target = job.target
    donor = job.donor
    own = donor is not None and donor["sample"] == target["sample"]
    label = label_of(job.region, own=own)
    stem = _stem(target)
    if job.number:
        stem = f"{stem}.{job.number + 1}"
    row = _row(target, f"expanded-{label}", stem)
    row["label"] = label
    row["source"] = ""
    row["pristine"] = target["video"]
    if job.view:  # the pristine face is the copy, stored alike
        row["pristine"] = _video(target, RECOMPRESSED, _stem(target))
    if donor is None:
        row["status"] = "no donor of another person"
        return row, {}
    row["source"] = "" if own else donor["target"]
    row["donor"] = donor["sample"]
    face = _portrait(target, root, job.maps.target if job.maps else None)
    giver = face if own else _portrait(donor, root, job.maps.donor if job.maps else None)
    view = job.view or View()
    whole = face.image
    face = _smaller(face, view)
    giver = face if own else _smaller(giver, view)
    try:
        made = forge(face, giver, job.region, seed=job.seed, options=options)
    except (DataError, cv2.error, np.linalg.LinAlgError, ArithmeticError) as error:  # landmarks that are no face
        row["status"] = f"not forged: {str(error).strip()}"
        return row, {}
    row["member"] = f"{stem}/{target['frame']:04d}.png"
    row["mask_member"] = f"{stem}/{target['frame']:04d}.mask.png"
    row["provenance"] = json.dumps(made.provenance | _story(view), sort_keys=True)
    mask: np.ndarray = np.round(made.mask * 255).astype(np.uint8)
    if mask.shape != whole.shape[:2]:
        mask = cv2.resize(mask, whole.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    members = {
        row["member"]: encode_png(_stored(made.image, view, whole)),
        row["mask_member"]: encode_png(mask),
    }
    return row, members


def _story(view: View) -> dict:
    """What the provenance says of the way in which a picture is stored."""
    if view.factor == 1 and not view.first:
        return {"quality": view.second}
    return {
        "quality": view.second,
        "first_quality": view.first,
        "resolution": view.factor,
        "sharpness": view.sharpness,
    }


def _smaller(face: Portrait, view: View) -> Portrait:
    """The face at the resolution at which it is forged; sides are even."""
    if view.factor == 1:
        return face
    height, width = face.image.shape[:2]
    size = (2 * max(round(width * view.factor / 2), 1), 2 * max(round(height * view.factor / 2), 1))
    image = cv2.resize(face.image, size, interpolation=cv2.INTER_AREA)
    regions = None if face.regions is None else cv2.resize(face.regions, size, interpolation=cv2.INTER_NEAREST)
    return Portrait(image, np.asarray(face.landmarks) * (size[0] / width, size[1] / height), regions, face.key)


def _stored(image: np.ndarray, view: View, whole: np.ndarray) -> np.ndarray:
    """The picture compressed, brought to the size of the whole crop, sharpened, and compressed again."""
    image = _compress(image, view.first)
    if image.shape != whole.shape:
        image = cv2.resize(image, whole.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    if view.sharpness:
        image = np.clip(np.round(sharpen(image.astype(np.float32), view.sharpness)), 0, 255).astype(np.uint8)
    return _compress(image, view.second)


def _row(target: dict, manipulation: str, stem: str) -> dict:
    """The row of a picture that is made from a target, not yet with its files."""
    row = dict(target)
    row["manipulation"] = manipulation
    row["video"] = _video(target, manipulation, stem)
    row["sample"] = f"{row['video']}/{target['frame']:04d}"
    for column in ("member", "regions_member", *EXTRA):
        row[column] = ""
    return row


def _video(target: dict, manipulation: str, stem: str) -> str:
    """The key of the video that a picture made from a target belongs to."""
    return f"{target['dataset']}/{manipulation}/{stem}"


def _compress(image: np.ndarray, quality: int) -> np.ndarray:
    """The image after JPEG compression (4:2:0); quality 0 leaves it."""
    if not quality:
        return image
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])
    bgr = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert bgr is not None, "it was encoded here"
    return np.ascontiguousarray(bgr[..., ::-1])


def _stem(row: dict) -> str:
    """The stem of the video; where originals of several folders meet in one shard, with the folder's name."""
    stem = PurePosixPath(row["video"]).name
    return stem if row["manipulation"] == "original" else f"{row['manipulation']}-{stem}"


def _portrait(row: dict, root: Path, regions: np.ndarray | None = None) -> Portrait:
    """The crop of a row, with its parsed regions or those of the manifest, if there are any."""
    if regions is None and row["regions_member"]:
        regions = read_image(root, row["shard"], row["regions_member"])
    points = np.asarray(row["landmarks"], dtype=float).reshape(-1, 2)
    return Portrait(read_image(root, row["shard"], row["member"]), points, regions, row["sample"])
