"""Image and text towers of CLIP, from open_clip, and what makes them cheap here.

The text tower is causal, so what follows a prompt's end-of-text token cannot reach it: prompts are cut at the
longest one (17 of 77 tokens). Of the 49,408 token embeddings only those in the prompts are ever read, so only
those are kept.
"""

import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import open_clip
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from semdf.errors import DataError, MissingError, ParameterError

__all__ = [
    "ImageTower",
    "Preprocess",
    "create",
    "encode_text",
    "keep_tokens",
    "known",
    "preprocess",
    "seeded",
    "tokenize",
]

#: Entries of OpenAI's CLIP state dicts that are settings, not weights.
SETTINGS = ("input_resolution", "context_length", "vocab_size")

FOLDER = Path(__file__).parent / "encoders"
for _path in sorted(FOLDER.glob("*.json")):
    open_clip.add_model_config(_path)


@dataclass(frozen=True)
class Preprocess:
    """What an image tower expects: `size` x `size` pixels, RGB in 0 to 1, less `mean`, divided by `std`."""

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class ImageTower(nn.Module):
    """A CLIP image tower with its preprocessing: `[B, 3, size, size]` -> `[B, D]` float32.

    precision: "bfloat16" runs it under autocast. On a CPU without bfloat16 arithmetic that is three times
    slower.
    """

    def __init__(self, visual: nn.Module, precision: str = "float32") -> None:
        super().__init__()
        if precision not in ("float32", "bfloat16"):
            raise ParameterError(f"precision: must be 'float32' or 'bfloat16', found {precision!r}")
        self.precision = precision
        self.preprocess = preprocess(visual)
        self.visual = visual.to(memory_format=torch.channels_last)
        self.register_buffer("mean", torch.tensor(self.preprocess.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(self.preprocess.std).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        size = self.preprocess.size
        if images.ndim != 4 or images.shape[1:] != (3, size, size):
            raise ParameterError(f"images: must have shape [B, 3, {size}, {size}], found {list(images.shape)}")
        if not images.is_floating_point():
            raise ParameterError(f"images: must be normalised and floating point, found {images.dtype}")
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            features = self.visual(images)
        return features.float() if features.dtype == torch.bfloat16 else features

    def normalise(self, images: Tensor) -> Tensor:
        """`[B, 3, H, W]` uint8 sRGB -> float, as this tower was made for."""
        if images.dtype != torch.uint8:
            raise ParameterError(f"images: must be uint8 to be normalised, found {images.dtype}")
        return (images.to(self.mean.dtype) / 255 - self.mean) / self.std


def known() -> tuple[str, ...]:
    """Names of the encoders that come with this package; open_clip's are known too."""
    return tuple(path.stem for path in sorted(FOLDER.glob("*.json")))


def create(encoder: str, pretrained: str | Path | None = None, seed: int | None = None) -> open_clip.CLIP:
    """Both towers of an encoder, with pretrained weights or, without `pretrained`, random ones.

    encoder: a name from `known()` or of open_clip.
    pretrained: a file (`.safetensors`, or `.pt` that holds tensors only) with a CLIP state dict, perhaps
        under "model" as the authors save theirs; or an open_clip tag such as "openai", fetched or from its
        cache.
    seed: of the random weights; None draws from torch's global generator.

    Raises MissingError when the weights cannot be had: an encoder is never silently random.
    """
    config = open_clip.get_model_config(encoder)
    if config is None:
        raise ParameterError(f"encoder: must be one of {known()} or known to open_clip, found {encoder!r}")
    text = config["text_cfg"]
    if config.get("custom_text") or "hf_model_name" in text or text.get("no_causal_mask"):
        raise ParameterError(f"encoder: must have CLIP's own causal text tower, found {encoder!r}")
    if pretrained and not _is_file(pretrained):
        return _fetch(encoder, str(pretrained))
    with seeded(seed):
        clip = open_clip.CLIP(**config)
    if pretrained:
        _load(clip, Path(pretrained))
    elif isinstance(clip.visual, open_clip.model.ModifiedResNet):
        # CLIP starts the last gain of each block at 0. With one block a stage nothing then passes: start at 1
        # (ours).
        for name, parameter in clip.visual.named_parameters():
            if name.startswith("layer") and name.endswith("bn3.weight"):
                nn.init.ones_(parameter)
    return clip


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Draw from `seed` and leave torch's global generator as it was; None draws from the global one."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def preprocess(visual: nn.Module) -> Preprocess:
    """Size, mean and std of an image tower; CLIP's where the weights do not say otherwise."""
    known = getattr(visual, "preprocess_cfg", {})
    size = visual.image_size[0] if isinstance(visual.image_size, tuple | list) else visual.image_size
    mean = tuple(known.get("mean", open_clip.OPENAI_DATASET_MEAN))
    return Preprocess(size, mean, tuple(known.get("std", open_clip.OPENAI_DATASET_STD)))


def tokenize(sentences: list[str], context: int = 77) -> Tensor:
    """Tokens [N, L] of the sentences, cut at the longest end-of-text token."""
    tokens = open_clip.SimpleTokenizer(context_length=context)(sentences)
    return tokens[:, : int(tokens.argmax(1).max()) + 1].contiguous()


def keep_tokens(clip: open_clip.CLIP, tokens: Tensor) -> Tensor:
    """Keep only the embeddings of these tokens, in place, and return the tokens [N, L] renumbered.

    Order is kept, so that end-of-text stays the largest number, by which CLIP finds it.
    """
    used, renumbered = tokens.unique(return_inverse=True)
    clip.token_embedding = nn.Embedding.from_pretrained(clip.token_embedding.weight.detach()[used], freeze=False)
    clip.vocab_size = len(used)
    return renumbered


def encode_text(clip: open_clip.CLIP, tokens: Tensor) -> Tensor:
    """Text features [N, D], not normalised, of tokens [N, L] with L up to the context length."""
    length = tokens.shape[1]
    x = clip.token_embedding(tokens) + clip.positional_embedding[:length]
    x = clip.ln_final(clip.transformer(x, attn_mask=clip.attn_mask[:length, :length]))
    x = x[torch.arange(len(tokens), device=tokens.device), tokens.argmax(-1)]
    return x @ clip.text_projection


def _is_file(pretrained: str | Path) -> bool:
    """A path is told from a tag by its suffix, so that a mistyped path is not looked up as a tag."""
    path = Path(pretrained)
    if path.is_file():
        return True
    if isinstance(pretrained, Path) or path.suffix or len(path.parts) > 1:
        raise MissingError(f"pretrained: must be a file or a tag of open_clip, found no file {str(pretrained)!r}")
    return False


def _fetch(encoder: str, tag: str) -> open_clip.CLIP:
    tags = open_clip.list_pretrained_tags_by_model(encoder)
    if tag not in tags:
        raise MissingError(f"pretrained: for {encoder!r} must be a file or one of {tags}, found {tag!r}")
    settings = open_clip.get_pretrained_cfg(encoder, tag)
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # about QuickGELU, set below
            return open_clip.create_model(
                encoder,
                pretrained=tag,
                require_pretrained=True,
                quick_gelu=settings.get("quick_gelu", False),
            )
    except (RuntimeError, OSError) as error:
        raise MissingError(f"pretrained: weights {tag!r} of {encoder!r} cannot be had: {error}") from error


def _load(clip: open_clip.CLIP, path: Path) -> None:
    try:
        if path.suffix == ".safetensors":
            state = safetensors.torch.load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        if isinstance(state.get("model"), dict):
            state = state["model"]
        clip.load_state_dict({name: value for name, value in state.items() if name not in SETTINGS})
    except (RuntimeError, SafetensorError, pickle.UnpicklingError, TypeError, AttributeError) as error:
        raise DataError(f"pretrained: {path.name!r} must hold this encoder's state dict: {error}") from error
