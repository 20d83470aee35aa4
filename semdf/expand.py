"""Data set expansion: forgeries of the real crops of a manifest, to disk, with a manifest of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol

import cv2
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from semdf.artifacts import checked, writing
from semdf.errors import DataError, ParameterError
from semdf.forge import Options, Portrait, forge, label_of
from semdf.pairing import Donors, skin_tone, stream
from semdf.paths import below
from semdf.presets import Preset, load
from semdf.shards import ShardWriter, encode_png, read_image

__all__ = ["EXTRA", "RECOMPRESSED", "Parser", "expand"]

#: Columns that an expanded manifest has after those of the manifest it comes from.
EXTRA = ("mask_member", "donor", "provenance")

#: What expansion asks of a manifest.
NEEDED = (
    *("dataset", "manipulation", "video", "label", "split", "target", "source", "frame", "sample", "shard", "member"),
    *("regions_member", "landmarks", "status"),
)

#: The manipulation of compressed copies of real crops.
RECOMPRESSED = "recompressed"

#: Crops that are parsed at once.
BATCH = 32


class Parser(Protocol):
    """Finds the regions of faces."""

    def parse(self, images: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        """Region maps `[H, W]` uint8 (`semdf.crops.REGION_BITS`) of crops `[H, W, 3]` uint8."""


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
) -> pd.DataFrame:
    """Forge regions of every real crop; write `out/<data set>/expanded-<label>.tar` and return its manifest.

    manifest, root: what `semdf.extract.extract` returned and the folder it wrote to.
    preset: a name, or what `semdf.presets.choose` made.
    per_image: forgeries of a crop; their regions are drawn from the preset's without repetition, and from all of them
        again when none is left.
    recompress: lowest and highest JPEG quality, or empty for none. A quality is drawn for each crop and serves all
        its forgeries and a copy of the crop itself, which is then what they are paired with: compressing forgeries
        alone would be a trace of its own.
    parser: makes the region maps that the preset's masks need; without it they are those of the manifest.

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
    if not (usable["label"] == "real").any():
        raise DataError('manifest: expected real crops (label "real", status "ok"). Found none.')
    plan = _plan(usable, Path(root), preset, per_image, seed, tuple(recompress))
    tasks = [(job, Path(root), preset.options) for job in _parsed(plan, Path(root), preset, parser)]
    rows = []
    if Path(out).resolve() != Path(root).resolve():
        with writing(out):  # an older manifest would take the new tars for its own if this run is interrupted
            (Path(out) / "manifest.parquet").unlink(missing_ok=True)
    with _Shards(Path(out)) as shards:
        for row, members in _forged(tasks, workers):
            shard = f"{row['dataset']}/{row['manipulation']}.tar"
            shards.add(shard, members)
            rows.append(row | {"shard": shard if members else ""})
    return pd.DataFrame(rows, columns=[*manifest.columns, *EXTRA])


class _Shards(ExitStack):
    """Tar files by name, opened when first written to."""

    def __init__(self, out: Path) -> None:
        super().__init__()
        self.out, self.open = out, {}

    def add(self, shard: str, members: dict[str, bytes]) -> None:
        if shard not in self.open:
            path = below(self.out, shard, "data set")
            for left in path.parent.glob(f"{path.name}.*.partial"):
                left.unlink()  # of a process that was killed
            self.open[shard] = self.enter_context(ShardWriter(path))
        for name, data in members.items():
            self.open[shard].add(name, data)


class Job(NamedTuple):
    """One picture to make. target, donor: rows of the manifest, donor None if there is none; region: "" for a copy.

    number: how often the region came before for this crop. quality: of the JPEG, 0 for none. maps: parsed regions.
    """

    target: dict
    donor: dict | None
    region: str
    number: int
    seed: list[int]
    quality: int
    maps: tuple[np.ndarray, np.ndarray] | None = None


def _plan(
    usable: pd.DataFrame, root: Path, preset: Preset, per_image: int, seed: int, recompress: tuple[int, ...]
) -> list[Job]:
    """Every picture, in the order in which they are written: by data set and region."""
    rows, plan = usable.to_dict("records"), []
    tones = np.array([_tone(row, root) for row in rows]) if preset.pairing in ("nearest", "pose") else None
    donors = Donors(usable, tones, preset.pairing, preset.source)
    for number in np.flatnonzero(usable["label"] == "real"):
        name = rows[number]["sample"]
        random = np.random.default_rng(stream(seed, name))
        drawn = [r for _ in range(-(-per_image // len(preset.regions))) for r in random.permutation(preset.regions)]
        quality = int(random.integers(recompress[0], recompress[1] + 1)) if recompress else 0
        if recompress:
            plan.append(Job(rows[number], None, "", 0, [], quality))
        names = sorted(str(region) for region in drawn[:per_image])
        for place, region in enumerate(names):
            donor, again = donors.draw(number, random), names[:place].count(region)
            own = stream(seed, name, region, *([str(again)] if again else []))
            plan.append(Job(rows[number], None if donor is None else rows[donor], region, again, own, quality))
    return sorted(plan, key=lambda job: (job.target["dataset"], job.region))


def _tone(row: dict, root: Path) -> np.ndarray:
    return skin_tone(read_image(root, row["shard"], row["member"]), np.reshape(row["landmarks"], (-1, 2)))


def _parsed(plan: list[Job], root: Path, preset: Preset, parser: Parser | None) -> list[Job]:
    """The plan with region maps, if the preset needs them and there is a parser."""
    if parser is None or preset.options.mask != "regions":
        return plan
    faces = {row["sample"]: row for job in plan if job.donor for row in (job.target, job.donor)}
    maps, names = {}, list(faces)
    for start in range(0, len(names), BATCH):
        some = names[start : start + BATCH]
        images = [read_image(root, faces[name]["shard"], faces[name]["member"]) for name in some]
        maps |= dict(zip(some, parser.parse(images), strict=True))
    return [j._replace(maps=(maps[j.target["sample"]], maps[j.donor["sample"]])) if j.donor else j for j in plan]


def _forged(tasks: list[tuple[Job, Path, Options]], workers: int) -> Iterator[tuple[dict, dict[str, bytes]]]:
    """Rows and members in the order of the tasks."""
    with tqdm(total=len(tasks), desc="forgeries", unit="image", mininterval=1) as bar, ExitStack() as stack:
        if workers == 1 or len(tasks) < 32:
            made = map(_make, tasks)
        else:
            start = {"mp_context": get_context("spawn"), "initializer": cv2.setNumThreads, "initargs": (1,)}
            made = stack.enter_context(ProcessPoolExecutor(workers, **start)).map(_make, tasks, chunksize=16)
        for item in made:
            yield item
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
    except (DataError, cv2.error, np.linalg.LinAlgError) as error:  # landmarks that are no face
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
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


def _stem(row: dict) -> str:
    """The stem of the video; where originals of several folders meet in one shard, with the folder's name."""
    stem = PurePosixPath(row["video"]).name
    return stem if row["manipulation"] == "original" else f"{row['manipulation']}-{stem}"


def _portrait(row: dict, root: Path, regions: np.ndarray | None = None) -> Portrait:
    if regions is None and row["regions_member"]:
        regions = read_image(root, row["shard"], row["regions_member"])
    points = np.asarray(row["landmarks"], dtype=float).reshape(-1, 2)
    return Portrait(read_image(root, row["shard"], row["member"]), points, regions, row["sample"])
