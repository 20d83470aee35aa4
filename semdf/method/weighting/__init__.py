"""Task weighting: how the tasks' losses become one gradient. One strategy a file; `load` imports one by name.

The training loop is the same for all of them:

    objective = losses.Fidelity(model)                      # forward(images, targets, observed) -> losses [K]
    strategy = weighting.load("auto_lambda", tasks=3)
    for lower, upper in batches:                            # (images, targets, observed) each
        record = strategy.backward(objective, lower, upper, lr=lr, weight_decay=weight_decay)
        optimiser.step()                                    # p.grad is set, not added to
    strategy.next_epoch()

`record.losses` and `record.weights` are [K]. A strategy that needs no upper batch ignores it. An objective may refuse
an upper batch: its method `check_upper(*batch)`, if it has one, raises an error.

A new strategy is one new file in this folder, and nothing else. Its name is that of the file, and its class is
`Strategy`. If the lower batch is all that it reads, the class extends `Known` (`random` shows how), else it follows
the protocol `Weighting`. Its `run_fields` say which options a run sets. `semdf.params` lists the folder, so the name
is one of `runs.objective` at once. Files whose names begin with `_` hold what several strategies share.

Nothing here is about faces: the objective is any torch module that returns one loss a task: a tensor `[K]`, a list or
tuple of scalars, or, if the tasks have names, a dict of scalars. Gradients are those of `loss.backward()`, also for
parameters that are tied, sparse, unused, frozen or checkpointed. What cannot be served is refused, and the message says
what to change:

- modules that average gradients themselves (DistributedDataParallel), and hooks after accumulation;
- modules compiled for one backward pass, where a strategy needs several;
- under `auto_lambda` and `auto_lambda_fd` scripted modules, and parameters that are kept in lists or closures;
- NaN and infinity in a loss or a gradient, by the name of the task. Weights, parameters, `p.grad` and buffers stay.

Three regressions that share a layer; what counts is the first, the second helps it, the third is noise. Auto-lambda
finds out:

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

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from semdf.errors import DataError, ParameterError
from semdf.method import bilevel
from semdf.method.weighting._losses import check_gradients, check_losses, gather, guarded
from semdf.params import weightings

__all__ = [
    "Batch",
    "Known",
    "Record",
    "Weighting",
    "assign",
    "check",
    "evaluate",
    "find",
    "known",
    "load",
    "needs_upper",
    "run_fields",
    "trainable",
]

#: The arguments of one call of the objective.
Batch = Sequence[Tensor]

#: Averages tensors over processes, in place (None: one process).
Reduce = Callable[[Sequence[Tensor]], None]

#: Adam's step, mean and square: their names in a flat state -> their names in the state of torch's Adam.
ADAM = {"step": "step", "mean": "exp_avg", "square": "exp_avg_sq"}


class Record(NamedTuple):
    """What one step used: losses `[K]` on the lower batch, weights `[K]`, and the upper loss, if any."""

    losses: Tensor
    weights: Tensor
    upper: Tensor | None = None


class Weighting(Protocol):
    """A strategy. `state_dict` is flat and holds tensors only.

    Its class may have two attributes more. `needs_upper` is True if `backward` reads the upper batch. `run_fields` has,
    for each option that a run sets, the field of the run that holds its value; other options keep their defaults in
    every run. Fields are `seed`, `primary` (the name of the task that counts), `train.NAME` and `variant.NAME`. Of
    these, `variant.virtual` is the optimiser whose step is the virtual one, or None for plain SGD.

    Attributes:
        names: Of the tasks, if `load` was given any: it sets them.
    """

    tasks: int
    names: tuple[str, ...] = ()

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
    """Base of strategies that read the lower batch alone: one backward pass of the sum, weighted by `weights`.

    A subclass says what its `weights` are; what it does in every step stands in `step`. Equal weights are the base as
    it is.
    """

    run_fields: ClassVar[Mapping[str, str]] = {}
    names: tuple[str, ...] = ()

    def __init__(self, tasks: int) -> None:
        self.tasks = tasks

    def weights(self) -> Tensor:
        """Current weights of the tasks `[K]`: 1 for each."""
        return torch.ones(self.tasks)

    def backward(
        self,
        objective: nn.Module,
        lower: Batch,
        upper: Batch | None = None,  # noqa: ARG002 the protocol's signature
        *,
        lr: float = 0.0,  # noqa: ARG002 the protocol's signature
        weight_decay: float = 0.0,  # noqa: ARG002 the protocol's signature
        reduce: Reduce | None = None,
    ) -> Record:
        """Set `p.grad` of every trainable parameter of the objective from the lower batch."""
        with guarded(objective):
            return self.step(objective, lower, reduce)

    def step(self, objective: nn.Module, lower: Batch, reduce: Reduce | None) -> Record:
        """`backward` without what these strategies do not read."""
        return weighted(self, objective, lower, self.weights(), reduce)

    def next_epoch(self) -> None:
        """Note the end of an epoch: nothing to do."""

    def state_dict(self) -> dict[str, Tensor]:
        """What a resumed training needs: nothing."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state_dict` gave."""
        restore(state, self.state_dict())


def known() -> tuple[str, ...]:
    """Names of the strategies: the files of this folder."""
    return weightings(*map(Path, __path__))


def find(name: str) -> type[Any]:
    """The class of the strategy `name`. Imports its file, and what that imports.

    Raises:
        ParameterError: There is no such strategy.
    """
    if name not in known():
        raise ParameterError(f"weighting: must be one of {known()}, found {name!r}")
    return import_module(f"{__name__}.{name}").Strategy


