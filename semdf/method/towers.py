"""Image and text towers of CLIP, from open_clip, and what makes them cheap here.

The text tower is causal, so what follows a prompt's end-of-text token cannot reach it: prompts are cut at the
longest one (17 of 77 tokens). Of the 49,408 token embeddings only those in the prompts are ever read, so only
those are kept.

A new encoder is one new file in `encoders/`, and nothing else: a configuration of open_clip in JSON. Its name is that
of the file. Encoders that open_clip has need no file.
"""

import hashlib
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.pretrained import download_pretrained_from_hf, download_pretrained_from_url
from open_clip.transformer import QuickGELU
from torch import Tensor, nn

from semdf.artifacts import read_tensors, read_weights
from semdf.errors import DataError, MissingError, ParameterError
from semdf.method import imagenet
from semdf.method.cells import CellTower
from semdf.method.fast_clip import QuickMlp, encode_image, lean
from semdf.weights.registry import WEIGHTS, find, missing

__all__ = [
    "ImageTower",
    "Preprocess",
    "create",
    "encode_text",
    "has_quick_gelu",
    "keep_tokens",
    "known",
    "preprocess",
    "register",
    "seeded",
    "tokenize",
]

#: Entries of OpenAI's CLIP state dicts that are settings, not weights.
SETTINGS = ("input_resolution", "context_length", "vocab_size")


@dataclass(frozen=True)
class Release:
    """Weights on huggingface.co: repository, commit and file, and the SHA-256 that the file must have."""

    repository: str
    revision: str
    file: str
    sha256: str

    def __str__(self) -> str:
        place = f"https://huggingface.co/{self.repository}/resolve/{self.revision}/{self.file}"
        return f"{place} (SHA-256 {self.sha256})"


#: What is fetched from a hub: (encoder, tag of open_clip) -> where it lies.
PINNED = {
    ("ViT-B-32", "openai"): Release(
        "timm/vit_base_patch32_clip_224.openai",
        "a6f597a30f7b82c51704746581f9a4e41421e878",
        "open_clip_model.safetensors",
        WEIGHTS["ViT-B-32"].sha256,
    )
}

#: Addresses of the other weights that may be fetched: OpenAI's own, which hold the file's SHA-256.
OPENAI = re.compile(r"https://openaipublic\.[a-z.]+/clip/models/([0-9a-f]{64})/[^/]+\.pt")

#: The encoders that come with the package.
FOLDER = Path(__file__).parent / "encoders"


@dataclass(frozen=True)
class Preprocess:
    """What an image tower expects: `size` x `size` pixels, RGB in 0 to 1, less `mean`, divided by `std`."""

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class ImageTower(nn.Module):
    """A CLIP image tower with its preprocessing: `[B, 3, size, size]` -> `[B, D]` float32, or `[B, C, D]` of cells.

    Args:
        precision: "float32", or "bfloat16", which runs it under autocast. On a CPU without bfloat16 arithmetic that is
            three times slower.
        cells: With a dimension D, the features are those of the C cells of a picture, `[B, C, D]`, by a new linear map
            from random weights (see `semdf.method.cells`); None: the tower's own.
        seed: Of that map; None draws from torch's global generator.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, visual: nn.Module, precision: str = "float32", *, cells: int | None = None, seed: int | None = None
    ) -> None:
        super().__init__()
        if precision not in ("float32", "bfloat16"):
            raise ParameterError(f"precision: must be 'float32' or 'bfloat16', found {precision!r}")
        self.precision = precision
        self.preprocess = preprocess(visual)
        if cells is not None:
            with seeded(seed):
                visual = CellTower(visual, cells)
        self.visual = visual.to(memory_format=torch.channels_last)
        lean(self.visual)
        self.register_buffer("mean", torch.tensor(self.preprocess.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(self.preprocess.std).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Features `[B, D]`, or `[B, C, D]` of cells, not normalised, of normalised images `[B, 3, size, size]`."""
        size = self.preprocess.size
        if images.ndim != 4 or images.shape[1:] != (3, size, size):
            raise ParameterError(f"images: must have shape [B, 3, {size}, {size}], found {list(images.shape)}")
        if not images.is_floating_point():
            raise ParameterError(f"images: must be normalised and floating point, found {images.dtype}")
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            features = encode_image(self.visual, images)
        return features.float() if features.dtype == torch.bfloat16 else features

    def enlarge_positions(self, factor: float) -> None:
        """Multiply the embedding of positions, in the attention pool of a ResNet or before the blocks of a ViT.

        In fresh ResNets it is so small beside the features (1 / sqrt of their number) that what the tower finds hardly
        depends on where it lies (ours).
        """
        place: Any = getattr(self.visual, "attnpool", self.visual)
        if not hasattr(place, "positional_embedding"):
            raise ParameterError(f"positions: must be 1 for a tower without an embedding of positions, found {factor}")
        with torch.no_grad():
            place.positional_embedding.mul_(factor)

    def normalise(self, images: Tensor) -> Tensor:
        """`[B, 3, H, W]` uint8 sRGB -> float, as this tower was made for."""
        if images.dtype != torch.uint8:
            raise ParameterError(f"images: must be uint8 to be normalised, found {images.dtype}")
        return (images.to(self.mean.dtype) / 255 - self.mean) / self.std


