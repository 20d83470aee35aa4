"""Any torch module: gradients as `loss.backward()` gives them, slopes as the whole step gives them, or an error."""

import copy
import importlib.util
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from semdf.errors import DataError, ParameterError
from semdf.method import bilevel, weighting

SOLVERS = ("torchjd", "qpsolvers", "quadprog", "cvxpy")
missing = [name for name in SOLVERS if importlib.util.find_spec(name) is None]
needs_torchjd = pytest.mark.skipif(bool(missing), reason=f"optional dependencies are not installed: {missing}")
AGGREGATORS = ("upgrad", "pcgrad", "cagrad")
NAMES = [pytest.param(n, marks=needs_torchjd if n in AGGREGATORS else ()) for n in weighting.known()]
WIDTH = 4
#: The learning rate of the virtual step: large, so that theta' is far from theta.
LR = 0.3


class Losses(nn.Module):
    """Two losses of a body's features `[B, 4]`, the second without the last features."""

    def __init__(self, body: nn.Module, form: Callable = torch.stack) -> None:
        super().__init__()
        self.body = body
        self.form = form

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.body(x)
        return self.form([(y - 1).square().mean(), (y[:, :2] + x[:, :2]).sin().mean()])


class Checkpointed(nn.Module):
    """Layers whose activations are computed anew in the backward pass."""

    def __init__(self, reentrant: bool, normed: bool = False) -> None:
        super().__init__()
        norm = nn.BatchNorm1d(6) if normed else nn.Identity()
        self.layers = nn.Sequential(nn.Linear(WIDTH, 6), norm, nn.Tanh(), nn.Linear(6, WIDTH))
        self.reentrant = reentrant

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.reentrant:
            x = x.detach().requires_grad_()
        return checkpoint(self.layers, x, use_reentrant=self.reentrant)


class AfterCheckpoint(nn.Module):
    """A checkpoint between ordinary layers; the last shares the weight of the checkpointed one."""

    def __init__(self, reentrant: bool) -> None:
        super().__init__()
        self.first = nn.Linear(WIDTH, WIDTH)
        self.second = nn.Linear(WIDTH, WIDTH)
        self.third = nn.Linear(WIDTH, WIDTH)
        self.third.weight = self.second.weight
        self.reentrant = reentrant

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.third(checkpoint(self.second, self.first(x).tanh(), use_reentrant=self.reentrant).tanh())


class Embedded(nn.Module):
    """An embedding with sparse gradients; tied, its weight is also an output layer, whose gradient is dense."""

    def __init__(self, tied: bool) -> None:
        super().__init__()
        self.table = nn.Embedding(5, WIDTH, sparse=True)
        self.tied = tied

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = self.table((x[:, 0] > 0).long() + 2 * (x[:, 1] > 0).long())
        return (found @ self.table.weight.T)[:, :WIDTH] if self.tied else found


class Tied(nn.Module):
    """One weight under two names, and a table of it."""

    def __init__(self) -> None:
        super().__init__()
        self.there = nn.Linear(WIDTH, WIDTH)
        self.back = nn.Linear(WIDTH, WIDTH)
        self.back.weight = self.there.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.back(self.there(x).tanh())


class Partly(nn.Module):
    """Unused, frozen and detached parameters, a scalar one, and two that have one and the same gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(WIDTH, WIDTH)
        self.unused = nn.Parameter(torch.ones(3))
        self.frozen = nn.Parameter(torch.ones(WIDTH), requires_grad=False)
        self.detached = nn.Parameter(torch.ones(WIDTH))
        self.scale = nn.Parameter(torch.tensor(1.5))
        self.left = nn.Parameter(torch.zeros(WIDTH))
        self.right = nn.Parameter(torch.zeros(WIDTH))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * self.layer(x) * self.frozen * self.detached.detach() + (self.left + self.right)


class Complex(nn.Module):
    """A complex parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(WIDTH, WIDTH, dtype=torch.complex128))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x.to(self.weight) @ self.weight).abs()


