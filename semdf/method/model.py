"""The detectors: images and node prompts embedded jointly; node heads; a binary detector to compare with.

    f_i(x) = similarity(phi(x), psi(t_i))        p_i = marginal of node i over the legal states

Source: Zou et al., "Semantics-Oriented Multitask Learning for DeepFake Detection: A Joint Embedding
Approach", IEEE TCSVT 35(10), 2025, doi 10.1109/tcsvt.2025.3572508.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semdf.errors import ParameterError
from semdf.method import cells, fast_clip, marginals, prompts, towers
from semdf.method.hierarchy import Hierarchy

__all__ = ["BinaryBaseline", "Detector", "JointEmbedding", "NodeHeads", "orthogonal", "released"]

#: Cosines are multiplied by this at the start (ours). The logits of a legal state's nodes are added up, and untrained
#: prompts are nearly parallel: at 10, CLIP's own order of size, the first pictures are fake at log-odds of 14 +- 3
#: whatever the prior says, and training starts from saturated probabilities.
SCALE = 3.0

#: Added to the squared lengths of prompts before they are made orthogonal, so that equal prompts have a factor (ours).
JITTER = 1e-5

#: Layers whose gains and offsets `Detector.tune_norms` trains. The running statistics of batch normalisation are no
#: parameters: `Detector.rest` is about those.
NORMS = (nn.LayerNorm, nn.GroupNorm, nn.modules.batchnorm._BatchNorm)

#: The authors divide the dot product of features by this (released code).
DIVISOR = 10.0


class Detector(nn.Module):
    """What every detector has: an image tower, and the way to prepare images for it.

    Attributes:
        frozen: The tower that is not trained (see `freeze`).
        resting: Whether batch normalisation keeps the statistics that it has (see `rest`).
    """

    image: towers.ImageTower
    frozen: str = "none"
    resting: bool = False

    def freeze(self, tower: str) -> Self:
        """Train all but one tower, from now on.

        A frozen image tower stays in eval mode, so that its running statistics rest, too. The scale of the
        cosines is not part of the text tower here.

        Args:
            tower: "image", or "text" (if there is one), or "none" to train everything.
        """
        _choose("freeze", tower, ("none", "image", "text"))
        self.frozen = tower
        for name in ("image", "text"):
            for part, parameter in getattr(self, name, nn.Module()).named_parameters():
                if part != "logit_scale":
                    parameter.requires_grad_(name != tower)
        return self.train(self.training)

    def tune_norms(self) -> Self:
        """Train of the towers nothing but the gains and offsets of their normalisation layers, from now on.

        What is not of the encoder is trained as before: heads, the map of cells into the joint space, offsets of nodes,
        the scale of the cosines. A tower that `freeze` has frozen stays so. The encoder's own projections count as it:
        where they were drawn at random, as beside ImageNet's weights, they stay as they were drawn.

        Source: Basu et al., "Strong Baselines for Parameter-Efficient Few-Shot Fine-Tuning", AAAI 2024, for vision
        transformers; Yermakov et al., "Unlocking the Hidden Potential of CLIP in Generalizable Deepfake Detection",
        arXiv 2503.19683, for deepfakes.

        Raises:
            ParameterError: No tower has such a layer that is trained.
        """
        kept = set()
        for name in ("image", "text"):
            tower = getattr(self, name, nn.Module())
            tuned = {id(p) for part in tower.modules() if isinstance(part, NORMS) for p in part.parameters()}
            new = [part.projection for part in tower.modules() if isinstance(part, cells.CellTower)]
            tuned |= {id(p) for part in new for p in part.parameters()}
            for part, parameter in tower.named_parameters():
                if part == "logit_scale":
                    continue
                parameter.requires_grad_(parameter.requires_grad and id(parameter) in tuned)
                if parameter.requires_grad:
                    kept.add(name)
        if not kept:
            raise ParameterError(
                "freeze: must leave something of the encoder to train, found no trained normalisation layer "
                f"(frozen tower: {self.frozen})"
            )
        return self

    def rest(self) -> Self:
        """Keep the running statistics of batch normalisation from now on; its gains and offsets are trained.

        Pretrained statistics are those of far more pictures than a batch has, and a step takes a fifth less time.
        """
        self.resting = True
        return self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Set training mode, or eval mode; what is frozen or at rest stays in eval mode."""
        super().train(mode)
        if self.frozen == "image":
            self.image.eval()
        if self.resting:
            for part in self.image.modules():
                if isinstance(part, nn.BatchNorm2d):
                    part.eval()
        return self

    @property
    def preprocess(self) -> towers.Preprocess:
        """Size, mean and std that the image tower expects."""
        return self.image.preprocess

    @property
    def image_size(self) -> int:
        """Height and width of the input, pixels."""
        return self.preprocess.size

    def normalise(self, images: Tensor) -> Tensor:
        """`[B, 3, H, W]` uint8 sRGB -> float input of `forward`."""
        return self.image.normalise(images)

    def logits(self, images: Tensor) -> Tensor:
        """Logits `[B, N]` of normalised images `[B, 3, H, W]`."""
        return cells.pool(self.cell_logits(images))

    def cell_logits(self, images: Tensor) -> Tensor:
        """Logits `[B, C, N]` of each cell, before they are pooled; `[B, N]` of a tower that pools its features."""
        raise NotImplementedError


