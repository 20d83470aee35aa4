"""Data set expansion: forgeries of the real crops of a manifest, to disk, with a manifest of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from semdf import __version__
from semdf.artifacts import checked, digest, writing
from semdf.errors import DataError, ParameterError
from semdf.extraction.pool import worker_pool
from semdf.forging.forge import Options, Portrait, forge, label_of
from semdf.forging.plan import Job, Parser, parsed, plan
from semdf.forging.presets import Preset, load
from semdf.storage.columns import FORGERY, FORGING_INPUT
from semdf.storage.journal import claim
from semdf.storage.manifest import EXPANSION, Piece, assemble, completed, part_of, written
from semdf.storage.paths import below, leaves
from semdf.storage.tars import encode_png, read_image

__all__ = ["EXTRA", "RECOMPRESSED", "Parser", "expand"]

#: Columns that an expanded manifest has after those of the manifest it comes from.
EXTRA = FORGERY

#: What expansion asks of a manifest.
NEEDED = FORGING_INPUT

#: The manipulation of compressed copies of real crops.
RECOMPRESSED = "recompressed"

#: Changes when equal settings make other bytes: finished shards of another number are void.
FORM = 2


def expand(
    manifest: pd.DataFrame,
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

    manifest, root: what `semdf.extraction.extract.extract` returned and the folder it wrote to.
    preset: a name, or what `semdf.forging.presets.choose` made.
    per_image: forgeries of a crop; their regions are drawn from the preset's without repetition, and from all of them
        again when none is left.
    recompress: lowest and highest JPEG quality, or empty for none. A quality is drawn for each crop and serves all
        its forgeries and a copy of the crop itself, which is then what they are paired with: compressing forgeries
        alone would be a trace of its own.
    parser: makes the region maps that the preset's masks need; without it they are those of the manifest.
    shard: (i, n), 0 <= i < n: every n-th picture from picture i on, into `out/shard-<i>-of-<n>/`, with its manifest;
        `manifest.join` puts them together. Donors are found among all crops, whichever the shard. A shard that
        was killed starts again, one that is complete is not made again.

    A forgery that could not be made keeps a row whose status says why. Equal arguments give equal bytes, whatever
    `workers`. The columns are the manifest's and `EXTRA`; `pristine` is the video of the crop that was altered.
    """
    preset = load(preset) if isinstance(preset, str) else preset
    if per_image < 1:
        raise ParameterError(f"per_image should be at least 1. Found {per_image}.")
    if len(recompress) and not (len(recompress) == 2 and 1 <= recompress[0] <= recompress[1] <= 100):
        raise ParameterError(f"recompress should be empty or a range within [1, 100]. Found {list(recompress)}.")
    checked(manifest, "manifest", dict.fromkeys((*NEEDED, *map(str, manifest.columns))))
    usable = manifest[manifest["status"] == "ok"].reset_index(drop=True)
    for sample, points in zip(usable["sample"], usable["landmarks"], strict=True):
        if len(points) not in (10, 136, 378):
            raise DataError(f"manifest, {sample}: expected 5, 68 or 189 landmarks. Found {len(points) / 2:g}.")
    for row in usable[usable["label"] == "real"][["manipulation", "video", "sample"]].to_dict("records"):
        if leaves(f"{_stem(row)}/0.png"):  # a tar cuts the name at a NUL, and the forgery would not be found again
            names = f"{row['manipulation']!r} and {row['video']!r}"
            raise DataError(f"manifest, {row['sample']!r}: manipulation and video should name a file. Found {names}.")
    if not (usable["label"] == "real").any():
        raise DataError('manifest: expected real crops (label "real", status "ok"). Found none.')
    if shard is not None and not 0 <= shard[0] < shard[1]:
        raise ParameterError(f"shard i/n should have 0 <= i < n. Found {shard[0]}/{shard[1]}.")
    root, out, columns = Path(root), Path(out), [*manifest.columns, *EXTRA]
    settings = preset, per_image, tuple(recompress), seed

    def pieces() -> Iterator[Piece]:
        jobs = parsed(plan(usable, root, *settings, shard or (0, 1)), root, preset, parser)
        return _forged([(job, root, preset.options) for job in jobs], workers)

    if shard is not None:
        if out.resolve() == root.resolve():  # whose manifest would be replaced when the shards are joined
            raise ParameterError(f"out should be another folder than that of the crops. Found {out}.")
        out, record = part_of(out, shard), _record(usable, root, *settings, parser, shard)
        with claim(out):
            found = completed(out, record, EXPANSION)
            return assemble(pieces(), columns, out, record, EXPANSION) if found is None else found
    made = pieces()
    if out.resolve() != root.resolve():
        with writing(out):  # an older manifest would take the new tars for its own if this run is interrupted
            (out / "manifest.parquet").unlink(missing_ok=True)
    return pd.DataFrame(written(made, out), columns=columns)