class Recurrent(nn.Module):
    """A layer that keeps its parameters in a list, too."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTM(1, WIDTH, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.cell(x[:, :, None])[0][:, -1]


class Hidden(torch.autograd.Function):
    """A function of x and of a layer that is not among its tensors."""

    @staticmethod
    def forward(ctx, x, layer):
        ctx.save_for_backward(x)
        ctx.layer = layer
        return layer(x)

    @staticmethod
    def backward(ctx, grad):
        with torch.enable_grad():
            x = ctx.saved_tensors[0].detach().requires_grad_()
            y = ctx.layer(x)
        torch.autograd.backward(y, grad)
        return x.grad, None


class Reversible(nn.Module):
    """A layer whose own function takes its gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return Hidden.apply(x.detach().requires_grad_(), self.layer)


def sequence(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(WIDTH, 6), *layers, nn.Linear(6, WIDTH))


#: Name -> a module [B, 4] -> [B, 4]. Every strategy serves all of them.
ZOO: dict[str, Callable[[], nn.Module]] = {
    "plain": lambda: sequence(nn.Tanh()),
    "in place": lambda: sequence(nn.ELU(inplace=True)),
    "batch norm": lambda: sequence(nn.BatchNorm1d(6), nn.Tanh()),
    "weight norm": lambda: nn.utils.parametrizations.weight_norm(nn.Linear(WIDTH, WIDTH)),
    "attention": lambda: nn.TransformerEncoderLayer(WIDTH, 2, 8, dropout=0.0),
    "recurrent": Recurrent,
    "data parallel": lambda: nn.DataParallel(sequence(nn.Tanh())),
    "checkpointed": lambda: Checkpointed(reentrant=False),
    "checkpointed batch norm": lambda: Checkpointed(reentrant=False, normed=True),
    "reentrant": lambda: Checkpointed(reentrant=True),
    "reentrant batch norm": lambda: Checkpointed(reentrant=True, normed=True),
    "between": lambda: AfterCheckpoint(reentrant=False),
    "between reentrant": lambda: AfterCheckpoint(reentrant=True),
    "reversible": Reversible,
    "sparse": lambda: Embedded(tied=False),
    "sparse and dense": lambda: Embedded(tied=True),
    "tied": Tied,
    "partly": Partly,
    "complex": Complex,
    "one number": lambda: nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.PReLU(), nn.LayerNorm(WIDTH)),
}


def objective_of(name: str) -> Losses:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = Losses(ZOO[name]())
    for tensor in [*made.parameters(), *made.buffers()]:
        if tensor.is_floating_point():
            tensor.data = tensor.data.double()
    return made


def batch(seed: int) -> tuple[torch.Tensor]:
    return (torch.randn(7, WIDTH, generator=torch.Generator().manual_seed(seed), dtype=torch.float64),)


def by_backward(objective: nn.Module, inputs: tuple, weights: torch.Tensor) -> dict[str, torch.Tensor | None]:
    """What `loss.backward()` of the weighted sum leaves in a copy."""
    twin = copy.deepcopy(objective)
    twin.zero_grad()
    losses = twin(*inputs)
    (losses * weights.to(losses)).sum().backward()
    return {name: p.grad for name, p in twin.named_parameters()}


def by_brute_force(objective: nn.Module, lower: tuple, upper: tuple, weight_decay: float) -> torch.Tensor:
    """d upper / d lambda: the whole step is taken on a copy, with lambda a little more and a little less."""
    size = 1e-5

    def after(weights: torch.Tensor) -> torch.Tensor:
        slopes = by_backward(objective, lower, weights)
        twin = copy.deepcopy(objective)
        with torch.no_grad():
            for name, p in twin.named_parameters():
                slope = slopes[name]
                if slope is not None:
                    p -= LR * (slope.to_dense() + weight_decay * p)
        return twin(*upper)[0].detach()

    ones = torch.ones(2, dtype=torch.float64)
    steps = size * torch.eye(2, dtype=torch.float64)
    return torch.stack([(after(ones + s) - after(ones - s)) / (2 * size) for s in steps])


def state_of(objective: nn.Module, strategy: weighting.Weighting) -> dict[str, torch.Tensor | None]:
    """Everything that a refused step must leave as it is."""
    state = {f"value of {name}": value.clone() for name, value in objective.state_dict().items()}
    state.update({f"grad of {name}": p.grad for name, p in objective.named_parameters()})
    state.update({f"state {name}": value for name, value in strategy.state_dict().items()})
    return state


def same(before: dict, after: dict) -> bool:
    for name, value in before.items():
        if value is None or after[name] is None:
            if value is not after[name]:
                return False
        elif not torch.allclose(value, after[name], rtol=0, atol=0, equal_nan=True):
            return False
    return before.keys() == after.keys()


