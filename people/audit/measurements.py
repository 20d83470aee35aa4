"""Numbers that should not tell real from forged, measured on files, on crops and on the expansion (see `shortcuts`)."""

import json
import struct
from pathlib import Path
from typing import Any, NamedTuple

import av
import cv2
import numpy as np
import pandas as pd

from people.benchmarks.plan import DEEPER, FFPP
from semdf import params
from semdf.artifacts import read_table
from semdf.errors import DataError, MissingError
from semdf.evaluation.smoothness import numbers
from semdf.pipeline import ROOT
from semdf.storage.columns import MEASURED_ITEM
from semdf.storage.tars import read_image

__all__ = ["KEYS", "domains", "measure_crops", "measure_expansion", "measure_file", "measure_items"]

#: What is known of an item: below data/, and who is in it as `<domain>/<person>/<clip>`.
KEYS = MEASURED_ITEM


def domains(provenance: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Real and forged items of each domain; where the reals are originals of FaceForensics++, these join it."""
    originals = provenance[(provenance["dataset"] == FFPP) & ~provenance["fake"]]
    shifter = provenance["manipulation"] == "FaceShifter"
    tables = {}
    for dataset, rows in provenance[~shifter].groupby("dataset", sort=True):
        tables[str(dataset)] = rows
    without = {"FaceShifter": provenance[shifter], DEEPER: provenance[provenance["dataset"] == DEEPER]}
    for name, rows in without.items():
        if len(rows):
            tables[name] = pd.concat([originals[originals["target"].isin(rows["target"])], rows], ignore_index=True)
    return tables


def measure_file(path: Path) -> dict[str, float]:
    """Named numbers of one video or picture, `<group>.<what>`; a video's pictures are its first and middle one.

    Raises:
        MissingError: there is no file.
        DataError: it is no picture.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingError(f"shortcuts: must have a file at {path}, found none")
    found = _video(path) if path.suffix == ".mp4" else _picture(path)
    named = {"size.bytes": float(path.stat().st_size)}
    for name, value in found.headers.items():
        named[f"headers.{name}"] = value
    each = [numbers(picture) for picture in found.pictures]
    for name in each[0]:
        named[name] = float(np.mean([one[name] for one in each]))
    return named


class _File(NamedTuple):
    """What is read of a file."""

    headers: dict[str, float]
    pictures: list[np.ndarray]


def _picture(path: Path) -> _File:
    """Headers of a JPEG or PNG, and the picture."""
    data = path.read_bytes()
    headers = _jpeg(data) if path.suffix == ".jpg" else {"chunks": float(data.count(b"IDAT"))}
    picture = cv2.imread(str(path))
    if picture is None:
        raise DataError(f"shortcuts: must have a picture at {path}, found something else")
    height, width = picture.shape[:2]
    headers["height"] = float(height)
    headers["width"] = float(width)
    return _File(headers, [picture[..., ::-1]])


def _video(path: Path) -> _File:
    """Headers of a video, the encoder's settings among them, its first and its middle frame."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        headers = {
            "frames": float(stream.frames),
            "height": float(context.height),
            "width": float(context.width),
            "rate": float(stream.average_rate or 0),
            "profile": float(sum(map(ord, str(context.profile)))),
            "extradata": float(sum(context.extradata or b"")),
            "duration": float(stream.duration or 0),
        }
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    options = path.read_bytes().split(b"x264 - core", 1)[-1].split(b"\0", 1)[0]
    headers["encoder"] = float(sum(options))
    return _File(headers, [frames[0], frames[len(frames) // 2]])


def _jpeg(data: bytes) -> dict[str, float]:
    """Sums of the quantisation tables, the sampling factors, and the number of segments."""
    headers = {"segments": 0.0, "tables": 0.0, "sampling": 0.0}
    at = 2
    while at < len(data) - 4 and data[at + 1] != 0xDA:  # until the scan
        marker = data[at + 1]
        (length,) = struct.unpack(">H", data[at + 2 : at + 4])
        body = data[at + 4 : at + 2 + length]
        headers["segments"] += 1
        if marker == 0xDB:
            headers["tables"] += float(sum(body))
        if marker in (0xC0, 0xC1, 0xC2):
            headers["sampling"] += float(sum(body[7::3]))
        at += 2 + length
    return headers


def _identity(row: Any) -> dict[str, float]:
    """Who is shown in an item of the provenance: age, gender, weight, skin, ancestry."""
    person = json.loads(row.person)
    named = {f"identity.{name}": float(person[name]) for name in ("age", "gender", "weight", "melanin", "blood")}
    for i, share in enumerate(person["ancestry"]):
        named[f"identity.ancestry_{i}"] = share
    return named


def measure_items(rows: pd.DataFrame, root: Path) -> pd.DataFrame:
    """One row of measurements for each row of provenance, with its columns KEYS."""
    measured = []
    for row in rows.itertuples():
        known = {key: getattr(row, key) for key in KEYS}
        measured.append({**known, **measure_file(Path(root) / str(row.path)), **_identity(row)})
    return pd.DataFrame(measured)


def _known_crops(provenance: pd.DataFrame, faces: Path) -> pd.DataFrame:
    """Rows of faces/manifest.parquet with what the provenance of their files knows (KEYS) instead of their own.

    Raises:
        DataError: a file is not in the provenance.
    """
    rows = read_table(faces / "manifest.parquet", ("path", "sample", "video", "frame", "shard", "member", "status"))
    rows = rows.loc[rows["status"] == "ok", ["path", "sample", "video", "frame", "shard", "member"]]
    folders = rows["shard"].str.partition("/")[0].map(params.read(ROOT / "params.yaml")["extract"].datasets)
    known = rows.assign(path=folders + "/" + rows["path"]).merge(provenance[list(KEYS)], on="path", validate="m:1")
    if len(known) < len(rows):
        raise DataError(f"shortcuts: must have {len(rows)} crops of files in the provenance, found {len(known)}")
    return known


def _measure(crops: pd.DataFrame, root: Path) -> pd.DataFrame:
    """A row of measurements for each crop of a table with columns `shard` and `member`."""
    return pd.DataFrame([numbers(read_image(root, crop.shard, crop.member)) for crop in crops.itertuples()])


def measure_crops(provenance: pd.DataFrame, faces: Path) -> pd.DataFrame:
    """One row for each item of faces/manifest.parquet: KEYS and the mean measurements of its crops."""
    crops = _known_crops(provenance, faces)
    each = pd.concat([crops[list(KEYS)], _measure(crops, faces)], axis=1)
    return each.groupby(list(KEYS), as_index=False, sort=True).mean()


def measure_expansion(provenance: pd.DataFrame, faces: Path, expanded: Path, dataset: str = FFPP) -> pd.DataFrame:
    """One row for each forged crop of expanded/manifest.parquet and each pristine one of the same frames.

    Columns KEYS (`source` is whom the donor crop shows) and the measurements.
    """
    crops = _known_crops(provenance, faces).set_index("sample")
    rows = read_table(
        expanded / "manifest.parquet", ("path", "sample", "video", "frame", "donor", "pristine", "status")
    )
    rows = rows[(rows["status"] == "ok") & (rows["dataset"] == dataset)]
    whose = crops["target"]
    own = rows["pristine"] + rows["sample"].str[-5:]  # "/" and the number of the frame
    real = crops.loc[own.unique()].reset_index()
    target = whose.loc[own].to_numpy()
    source = whose.loc[rows["donor"]].to_numpy()
    fake = rows.assign(target=target, source=source, fake=True, dataset=dataset).reset_index(drop=True)
    pristine = pd.concat([real[list(KEYS)], _measure(real, faces)], axis=1)
    forged = pd.concat([fake[list(KEYS)], _measure(fake, expanded)], axis=1)
    return pd.concat([pristine, forged], ignore_index=True)
