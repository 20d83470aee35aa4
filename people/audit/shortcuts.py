"""A classifier on what should not tell real from forged: is there a way without looking at the face?

For every domain a vote of a logistic regression and a random forest sees file sizes, codec headers, statistics of the
whole picture, its spectrum, or who is shown, and is scored on items all of whose people, target and source, are new to
it. Near 0.5 a shortcut is closed. Forgeries that are smoother than their originals are told by spectrum and statistics:
there these measure a trace, in its coarsest form.
"""

from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, reverse_cuthill_mckee
from tqdm import tqdm

from people.audit.measurements import domains, measure_crops, measure_expansion, measure_file, measure_items
from people.benchmarks.plan import FFPP
from semdf.artifacts import atomic
from semdf.errors import DataError
from semdf.evaluation.intervals import student, weighted_auc
from semdf.evaluation.smoothness import classifier

__all__ = [
    "GROUPS",
    "Parts",
    "Shortcut",
    "domains",
    "measure_file",
    "measure_items",
    "shortcut_auc",
    "shortcut_table",
    "split_people",
]

#: Kinds of measurement, each a classifier of its own; "all" sees the lot.
GROUPS = ("size", "headers", "statistics", "spectrum", "identity")
PARTS = 5  # that the people are split into (ours, like the next two)
REPEATS = 3  # splits with other seeds
FEWEST = 10  # people, or groups of people, that each class needs


class Parts(NamedTuple):
    """A split of people.

    Attributes:
        unit: [n, 2] int, number of the unit that an item's target and source belong to. What is resampled.
        part: [n, 2] int, the part that these lie in.
        linked: Whether units are whole groups of people who are swapped with each other, so that no item lies in two.
    """

    unit: np.ndarray
    part: np.ndarray
    linked: bool


def split_people(target: np.ndarray, source: np.ndarray, fake: np.ndarray, seed: int) -> Parts:
    """Split the people of n items into five parts of about equally many items.

    Who is swapped with each other, directly or by others, is a connected component. With ten components or more that
    have both classes these are the units, and each lies in one part. Fewer cannot be split that way (people swapped in
    a ring are one component): then the units are people, in the order of reverse Cuthill and McKee (ACM National
    Conference 1969), which puts those who are swapped next to each other, and some items lie in two parts.

    Args:
        target: [n], names of people.
        source: [n], likewise; the source of a pristine item is its target.
        fake: [n] bool.
        seed: Of the order in which the units are dealt.

    Raises:
        DataError: fewer than ten people with reals or with fakes.
    """
    names, codes = np.unique(np.concatenate([target, source]), return_inverse=True)
    ends = codes.reshape(2, -1)
    for kind, chosen in (("pristine", ~fake), ("forged", fake)):
        if (found := len(np.unique(ends[0, chosen]))) < FEWEST:
            raise DataError(f"shortcuts: must have at least {FEWEST} people with {kind} items, found {found}")
    random = np.random.default_rng(seed)
    n = len(names)
    links = coo_array((np.ones(len(target)), tuple(ends)), shape=(n, n)).tocsr()
    count, component = connected_components(links, directed=False)
    linked = len(np.intersect1d(component[ends[0, fake]], component[ends[0, ~fake]])) >= FEWEST
    if linked:
        unit = component
        order = random.permutation(count)
    else:
        mixed = random.permutation(n)
        shuffled = (links + links.T)[mixed][:, mixed].tocsr()
        unit = np.arange(n)
        order = mixed[reverse_cuthill_mckee(shuffled, symmetric_mode=True)]
    weight = np.bincount(unit[ends].ravel(), minlength=len(order))[order]
    part = np.empty(len(order), int)
    part[order] = PARTS * (np.cumsum(weight) - weight) // weight.sum()
    return Parts(unit[ends].T, part[unit[ends]].T, linked)


class Shortcut(NamedTuple):
    """AUC on people not seen, its 95 % interval, and how many pristine and forged items were scored."""

    auc: float
    low: float
    high: float
    real: int
    fake: int


def shortcut_auc(
    fake: np.ndarray, values: np.ndarray, target: np.ndarray, source: np.ndarray, seed: int = 0, resamples: int = 500
) -> Shortcut:
    """AUC of a classifier on `values` `[n, F]`, by cross-validation with nobody on both sides, not even as a source.

    A part of `split_people` is scored by what was trained on items none of whose people are in it; items with people of
    two parts are scored in neither. A fake is compared with pristine items of its own part alone, over three splits.
    The interval is Student's t with the standard error of a bootstrap of the units: an item counts as often as its unit
    was drawn, one of two units as often as the product says (Owen, Annals of Applied Statistics 1, 2007). Percentiles
    would be too high: a unit that is drawn twice is compared with itself four times, and one's own fake is told best.

    Raises:
        DataError: people are too few, see `split_people`, or fewer than ten items of a class can be scored.
    """
    fake = np.asarray(fake, bool)
    weights = np.ones((1, len(fake)))  # of the items: in the data, then in each resample
    compared = np.zeros(resamples + 1)  # weight of all pairs of a fake and a real
    above = np.zeros(resamples + 1)  # and of those in which the fake scores higher
    scored = np.zeros(len(fake), bool)
    for repeat in range(seed, seed + REPEATS):
        split = split_people(np.asarray(target), np.asarray(source), fake, repeat)
        if len(weights) == 1:
            weights = np.concatenate([weights, _resample(split.unit, resamples, seed)])
        for part in range(PARTS):
            test = (split.part == part).all(1)
            train = (split.part != part).all(1)
            if min(len(np.unique(fake[test])), len(np.unique(fake[train]))) < 2:
                continue
            scores = classifier(seed).fit(values[train], fake[train]).predict_proba(values[test])[:, 1]
            pairs = weights[:, test & fake].sum(1) * weights[:, test & ~fake].sum(1)
            with np.errstate(invalid="ignore"):
                auc = np.nan_to_num(weighted_auc(fake[test].astype(int), scores.round(9), weights[:, test]))
            above += pairs * auc
            compared += pairs
            scored |= test
    reals = int((scored & ~fake).sum())
    fakes = int((scored & fake).sum())
    if min(reals, fakes) < FEWEST:
        raise DataError(f"shortcuts: must have {FEWEST} items of each class to score, found {reals} and {fakes}")
    with np.errstate(invalid="ignore"):
        aucs = above / compared
    units = min(len(np.unique(split.unit[scored & (fake == kind), 0])) for kind in (False, True))
    low, high, _ = student(float(aucs[0]), float(np.nanstd(aucs[1:], ddof=1)), units - 1)
    return Shortcut(float(aucs[0]), max(low, 0.0), min(high, 1.0), reals, fakes)


