"""Data set expansion: local-region forgeries of the real crops of a manifest, with a manifest of their
own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from semdf.errors import DataError, ParameterError
from semdf.forge import Options, Portrait, forge
from semdf.masks import REGIONS
from semdf.pairing import Donors, skin_tone, stream
from semdf.shards import ShardWriter, encode_png, read_image

__all__ = ["EXTRA", "expand"]

#: Columns that an expanded manifest has after those of the manifest it comes from.
EXTRA = ("mask_member", "donor", "provenance")


def expand(
    manifest: pd.DataFrame,
    root: Path,
    out: Path,
    *,
    regions: Sequence[str] = REGIONS,
    per_image: int = 1,
    seed: int = 0,
    options: Options | None = None,
    pairing: str = "nearest",
    source: str = "real",
    workers: int = 1,
) -> pd.DataFrame:
    """Forge regions of every real crop; write `out/<data set>/expanded-<region>.tar` and return its manifest.

    manifest, root: what `semdf.extract.extract` returned and the folder it wrote to.
    regions: drawn from without repetition, `per_image` a crop. pairing, source: see `semdf.pairing.Donors`.
    A forgery that could not be made keeps a row whose status says why. Equal arguments give equal bytes,
    whatever `workers`. The columns are the manifest's and `EXTRA`; `pristine` is the video of the crop that
    was altered.
    """
    unknown = [region for region in regions if region not in REGIONS]
    if unknown or not regions or len(set(regions)) < len(regions):
        raise ParameterError(f"regions should be different ones of {', '.join(REGIONS)}. Found {list(regions)}.")
    if not 1 <= per_image <= len(regions):
        raise ParameterError(f"per_image should lie in 1 ... {len(regions)}, the number of regions. Found {per_image}.")
    usable = manifest[manifest["status"] == "ok"].reset_index(drop=True)
    if not (usable["label"] == "real").any():
        raise DataError('manifest: expected real crops (label "real", status "ok"). Found none.')
    tones = _tones(usable, Path(root)) if pairing == "nearest" else None
    plan = _plan(usable, Donors(usable, tones, pairing, source), list(regions), per_image, seed)
    tasks = [(job, Path(root), options or Options()) for job in plan]
    rows = []
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
            self.open[shard] = self.enter_context(ShardWriter(self.out / shard))
        for name, data in members.items():
            self.open[shard].add(name, data)


class Job(NamedTuple):
    """One forgery to make. target, donor: rows of the manifest, donor None if there is none."""

    target: dict
    donor: dict | None
    region: str
    seed: list[int]


def _plan(usable: pd.DataFrame, donors: Donors, regions: list[str], per_image: int, seed: int) -> list[Job]:
    """Every forgery, in the order in which they are written: by data set and region."""
    plan = []
    rows = usable.to_dict("records")
    for number in np.flatnonzero(usable["label"] == "real"):
        name = rows[number]["sample"]
        random = np.random.default_rng(stream(seed, name))
        for region in sorted(random.choice(regions, per_image, replace=False).tolist()):
            donor = donors.draw(number, random)
            job = Job(rows[number], None if donor is None else rows[donor], region, stream(seed, name, region))
            plan.append(job)
    return sorted(plan, key=lambda job: (job.target["dataset"], job.region))


def _tones(usable: pd.DataFrame, root: Path) -> np.ndarray:
    rows = usable[["shard", "member", "landmarks"]].itertuples(index=False)
    return np.array([skin_tone(read_image(root, shard, name), np.reshape(p, (-1, 2))) for shard, name, p in rows])


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
    (target, donor, region, seed), root, options = task
    manipulation, stem = f"expanded-{region}", _stem(target)
    video = f"{target['dataset']}/{manipulation}/{stem}"
    row = target | {
        "manipulation": manipulation,
        "video": video,
        "label": region,
        "pristine": target["video"],
        "source": "",
        "sample": f"{video}/{target['frame']:04d}",
        "status": "no donor of another person",
    }
    row |= dict.fromkeys(("member", "regions_member", *EXTRA), "")
    if donor is None:
        return row, {}
    row |= {"source": donor["target"], "donor": donor["sample"]}
    try:
        made = forge(_portrait(target, root), _portrait(donor, root), region, seed=seed, options=options)
    except DataError as error:
        return row | {"status": f"not forged: {error}"}, {}
    name = f"{stem}/{target['frame']:04d}"
    members = {
        f"{name}.png": encode_png(made.image),
        f"{name}.mask.png": encode_png(np.round(made.mask * 255).astype(np.uint8)),
    }
    provenance = json.dumps(made.provenance | {"options": asdict(options)}, sort_keys=True)
    member, mask = members
    return row | {"member": member, "mask_member": mask, "provenance": provenance, "status": "ok"}, members


def _stem(row: dict) -> str:
    """The stem of the video; where originals of several folders meet in one shard, with the folder's name."""
    stem = PurePosixPath(row["video"]).name
    return stem if row["manipulation"] == "original" else f"{row['manipulation']}-{stem}"


def _portrait(row: dict, root: Path) -> Portrait:
    regions = read_image(root, row["shard"], row["regions_member"]) if row["regions_member"] else None
    points = np.asarray(row["landmarks"], dtype=float).reshape(-1, 2)
    return Portrait(read_image(root, row["shard"], row["member"]), points, regions, row["sample"])
