"""A tiny CLIP with random weights, under OpenAI's names, and its passes written out from the definition."""

import open_clip
import torch

from semdf.method import hierarchy, prompts


def openai_state(generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Random weights of a tiny CLIP under OpenAI's names: widths 32, one image and two text layers."""

    def normal(*shape: int) -> torch.Tensor:
        return 0.2 * torch.randn(*shape, generator=generator)

    state = {
        "positional_embedding": normal(77, 32),
        "text_projection": normal(32, 16),
        "logit_scale": torch.tensor(4.6),
        "visual.class_embedding": normal(32),
        "visual.positional_embedding": normal(5, 32),
        "visual.proj": normal(32, 16),
        "visual.conv1.weight": normal(32, 3, 16, 16),
        "token_embedding.weight": normal(49408, 32),
        "input_resolution": torch.tensor(32),
        "context_length": torch.tensor(77),
        "vocab_size": torch.tensor(49408),
    }
    for norm in ("visual.ln_pre", "visual.ln_post", "ln_final"):
        state |= {f"{norm}.weight": 1 + normal(32), f"{norm}.bias": normal(32)}
    for block in ("visual.transformer.resblocks.0", "transformer.resblocks.0", "transformer.resblocks.1"):
        for norm in ("ln_1", "ln_2"):
            state |= {f"{block}.{norm}.weight": 1 + normal(32), f"{block}.{norm}.bias": normal(32)}
        shapes = {
            "attn.in_proj_": (96, 32),
            "attn.out_proj.": (32, 32),
            "mlp.c_fc.": (128, 32),
            "mlp.c_proj.": (32, 128),
        }
        for name, (rows, columns) in shapes.items():
            state |= {f"{block}.{name}weight": normal(rows, columns), f"{block}.{name}bias": normal(rows)}
    return state


def openai_encode(
    state: dict[str, torch.Tensor], x: torch.Tensor, prefix: str, layers: int, heads: int, causal: bool
) -> torch.Tensor:
    """The oracle's transformer: x [L, 32], written out from the definition with QuickGELU."""

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        scaled = (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
        return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]

    for layer in range(layers):
        at = f"{prefix}transformer.resblocks.{layer}"
        mixed = norm(x, f"{at}.ln_1") @ state[f"{at}.attn.in_proj_weight"].T + state[f"{at}.attn.in_proj_bias"]
        outputs = []
        for q, k, v in zip(*(part.chunk(heads, dim=1) for part in mixed.chunk(3, dim=1)), strict=True):
            scores = q @ k.T / q.shape[1] ** 0.5
            if causal:
                scores = scores.masked_fill(torch.ones_like(scores).triu(1).bool(), -torch.inf)
            outputs.append(scores.softmax(1) @ v)
        x = x + torch.cat(outputs, 1) @ state[f"{at}.attn.out_proj.weight"].T + state[f"{at}.attn.out_proj.bias"]
        y = norm(x, f"{at}.ln_2") @ state[f"{at}.mlp.c_fc.weight"].T + state[f"{at}.mlp.c_fc.bias"]
        y = y * torch.sigmoid(1.702 * y)
        x = x + y @ state[f"{at}.mlp.c_proj.weight"].T + state[f"{at}.mlp.c_proj.bias"]
    return norm(x, f"{prefix}ln_post" if prefix else "ln_final")


def openai_image(state: dict[str, torch.Tensor], image: torch.Tensor) -> torch.Tensor:
    """The oracle's class token [32] after the last norm, of one normalised image [3, 32, 32]."""
    patches = image.unfold(1, 16, 16).unfold(2, 16, 16).permute(1, 2, 0, 3, 4).reshape(4, -1)
    x = patches @ state["visual.conv1.weight"].reshape(32, -1).T
    x = torch.cat([state["visual.class_embedding"][None], x]) + state["visual.positional_embedding"]
    mean, var = x.mean(-1, keepdim=True), x.var(-1, unbiased=False, keepdim=True)
    x = (x - mean) / (var + 1e-5).sqrt() * state["visual.ln_pre.weight"] + state["visual.ln_pre.bias"]
    return openai_encode(state, x, "visual.", 1, 2, causal=False)[0]


def openai_logits(state: dict[str, torch.Tensor], images: torch.Tensor, tree: hierarchy.Hierarchy) -> torch.Tensor:
    """The oracle's f_i(x) = <phi(x), psi(t_i)> / 10, one image and one prompt at a time, all 77 tokens."""
    text = []
    for tokens in open_clip.tokenize(prompts.sentences(tree)):
        x = state["token_embedding.weight"][tokens] + state["positional_embedding"]
        x = openai_encode(state, x, "", 2, 2, causal=True)
        text.append(x[tokens.tolist().index(49407)] @ state["text_projection"])
    rows = []
    for image in images:
        x = openai_image(state, image) @ state["visual.proj"]
        rows.append(torch.stack([x @ t / 10 for t in text]))
    return torch.stack(rows)