@pytest.mark.parametrize("kind", ZOO)
@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_backward(name, kind):
    """Two steps, so that what a strategy keeps from the first is used."""
    objective = objective_of(kind)
    strategy = weighting.load(name, tasks=2)
    optimiser = torch.optim.SGD([p for p in objective.parameters() if p.requires_grad], lr=0.01)
    for step in range(2):
        twin = copy.deepcopy(objective)
        record = strategy.backward(objective, batch(step), batch(step + 50), lr=LR)
        expected = by_backward(twin, batch(step), record.weights)
        for key, p in objective.named_parameters():
            want = expected[key]
            if want is None:
                assert p.grad is None, key
                continue
            assert p.grad is not None, key
            assert p.grad.is_sparse == want.is_sparse
            torch.testing.assert_close(p.grad.to_dense(), want.to_dense(), rtol=1e-5, atol=1e-7, msg=key)
        nn.utils.clip_grad_norm_([p for p in objective.parameters() if p.grad is not None], 1e6)
        optimiser.step()


@pytest.mark.parametrize("kind", ZOO)
def test_slopes_are_those_of_the_whole_step(kind):
    objective = objective_of(kind)
    expected = by_brute_force(objective, batch(1), batch(2), 0.01)
    assert expected.abs().min() > 1e-5
    for name, tolerance in (("auto_lambda", 1e-4), ("auto_lambda_fd", 0.02)):
        strategy = weighting.load(name, tasks=2)
        strategy.backward(copy.deepcopy(objective), batch(1), batch(2), lr=LR, weight_decay=0.01)
        found = strategy.state_dict()["mean"].double() * 10  # Adam's first mean is a tenth of the gradient
        torch.testing.assert_close(found, expected, rtol=tolerance, atol=1e-6, msg=lambda m, name=name: f"{name}: {m}")


