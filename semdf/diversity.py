"""Who is shown in the embedded data: attributes of the rendered people, and how far each face is from the next.

Read from `data/provenance.parquet`, which says for every item which person it shows and how that person was drawn.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from semdf.errors import DataError

__all__ = ["ATTRIBUTES", "cast", "distances"]

#: Column of `cast` -> what it is, of a person's parameters. The numbers lie in 0 to 1.
ATTRIBUTES = {
    "age": lambda person: person["age"],
    "gender": lambda person: person["gender"],
    "melanin": lambda person: person["melanin"],
    "hair": lambda person: person["hair"]["style"],
    "beard": lambda person: person["beard_style"] if person["gender"] < 0.5 and person["beard"] > 0.08 else "none",
    "glasses": lambda person: (person["glasses"] or {}).get("kind", "none"),
    "hat": lambda person: (person["clothes"]["hat"] or {}).get("kind", "none"),
}


def cast(provenance: pd.DataFrame) -> pd.DataFrame:
    """One row a person: `dataset`, `person`, the columns of `ATTRIBUTES`, and `shape`, [D] changes of the face's form.

    provenance: rows with `dataset`, `fake`, `target` (data set / person / clip) and `person`, parameters as JSON.

    Raises DataError when a column is missing or nobody is real.
    """
    if missing := {"dataset", "fake", "target", "person"} - set(provenance):
        raise DataError(f"provenance must have the columns dataset, fake, target and person, found no {min(missing)}")
    real = provenance[~provenance["fake"]]
    if real.empty:
        raise DataError(f"provenance must hold pristine items, found none in {len(provenance)} rows")
    who = real["target"].str.rsplit("/", n=1).str[0].rename("person")
    first = real.assign(who=who).drop_duplicates("who")
    drawn = [json.loads(text) for text in first["person"]]
    columns = {name: [of(person) for person in drawn] for name, of in ATTRIBUTES.items()}
    shapes = [np.asarray(person["local"], np.float64) for person in drawn]
    return pd.DataFrame({"dataset": first["dataset"].to_numpy(), "person": first["who"].to_numpy(), **columns}).assign(
        shape=shapes
    )


def distances(people: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Root mean square difference of each person's face shape to the nearest other one's, and to another at random.

    people: of `cast`; two at least. Returns `person`, `nearest` (whose), `distance`, `to_random`.
    """
    if len(people) < 2:
        raise DataError(f"people must be two at least, found {len(people)}")
    shapes = np.stack(people["shape"]) / np.sqrt(len(people["shape"].iloc[0]))
    found, where = cKDTree(shapes).query(shapes, k=2)
    other = (np.arange(len(people)) + np.random.default_rng(seed).integers(1, len(people), len(people))) % len(people)
    names = people["person"].to_numpy()
    # of two equal shapes the first neighbour may be either
    nearest = np.where(where[:, 1] == np.arange(len(people)), where[:, 0], where[:, 1])
    return pd.DataFrame(
        {
            "person": names,
            "nearest": names[nearest],
            "distance": found[:, 1],
            "to_random": np.linalg.norm(shapes - shapes[other], axis=1),
        }
    )
