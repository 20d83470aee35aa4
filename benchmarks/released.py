"""The released way of training and scoring, written plainly for comparison: nothing here is used by the package.

It does what the authors' released code does:

- A forward pass encodes the images three times, once for each level of the hierarchy, and each time the prompts as
  well, padded to 77 tokens.
- The hypergradient is a central difference, for which the live weights are moved in place, there and back.
- A step has five such forward passes: lower, upper, the two ends of the difference, and the step itself.

It differs in three things, each in favour of the released code: it runs, the passes at the ends of the difference build
no graph, and gradients that are no longer needed are freed.
"""

from collections.abc import Sequence
from copy import deepcopy

import open_clip
import torch
from torch import Tensor, nn

from semdf.method import prompts
from semdf.method.hierarchy import Hierarchy

__all__ = ["Model", "Step"]


class Model(nn.Module):
    """Both towers of CLIP, used level by level: `forward(images [B, 3, H, W])` -> marginals `[B, N]`."""

    def __init__(self, clip: open_clip.CLIP, hierarchy: Hierarchy) -> None:
        super().__init__()
        self.clip = clip
        for transformer in (clip.visual.transformer, clip.transformer):  # tokens before batch, as OpenAI's code has it
            transformer.batch_first = False
            for block in transformer.resblocks:
                block.attn.batch_first = False
        self.levels = [list(nodes) for nodes in hierarchy.levels.values()]
        sentences = prompts.sentences(hierarchy)
        self.tokens = [open_clip.tokenize([sentences[i] for i in nodes]) for nodes in self.levels]
        self.states = torch.tensor(hierarchy.states, dtype=torch.float32)

    def logits(self, images: Tensor) -> Tensor:
        """Dot products / 10, `[B, N]`."""
        parts = []
        for tokens in self.tokens:
            image = self.clip.encode_image(images)
            text = self.clip.encode_text(tokens.to(images.device))
            parts.append(image @ text.T / 10)
        return torch.cat(parts, dim=1)

    def forward(self, images: Tensor) -> Tensor:
        """Marginals `[B, N]`."""
        states = self.states.to(images)
        return (self.logits(images) @ states.T).softmax(1) @ states

    def losses(self, images: Tensor, targets: Tensor) -> Tensor:
        """Fidelity of each level, `[3]`."""
        p = self(images)
        each = 1 - (p * targets + 1e-8).sqrt() - ((1 - p) * (1 - targets) + 1e-8).sqrt()
        return torch.stack([each[:, nodes].mean() for nodes in self.levels])


class Step:
    """Auto-lambda by a central difference: `step(lower, upper)` trains on images and targets, as released."""

    def __init__(self, model: Model, lr: float, weight_decay: float, lambda_lr: float = 1e-3) -> None:
        self.model = model
        self.virtual = deepcopy(model)
        self.lr = lr
        self.weight_decay = weight_decay
        self.weights = torch.ones(3, requires_grad=True, device=model.clip.logit_scale.device)
        self.optimiser = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay)
        self.lambdas = torch.optim.Adam([self.weights], lr=lambda_lr)

    def __call__(self, lower: Sequence[Tensor], upper: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Losses on the lower batch `[3]` and the weights `[3]` that they were given."""
        slope = self.hypergradient(lower, upper)
        self.weights.grad = slope.to(self.weights)
        self.lambdas.step()
        self.optimiser.zero_grad()
        losses = self.model.losses(*lower)
        (self.weights.detach() * losses).sum().backward()
        self.optimiser.step()
        return losses.detach(), self.weights.detach().clone()

    def hypergradient(self, lower: Sequence[Tensor], upper: Sequence[Tensor]) -> Tensor:
        """-lr times the central difference of the lower losses along the upper gradient, `[3]`."""
        live = list(self.model.parameters())
        moved = list(self.virtual.parameters())
        total = (self.weights.detach() * self.model.losses(*lower)).sum()
        gradient = torch.autograd.grad(total, live, allow_unused=True)
        with torch.no_grad():
            for v, p, g in zip(moved, live, gradient, strict=True):
                v.copy_(p if g is None else p - self.lr * (g + self.weight_decay * p))
        del gradient
        root = self.virtual.losses(*upper)[0]
        d = torch.autograd.grad(root, moved, allow_unused=True)
        d = [torch.zeros_like(p) if g is None else g for g, p in zip(d, live, strict=True)]
        size = 0.01 / (torch.cat([g.flatten() for g in d]).norm() + 1e-6)
        with torch.no_grad():
            self._move(live, d, size)
            ahead = self.model.losses(*lower)
            self._move(live, d, -2 * size)
            behind = self.model.losses(*lower)
            self._move(live, d, size)
        return -self.lr * (ahead - behind) / (2 * size)

    @staticmethod
    def _move(parameters: list[nn.Parameter], direction: list[Tensor], size: Tensor) -> None:
        for p, g in zip(parameters, direction, strict=True):
            p += size * g