class NodeDetector(Detector):
    """A detector with a logit for each node of a hierarchy: `forward(images [B, 3, H, W])` -> `[B, N]`.

    Args:
        structure: "hierarchy" for marginals over its legal states, "none" for independent sigmoids (the ablation).
        prior: Rates `[N]` at which nodes are active in training. The logits get an offset per node, learned on,
            that starts the probabilities there (ours; see `marginals.offsets`). None: no offset, as released.
    """

    def __init__(self, hierarchy: Hierarchy, structure: str, prior: Sequence[float] | None) -> None:
        super().__init__()
        _choose("structure", structure, ("hierarchy", "none"))
        self.hierarchy = hierarchy
        self.structure = structure
        start = torch.zeros(len(hierarchy.nodes))
        if prior is not None:
            solve = marginals.offsets if structure == "hierarchy" else marginals.independent_offsets
            start = solve(prior, hierarchy).float()
        self.offset = nn.Parameter(start, requires_grad=prior is not None)

    def forward(self, images: Tensor) -> Tensor:
        """Probability of each node `[B, N]` of normalised images `[B, 3, H, W]`; node 0's is the score."""
        solve = marginals.marginals if self.structure == "hierarchy" else marginals.independent
        return solve(self.logits(images), self.hierarchy)

    def extra_repr(self) -> str:
        """Its options."""
        return f"hierarchy={self.hierarchy.name!r}, structure={self.structure!r}"


class _Version(NamedTuple):
    """A parameter, where its memory is, and how often it was written in place."""

    parameter: nn.Parameter
    address: int
    writes: int


class _Cached(NamedTuple):
    """Features of the prompts, and the parameters that they were computed from."""

    state: list[_Version]
    features: Tensor


