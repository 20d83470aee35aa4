"""Several processes that train or score as one: each takes its part, and all go on with the same numbers.

    torchrun --nproc-per-node 4 PROGRAM     starts them, on one machine or on many; `launch` does it on this one
    with joined(4): ...                     makes them a group: gloo between CPUs, NCCL between GPUs

A mean over equal parts is the mean over the whole. So `average` gives the losses and gradients of the joined batch: the
averages of those of the processes. What a batch normalisation computes is no such mean: `synchronise` shows it the
whole batch. Without a group all of this does nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, multiprocessing, nn

from semdf import errors
from semdf.artifacts import temporary
from semdf.errors import DataError, MissingError, ParameterError, SemdfError

__all__ = [
    "agreed",
    "average",
    "joined",
    "launch",
    "launched",
    "place",
    "rank",
    "share",
    "size",
    "spread",
    "synchronise",
]

#: Numbers that are averaged in one message: 64 MB of float32 (ours).
BUCKET = 2**24


def rank() -> int:
    """The number of this process in its group; the first, 0, is the one that writes."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def size() -> int:
    """How many processes the group has; 1 without a group."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def launched() -> bool:
    """Whether this process is one of several that `torchrun` or `launch` started."""
    return distributed.is_initialized() or int(os.environ.get("WORLD_SIZE", "1")) > 1


def place(device: str) -> torch.device:
    """Where this process computes: "cpu", or with "cuda" the GPU of its number on this machine.

    Raises:
        MissingError: There is no such GPU.
    """
    if device != "cuda":
        return torch.device(device)
    number = int(os.environ.get("LOCAL_RANK", "0"))
    found = torch.cuda.device_count()
    if number >= found:
        raise MissingError(f"device: cuda needs a GPU for each process of a machine, found {found} for number {number}")
    return torch.device("cuda", number)


@contextmanager
def joined(processes: int | None = None, device: str = "cpu") -> Iterator[None]:
    """Work as one of the processes that were started, or alone if this is the only one.

    Args:
        processes: How many must have been started; None: any number.

    Raises:
        ParameterError: Another number was started.
    """
    found = size() if distributed.is_initialized() else int(os.environ.get("WORLD_SIZE", "1"))
    if processes not in (None, found):
        raise ParameterError(f"processes: must be as many as were started, {found}, found {processes}")
    if found == 1 or distributed.is_initialized():
        yield
        return
    distributed.init_process_group(_backend(device))
    try:
        yield
    finally:
        distributed.destroy_process_group()


def launch(work: Callable[..., None], processes: int, *arguments: Any, device: str = "cpu", threads: int = 1) -> None:
    """Call `work(*arguments)` in a group of new processes on this machine and wait for all of them.

    A process that ends early ends the others.

    Args:
        work: A function of a module.
        threads: Of torch, in each process.

    Raises:
        SemdfError: The error that a process raised; the first process's of several.
        DataError: A process was killed.
    """
    with temporary() as folder:
        started = (processes, str(folder), _backend(device), threads, work, arguments)
        context = multiprocessing.spawn(_enter, started, processes, join=False)
        try:
            while not context.join():
                pass
        except (multiprocessing.ProcessRaisedException, multiprocessing.ProcessExitedException) as error:
            for note in sorted(folder.glob("*.json")):
                kind, text = json.loads(note.read_text())
                raise getattr(errors, kind)(text) from error
            raise DataError(
                f"processes: must all live to the end, found one of {processes} that did not: {str(error).strip()}"
            ) from error
        finally:
            for process in context.processes:
                process.kill()


def _enter(
    number: int, processes: int, folder: str, backend: str, threads: int, work: Callable, arguments: tuple
) -> None:
    """What a process of `launch` does."""
    os.environ["LOCAL_RANK"] = str(number)
    torch.set_num_threads(threads)
    file = f"file://{folder}/group"
    distributed.init_process_group(backend, init_method=file, rank=number, world_size=processes)
    try:
        work(*arguments)
    except SemdfError as error:
        with suppress(OSError):  # on a full disk there is no note, and `launch` reports what torch says
            Path(folder, f"{number:04d}.json").write_text(json.dumps([type(error).__name__, str(error)]))
        raise
    finally:
        distributed.destroy_process_group()


def _backend(device: str) -> str:
    return "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo"


def share(batch: int) -> Tensor:
    """This process's places in a batch: those of every n-th pair.

    The first half of the batch are fakes, the second half the reals that go with them, in the same order.

    Raises:
        ParameterError: The processes cannot get equally many pairs.
    """
    pairs = batch // 2
    if pairs % size():
        raise ParameterError(f"processes: must divide the {pairs} pairs of a batch, found {size()}")
    mine = torch.arange(rank(), pairs, size())
    return torch.cat([mine, pairs + mine])


def average(tensors: Sequence[Tensor]) -> None:
    """Put the mean over the processes into every tensor, in place: the `reduce` of `semdf.method.weighting`."""
    for bucket in _buckets(tensors):
        flat = torch.cat([t.reshape(-1) for t in bucket])
        distributed.all_reduce(flat)
        parts = flat.div_(size()).split([t.numel() for t in bucket])
        for t, part in zip(bucket, parts, strict=True):
            t.copy_(part.view_as(t))


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """The tensors in groups of one type and device, each of about `BUCKET` numbers."""
    kinds: dict[tuple, list[Tensor]] = {}
    for t in tensors:
        kinds.setdefault((t.dtype, t.device), []).append(t)
    for kind in kinds.values():
        bucket: list[Tensor] = []
        count = 0
        for t in kind:
            bucket.append(t)
            count += t.numel()
            if count >= BUCKET:
                yield bucket
                bucket = []
                count = 0
        if bucket:
            yield bucket


def spread(compute: Callable[[Any], Tensor], parts: Sequence[Any]) -> Tensor:
    """`compute(part)` [len(part), D] of every part, below one another in their order, on every process, on the CPU.

    Each part is computed by one process: the bits are those of one process with as many threads.
    """
    if size() == 1:
        return torch.cat([compute(part).cpu() for part in parts])
    found = {i: compute(parts[i]).cpu() for i in range(rank(), len(parts), size())}
    width = torch.tensor(max((p.shape[1] for p in found.values()), default=0))
    distributed.all_reduce(width, distributed.ReduceOp.MAX)
    whole = torch.zeros(sum(map(len, parts)), int(width))
    for i, rows in enumerate(whole.split([len(part) for part in parts])):
        if i in found:
            rows.copy_(found[i])
    distributed.all_reduce(whole)
    return whole


def agreed(value: int, what: str) -> None:
    """Check that all processes have the same value, as they do if they read the same files.

    Raises:
        DataError: They have different ones.
    """
    if size() == 1:
        return
    ends = torch.tensor([value, -value])
    distributed.all_reduce(ends, distributed.ReduceOp.MAX)
    highest = int(ends[0])
    lowest = -int(ends[1])
    if highest != lowest:
        raise DataError(f"{what} must be the same for all processes, found {lowest} to {highest}")


def synchronise(model: nn.Module) -> nn.Module:
    """Give all processes the first one's weights, and let batch normalisation see the batches of all, in place.

    Raises:
        ParameterError: The model has a normalisation over batches other than `nn.BatchNorm2d`.
    """
    if size() == 1:
        return model
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.BatchNorm2d:
                setattr(parent, name, _BatchNorm(child))
            elif isinstance(child, nn.modules.batchnorm._BatchNorm):
                raise ParameterError(f"processes: must be 1 for a tower with {type(child).__name__}, found {size()}")
    for tensor in (*model.parameters(), *model.buffers()):
        distributed.broadcast(tensor.detach(), 0)
    return model


class _Sum(torch.autograd.Function):
    """The sum over the processes; what it does to all their losses goes back to each of them."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:  # noqa: ARG004  (autograd's signature)
        x = x.clone()
        distributed.all_reduce(x)
        return x

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        return _Sum.forward(context, gradient.contiguous())