@pytest.mark.parametrize("kind", [kind for kind in ZOO if kind not in ("sparse", "complex")])
def test_the_step_of_adamw_is_seen_by_every_module(kind):
    objective = objective_of(kind)

    def after(weights: torch.Tensor) -> torch.Tensor:
        twin = copy.deepcopy(objective)
        slopes = by_backward(twin, batch(1), weights)
        for name, p in twin.named_parameters():
            p.grad = slopes[name]
        torch.optim.AdamW(twin.parameters(), lr=0.02).step()
        return twin(*batch(2))[0].detach()

    size = 1e-6
    ones = torch.ones(2, dtype=torch.float64)
    steps = size * torch.eye(2, dtype=torch.float64)
    expected = torch.stack([(after(ones + s) - after(ones - s)) / (2 * size) for s in steps])
    strategy = weighting.load("auto_lambda", tasks=2, optimiser=torch.optim.AdamW(objective.parameters(), lr=0.02))
    strategy.backward(objective, batch(1), batch(2), lr=0.02)
    torch.testing.assert_close(strategy.state_dict()["mean"].double() * 10, expected, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_lists_tuples_and_dicts_of_losses_are_what_a_tensor_is(name, every):
    options = {"every": every} if "lambda" in name else {}
    tasks = ("whole", "part")
    found = []
    for form in (torch.stack, list, tuple, lambda losses: {"part": losses[1], "whole": losses[0]}):
        objective = objective_of("plain")
        objective.form = form
        strategy = weighting.load(name, tasks=tasks, **options)
        torch.manual_seed(0)
        records = [strategy.backward(objective, batch(step), batch(step + 50), lr=LR) for step in range(3)]
        grads = [p.grad for p in objective.parameters()]
        found.append([*records[-1][:2], *grads, strategy.weights()])
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (
            lambda a: {"whole": a[0], "nose": a[1]},
            r"losses: must be those of the tasks \('whole', 'part'\), found .*nose",
        ),
        (lambda a: a[:1], "losses: must be 2, one for each task, found 1"),
        (lambda a: [a[0], 0.5], "losses: must be tensors, found float for task 'part'"),
        (
            lambda a: [a[0], a[1][None]],
            r"losses: must be scalar .*, found torch.float64 of shape \[1\] for task 'part'",
        ),
        (lambda a: [a[0], a[1].to(torch.complex128)], "must be scalar real .*, found torch.complex128 of shape"),
        (
            lambda a: torch.stack(a).to(torch.complex64),
            "losses: must be real floating point numbers, found torch.compl",
        ),
        (lambda a: torch.stack(a).round().long(), "losses: must be real floating point numbers, found torch.int64"),
        (lambda a: a[0] + a[1], r"losses: must have shape \[2\], one for each task, found \[\]"),
        (lambda a: torch.stack(a)[:, None], r"losses: must have shape \[2\], one for each task, found \[2, 1\]"),
        (lambda a: iter(a), "losses: must be a tensor, a list, a tuple or a dict, found list_iterator"),
        (lambda a: None, "losses: must be a tensor, a list, a tuple or a dict, found NoneType"),
        (lambda a: torch.stack(a).detach(), "losses: must depend on a trainable parameter, found none that does"),
        (lambda a: torch.ones(2, requires_grad=True) * 1, "losses: must depend on a trainable parameter, found none"),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_losses_of_another_form_are_refused(name, form, message):
    objective = objective_of("batch norm")
    objective.form = form
    strategy = weighting.load(name, tasks=("whole", "part"))
    before = state_of(objective, strategy)
    with pytest.raises(ParameterError, match=message):
        strategy.backward(objective, batch(1), batch(2), lr=LR)
    assert same(before, state_of(objective, strategy))


def test_a_dict_needs_named_tasks():
    objective = objective_of("plain")
    objective.form = lambda losses: {"whole": losses[0], "part": losses[1]}
    with pytest.raises(
        ParameterError, match=r"must be a tensor or a list if .* found a dict of \('whole', 'part'\): name"
    ):
        weighting.load("equal", tasks=2).backward(objective, batch(1), lr=LR)
    with pytest.raises(ParameterError, match=r"tasks: must have different names, found \('a', 'a'\)"):
        weighting.load("equal", tasks=("a", "a"))


def _nan_loss(losses: list) -> torch.Tensor:
    return torch.stack([losses[0], losses[1] * torch.nan])


def _infinite_loss(losses: list) -> list:
    return [losses[0], losses[1] + torch.inf]


def _infinite_slope(losses: list) -> list:
    return [losses[0], (losses[1] - losses[1].detach()).sqrt()]


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (_nan_loss, "losses: must be finite, found nan for task {1}"),
        (_infinite_loss, "losses: must be finite, found inf for task {1}"),
        (
            _infinite_slope,
            "gradients: must be finite, found .* for (task {1}|several tasks together) in 'body.0.weight'",
        ),
    ],
)
@pytest.mark.parametrize("tasks", [2, ("whole", "part")])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_finite_is_refused_by_the_name_of_its_task_and_changes_nothing(name, tasks, form, message):
    objective = objective_of("batch norm")
    strategy = weighting.load(name, tasks=tasks)
    strategy.backward(objective, batch(1), batch(2), lr=LR)
    good = objective.form
    for lower in (batch(3), (batch(3)[0] * torch.nan,)):
        twin, other = copy.deepcopy(objective), copy.deepcopy(strategy)
        before = state_of(objective, strategy)
        objective.form = form
        task = "[01]" if tasks == 2 else "'(whole|part)'"
        known = message.replace("{1}", task if lower[0].isnan().any() else ("1" if tasks == 2 else "'part'"))
        expected = r"losses: must be finite, found nan" if lower[0].isnan().any() else known
        with pytest.raises(DataError, match=expected):
            strategy.backward(objective, lower, batch(4), lr=LR)
        assert same(before, state_of(objective, strategy))
        objective.form = good
        for p, q in zip(objective.parameters(), twin.parameters(), strict=True):
            q.grad = p.grad
        random = torch.random.get_rng_state()
        here = strategy.backward(copy.deepcopy(objective), batch(5), batch(6), lr=LR)
        torch.random.set_rng_state(random)
        there = other.backward(twin, batch(5), batch(6), lr=LR)
        assert torch.equal(here.weights, there.weights) and torch.equal(here.losses, there.losses)


@pytest.mark.parametrize("name", ["auto_lambda", "auto_lambda_fd"])
def test_an_upper_loss_that_is_not_finite_changes_nothing(name):
    objective = objective_of("batch norm")
    strategy = weighting.load(name, tasks=("whole", "part"), primary="part")
    before = state_of(objective, strategy)
    with pytest.raises(DataError, match="upper: the loss must be finite, found nan for task 'part'"):
        strategy.backward(objective, batch(1), (batch(2)[0] * torch.nan,), lr=LR)
    assert same(before, state_of(objective, strategy))


