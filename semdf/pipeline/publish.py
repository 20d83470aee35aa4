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
    """Empty the folder `target` and copy the notebooks there, with the names of their runs.

    `runs/equal-0/05_training.ipynb` becomes `05_training.equal-0.ipynb`. The pictures in a notebook keep every pixel;
    files of other kinds are copied as they are.

    Raises:
        MissingError: A notebook is not there; nothing is removed.
        DataError: A file is no notebook, or holds half a picture; nothing is removed.
        WriteError: The disk is full or writing is not allowed.
    """
    for notebook in notebooks:
        if not notebook.is_file():
            raise MissingError(f"executed notebook {notebook.name!r} must be there, found none: run `make reproduce`")
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
    """The bytes of a notebook whose PNGs are compressed as far as zlib can; fully opaque alpha channels are dropped."""
    try:
        notebook = nbformat.read(path, 4)
        for cell in notebook.cells:
            for output in cell.get("outputs", ()):
                data = output.get("data", {})
                if data.get("image/png"):
                    data["image/png"] = _packed(data["image/png"])
        return f"{nbformat.writes(notebook)}\n".encode()
    except (ValueError, OSError, AttributeError, nbformat.ValidationError) as error:
        said = str(error).partition("\n")[0]
        raise DataError(f"{path.name} must be an executed notebook with whole pictures, found: {said}") from error


def _packed(text: str) -> str:
    """A PNG in base64, with fewer bytes and the same pixels."""
    from PIL import Image

    picture: Image.Image = Image.open(io.BytesIO(base64.b64decode(text)))
    if picture.mode == "RGBA" and picture.getchannel("A").getextrema() == (255, 255):
        picture = picture.convert("RGB")
    packed = io.BytesIO()
    picture.save(packed, "PNG", optimize=True)
    return base64.b64encode(packed.getvalue()).decode()


@click.command()
@click.argument("target", type=Path)
@click.argument("notebooks", type=Path, nargs=-1, required=True)
def main(target: Path, notebooks: tuple[Path, ...]) -> None:
    """Copy executed NOTEBOOKS to the folder TARGET."""
    try:
        for copy in render(ROOT / target, tuple(ROOT / n for n in notebooks)):
            click.echo(copy.relative_to(ROOT))
    except SemdfError as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
