"""From the scores of the matrix to tables: AUC of every training, paired differences, and what they support. No torch.

A difference of two runs is the mean over their common seeds of the difference of their AUCs on the same videos. It is
uncertain for two reasons, and both count:

    se^2 = v_people + 2 v_seeds / S

v_people is the variance of that mean under a bootstrap of identities, each with all its videos in all data sets
(`evaluate.people`); v_seeds is the variance of one run's AUC from seed to seed. Two or three seeds hardly tell
it, so on each test set it is pooled within the runs of one scale, as if it were the same for all of them; a run of one
seed gets it, too.
R runs of S seeds each have R (S - 1) degrees of freedom, however many differences are taken between them. Interval and
p-value are Student's t with the degrees of freedom of Welch and Satterthwaite.

Both terms lean to the safe side: what seeds do to single people is in both, and what one seed does to all runs alike
cancels in a difference but not in v_seeds. Measured on simulated scores (nine runs of one to three seeds, 26 people of
five videos, 640 differences or more a case): 95 to 96 % of the intervals held the true difference where people, seeds
or both made the noise; 98 % where seeds acted on single people and videos, 99.5 % where they moved all runs alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from semdf.errors import DataError
from semdf.evaluation.evaluate import VIDEO_COLUMNS, people
from semdf.evaluation.intervals import holm, student, weighted_auc
from semdf.layouts import protocols
from semdf.method import hierarchy as hierarchies
from semdf.params import TRAINED

__all__ = [
    *("LABELS", "MAIN", "OTHERS", "VALIDATION", "Measured", "differences", "measure", "paired", "pooled", "readings"),
    *("resampled", "sentences", "sets_of", "verdict"),
]

VALIDATION, OTHERS, LABELS = "validation", "other data sets", "labels"

#: What runs are compared by, unless a run is about other test sets: AUC of p(fake) on validation and test videos of the
#: data set that is trained on, its mean over the other data sets, and the mean AUC of the nodes below the root.
MAIN = (VALIDATION, TRAINED, OTHERS, LABELS)


@dataclass(frozen=True)
class Measured:
    """AUCs of every training on every question, with their bootstrap.

    draws: (run, seed) -> name of a test set, or "labels: <node>" -> AUC as it is and on each resample, [1 + R];
        `OTHERS` and `LABELS` are means. sizes: name -> number of videos and of people.
    """

    draws: Mapping[tuple[str, int], Mapping[str, np.ndarray]] = field(repr=False)
    sizes: pd.DataFrame = field(repr=False)

    def table(self) -> pd.DataFrame:
        """run, seed, dataset, auc, videos, people."""
        rows = [
            {"run": run, "seed": seed, "dataset": name, "auc": float(values[0]), **self.sizes.loc[name].to_dict()}
            for (run, seed), own in self.draws.items()
            for name, values in own.items()
        ]
        return pd.DataFrame(rows)


def sets_of(videos: pd.DataFrame) -> dict[str, np.ndarray]:
    """Name -> positions of its rows: validation, the field's test sets, and their manipulations one by one.

    Data sets without reals of their own borrow them, as `semdf.layouts.protocols` says.
    """
    videos = videos.reset_index(drop=True)
    forged = videos["manipulation"].str.startswith("expanded")
    own = (videos["dataset"] == TRAINED) & (videos["split"] == "val") & ~forged
    sets = {VALIDATION: np.flatnonzero(own)}
    for name in (n for n in protocols.names() if n in set(videos["dataset"])):
        chosen = protocols.select(videos, name)
        sets[name] = chosen.index.to_numpy()
        kinds = list(dict.fromkeys(chosen.loc[chosen["label"] != "real", "manipulation"]))
        for kind in kinds if len(kinds) > 1 else []:
            part = chosen[(chosen["label"] == "real") | (chosen["manipulation"] == kind)]
            sets[f"{name}: {kind}"] = part.index.to_numpy()
    return sets


def resampled(videos: pd.DataFrame, resamples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """How often each identity is drawn, [R, C], and the identity of each video, [n].

    Identities, as `people` names them, are drawn within their data set and split, apart by whether reals, fakes or both
    show them; one that several data sets show is drawn for all of them at once.
    """
    codes = pd.factorize(people(videos))[0]
    fake = (videos["label"] != "real").to_numpy()
    kinds = pd.DataFrame({"code": codes, "real": ~fake, "fake": fake, "place": videos["dataset"] + videos["split"]})
    strata = kinds.groupby("code").agg({"real": "any", "fake": "any", "place": "first"})
    random, weights = np.random.default_rng(seed), np.empty((resamples, len(strata)))
    for _, members in sorted(strata.groupby(["place", "real", "fake"]).indices.items()):
        weights[:, members] = random.multinomial(len(members), np.full(len(members), 1 / len(members)), resamples)
    return weights, codes


def measure(scores: pd.DataFrame, *, hierarchy: str = "ffpp", resamples: int, seed: int) -> Measured:
    """All AUCs of a score table (run, seed, the columns of a video, `p_<node>`), as they are and on all resamples.

    Raises DataError when two trainings have not scored the same videos.
    """
    trainings = {key: part.reset_index(drop=True) for key, part in scores.groupby(["run", "seed"], sort=False)}
    (first, part), *_ = trainings.items()
    videos = part[list(VIDEO_COLUMNS)]
    weights, codes = resampled(videos, resamples, seed)
    weights = np.concatenate([np.ones((1, weights.shape[1])), weights])
    questions = {
        name: (column, rows, truth, weights[:, codes[rows]])
        for name, column, rows, truth in (*_decisions(videos), *_labels(videos, hierarchies.load(hierarchy)))
    }
    others = [name for name in questions if name in protocols.names() and name != TRAINED]
    below = [name for name in questions if name.startswith(f"{LABELS}: ")]
    draws: dict[tuple[str, int], dict[str, np.ndarray]] = {}
    for key, part in trainings.items():
        if not part["video"].equals(videos["video"]):
            raise DataError(f"scores of {key[0]}-{key[1]} must be of the same videos as those of {first[0]}-{first[1]}")
        own: dict[str, np.ndarray] = {}
        draws[key] = own
        for name, (column, rows, truth, drawn) in questions.items():
            p = part[column].to_numpy(dtype=float)[rows] if column in part else np.full(len(rows), np.nan)
            if np.isfinite(p).all():
                with np.errstate(invalid="ignore"):  # a resample may hold one class only
                    own[name] = weighted_auc(truth, p, drawn)
        for name, members in ((OTHERS, others), (LABELS, below)):
            if members and set(members) <= set(own):
                own[name] = np.mean([own[member] for member in members], axis=0)
    places = {name: rows for name, (_, rows, _, _) in questions.items()}
    places |= {n: np.concatenate([places[m] for m in ms]) for n, ms in ((OTHERS, others), (LABELS, below)) if ms}
    sizes = [{"dataset": n, "videos": len(np.unique(r)), "people": len(np.unique(codes[r]))} for n, r in places.items()]
    return Measured(draws, pd.DataFrame(sizes).set_index("dataset"))


Question = tuple[str, str, np.ndarray, np.ndarray]


def _decisions(videos: pd.DataFrame) -> Iterator[Question]:
    """Name, column, rows and truth [rows] of each test set."""
    fake = (videos["label"] != "real").to_numpy(int)
    for name, rows in sets_of(videos).items():
        yield name, "p_fake", rows, fake[rows]


def _labels(videos: pd.DataFrame, tree: hierarchies.Hierarchy) -> Iterator[Question]:
    """The same of each node below the root whose label varies, on validation with the expanded forgeries."""
    own = np.flatnonzero((videos["dataset"] == TRAINED) & (videos["split"] == "val"))
    names = videos["label"].iloc[own]
    truth, observed = (np.stack([row(name) for name in names]) for row in (tree.label, tree.observed))
    for i, node in enumerate(tree.nodes[1:], start=1):
        known = observed[:, i]
        if 0 < truth[known, i].mean() < 1:
            yield f"{LABELS}: {node}", f"p_{node}", own[known], truth[known, i].astype(int)


def differences(
    measured: Measured,
    groups: Mapping[str, Sequence[str]],
    main: Mapping[str, Sequence[str]] | None = None,
    scales: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Every run of a group against the group's first one, the reference, on every test set.

    Args:
        main: Run -> the test sets that it is about, instead of `MAIN`.
        scales: Run -> its scale; the variance from seed to seed is pooled within the scale of a group's reference.

    Returns:
        group, run, reference, dataset, main (whether it is one of those test sets), seeds (how many are common),
        auc, reference_auc (means over the seeds), difference, low, high (95 % interval), p, p_holm (Holm's correction
        over the main rows of a group; NaN elsewhere).
    """
    compared: list[tuple[dict[str, Any], np.ndarray, np.ndarray, int]] = []
    for group, (reference, *rest) in groups.items():
        for run in rest:
            wanted = (main or {}).get(run) or MAIN
            seeds = [seed for name, seed in measured.draws if name == run and (reference, seed) in measured.draws]
            pairs = [(measured.draws[run, seed], measured.draws[reference, seed]) for seed in seeds]
            for name in pairs[0][0] if pairs else ():
                if name in pairs[0][1]:
                    row = {"group": group, "run": run, "reference": reference, "dataset": name, "main": name in wanted}
                    a, b = (np.array([pair[i][name] for pair in pairs]) for i in (0, 1))
                    compared.append((row | {"seeds": len(seeds)}, a, b, measured.sizes.loc[name, "people"]))
    scale = (scales or {}).get
    spread = {
        kind: pooled({key: own for key, own in measured.draws.items() if scale(key[0]) == kind})
        for kind in {scale(row["reference"]) for row, *_ in compared}
    }
    table = [
        row | paired(a, b, shown, spread[scale(row["reference"])].get(row["dataset"])) for row, a, b, shown in compared
    ]
    found = pd.DataFrame(table)
    found["p_holm"] = np.nan
    for _, part in found[found["main"]].groupby("group"):
        found.loc[part.index, "p_holm"] = holm(part["p"])
    return found


