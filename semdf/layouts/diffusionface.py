"""DiffusionFace (Chen et al., 2024, arXiv 2403.18471), also called DiffFace: pictures, a folder a model.

Real/ (from Multi-Modal-CelebA-HQ), DiffSwap/ with target_source.csv, Inpaint/images/, SDv15_DS0.3/ ... (image to image
at a denoising strength), stable_diffusion_v_1_5_text2img_p3g7/aligned/ ..., ADM/ DDIM/ DDPM/ LDM/ PNDM/, Wild/.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar, NamedTuple

import pandas as pd

from semdf.errors import DataError, MissingError, ParameterError
from semdf.layouts import Layout
from semdf.layouts.lists import inside, read_table
from semdf.layouts.protocols import Part, Protocol, Published, Sources
from semdf.layouts.rows import files, flat, folder, located, table
from semdf.layouts.tree import unseen

__all__ = ["LAYOUTS", "MODELS", "ORDER", "PROTOCOLS", "DiffusionFace"]

NAME = "DiffusionFace"
PAIRS = "DiffSwap/target_source.csv"
#: Folder -> label row.
MODELS = {
    "DiffSwap": "DiffSwap",
    "Inpaint": "Inpaint",
    "SDv15_DS0.3": "Img2Img",
    "SDv15_DS0.5": "Img2Img",
    "SDv15_DS0.7": "Img2Img",
    "SDv21_DS0.3": "Img2Img",
    "SDv21_DS0.5": "Img2Img",
    "SDv21_DS0.7": "Img2Img",
    "stable_diffusion_v_1_5_text2img_p3g7": "Text2Img",
    "stable_diffusion_v_1_5_text2img_p4g5": "Text2Img",
    "stable_diffusion_v_1_5_text2img_p5g3": "Text2Img",
    "stable_diffusion_v_2_1_text2img_p0g5": "Text2Img",
    "stable_diffusion_v_2_1_text2img_p1g7": "Text2Img",
    "stable_diffusion_v_2_1_text2img_p2g3": "Text2Img",
    "ADM": "Unconditional",
    "DDIM": "Unconditional",
    "DDPM": "Unconditional",
    "LDM": "Unconditional",
    "PNDM": "Unconditional",
    "Wild": "Wild",
}


@dataclass(frozen=True)
class DiffusionFace(Layout):
    """Every picture. There is no split file: all count as test (our reading).

    Attributes:
        models: The folders to read; empty for all that are there.
    """

    models: tuple[str, ...] = ()
    apart: ClassVar[Mapping[str, str]] = {"MM_CelebA/*": "pictures that Real/ was made from, which are not read"}

    def __post_init__(self) -> None:
        for name in self.models:
            if name not in MODELS:
                raise ParameterError(f"{NAME}: a model must be one of {', '.join(MODELS)}, found {name!r}")

    @staticmethod
    def marks(root: Path) -> bool:
        """Whether the folder DiffSwap is there, or Real and one of a model."""
        return (root / "DiffSwap").is_dir() or ((root / "Real").is_dir() and any((root / m).is_dir() for m in MODELS))

    def read(self, root: Path) -> pd.DataFrame:
        """A row for every picture on disk or, of DiffSwap, in its list."""
        root = folder(Path(root), NAME)
        folder(root / "Real", f"{NAME}, real pictures")
        present = [name for name in MODELS if (root / name).is_dir()]
        tops = {path.name for path in root.iterdir() if path.is_dir() and not unseen(path.name)}
        unknown = sorted(tops - {*MODELS, "Real", "MM_CelebA"})
        if unknown:
            raise DataError(f"{NAME}: a folder must be Real or one of {', '.join(MODELS)}, found {unknown[0]}")
        absent = sorted(set(self.models) - set(present))
        if absent:
            raise MissingError(f"{NAME}: must have a folder {absent[0]} in {root}, found {', '.join(present)}")
        return table(_rows(root, self.models or present), root, NAME)


class _People(NamedTuple):
    """Stems of the real pictures that show the target and the source of a swap; "" where unknown."""

    target: str
    source: str


def _rows(root: Path, models: Sequence[str]) -> Iterator[dict]:
    real = files(root / "Real", root)
    reals = {PurePosixPath(path).stem: path for path in real}
    for path in real:
        yield {**_row("Real", path, "real"), "target": PurePosixPath(path).stem}
    for model in models:
        on_disk = files(root / model, root)
        named = _read_pairs(root) if model == "DiffSwap" else {}
        pairs = {place: named[name] for name, place in located(named, on_disk).items()}
        for path in sorted({*on_disk, *pairs}):
            people = pairs.get(path, _People("", ""))
            pristine = _key("Real", reals[people.target]) if people.target in reals else ""
            yield {**_row(model, path, MODELS[model]), **people._asdict(), "pristine": pristine}


def _row(model: str, path: str, label: str) -> dict:
    return {
        "dataset": NAME,
        "manipulation": model,
        "video": _key(model, path),
        "path": path,
        "label": label,
        "split": "test",
    }


def _key(model: str, path: str) -> str:
    return f"{NAME}/{model}/{flat(path.partition('/')[2])}"


def _read_pairs(root: Path) -> dict[str, _People]:
    """Path of a swapped picture -> whom it shows, from the list (may be absent).

    The columns image, target and source are our reading.
    """
    path = root / PAIRS
    found: dict[str, _People] = {}
    if not path.is_file():
        return found
    for number, row in read_table(path, ("image", "target", "source")):
        name = inside(row["image"], f"{path}, line {number}")
        found[f"DiffSwap/{name}"] = _People(PurePosixPath(row["target"]).stem, PurePosixPath(row["source"]).stem)
    return found


ORDER = 90
LAYOUTS = {"diffusionface": DiffusionFace}
PROTOCOLS = (
    Protocol(
        dataset=NAME,
        layout="diffusionface",
        level="image",
        fakes=Part(NAME, ("DiffSwap",), "test"),
        reals=Part(NAME, ("Real",), "test"),
        published=(
            Published(30000, "Real"),
            Published(30000, "Inpaint", absent="note"),
            Published(30000, "SDv15_DS0.5", absent="note"),
            Published(30000, "SDv21_DS0.5", absent="note"),
            Published(36460, "Wild", absent="note"),
        ),
        sources=Sources(
            test="the authors' README: without the purely synthesised faces, that is the face swaps",
            counts="Chen et al., arXiv 2403.18471 (30000 a model); Wild as users count it",
        ),
        notes=(
            "Of 30000 published swaps some copies hold more files; DiffSwap/target_source.csv names the swaps.",
            "There is no split file; all pictures count as test (our reading).",
        ),
    ),
)
