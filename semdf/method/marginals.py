"""Marginal probabilities of the nodes over the legal states of a hierarchy, in log space.

    p(s | x) = exp(s . f(x)) / Z(x)        over the legal states s
    p_i(x)   = sum of p(s | x)             over the legal states with s_i = 1

This is a HEX graph: Deng et al., "Large-Scale Object Classification Using Label Relation Graphs", ECCV 2014.
Each marginal is computed as the sigmoid of its log-odds: log sum exp over the states with s_i = 1, less log sum exp
over those with s_i = 0. So it stays in [0, 1], and both p_i and 1 - p_i keep their digits where they are small: p_0 is
tiny for real images, and 1 - p_0 is for fakes.
"""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from semdf.errors import ParameterError
from semdf.method.hierarchy import Hierarchy

__all__ = ["independent", "independent_offsets", "log_marginals", "log_odds", "marginals", "offsets"]


def marginals(logits: Tensor, hierarchy: Hierarchy) -> Tensor:
    """Marginals p_i in [0, 1], `[B, N]`, of `logits` `[B, N]`; p_0 >= p_i for every node."""
    return log_odds(logits, hierarchy).sigmoid()


def log_marginals(logits: Tensor, hierarchy: Hierarchy) -> Tensor:
    """Log p_i, `[B, N]`, of `logits` `[B, N]`; exact where p_i itself would underflow."""
    return F.logsigmoid(log_odds(logits, hierarchy))


def log_odds(logits: Tensor, hierarchy: Hierarchy) -> Tensor:
    """Log p_i - log(1 - p_i), `[B, N]`, of `logits` `[B, N]`; half precision is computed in float32."""
    _check(logits, hierarchy)
    if logits.dtype in (torch.float16, torch.bfloat16):
        logits = logits.float()
    states, active, inactive = _tables(hierarchy, logits.device, logits.dtype)
    scores = (logits @ states.T)[:, None, :]  # [B, 1, S]
    return (scores + active).logsumexp(-1) - (scores + inactive).logsumexp(-1)


def independent(logits: Tensor, hierarchy: Hierarchy) -> Tensor:
    """Sigmoid of each logit `[B, N]`, nodes taken as independent: what the hierarchy is compared with."""
    _check(logits, hierarchy)
    return logits.sigmoid()


def independent_offsets(rates: Sequence[float], hierarchy: Hierarchy) -> Tensor:
    """Logits `[N]` float64 whose sigmoids are `rates` `[N]`, held between 0.01 and 0.99 (ours)."""
    target = _check_rates(rates, hierarchy)
    return target.clamp(0.01, 0.99).logit()


def offsets(rates: Sequence[float], hierarchy: Hierarchy, shrink: float = 0.02) -> Tensor:
    """Logits b, `[N]` float64, whose marginals are `rates` `[N]`: a start that knows how often a node is active.

    With f = 0 the marginal of the root is 0.996 for the FF++ hierarchy (250 of its 251 legal states are fake), so a
    model that starts there must first unlearn it. Newton's method finds b, the minimum of the convex
    log Z(b) - b . rates. Ours.

    Rates counted over a few label rows often lie on the border of what a distribution over legal states can reach
    (every fake has a physical inconsistency), and there b would be infinite. So the rates are mixed with those of fakes
    in which every kind is as frequent, which leaves the root's rate as it is.

    Args:
        shrink: The share of those fakes in the mixture.

    Raises:
        ParameterError: No distribution over legal states has these rates.
    """
    target = _check_rates(rates, hierarchy)
    states = torch.from_numpy(hierarchy.states.astype(float))
    root = hierarchy.levels["root"][0]
    if not 0 < target[root] < 1:
        raise ParameterError(f"rates: that of {hierarchy.nodes[root]!r} must be in (0, 1), found {float(target[root])}")
    alike = states[states[:, root] == 1].mean(0) * target[root]
    target = (1 - shrink) * target + shrink * alike

    def potential(b: Tensor) -> float:
        """The function that b makes smallest."""
        return float((states @ b).logsumexp(0) - b @ target)

    b = torch.zeros_like(target)
    for _ in range(200):
        p = (states @ b).softmax(0)
        mean = p @ states
        slope = mean - target
        if slope.abs().max() < 1e-10:
            return b
        curvature = (states * p[:, None]).T @ states - mean[:, None] * mean
        move = torch.linalg.solve(curvature + 1e-12 * torch.eye(len(b), dtype=b.dtype), slope)
        here = potential(b)
        fall = float(slope @ move)
        size = 1.0
        while potential(b - size * move) > here - 1e-4 * size * fall and size > 1e-6:
            size /= 2
        b = b - size * move
    raise ParameterError(f"rates: must be reached by mixing legal states of {hierarchy.name!r}, found {list(rates)}")


def _check(logits: Tensor, hierarchy: Hierarchy) -> None:
    """Raise ParameterError unless logits are finite numbers `[B, N]`."""
    count = len(hierarchy.nodes)
    if logits.ndim != 2 or logits.shape[1] != count:
        raise ParameterError(f"logits: must have shape [B, {count}], found {list(logits.shape)}")
    if not logits.is_floating_point():
        raise ParameterError(f"logits: must be floating point, found {logits.dtype}")
    if not logits.isfinite().all():
        raise ParameterError(f"logits: must be finite, found {int((~logits.isfinite()).sum())} NaN or infinite")


def _check_rates(rates: Sequence[float], hierarchy: Hierarchy) -> Tensor:
    """Rates as a tensor `[N]` float64; ParameterError unless there is one for each node."""
    target = torch.as_tensor(rates, dtype=torch.float64).detach().cpu()
    if target.shape != (len(hierarchy.nodes),):
        raise ParameterError(f"rates: must have {len(hierarchy.nodes)} entries, found shape {list(target.shape)}")
    return target


@lru_cache(maxsize=16)
def _tables(hierarchy: Hierarchy, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """States `[S, N]`, and twice `[N, S]`: 0 where the node is active (then: inactive) in a state, -inf elsewhere."""
    with torch.inference_mode(False):
        states = torch.tensor(hierarchy.states, device=device, dtype=dtype)
        never = torch.full_like(states.T, -torch.inf)
        active = never.masked_fill(states.T == 1, 0)
        inactive = never.masked_fill(states.T == 0, 0)
    return states, active, inactive
