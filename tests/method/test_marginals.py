"""Marginals over legal states: an oracle that sums state by state, properties, the authors' values."""

import math

import pytest
import torch

from semdf.errors import ParameterError
from semdf.method import hierarchy, marginals

NAMES = ("ffpp", "ffsc")

# The authors' code in float64, with f_i = ((7 i mod 11) - 5) / 2.
GOLDEN = {
    "ffpp": (
        0.998484,
        0.722940,
        0.722443,
        0.937976,
        0.621415,
        0.131800,
        0.924380,
        0.524740,
        0.119003,
        0.590688,
    ),
    "ffsc": (
        *(0.999626, 0.709543, 0.294344, 0.937234, 0.690146, 0.202263),
        *(0.960461, 0.498745, 0.119433, 0.819154, 0.322996, 0.082719),
    ),
}
UNIFORM = (0.9960, 0.4422, 0.8725, 0.5378, 0.5020, 0.4382, 0.5817, 0.5817, 0.5020, 0.4382)


def ladder(count: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.tensor([[((7 * i) % 11 - 5) / 2 for i in range(count)]], dtype=dtype)


def zoo(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.cat([s * torch.randn(4, count, generator=generator, dtype=torch.float64) for s in (0.1, 1, 10)])


def by_hand(logits: list[float], states: list[list[bool]]) -> list[float]:
    """Oracle: sum over the legal states, one at a time, with correctly rounded sums."""
    weights = [math.exp(math.fsum(f for f, on in zip(logits, state, strict=True) if on)) for state in states]
    total = math.fsum(weights)
    return [
        math.fsum(w for w, state in zip(weights, states, strict=True) if state[i]) / total for i in range(len(logits))
    ]


@pytest.mark.parametrize("name", NAMES)
def test_equal_the_sum_over_states(name):
    h = hierarchy.load(name)
    logits = zoo(len(h.nodes))
    expected = torch.tensor([by_hand(row, h.states.tolist()) for row in logits.tolist()], dtype=torch.float64)
    torch.testing.assert_close(marginals.marginals(logits, h), expected, rtol=1e-11, atol=1e-300)
    torch.testing.assert_close(marginals.log_marginals(logits, h), expected.log(), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_no_node_is_likelier_than_fake(name):
    h = hierarchy.load(name)
    p = marginals.marginals(zoo(len(h.nodes)), h)
    assert (p[:, :1] >= p - 1e-12).all()


@pytest.mark.parametrize("name", NAMES)
def test_real_has_probability_one_over_z(name):
    h = hierarchy.load(name)
    logits = zoo(len(h.nodes))
    z = (logits @ torch.tensor(h.states, dtype=torch.float64).T).exp().sum(1)
    torch.testing.assert_close(1 - marginals.marginals(logits / 10, h)[:, 0], 1 / _z(logits / 10, h))
    torch.testing.assert_close(torch.sigmoid(-marginals.log_odds(logits, h)[:, 0]), 1 / z)


def _z(logits, h):
    return (logits @ torch.tensor(h.states, dtype=torch.float64).T).exp().sum(1)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [1e2, 1e4])
def test_finite_and_within_bounds_at_large_logits_in_float32(name, size):
    h = hierarchy.load(name)
    signs = torch.randn(16, len(h.nodes), generator=torch.Generator().manual_seed(1)).sign()
    edges = torch.stack([torch.ones(len(h.nodes)), -torch.ones(len(h.nodes))])
    logits = (size * torch.cat([signs, edges])).requires_grad_()
    p, log_p = marginals.marginals(logits, h), marginals.log_marginals(logits, h)
    assert p.dtype == torch.float32 and ((p >= 0) & (p <= 1)).all() and log_p.isfinite().all()
    assert (p[:, :1] >= p - 1e-6).all()
    (slope,) = torch.autograd.grad(log_p.sum() + p.sum(), logits)
    assert slope.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_gradients(name):
    h = hierarchy.load(name)
    logits = ladder(len(h.nodes)).requires_grad_()
    assert torch.autograd.gradcheck(lambda f: marginals.marginals(f, h), logits)
    assert torch.autograd.gradcheck(lambda f: marginals.log_marginals(f, h), logits)


def test_log_marginals_are_exact_where_marginals_underflow():
    h = hierarchy.load("ffpp")
    logits = torch.full((1, 10), -200.0)
    assert marginals.marginals(logits, h)[0, 0] == 0
    # of the fakes, "nothing named" is by far the likeliest
    torch.testing.assert_close(marginals.log_marginals(logits, h)[0, 0], torch.tensor(-200.0))


@pytest.mark.parametrize("name", NAMES)
def test_the_authors_values(name):
    h = hierarchy.load(name)
    p = marginals.marginals(ladder(len(h.nodes)), h)[0]
    torch.testing.assert_close(p, torch.tensor(GOLDEN[name], dtype=torch.float64), rtol=0, atol=6e-7)
    single = marginals.marginals(ladder(len(h.nodes), torch.float32), h)[0]
    torch.testing.assert_close(single.double(), p, rtol=0, atol=1e-6)


def test_the_authors_values_at_constant_logits():
    h = hierarchy.load("ffpp")
    p = marginals.marginals(torch.tensor([0.0, -3.0, -8.0], dtype=torch.float64)[:, None].expand(3, 10), h)
    torch.testing.assert_close(p[0], torch.tensor(UNIFORM, dtype=torch.float64), rtol=0, atol=6e-5)
    torch.testing.assert_close(p[1, 0].item(), 0.04895, rtol=0, atol=6e-6)
    torch.testing.assert_close(p[2, 0].item(), 0.000335, rtol=0, atol=6e-7)


def test_half_precision_is_computed_in_float32():
    h = hierarchy.load("ffpp")
    half = ladder(10, torch.bfloat16)
    p = marginals.marginals(half, h)
    assert p.dtype == torch.float32
    torch.testing.assert_close(p, marginals.marginals(half.float(), h))


def test_inference_mode_does_not_poison_training():
    h = hierarchy.load("ffsc")
    with torch.inference_mode():
        marginals.marginals(torch.zeros(1, 12, dtype=torch.float64), h)
    logits = torch.zeros(1, 12, dtype=torch.float64, requires_grad=True)
    marginals.marginals(logits, h).sum().backward()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_offsets_bring_the_marginals_to_the_rates(name):
    h = hierarchy.load(name)
    rates = torch.tensor(by_hand(zoo(len(h.nodes))[5].tolist(), h.states.tolist()), dtype=torch.float64)
    b = marginals.offsets(rates, h, shrink=0.0)
    torch.testing.assert_close(marginals.marginals(b[None], h)[0], rates, rtol=0, atol=1e-9)


def test_offsets_of_label_rows_stay_finite_and_keep_the_rate_of_fake():
    h = hierarchy.load("ffpp")
    rows = [h.label(name) for name in ("real", "real", "Deepfakes", "Face2Face", "eyes", "nose")]
    rates = torch.tensor(sum(rows) / len(rows))
    b = marginals.offsets(rates, h)
    p = marginals.marginals(b[None], h)[0]
    assert b.isfinite().all() and b.abs().max() < 20
    torch.testing.assert_close(p[0].item(), 4 / 6, rtol=0, atol=1e-6)
    assert (p - rates).abs().max() < 0.02


def test_independent_nodes():
    h = hierarchy.load("ffpp")
    torch.testing.assert_close(marginals.independent(ladder(10), h), ladder(10).sigmoid())
    rates = [0.5, 0.0, 1.0] + [0.3] * 7
    found = marginals.independent(marginals.independent_offsets(rates, h)[None], h)[0]
    torch.testing.assert_close(found, torch.tensor([0.5, 0.01, 0.99] + [0.3] * 7, dtype=torch.float64))
    with pytest.raises(ParameterError, match="must be finite"):
        marginals.independent(torch.full((1, 10), torch.nan), h)


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (torch.zeros(2, 9), r"must have shape \[B, 10\], found \[2, 9\]"),
        (torch.zeros(10), r"must have shape \[B, 10\], found \[10\]"),
        (torch.zeros(2, 10, dtype=torch.int64), "must be floating point, found torch.int64"),
        (torch.full((2, 10), torch.nan), "must be finite, found 20 NaN or infinite"),
        (torch.tensor([[torch.inf] + [0.0] * 9]), "must be finite, found 1 NaN or infinite"),
    ],
)
def test_errors(logits, message):
    with pytest.raises(ParameterError, match=message):
        marginals.marginals(logits, hierarchy.load("ffpp"))


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ([0.5] * 9, r"must have 10 entries, found shape \[9\]"),
        ([1.0] + [0.5] * 9, r"that of 'fake' must be in \(0, 1\), found 1.0"),
        ([0.2] + [0.9] * 9, "must be reached by mixing legal states of 'ffpp'"),
    ],
)
def test_errors_of_rates(rates, message):
    with pytest.raises(ParameterError, match=message):
        marginals.offsets(rates, hierarchy.load("ffpp"))
