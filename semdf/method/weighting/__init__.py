"""Task weighting: how the tasks' losses become one gradient. One strategy a file; `load` imports one by name.

The training loop is the same for all of them:

    objective = losses.Fidelity(model)                      # forward(images, targets, observed) -> losses [K]
    strategy = weighting.load("auto_lambda", tasks=3)
    for lower, upper in batches:                            # (images, targets, observed) each
        record = strategy.backward(objective, lower, upper, lr=lr, weight_decay=weight_decay)
        optimiser.step()                                    # p.grad is set, not added to
    strategy.next_epoch()

`record.losses` and `record.weights` are [K]. A strategy that needs no upper batch ignores it. An objective may say
with `check_upper(*batch)`, by an error, that a batch cannot be an upper one.

Nothing here is about faces: the objective is any module that returns one loss a task. Three regressions that share
a layer; what counts is the first, the second helps it, the third is noise. Auto-lambda finds out:

>>> import torch
>>> class Toy(torch.nn.Module):
...     def __init__(self):
...         super().__init__()
...         self.net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
...
...     def forward(self, x, y):
...         return (self.net(x) - y).square().mean(0)
>>> _ = torch.manual_seed(0)
>>> x = torch.randn(256, 4)
>>> y = torch.stack([x[:, 0], x[:, 0] + 0.1 * x[:, 1], 3 * torch.randn(256)], dim=1)
>>> toy = Toy()
>>> optimiser = torch.optim.SGD(toy.parameters(), lr=0.1)
>>> strategy = load("auto_lambda", tasks=("signal", "helper", "noise"), primary="signal", lr=0.01)
>>> for _ in range(100):
...     lower, upper = torch.randint(256, (2, 32))
...     record = strategy.backward(toy, (x[lower], y[lower]), (x[upper], y[upper]), lr=0.1)
...     optimiser.step()
>>> signal, helper, noise = strategy.weights().tolist()
>>> signal > 1 and helper > 1 and noise < 0.7
True
"""

import pkgutil
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from semdf.errors import DataError, ParameterError

__all__ = ["SETTINGS", "Batch", "Known", "Record", "Weighting", "assign", "known", "load", "needs_upper", "trainable"]

#: Further names: a strategy's file and the options that the name stands for.
SETTINGS: dict[str, tuple[str, dict[str, object]]] = {
    "auto_lambda_fd": ("auto_lambda", {"method": "finite_difference"}),
    "upgrad": ("jacobian", {"aggregator": "upgrad"}),
    "pcgrad": ("jacobian", {"aggregator": "pcgrad"}),
    "cagrad": ("jacobian", {"aggregator": "cagrad"}),
}

#: The arguments of one call of the objective.
Batch = Sequence[Tensor]

#: Names in a flat state of Adam's step, mean and square.
ADAM = ("step", "mean", "square")

#: Averages tensors over processes, in place (None: one process).
Reduce = Callable[[Sequence[Tensor]], None]


class Record(NamedTuple):
    """What one step used: losses `[K]` on the lower batch, weights `[K]`, and the upper loss, if any."""

    losses: Tensor
    weights: Tensor
    upper: Tensor | None = None


class Weighting(Protocol):
    """A strategy. `state_dict` is flat and holds tensors only."""

    tasks: int

    def weights(self) -> Tensor:
        """Current weights of the tasks `[K]`."""

    def backward(
        self,
        objective: nn.Module,
        lower: Batch,
        upper: Batch | None = None,
        *,
        lr: float,
        weight_decay: float = 0.0,
        reduce: Reduce | None = None,
    ) -> Record:
        """Set `p.grad` of every trainable parameter of the objective from these batches."""

    def next_epoch(self) -> None:
        """Note the end of an epoch."""

    def state_dict(self) -> dict[str, Tensor]:
        """What a resumed training needs."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state_dict` gave; other names or shapes raise DataError."""


class Known:
    """Base of strategies whose weights are known before the step: one backward pass of the weighted sum.

    A strategy says what its `weights` are; equal weights are nothing but that.
    """

    def __init__(self, tasks: int) -> None:
        self.tasks = tasks

    def weights(self) -> Tensor:
        return torch.ones(self.tasks)

    def backward(
        self,
        objective: nn.Module,
        lower: Batch,
        upper: Batch | None = None,
        *,
        lr: float = 0.0,
        weight_decay: float = 0.0,
        reduce: Reduce | None = None,
    ) -> Record:
        return weighted(objective, lower, self.weights(), reduce)

    def next_epoch(self) -> None:
        pass

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        restore(state, self.state_dict())


