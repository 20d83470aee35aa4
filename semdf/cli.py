"""The command `semdf`: score a picture or video, extract faces, expand a data set; without a notebook."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from semdf import __version__
from semdf.errors import MissingError, SemdfError
from semdf.faces.choose import FINDERS, choose, named

if TYPE_CHECKING:
    import pandas as pd

    from semdf.explanation.card import Card
    from semdf.explanation.verdict import Detector, Verdict
    from semdf.faces.finders import FaceFinder
    from semdf.faces.parsing import Parser
    from semdf.forging.presets import Preset
    from semdf.weights.registry import Weights

__all__ = ["main"]

PATH = click.Path(path_type=Path)
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


class _Commands(click.Group):
    """Errors of the package become a message and exit code 1, never a traceback.

    A name that the terminal's encoding cannot show is printed with escapes, so that it does not stop the others.
    """

    def invoke(self, ctx: click.Context) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except SemdfError as error:
            raise click.ClickException(str(error)) from error


def _finder_options(command: Callable) -> Callable:
    """The options that say where faces come from."""
    annotations = click.option("--annotations", type=PATH, help="npz file with landmarks and regions.")
    weights = click.option(
        "--weights",
        type=PATH,
        help="RetinaFace's weights file or its folder.  [default: $SEMDF_WEIGHTS, or weights/ and the user's cache]",
    )
    finder = click.option(
        "--finder",
        type=click.Choice(list(FINDERS)),
        default="auto",
        show_default=True,
        help="Where faces come from; auto: annotations if given or with the data, else RetinaFace. For pictures and "
        "videos of one's own, MTCNN takes its place where its weights are not there.",
    )
    longest = click.option(
        "--longest",
        type=click.IntRange(32),
        default=640,
        show_default=True,
        help="RetinaFace, MTCNN: frames are shrunk to this side to find faces, pixels. Small faces in large pictures, "
        "such as panoramas, need more.",
    )
    return finder(weights(annotations(longest(command))))


def _shard(_ctx: click.Context, _option: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """`I/N` as two numbers."""
    if value is None:
        return None
    i, _, n = value.partition("/")
    if not (i.isdecimal() and n.isdecimal() and int(i) < int(n)):
        raise click.BadParameter(f"must be I/N with 0 <= I < N, found {value!r}")
    return int(i), int(n)


def _pairs(_ctx: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """`NAME=VALUE` as name and text."""
    pairs: dict[str, str] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals:
            raise click.BadParameter(f"must be NAME=VALUE, found {value!r}")
        pairs[name] = text
    return pairs


@click.group(cls=_Commands)
@click.version_option(__version__)
def main() -> None:
    """Semantics-oriented deepfake detection."""


@main.command()
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with all numbers.")
@click.option(
    "--model",
    type=PATH,
    help="A run's folder.  [default: $SEMDF_DETECTOR, or runs/auto_lambda-0, or semdf/detector in the user's data "
    "folder]",
)
@click.option(
    "--detector",
    "outside",
    metavar="NAME",
    help="A detector of others, such as gend; --model is then its file of weights. A wrong name lists them all.  "
    "[default of --model: in $SEMDF_WEIGHTS, weights/ or the user's cache]",
)
@click.option("--frames", type=click.IntRange(1), default=32, show_default=True, help="Frames a video.")
@click.option("--explain", type=PATH, help="Folder for a picture (SVG) and table of each answer.")
@_finder_options
def score(
    files: tuple[Path, ...],
    as_json: bool,
    explain: Path | None,
    model: Path | None,
    outside: str | None,
    frames: int,
    finder: str,
    weights: Path | None,
    annotations: Path | None,
    longest: int,
) -> None:
    """Say of each face in FILES, pictures and videos, whether it was forged, and how often such an answer is wrong.

    Of a picture all faces are answered, the largest first; of a video the largest face of its frames. The answers are
    "forged", "no sign of forgery found" and "cannot tell". What was measured about the detector lies in a card beside
    its weights (see `semdf card`); a detector without one gets no answer, only its probability.

    A file without a face that could be scored gets a line that says why; so does a video that breaks off, with the
    answer on what there is of it. The exit code is then 1. Weights or annotations that cannot be read stop everything
    before the first file.
    """
    from semdf.explanation import wording
    from semdf.explanation.verdict import record

    detector = _detector(outside, model)
    card = _card(outside, model, detector)
    finders = [_finder(path, finder, weights, annotations, longest) for path in files]
    if finder == "auto" and not as_json:
        for line in _found_by(finders):
            click.echo(line, err=True)
    failed = 0
    answered = 0
    for path, faces in zip(files, finders, strict=True):
        verdict = _judge(path, detector, frames, faces, card)
        failed += verdict.status != "ok"
        answered += verdict.answered
        if as_json:
            click.echo(json.dumps(record(verdict, card)))
        else:
            click.echo("\n".join(wording.lines(verdict, card)))
        if explain and verdict.answered:
            from semdf.explanation.figure import save

            for figure in save(verdict, detector, explain, card):
                click.echo(f"{figure}", err=as_json)
    if answered and not as_json:
        click.echo(wording.LIMIT)
    sys.exit(1 if failed else 0)


@main.command()
@click.argument("faces", type=FOLDER)
@click.option("--data", required=True, help="Data set of the people that temperature and bounds are fitted on.")
@click.option("--split", default="val", show_default=True, help="Of that data set: people whom training did not see.")
@click.option(
    "--other",
    "others",
    multiple=True,
    help="Another split whose faces are answered, of all data sets; may be given several times.  [default: none]",
)
@click.option("--trained/--untrained", default=True, show_default=True, help="On other people of that data set.")
@click.option("--expanded", type=FOLDER, help="Folder of `semdf expand`: what the detector names and where it points.")
@click.option("--count", type=click.IntRange(1), default=60, show_default=True, help="Forgeries a region for its maps.")
@click.option("--batch", type=click.IntRange(1), default=64, show_default=True, help="Crops that are scored together.")
@click.option("--model", type=PATH, help="As of `semdf score`.")
@click.option("--detector", "outside", metavar="NAME", help="As of `semdf score`.")
@click.option("--device", default="cpu", show_default=True, help="Where the detector runs, such as cuda.")
def card(
    faces: Path,
    expanded: Path | None,
    others: tuple[str, ...],
    model: Path | None,
    outside: str | None,
    device: str,
    **options: Any,
) -> None:
    """Measure a detector on the faces in FACES, a folder of `semdf extract`, and write its card beside its weights.

    The card holds the temperature, the bounds of the three answers, their error rates, and the faces that all of it was
    measured on. `semdf score` and `semdf app` say no more than it allows.
    """
    from semdf.explanation import card as cards
    from semdf.explanation.measuring import measure_detector

    detector = _detector(outside, model, device)
    where = _where(outside, model, detector)
    made = measure_detector(
        detector,
        faces / "manifest.parquet",
        weights=cards.of_weights(where),
        others=others,
        expanded=expanded / "manifest.parquet" if expanded else None,
        **options,
    )
    click.echo(cards.write(made, where))


@main.command()
@click.option("--model", type=PATH, help="As of `semdf score`.")
@click.option("--detector", "outside", metavar="NAME", help="As of `semdf score`.")
@click.option("--frames", type=click.IntRange(1), default=32, show_default=True, help="Frames a video.")
@click.option("--port", type=click.IntRange(0, 65535), default=7860, show_default=True, help="0: any that is free.")
@click.option("--open/--no-open", "show", default=True, show_default=True, help="Open the page in a browser.")
@_finder_options
def app(
    model: Path | None,
    outside: str | None,
    frames: int,
    port: int,
    show: bool,
    finder: str,
    weights: Path | None,
    annotations: Path | None,
    longest: int,
) -> None:
    """Show a page on this machine: drop a picture or video, see its faces and their answers.

    The page can be reached from this machine alone, asks no other host for anything, and keeps no file.
    """
    from semdf.app.server import serve

    detector = _detector(outside, model)
    found = choose(finder, Path(), annotations=annotations, weights=weights, stand_in=True, longest=longest)
    serve(detector, found, _card(outside, model, detector), frames=frames, port=port, show=show)


@main.command()
@click.argument("names", nargs=-1)
def fetch(names: tuple[str, ...]) -> None:
    """Bring the weights called NAMES here; without a name, list all and say which are here.

    What they are, their licence and what they were trained on is printed first. They go into $SEMDF_WEIGHTS, or into
    semdf/weights in the user's cache. A download that was interrupted goes on where it stopped, and a file with another
    SHA-256 than the recorded one is refused. docs/weights.md has the table.
    """
    from semdf.weights import registry

    if not names:
        _list_weights()
    for entry in [registry.load(name) for name in names]:
        _fetch(entry)


@main.command("score-faces")
@click.argument("faces", type=FOLDER)
@click.argument("out", type=PATH)
@click.option("--model", type=PATH, help="As of `semdf score`.")
@click.option("--detector", "outside", metavar="NAME", help="As of `semdf score`.")
@click.option(
    "--split",
    "splits",
    type=click.Choice(("train", "val", "test")),
    multiple=True,
    default=("val", "test"),
    show_default=True,
    help="Which videos are scored; may be given several times.",
)
@click.option("--batch", type=click.IntRange(1), default=64, show_default=True, help="Crops that are scored together.")
@click.option("--processes", type=click.IntRange(1), default=1, show_default=True, help="That share the batches.")
@click.option("--device", default="cpu", show_default=True, help="Where the detector runs, such as cuda.")
def score_faces(
    faces: Path,
    out: Path,
    model: Path | None,
    outside: str | None,
    splits: tuple[str, ...],
    batch: int,
    processes: int,
    device: str,
) -> None:
    """Score every crop of FACES, a folder of `semdf extract` or `semdf merge`, with one detector.

    OUT gets frames.parquet and videos.csv, the tables that the stage `score` makes of each run. As scores/NAME beside
    those of the runs, they are compared with them by notebook 8b.
    """
    from semdf.artifacts import write_table
    from semdf.evaluation.detector import score_manifest
    from semdf.evaluation.evaluate import video_scores

    detector = _detector(outside, model, device)
    frames = score_manifest(detector, faces / "manifest.parquet", list(splits), batch, processes)
    write_table(frames, out / "frames.parquet")
    write_table(video_scores(frames), out / "videos.csv")
    _report(frames, out / "frames.parquet", "crops scored")


@main.command()
@click.argument("root", type=PATH)
@click.argument("out", type=PATH)
@click.option("--layout", required=True, help="For example faceforensics++; a wrong name lists them all.")
@click.option("--compression", default="", help="Compression to read, where the layout has several.")
@click.option(
    "--option",
    "options",
    multiple=True,
    callback=_pairs,
    metavar="NAME=VALUE",
    help="Another option of the layout, such as split=originals; a wrong name lists them all.",
)
@click.option("--frames", type=click.IntRange(1), default=32, show_default=True, help="Frames a video.")
@click.option("--size", type=click.IntRange(8), default=317, show_default=True, help="Side of the crops, pixels.")
@click.option("--alignment", type=click.Choice(("native", "similarity")), default="similarity", show_default=True)
@click.option("--margin", type=float, default=1.3, show_default=True, help="Side of the crop in parts of the face.")
@click.option("--format", type=click.Choice(("png", "jpeg")), default="png", show_default=True, help="Of the crops.")
@click.option("--quality", type=click.IntRange(1, 100), default=95, show_default=True, help="Of JPEG crops.")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Processes.")
@click.option("--shard", callback=_shard, metavar="I/N", help="Only every N-th video, from the I-th on; I from 0.")
@click.option(
    "--face",
    type=click.Choice(("largest", "track")),
    default="largest",
    show_default=True,
    help="RetinaFace, MTCNN: the largest of every frame, or one person through the video.",
)
@click.option("--device", default="cpu", show_default=True, help="RetinaFace: where it runs, such as cuda.")
@click.option(
    "--max-pixels",
    type=click.IntRange(1),
    default=100_000_000,
    show_default=True,
    help="Larger pictures and frames are not read.",
)
@click.option(
    "--max-bytes",
    type=click.IntRange(1),
    default=16_000_000_000,
    show_default=True,
    help="Larger files are not read.",
)
@click.option(
    "--max-array",
    type=click.IntRange(1),
    default=2_000_000_000,
    show_default=True,
    help="Annotations: larger arrays are not read, bytes once inflated.",
)
@_finder_options
def extract(
    root: Path,
    out: Path,
    layout: str,
    compression: str,
    options: dict[str, str],
    finder: str,
    weights: Path | None,
    annotations: Path | None,
    longest: int,
    face: str,
    device: str,
    max_pixels: int,
    max_bytes: int,
    max_array: int,
    shard: tuple[int, int] | None,
    **settings: Any,
) -> None:
    """Cut the faces out of the videos and pictures of a data set's official tree ROOT.

    OUT gets the crops in tars, manifest.parquet and crop.json. A run that was interrupted goes on where it stopped.
    What lies in ROOT and is no video or picture of the layout is counted first, by reason.
    With --shard, OUT/shard-I-of-N gets the result; when all are there, `semdf join OUT` puts them together. Several
    data sets, each in a folder FACES/NAME, become one by `semdf merge FACES`.
    """
    from semdf import layouts
    from semdf.extraction.check import beside
    from semdf.extraction.extract import extract as run
    from semdf.extraction.video import Limits
    from semdf.storage.manifest import part_of

    if compression:
        options["compression"] = compression
    reader = layouts.load(layout, **options)
    rows = reader.read(root)
    for line in beside(root, rows, reader):
        click.echo(line, err=True)
    faces = choose(
        finder,
        root,
        annotations=annotations,
        weights=weights,
        largest=max_array,
        stand_in=layout == "pictures",
        face=face,
        device=device,
        longest=longest,
    )
    manifest = run(rows, root, out, faces, shard=shard, limits=Limits(max_pixels, max_bytes), **settings)
    folder = part_of(out, shard) if shard else out
    _report(manifest, folder / "manifest.parquet", "crops")


@main.command()
@click.argument("out", type=FOLDER)
def join(out: Path) -> None:
    """Put the shards in OUT together, which `semdf extract --shard` or `semdf expand --shard` wrote.

    They stay and may then be deleted.
    """
    from semdf.storage.manifest import join as run

    _report(run(out), out / "manifest.parquet", "pictures")


@main.command()
@click.argument("faces", type=FOLDER)
def merge(faces: Path) -> None:
    """Make the data sets that `semdf extract` put into folders of FACES one.

    FACES gets manifest.parquet and crop.json, which `semdf expand` and training read. The folders stay and are needed.
    """
    from semdf.extraction.merge import merge as run

    _report(run(faces), faces / "manifest.parquet", "crops")


@main.command()
@click.argument("root", type=FOLDER)
@click.option("--layout", default="", help="Name of the layout.  [default: recognised]")
@click.option("--headers/--no-headers", default=True, show_default=True, help="Open every file.")
def check(root: Path, layout: str, headers: bool) -> None:
    """Compare a data set's official tree ROOT with its lists and with the published counts.

    Prints what is missing, surplus, unreadable or differently counted. The exit code is 1 if anything is.
    """
    from semdf.extraction.check import check as run

    reports = run(root, layout, headers=headers)
    for report in reports:
        click.echo(str(report))
    sys.exit(0 if all(report.good for report in reports) else 1)


@main.command()
@click.argument("faces", type=PATH)
@click.argument("out", type=PATH)
@click.option("--seed", type=int, required=True, help="Everything random comes from it.")
@click.option("--preset", default="sjedd", show_default=True, help="A wrong name lists them all.")
@click.option("--region", "regions", multiple=True, help="Instead of the preset's; several are joined by +.")
@click.option("--per-image", type=click.IntRange(1), default=1, show_default=True, help="Forgeries a crop.")
@click.option("--pairing", default="preset", show_default=True, help="nearest, landmarks, pose, random or self.")
@click.option("--source", default="preset", show_default=True, help="Donors are real or fake crops.")
@click.option("--colour", default="preset", show_default=True, help="lab, reinhard, statistics, histogram or none.")
@click.option("--blend", default="preset", show_default=True, help="alpha, poisson or laplacian.")
@click.option("--mask", default="preset", show_default=True, help="From landmarks, or from regions (map or parser).")
@click.option("--recompress", type=int, nargs=2, help="Range of JPEG qualities, for both of a pair.")
@click.option("--size", type=click.IntRange(16), default=256, show_default=True, help="Crops of pictures, pixels.")
@click.option(
    "--identity",
    default="",
    help="Pictures: a regular expression for the person's identity, at the start of a file's name.  [default: the part "
    "before the first _]",
)
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Processes.")
@click.option("--shard", callback=_shard, metavar="I/N", help="Only every N-th forgery, from the I-th on; I from 0.")
def expand(
    faces: Path,
    out: Path,
    preset: str,
    per_image: int,
    seed: int,
    recompress: tuple[int, ...] | None,
    size: int,
    identity: str,
    workers: int,
    shard: tuple[int, int] | None,
    **changes: Any,
) -> None:
    """Forge regions of the real faces in FACES: a manifest or folder of `semdf extract`, or a folder of pictures.

    With --shard, OUT/shard-I-of-N gets the result, and FACES must be of `semdf extract`; when all are there, `semdf
    join OUT` puts them together.
    """
    from semdf import layouts
    from semdf.artifacts import read_rows, write_table
    from semdf.extraction.check import beside
    from semdf.forging.expand import expand as run
    from semdf.forging.presets import choose as choose_preset
    from semdf.forging.sources import faces_of
    from semdf.storage.manifest import part_of

    chosen = choose_preset(preset, **changes)
    extracted = faces.is_file() or (faces / "manifest.parquet").is_file()
    if shard and not extracted:  # with a folder of pictures, each shard would cut out all faces
        raise MissingError(f"faces: with --shard, {faces} must have the manifest of `semdf extract`, found none")
    crops: pd.DataFrame | Path
    if extracted:
        crops = faces if faces.is_file() else faces / "manifest.parquet"
        root = crops.parent
        parser = _parser(chosen, read_rows(crops, ["regions_member", "status"], plain=["regions_member"]))
    else:
        parser = _parser(chosen, None)
        root, crops = faces_of(faces, out / "pictures", size=size, identity=identity)
        for line in beside(faces, crops, layouts.load("pictures")):
            click.echo(line, err=True)
    made = run(
        crops,
        root,
        out,
        preset=chosen,
        per_image=per_image,
        recompress=recompress or (),
        seed=seed,
        parser=parser,
        workers=workers,
        shard=shard,
    )
    folder = part_of(out, shard) if shard else out
    if not shard:  # a shard's manifest was written with it
        write_table(made, folder / "manifest.parquet")
    _report(made, folder / "manifest.parquet", "forgeries")


@main.command()
@click.argument("sources", nargs=-1, required=True, type=FOLDER)
@click.argument("out", type=PATH)
@click.option("--to", type=click.Choice(("deepfakebench",)), required=True, help="Whose form is written.")
def export(sources: tuple[Path, ...], out: Path, to: str) -> None:  # noqa: ARG001 there is one form so far
    """Write crops and forgeries in the form of another project.

    SOURCES are folders of `semdf extract`, `semdf merge` or `semdf expand`, such as the faces and their expansion.

    deepfakebench: OUT gets frames, masks and landmarks in folders, a list in JSON for each data set, and the labels
    that DeepfakeBench's configuration must know (label_dict.yaml).
    """
    from semdf.forging.export import to_deepfakebench

    made = to_deepfakebench(sources, out)
    _report(made.rows, out, "crops")


def _parser(preset: Preset, manifest: pd.DataFrame | None) -> Parser | None:
    """The face parser that the faces of a manifest need, or those of pictures; its weights are read."""
    from semdf.forging.sources import parser_for

    parser = parser_for(preset, manifest)
    if parser is not None:
        parser.load()
    return parser


def _finder(
    path: Path, finder: str, weights: Path | None, annotations: Path | None, longest: int
) -> FaceFinder | MissingError:
    """What finds the faces of a file, or what is missing for it, which need not be missing for the other files."""
    try:
        return choose(finder, path, annotations=annotations, weights=weights, stand_in=True, longest=longest)
    except MissingError as error:
        return error


def _detector(outside: str | None, model: Path | None, device: str = "cpu") -> Any:
    """A detector of others by its name, or the run in a folder.

    Args:
        outside: The name; None for a run of ours.
        model: The file of its weights, or the run's folder; None: where they are looked for.
    """
    if outside is not None:
        from semdf.evaluation.outside import load

        return load(outside, model, device)
    from semdf.evaluation.detector import find_detector, load_detector

    folder = model or find_detector()
    return load_detector(folder) if device == "cpu" else load_detector(folder, device)


def _where(outside: str | None, model: Path | None, detector: Any) -> Path:
    """The place of a detector of `_detector`: its file of weights, or a run's folder."""
    if outside is not None:
        return detector.path
    from semdf.evaluation.detector import find_detector

    return model or find_detector()


