"""What strategies ask of an objective, of its losses and of their gradients: all of it is true, or refused by name."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from semdf.errors import DataError, ParameterError
from semdf.method import bilevel

__all__ = ["check_gradients", "check_losses", "check_objective", "gather", "guarded"]

#: Classes that average gradients between processes by hooks, which do not see virtual parameters.
AVERAGING = {"DistributedDataParallel", "FullyShardedDataParallel", "FSDPModule", "ReplicateModule", "DeepSpeedEngine"}


def check_objective(objective: nn.Module) -> None:
    """Raise ParameterError unless gradients of this module can be taken as the strategies take them."""
    if not isinstance(objective, nn.Module):
        raise ParameterError(f"objective: must be a torch module, found {type(objective).__name__}")
    for name, module in objective.named_modules():
        if _averages(module):
            raise ParameterError(
                f"objective: must not average gradients itself, found {type(module).__name__} at "
                f"{name or 'its top'}: take the module inside it, and pass `reduce=semdf.training.distributed.average`"
            )
    trained = {name: p for name, p in objective.named_parameters() if p.requires_grad}
    if not trained:
        raise ParameterError("objective: must have a parameter that requires gradients, found none")
    for name, parameter in trained.items():
        if getattr(parameter, "_post_accumulate_grad_hooks", None):
            raise ParameterError(
                f"objective: parameters must have no hooks after accumulation, found one at {name!r}: "
                "a strategy takes several gradients in a step; do in the training loop what the hook does"
            )


def _averages(module: nn.Module) -> bool:
    """Whether this module averages gradients between processes."""
    return any(base.__name__ in AVERAGING for base in type(module).__mro__)


def gather(found: object, count: int, names: Sequence[str] = ()) -> Tensor:
    """The losses as one tensor `[K]`.

    Args:
        found: What an objective gave: a tensor `[K]`, or a list, a tuple or a dict of scalars.
        count: K.
        names: Of the tasks, in their order; a dict needs them.

    Raises:
        ParameterError: It is anything else, or depends on no parameter.
    """
    if isinstance(found, Mapping):
        found = _ordered(found, names)
    if isinstance(found, list | tuple):
        found = _stacked(found, count, names)
    if not isinstance(found, Tensor):
        raise ParameterError(f"losses: must be a tensor, a list, a tuple or a dict, found {type(found).__name__}")
    if found.shape != (count,):
        raise ParameterError(f"losses: must have shape [{count}], one for each task, found {list(found.shape)}")
    if not found.is_floating_point():
        raise ParameterError(f"losses: must be real floating point numbers, found {found.dtype}")
    return found


def _ordered(found: Mapping, names: Sequence[str]) -> list[object]:
    """The losses of a dict in the order of the tasks."""
    if not names:
        raise ParameterError(
            "losses: must be a tensor or a list if the tasks have no names, "
            f"found a dict of {tuple(found)}: name the tasks, `weighting.load(..., tasks=(...))`"
        )
    if set(found) != set(names):
        raise ParameterError(f"losses: must be those of the tasks {tuple(names)}, found {tuple(found)}")
    return [found[name] for name in names]


def _stacked(found: Sequence[object], count: int, names: Sequence[str]) -> Tensor:
    """The losses of a list as one tensor."""
    if len(found) != count:
        raise ParameterError(f"losses: must be {count}, one for each task, found {len(found)}")
    scalars: list[Tensor] = []
    for k, loss in enumerate(found):
        if not isinstance(loss, Tensor):
            raise ParameterError(f"losses: must be tensors, found {type(loss).__name__} for task {_name(k, names)}")
        if loss.ndim or not loss.is_floating_point():
            raise ParameterError(
                "losses: must be scalar real floating point numbers, "
                f"found {loss.dtype} of shape {list(loss.shape)} for task {_name(k, names)}"
            )
        scalars.append(loss.to(scalars[0].device) if scalars else loss)
    return torch.stack(scalars)


def check_losses(losses: Tensor, names: Sequence[str] = ()) -> None:
    """Raise DataError if a loss `[K]` is NaN or infinite; `names` are those of the tasks."""
    for k, loss in enumerate(losses.tolist()):
        if not math.isfinite(loss):
            raise DataError(f"losses: must be finite, found {loss} for task {_name(k, names)}")


def check_gradients(
    gradients: Sequence[bilevel.Gradients],
    parameters: Sequence[str],
    tasks: Sequence[int] | None = None,
    names: Sequence[str] = (),
) -> None:
    """Raise DataError if a gradient holds NaN or infinity.

    Args:
        parameters: Their names.
        tasks: The numbers of the tasks whose gradients these are; None: each is one of several tasks together.
        names: Of the tasks.
    """
    found: list[str] = []
    for place, gradient in enumerate(gradients):
        task = "several tasks together" if tasks is None else f"task {_name(tasks[place], names)}"
        for name, part in _suspects(gradient, parameters):
            values = bilevel.dense(part)
            bad = values[~values.isfinite()]
            if len(bad):
                found.append(f"{bad[0].item()} for {task} in {name!r}")
                break
    if found:
        raise DataError(f"gradients: must be finite, found {' and '.join(found)}")


def _suspects(gradient: bilevel.Gradients, parameters: Sequence[str]) -> list[tuple[str, Tensor]]:
    """The parts whose sums are not finite: all that hold NaN or infinity, and perhaps some that overflow."""
    parts = [(name, part) for name, part in zip(parameters, gradient, strict=True) if part is not None]
    if not parts:
        return []
    sums = [bilevel.dense(part).sum().to(parts[0][1].device, torch.complex128) for _, part in parts]
    finite = torch.stack(sums).isfinite().tolist()
    return [part for part, good in zip(parts, finite, strict=True) if not good]


def _name(k: int, names: Sequence[str]) -> str:
    """How a message calls a task: by its name, else by its number from 0."""
    return repr(names[k]) if names else str(k)


@contextmanager
def guarded(objective: nn.Module) -> Iterator[None]:
    """A step with this objective. After an error its buffers are as before: NaN spoils no running statistics.

    Raises:
        ParameterError: Its gradients cannot be taken (see `check_objective`).
    """
    check_objective(objective)
    before = []
    for module in objective.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if not is_lazy(buffer):
                before.append((module, name, buffer, buffer.clone()))
    try:
        yield
    except BaseException:
        with torch.no_grad():
            for module, name, buffer, value in before:
                buffer.copy_(value)
                setattr(module, name, buffer)
        raise