@pytest.mark.parametrize("place", ["top", "inside"])
@pytest.mark.parametrize("name", NAMES)
def test_modules_that_average_gradients_themselves_are_refused(name, place, tmp_path):
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/group", rank=0, world_size=1)
    try:
        objective: nn.Module = objective_of("plain")
        wrap = nn.parallel.DistributedDataParallel
        if place == "top":
            objective = wrap(objective)
        else:
            objective.body = wrap(objective.body)
        where = "its top" if place == "top" else "body"
        message = f"objective: must not average gradients itself, found DistributedDataParallel at {where}: .*reduce="
        with pytest.raises(ParameterError, match=message):
            weighting.load(name, tasks=2).backward(objective, batch(1), batch(2), lr=LR)
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.parametrize("name", NAMES)
def test_objectives_that_cannot_be_served_are_refused(name):
    strategy = weighting.load(name, tasks=2)
    with pytest.raises(ParameterError, match="objective: must be a torch module, found function"):
        strategy.backward(by_backward, batch(1), batch(2), lr=LR)
    frozen = objective_of("plain").requires_grad_(False)
    with pytest.raises(ParameterError, match="objective: must have a parameter that requires gradients, found none"):
        strategy.backward(frozen, batch(1), batch(2), lr=LR)
    hooked = objective_of("plain")
    hooked.body[0].weight.register_post_accumulate_grad_hook(lambda _: None)
    with pytest.raises(ParameterError, match="must have no hooks after accumulation, found one at 'body.0.weight'"):
        strategy.backward(hooked, batch(1), batch(2), lr=LR)
    with torch.no_grad(), pytest.raises(ParameterError, match=r"losses: must depend on .* or gradients disabled"):
        strategy.backward(objective_of("plain"), batch(1), batch(2), lr=LR)


class Listed(nn.Module):
    """A parameter that is read from a list."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(WIDTH, dtype=torch.float64))
        self.kept = [self.weight]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.kept[0]


@pytest.mark.parametrize("name", NAMES)
def test_parameters_that_cannot_be_exchanged_are_refused_where_they_are(name):
    strategy = weighting.load(name, tasks=2)
    objective = Losses(Listed())
    if name in ("auto_lambda", "auto_lambda_fd"):
        before = state_of(objective, strategy)
        with pytest.raises(ParameterError, match=r"by their names alone, found 'body.weight' reached in another way"):
            strategy.backward(objective, batch(1), batch(2), lr=LR)
        assert same(before, state_of(objective, strategy))
        return
    record = strategy.backward(objective, batch(1), batch(2), lr=LR)
    torch.testing.assert_close(
        objective.body.weight.grad,
        by_backward(objective, batch(1), record.weights)["body.weight"],
        rtol=1e-5,
        atol=1e-8,
    )


@pytest.mark.filterwarnings("ignore:.*torch.jit.*is deprecated")
@pytest.mark.parametrize("name", NAMES)
def test_traced_modules(name):
    strategy = weighting.load(name, tasks=2)
    objective = objective_of("plain")
    plain = copy.deepcopy(objective)
    objective.body = torch.jit.trace(objective.body, batch(1))
    if name in ("auto_lambda", "auto_lambda_fd"):
        with pytest.raises(
            ParameterError, match="objective: must not be scripted or traced where .*, found body: pass"
        ):
            strategy.backward(objective, batch(1), batch(2), lr=LR)
        return
    record = strategy.backward(objective, batch(1), batch(2), lr=LR)
    for key, want in by_backward(plain, batch(1), record.weights).items():
        found = dict(objective.named_parameters())[key].grad
        torch.testing.assert_close(found, want, rtol=1e-5, atol=1e-8, msg=key)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_frozen_half_way_get_no_gradient_any_more(name):
    objective = objective_of("plain")
    strategy = weighting.load(name, tasks=2)
    for step in range(4):
        objective.body[0].requires_grad_(step < 2)
        record = strategy.backward(objective, batch(step), batch(step + 50), lr=LR)
        for key, want in by_backward(objective, batch(step), record.weights).items():
            found = dict(objective.named_parameters())[key].grad
            assert (found is None) == (want is None) == (key.startswith("body.0") and step >= 2)
            if want is not None:
                torch.testing.assert_close(found, want, rtol=1e-5, atol=1e-8, msg=key)
    assert record.weights.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_equal_gradients_are_not_one_tensor(name):
    """Clipping in place would else take the same numbers twice."""
    objective = objective_of("partly")
    weighting.load(name, tasks=2).backward(objective, batch(1), batch(2), lr=LR)
    left, right = objective.body.left.grad, objective.body.right.grad
    assert torch.equal(left, right) and left.data_ptr() != right.data_ptr()


def test_gradients_of_leaves_and_of_hooks():
    """A hook of a parameter, such as a mask, counts once: in the gradients, not in the slope at theta'."""
    objective = objective_of("plain")
    objective.body[0].weight.register_hook(lambda grad: grad * 0.1)
    strategy = weighting.load("auto_lambda", tasks=2)
    strategy.backward(objective, batch(1), batch(2), lr=LR)
    leaves = list(objective.parameters())
    twin = copy.deepcopy(objective)
    ones = torch.ones(2, dtype=torch.float64)
    size = 1e-5

    def after(weights: torch.Tensor) -> torch.Tensor:
        total = (twin(*batch(1)) * weights).sum()
        slopes = torch.autograd.grad(total, list(twin.parameters()))
        moved = [
            p - LR * (g * 0.1 if k == 0 else g) for k, (p, g) in enumerate(zip(twin.parameters(), slopes, strict=True))
        ]
        names = [name for name, _ in twin.named_parameters()]
        return bilevel.functional(twin, *batch(2))(dict(zip(names, moved, strict=True)))[0].detach()

    assert twin.body[0].weight._backward_hooks is None or len(leaves) == 4
    expected = torch.stack([(after(ones + s) - after(ones - s)) / (2 * size) for s in size * torch.eye(2)])
    torch.testing.assert_close(strategy.state_dict()["mean"].double() * 10, expected, rtol=1e-4, atol=1e-7)