def run_fields(name: str) -> dict[str, str]:
    """What the strategy `name` takes of a run: option -> field of the run (see `Weighting`)."""
    return dict(getattr(find(name), "run_fields", {}))


def load(name: str, tasks: int | Sequence[str] = 3, **options: object) -> Weighting:
    """The strategy `name` with its own options.

    Args:
        tasks: How many losses there are, or their names; then the option `primary` may be a name, too.

    Raises:
        ParameterError: There is no such strategy, or it does not take these options.
    """
    strategy = find(name)
    names = () if isinstance(tasks, int) else tuple(tasks)
    count = tasks if isinstance(tasks, int) else len(names)
    if count < 1:
        raise ParameterError(f"tasks: must be at least 1, found {count}")
    primary = options.get("primary")
    if isinstance(primary, str):
        if primary not in names:
            raise ParameterError(f"primary: must be one of the tasks {names}, found {primary!r}")
        options["primary"] = names.index(primary)
    if len(set(names)) < len(names):
        raise ParameterError(f"tasks: must have different names, found {names}")
    try:
        made = strategy(count, **options)
    except TypeError as error:
        raise ParameterError(f"weighting {name!r}: options must be those of the strategy, found {options}") from error
    made.names = names
    return made


def needs_upper(strategy: Weighting) -> bool:
    """Whether `backward` reads the upper batch."""
    return getattr(strategy, "needs_upper", False)


def trainable(objective: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that are trained, by name."""
    return {name: p for name, p in objective.named_parameters() if p.requires_grad}


def assign(objective: nn.Module, parameters: Mapping[str, nn.Parameter], gradient: Sequence[Tensor | None]) -> None:
    """Write a gradient to `p.grad`, replacing what was there; parameters that are not trained (any more) get none.

    Raises:
        ParameterError: No parameter has a gradient.
    """
    _check_some(gradient)
    for parameter in objective.parameters():
        parameter.grad = None
    for parameter, part in zip(parameters.values(), gradient, strict=True):
        parameter.grad = part


def evaluate(strategy: Weighting, objective: nn.Module, batch: Batch) -> Tensor:
    """The losses `[K]` of a batch, with their graph.

    Raises:
        ParameterError: They do not have the form that strategies need.
    """
    losses = gather(objective(*batch), strategy.tasks, getattr(strategy, "names", ()))
    if not losses.requires_grad:
        raise ParameterError(
            "losses: must depend on a trainable parameter, found none that does, or gradients disabled"
        )
    return losses


def check(
    strategy: Weighting,
    parameters: Mapping[str, nn.Parameter],
    losses: Tensor | None = None,
    gradients: Sequence[bilevel.Gradients] = (),
    tasks: Sequence[int] | None = None,
) -> None:
    """Raise an error unless losses and gradients can be used.

    Args:
        losses: `[K]`.
        tasks: The numbers of the tasks whose gradients these are; None: each is one of several tasks together.

    Raises:
        DataError: One is NaN or infinite; the message names the task.
        ParameterError: No task has a gradient.
    """
    names = getattr(strategy, "names", ())
    if losses is not None:
        check_losses(losses, names)
    check_gradients(gradients, list(parameters), tasks, names)
    if tasks is not None and len(tasks) == strategy.tasks:
        _check_some([part for gradient in gradients for part in gradient])


def _check_some(parts: Sequence[Tensor | None]) -> None:
    """Raise ParameterError if there is no gradient at all."""
    if all(part is None for part in parts):
        raise ParameterError("losses: must depend on a trainable parameter, found none that does")


def weighted(strategy: Weighting, objective: nn.Module, batch: Batch, weights: Tensor, reduce: Reduce | None) -> Record:
    """One backward pass of the weighted sum of the losses, for strategies whose weights are known before."""
    losses = evaluate(strategy, objective, batch)
    parameters = trainable(objective)
    total = (losses * weights.to(losses)).sum()
    gradient = bilevel.gradient_of(total, list(parameters.values()))
    losses = losses.detach()
    if reduce:
        gradient = spread([gradient], losses, reduce)[0]
    check(strategy, parameters, losses, [gradient])
    assign(objective, parameters, gradient)
    return Record(losses, weights)


def spread(gradients: Sequence[bilevel.Gradients], losses: Tensor, reduce: Reduce) -> list[bilevel.Gradients]:
    """The gradients, dense, after `reduce` has averaged them and the losses, in place."""
    full = [[None if part is None else bilevel.dense(part) for part in task] for task in gradients]
    reduce([losses, *(part for task in full for part in task if part is not None)])
    return list(full)


def adam_state(adam: torch.optim.Adam, parameter: Tensor) -> dict[str, Tensor]:
    """Adam's moments of one parameter, flat; zeros before its first step."""
    moments = adam.state.get(parameter, {})
    zeros = torch.zeros_like(parameter)
    start = {"step": torch.zeros(()), "mean": zeros, "square": zeros}
    return {name: moments.get(theirs, start[name]).detach().clone() for name, theirs in ADAM.items()}


def load_adam_state(adam: torch.optim.Adam, parameter: Tensor, state: Mapping[str, Tensor]) -> None:
    """Take up what `adam_state` gave."""
    adam.state[parameter] = {theirs: state[name] for name, theirs in ADAM.items()}


def restore(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies of the tensors of `state`.

    Raises:
        DataError: Names or shapes are not those of `expected`.
    """
    found = {name: list(value.shape) for name, value in state.items()}
    wanted = {name: list(value.shape) for name, value in expected.items()}
    if found != wanted:
        raise DataError(f"state of a weighting: must have the entries {wanted}, found {found}")
    return {name: torch.as_tensor(value).detach().clone() for name, value in state.items()}