def known(folder: Path = FOLDER) -> tuple[str, ...]:
    """Names of the encoders of a folder, by default of those that come with this package."""
    return tuple(path.stem for path in sorted(folder.glob("*.json")))


def register(folder: Path = FOLDER) -> None:
    """Let open_clip, and so `create`, know the encoders of a folder; those of this package are known already."""
    for name in known(folder):
        open_clip.add_model_config(folder / f"{name}.json")


register()


def create(
    encoder: str, pretrained: str | Path | None = None, seed: int | None = None, quick_gelu: bool = False
) -> open_clip.CLIP:
    """Both towers of an encoder, with pretrained weights or, without `pretrained`, random ones.

    Args:
        encoder: A name from `known()` or of open_clip.
        pretrained: A file (`.safetensors`, or what `torch.save` wrote; no code of it runs) with a CLIP state dict,
            perhaps under "model" as the authors save theirs, perhaps of a wrapped model (`module.`); or the tag
            "openai", from where `semdf fetch` puts it, from a hub or from its cache: for the encoders of OpenAI alone,
            whose files have pinned hashes; or
            "imagenet": the image tower of `semdf-lite` from an installed package (see `semdf.method.imagenet`), beside
            a random text tower.
        seed: Of the random weights; None draws from torch's global generator.
        quick_gelu: Compute with OpenAI's activation, whatever the encoder's own is. The files that OpenAI published
            always get it.

    Raises:
        ParameterError: The encoder is unknown, or has another text tower than CLIP's.
        MissingError: The weights cannot be had: an encoder is never silently random.
        DataError: The file does not hold this encoder's weights, or is not the one that its pinned hash belongs to.
    """
    config = open_clip.get_model_config(encoder)
    if config is None:
        raise ParameterError(f"encoder: must be one of {known()} or known to open_clip, found {encoder!r}")
    text = config["text_cfg"]
    if config.get("custom_text") or "hf_model_name" in text or text.get("no_causal_mask"):
        raise ParameterError(f"encoder: must have CLIP's own causal text tower, found {encoder!r}")
    if pretrained == imagenet.TAG:
        return _with_imagenet(encoder, config, seed)
    if pretrained and not _is_file(pretrained):
        return _fetch(encoder, str(pretrained))
    if quick_gelu or (pretrained and _is_openai(Path(pretrained))):
        config["quick_gelu"] = True
    with seeded(seed):
        clip = open_clip.CLIP(**config)
    if pretrained:
        _load(clip, Path(pretrained))
    elif isinstance(clip.visual, open_clip.model.ModifiedResNet):
        # CLIP starts the last gain of each block at 0. With one block a stage nothing then passes: start at 1 (ours).
        for name, parameter in clip.visual.named_parameters():
            if name.startswith("layer") and name.endswith("bn3.weight"):
                nn.init.ones_(parameter)
    return clip


def _with_imagenet(encoder: str, config: dict[str, Any], seed: int | None) -> open_clip.CLIP:
    """Both towers, the image tower with ImageNet weights; its projection and the text tower are random."""
    tower = config["vision_cfg"].get("timm_model_name", "none of timm")
    if tower != imagenet.TOWER:
        raise ParameterError(
            f"pretrained {imagenet.TAG!r}: encoder must have the tower {imagenet.TOWER}, found {tower} in {encoder!r}"
        )
    with seeded(seed):
        clip = open_clip.CLIP(**config)
    visual: Any = clip.visual
    imagenet.load(visual.trunk)
    return clip


def has_quick_gelu(model: nn.Module) -> bool:
    """Whether a model computes with OpenAI's activation; its weights do not tell, as they fit the other one, too."""
    return any(isinstance(module, QuickGELU | QuickMlp) for module in model.modules())


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Draw from `seed` inside, and restore torch's global generator afterwards; None draws from the global one."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def preprocess(visual: Any) -> Preprocess:
    """Size, mean and std of an image tower; CLIP's where the weights do not say otherwise."""
    trunk = getattr(visual, "trunk", None)  # timm's network says itself what it was made for
    given = getattr(trunk, "default_cfg", None) or getattr(visual, "preprocess_cfg", {})
    size = visual.image_size[0] if isinstance(visual.image_size, tuple | list) else visual.image_size
    mean = tuple(given.get("mean", open_clip.OPENAI_DATASET_MEAN))
    std = tuple(given.get("std", open_clip.OPENAI_DATASET_STD))
    return Preprocess(size, mean, std)


