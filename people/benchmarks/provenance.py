"""Which person, parameters, forging family and seed made every item: the rows of data/provenance.parquet."""

import json
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from people.benchmarks.domains import DOMAINS, Codec
from people.benchmarks.plan import Forgery, Job
from people.body.parameters import Scene
from people.forging.forgeries import Settings
from people.forging.methods import METHODS
from people.scenes.motion import Clip
from semdf.artifacts import atomic
from semdf.storage.columns import PROVENANCE

__all__ = ["COLUMNS", "describe_forgery", "describe_pristine", "write_provenance"]

#: One row an item; `semdf.storage.columns` says what each column means.
COLUMNS = tuple(PROVENANCE)


def describe_pristine(job: Job, target: Clip, codec: Codec) -> dict[str, Any]:
    """The row of a job's pristine item."""
    row = _common(job, target.scene(0), codec)
    row["path"] = f"{job.dataset}/{job.path}"
    row["manipulation"] = ""
    row["fake"] = False
    return row


def describe_forgery(job: Job, forgery: Forgery, donor: Scene, settings: Settings, codec: Codec) -> dict[str, Any]:
    """The row of one forged item."""
    recipe = METHODS[forgery.method]
    row = _common(job, donor, codec)
    row["source"] = f"{forgery.domain}/{forgery.identity}/{forgery.clip}"
    row["donor"] = recipe.donor
    row["trace"] = recipe.trace
    row["area"] = recipe.area
    row["blend"] = "" if recipe.area == "whole" else recipe.blend
    row["settings"] = _text(settings)
    row["path"] = f"{job.dataset}/{forgery.path}"
    row["manipulation"] = forgery.method
    row["fake"] = True
    return row


def _common(job: Job, scene: Scene, codec: Codec) -> dict[str, Any]:
    """What every item has; the columns of forgeries are empty."""
    person = scene.person
    rest = {name: getattr(scene, name) for name in vars(scene) if name != "person"}
    stored = {name: value for name, value in asdict(codec).items() if name in _used(job.domain)}
    return {
        "dataset": job.dataset,
        "target": f"{job.domain}/{job.identity}/{job.clip}",
        "source": "",
        "seed": job.seed,
        "donor": "",
        "trace": "",
        "area": "",
        "blend": "",
        "settings": "",
        "codec": _text(stored),
        "age": round(person.age, 4),
        "gender": round(person.gender, 4),
        "melanin": round(person.melanin, 4),
        "person": _text(person),
        "scene": _text(rest),
    }


def _used(domain: str) -> tuple[str, ...]:
    """The fields of `Codec` that a domain's items depend on."""
    return ("quality", "chroma", "edge") if DOMAINS[domain].still else ("crf",)


def _text(thing: object) -> str:
    """JSON with numbers rounded to four digits."""
    return json.dumps(_plain(thing), sort_keys=True, separators=(",", ":"))


def _plain(thing: object) -> object:
    """Nested dictionaries, lists and rounded numbers."""
    if is_dataclass(thing):
        return _plain({name: getattr(thing, name) for name in vars(thing)})
    if isinstance(thing, dict):
        return {name: _plain(value) for name, value in thing.items()}
    if isinstance(thing, (list, tuple, np.ndarray)):
        return [_plain(value) for value in thing]
    if isinstance(thing, (float, np.floating)):
        return round(float(thing), 4)
    return thing.item() if isinstance(thing, np.generic) else thing


def write_provenance(path: Path, rows: list[dict[str, Any]], kept: pd.DataFrame | None = None) -> None:
    """Write the table, sorted by path, with the `kept` rows of data sets that were not rendered."""
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    if kept is not None:
        table = pd.concat([kept[list(COLUMNS)], table])
    table = table.sort_values("path", ignore_index=True)
    with atomic(path) as temporary:
        table.to_parquet(temporary, index=False, compression="zstd", engine="pyarrow")
