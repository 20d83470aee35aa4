"""DiffusionFace (Chen et al., 2024, arXiv 2403.18471), also called DiffFace: pictures, a folder a model.

Real/ (from Multi-Modal-CelebA-HQ), DiffSwap/ with target_source.csv, Inpaint/images/, SDv15_DS0.3/ ... (image to
image at a denoising strength), stable_diffusion_v_1_5_text2img_p3g7/aligned/ ..., ADM/ DDIM/ DDPM/ LDM/ PNDM/, Wild/
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from semdf.errors import DataError, MissingError, ParameterError
from semdf.layouts.lists import inside, read_table
from semdf.layouts.rows import files, flat, folder, table

__all__ = ["LAYOUTS", "MODELS", "DiffusionFace"]

NAME = "DiffusionFace"
PAIRS = "DiffSwap/target_source.csv"
#: Folder -> label row.
MODELS = {
    "DiffSwap": "DiffSwap",
    "Inpaint": "Inpaint",
    **{f"SDv{version}_DS{strength}": "Img2Img" for version in (15, 21) for strength in ("0.3", "0.5", "0.7")},
    **{f"stable_diffusion_v_1_5_text2img_{guide}": "Text2Img" for guide in ("p3g7", "p4g5", "p5g3")},
    **{f"stable_diffusion_v_2_1_text2img_{guide}": "Text2Img" for guide in ("p0g5", "p1g7", "p2g3")},
    **dict.fromkeys(("ADM", "DDIM", "DDPM", "LDM", "PNDM"), "Unconditional"),
    "Wild": "Wild",
}


@dataclass(frozen=True)
class DiffusionFace:
    """Every picture. There is no split file: all count as test (our reading).

    models: the folders to read; empty for all that are there.
    """

    models: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.models:
            if name not in MODELS:
                raise ParameterError(f"{NAME}: a model should be one of {', '.join(MODELS)}. Found {name!r}.")

    @staticmethod
    def marks(root: Path) -> bool:
        return (root / "DiffSwap").is_dir() or ((root / "Real").is_dir() and any((root / m).is_dir() for m in MODELS))

    def read(self, root: Path) -> pd.DataFrame:
        """A row for every picture on disk or, of DiffSwap, in its list."""
        root = folder(Path(root), NAME)
        folder(root / "Real", f"{NAME}, real pictures")
        present = [name for name in MODELS if (root / name).is_dir()]
        unknown = sorted(p.name for p in root.iterdir() if p.is_dir() and p.name not in (*MODELS, "Real", "MM_CelebA"))
        if unknown:
            raise DataError(f"{NAME}: a folder should be Real or one of {', '.join(MODELS)}. Found {unknown[0]}.")
        absent = sorted(set(self.models) - set(present))
        if absent:
            raise MissingError(f"{NAME}: expected a folder {absent[0]} in {root}. Found {', '.join(present)}.")
        return table(_rows(root, self.models or present), root, NAME)


def _rows(root: Path, models: Sequence[str]) -> Iterator[dict]:
    real = files(root / "Real", root)
    reals = {PurePosixPath(path).stem: path for path in real}
    for path in real:
        yield _row("Real", path, "real") | {"target": PurePosixPath(path).stem}
    for model in models:
        pairs = _pairs(root) if model == "DiffSwap" else {}
        for path in sorted({*files(root / model, root), *pairs}):
            target, source = pairs.get(path, ("", ""))
            same = f"{NAME}/Real/{flat(reals[target].partition('/')[2])}" if target in reals else ""
            yield _row(model, path, MODELS[model]) | {"target": target, "source": source, "pristine": same}


def _row(model: str, path: str, label: str) -> dict:
    return {
        "dataset": NAME,
        "manipulation": model,
        "video": f"{NAME}/{model}/{flat(path.partition('/')[2])}",
        "path": path,
        "label": label,
        "split": "test",
    }


def _pairs(root: Path) -> dict[str, tuple[str, str]]:
    """Path of a swapped picture -> stems of its target and source, from the list (may be absent).

    The columns image, target and source are our reading.
    """
    path = root / PAIRS
    found = {}
    for number, row in read_table(path, ("image", "target", "source")) if path.is_file() else ():
        name = inside(row["image"], f"{path}, line {number}")
        found[f"DiffSwap/{name}"] = (PurePosixPath(row["target"]).stem, PurePosixPath(row["source"]).stem)
    return found


LAYOUTS = {"diffusionface": DiffusionFace}
