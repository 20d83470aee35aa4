"""Hypergradients: closed form on quadratics, finite differences of a whole float64 step, nothing touched."""

import pytest
import torch
from torch import nn

from semdf.errors import ParameterError
from semdf.method import bilevel, hierarchy
from semdf.method.losses import Fidelity
from semdf.method.marginals import marginals

TASKS, SIZE = 3, 5


def quadratics(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """K losses (theta - c)' H (theta - c) / 2: H [K, P, P] positive definite, c [K, P]."""
    generator = torch.Generator().manual_seed(seed)
    roots = torch.randn(TASKS, SIZE, SIZE, generator=generator, dtype=torch.float64)
    return roots @ roots.mT, torch.randn(TASKS, SIZE, generator=generator, dtype=torch.float64)


def losses_of(theta: torch.Tensor, hessians: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    away = theta - centres
    return torch.einsum("kp,kpq,kq->k", away, hessians, away) / 2


class Net(nn.Module):
    """A small network with batch normalisation, ten nodes, and a parameter that no task uses."""

    def __init__(self) -> None:
        super().__init__()
        self.hierarchy = hierarchy.load("ffpp")
        self.layers = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 10))
        self.unused = nn.Parameter(torch.ones(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return marginals(self.layers(x), self.hierarchy)


def network(seed: int = 0) -> tuple[Fidelity, tuple, tuple]:
    """An objective, a lower and an upper batch, float64."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = Net().double()
        nn.init.constant_(net.layers[3].bias, -1.5)  # away from "fake" at 0.996, where slopes are tiny
        h = net.hierarchy
        rows = torch.stack([torch.from_numpy(h.label(name)).double() for name in h.labels])
        lower, upper = ((torch.randn(9, 6).double(), rows[torch.randperm(9)]) for _ in range(2))
    return Fidelity(net), lower, upper


def parameters_of(module: nn.Module) -> dict[str, torch.Tensor]:
    return dict(module.named_parameters())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_closed_form_on_quadratics(seed, weight_decay):
    (hessians, centres), (upper_h, upper_c) = quadratics(seed), quadratics(seed + 100)
    theta = torch.randn(SIZE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    weights, lr = torch.tensor([1.0, 0.3, -0.5], dtype=torch.float64), 0.01
    slopes = torch.einsum("kpq,kq->kp", hessians, theta - centres)
    moved = theta - lr * (weights @ slopes + weight_decay * theta)
    expected = -lr * slopes @ (upper_h[0] @ (moved - upper_c[0]))

    parameters = {"theta": theta.clone().requires_grad_()}
    gradients = bilevel.task_gradients(losses_of(parameters["theta"], hessians, centres), parameters)
    loss, found = bilevel.hypergradient(
        lambda p: losses_of(p["theta"], upper_h, upper_c)[0],
        parameters,
        gradients,
        weights,
        bilevel.sgd(lr, weight_decay),
    )
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(loss, losses_of(moved, upper_h, upper_c)[0])


def central_differences(objective, lower, upper, weights, lr, weight_decay, size=1e-5) -> torch.Tensor:
    """Oracle: the loss after a whole step, differentiated by changing lambda."""
    parameters = parameters_of(objective)

    def after(weights: torch.Tensor) -> torch.Tensor:
        total = (bilevel.functional(objective, *lower)(parameters) * weights).sum()
        slopes = torch.autograd.grad(total, list(parameters.values()), allow_unused=True)
        moved = {
            name: p - lr * (s + weight_decay * p) if s is not None else p
            for (name, p), s in zip(parameters.items(), slopes, strict=True)
        }
        with torch.no_grad():
            return bilevel.functional(objective, *upper)(moved)[0]

    steps = size * torch.eye(TASKS, dtype=torch.float64)
    return torch.stack([(after(weights + s) - after(weights - s)) / (2 * size) for s in steps])


@pytest.mark.parametrize("training", [True, False])
def test_equals_finite_differences_of_the_whole_step(training):
    objective, lower, upper = network()
    objective.train(training)
    weights, lr, weight_decay = torch.tensor([1.0, 0.7, 1.3], dtype=torch.float64), 0.5, 1e-2
    expected = central_differences(objective, lower, upper, weights, lr, weight_decay)
    parameters = parameters_of(objective)
    gradients = bilevel.task_gradients(objective(*lower), parameters)
    upper_losses = bilevel.functional(objective, *upper)
    _, found = bilevel.hypergradient(
        lambda p: upper_losses(p)[0], parameters, gradients, weights, bilevel.sgd(lr, weight_decay)
    )
    assert expected.abs().min() > 1e-6
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=0)


def test_nothing_is_touched():
    objective, lower, upper = network()
    parameters = parameters_of(objective)
    gradients = bilevel.task_gradients(objective(*lower), parameters)
    before = {name: value.clone() for name, value in objective.state_dict().items()}
    kept = [[None if g is None else g.clone() for g in task] for task in gradients]
    upper_losses = bilevel.functional(objective, *upper)
    bilevel.hypergradient(lambda p: upper_losses(p)[0], parameters, gradients, torch.ones(3), bilevel.sgd(0.1))
    after = objective.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    for task, copy in zip(gradients, kept, strict=True):
        assert all(g is c is None or torch.equal(g, c) for g, c in zip(task, copy, strict=True))
    assert all(p.grad is None for p in objective.parameters())


def test_batch_statistics_of_the_virtual_pass_are_those_of_its_own_batch():
    objective, _, upper = network()
    parameters = parameters_of(objective)
    with torch.no_grad():
        virtual = bilevel.functional(objective, *upper)(parameters)
        again = bilevel.functional(objective, *upper)(parameters)
        torch.testing.assert_close(virtual, again, rtol=0, atol=0)
        torch.testing.assert_close(objective(*upper), virtual, rtol=0, atol=0)


def test_gradients_of_tasks_and_their_combination():
    objective, lower, _ = network()
    parameters = parameters_of(objective)
    gradients = bilevel.task_gradients(objective(*lower), parameters)
    weights = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
    mixed = bilevel.combine(gradients, weights)
    total = (bilevel.functional(objective, *lower)(parameters) * weights).sum()
    expected = torch.autograd.grad(total, list(parameters.values()), allow_unused=True)
    for (name, _), a, b in zip(parameters.items(), mixed, expected, strict=True):
        if b is None:
            assert a is None and name == "model.unused"
        else:
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12, msg=name)


def test_linear_in_the_step_and_in_the_gradients():
    (hessians, centres), (upper_h, upper_c) = quadratics(1), quadratics(2)
    parameters = {"theta": torch.ones(SIZE, dtype=torch.float64, requires_grad=True)}
    gradients = bilevel.task_gradients(losses_of(parameters["theta"], hessians, centres), parameters)

    def slope(weights, gradients, lr):
        return bilevel.hypergradient(
            lambda p: losses_of(p["theta"], upper_h, upper_c)[0],
            parameters,
            gradients,
            weights,
            bilevel.sgd(lr),
        )[1]

    zero = torch.zeros(3, dtype=torch.float64)
    torch.testing.assert_close(slope(zero, gradients, 0.2), 2 * slope(zero, gradients, 0.1))
    turned = [gradients[k] for k in (2, 0, 1)]
    torch.testing.assert_close(slope(zero, turned, 0.1), slope(zero, gradients, 0.1)[[2, 0, 1]])
    assert (slope(zero, gradients, 0.0) == 0).all()


def test_errors():
    parameters = {"theta": torch.ones(2, requires_grad=True)}
    with pytest.raises(ParameterError, match=r"losses: must have shape \[K\], found \[\]"):
        bilevel.task_gradients(parameters["theta"].sum(), parameters)
    with pytest.raises(ParameterError, match=r"weights: must have shape \[2\], found \[3\]"):
        bilevel.combine([[torch.ones(2)], [torch.ones(2)]], torch.ones(3))


def test_finite_difference_tends_to_the_exact_product():
    objective, lower, upper = network()
    parameters = parameters_of(objective)
    gradients = bilevel.task_gradients(objective(*lower), parameters)
    lower_losses, upper_losses = (bilevel.functional(objective, *b) for b in (lower, upper))
    direction = torch.autograd.grad(upper_losses(parameters)[0], list(parameters.values()), allow_unused=True)
    exact = torch.stack([bilevel.inner(direction, task) for task in gradients])
    before = {name: value.clone() for name, value in objective.state_dict().items()}
    errors = [
        (bilevel.finite_difference(lower_losses, parameters, direction, scale) - exact).abs().max()
        for scale in (1e-1, 1e-2, 1e-3)
    ]
    # a central difference: a tenth of the step, a hundredth of the error
    assert errors[0] > 30 * errors[1] > 30 * 30 * errors[2]
    assert errors[2] < 1e-5 * exact.abs().max()
    assert all(torch.equal(value, before[name]) for name, value in objective.state_dict().items())


def test_finite_difference_is_exact_on_quadratics():
    hessians, centres = quadratics(0)
    theta, direction = torch.ones(SIZE, dtype=torch.float64), torch.arange(SIZE, dtype=torch.float64)
    found = bilevel.finite_difference(
        lambda p: losses_of(p["theta"], hessians, centres), {"theta": theta}, [direction], scale=3.0
    )
    expected = torch.einsum("kpq,kq,p->k", hessians, theta - centres, direction)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_adamw_rule_is_the_step_that_adamw_takes(steps):
    generator = torch.Generator().manual_seed(0)
    theta = nn.Parameter(torch.randn(7, generator=generator, dtype=torch.float64))
    optimiser = torch.optim.AdamW([theta], lr=0.1, weight_decay=0.2, betas=(0.8, 0.95))
    for _ in range(steps):
        theta.grad = torch.randn(7, generator=generator, dtype=torch.float64)
        optimiser.step()
    gradient = torch.randn(7, generator=generator, dtype=torch.float64)
    state = {name: value.clone() for name, value in optimiser.state.get(theta, {}).items()}
    rule = bilevel.adamw(optimiser, {"theta": theta})
    moved, slope = rule("theta", theta.detach(), gradient)
    size = 1e-6
    numeric = [rule("theta", theta.detach(), gradient + s * size)[0] for s in (1, -1)]
    torch.testing.assert_close(slope, (numeric[0] - numeric[1]) / (2 * size), rtol=1e-5, atol=1e-7)
    assert all(torch.equal(value, state[name]) for name, value in optimiser.state.get(theta, {}).items())
    theta.grad = gradient
    optimiser.step()
    torch.testing.assert_close(moved, theta.detach(), rtol=1e-12, atol=1e-12)


def test_adamw_rule_at_a_gradient_of_zero():
    theta = nn.Parameter(torch.ones(2))
    rule = bilevel.adamw(torch.optim.AdamW([theta]), {"theta": theta})
    moved, slope = rule("theta", theta.detach(), torch.zeros(2))
    assert moved.isfinite().all() and slope.isfinite().all()
