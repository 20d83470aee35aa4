"""The manipulations of the eight data sets: which donor, trace, area and blend, in which ranges (all ours)."""

from dataclasses import dataclass, replace
from typing import Any

__all__ = ["METHODS", "Method"]

Range = tuple[float, float]


@dataclass(frozen=True)
class Method:
    """One manipulation; its ranges are those that `people.forging.forgeries.Settings` are drawn from."""

    donor: str  # a key of `people.benchmarks.donors.DONORS`
    trace: str  # a key of `semdf.forging.traces.TRACES`
    detail: Range
    area: str = "whole"  # that, or a key of `people.forging.blending.AREAS`
    blend: str = "alpha"  # a key of `people.forging.blending.BLENDS`
    feather: Range = (2.0, 2.0)
    grow: tuple[int, int] = (4, 4)
    matching: Range = (0.0, 0.0)
    grain: Range = (1.0, 1.0)
    texture: Range = (0.0, 0.0)


def _swap(trace: str, detail: Range, **changes: Any) -> Method:
    """Another person's face, colours matched, pasted into the target."""
    usual = Method(
        donor="identity",
        trace=trace,
        detail=detail,
        area="face",
        feather=(2.5, 4.0),
        grow=(3, 6),
        matching=(0.85, 1.0),
        grain=(0.5, 0.8),
        texture=(0.3, 0.6),
    )
    return replace(usual, **changes)


def _edit(donor: str, trace: str, detail: Range, grain: Range = (1.0, 1.0)) -> Method:
    """The whole picture comes from the generator; the camera's noise is laid over it."""
    return Method(donor, trace, detail, grain=grain, texture=(0.3, 0.6))


