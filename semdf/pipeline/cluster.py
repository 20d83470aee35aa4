"""Shards on a cluster, by Dask: a killed worker's shard is done again, and nothing of the others.

    from dask.distributed import Client
    run_shards(rows, root, out, finder, 100, client=Client("tcp://SCHEDULER:8786"), frames=32)
    expand_shards(manifest, root, out, 100, client=Client("tcp://SCHEDULER:8786"), preset="sjedd", seed=0)

Needs `pip install semdf[cluster]`, and a folder for `out` that all workers see.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from tqdm.auto import tqdm

from semdf.artifacts import read_table, write_table
from semdf.errors import DataError, MissingError, ParameterError
from semdf.extraction.extract import extract
from semdf.faces.finders import FaceFinder
from semdf.forging.expand import expand
from semdf.storage.manifest import join

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["expand_shards", "run_shards"]


def run_shards(
    rows: pd.DataFrame,
    root: Path,
    out: Path,
    finder: FaceFinder,
    shards: int,
    *,
    client: Client | str | None = None,
    retries: int = 2,
    **settings: Any,
) -> pd.DataFrame:
    """`extract` of every shard on the workers of a cluster, put together: the files and rows of one run.

    What was interrupted goes on from there when it is called again with the same arguments.

    rows, root, out, finder, settings: of `extract`; each shard is done by one process.
    shards: more than workers, so that none waits long for the last.
    client: a Dask client or the address of a scheduler; None: Dask's own settings, such as DASK_SCHEDULER_ADDRESS, or
        else processes of this machine.
    retries: of a shard that ended with an error. Dask itself starts a shard again whose worker was killed, three
        times unless its setting `distributed.scheduler.allowed-failures` says otherwise.

    Raises MissingError without Dask, DataError when a shard has killed its worker once too often.
    """
    return _all(_extract, rows, shards, client, retries, Path(root), Path(out), finder, settings)


def expand_shards(
    manifest: pd.DataFrame,
    root: Path,
    out: Path,
    shards: int,
    *,
    client: Client | str | None = None,
    retries: int = 2,
    **settings: Any,
) -> pd.DataFrame:
    """`expand` of every shard on the workers of a cluster, put together: the files of one run and its
    manifest, which is written as well.

    manifest, root, out, settings: of `expand`; the others and the errors are those of `run_shards`. A shard whose
    worker was killed starts again; called again with the same arguments, those that are complete are left alone.
    """
    return _all(_expand, manifest, shards, client, retries, Path(root), Path(out), settings)


def _all(
    work: Callable[..., int], rows: pd.DataFrame, shards: int, client: Client | str | None, retries: int, root: Path,
    out: Path, *more: Any,
) -> pd.DataFrame:  # fmt: skip
    """Do `work` of every shard and put them together."""
    try:
        from distributed import Client, KilledWorker, as_completed
    except ImportError as error:
        raise MissingError("cluster: needs Dask, `pip install semdf[cluster]`") from error
    if shards < 1:
        raise ParameterError(f"shards should be at least 1. Found {shards}.")
    table = write_table(rows, out / ".rows.parquet")  # not sent along with each of the tasks
    with ExitStack() as stack:
        dask = client if isinstance(client, Client) else stack.enter_context(Client(client))
        common = table, root, out, *more
        tasks = [dask.submit(work, (i, shards), *common, retries=retries, pure=False) for i in range(shards)]
        stack.callback(dask.cancel, tasks)
        try:
            for task in tqdm(as_completed(tasks), total=shards, desc="shards", unit="shard", mininterval=1):
                task.result()
        except KilledWorker as error:
            raise DataError(f"cluster: expected the workers to live. Found a shard that kills them: {error}") from error
    manifest = join(out)
    table.unlink()
    return manifest


def _extract(shard: tuple[int, int], table: Path, root: Path, out: Path, finder: FaceFinder, settings: dict) -> int:
    """Do one shard; how many rows it has."""
    return len(extract(read_table(table), root, out, finder, shard=shard, **settings))


def _expand(shard: tuple[int, int], table: Path, root: Path, out: Path, settings: dict) -> int:
    """As above, of an expansion."""
    return len(expand(read_table(table), root, out, shard=shard, **settings))
