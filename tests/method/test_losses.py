"""Losses: fidelity against plain Python, properties, the authors' values; masks; cross-entropy."""

import math

import pytest
import torch
from torch import nn

from semdf.errors import DataError, ParameterError
from semdf.method import hierarchy, losses, marginals

FFPP, FFSC = hierarchy.load("ffpp"), hierarchy.load("ffsc")

# The authors' code in float64, with f_i = ((7 i mod 11) - 5) / 2: root, global, local.
GOLDEN = [
    ("ffpp", "0000000000", (0.960959, 0.565817, 0.318261)),
    # "identity" of the source; its physical bit is set, so this is the row of Deepfakes
    ("ffpp", "1011111111", (0.000659, 0.218292, 0.341448)),
    ("ffpp", "1101001100", (0.000659, 0.218038, 0.198018)),
    ("ffpp", "1001100000", (0.000659, 0.326002, 0.289426)),
    ("ffpp", "1001001100", (0.000659, 0.326002, 0.198018)),
    ("ffpp", "1001000010", (0.000659, 0.326002, 0.417202)),
    ("ffsc", "110000100001", (0.000087, 0.323357, 0.306220)),
    ("ffsc", "101000001100", (0.000087, 0.443537, 0.343558)),
    ("ffsc", "100110111101", (0.000087, 0.185701, 0.325346)),
    ("ffsc", "100010111111", (0.000087, 0.329216, 0.367759)),
    ("ffsc", "100001111111", (0.000087, 0.472722, 0.367759)),
    ("ffsc", "000000000000", (0.980569, 0.384037, 0.324728)),
]


def by_hand(p: list[list[float]], g: list[list[float]], levels: dict, epsilon: float = 1e-8) -> list[float]:
    def one(x: float, y: float) -> float:
        return 1 - math.sqrt(x * y + epsilon) - math.sqrt((1 - x) * (1 - y) + epsilon)

    return [
        math.fsum(math.fsum(one(x[i], y[i]) for i in n) / len(n) for x, y in zip(p, g, strict=True)) / len(p)
        for n in levels.values()
    ]


def batch(h: hierarchy.Hierarchy) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    p = torch.rand(len(h.labels), len(h.nodes), generator=generator, dtype=torch.float64)
    return p, torch.stack([torch.from_numpy(h.label(name)).double() for name in h.labels])


@pytest.mark.parametrize("h", [FFPP, FFSC], ids=lambda h: h.name)
def test_equals_the_formula(h):
    p, g = batch(h)
    expected = torch.tensor(by_hand(p.tolist(), g.tolist(), h.levels), dtype=torch.float64)
    torch.testing.assert_close(losses.fidelity(p, g, h), expected, rtol=1e-13, atol=1e-13)


def test_least_at_the_target_and_most_at_its_opposite():
    _, g = batch(FFPP)
    best, worst = losses.fidelity(g, g, FFPP), losses.fidelity(1 - g, g, FFPP)
    torch.testing.assert_close(best, torch.full((3,), -1e-4, dtype=torch.float64))
    torch.testing.assert_close(worst, torch.full((3,), 1 - 2e-4, dtype=torch.float64))
    for step in (0.1, 0.5, 0.9):
        between = losses.fidelity(g + step * (1 - 2 * g), g, FFPP)
        assert (best < between).all() and (between < worst).all()


