"""Train the stored detector and those that it is compared with: `python -m semdf.pipeline.detector`.

    python -m semdf.pipeline.detector --photographs FOLDER             # the stored one, into pretrained/detector
    python -m semdf.pipeline.detector --photographs FOLDER --prepare   # crops and forgeries alone
    python -m semdf.pipeline.detector --photographs FOLDER --test      # the tests of what is there, anew
    python -m semdf.pipeline.detector --photographs FOLDER --compared  # the trainings of the table, shorter

What was interrupted goes on where it stopped: forgeries by folders, trainings by epochs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click
import pandas as pd
from ruamel.yaml import YAML

from semdf import params
from semdf.artifacts import read_table, write_table
from semdf.errors import MissingError, SemdfError
from semdf.evaluation.detector import load_detector, score_manifest
from semdf.evaluation.evaluate import summarise, video_scores
from semdf.evaluation.photographs import AS_THEY_ARE, CONDITIONS, UNTOUCHED, auc_by_kind, score
from semdf.forging import photographs
from semdf.layouts import protocols
from semdf.pipeline import ROOT
from semdf.pretraining import detector

__all__ = ["WORK", "Prepared", "compare", "main", "prepare", "test", "train"]

#: Where crops, forgeries and checkpoints wait.
WORK = ROOT / "scratch" / "detector"


class Prepared(NamedTuple):
    """Crops and forgeries of the photographs.

    Attributes:
        people: A row a photograph: data set, path, person, split and status.
        faces: Side -> folder of the crops.
        forged: Folders of forgeries.
    """

    people: pd.DataFrame
    faces: dict[int, Path]
    forged: list[detector.Forgeries]


def prepare(block: params.Detector, work: Path = WORK) -> Prepared:
    """Cut and forge the photographs, as far as that is not done.

    Args:
        block: The block `detector`.
        work: Folder for crops and forgeries.

    Raises:
        MissingError: The photographs are not there.
        DataError: They cannot be used; see `semdf.forging.photographs.read`.
    """
    folder = ROOT / block.photographs if block.photographs else ""
    rows = photographs.read(folder, block.people, block.people_seed)
    faces: dict[int, Path] = {}
    for side in block.sides:
        faces[side] = work / f"faces-{side}"
        cut = photographs.cut(rows, folder, faces[side], size=side, workers=block.workers)
        if side == block.sides[0]:
            people = cut[["dataset", "path", "target", "split", "status"]]
    made = photographs.forge_all(
        faces,
        work / "forged",
        passes=block.passes,
        per_image=block.per_image,
        left_out=block.left_out,
        seed=block.seed,
        workers=block.workers,
    )
    return Prepared(people, faces, [detector.Forgeries(*one) for one in made])


def train(
    kind: str,
    blocks: dict,
    prepared: Prepared,
    faces: Path,
    expanded: Path,
    out: Path,
    *,
    shorter: bool = False,
    checkpoints: Path | None = None,
) -> None:
    """Train one kind of detector and write its folder.

    Args:
        kind: A name of `semdf.pretraining.detector.KINDS`.
        blocks: What `semdf.params.read` gives.
        prepared: Crops and forgeries of the photographs.
        faces: Folder of the embedded faces.
        expanded: Folder of their forgeries.
        out: Folder of the result.
        shorter: With the changes of the table.
        checkpoints: Folder for checkpoints; None for one that is named by what is trained on what.
    """
    for folder in (faces, expanded):
        if not (folder / "manifest.parquet").is_file():
            raise MissingError(f"{folder.name}: must have a manifest, found none: run `make reproduce`")
    block = blocks["detector"]
    if shorter:
        block = block.model_copy(update={"changes": {**block.changes, **block.shorter}})
    config = detector.configured(kind, block.seed, blocks["train"].model_dump(), block)
    place = checkpoints or detector.checkpoints_of(kind, config, faces, expanded, prepared.forged, WORK / "checkpoints")
    record = detector.train(kind, config, faces, expanded, prepared.forged, place)
    detector.write_record(record, kind, config, block, out)
    write_table(prepared.people, out / "people.csv")


def test(folder: Path, prepared: Prepared, faces: Path) -> None:
    """Score all tests with the detector of a folder; leaves `frames.parquet` and `rendered.parquet` there.

    Args:
        folder: Of the detector.
        prepared: Crops and forgeries of the photographs.
        faces: Folder of the embedded faces.
    """
    scorer = load_detector(folder)
    tables = []
    for one in prepared.forged:
        if one.split != "train":
            tables.append(score(scorer, one.manifest, one.split).assign(set=one.preset, condition=AS_THEY_ARE))
    crops = next(iter(prepared.faces.values())) / "manifest.parquet"
    for split in ("val", "test"):
        for condition in CONDITIONS:
            scored = score(scorer, crops, split, condition)
            tables.append(scored.assign(set=UNTOUCHED, condition=condition))
    write_table(pd.concat(tables, ignore_index=True), folder / "frames.parquet")
    rendered = score_manifest(scorer, faces / "manifest.parquet", ["val", "test"])
    write_table(rendered, folder / "rendered.parquet")


def compare(blocks: dict, prepared: Prepared, faces: Path, expanded: Path, out: Path, work: Path = WORK) -> None:
    """Train what the table compares, as far as that is not done, and write `out/comparison.csv`: a row a kind and test.

    Args:
        blocks: What `semdf.params.read` gives.
        prepared: Crops and forgeries of the photographs.
        faces: Folder of the embedded faces.
        expanded: Folder of their forgeries.
        out: Folder of the table.
        work: Folder for the trainings.
    """
    block = blocks["detector"]
    table = []
    for kind in block.compared:
        folder = work / "compared" / kind
        if not (folder / "training.json").is_file():
            places = work / "checkpoints" / f"compared-{kind}"
            train(kind, blocks, prepared, faces, expanded, folder, shorter=True, checkpoints=places)
        if not (folder / "rendered.parquet").is_file():
            test(folder, prepared, faces)
        table.append(_measured(folder, block).assign(kind=kind))
    write_table(pd.concat(table, ignore_index=True), out / "comparison.csv")


def _measured(folder: Path, block: params.Detector) -> pd.DataFrame:
    """Root AUC of all tests of a detector: test, auc, low, high."""
    frames = read_table(folder / "frames.parquet")
    forged = frames[(frames["split"] == "test") & (frames["set"] != UNTOUCHED)]
    kinds = auc_by_kind(forged, resamples=block.resamples, seed=block.resampling_seed)
    kinds = kinds[kinds["kind"] == "all"]
    kinds = kinds.assign(test=kinds["dataset"] + ": " + kinds["set"])
    videos = video_scores(read_table(folder / "rendered.parquet"))
    known = [name for name in protocols.names() if name in set(videos["dataset"])]
    chosen = pd.concat([protocols.select(videos, name).assign(dataset=name) for name in known], ignore_index=True)
    rendered = summarise(chosen, resamples=block.resamples, seed=block.resampling_seed)
    rendered = rendered[(rendered["manipulation"] == "all") & rendered["dataset"].isin(known)]
    rendered = rendered.rename(columns={"auc_low": "low", "auc_high": "high"})
    rendered = rendered.assign(test="rendered: " + rendered["dataset"])
    columns = ["test", "auc", "low", "high"]
    return pd.concat([kinds[columns], rendered[columns]], ignore_index=True)


def _changed(block: params.Detector, settings: Sequence[str]) -> params.Detector:
    """The block with settings NAME=VALUE of a command line; those of the block `train` go to its changes."""
    values = block.model_dump()
    for setting in settings:
        name, _, text = setting.partition("=")
        value = YAML(typ="safe").load(text)
        if name in values:
            values[name] = value
        else:
            values["changes"] = {**values["changes"], name: value}
    return params.check("detector", values)


@click.command()
@click.option("--photographs", "folder", default="", help="Folder of the photographs, instead of params.yaml's.")
@click.option("--faces", default="faces", type=Path, help="What the stage extract made.")
@click.option("--expanded", default="expanded", type=Path, help="What the stage expand made.")
@click.option("--work", default=WORK, type=Path, help="Folder for crops, forgeries and checkpoints.")
@click.option("--out", default="pretrained/detector", type=Path, help="Folder of the result.")
@click.option("--kind", default="", help="What it is trained on, instead of params.yaml's.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Change the block detector or train.")
@click.option("--prepare", "only", is_flag=True, help="Only cut and forge.")
@click.option("--test", "again", is_flag=True, help="Only score the tests, with the detector of OUT.")
@click.option("--compared", is_flag=True, help="Train what the table compares; the table goes to OUT/comparison.csv.")
def main(
    folder: str,
    faces: Path,
    expanded: Path,
    work: Path,
    out: Path,
    kind: str,
    settings: Sequence[str],
    only: bool,
    again: bool,
    compared: bool,
) -> None:
    """Train the stored detector of params.yaml."""
    try:
        blocks = params.read(ROOT / "params.yaml")
        block = _changed(blocks["detector"], settings)
        if folder:
            block = block.model_copy(update={"photographs": folder})
        blocks["detector"] = block
        place = ROOT / work
        prepared = prepare(block, place)
        if only:
            return
        if compared:
            compare(blocks, prepared, ROOT / faces, ROOT / expanded, ROOT / out, place)
            return
        name = kind or block.kind
        if not again:
            checkpoints = place / "checkpoints" / name
            train(name, blocks, prepared, ROOT / faces, ROOT / expanded, ROOT / out, checkpoints=checkpoints)
        test(ROOT / out, prepared, ROOT / faces)
    except SemdfError as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