def tokenize(sentences: list[str], context: int = 77) -> Tensor:
    """Tokens `[N, L]` of the sentences, cut after the last end-of-text token.

    Args:
        context: The most tokens of a sentence; what is longer is cut.
    """
    tokens = open_clip.SimpleTokenizer(context_length=context)(sentences)
    ends = tokens.argmax(1)  # the end-of-text token is the largest number
    return tokens[:, : int(ends.max()) + 1].contiguous()


def keep_tokens(clip: open_clip.CLIP, tokens: Tensor) -> Tensor:
    """Keep only the embeddings of these tokens, in place.

    Returns:
        The tokens `[N, L]` with their new numbers. Their order is kept, so that end-of-text stays the largest number,
        by which CLIP finds it.
    """
    used, renumbered = tokens.unique(return_inverse=True)
    clip.token_embedding = nn.Embedding.from_pretrained(clip.token_embedding.weight.detach()[used], freeze=False)
    clip.vocab_size = len(used)
    return renumbered


def encode_text(clip: open_clip.CLIP, tokens: Tensor) -> Tensor:
    """Text features `[N, D]`, not normalised, of tokens `[N, L]` with L up to the context length."""
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
    """An encoder with the weights of a tag: from the folders of weights, a hub or its cache."""
    entry = WEIGHTS.get(encoder.removesuffix("-quickgelu")) if tag == "openai" else None
    here = find(entry.file) if entry else None
    if entry and here:
        found = _sha256(here)
        if found != entry.sha256:
            raise DataError(f"pretrained: {here} must have the SHA-256 {entry.sha256}, found {found}")
        return create(encoder, here)
    settings = open_clip.get_pretrained_cfg(encoder, tag)
    release = PINNED.get((encoder, tag))
    address = settings.get("url", "")
    if release is None and not OPENAI.fullmatch(address):
        tags = [name for name in open_clip.list_pretrained_tags_by_model(encoder) if name == "openai"]
        raise MissingError(f"pretrained: for {encoder!r} must be a file or one of {tags}, found {tag!r}")
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # about QuickGELU, set below
            clip = open_clip.create_model(encoder, quick_gelu=settings.get("quick_gelu", False))
        if release is None:
            path = download_pretrained_from_url(address)  # compares with the hash in the address
        else:
            path = download_pretrained_from_hf(release.repository, release.file, release.revision)
    except (RuntimeError, OSError) as error:
        hint = missing(entry.name) if entry else f"without a network, fetch {address} elsewhere and name the file here"
        raise MissingError(
            f"pretrained: weights {tag!r} of {encoder!r} must be in the cache or fetched, found {error}; {hint}"
        ) from error
    path = Path(path)
    if release is not None:
        found = _sha256(path)
        if found != release.sha256:
            raise DataError(f"pretrained: {path.name} must have the SHA-256 {release.sha256}, found {found}")
    _load(clip, path)
    return clip


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_openai(path: Path) -> bool:
    """Whether a file is one that OpenAI published, or its copy on a hub."""
    return _sha256(path) in _scripts() | {release.sha256 for release in PINNED.values()}


@cache
def _scripts() -> frozenset[str]:
    """SHA-256 of the TorchScript archives in which OpenAI published its weights."""
    addresses = (open_clip.get_pretrained_cfg(*pair).get("url", "") for pair in open_clip.list_pretrained())
    return frozenset(found.group(1) for found in map(OPENAI.fullmatch, addresses) if found)


def _load(clip: open_clip.CLIP, path: Path) -> None:
    """Give an encoder the weights of a file, strictly. Code of TorchScript runs for OpenAI's own files alone."""
    state: Any
    try:
        if path.suffix == ".safetensors":
            state = read_weights(path)
        elif path.is_file() and _sha256(path) in _scripts():
            state = torch.jit.load(path, map_location="cpu").float().state_dict()
        else:
            state = read_tensors(path)
        if isinstance(state.get("model"), dict):
            state = state["model"]
        state = _unwrapped(state)
        clip.load_state_dict({name: value for name, value in state.items() if name not in SETTINGS})
    except (DataError, RuntimeError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"pretrained: {path.name!r} must hold this encoder's state dict, found {error}") from error


def _unwrapped(state: dict[str, Any]) -> dict[str, Any]:
    """The state of the model inside DataParallel or torch.compile, whose names all begin alike."""
    for prefix in ("module.", "_orig_mod."):
        if state and all(name.startswith(prefix) for name in state):
            return _unwrapped({name.removeprefix(prefix): value for name, value in state.items()})
    return state