_NONE: Range = (0.0, 0.0)
_ALL: Range = (1.0, 1.0)
METHODS: dict[str, Method] = {
    # FaceForensics++
    "Deepfakes": _swap("soft", (0.36, 0.55), feather=(2.0, 3.5), grow=(3, 5), matching=(0.75, 1.0), grain=(0.2, 0.4),
                       texture=(0.0, 0.15)),
    "FaceSwap": _swap("sharp", (0.46, 0.62), donor="lit", feather=(0.6, 1.0), grow=(2, 3), matching=(0.35, 0.65),
                      grain=(0.1, 0.3), texture=_NONE),
    "Face2Face": Method("expression", "soft", (0.42, 0.60), "face", feather=(1.2, 2.4), grow=(3, 5), grain=(0.2, 0.4),
                        texture=(0.0, 0.15)),
    "NeuralTextures": Method("expression", "transposed", (0.5, 0.5), "mouth", feather=(1.5, 2.5), grow=(2, 4),
                             grain=_NONE),
    "FaceShifter": _swap("shuffled", (0.62, 0.80), area="head", feather=(3.5, 5.5), grow=(2, 4), matching=(0.95, 1.0),
                         texture=(0.5, 0.8)),
    # Celeb-DF-v2
    "Celeb-synthesis": _swap("fine", (0.56, 0.74), blend="bands", feather=(3.0, 5.0), grow=(4, 6),
                             matching=(0.9, 1.0), texture=(0.4, 0.7)),
    # DFDC
    "DF-128": _swap("soft", (0.34, 0.5), matching=(0.5, 1.0)),
    "DF-256": _swap("fine", (0.5, 0.75)),
    "MM/NN": _swap("sharp", (0.6, 0.85), donor="lit", feather=(0.6, 1.4), grow=(1, 3), matching=(0.3, 0.7)),
    "NTH": Method("expression", "transposed", (0.5, 0.5), "head", feather=(2.0, 4.0), grow=(4, 8)),
    "FSGAN": _swap("transposed", (0.5, 0.5), blend="poisson", matching=(0.6, 0.9)),
    "StyleGAN": _swap("style", (0.5, 0.7), area="head", grow=(2, 5), matching=(0.2, 0.6)),
    # DeeperForensics-1.0
    "end_to_end": _swap("latent", (0.42, 0.6), area="head", feather=(3.5, 6.0), grow=(2, 5), matching=(0.95, 1.0)),
    # FFSC: swaps by adversarial generators, edits by style-based ones, motion transfer
    "BlendFace": _swap("shuffled", (0.60, 0.78), area="head", matching=(0.8, 1.0)),
    "simswap": _swap("transposed", (0.5, 0.5), feather=(3.0, 5.0)),
    "InfoSwap": _swap("shuffled", (0.66, 0.84), area="head", feather=(3.0, 6.0), matching=(0.9, 1.0), grain=_ALL),
    "fsgan": _swap("transposed", (0.5, 0.5), blend="poisson", matching=(0.6, 0.9)),
    "diffae-age": _edit("age", "denoised", (0.5, 0.65)),
    "diffae-gender": _edit("gender", "denoised", (0.5, 0.65)),
    "StyleGAN2_dis-gender": _edit("gender", "style", (0.55, 0.75)),
    "StyleRes-age": _edit("age", "style", (0.65, 0.85)),
    "StyleRes-expr": _edit("smile", "style", (0.65, 0.85)),
    "HFGI-age": _edit("age", "style", (0.6, 0.8), grain=(0.7, 0.9)),
    "HFGI-smile": _edit("smile", "style", (0.6, 0.8), grain=(0.7, 0.9)),
    "StyleCLIP-gender": _edit("gender", "style", (0.5, 0.7)),
    "fomm-expr": _edit("surprise", "warped", (0.80, 0.95)),
    "fomm-pose": _edit("pose", "warped", (0.80, 0.95)),
    "TPS-pose": _edit("pose", "warped", (0.84, 1.0)),
    "FNeVR": _edit("pose", "warped", (0.82, 0.98)),
    # DiFF: face swap, face editing, picture to picture, text to picture, all by diffusion
    "DCFace": _edit("swap", "pixels", (0.55, 0.75)),
    "DiffFace": _swap("denoised", (0.5, 0.68), area="head"),
    "CoDiff": _edit("age", "denoised", (0.5, 0.66)),
    "cycle_diff": _edit("gender", "latent", (0.55, 0.7)),
    "Imagic": _edit("smile", "denoised", (0.52, 0.68)),
    "DreamBooth": _edit("similar", "denoised", (0.5, 0.66)),
    "FreeDoM_I": _edit("similar", "pixels", (0.6, 0.8)),
    "LoRA": _edit("similar", "denoised", (0.54, 0.7)),
    "SDXL_Refine": _edit("same", "denoised", (0.6, 0.76)),
    "FreeDoM_T": _edit("scene", "pixels", (0.6, 0.8)),
    "HPS": _edit("scene", "denoised", (0.5, 0.66)),
    "Midjourney": _edit("scene", "denoised", (0.6, 0.74)),
    "SDXL": _edit("scene", "latent", (0.58, 0.74)),
    # DiffusionFace
    "DiffSwap": _swap("denoised", (0.52, 0.7), feather=(3.0, 5.0)),
    "Inpaint": Method("expression", "denoised", (0.5, 0.66), "mouth", feather=(1.5, 3.0), grow=(4, 8)),
    **{f"SDv15_DS0.{n}": _edit("similar", "denoised", (0.74 - 0.04 * n, 0.78 - 0.04 * n)) for n in (3, 5, 7)},
    **{f"SDv21_DS0.{n}": _edit("similar", "latent", (0.76 - 0.04 * n, 0.80 - 0.04 * n)) for n in (3, 5, 7)},
    **{f"stable_diffusion_v_1_5_text2img_{name}": _edit("scene", "denoised", (0.5, 0.66))
       for name in ("p3g7", "p4g5", "p5g3")},
    **{f"stable_diffusion_v_2_1_text2img_{name}": _edit("scene", "latent", (0.5, 0.66))
       for name in ("p0g5", "p1g7", "p2g3")},
    **{name: _edit("scene", "pixels", (0.6, 0.8)) for name in ("ADM", "DDIM", "DDPM", "PNDM")},
    "LDM": _edit("scene", "latent", (0.5, 0.66)),
}  # fmt: skip
