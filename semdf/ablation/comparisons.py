"""From the scores of the matrix to tables: AUC of every training, paired differences, and what they support.

A difference of two runs is the mean over their common seeds of the difference of their AUCs on the same videos. Its
standard error has two parts:

    se^2 = v_people + 2 v_seeds / S

v_people is the variance of that mean under a bootstrap of identities, each with all its videos in all data sets
(`evaluate.people`). v_seeds is the variance of one run's AUC from seed to seed. Two or three seeds give a poor estimate
of it, so on each test set it is pooled over the runs of one scale, as if it were the same for all of them; a run of one
seed takes the pooled value, too. R runs of S seeds each have R (S - 1) degrees of freedom, however many differences are
taken between them. Interval and p-value are Student's t with the degrees of freedom of Welch and Satterthwaite.

The standard error is rather too large than too small. What seeds do to single people is in both parts, and what one
seed does to all runs alike cancels in a difference but not in v_seeds. In simulations (nine runs of one to three seeds,
26 people of five videos, 640 differences or more a case) 95 to 96 % of the intervals held the true difference where
people, seeds or both made the noise; 98 % where seeds acted on single people and videos, 99.5 % where they moved all
runs alike.

Nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from semdf.errors import DataError
from semdf.evaluation.evaluate import VIDEO_COLUMNS, people
from semdf.evaluation.intervals import holm, student, weighted_auc
from semdf.layouts import protocols
from semdf.method import hierarchy as hierarchies
from semdf.params import TRAINED

__all__ = [
    "LABELS",
    "MAIN",
    "NAMING",
    "OTHERS",
    "VALIDATION",
    "Measured",
    "Resamples",
    "SeedNoise",
    "collapsed",
    "differences",
    "measure",
    "paired",
    "pooled",
    "readings",
    "resampled",
    "sentences",
    "sets_of",
    "verdict",
]

#: Name of the test set that holds the validation videos of the data set that is trained on.
VALIDATION = "validation"
#: Name of the mean over the test sets of all other data sets.
OTHERS = "other data sets"
#: Name of the mean over the nodes below the root; one node is "labels: <node>".
LABELS = "labels"

#: The same mean among fakes alone, where a detector that only tells fakes from reals is at chance.
NAMING = "naming"

#: Validation AUC of a training that has collapsed, or has just begun to learn (ours).
COLLAPSED = 0.75

#: What runs are compared by, unless a run is about other test sets: AUC of p(fake) on validation and test videos of the
#: data set that is trained on, its mean over the other data sets, and the mean AUC of the nodes below the root, among
#: all videos and among fakes.
MAIN = (VALIDATION, TRAINED, OTHERS, LABELS, NAMING)


@dataclass(frozen=True)
class Measured:
    """AUCs of every training on every question, with their bootstrap.

    Attributes:
        draws: (run, seed) -> name of a test set, "labels: <node>" or "naming: <node>" -> AUC as it is and on each
            resample, [1 + R]; `OTHERS`, `LABELS` and `NAMING` are means.
        sizes: A row a name: numbers of videos and of people.
    """

    draws: Mapping[tuple[str, int], Mapping[str, np.ndarray]] = field(repr=False)
    sizes: pd.DataFrame = field(repr=False)

    def table(self) -> pd.DataFrame:
        """The AUCs as they are: run, seed, dataset, auc, videos, people."""
        rows = []
        for (run, seed), own in self.draws.items():
            for name, values in own.items():
                row = {"run": run, "seed": seed, "dataset": name, "auc": float(values[0])}
                rows.append({**row, **self.sizes.loc[name].to_dict()})
        return pd.DataFrame(rows)


class Resamples(NamedTuple):
    """A bootstrap of C identities over n videos.

    Attributes:
        weights: [R, C], how often each identity is drawn.
        codes: [n], the identity of each video.
    """

    weights: np.ndarray
    codes: np.ndarray


class SeedNoise(NamedTuple):
    """The variance of a run's AUC from seed to seed, and the degrees of freedom of this estimate."""

    variance: float
    free: int