class JointEmbedding(NodeDetector):
    """Joint embedding of images and node prompts: `forward(images [B, 3, H, W])` -> marginals `[B, N]`.

    Args:
        encoder: See `towers.create`; so for `pretrained`, `seed` and `quick_gelu`.
        hierarchy: Its nodes are the outputs; node 0's marginal is the score, fake above 0.5.
        similarity: "cosine" with a learned scale, or "dot": image features not normalised; with the prompts' features
            / 10, as released, and with unit directions as it is.
        wording: "single" prompts, or "antonyms": each logit is the similarity to the node's prompt less that to
            its opposite (a variant the authors tried; the opposites' words are ours).
        structure: See `NodeDetector`; so for `prior`.
        precision: Of the image tower, "float32" or "bfloat16".
        vocabulary: "prompts" keeps the token embeddings that the prompts use, "full" all of them. Same outputs.
        scale: What cosines are multiplied by at the start; learned on.
        features: Of images: "pooled" by the image tower itself [R], or those of its "cells", each of which is compared
            with the prompts (see `semdf.method.cells`; ours).
        context: Learn vectors, from 0 on, that are added to the embeddings of the words with which all prompts begin:
            the learned context of Zhou et al., "Learning to Prompt for Vision-Language Models", IJCV 130, 2022,
            started at the released template.
        directions: What images are compared with: the features of the "prompts" as they are [R], or "orthogonal"
            ones: of each prompt what it says beyond those before it in the hierarchy (see `orthogonal`; ours).
    """

    def __init__(
        self,
        encoder: str,
        hierarchy: Hierarchy,
        *,
        similarity: str = "cosine",
        wording: str = "single",
        structure: str = "hierarchy",
        pretrained: str | Path | None = None,
        prior: Sequence[float] | None = None,
        precision: str = "float32",
        vocabulary: str = "prompts",
        seed: int | None = None,
        scale: float = SCALE,
        directions: str = "prompts",
        features: str = "pooled",
        context: bool = False,
        quick_gelu: bool = False,
    ) -> None:
        super().__init__(hierarchy, structure, prior)
        _choose("directions", directions, ("prompts", "orthogonal"))
        _choose("similarity", similarity, ("cosine", "dot"))
        _choose("wording", wording, ("single", "antonyms"))
        _choose("vocabulary", vocabulary, ("prompts", "full"))
        self.similarity = similarity
        self.wording = wording
        self.directions = directions
        clip = towers.create(encoder, pretrained, seed, quick_gelu)
        sentences = prompts.sentences(hierarchy)
        if wording == "antonyms":
            sentences += prompts.antonyms(hierarchy)
        tokens = towers.tokenize(sentences, clip.context_length)
        if vocabulary == "prompts":
            tokens = towers.keep_tokens(clip, tokens)
        self.image = _image_tower(clip, features, precision, seed)
        del clip.visual
        fast_clip.lean(clip)
        self.text = clip
        self.prompts = fast_clip.PromptTree(tokens)
        self.context: nn.Parameter | None = None
        if context:
            self.context = nn.Parameter(torch.zeros(len(self.prompts.shared()), clip.token_embedding.embedding_dim))
        # CLIP's own scale has another use (contrast within a batch): it starts anew
        nn.init.constant_(clip.logit_scale, math.log(scale)).requires_grad_(similarity == "cosine")
        self._cache: _Cached | None = None

    def cell_logits(self, images: Tensor) -> Tensor:
        """See `Detector.cell_logits`: one pass of each tower for all nodes."""
        return self.compare(self.image(images), self.text_features())

    def compare(self, image: Tensor, text: Tensor) -> Tensor:
        """Logits `[..., N]` from image features `[..., D]` and those of all prompts `[N or 2N, D]`."""
        if self.directions == "orthogonal":
            text = orthogonal(text)
        if self.similarity == "dot":
            closeness = image @ text.T / (DIVISOR if self.directions == "prompts" else 1.0)
        else:
            cosines = F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T
            closeness = self.text.logit_scale.exp() * cosines
        if self.wording == "antonyms":
            said, opposite = closeness.chunk(2, dim=-1)
            closeness = said - opposite
        return closeness + self.offset

    def text_features(self) -> Tensor:
        """Features of the prompts `[N or 2N, D]`.

        They are kept between calls in inference (eval, no gradients), and in training when the text tower is frozen.
        """
        used = [p for name, p in self.text.named_parameters() if name != "logit_scale"]
        if self.context is not None:
            used.append(self.context)
        trained = any(p.requires_grad for p in used)
        if trained and (self.training or torch.is_grad_enabled()):
            return fast_clip.encode_prompts(self.text, self.prompts, self.context)
        state = [_Version(p, p.data_ptr(), p._version) for p in used]
        if self._cache is None or not _same(self._cache.state, state):
            with torch.inference_mode(False), torch.no_grad():
                self._cache = _Cached(state, fast_clip.encode_prompts(self.text, self.prompts, self.context))
        return self._cache.features

    def train(self, mode: bool = True) -> Self:
        """Set training mode, or eval mode, and forget the kept features: writing through `.data` leaves no trace."""
        self._cache = None
        return super().train(mode)

    def __getstate__(self) -> dict:
        return {**super().__getstate__(), "_cache": None}

    def extra_repr(self) -> str:
        """Its options."""
        options = f"similarity={self.similarity!r}, wording={self.wording!r}, directions={self.directions!r}"
        return f"{super().extra_repr()}, {options}"


