"""Processes that share work: each computes with one thread, and ends when the process that started it is gone."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from typing import Any

import cv2

__all__ = ["worker_pool"]


def worker_pool(workers: int, first: Callable[..., None] | None = None, *args: Any) -> ProcessPoolExecutor:
    """A pool of `workers` fresh processes, each of which calls `first(*args)` before its work."""
    return ProcessPoolExecutor(workers, get_context("spawn"), initializer=_begin, initargs=(first, args))


def _begin(first: Callable[..., None] | None, args: tuple[Any, ...]) -> None:
    """What a process of the pool does first."""
    cv2.setNumThreads(1)
    parent = parent_process()
    assert parent, "this is a process of the pool"
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    if first is not None:
        first(*args)


def _end_with(sentinel: int) -> None:
    """End this process when the one of the sentinel has ended, even killed."""
    wait([sentinel])
    os._exit(1)
