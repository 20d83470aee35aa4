"""Is there a way to tell real from forged without looking at the face? A classifier on what should not tell.

For every domain a random forest sees file sizes, codec headers, statistics of the whole picture, the slope of its
spectrum, or who is shown, and is scored on people it has not seen. Near 0.5 a shortcut is closed. Where whole
pictures are synthesised, spectrum and statistics are traces of the forgery as well, so they may be above it.
"""

import json
import struct
from collections.abc import Sequence
from pathlib import Path

import av
import click
import cv2
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from tqdm import tqdm

from semdf.errors import DataError, MissingError
from semdf.people.files import replace_file
from semdf.people.plan import DEEPER, FFPP

__all__ = ["GROUPS", "domains", "measure_file", "measure_items", "shortcut_auc", "shortcut_table"]

#: Kinds of measurement, each a classifier of its own; "all" sees the lot.
GROUPS = ("size", "headers", "statistics", "spectrum", "identity")


def domains(provenance: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Real and forged items of each domain; where the reals are originals of FaceForensics++, these join it."""
    originals = provenance[(provenance["dataset"] == FFPP) & ~provenance["fake"]]
    shifter = provenance["manipulation"] == "FaceShifter"
    tables = {}
    for dataset, rows in provenance[~shifter].groupby("dataset", sort=True):
        tables[str(dataset)] = rows
    for name, rows in (("FaceShifter", provenance[shifter]), (DEEPER, provenance[provenance["dataset"] == DEEPER])):
        if len(rows):
            tables[name] = pd.concat([originals[originals["target"].isin(rows["target"])], rows], ignore_index=True)
    return tables


def measure_file(path: Path) -> dict[str, float]:
    """Named numbers of one video or picture, `<group>.<what>`; a video's pictures are its first and middle one."""
    path = Path(path)
    if not path.is_file():
        raise MissingError(f"shortcuts: expected a file at {path}. Found none.")
    numbers = {"size.bytes": float(path.stat().st_size)}
    if path.suffix == ".mp4":
        headers, pictures = _video(path)
    else:
        data = path.read_bytes()
        headers = _jpeg(data) if path.suffix == ".jpg" else {"chunks": float(data.count(b"IDAT"))}
        picture = cv2.imread(str(path))
        if picture is None:
            raise DataError(f"shortcuts: expected a picture at {path}. Found something else.")
        pictures = [picture[..., ::-1]]
        headers |= dict(zip(("height", "width"), map(float, picture.shape[:2]), strict=True))
    numbers |= {f"headers.{name}": value for name, value in headers.items()}
    each = [{**_statistics(picture), **_spectrum(picture)} for picture in pictures]
    return numbers | {name: float(np.mean([one[name] for one in each])) for name in each[0]}


def _video(path: Path) -> tuple[dict[str, float], list[np.ndarray]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        headers = {
            "frames": float(stream.frames), "height": float(context.height), "width": float(context.width),
            "rate": float(stream.average_rate or 0), "profile": float(sum(map(ord, str(context.profile)))),
            "extradata": float(sum(context.extradata or b"")), "duration": float(stream.duration or 0),
        }  # fmt: skip
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    options = path.read_bytes().split(b"x264 - core", 1)[-1].split(b"\0", 1)[0]
    headers["encoder"] = float(sum(options))
    return headers, [frames[0], frames[len(frames) // 2]]


def _jpeg(data: bytes) -> dict[str, float]:
    """Sums of the quantisation tables, the sampling factors, and the number of segments."""
    headers, at = {"segments": 0.0, "tables": 0.0, "sampling": 0.0}, 2
    while at < len(data) - 4 and data[at + 1] != 0xDA:
        marker, length = data[at + 1], struct.unpack(">H", data[at + 2 : at + 4])[0]
        body = data[at + 4 : at + 2 + length]
        headers["segments"] += 1
        if marker == 0xDB:
            headers["tables"] += float(sum(body))
        if marker in (0xC0, 0xC1, 0xC2):
            headers["sampling"] += float(sum(body[7::3]))
        at += 2 + length
    return headers


def _statistics(picture: np.ndarray) -> dict[str, float]:
    values = picture.reshape(-1, 3).astype(np.float32)
    grey = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine = grey - cv2.medianBlur(grey, 3)
    numbers = {f"statistics.mean_{c}": mean for c, mean in zip("rgb", values.mean(0), strict=True)}
    numbers |= {f"statistics.deviation_{c}": deviation for c, deviation in zip("rgb", values.std(0), strict=True)}
    numbers["statistics.saturation"] = float((values.max(1) - values.min(1)).mean())
    numbers["statistics.sharpness"] = float(np.log(cv2.Laplacian(grey, cv2.CV_32F).var() + 1e-6))
    numbers["statistics.noise"] = float(np.abs(fine).mean())
    return numbers


def _spectrum(picture: np.ndarray) -> dict[str, float]:
    """Slope and level of log power over log frequency, and shares of the finest octave."""
    grey = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY).astype(np.float32)
    grey = (grey - grey.mean()) * np.outer(np.hanning(len(grey)), np.hanning(grey.shape[1])).astype(np.float32)
    power = np.abs(np.fft.fft2(grey)) ** 2
    frequency = np.hypot(np.fft.fftfreq(len(grey))[:, None], np.fft.fftfreq(grey.shape[1])[None])
    edges = np.geomspace(0.02, 0.5, 13)
    which = np.digitize(frequency.ravel(), edges) - 1
    inside = (which >= 0) & (which < 12)
    total, count = np.bincount(which[inside], power.ravel()[inside], 12), np.bincount(which[inside], minlength=12)
    radial = total / np.maximum(count, 1)
    slope, level = np.polyfit(np.log(np.sqrt(edges[1:] * edges[:-1])), np.log(radial + 1e-6), 1)
    high = power[(frequency > 0.25) & (frequency <= 0.5)].sum() / power[frequency > 0.02].sum()
    return {"spectrum.slope": slope, "spectrum.level": level, "spectrum.high": float(np.log(high + 1e-9))}


def _identity(row) -> dict[str, float]:
    """Who is shown: age, gender, weight, skin, ancestry."""
    person = json.loads(row.person)
    numbers = {name: float(person[name]) for name in ("age", "gender", "weight", "melanin", "blood")}
    numbers |= {f"ancestry_{i}": share for i, share in enumerate(person["ancestry"])}
    return {f"identity.{name}": value for name, value in numbers.items()}


def measure_items(rows: pd.DataFrame, root: Path) -> pd.DataFrame:
    """One row of measurements for each row of provenance, with its columns `path`, `fake`, `target`."""
    measured = [
        {"path": row.path, "fake": bool(row.fake), "target": row.target, **measure_file(Path(root) / row.path),
         **_identity(row)}
        for row in rows.itertuples()
    ]  # fmt: skip
    return pd.DataFrame(measured)


def shortcut_auc(
    fake: np.ndarray, values: np.ndarray, groups: Sequence[str], seed: int = 0, resamples: int = 300
) -> tuple[float, float, float]:
    """AUC of a random forest on `values` `[n, F]`, five folds with no group in two, and its 95 % interval.

    The interval is a bootstrap of groups over the out-of-fold scores. Raises DataError with fewer than ten groups.
    """
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    if group.max() < 9:
        raise DataError(f"shortcuts: expected at least ten groups. Found {group.max() + 1}.")
    fake, scores = np.asarray(fake, bool), np.zeros(len(fake))
    for train, test in GroupKFold(5, shuffle=True, random_state=seed).split(values, fake, group):
        forest = RandomForestClassifier(100, min_samples_leaf=3, class_weight="balanced", random_state=seed, n_jobs=1)
        scores[test] = forest.fit(values[train], fake[train]).predict_proba(values[test])[:, 1]
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(group == one) for one in range(group.max() + 1)]
    drawn = []
    for _ in range(resamples):
        chosen = np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        if 0 < fake[chosen].sum() < len(chosen):
            drawn.append(roc_auc_score(fake[chosen], scores[chosen]))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(roc_auc_score(fake, scores)), float(low), float(high)


def shortcut_table(measured: dict[str, pd.DataFrame], seed: int = 0) -> pd.DataFrame:
    """AUCs with intervals by domain (`measure_items` of each) and group of measurements, and of all together."""
    rows = []
    for domain, items in measured.items():
        for group in (*GROUPS, "all"):
            names = [
                name for name in items if name.startswith(GROUPS if group == "all" else group + ".") and "." in name
            ]
            auc, low, high = shortcut_auc(items["fake"].to_numpy(), items[names].to_numpy(float), items["target"], seed)
            counts = int((~items["fake"]).sum()), int(items["fake"].sum())
            rows.append((domain, group, auc, low, high, *counts))
    return pd.DataFrame(rows, columns=["domain", "group", "auc", "low", "high", "real", "fake"])


@click.command()
@click.option("--data", default="data", type=click.Path(path_type=Path), help="The folder of the benchmarks.")
@click.option("--out", default="shortcuts.csv", type=click.Path(path_type=Path), help="The table to write.")
@click.option("--people", default=60, help="At most so many targets of each domain.")
def main(data: Path, out: Path, people: int) -> None:
    """Measure how well shortcuts tell real from forged in every domain of rendered data."""
    provenance = data / "provenance.parquet"
    if not provenance.is_file():
        raise click.ClickException(f"data: expected a file provenance.parquet in {data}. Found none.")
    measured = {}
    for name, rows in tqdm(domains(pd.read_parquet(provenance)).items(), unit="domain"):
        chosen = np.random.default_rng(0).permutation(rows["target"].unique())[:people]
        measured[name] = measure_items(rows[rows["target"].isin(chosen)], data)
    with replace_file(out) as temporary:
        shortcut_table(measured).to_csv(temporary, index=False, float_format="%.4f")


if __name__ == "__main__":
    main()