def orthogonal(text: Tensor) -> Tensor:
    """Of each text `[N, D]` what it says beyond those before it, as unit vectors `[N, D]` at right angles.

    Prompts of one template are nearly parallel (mean cosine 0.84 with random weights): their logits rise and fall
    together and hardly name what was altered. These directions are Gram and Schmidt's, by a Cholesky factor (ours).

    Raises:
        ParameterError: There are more texts than dimensions.
    """
    if text.shape[0] > text.shape[1]:
        raise ParameterError(
            f"directions: must be at most {text.shape[1]}, one a dimension, found {text.shape[0]} prompts"
        )
    unit = F.normalize(text, dim=-1)
    shift = JITTER * torch.eye(len(unit), dtype=unit.dtype, device=unit.device)
    factor = torch.linalg.cholesky_ex(unit @ unit.T + shift).L  # not finite where the texts are not: no error here
    return torch.linalg.solve_triangular(factor, unit, upper=False)


class NodeHeads(NodeDetector):
    """The same image tower with a linear head a node, not prompts (the ablation of the joint embedding).

    Arguments as in `JointEmbedding`; `forward(images [B, 3, H, W])` -> probability of each node `[B, N]`.
    """

    def __init__(
        self,
        encoder: str,
        hierarchy: Hierarchy,
        *,
        structure: str = "hierarchy",
        pretrained: str | Path | None = None,
        prior: Sequence[float] | None = None,
        precision: str = "float32",
        seed: int | None = None,
        features: str = "pooled",
        quick_gelu: bool = False,
    ) -> None:
        super().__init__(hierarchy, structure, prior)
        clip = towers.create(encoder, pretrained, seed, quick_gelu)
        head = _head(clip, len(hierarchy.nodes), seed)
        self.image = _image_tower(clip, features, precision, seed)
        self.head = head

    def cell_logits(self, images: Tensor) -> Tensor:
        """See `Detector.cell_logits`."""
        return self.head(self.image(images)) + self.offset


class BinaryBaseline(Detector):
    """The same image tower with one linear head: `forward(images [B, 3, H, W])` -> P(fake) `[B, 1]`."""

    def __init__(
        self,
        encoder: str,
        *,
        pretrained: str | Path | None = None,
        precision: str = "float32",
        seed: int | None = None,
        features: str = "pooled",
        quick_gelu: bool = False,
    ) -> None:
        super().__init__()
        clip = towers.create(encoder, pretrained, seed, quick_gelu)
        head = _head(clip, 1, seed)
        self.image = _image_tower(clip, features, precision, seed)
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """Probability of fake `[B, 1]`."""
        return self.logits(images).sigmoid()

    def cell_logits(self, images: Tensor) -> Tensor:
        """See `Detector.cell_logits`; the logit is the log-odds of fake."""
        return self.head(self.image(images))


def released(path: str | Path, hierarchy: Hierarchy, encoder: str = "ViT-B-32-quickgelu") -> JointEmbedding:
    """A checkpoint of the authors as a model, in eval mode: a CLIP state dict under "model", read strictly.

    What their `save_checkpoint` writes beside it (optimizer, config, args) is passed over; no code of the file runs.
    Their features are not normalised, their logits have no offset, and OpenAI's CLIP needs QuickGELU.
    """
    return JointEmbedding(encoder, hierarchy, similarity="dot", pretrained=Path(path)).eval()


def _image_tower(clip: Any, features: str, precision: str, seed: int | None) -> towers.ImageTower:
    """The image tower of an encoder, with the features that are asked for."""
    _choose("features", features, ("pooled", "cells"))
    dimension = clip.text_projection.shape[1]
    return towers.ImageTower(clip.visual, precision, cells=dimension if features == "cells" else None, seed=seed)


def _head(clip: Any, outputs: int, seed: int | None) -> nn.Linear:
    """A linear layer on the features of an encoder, drawn from the same seed."""
    with towers.seeded(seed):
        return nn.Linear(clip.text_projection.shape[1], outputs)


def _choose(name: str, value: str, allowed: Sequence[str]) -> None:
    """Raise ParameterError unless the value is allowed."""
    if value not in allowed:
        raise ParameterError(f"{name}: must be one of {tuple(allowed)}, found {value!r}")


def _same(before: list[_Version], now: list[_Version]) -> bool:
    """Whether these are the very same parameters, unchanged since."""
    if len(before) != len(now):
        return False
    for a, b in zip(before, now, strict=True):
        if a.parameter is not b.parameter or a.address != b.address or a.writes != b.writes:
            return False
    return True
