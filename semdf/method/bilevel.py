"""Hypergradients of bi-level task weighting, as pure functions of parameters.

    theta'               = theta - eta (sum_k lambda_k g_k + wd theta)      g_k: task k on the lower batch
    d                    = gradient of the upper loss at theta'
    d upper / d lambda_k = -eta <d, g_k>                                    exact

Source: Liu et al., "Auto-Lambda: Disentangling Dynamic Task Relationships", TMLR 2022; here as in Zou et al.,
IEEE TCSVT 2025, whose code approximates the inner product by a finite difference. Parameters are never
touched: the virtual ones are new tensors, put into a module by `functional` for one call.

Batch normalisation: the lower pass is the ordinary one (the batch's own statistics in training mode, and the
running ones move once, as in any step). The upper pass at theta' also normalises by its own batch, but on
copies of the buffers, so that the running statistics see the lower batches only.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from semdf.errors import ParameterError

__all__ = [
    "Parameters",
    "Rule",
    "Upper",
    "adamw",
    "combine",
    "finite_difference",
    "functional",
    "hypergradient",
    "sgd",
    "task_gradients",
    "upper_gradient",
    "virtual_step",
]

#: Values of the parameters, by name.
Parameters = Mapping[str, Tensor]
#: Name, value and gradient of a parameter -> its value after a step, and the derivative of that by the gradient.
Rule = Callable[[str, Tensor, Tensor], tuple[Tensor, Tensor | float]]
#: Parameters -> a scalar loss.
Upper = Callable[[Parameters], Tensor]
#: The gradients of one task, in the order of the parameters; None where the task does not use a parameter.
Gradients = Sequence[Tensor | None]


def task_gradients(losses: Tensor, parameters: Parameters) -> list[Gradients]:
    """Gradient of each of `losses` `[K]`: K backward passes through one graph, which is freed by the last."""
    if losses.ndim != 1 or not len(losses):
        raise ParameterError(f"losses: must have shape [K], found {list(losses.shape)}")
    leaves = list(parameters.values())
    last = len(losses) - 1
    return [
        torch.autograd.grad(loss, leaves, retain_graph=k < last, allow_unused=True) for k, loss in enumerate(losses)
    ]


def combine(gradients: Sequence[Gradients], weights: Tensor) -> list[Tensor | None]:
    """sum_k lambda_k g_k for each parameter; None where no task uses it.

    Args:
        weights: Lambda `[K]`.
    """
    return list(_combined(gradients, weights))


def _combined(gradients: Sequence[Gradients], weights: Tensor) -> Iterator[Tensor | None]:
    """`combine`, one parameter at a time, so that they need not all be held at once."""
    if weights.shape != (len(gradients),):
        raise ParameterError(f"weights: must have shape [{len(gradients)}], found {list(weights.shape)}")
    factors = weights.tolist()
    for parts in zip(*gradients, strict=True):
        mixed = None
        for factor, part in zip(factors, parts, strict=True):
            if part is not None:
                mixed = part * factor if mixed is None else mixed.add_(part, alpha=factor)
        yield mixed


def sgd(lr: float, weight_decay: float = 0.0) -> Rule:
    """Theta' = theta - lr (g + weight_decay theta): plain SGD, as in Liu et al., whatever the optimiser is."""

    def rule(_: str, value: Tensor, gradient: Tensor) -> tuple[Tensor, float]:
        return (value * (1 - lr * weight_decay)).sub_(gradient, alpha=lr), -lr

    return rule