def _record(
    usable: pd.DataFrame, root: Path, preset: Preset, per_image: int, recompress: tuple[int, ...], seed: int,
    parser: Parser | None, shard: tuple[int, int],
) -> dict:  # fmt: skip
    """What a shard is made from; `table` is the same in all of them."""
    total = int((usable["label"] == "real").sum()) * (per_image + bool(recompress))
    common = [__version__, FORM, asdict(preset), per_image, recompress, seed, parser and parser.fingerprint()]
    rows = (json.dumps(row, default=_plain) for row in usable.to_dict("records"))
    stamps = [_stamp(root, tar) for tar in sorted(set(usable["shard"]))]
    videos = len(range(shard[0], total, shard[1]))
    return {"table": digest(common, *rows), "shard": list(shard), "videos": videos, "files": digest(stamps)}


def _plain(cell: object) -> object:
    return cell.tolist() if isinstance(cell, np.ndarray | np.generic) else str(cell)


def _stamp(root: Path, tar: str) -> list[int] | None:
    try:
        state = below(root, tar, "shard").stat()
    except OSError:  # not there, which matters only if it is read
        return None
    return [state.st_size, state.st_mtime_ns]


def _forged(tasks: list[tuple[Job, Path, Options]], workers: int) -> Iterator[Piece]:
    """What is written of each task, in their order."""
    with tqdm(total=len(tasks), desc="forgeries", unit="image", mininterval=1) as bar, ExitStack() as stack:
        made: Iterator[tuple[dict, dict[str, bytes]]]
        if workers == 1 or len(tasks) < 32:
            made = map(_make, tasks)
        else:
            made = stack.enter_context(worker_pool(workers)).map(_make, tasks, chunksize=16)
        for row, members in made:
            yield row, members, [row]
            bar.update()


def _make(task: tuple[Job, Path, Options]) -> tuple[dict, dict[str, bytes]]:
    job, root, options = task
    target, donor = job.target, job.donor
    name = f"{_stem(target)}/{target['frame']:04d}"
    blank = dict.fromkeys(("regions_member", "mask_member", "donor", "provenance"), "")
    if not job.region:
        member = f"{name}.png"
        image = _compress(read_image(root, target["shard"], target["member"]), job.quality)
        row = target | blank | _place(target, RECOMPRESSED, _stem(target)) | {"pristine": "", "member": member}
        return row | {"provenance": json.dumps({"quality": job.quality})}, {member: encode_png(image)}

    own = donor is not None and donor["sample"] == target["sample"]
    label, stem = label_of(job.region, own=own), _stem(target) + (f".{job.number + 1}" if job.number else "")
    row = target | blank | _place(target, f"expanded-{label}", stem) | {"label": label, "source": "", "member": ""}
    row["pristine"] = _place(target, RECOMPRESSED, _stem(target))["video"] if job.quality else target["video"]
    if donor is None:
        return row | {"status": "no donor of another person"}, {}
    row |= {"source": "" if own else donor["target"], "donor": donor["sample"]}
    faces = [_portrait(face, root, job.maps and job.maps[i]) for i, face in enumerate((target, donor))]
    try:
        made = forge(faces[0], faces[0] if own else faces[1], job.region, seed=job.seed, options=options)
    except (DataError, cv2.error, np.linalg.LinAlgError, ArithmeticError) as error:  # landmarks that are no face
        return row | {"status": f"not forged: {str(error).strip()}"}, {}
    member, mask = f"{stem}/{target['frame']:04d}.png", f"{stem}/{target['frame']:04d}.mask.png"
    members = {
        member: encode_png(_compress(made.image, job.quality)),
        mask: encode_png(np.round(made.mask * 255).astype(np.uint8)),
    }
    provenance = json.dumps(made.provenance | {"quality": job.quality}, sort_keys=True)
    return row | {"member": member, "mask_member": mask, "provenance": provenance}, members


def _place(target: dict, manipulation: str, stem: str) -> dict:
    """Manipulation, video and sample of a picture made from a target."""
    video = f"{target['dataset']}/{manipulation}/{stem}"
    return {"manipulation": manipulation, "video": video, "sample": f"{video}/{target['frame']:04d}"}


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
    if regions is None and row["regions_member"]:
        regions = read_image(root, row["shard"], row["regions_member"])
    points = np.asarray(row["landmarks"], dtype=float).reshape(-1, 2)
    return Portrait(read_image(root, row["shard"], row["member"]), points, regions, row["sample"])