def pooled(draws: Mapping[tuple[str, int], Mapping[str, np.ndarray]]) -> dict[str, tuple[float, int]]:
    """Test set -> variance of a run's AUC from seed to seed, and its degrees of freedom: S - 1, summed over the runs.

    draws: As in `Measured`. Only runs of several seeds say anything; a training that goes by two names, told by equal
        AUCs on all test sets, counts once.
    Test sets without a run of several seeds are not there.
    """
    aucs = pd.DataFrame([{name: float(values[0]) for name, values in own.items()} for own in draws.values()])
    run, seed = (pd.Series([key[i] for key in draws]) for i in (0, 1))
    most_first = run.map(run.value_counts()).sort_values(ascending=False, kind="stable").index
    once = aucs.assign(**{"": seed}).loc[most_first].drop_duplicates().index
    groups = aucs.loc[once].groupby(run)
    squares = ((aucs.loc[once] - groups.transform("mean")) ** 2).sum()
    free = (groups.count() - 1).clip(lower=0).sum()
    return {name: (float(squares[name] / free[name]), int(free[name])) for name in aucs if free[name]}


def paired(a: np.ndarray, b: np.ndarray, people: int, spread: tuple[float, int] | None = None) -> dict[str, float]:
    """The difference of two runs from their AUCs [S, 1 + R]: S seeds, as they are and on R resamples of people.

    spread: variance of a run's AUC from seed to seed and its degrees of freedom, of `pooled`; without it that of these
        seeds' differences, which a single seed does not tell: then the interval is about people alone.
    """
    gaps = a - b
    mean, seeds = gaps.mean(0), len(gaps)
    variance, known = (float(gaps[:, 0].var(ddof=1)) if seeds > 1 else 0.0), max(seeds - 1, 1)
    if spread:
        variance, known = 2 * spread[0], spread[1]
    by_people, by_seeds = float(np.nanvar(mean[1:], ddof=1)), variance / seeds
    value, total = float(mean[0]), by_people + by_seeds
    free = total**2 / (by_people**2 / max(people - 1, 1) + by_seeds**2 / known) if total > 0 else np.inf
    low, high, p = student(value, np.sqrt(total), free)
    aucs = {"auc": float(a[:, 0].mean()), "reference_auc": float(b[:, 0].mean())}
    return aucs | {"difference": value, "low": low, "high": high, "p": p}


