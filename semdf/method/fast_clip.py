"""Passes through CLIP's towers that compute what is read of the result, and nothing else. Exact, not approximate.

- The text tower is causal: what a token becomes depends on the tokens before it alone. So prompts that begin alike
  share their beginning: a tree of tokens goes through the tower as one sequence, in which each token attends to
  its ancestors (48 tokens for the FF++ prompts, not 10 x 77 or, cut at the longest, 10 x 17).
- One token of each image, and the end of each prompt, is all that leaves a tower. In the last block only they
  need to ask; the others just give keys and values.
- Attention without copies of queries, keys and values, and QuickGELU within the matrix products around it: `lean`
  puts them into a tower.

All are ours; results equal the plain passes up to rounding (tests).
"""

from collections import OrderedDict
from typing import Any

import open_clip
import torch
from open_clip.transformer import QuickGELU, ResidualAttentionBlock, Transformer, VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["PromptTree", "encode_image", "encode_prompts", "lean"]

#: Of QuickGELU, x sigmoid(1.702 x).
QUICK = 1.702


class PromptTree(nn.Module):
    """Prompts, joined where they begin alike: T tokens, parents before children.

    tokens: [N, L] of the prompts; what follows the end of a text, which is the largest number, is left away.

    Buffers: `tokens` [T]; `depths` [T], the position of each in its prompt; `ends` [N], where the prompts end;
    `mask` [T, T], added to the attention: 0 from a token to itself and its ancestors, -inf to all others.
    """

    tokens: Tensor
    depths: Tensor
    ends: Tensor
    mask: Tensor

    def __init__(self, tokens: Tensor) -> None:
        super().__init__()
        places: dict[tuple[int, int], int] = {}  # parent and token -> place
        depths, parents, ends = [], [], []
        for prompt in tokens.tolist():
            place = -1
            for depth, token in enumerate(prompt[: prompt.index(max(prompt)) + 1]):
                key = (place, token)
                if key not in places:
                    places[key] = len(places)
                    depths.append(depth)
                    parents.append(place)
                place = places[key]
            ends.append(place)
        mask = torch.full((len(places), len(places)), -torch.inf)
        for place, parent in enumerate(parents):
            if parent >= 0:
                mask[place] = mask[parent]
            mask[place, place] = 0
        for name, value in {
            "tokens": torch.tensor([token for _, token in places]),
            "depths": torch.tensor(depths),
            "ends": torch.tensor(ends),
            "mask": mask,
        }.items():
            self.register_buffer(name, value, persistent=False)

    def extra_repr(self) -> str:
        return f"{len(self.ends)} prompts, {len(self.tokens)} tokens"


def encode_prompts(clip: open_clip.CLIP, tree: PromptTree) -> Tensor:
    """Text features [N, D], not normalised, of the prompts of a tree."""
    x = clip.token_embedding(tree.tokens) + clip.positional_embedding[tree.depths]
    x = _blocks(clip.transformer, x[None], tree.ends, tree.mask)[0]
    return clip.ln_final(x) @ clip.text_projection


def encode_image(visual: Any, images: Tensor) -> Tensor:
    """Image features [B, D], not normalised, of images [B, 3, H, W]. visual: an image tower of open_clip."""
    plain = isinstance(visual, VisionTransformer) and visual.attn_pool is None and visual.pool_type == "tok"
    if not plain or visual.proj is None or visual.output_tokens:
        return visual(images)
    x = visual._embeds(images)
    x = _blocks(visual.transformer, x, torch.zeros(1, dtype=torch.long, device=x.device))[:, 0]
    return visual.ln_post(x) @ visual.proj


def lean(tower: nn.Module) -> None:
    """Give the blocks of a tower, in place, attention and activation that copy less: same weights, same names."""
    for transformer in (module for module in tower.modules() if isinstance(module, Transformer)):
        for block in transformer.resblocks:
            if type(block) is not ResidualAttentionBlock or not transformer.batch_first:
                continue
            if type(block.attn) is nn.MultiheadAttention and block.attn._qkv_same_embed_dim:
                block.attn = Attention(block.attn)
            if isinstance(block.mlp.gelu, QuickGELU):
                block.mlp = QuickMlp(block.mlp)


class Attention(nn.Module):
    """`nn.MultiheadAttention` of one width for queries [B, Q, D] and keys [B, L, D], which are also the values."""

    def __init__(self, plain: nn.MultiheadAttention) -> None:
        super().__init__()
        self.heads = plain.num_heads
        self.in_proj_weight, self.in_proj_bias = plain.in_proj_weight, plain.in_proj_bias
        self.out_proj = plain.out_proj

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, need_weights: bool = False, attn_mask: Tensor | None = None
    ) -> tuple[Tensor, None]:
        weight, bias = self.in_proj_weight, self.in_proj_bias
        if query is key:
            q, k, v = self._split(F.linear(query, weight, bias), 3)
        else:
            width = query.shape[-1]
            (q,) = self._split(F.linear(query, weight[:width], bias[:width]), 1)
            k, v = self._split(F.linear(key, weight[width:], bias[width:]), 2)
        answer = F.scaled_dot_product_attention(q, k, v, attn_mask=attn_mask)
        return self.out_proj(answer.transpose(1, 2).flatten(2)), None

    def _split(self, projected: Tensor, count: int) -> list[Tensor]:
        """[B, L, count D] -> count times [B, heads, L, D / heads], views."""
        parts = projected.unflatten(-1, (count, self.heads, -1)).unbind(2)
        return [part.transpose(1, 2) for part in parts]


class QuickMlp(nn.Sequential):
    """Linear, QuickGELU, linear: x sigmoid(a x) = silu(a x) / a, and both factors go into the matrix products."""

    c_fc: nn.Linear
    c_proj: nn.Linear

    def __init__(self, plain: nn.Sequential) -> None:
        super().__init__(OrderedDict(plain.named_children()))

    def forward(self, x: Tensor) -> Tensor:
        rows = x.flatten(0, -2)
        rise, fall = self.c_fc, self.c_proj
        hidden = F.silu(torch.addmm(rise.bias * QUICK, rows, rise.weight.T, alpha=QUICK))
        return torch.addmm(fall.bias, hidden, fall.weight.T, alpha=1 / QUICK).view_as(x)


def _blocks(transformer: Any, x: Tensor, read: Tensor, mask: Tensor | None = None) -> Tensor:
    """What becomes of the tokens at the places `read` [R] of x [B, L, D] -> [B, R, D]."""
    *early, last = transformer.resblocks
    if transformer.grad_checkpointing or type(last) is not ResidualAttentionBlock or not transformer.batch_first:
        return transformer(x, attn_mask=mask)[:, read]
    for block in early:
        x = block(x, attn_mask=mask)
    seen, asking = last.ln_1(x), x[:, read]
    answer = last.attention(seen[:, read], seen, seen, attn_mask=None if mask is None else mask[read])
    x = asking + last.ls_1(answer)
    return x + last.ls_2(last.mlp(last.ln_2(x)))