def test_dropout_has_equal_masks_at_both_ends_of_the_finite_difference():
    objective = objective_of("plain")
    objective.body = nn.Sequential(objective.body, nn.Dropout(0.5)).double()
    parameters = dict(objective.named_parameters())
    torch.manual_seed(3)
    losses = objective(*batch(1))
    gradients = bilevel.task_gradients(losses, parameters)
    torch.manual_seed(3)
    found = bilevel.finite_difference(bilevel.functional(objective, *batch(1)), parameters, gradients[0], scale=1e-4)
    expected = torch.stack([bilevel.inner(gradients[0], task) for task in gradients])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-8)


def test_a_closure_over_functional_misses_what_is_computed_anew_and_functional_itself_does_not():
    """`bilevel.functional` as the upper loss keeps theta' in place for the backward pass."""
    objective = objective_of("checkpointed")
    parameters = dict(objective.named_parameters())
    gradients = bilevel.task_gradients(objective(*batch(1)), parameters)
    upper = bilevel.functional(objective, *batch(2), read=lambda losses: losses[0])
    _, found = bilevel.hypergradient(
        upper, parameters, gradients, torch.ones(2, dtype=torch.float64), bilevel.sgd(LR, 0.01)
    )
    torch.testing.assert_close(found, by_brute_force(objective, batch(1), batch(2), 0.01), rtol=1e-4, atol=1e-7)


def test_the_optimiser_of_a_virtual_step_holds_every_parameter_and_takes_plain_steps():
    objective = objective_of("plain")
    part = torch.optim.AdamW(objective.body[0].parameters())
    with pytest.raises(
        ParameterError, match="optimiser: must hold every parameter of the objective, found none of 'body.2"
    ):
        weighting.load("auto_lambda", tasks=2, optimiser=part).backward(objective, batch(1), batch(2), lr=LR)
    for option in ("amsgrad", "maximize"):
        other = torch.optim.AdamW(objective.parameters(), **{option: True})
        with pytest.raises(ParameterError, match=f"optimiser: must not use {option} for a virtual step, found it for"):
            weighting.load("auto_lambda", tasks=2, optimiser=other).backward(objective, batch(1), batch(2), lr=LR)
    odd = objective_of("complex")
    with pytest.raises(
        ParameterError, match="optimiser: must be None for complex parameters, found one for 'body.weight'"
    ):
        weighting.load("auto_lambda", tasks=2, optimiser=torch.optim.AdamW(odd.parameters())).backward(
            odd, batch(1), batch(2), lr=LR
        )