def test_mean_over_the_batch():
    p, g = batch(FFSC)
    each = torch.stack([losses.fidelity(p[i : i + 1], g[i : i + 1], FFSC) for i in range(len(p))])
    torch.testing.assert_close(losses.fidelity(p, g, FFSC), each.mean(0))
    order = torch.randperm(len(p), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(losses.fidelity(p[order], g[order], FFSC), losses.fidelity(p, g, FFSC))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_slope_is_finite_at_the_ends(dtype):
    p = torch.tensor([[0.0] * 10, [1.0] * 10, [0.0] * 10, [1.0] * 10], dtype=dtype, requires_grad=True)
    g = torch.tensor([[0.0] * 10, [0.0] * 10, [1.0] * 10, [1.0] * 10], dtype=dtype)
    (slope,) = torch.autograd.grad(losses.fidelity(p, g, FFPP).sum(), p)
    assert slope.isfinite().all()
    assert (slope.abs() <= 5000 / 4 * 1.001).all()  # a batch of 4; the root's level has one node
    assert slope[1, 0] > 0 > slope[2, 0]


@pytest.mark.parametrize("h", [FFPP, FFSC], ids=lambda h: h.name)
def test_gradient_from_logits(h):
    logits = torch.randn(2, len(h.nodes), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    _, g = batch(h)

    def loss(f):
        return losses.fidelity(marginals.marginals(f, h), g[:2], h)

    assert torch.autograd.gradcheck(loss, logits.requires_grad_())


@pytest.mark.parametrize(("name", "row", "expected"), GOLDEN)
def test_the_authors_values(name, row, expected):
    h = hierarchy.load(name)
    f = torch.tensor([[((7 * i) % 11 - 5) / 2 for i in range(len(row))]], dtype=torch.float64)
    found = losses.fidelity(marginals.marginals(f, h), torch.tensor([[float(x) for x in row]]).double(), h)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=6e-7)


def test_label_table_gives_the_authors_values():
    rows = {row for name, row, _ in GOLDEN if name == "ffpp"}
    table = {"".join(str(int(x)) for x in FFPP.label(name)) for name in FFPP.labels}
    assert rows <= table


def test_all_observed_is_no_mask():
    p, g = batch(FFSC)
    torch.testing.assert_close(
        losses.fidelity(p, g, FFSC, torch.ones_like(p, dtype=torch.bool)), losses.fidelity(p, g, FFSC)
    )


def test_unobserved_targets_have_no_influence():
    p, g = batch(FFSC)
    observed = torch.stack([torch.from_numpy(FFSC.observed(name)) for name in FFSC.labels])
    assert (~observed).sum() >= 2
    p.requires_grad_()
    loss = losses.fidelity(p, g, FFSC, observed)
    torch.testing.assert_close(loss, losses.fidelity(p, torch.where(observed, g, 1 - g), FFSC, observed))
    (slope,) = torch.autograd.grad(loss.sum(), p)
    assert (slope[~observed] == 0).all() and (slope[observed] != 0).all()
    # gender: the mean over the four global nodes that are observed
    row, nodes = FFSC.labels.index("gender"), [2, 3, 4, 5]
    level = {"only": nodes}
    alone = losses.fidelity(p[row : row + 1], g[row : row + 1], FFSC, observed[row : row + 1])
    expected = by_hand(p[row : row + 1].tolist(), g[row : row + 1].tolist(), level)
    torch.testing.assert_close(alone[1].item(), expected[0])


def test_an_unobserved_level_counts_no_images():
    p, g = batch(FFPP)
    observed = torch.ones_like(p, dtype=torch.bool)
    observed[2:, 1:4] = False
    masked = losses.fidelity(p, g, FFPP, observed)
    torch.testing.assert_close(masked[1], losses.fidelity(p[:2], g[:2], FFPP)[1])
    observed[:, 1:4] = False
    assert losses.fidelity(p, g, FFPP, observed)[1] == 0


def test_binary_cross_entropy():
    logits, targets = torch.tensor([-200.0, 0.0, 2.0, 200.0]), torch.tensor([0.0, 1.0, 0.0, 0.0])
    expected = (0 + math.log(2) + math.log(1 + math.exp(2)) + 200) / 4
    torch.testing.assert_close(losses.binary_cross_entropy(logits, targets).item(), expected)


def test_objectives_join_a_model_and_its_loss():
    h = FFPP
    model = nn.Linear(5, 10)
    model.hierarchy = h
    x, g = torch.randn(4, 5), torch.zeros(4, 10)
    joint = losses.Fidelity(nn.Sequential(model, nn.Sigmoid()), h)
    torch.testing.assert_close(joint(x, g), losses.fidelity(model(x).sigmoid(), g, h))
    binary = nn.Linear(5, 1)
    binary.logits = binary.forward
    found = losses.CrossEntropy(binary)(x, g, None)
    assert found.shape == (1,)
    torch.testing.assert_close(found[0], losses.binary_cross_entropy(binary(x)[:, 0], g[:, 0]))


def test_labels_that_are_no_legal_state_are_refused():
    model = nn.Sequential(nn.Linear(5, 10), nn.Sigmoid())
    targets = torch.stack([torch.zeros(10), torch.tensor([0.0, 1, 0, 0, 0, 0, 0, 0, 0, 0])])
    with pytest.raises(DataError, match=r"must be a legal state of 'ffpp', found \[0.0, 1.0, 0.0"):
        losses.Fidelity(model, FFPP)(torch.randn(2, 5), targets)


@pytest.mark.parametrize("levels", [("root",), ("root", "local"), ("local", "root")])
def test_losses_of_some_levels(levels):
    model = nn.Sequential(nn.Linear(5, 10), nn.Sigmoid())
    x, g = torch.randn(3, 5), torch.zeros(3, 10)
    found, everything = (losses.Fidelity(model, FFPP, levels)(x, g), losses.Fidelity(model, FFPP)(x, g))
    torch.testing.assert_close(found, everything[[list(FFPP.levels).index(level) for level in levels]])


@pytest.mark.parametrize("levels", [(), ("root", "root"), ("nose",)])
def test_levels_must_be_those_of_the_hierarchy(levels):
    with pytest.raises(
        ParameterError, match=r"levels: must be some of \('root', 'global', 'local'\), each once, found"
    ):
        losses.Fidelity(nn.Identity(), FFPP, levels)


def test_batches_of_wrong_shape_are_refused():
    objective = losses.Fidelity(nn.Sequential(nn.Linear(5, 10), nn.Sigmoid()), FFPP)
    x = torch.randn(3, 5)
    for targets in (torch.zeros(2, 10), torch.zeros(3, 12), torch.zeros(10)):
        with pytest.raises(ParameterError, match=r"targets: must have shape \[3, 10\], one row an image, found"):
            objective(x, targets)
    with pytest.raises(ParameterError, match=r"observed: must have the shape of targets, found \[3\]"):
        objective(x, torch.zeros(3, 10), torch.ones(3, dtype=torch.bool))
    with pytest.raises(DataError, match="must be a legal state of 'ffpp', found .*nan"):
        objective(x, torch.full((3, 10), torch.nan))


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_logits_that_are_not_finite_are_refused(value):
    with pytest.raises(ParameterError, match="logits: must be finite, found 1 NaN or infinite"):
        losses.binary_cross_entropy(torch.tensor([0.0, value]), torch.zeros(2))


@pytest.mark.parametrize("targets", [torch.zeros(2, 9), torch.zeros(10)])
def test_errors(targets):
    with pytest.raises(ParameterError, match=r"targets: must have the shape of marginals \[2, 10\], found"):
        losses.fidelity(torch.zeros(2, 10), targets, FFPP)
    with pytest.raises(ParameterError, match=r"logits: must have the shape \[B\] of targets \[3\], found \[2\]"):
        losses.binary_cross_entropy(torch.zeros(2), torch.zeros(3))
