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
from typing import Any, NamedTuple

import open_clip
import torch
from open_clip.transformer import QuickGELU, ResidualAttentionBlock, Transformer, VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["PromptTree", "encode_image", "encode_prompts", "lean"]

#: The factor a of QuickGELU, x sigmoid(a x).
QUICK = 1.702


class _Branch(NamedTuple):
    """What tells a token of the tree from all others: the place of its parent, -1 for none, and the token itself."""

    parent: int
    token: int


class PromptTree(nn.Module):
    """Prompts, joined where they begin alike: T tokens, parents before children.

    Attributes:
        tokens: Buffer `[T]`.
        depths: Buffer `[T]`, the position of each token in its prompt.
        ends: Buffer `[N]`, the places where the prompts end.
        mask: Buffer `[T, T]`, added to the attention: 0 from a token to itself and its ancestors, -inf to all others.

    Args:
        tokens: Those of the prompts `[N, L]`; what follows the end of a text, which is the largest number, is left out.
    """

    tokens: Tensor
    depths: Tensor
    ends: Tensor
    mask: Tensor

    def __init__(self, tokens: Tensor) -> None:
        super().__init__()
        places: dict[_Branch, int] = {}
        depths: list[int] = []
        ends: list[int] = []
        for prompt in tokens.tolist():
            place = -1  # the parent of the first token
            for depth, token in enumerate(prompt[: prompt.index(max(prompt)) + 1]):
                branch = _Branch(place, token)
                if branch not in places:
                    places[branch] = len(places)
                    depths.append(depth)
                place = places[branch]
            ends.append(place)
        mask = torch.full((len(places), len(places)), -torch.inf)
        for branch, place in places.items():
            if branch.parent >= 0:
                mask[place] = mask[branch.parent]
            mask[place, place] = 0
        self.register_buffer("tokens", torch.tensor([branch.token for branch in places]), persistent=False)
        self.register_buffer("depths", torch.tensor(depths), persistent=False)
        self.register_buffer("ends", torch.tensor(ends), persistent=False)
        self.register_buffer("mask", mask, persistent=False)

    def shared(self) -> list[int]:
        """The places of the words with which every prompt begins, without the start of the text."""
        ancestors = self.mask[self.ends] == 0
        return [place for place in torch.nonzero(ancestors.all(0)).flatten().tolist() if self.depths[place] > 0]

    def extra_repr(self) -> str:
        """How large it is."""
        return f"{len(self.ends)} prompts, {len(self.tokens)} tokens"


def encode_prompts(clip: open_clip.CLIP, tree: PromptTree, context: Tensor | None = None) -> Tensor:
    """Text features `[N, D]`, not normalised, of the prompts of a tree.

    Args:
        context: `[M, W]`, added to the embeddings of the M words of `tree.shared()`.
    """
    x = clip.token_embedding(tree.tokens) + clip.positional_embedding[tree.depths]
    if context is not None:
        x = x.index_add(0, torch.tensor(tree.shared(), device=x.device), context)
    x = _blocks(clip.transformer, x[None], tree.ends, tree.mask)[0]
    return clip.ln_final(x) @ clip.text_projection


def encode_image(visual: Any, images: Tensor) -> Tensor:
    """Image features `[B, D]`, not normalised, of images `[B, 3, H, W]`.

    Args:
        visual: An image tower of open_clip. Only a vision transformer whose answer is its class token has a shorter
            pass; others are called as they are.
    """
    plain = isinstance(visual, VisionTransformer) and visual.attn_pool is None and visual.pool_type == "tok"
    if not plain or visual.proj is None or visual.output_tokens:
        return visual(images)
    x = visual._embeds(images)
    class_token = torch.zeros(1, dtype=torch.long, device=x.device)  # its place
    x = _blocks(visual.transformer, x, class_token)[:, 0]
    return visual.ln_post(x) @ visual.proj


def lean(tower: nn.Module) -> None:
    """Give the blocks of a tower, in place, attention and activation that copy less: same weights, same names."""
    transformers = [module for module in tower.modules() if isinstance(module, Transformer)]
    for transformer in transformers:
        for block in transformer.resblocks:
            if type(block) is not ResidualAttentionBlock or not transformer.batch_first:
                continue
            if type(block.attn) is nn.MultiheadAttention and block.attn._qkv_same_embed_dim:
                block.attn = Attention(block.attn)
            if isinstance(block.mlp.gelu, QuickGELU):
                block.mlp = QuickMlp(block.mlp)


class Attention(nn.Module):
    """`nn.MultiheadAttention` of one width for queries `[B, Q, D]` and keys `[B, L, D]`, which are also the values."""

    def __init__(self, plain: nn.MultiheadAttention) -> None:
        super().__init__()
        self.heads = plain.num_heads
        self.in_proj_weight = plain.in_proj_weight
        self.in_proj_bias = plain.in_proj_bias
        self.out_proj = plain.out_proj

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,  # noqa: ARG002 the signature of nn.MultiheadAttention
        need_weights: bool = False,  # noqa: ARG002 the signature of nn.MultiheadAttention
        attn_mask: Tensor | None = None,
    ) -> tuple[Tensor, None]:
        """What the queries find among the keys `[B, Q, D]`; the weights of the attention are never given."""
        weight = self.in_proj_weight
        bias = self.in_proj_bias
        if query is key:
            q, k, v = self._split(F.linear(query, weight, bias), 3)
        else:
            width = query.shape[-1]
            (q,) = self._split(F.linear(query, weight[:width], bias[:width]), 1)
            k, v = self._split(F.linear(key, weight[width:], bias[width:]), 2)
        answer = F.scaled_dot_product_attention(q, k, v, attn_mask=attn_mask)
        return self.out_proj(answer.transpose(1, 2).flatten(2)), None

    def _split(self, projected: Tensor, count: int) -> list[Tensor]:
        """`[B, L, count D]` -> `count` views `[B, heads, L, D / heads]`."""
        parts = projected.unflatten(-1, (count, self.heads, -1)).unbind(2)
        return [part.transpose(1, 2) for part in parts]


class QuickMlp(nn.Sequential):
    """Linear, QuickGELU, linear: x sigmoid(a x) = silu(a x) / a, and both factors go into the matrix products."""

    c_fc: nn.Linear
    c_proj: nn.Linear

    def __init__(self, plain: nn.Sequential) -> None:
        super().__init__(OrderedDict(plain.named_children()))

    def forward(self, x: Tensor) -> Tensor:
        """Features `[..., D]` of features `[..., D]`."""
        rows = x.flatten(0, -2)
        hidden = F.silu(torch.addmm(self.c_fc.bias * QUICK, rows, self.c_fc.weight.T, alpha=QUICK))
        return torch.addmm(self.c_proj.bias, hidden, self.c_proj.weight.T, alpha=1 / QUICK).view_as(x)


def _blocks(transformer: Any, x: Tensor, read: Tensor, mask: Tensor | None = None) -> Tensor:
    """What becomes of the tokens `[B, R, D]` at the places `read` `[R]` of x `[B, L, D]`."""
    *early, last = transformer.resblocks
    if transformer.grad_checkpointing or type(last) is not ResidualAttentionBlock or not transformer.batch_first:
        return transformer(x, attn_mask=mask)[:, read]
    for block in early:
        x = block(x, attn_mask=mask)
    seen = last.ln_1(x)
    asking = x[:, read]
    answer = last.attention(seen[:, read], seen, seen, attn_mask=None if mask is None else mask[read])
    x = asking + last.ls_1(answer)
    return x + last.ls_2(last.mlp(last.ln_2(x)))
