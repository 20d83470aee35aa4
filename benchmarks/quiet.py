"""Whether a measurement had the machine to itself: what other processes took of its processors meanwhile."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path
from typing import NamedTuple

__all__ = ["QUIET", "Moment", "Watch", "busy", "others"]

#: Below this share of the processors taken by others the machine counts as quiet (ours).
QUIET = 0.05
_STAT = Path("/proc/stat")


class Moment(NamedTuple):
    """Seconds so far: on the clock, of all processors, of this process and the children that it has waited for."""

    clock: float
    all: float
    ours: float


class Watch:
    """Begins when it is made; `said()` gives the fields `others` and `quiet` of a row."""

    def __init__(self) -> None:
        self._start = self._now()

    def said(self) -> dict[str, float | bool | None]:
        """Whether the machine was quiet since the start.

        Returns:
            `others`: the share of all processors that other processes, or other guests of the host, took, 0 to 1.
            `quiet`: whether that is below `QUIET`. Both are None where there is no /proc/stat.
        """
        if not _STAT.is_file():
            return {"others": None, "quiet": None}
        share = others(self._start, self._now(), os.cpu_count() or 1)
        return {"others": round(share, 3), "quiet": share < QUIET}

    @staticmethod
    def _now() -> Moment:
        whole = busy(_STAT.read_text(), os.sysconf("SC_CLK_TCK")) if _STAT.is_file() else 0.0
        own = resource.getrusage(resource.RUSAGE_SELF)
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        ours = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
        return Moment(time.perf_counter(), whole, ours)


def busy(stat: str, ticks: int) -> float:
    """Seconds in which processors worked, or were taken away by the host, from the text of /proc/stat.

    >>> busy("cpu  100 0 50 9000 20 1 4 45 0 0", 100)
    2.0
    """
    user, nice, system, _, _, interrupts, soft, stolen, *_ = (int(word) for word in stat.split("\n")[0].split()[1:])
    return (user + nice + system + interrupts + soft + stolen) / ticks


def others(start: Moment, end: Moment, processors: int) -> float:
    """Share of the processors' time between two moments that was not ours, 0 to 1.

    >>> others(Moment(0, 100, 10), Moment(10, 116, 20), processors=2)
    0.3
    """
    seconds = end.clock - start.clock
    if seconds <= 0:
        return 0.0
    foreign = (end.all - start.all) - (end.ours - start.ours)
    return min(max(foreign / (seconds * processors), 0.0), 1.0)