class _BatchNorm(nn.BatchNorm2d):
    """Batch normalisation by mean and variance of the joined batch, of which every process has an equal part.

    As `nn.SyncBatchNorm`, which runs on GPUs alone.
    """

    def __init__(self, plain: nn.BatchNorm2d) -> None:
        super().__init__(plain.num_features, plain.eps, plain.momentum, plain.affine, plain.track_running_stats)
        for name, value in (*plain.named_parameters(), *plain.named_buffers()):
            setattr(self, name, value)
        self.train(plain.training)

    def forward(self, images: Tensor) -> Tensor:
        if not self.training:
            return super().forward(images)
        x = images if images.dtype == torch.float64 else images.float()
        var, mean = torch.var_mean(x, (0, 2, 3), correction=0)
        mine = torch.arange(size(), device=x.device) == rank()
        # each process fills its own row, so that the sum over the processes holds all rows
        rows = _Sum.apply(mine[:, None, None] * torch.stack([mean, var]))
        means, variances = rows.unbind(1)  # [processes, C] each
        mean = means.mean(0)
        var = variances.mean(0) + (means - mean).square().mean(0)
        self._follow(mean.detach(), var.detach(), size() * x.numel() // x.shape[1])
        scale = (var + self.eps).rsqrt() * (1 if self.weight is None else self.weight)
        shift = -mean * scale if self.bias is None else self.bias - mean * scale
        return (x * scale[:, None, None] + shift[:, None, None]).to(images.dtype)

    def _follow(self, mean: Tensor, var: Tensor, count: int) -> None:
        """Move the running statistics as `nn.BatchNorm2d` does, the variance without bias."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        unbiased = var * count / max(count - 1, 1)
        self.running_mean.mul_(1 - share).add_(mean, alpha=share)
        self.running_var.mul_(1 - share).add_(unbiased, alpha=share)
