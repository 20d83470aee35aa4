"""Weighting strategies: what every strategy keeps, then each one's own rule, then errors."""

import copy
import doctest
import importlib.util
import sys

import pytest
import torch
from torch import nn

from semdf.errors import DataError, MissingError, ParameterError
from semdf.method import bilevel, hierarchy, weighting
from semdf.method.losses import Fidelity
from semdf.method.marginals import marginals

SOLVERS = ("torchjd", "qpsolvers", "quadprog", "cvxpy")
missing = [name for name in SOLVERS if importlib.util.find_spec(name) is None]
needs_torchjd = pytest.mark.skipif(bool(missing), reason=f"optional dependencies are not installed: {missing}")
AGGREGATORS = ("upgrad", "pcgrad", "cagrad")
NAMES = [pytest.param(n, marks=needs_torchjd if n in AGGREGATORS else ()) for n in weighting.known()]


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.hierarchy = hierarchy.load("ffpp")
        self.layers = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 10))
        self.unused = nn.Parameter(torch.ones(3))
        self.frozen = nn.Parameter(torch.ones(3), requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return marginals(self.layers(x), self.hierarchy)


@pytest.fixture
def objective() -> Fidelity:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Net()
        nn.init.constant_(net.layers[3].bias, -1.5)  # away from "fake" at 0.996, where slopes are tiny
        return Fidelity(net)


def batch(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    h = hierarchy.load("ffpp")
    rows = torch.stack([torch.from_numpy(h.label(name)) for name in h.labels])
    return torch.randn(9, 6, generator=generator), rows[torch.randperm(9, generator=generator)]


def gradients(objective: nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in objective.named_parameters() if p.grad is not None}


def run(strategy, objective, steps: int = 3) -> None:
    optimiser = torch.optim.AdamW([p for p in objective.parameters() if p.requires_grad], lr=1e-2)
    for step in range(steps):
        strategy.backward(objective, batch(step), batch(step + 50), lr=1e-2, weight_decay=1e-3)
        optimiser.step()
        strategy.next_epoch()


@pytest.mark.parametrize("name", NAMES)
def test_losses_are_those_of_the_lower_batch_and_parameters_stay(name, objective):
    strategy = weighting.load(name)
    expected = bilevel.functional(objective, *batch(1))(dict(objective.named_parameters())).detach()
    before = {n: p.detach().clone() for n, p in objective.named_parameters()}
    record = strategy.backward(objective, batch(1), batch(2), lr=0.1, weight_decay=0.01)
    torch.testing.assert_close(record.losses, expected)
    assert record.losses.shape == record.weights.shape == (3,)
    assert not record.losses.requires_grad and not record.weights.requires_grad
    assert all(torch.equal(p, before[n]) for n, p in objective.named_parameters())


@pytest.mark.parametrize("name", NAMES)
def test_every_used_parameter_gets_its_gradient_anew(name, objective):
    strategy = weighting.load(name)
    for p in objective.parameters():
        p.grad = torch.full_like(p, torch.nan)
    strategy.backward(objective, batch(1), batch(2), lr=0.1)
    found = gradients(objective)
    assert {n for n in found if "layers" in n} == {n for n, _ in objective.named_parameters() if "layers" in n}
    assert all(g.isfinite().all() and g.abs().sum() > 0 for n, g in found.items() if n.endswith("3.weight"))
    assert objective.model.unused.grad is None


@pytest.mark.parametrize("name", NAMES)
def test_running_statistics_see_the_lower_batch_once(name, objective):
    other = copy.deepcopy(objective)
    other(*batch(1))
    weighting.load(name).backward(objective, batch(1), batch(2), lr=0.1)
    for (n, a), b in zip(objective.named_buffers(), other.buffers(), strict=True):
        assert torch.equal(a, b), n


@pytest.mark.parametrize("name", NAMES)
def test_resumes_to_the_same_bits(name, objective):
    first = weighting.load(name)
    run(first, objective)
    state = first.state_dict()
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    second, other = weighting.load(name), copy.deepcopy(objective)
    second.load_state_dict(state)
    for step in range(3, 6):
        before = torch.random.get_rng_state()
        a = first.backward(objective, batch(step), batch(step + 50), lr=1e-2)
        torch.random.set_rng_state(before)
        b = second.backward(other, batch(step), batch(step + 50), lr=1e-2)
        assert torch.equal(a.weights, b.weights) and torch.equal(a.losses, b.losses)
        assert all(torch.equal(g, gradients(other)[n]) for n, g in gradients(objective).items())
        first.next_epoch(), second.next_epoch()


@pytest.mark.parametrize("name", NAMES)
def test_states_of_another_size_are_refused(name):
    strategy, other = weighting.load(name, tasks=3), weighting.load(name, tasks=2)
    state = strategy.state_dict()
    if state:
        with pytest.raises(DataError, match="state of a weighting: must have the entries"):
            other.load_state_dict(state)
    with pytest.raises(DataError, match="must have the entries"):
        strategy.load_state_dict({**state, "more": torch.zeros(1)})


@pytest.mark.parametrize("name", NAMES)
def test_the_number_of_losses_is_checked(name, objective):
    with pytest.raises(ParameterError, match=r"losses: must have shape \[2\], one for each task, found \[3\]"):
        weighting.load(name, tasks=2).backward(objective, batch(1), batch(2), lr=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_two_processes_are_one_with_the_mean_of_both(name, objective):
    """`reduce` that averages with an equal twin changes nothing."""
    seen = []

    def reduce(tensors):
        seen.extend(tensors)
        for t in tensors:
            t.add_(t.clone()).div_(2)

    other = copy.deepcopy(objective)
    torch.manual_seed(3)
    a = weighting.load(name).backward(objective, batch(1), batch(2), lr=0.1)
    torch.manual_seed(3)
    b = weighting.load(name).backward(other, batch(1), batch(2), lr=0.1, reduce=reduce)
    assert seen and torch.equal(a.losses, b.losses) and torch.equal(a.weights, b.weights)
    assert all(torch.equal(g, gradients(other)[n]) for n, g in gradients(objective).items())


def test_equal_is_the_gradient_of_the_sum(objective):
    other = copy.deepcopy(objective)
    record = weighting.load("equal").backward(objective, batch(1), lr=0.1)
    other(*batch(1)).sum().backward()
    found, expected = gradients(objective), gradients(other)
    assert found.keys() == expected.keys()
    for name, g in found.items():
        torch.testing.assert_close(g, expected[name], rtol=0, atol=0)
    assert record.weights.tolist() == [1, 1, 1] and record.upper is None


def test_auto_lambda_moves_lambda_by_adam_and_then_uses_it(objective):
    objective.double()
    lower, upper = ([t.double() for t in batch(s)] for s in (1, 2))
    lr, weight_decay = 0.3, 1e-2
    strategy = weighting.load("auto_lambda")
    parameters = weighting.trainable(objective)
    expected = torch.ones(3, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([expected], lr=1e-3)
    for _ in range(3):
        # the oracle differentiates through the whole step
        losses = bilevel.functional(objective, *lower)(parameters)
        slopes = torch.autograd.grad(
            (losses * expected).sum(), list(parameters.values()), allow_unused=True, create_graph=True
        )
        moved = {
            n: p if s is None else p - lr * (s + weight_decay * p)
            for (n, p), s in zip(parameters.items(), slopes, strict=True)
        }
        root = bilevel.functional(objective, *upper)(moved)[0]
        (expected.grad,) = torch.autograd.grad(root, expected)
        adam.step()
        record = strategy.backward(objective, lower, upper, lr=lr, weight_decay=weight_decay)
        torch.testing.assert_close(record.weights.double(), expected.detach(), rtol=0, atol=1e-6)
        torch.testing.assert_close(record.upper, root.detach())
        total = (bilevel.functional(objective, *lower)(parameters) * record.weights).sum()
        slopes = torch.autograd.grad(total, list(parameters.values()), allow_unused=True)
        for name, g in zip(parameters, slopes, strict=True):
            if g is not None:
                torch.testing.assert_close(parameters[name].grad, g, msg=name)
    assert not torch.equal(record.weights, torch.ones(3))
    assert torch.equal(record.weights, strategy.weights())


def test_auto_lambda_needs_one_forward_of_each_batch(objective):
    calls = []
    objective.model.layers[0].register_forward_hook(lambda *_: calls.append(1))
    weighting.load("auto_lambda").backward(objective, batch(1), batch(2), lr=0.1)
    assert len(calls) == 2


def test_finite_difference_moves_lambda_nearly_as_the_exact_one(objective):
    objective.double()
    lower, upper = ([t.double() for t in batch(s)] for s in (1, 2))
    products, gradients_found = [], []
    for method in ("exact", "finite_difference"):
        strategy = weighting.load("auto_lambda", method=method)
        record = strategy.backward(objective, lower, upper, lr=0.3, weight_decay=1e-2)
        products.append(strategy.state_dict()["mean"])  # a tenth of the hypergradient
        gradients_found.append(gradients(objective))
        assert record.upper is not None
    torch.testing.assert_close(products[1], products[0], rtol=0.02, atol=0)
    assert not torch.equal(products[1], products[0])
    for name, g in gradients_found[0].items():
        torch.testing.assert_close(g, gradients_found[1][name], msg=name)


def test_finite_difference_leaves_the_parameters_as_they_are(objective):
    before = {name: value.clone() for name, value in objective.named_parameters()}
    weighting.load("auto_lambda", method="finite_difference").backward(objective, batch(1), batch(2), lr=0.1)
    assert all(torch.equal(value, before[name]) for name, value in objective.named_parameters())


def test_auto_lambda_every_other_step(objective):
    strategy = weighting.load("auto_lambda", every=2)
    uppers = [strategy.backward(objective, batch(s), batch(s + 50), lr=0.1).upper for s in range(4)]
    assert [u is None for u in uppers] == [False, True, False, True]
    other = weighting.load("auto_lambda", every=2)
    other.load_state_dict(strategy.state_dict())
    assert other.backward(objective, batch(1), batch(2), lr=0.1).upper is not None
    assert other.backward(objective, batch(1), batch(2), lr=0.1).upper is None


def test_auto_lambda_through_the_step_of_the_optimiser(objective):
    objective.double()
    lower, upper = ([t.double() for t in batch(s)] for s in (1, 2))
    optimiser = torch.optim.AdamW(objective.parameters(), lr=0.02)
    weighting.load("equal").backward(objective, lower, lr=0.02)
    optimiser.step()
    strategy = weighting.load("auto_lambda", optimiser=optimiser)
    strategy.backward(objective, lower, upper, lr=0.02)
    found = strategy.state_dict()["mean"] * 10  # Adam's first mean is a tenth of the gradient

    def after(weights: torch.Tensor) -> torch.Tensor:
        twin = copy.deepcopy(objective)
        own = torch.optim.AdamW(twin.parameters(), lr=0.02)
        own.load_state_dict(copy.deepcopy(optimiser.state_dict()))
        own.zero_grad()
        (twin(*lower) * weights).sum().backward()
        own.step()
        return twin(*upper)[0].detach()

    steps = 1e-5 * torch.eye(3, dtype=torch.float64)
    ones = torch.ones(3, dtype=torch.float64)
    expected = torch.stack([(after(ones + s) - after(ones - s)) / 2e-5 for s in steps])
    torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=1e-7)


def test_late_auto_lambda_is_the_exact_hypergradient_of_the_step_that_was_taken(objective):
    """With plain SGD the step before is the virtual one, and the batch after it the upper one."""
    objective.double()
    batches = [[t.double() for t in batch(s)] for s in range(4)]
    strategy, lr = weighting.load("auto_lambda_late"), 0.3
    parameters = weighting.trainable(objective)
    optimiser = torch.optim.SGD(parameters.values(), lr=lr)
    expected, kept = torch.ones(3, requires_grad=True), None
    adam = torch.optim.Adam([expected], lr=1e-3)
    for now in batches:
        if kept:
            before, theta = kept
            losses = bilevel.functional(objective, *before)(theta)
            upper = bilevel.functional(objective, *now)
            _, slope = bilevel.hypergradient(
                lambda p, upper=upper: upper(p)[0],
                theta,
                bilevel.task_gradients(losses, theta),
                expected.detach().double(),
                bilevel.sgd(lr),
            )
            expected.grad = slope.float()
            adam.step()
        theta = {n: p.detach().clone().requires_grad_() for n, p in objective.named_parameters()}
        record = strategy.backward(objective, now, lr=lr)
        torch.testing.assert_close(record.weights, expected.detach(), rtol=0, atol=1e-6)
        assert (record.upper is None) == (kept is None)
        optimiser.step()
        kept = now, theta
    assert (record.weights - 1).abs().min() > 1e-4


def test_late_auto_lambda_needs_one_forward_a_step_and_no_upper_batch(objective):
    calls = []
    objective.model.layers[0].register_forward_hook(lambda *_: calls.append(1))
    strategy = weighting.load("auto_lambda_late")
    for step in range(3):
        strategy.backward(objective, batch(step), lr=0.1)
    assert len(calls) == 3
    assert not weighting.needs_upper(strategy) and weighting.needs_upper(weighting.load("auto_lambda"))


def test_late_auto_lambda_every_third_step(objective):
    strategy = weighting.load("auto_lambda_late", every=3)
    moved, kept = [], []
    for step in range(7):
        moved.append(strategy.backward(objective, batch(step), lr=0.1).upper is not None)
        kept.append(strategy.state_dict()["last"].numel() > 0)
    assert moved == [False, True, False, False, True, False, False]
    assert kept == [True, False, False, True, False, False, True]
    other = copy.deepcopy(objective)
    weights = strategy.weights()
    strategy.backward(objective, batch(9), lr=0.1)
    total = (bilevel.functional(other, *batch(9))(dict(other.named_parameters())) * strategy.weights()).sum()
    expected = torch.autograd.grad(total, list(other.model.layers.parameters()))
    assert not torch.equal(weights, strategy.weights())
    for p, e in zip(objective.model.layers.parameters(), expected, strict=True):
        torch.testing.assert_close(p.grad, e)


def test_late_gradients_of_another_model_are_refused(objective):
    strategy = weighting.load("auto_lambda_late")
    strategy.backward(objective, batch(1), lr=0.1)
    other = weighting.load("auto_lambda_late")
    other.load_state_dict(strategy.state_dict())
    with pytest.raises(DataError, match="gradients must be those of 3 parameters, found"):
        other.backward(Conflict([[1.0, 0.0, 0.0]] * 3), (), lr=0.1)


def test_the_primary_task_by_name(objective):
    names = ("global", "local", "root")
    for name in ("auto_lambda", "auto_lambda_late", "auto_lambda_fd"):
        assert weighting.load(name, tasks=names, primary="root").primary == 2
    with pytest.raises(ParameterError, match=r"primary: must be one of the tasks \('global', .*found 'nose'"):
        weighting.load("auto_lambda", tasks=names, primary="nose")
    with pytest.raises(ParameterError, match=r"primary: must be one of the tasks \(\), found 'root'"):
        weighting.load("auto_lambda", tasks=3, primary="root")


def test_an_upper_batch_of_one_class_is_refused(objective):
    images, targets = batch(1)
    for upper, count in ((torch.zeros_like(targets), 0), (targets[:1] * 0 + targets[targets[:, 0] > 0][:1], 1)):
        with pytest.raises(DataError, match=f"upper: the batch must hold reals and fakes, found {count} fakes of"):
            weighting.load("auto_lambda").backward(objective, (images, targets), (images[: len(upper)], upper), lr=0.1)


def test_the_example_runs():
    done = doctest.testmod(weighting)
    assert done.attempted > 5 and not done.failed


def test_dwa_follows_its_formula(objective):
    strategy = weighting.load("dwa")
    means = []
    for epoch in range(3):
        expected = torch.ones(3)
        if epoch == 2:
            expected = 3 * (means[1] / means[0] / 2).softmax(0)
        torch.testing.assert_close(strategy.weights(), expected.float())
        losses = []
        for step in range(2):
            objective.model.layers[3].bias.data += 0.3  # so that the losses differ
            losses.append(strategy.backward(objective, batch(step), lr=0.1).losses)
        means.append(torch.stack(losses).double().mean(0))
        strategy.next_epoch()
    assert not torch.allclose(expected.float(), torch.ones(3), atol=1e-4)
    torch.testing.assert_close(expected.sum().item(), 3.0)


def test_dwa_bears_losses_below_zero():
    strategy = weighting.load("dwa")
    state = strategy.state_dict()
    strategy.load_state_dict({**state, "means": torch.full_like(state["means"], -1e-4)})
    torch.testing.assert_close(strategy.weights(), torch.ones(3))


def test_uncertainty_follows_its_formula(objective):
    strategy = weighting.load("uncertainty")
    s = torch.full((3,), -0.7, requires_grad=True)
    adam = torch.optim.Adam([s], lr=1e-3)
    for step in range(3):
        record = strategy.backward(objective, batch(step), lr=0.1)
        torch.testing.assert_close(record.weights, 0.5 * (-s.detach()).exp())
        s.grad = None
        (record.losses / (2 * s.exp()) + s / 2).sum().backward()
        adam.step()
    torch.testing.assert_close(strategy.weights(), 0.5 * (-s.detach()).exp())
    assert weighting.load("uncertainty").weights()[0] == pytest.approx(1.007, abs=1e-3)


def test_random_weights_are_random_positive_and_sum_to_k(objective):
    strategy = weighting.load("random", seed=1)
    drawn = torch.stack([strategy.backward(objective, batch(1), lr=0.1).weights for _ in range(200)])
    torch.testing.assert_close(drawn.sum(1), torch.full((200,), 3.0))
    assert (drawn > 0).all() and len(drawn.unique(dim=0)) == 200
    assert (drawn.mean(0) - 1).abs().max() < 0.15
    again = weighting.load("random", seed=1).backward(objective, batch(1), lr=0.1).weights
    assert torch.equal(again, drawn[0])


class Conflict(nn.Module):
    """Two losses whose gradients are the given vectors."""

    def __init__(self, vectors: list[list[float]]) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.zeros(len(vectors[0])))
        self.vectors = torch.tensor(vectors)

    def forward(self) -> torch.Tensor:
        return self.vectors @ self.theta


@needs_torchjd
@pytest.mark.parametrize("aggregator", AGGREGATORS)
def test_aggregators_resolve_conflicts_and_leave_the_rest(aggregator):
    strategy = weighting.load(aggregator, tasks=2)
    if aggregator != "cagrad":  # which leans to the worse task even without conflict
        agree = Conflict([[1.0, 0.5], [0.5, 2.0]])
        assert strategy.backward(agree, (), lr=0.1).weights.tolist() == pytest.approx([1, 1], abs=1e-3)
    conflict = Conflict([[1.0, 0.0], [-1.0, 1.0]])
    strategy.backward(conflict, (), lr=0.1)
    assert (conflict.vectors @ conflict.theta.grad >= -1e-5).all()
    if aggregator != "cagrad":  # each gradient projected on the plane of the other: (1/2, 1/2) and (0, 1)
        torch.testing.assert_close(conflict.theta.grad, torch.tensor([0.5, 1.5]), rtol=0, atol=1e-3)


def test_without_torchjd_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchjd", None)
    for name in AGGREGATORS:
        words = f"aggregator '{name}': must have torchjd and its solvers, found .*torchjd.*pip install"
        with pytest.raises(MissingError, match=words):
            weighting.load(name)


def test_known_strategies_are_the_files():
    bilevel_ones = {"auto_lambda", "auto_lambda_fd", "auto_lambda_late"}
    assert set(weighting.known()) == {"dwa", "equal", "random", "uncertainty", *bilevel_ones, *AGGREGATORS}
    assert all(weighting.load(name, tasks=4).weights().tolist() == [1, 1, 1, 1] for name in ("equal", "auto_lambda"))


def test_errors(objective):
    with pytest.raises(ParameterError, match=r"weighting: must be one of \(.*'auto_lambda'.*\), found 'gradnorm'"):
        weighting.load("gradnorm")
    with pytest.raises(ParameterError, match="tasks: must be at least 1, found 0"):
        weighting.load("equal", tasks=0)
    with pytest.raises(ParameterError, match="weighting 'equal': options must be those of the strategy"):
        weighting.load("equal", tasks=3, speed=1)
    with pytest.raises(ParameterError, match="primary: must be a task in 0 to 2, found 3"):
        weighting.load("auto_lambda", primary=3)
    with pytest.raises(ParameterError, match="every: must be at least 1 step, found 0"):
        weighting.load("auto_lambda", every=0)
    with pytest.raises(ParameterError, match="method: must be 'exact' or 'finite_difference', found 'implicit'"):
        weighting.load("auto_lambda", method="implicit")
    with pytest.raises(ParameterError, match="weighting 'auto_lambda_fd': options must be those of the strategy"):
        weighting.load("auto_lambda_fd", method="exact")
    with pytest.raises(ParameterError, match="optimiser: must be None for the finite difference.*found object"):
        weighting.load("auto_lambda", method="finite_difference", optimiser=object())
    with pytest.raises(ParameterError, match="temperature: must be positive, found 0"):
        weighting.load("dwa", temperature=0)
    with pytest.raises(ParameterError, match="upper: must be a second batch under auto_lambda, found None"):
        weighting.load("auto_lambda").backward(objective, batch(1), lr=0.1)