class _Question(NamedTuple):
    """What one AUC is about.

    Attributes:
        name: Of a test set, or "labels: <node>", or "naming: <node>".
        column: Of the probability.
        rows: [n], positions of the videos.
        truth: [n], 1 where the probability should be high.
    """

    name: str
    column: str
    rows: np.ndarray
    truth: np.ndarray


class _Compared(NamedTuple):
    """A run and its reference on one test set, before they are compared.

    Attributes:
        row: What names the comparison in the table.
        a: AUCs of the run, [S, 1 + R].
        b: AUCs of the reference, [S, 1 + R].
        people: Number of people in the test set.
    """

    row: dict[str, Any]
    a: np.ndarray
    b: np.ndarray
    people: int


def sets_of(videos: pd.DataFrame) -> dict[str, np.ndarray]:
    """Name -> positions of its rows: validation, the field's test sets, and their manipulations one by one.

    Data sets without reals of their own borrow them, as `semdf.layouts.protocols` says.
    """
    videos = videos.reset_index(drop=True)
    forged = videos["manipulation"].str.startswith("expanded")
    own = (videos["dataset"] == TRAINED) & (videos["split"] == "val") & ~forged
    sets = {VALIDATION: np.flatnonzero(own)}
    present = set(videos["dataset"])
    for name in protocols.names():
        if name not in present:
            continue
        chosen = protocols.select(videos, name)
        sets[name] = chosen.index.to_numpy()
        kinds = list(dict.fromkeys(chosen.loc[chosen["label"] != "real", "manipulation"]))
        if len(kinds) > 1:
            for kind in kinds:
                part = chosen[(chosen["label"] == "real") | (chosen["manipulation"] == kind)]
                sets[f"{name}: {kind}"] = part.index.to_numpy()
    return sets


def resampled(videos: pd.DataFrame, resamples: int, seed: int) -> Resamples:
    """How often each identity is drawn, and which identity each video shows.

    Identities, as `people` names them, are drawn within their data set and split, and apart by whether reals, fakes or
    both show them. An identity of several data sets is drawn for all of them at once.
    """
    codes = pd.factorize(people(videos))[0]
    fake = (videos["label"] != "real").to_numpy()
    kinds = pd.DataFrame({"code": codes, "real": ~fake, "fake": fake, "place": videos["dataset"] + videos["split"]})
    strata = kinds.groupby("code").agg({"real": "any", "fake": "any", "place": "first"})
    random = np.random.default_rng(seed)
    weights = np.empty((resamples, len(strata)))
    for _, members in sorted(strata.groupby(["place", "real", "fake"]).indices.items()):
        chances = np.full(len(members), 1 / len(members))
        weights[:, members] = random.multinomial(len(members), chances, resamples)
    return Resamples(weights, codes)


def measure(scores: pd.DataFrame, *, hierarchy: str = "ffpp", resamples: int, seed: int) -> Measured:
    """All AUCs of a score table, as they are and on all resamples.

    Args:
        scores: run, seed, `VIDEO_COLUMNS` and `p_<node>`, a row a video of every training.
        hierarchy: Name of the label hierarchy.
        resamples: Number of resamples.
        seed: Of the resampling.

    Raises:
        DataError: Two trainings have not scored the same videos.
    """
    trainings = {key: part.reset_index(drop=True) for key, part in scores.groupby(["run", "seed"], sort=False)}
    first = next(iter(trainings))
    videos = trainings[first][list(VIDEO_COLUMNS)]
    drawn, codes = resampled(videos, resamples, seed)
    weights = np.concatenate([np.ones((1, drawn.shape[1])), drawn])  # the first row is no resample

    questions = [*_decisions(videos), *_labels(videos, hierarchies.load(hierarchy))]
    weights_of = {question.name: weights[:, codes[question.rows]] for question in questions}
    means = _means(questions)
    draws: dict[tuple[str, int], dict[str, np.ndarray]] = {}
    for key, part in trainings.items():
        if not part["video"].equals(videos["video"]):
            wanted = f"the same videos as those of {first[0]}-{first[1]}"
            raise DataError(f"scores of {key[0]}-{key[1]} must be of {wanted}, found others")
        own = _aucs(part, questions, weights_of)
        for name, members in means.items():
            if set(members) <= set(own):
                own[name] = np.mean([own[member] for member in members], axis=0)
        draws[key] = own

    rows_of = {question.name: question.rows for question in questions}
    for name, members in means.items():
        rows_of[name] = np.concatenate([rows_of[member] for member in members])
    sizes = []
    for name, rows in rows_of.items():
        shown = np.unique(codes[rows])
        sizes.append({"dataset": name, "videos": len(np.unique(rows)), "people": len(shown)})
    return Measured(draws, pd.DataFrame(sizes).set_index("dataset"))


