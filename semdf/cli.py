"""The command `semdf`: score a picture or video, extract faces, expand a data set; without a notebook."""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path

import click

from semdf import __version__
from semdf.errors import MissingError, ParameterError, SemdfError

__all__ = ["main"]

FINDERS = ("auto", "retinaface", "whole", "annotations", "templates")


class _Commands(click.Group):
    """Errors of the package become a message and exit code 1, never a traceback."""

    def invoke(self, ctx: click.Context):
        try:
            return super().invoke(ctx)
        except SemdfError as error:
            raise click.ClickException(str(error)) from error


def _finder_options(command):
    for option in (
        click.option("--annotations", type=click.Path(path_type=Path), help="npz file with landmarks and regions."),
        click.option(
            "--weights",
            type=click.Path(path_type=Path),
            help="RetinaFace's weights file or its folder.  [default: $SEMDF_WEIGHTS or weights/]",
        ),
        click.option(
            "--finder",
            type=click.Choice(FINDERS),
            default="auto",
            show_default=True,
            help="Where faces come from; auto: annotations if given or with the data, else RetinaFace.",
        ),
    ):
        command = option(command)
    return command


@click.group(cls=_Commands)
@click.version_option(__version__)
def main() -> None:
    """Semantics-oriented deepfake detection."""


@main.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: path, status, p.")
@click.option("--model", type=click.Path(path_type=Path), help="A run's folder.  [default: runs/auto_lambda-0]")
@click.option("--frames", type=click.IntRange(1), default=32, show_default=True, help="Frames a video.")
@_finder_options
def score(
    files: tuple[Path, ...],
    as_json: bool,
    model: Path | None,
    frames: int,
    finder: str,
    weights: Path | None,
    annotations: Path | None,
) -> None:
    """Say of each picture or video in FILES whether it is a fake, and what was altered.

    A file without an answer gets a line that says why; the exit code is then 1.
    """
    from semdf.score import DEFAULT_RUN, load_detector
    from semdf.verdict import sentence

    detector = load_detector(model or DEFAULT_RUN)
    failed = 0
    for path in files:
        verdict = _judge(path, detector, frames, finder, weights, annotations)
        failed += verdict.status != "ok"
        if as_json:
            click.echo(json.dumps({"path": verdict.path, "status": verdict.status, "p": verdict.p or None}))
        else:
            click.echo(sentence(verdict, detector.hierarchy))
    sys.exit(1 if failed else 0)


@main.command()
@click.argument("root", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--layout", required=True, help="faceforensics++, celeb-df-v2 or pictures.")
@click.option("--compression", default="", help="Compression to read, where the layout has several.")
@click.option("--frames", type=click.IntRange(1), default=32, show_default=True, help="Frames a video.")
@click.option("--size", type=click.IntRange(8), default=317, show_default=True, help="Side of the crops, pixels.")
@click.option("--alignment", type=click.Choice(("native", "similarity")), default="similarity", show_default=True)
@click.option("--margin", type=float, default=1.3, show_default=True, help="Side of the crop in parts of the face.")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Processes.")
@_finder_options
def extract(
    root: Path,
    out: Path,
    layout: str,
    compression: str,
    finder: str,
    weights: Path | None,
    annotations: Path | None,
    **settings,
) -> None:
    """Cut the faces out of the videos of a data set's official tree ROOT: tars and manifest.parquet in
    OUT."""
    from semdf import layouts
    from semdf.artifacts import write_table
    from semdf.extract import extract as run

    rows = layouts.load(layout, **({"compression": compression} if compression else {})).read(root)
    manifest = run(rows, root, out, _finder(finder, weights, annotations, root), **settings)
    _report(manifest, write_table(manifest, out / "manifest.parquet"), "crops")


@main.command()
@click.argument("faces", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--seed", type=int, required=True, help="Everything random comes from it.")
@click.option("--region", "regions", multiple=True, default=("eyes", "mouth", "nose"), show_default=True)
@click.option("--per-image", type=click.IntRange(1), default=1, show_default=True, help="Forgeries a crop.")
@click.option("--pairing", default="nearest", show_default=True, help="nearest or random donors.")
@click.option("--source", default="real", show_default=True, help="Donors are real or fake crops.")
@click.option("--colour", default="lab", show_default=True, help="lab or none.")
@click.option("--blend", default="alpha", show_default=True, help="alpha or poisson.")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Processes.")
def expand(faces: Path, out: Path, colour: str, blend: str, **settings) -> None:
    """Forge eyes, mouths and noses of the real crops in FACES, which `semdf extract` wrote, into OUT."""
    from semdf.artifacts import read_table, write_table
    from semdf.expand import expand as run
    from semdf.forge import Options

    manifest = run(
        read_table(faces / "manifest.parquet"),
        faces,
        out,
        options=Options(colour=colour, blend=blend),
        **settings,
    )
    _report(manifest, write_table(manifest, out / "manifest.parquet"), "forgeries")


def _judge(path: Path, detector, frames: int, finder: str, weights: Path | None, annotations: Path | None):
    """The verdict on one file; that its faces cannot be found is a status, so that other files are still scored."""
    from semdf.faces import Whole
    from semdf.verdict import Verdict, judge

    try:
        faces = _finder(finder, weights, annotations, path)
    except MissingError as error:
        broken = judge(path, detector, Whole(), frames)  # the file itself may be what is wrong
        return broken if broken.status != "ok" else Verdict(str(path), str(error), {})
    return judge(path, detector, faces, frames)


def _report(manifest, path: Path, what: str) -> None:
    """A line on what was made, one for each reason why something was not; exit code 1 if nothing was."""
    good = int((manifest["status"] == "ok").sum())
    click.echo(f"{good} {what}, {path}")
    reasons = manifest["status"][manifest["status"] != "ok"].str.split(":", n=1).str[0].value_counts()
    for reason, count in sorted(reasons.items()):
        click.echo(f"{count} without: {reason}", err=True)
    if not good:
        sys.exit(1)


def _finder(name: str, weights: Path | None, annotations: Path | None, path: Path):
    """The finder for one file or folder. MissingError, which names the ways out, if its files are not
    there."""
    from semdf import faces

    if name == "whole":
        return faces.Whole()
    if name == "auto" and not weights:
        annotations = annotations or faces.annotations_of(path)
    if name == "annotations" or (name == "auto" and annotations):
        if annotations is None:
            raise ParameterError("--finder annotations needs --annotations FILE.npz")
        return faces.Annotated(annotations)
    if name == "templates":
        return faces.Templates(path if path.is_dir() else path.parent, _retinaface(weights, required=False))
    return _retinaface(weights, required=True)


@cache
def _retinaface(weights: Path | None, *, required: bool):
    """The detector whose weights are found; without, None, or MissingError."""
    from semdf.portraits import weights_folder
    from semdf.retinaface import MODELS, RetinaFace, find_weights

    where = weights or weights_folder()
    found = find_weights(where)
    if found is not None:
        return RetinaFace(found[1], found[0])
    if not required and weights is None:
        return None
    names = " or ".join(file for _, file in MODELS.values())
    raise MissingError(
        f"RetinaFace: expected {names} at {where}. Found neither. Name the file with --weights or "
        "$SEMDF_WEIGHTS, or take pictures that show one face, cut out, with --finder whole."
    )