def _card(outside: str | None, model: Path | None, detector: Any) -> Card | None:
    """The card of a detector of `_detector`."""
    from semdf.explanation import card as cards

    return cards.read(_where(outside, model, detector))


def _judge(path: Path, detector: Detector, frames: int, faces: FaceFinder | MissingError, card: Card | None) -> Verdict:
    """The verdict on one file; its status is what is missing for finding its faces, if anything is."""
    from semdf.explanation.verdict import Verdict, judge
    from semdf.faces.finders import Whole

    if not isinstance(faces, MissingError):
        return judge(path, detector, faces, frames, card)
    broken = judge(path, detector, Whole(), frames)  # the file itself may be what is wrong
    return broken if not broken.answered else Verdict(str(path), str(faces))


def _found_by(finders: Sequence[FaceFinder | MissingError]) -> list[str]:
    """A line for each finder that was chosen, with what would be chosen before it."""
    names = {named(finder) for finder in finders if not isinstance(finder, MissingError)}
    better = {"mtcnn": ", because RetinaFace's weights are not here: semdf fetch retinaface"}
    return [f"faces found by {name}{better.get(name, '')}" for name in sorted(names)]


def _list_weights() -> None:
    """Print a line for all weights: name, size, licence, what they do, and where they are here."""
    from semdf.weights import registry

    for entry in registry.WEIGHTS.values():
        where = registry.place(entry) or "not here"
        click.echo(f"{entry.name:18} {_megabytes(entry.size):>9}  {entry.licence:10}  {entry.use}  [{where}]")
    click.echo(f"`semdf fetch NAME` puts a file into {registry.folder()}.", err=True)