def adamw(optimiser: torch.optim.AdamW, names: Mapping[str, nn.Parameter]) -> Rule:
    """The step that this AdamW is going to take, with its moments and groups, which stay as they are.

    Gradient clipping outside the optimiser is not seen.

    Args:
        names: The parameters by name.
    """
    groups = {id(p): group for group in optimiser.param_groups for p in group["params"]}

    def rule(name: str, value: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
        group = groups[id(names[name])]
        beta1, beta2 = group["betas"]
        state = optimiser.state.get(names[name], {})
        zero = torch.zeros_like(value)
        step = float(state.get("step", 0)) + 1
        mean = state.get("exp_avg", zero) * beta1 + gradient * (1 - beta1)
        square = state.get("exp_avg_sq", zero) * beta2 + gradient.square() * (1 - beta2)
        rise = 1 - beta1**step
        spread = 1 - beta2**step
        root = (square / spread).sqrt()
        bottom = root + group["eps"]
        moved = value * (1 - group["lr"] * group["weight_decay"]) - group["lr"] * (mean / rise) / bottom
        # d(root)/dg = (1 - beta2) g / (spread root), which tends to 0 with g
        bend = torch.where(root > 0, (1 - beta2) * gradient / (spread * root), 0)
        slope = -group["lr"] / rise * ((1 - beta1) / bottom - mean * bend / bottom.square())
        return moved, slope

    return rule


def virtual_step(
    parameters: Parameters, gradient: Iterable[Tensor | None], rule: Rule
) -> tuple[dict[str, Tensor], list[Tensor | float]]:
    """The parameters theta' as new leaves, and d theta' / d gradient, by element.

    A parameter without a gradient stays as it is.
    """
    moved: dict[str, Tensor] = {}
    slopes: list[Tensor | float] = []
    for (name, value), part in zip(parameters.items(), gradient, strict=True):
        here = value.detach()
        there, slope = (here, 0.0) if part is None else rule(name, here, part)
        moved[name] = there.requires_grad_()
        slopes.append(slope)
    return moved, slopes


def upper_gradient(upper: Upper, parameters: Parameters, gradient: Gradients, rule: Rule) -> tuple[Tensor, Gradients]:
    """Upper loss after the virtual step, scalar, and its gradient there."""
    moved, _ = virtual_step(parameters, gradient, rule)
    loss = upper(moved)
    return loss.detach(), torch.autograd.grad(loss, list(moved.values()), allow_unused=True)


def hypergradient(
    upper: Upper,
    parameters: Parameters,
    gradients: Sequence[Gradients],
    weights: Tensor,
    rule: Rule,
) -> tuple[Tensor, Tensor]:
    """Exact gradient of the upper loss after one virtual step, with respect to the task weights.

    The gradient at theta' is never held as a whole: the backward pass hands over the part of one parameter,
    its products with that parameter's g_k are taken, and it is dropped.

    Args:
        upper: Parameters -> scalar loss (see `functional`).
        parameters: Theta.
        gradients: What `task_gradients` gives at theta.
        weights: Lambda `[K]`.
        rule: Of the virtual step, `sgd(lr, weight_decay)` as published, or `adamw(...)`.

    Returns:
        The upper loss at theta', scalar, and its gradient, `[K]`.
    """
    moved, slopes = virtual_step(parameters, _combined(gradients, weights.detach()), rule)
    loss = upper(moved)
    products = torch.zeros(len(gradients), dtype=torch.float64)

    def take(i: int) -> Callable[[Tensor], None]:
        """A hook that takes the gradient of parameter i at theta' and drops it."""

        def hook(leaf: Tensor) -> None:
            d = leaf.grad
            slope = slopes[i]
            scale = 1.0
            leaf.grad = None
            assert d is not None, "the hook is called when there is a gradient"
            if isinstance(slope, Tensor):
                d = d * slope
            else:
                scale = slope
            for k, task in enumerate(gradients):
                part = task[i]
                if part is not None:
                    products[k] += scale * _dot(d, part).to(products)

        return hook

    for i, leaf in enumerate(moved.values()):
        leaf.register_post_accumulate_grad_hook(take(i))
    loss.backward(inputs=list(moved.values()))
    return loss.detach(), products.to(weights)


def finite_difference(
    lower: Callable[[Parameters], Tensor], parameters: Parameters, direction: Gradients, scale: float = 0.01
) -> Tensor:
    """<direction, gradient of each lower loss>, `[K]`, by a central difference of two evaluations.

    They are at theta +- e direction, e = scale / (|direction| + 1e-6). This is an approximation, 5 to 12 % off on a
    ViT-B/32 of random weights; it tends to the exact product as `scale` falls, until rounding takes over.

    Args:
        lower: Parameters -> losses `[K]`.
        scale: The authors' (released code).
    """
    size = scale / (float(inner(direction, direction).sqrt()) + 1e-6)
    ends = []
    with torch.no_grad():
        for sign in (size, -size):
            moved = {
                name: value if part is None else value + sign * part
                for (name, value), part in zip(parameters.items(), direction, strict=True)
            }
            ends.append(lower(moved))
    return (ends[0] - ends[1]) / (2 * size)


def functional(module: nn.Module, *inputs: object) -> Callable[[Parameters], Tensor]:
    """The module's output on `inputs` as a function of its parameters; buffers are copied for every call."""

    def call(parameters: Parameters) -> Tensor:
        buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
        return functional_call(module, (dict(parameters), buffers), inputs)

    return call


def inner(a: Gradients, b: Gradients) -> Tensor:
    """Inner product over all parameters, scalar; the products of single parameters are added up in float64."""
    parts = [_dot(x, y).double() for x, y in zip(a, b, strict=True) if x is not None and y is not None]
    return torch.stack(parts).sum() if parts else torch.zeros((), dtype=torch.float64)


def _dot(x: Tensor, y: Tensor) -> Tensor:
    """Inner product of two tensors, scalar: one pass over both, no copy."""
    return torch.dot(x.reshape(-1), y.reshape(-1))