def verdict(row: Mapping[str, Any], level: float = 0.05) -> str:
    """ "better" or "worse" where the corrected p of a main row is below `level`, else "not shown"."""
    if not row["p_holm"] < level:
        return "not shown"
    return "better" if row["difference"] > 0 else "worse"


def sentences(found: pd.DataFrame, level: float = 0.05) -> list[str]:
    """A plain sentence for every run of every group: which differences to its reference are supported, which are not.

    found: what `differences` gives.
    """
    said = []
    for (group, run, reference), part in found[found["main"]].groupby(["group", "run", "reference"], sort=False):
        verdicts: dict[str, list[str]] = {kind: [] for kind in ("better", "worse", "not shown")}
        for row in part.to_dict("records"):
            p = "< 0.001" if row["p_holm"] < 0.001 else f"= {row['p_holm']:.3f}"
            gap = f"{row['dataset']} ({row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}], p {p})"
            verdicts[verdict(row, level)].append(gap)
        parts = [
            f"`{run}` is {kind} than `{reference}` on {_joined(verdicts[kind])}"
            for kind in ("better", "worse")
            if verdicts[kind]
        ]
        start = f"Supported: {'; '.join(parts)}. " if parts else ""
        rest = verdicts["not shown"]
        seeds = f"{part['seeds'].iloc[0]} seed{'s' if part['seeds'].iloc[0] > 1 else ''}"
        end = f"Not supported: that `{run}` differs from `{reference}` on {_joined(rest)}." if rest else ""
        said.append(f"{group}, {seeds}. {start}{end}".strip())
    return said


def readings(final: pd.DataFrame) -> list[str]:
    """What became of the weights, a sentence a run: rows of run, seed and `lambda_<level>` at the end of training."""
    said = []
    for run, part in final.groupby("run", sort=False):
        words = []
        for level in ("global", "local"):
            ratio = part[f"lambda_{level}"] / part["lambda_root"]
            if np.allclose(ratio, 1):
                what = "weighs as much as the root"
            elif (ratio > 1).all() or (ratio < 1).all():
                what = f"weighs {'more' if ratio.iloc[0] > 1 else 'less'} than the root in every seed"
            else:
                what = "weighs more than the root in some seeds, less in others"
            words.append(f"{level} {what} (ratio {ratio.mean():.2f})")
        said.append(f"{run}, {len(part)} seed{'s' if len(part) > 1 else ''}: {'; '.join(words)}")
    return said


def _joined(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