def known() -> tuple[str, ...]:
    """Names of the strategies: the modules of this folder, and `SETTINGS` of them."""
    own = [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]
    return tuple(sorted(own + [*SETTINGS]))


def load(name: str, tasks: int | Sequence[str] = 3, **options: object) -> Weighting:
    """The strategy `name` with its own options. Imports this strategy's file only.

    tasks: how many losses there are, or their names; then the option `primary` may be a name, too.
    """
    if name not in known():
        raise ParameterError(f"weighting: must be one of {known()}, found {name!r}")
    names = () if isinstance(tasks, int) else tuple(tasks)
    count = tasks if isinstance(tasks, int) else len(names)
    if count < 1:
        raise ParameterError(f"tasks: must be at least 1, found {count}")
    primary = options.get("primary")
    if isinstance(primary, str):
        if primary not in names:
            raise ParameterError(f"primary: must be one of the tasks {names}, found {primary!r}")
        options["primary"] = names.index(primary)
    module, settings = SETTINGS.get(name, (name, {}))
    strategy = import_module(f"{__name__}.{module}").Strategy
    try:
        return strategy(count, **settings, **options)
    except TypeError as error:
        raise ParameterError(f"weighting {name!r}: options must be those of the strategy, found {options}") from error


def needs_upper(strategy: Weighting) -> bool:
    """Whether `backward` reads the upper batch."""
    return getattr(strategy, "needs_upper", False)


def trainable(objective: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that are trained, by name."""
    return {name: p for name, p in objective.named_parameters() if p.requires_grad}


def assign(parameters: Mapping[str, nn.Parameter], gradient: Sequence[Tensor | None]) -> None:
    """Write a gradient to `p.grad`, replacing what was there."""
    for parameter, part in zip(parameters.values(), gradient, strict=True):
        parameter.grad = part


def check_losses(losses: Tensor, tasks: int) -> None:
    """Raise ParameterError unless there is one loss a task."""
    if losses.shape != (tasks,):
        raise ParameterError(f"losses: must have shape [{tasks}], one for each task, found {list(losses.shape)}")


def weighted(objective: nn.Module, batch: Batch, weights: Tensor, reduce: Reduce | None) -> Record:
    """One backward pass of the weighted sum of the losses, for strategies whose weights are known before."""
    losses = objective(*batch)
    check_losses(losses, len(weights))
    parameters = trainable(objective)
    total = (losses * weights.to(losses)).sum()
    gradient = torch.autograd.grad(total, list(parameters.values()), allow_unused=True)
    losses = losses.detach()
    if reduce:
        reduce([losses, *(part for part in gradient if part is not None)])
    assign(parameters, gradient)
    return Record(losses, weights)


def adam_state(adam: torch.optim.Adam, parameter: Tensor) -> dict[str, Tensor]:
    """Adam's moments of one parameter, flat."""
    moments = adam.state.get(parameter, {})
    zeros = torch.zeros_like(parameter)
    state = (
        moments.get("step", torch.zeros(())),
        moments.get("exp_avg", zeros),
        moments.get("exp_avg_sq", zeros),
    )
    return {name: value.detach().clone() for name, value in zip(ADAM, state, strict=True)}


def load_adam_state(adam: torch.optim.Adam, parameter: Tensor, state: Mapping[str, Tensor]) -> None:
    """Take up what `adam_state` gave."""
    adam.state[parameter] = dict(zip(("step", "exp_avg", "exp_avg_sq"), (state[n] for n in ADAM), strict=True))


def restore(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies of the tensors of `state`, which must have the names and shapes of `expected`."""
    shapes = [{name: list(value.shape) for name, value in each.items()} for each in (expected, state)]
    if shapes[0] != shapes[1]:
        raise DataError(f"state of a weighting: must have the entries {shapes[0]}, found {shapes[1]}")
    return {name: torch.as_tensor(value).detach().clone() for name, value in state.items()}