def _fetch(entry: Weights) -> None:
    """Print what a file of weights is, bring it here and say where it lies."""
    from tqdm import tqdm

    from semdf.weights.fetch import fetch as run
    from semdf.weights.registry import folder

    click.echo(f"{entry.name}: {entry.use}, {_megabytes(entry.size)}")
    for what, value in (
        ("licence", entry.licence),
        ("trained on", entry.training),
        ("made by", entry.source),
        ("address", entry.address or entry.page),
        ("SHA-256", entry.sha256 or "not published"),
        ("goes to", str(folder() / entry.file)),
    ):
        click.echo(f"  {what:10} {value}")
    with tqdm(unit="B", unit_scale=True, leave=False, disable=None) as bar:  # None: no bar where it is not seen

        def show(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        found = run(entry, progress=show)
    click.echo(f"{found.path}")
    if not found.compared:
        click.echo(f"  SHA-256    {found.sha256}, to be recorded in the table of weights: it was compared with nothing")


def _megabytes(size: int) -> str:
    """Bytes as megabytes, of small files with one digit behind the point."""
    if not size:
        return "unknown"
    return f"{size / 1e6:,.0f} MB" if size >= 1e7 else f"{size / 1e6:.1f} MB"


def _report(manifest: pd.DataFrame, path: Path, what: str) -> None:
    """Print what was made and, for each reason, how much was not; exit with code 1 if nothing was made."""
    good = int((manifest["status"] == "ok").sum())
    click.echo(f"{good} {what}, {path}")
    reasons = manifest["status"][manifest["status"] != "ok"].str.split(":", n=1).str[0].value_counts()
    for reason, count in sorted(reasons.items()):
        click.echo(f"{count} without: {reason}", err=True)
    if not good:
        sys.exit(1)
