"""Copy executed notebooks to docs/rendered, where git keeps them for readers, with pictures of fewer bytes."""

from __future__ import annotations

import base64
import io
import shutil
from pathlib import Path

import click
import nbformat

from semdf.artifacts import atomic, writing
from semdf.errors import DataError, MissingError, SemdfError
from semdf.pipeline import ROOT

__all__ = ["render"]


def render(target: Path, notebooks: tuple[Path, ...]) -> list[Path]:
    """Empty `target` and copy each notebook there; the run's name is kept: runs/equal-0/05_x -> 05_x.equal-0.

    The pictures in a notebook keep every pixel; files of other kinds are copied as they are.

    Raises MissingError or DataError, before anything is removed, for a notebook that is not there or is none, and
    WriteError.
    """
    if missing := [notebook for notebook in notebooks if not notebook.is_file()]:
        raise MissingError(f"executed notebook expected at {missing[0].name!r}, found none: run `make reproduce`")
    contents = [_lighter(path) if path.suffix == ".ipynb" else path.read_bytes() for path in notebooks]
    with writing(target):
        if target.is_dir():
            shutil.rmtree(target)
        target.mkdir(parents=True)
    copies = []
    for notebook, content in zip(notebooks, contents, strict=True):
        run = notebook.parent.name if notebook.parent.parent.name in ("runs", "scores") else ""
        name = f"{notebook.stem}.{run}.ipynb" if run else notebook.name
        with atomic(target / name) as draft:
            draft.write_bytes(content)
        copies.append(target / name)
    return copies


def _lighter(path: Path) -> bytes:
    """A notebook whose PNGs have no alpha channel that hides nothing, and are packed as tightly as zlib can."""
    from PIL import Image

    try:
        notebook = nbformat.read(path, 4)
        for output in (output for cell in notebook.cells for output in cell.get("outputs", ())):
            if text := output.get("data", {}).get("image/png"):
                picture: Image.Image = Image.open(io.BytesIO(base64.b64decode(text)))
                packed = io.BytesIO()
                if picture.mode == "RGBA" and picture.getchannel("A").getextrema() == (255, 255):
                    picture = picture.convert("RGB")
                picture.save(packed, "PNG", optimize=True)
                output["data"]["image/png"] = base64.b64encode(packed.getvalue()).decode()
        return f"{nbformat.writes(notebook)}\n".encode()
    except (ValueError, OSError, AttributeError, nbformat.ValidationError) as error:
        said = str(error).partition("\n")[0]
        raise DataError(f"{path.name} must be an executed notebook with whole pictures, found: {said}") from error


@click.command(help="Copy executed NOTEBOOKS to the folder TARGET.")
@click.argument("target", type=Path)
@click.argument("notebooks", type=Path, nargs=-1, required=True)
def main(target: Path, notebooks: tuple[Path, ...]) -> None:
    try:
        for copy in render(ROOT / target, tuple(ROOT / n for n in notebooks)):
            click.echo(copy.relative_to(ROOT))
    except SemdfError as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