def _means(questions: Sequence[_Question]) -> dict[str, list[str]]:
    """Name of a mean -> the questions that it is taken over; a mean over nothing is not there."""
    names = [question.name for question in questions]
    tests = set(protocols.names())
    others = [name for name in names if name in tests and name != TRAINED]
    means = {OTHERS: others}
    for kind in (LABELS, NAMING):
        means[kind] = [name for name in names if name.startswith(f"{kind}: ")]
    return {name: members for name, members in means.items() if members}


def _aucs(
    part: pd.DataFrame, questions: Sequence[_Question], weights_of: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The AUCs [1 + R] of one training, for each question that its scores can answer."""
    found: dict[str, np.ndarray] = {}
    for question in questions:
        if question.column not in part:
            continue
        p = part[question.column].to_numpy(dtype=float)[question.rows]
        if np.isfinite(p).all():
            with np.errstate(invalid="ignore"):  # a resample may hold one class only
                found[question.name] = weighted_auc(question.truth, p, weights_of[question.name])
    return found


def _decisions(videos: pd.DataFrame) -> Iterator[_Question]:
    """Whether p(fake) separates fakes from reals, on each test set."""
    fake = (videos["label"] != "real").to_numpy(int)
    for name, rows in sets_of(videos).items():
        yield _Question(name, "p_fake", rows, fake[rows])


def _labels(videos: pd.DataFrame, tree: hierarchies.Hierarchy) -> Iterator[_Question]:
    """Whether a node's probability tells where it is active, on validation with the expanded forgeries.

    There is a question for each node below the root whose label varies, among all videos and among fakes.
    """
    own = np.flatnonzero((videos["dataset"] == TRAINED) & (videos["split"] == "val"))
    labels = videos["label"].iloc[own]
    truth = np.stack([tree.label(label) for label in labels])
    observed = np.stack([tree.observed(label) for label in labels])
    for i, node in enumerate(tree.nodes[1:], start=1):
        known = observed[:, i].astype(bool)
        fakes = known & (truth[:, 0] == 1)
        for kind, kept in ((LABELS, known), (NAMING, fakes)):
            if kept.any() and 0 < truth[kept, i].mean() < 1:
                yield _Question(f"{kind}: {node}", f"p_{node}", own[kept], truth[kept, i].astype(int))


def differences(
    measured: Measured,
    groups: Mapping[str, Sequence[str]],
    main: Mapping[str, Sequence[str]] | None = None,
    scales: Mapping[str, Any] | None = None,
    apart: Collection[str] = (),
) -> pd.DataFrame:
    """Every run of a group against the group's first one, the reference, on every test set.

    Args:
        measured: What `measure` gives.
        groups: Name of a group -> its runs, the reference first.
        main: Run -> the test sets that it is about, instead of `MAIN`.
        scales: Run -> its scale; the variance from seed to seed is pooled within the scale of a group's reference.
        apart: Runs whose seeds do not say how much those of others vary (see `collapsed`). A difference of such a run
            takes the variance that is pooled over all runs.

    Returns:
        group, run, reference, dataset, main (whether it is one of those test sets), seeds (how many are common),
        auc, reference_auc (means over the seeds), difference, low, high (95 % interval), p, p_holm (Holm's correction
        over the main rows of all groups together, which are one family; NaN elsewhere).
    """
    about = main or {}
    scale_of = scales or {}
    noises: dict[Any, dict[str, SeedNoise]] = {}
    table = []
    for compared in _compared(measured, groups, about):
        scale = scale_of.get(compared.row["reference"])
        alone = compared.row["run"] in apart or compared.row["reference"] in apart
        if (scale, alone) not in noises:
            alike = {
                key: own
                for key, own in measured.draws.items()
                if scale_of.get(key[0]) == scale and (alone or key[0] not in apart)
            }
            noises[scale, alone] = pooled(alike)
        noise = noises[scale, alone].get(compared.row["dataset"])
        table.append({**compared.row, **paired(compared.a, compared.b, compared.people, noise)})
    found = pd.DataFrame(table)
    found["p_holm"] = np.nan
    family = found[found["main"]]
    found.loc[family.index, "p_holm"] = holm(family["p"])
    return found


def collapsed(measured: Measured, below: float = COLLAPSED) -> list[str]:
    """Runs of which a training learnt next to nothing: its AUC on validation is below this."""
    found: dict[str, None] = {}
    for (run, _), own in measured.draws.items():
        if own[VALIDATION][0] < below:
            found[run] = None
    return list(found)


def _compared(
    measured: Measured, groups: Mapping[str, Sequence[str]], main: Mapping[str, Sequence[str]]
) -> Iterator[_Compared]:
    """Each run of each group beside the group's reference, on each test set that both have."""
    for group, (reference, *rest) in groups.items():
        for run in rest:
            wanted = main.get(run) or MAIN
            seeds = [seed for name, seed in measured.draws if name == run and (reference, seed) in measured.draws]
            if not seeds:
                continue
            own = [measured.draws[run, seed] for seed in seeds]
            other = [measured.draws[reference, seed] for seed in seeds]
            for name in own[0]:
                if name not in other[0]:
                    continue
                row = {
                    "group": group,
                    "run": run,
                    "reference": reference,
                    "dataset": name,
                    "main": name in wanted,
                    "seeds": len(seeds),
                }
                a = np.array([aucs[name] for aucs in own])
                b = np.array([aucs[name] for aucs in other])
                yield _Compared(row, a, b, measured.sizes.loc[name, "people"])


def pooled(draws: Mapping[tuple[str, int], Mapping[str, np.ndarray]]) -> dict[str, SeedNoise]:
    """Test set -> noise of the seeds, pooled within runs; the degrees of freedom are S - 1, summed over the runs.

    Only runs of several seeds count. A training that goes by two names, which equal AUCs on all test sets show, counts
    once.

    Args:
        draws: As in `Measured`.

    Returns:
        Without the test sets that no run of several seeds has.
    """
    aucs = pd.DataFrame([{name: float(values[0]) for name, values in own.items()} for own in draws.values()])
    run = pd.Series([run for run, _ in draws])
    seed = pd.Series([seed for _, seed in draws], name="seed")
    # of two names of one training, the one with more seeds is kept
    most_first = run.map(run.value_counts()).sort_values(ascending=False, kind="stable").index
    once = pd.concat([seed, aucs], axis=1).loc[most_first].drop_duplicates().index
    kept = aucs.loc[once]
    groups = kept.groupby(run)
    squares = ((kept - groups.transform("mean")) ** 2).sum()
    free = (groups.count() - 1).clip(lower=0).sum()
    return {name: SeedNoise(float(squares[name] / free[name]), int(free[name])) for name in aucs if free[name]}


def paired(a: np.ndarray, b: np.ndarray, people: int, noise: SeedNoise | None = None) -> dict[str, float]:
    """The difference of two runs from their AUCs: its interval counts people and seeds.

    Args:
        a: AUCs of one run, [S, 1 + R]: S seeds, as they are and on R resamples of people.
        b: AUCs of the other run, [S, 1 + R].
        people: Number of people.
        noise: Of the seeds, from `pooled`. Without it the variance of these seeds' differences is taken; a single seed
            has none, so the interval then counts people alone.

    Returns:
        auc, reference_auc (means over the seeds), difference, low, high (95 % interval), p.
    """
    gaps = a - b
    seeds = len(gaps)
    mean = gaps.mean(0)
    if noise is not None:
        variance = 2 * noise.variance
        known = noise.free
    else:
        variance = float(gaps[:, 0].var(ddof=1)) if seeds > 1 else 0.0
        known = max(seeds - 1, 1)
    by_people = float(np.nanvar(mean[1:], ddof=1))
    by_seeds = variance / seeds
    total = by_people + by_seeds
    free = np.inf
    if total > 0:
        free = total**2 / (by_people**2 / max(people - 1, 1) + by_seeds**2 / known)
    value = float(mean[0])
    found = student(value, np.sqrt(total), free)
    return {
        "auc": float(a[:, 0].mean()),
        "reference_auc": float(b[:, 0].mean()),
        "difference": value,
        "low": found.low,
        "high": found.high,
        "p": found.p,
    }


def verdict(row: Mapping[str, Any], level: float = 0.05) -> str:
    """What a main row shows: "better" or "worse" where its corrected p is below `level`, else "not shown"."""
    if not row["p_holm"] < level:
        return "not shown"
    return "better" if row["difference"] > 0 else "worse"


def sentences(found: pd.DataFrame, level: float = 0.05) -> list[str]:
    """A plain sentence for every run of every group: which differences to its reference are supported, which are not.

    Args:
        found: What `differences` gives.
        level: Below which corrected p a difference is supported.
    """
    said = []
    for (group, run, reference), part in found[found["main"]].groupby(["group", "run", "reference"], sort=False):
        gaps: dict[str, list[str]] = {"better": [], "worse": [], "not shown": []}
        for row in part.to_dict("records"):
            gaps[verdict(row, level)].append(_gap(row))
        claims = []
        for kind in ("better", "worse"):
            if gaps[kind]:
                claims.append(f"`{run}` is {kind} than `{reference}` on {_joined(gaps[kind])}")
        seeds = part["seeds"].iloc[0]
        parts = [f"{group}, {seeds} seed{'s' if seeds > 1 else ''}."]
        if claims:
            parts.append(f"Supported: {'; '.join(claims)}.")
        if gaps["not shown"]:
            parts.append(f"Not supported: that `{run}` differs from `{reference}` on {_joined(gaps['not shown'])}.")
        said.append(" ".join(parts))
    return said


def _gap(row: Mapping[str, Any]) -> str:
    """Test set, difference, interval and p of a row of `differences`, in brackets."""
    p = "< 0.001" if row["p_holm"] < 0.001 else f"= {row['p_holm']:.3f}"
    return f"{row['dataset']} ({row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}], p {p})"


def readings(final: pd.DataFrame) -> list[str]:
    """What became of the weights, a sentence a run.

    Args:
        final: run, seed and `lambda_<level>` at the end of training.
    """
    said = []
    for run, part in final.groupby("run", sort=False):
        words = []
        for level in ("global", "local"):
            ratio = part[f"lambda_{level}"] / part["lambda_root"]
            words.append(f"{level} {_weight(ratio)} (ratio {ratio.mean():.2f})")
        said.append(f"{run}, {len(part)} seed{'s' if len(part) > 1 else ''}: {'; '.join(words)}")
    return said


def _weight(ratio: pd.Series) -> str:
    """How a level's weight compares with the root's, from their ratio in each seed."""
    if np.allclose(ratio, 1):
        return "weighs as much as the root"
    if (ratio > 1).all():
        return "weighs more than the root in every seed"
    if (ratio < 1).all():
        return "weighs less than the root in every seed"
    return "weighs more than the root in some seeds, less in others"


def _joined(names: Sequence[str]) -> str:
    """Names as a sentence lists them, such as "a, b and c"; there is at least one."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
