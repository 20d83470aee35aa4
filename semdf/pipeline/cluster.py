"""Shards on a cluster, by Dask: when a worker is killed, its shard is done again, and no other.

    from dask.distributed import Client
    run_shards(rows, root, out, finder, 100, client=Client("tcp://SCHEDULER:8786"), frames=32)
    expand_shards(manifest, root, out, 100, client=Client("tcp://SCHEDULER:8786"), preset="sjedd", seed=0)

Needs `pip install semdf[cluster]`, and a folder `out` that all workers see.
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
    """Extract every shard on the workers of a cluster and join them: the same files and rows as one run of `extract`.

    An interrupted call goes on where it stopped when it is made again with the same arguments.

    Args:
        rows: As for `extract`, like `root`, `out` and `finder`.
        root: See `rows`.
        out: See `rows`.
        finder: See `rows`.
        shards: Their number. With several times as many as workers, no worker waits long for the last one.
        client: A Dask client, or the address of a scheduler. None takes Dask's own settings, such as
            DASK_SCHEDULER_ADDRESS, else processes of this machine.
        retries: How often a shard that ended with an error is tried again. When a worker is killed, Dask starts its
            shard again by itself: three times, unless its setting `distributed.scheduler.allowed-failures` is another.
        **settings: Further arguments of `extract`; each shard is done by one process.

    Raises:
        MissingError: Dask is not installed.
        DataError: A shard has killed more workers than Dask allows.
    """
    return _run_all(_extract, rows, shards, client, retries, (Path(root), Path(out), finder, settings))


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
    """Expand every shard on the workers of a cluster and join them: the same files as one run of `expand`.

    The manifest is written as well. A shard whose worker was killed starts from its beginning; when the call is made
    again with the same arguments, complete shards are left alone.

    Args:
        manifest: As for `expand`, like `root` and `out`.
        root: See `manifest`.
        out: See `manifest`.
        shards: As for `run_shards`, like `client` and `retries`.
        client: See `shards`.
        retries: See `shards`.
        **settings: Further arguments of `expand`.

    Raises:
        MissingError: Dask is not installed.
        DataError: A shard has killed more workers than Dask allows.
    """
    return _run_all(_expand, manifest, shards, client, retries, (Path(root), Path(out), settings))


def _run_all(
    work: Callable[..., int],
    rows: pd.DataFrame,
    shards: int,
    client: Client | str | None,
    retries: int,
    arguments: tuple[Any, ...],
) -> pd.DataFrame:
    """Do `work` for every shard and join them; `arguments` are those of `work`, from `root` and `out` on."""
    out: Path = arguments[1]
    try:
        from distributed import Client, KilledWorker, as_completed
    except ImportError as error:
        raise MissingError("cluster: needs Dask, `pip install semdf[cluster]`") from error
    if shards < 1:
        raise ParameterError(f"shards must be at least 1, found {shards}")
    table = write_table(rows, out / ".rows.parquet")  # read by each task, not sent along with it
    with ExitStack() as stack:
        dask = client if isinstance(client, Client) else stack.enter_context(Client(client))
        tasks = []
        for i in range(shards):
            tasks.append(dask.submit(work, (i, shards), table, *arguments, retries=retries, pure=False))
        stack.callback(dask.cancel, tasks)
        try:
            for task in tqdm(as_completed(tasks), total=shards, desc="shards", unit="shard", mininterval=1):
                task.result()
        except KilledWorker as error:
            raise DataError(f"cluster: workers must live, found a shard that kills them: {error}") from error
    manifest = join(out)
    table.unlink()
    return manifest


def _extract(shard: tuple[int, int], table: Path, root: Path, out: Path, finder: FaceFinder, settings: dict) -> int:
    """Extract one shard; the number of its rows."""
    return len(extract(read_table(table), root, out, finder, shard=shard, **settings))


def _expand(shard: tuple[int, int], table: Path, root: Path, out: Path, settings: dict) -> int:
    """Expand one shard; the number of its rows."""
    return len(expand(table, root, out, shard=shard, **settings))