def _resample(unit: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """How often each item counts `[resamples, n]` when its units `[n, 2]` are drawn anew with replacement."""
    count = unit.max() + 1
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples)
    one = drawn[:, unit[:, 0]]
    two = drawn[:, unit[:, 1]]
    return np.where(unit[:, 0] == unit[:, 1], one, one * two)


class Strongest(NamedTuple):
    """The measurement that alone ranks fakes and reals best, and its AUC: below 0.5 it is smaller in fakes."""

    attribute: str
    auc: float


def _strongest(fake: np.ndarray, values: pd.DataFrame) -> Strongest:
    """The strongest of some measurements."""
    one = np.ones((1, len(fake)))
    aucs = {name: float(weighted_auc(fake.astype(int), values[name].to_numpy(), one)[0]) for name in values}
    best = max(aucs, key=lambda name: abs(aucs[name] - 0.5))
    return Strongest(best, aucs[best])


def shortcut_table(measured: dict[str, pd.DataFrame], seed: int = 0) -> pd.DataFrame:
    """Score the shortcuts of some domains.

    Args:
        measured: `measure_items` and the like of each domain.
        seed: Of the splits.

    Returns:
        A row for each domain and group of measurements, and for all groups together. Columns: domain, group; auc, low,
        high, real, fake (see `Shortcut`); attribute and attribute_auc (the measurement that tells most alone, on all
        items); note (why there is no number).
    """
    rows = []
    for domain, items in measured.items():
        fake = items["fake"].to_numpy(bool)
        target = items["target"].str.rpartition("/")[0].to_numpy(str)
        donor = items["source"].str.rpartition("/")[0].to_numpy(str)
        source = np.where(items["source"] == "", target, donor)
        for group in (*GROUPS, "all"):
            names = [name for name in items if name.startswith(GROUPS if group == "all" else f"{group}.")]
            names = [name for name in names if "." in name]
            if not names:
                continue
            values = items[names].fillna(-1)  # headers that only one file format has
            note = ""
            try:
                found = shortcut_auc(fake, values.to_numpy(float), target, source, seed)
            except DataError as error:
                found = Shortcut(np.nan, np.nan, np.nan, int((~fake).sum()), int(fake.sum()))
                note = str(error)
            strongest = _strongest(fake, values)
            row = {"domain": domain, "group": group, **found._asdict()}
            row["attribute"] = strongest.attribute
            row["attribute_auc"] = strongest.auc
            row["note"] = note
            rows.append(row)
    columns = ["domain", "group", *Shortcut._fields, "attribute", "attribute_auc", "note"]
    return pd.DataFrame(rows, columns=columns)


@click.command()
@click.option("--data", default="data", type=click.Path(path_type=Path), help="The folder of the benchmarks.")
@click.option("--faces", default="faces", type=click.Path(path_type=Path), help="Crops of them; left out if missing.")
@click.option("--expanded", default="expanded", type=click.Path(path_type=Path), help="Their expansion; likewise.")
@click.option("--out", default="docs/shortcuts.csv", type=click.Path(path_type=Path), help="The table to write.")
def main(data: Path, faces: Path, expanded: Path, out: Path) -> None:
    """Measure how well shortcuts tell real from forged in every domain of rendered data."""
    path = data / "provenance.parquet"
    if not path.is_file():
        raise click.ClickException(f"data: must have a file provenance.parquet in {data}, found none")
    provenance = pd.read_parquet(path)
    items = {"files": measure_items(provenance, data)}
    if (faces / "manifest.parquet").is_file():
        items["crops"] = measure_crops(provenance, faces)
    tables = {kind: domains(table) for kind, table in items.items()}
    if len(items) > 1 and (expanded / "manifest.parquet").is_file():
        tables["expansion"] = {FFPP: measure_expansion(provenance, faces, expanded)}
    scored = [shortcut_table(parts).assign(items=kind) for kind, parts in tqdm(tables.items())]
    found = pd.concat(scored, ignore_index=True)
    found.insert(0, "items", found.pop("items"))
    with atomic(out) as temporary:
        found.to_csv(temporary, index=False, float_format="%.4f")


if __name__ == "__main__":
    main()
