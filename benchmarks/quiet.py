"""Whether a measurement had the machine to itself: what other processes took of its processors meanwhile."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

__all__ = ["QUIET", "Watch", "busy", "others"]

#: Below this share of the processors taken by others the machine counts as quiet (ours).
QUIET = 0.05
_STAT = Path("/proc/stat")


class Watch:
    """Begins when it is made; `said()` gives the fields `others` and `quiet` of a row."""

    def __init__(self) -> None:
        self._start = self._now()

    def said(self) -> dict[str, float | bool | None]:
        """others: share of all processors that other processes (or other guests of the host) took since the start,
        0 to 1. quiet: whether that is below `QUIET`. Both None where /proc/stat does not tell.
        """
        if not _STAT.is_file():
            return {"others": None, "quiet": None}
        share = others(self._start, self._now(), os.cpu_count() or 1)
        return {"others": round(share, 3), "quiet": share < QUIET}

    @staticmethod
    def _now() -> tuple[float, float, float]:
        """Seconds: on the clock, of all processors, of this process and the children it has waited for."""
        whole = busy(_STAT.read_text(), os.sysconf("SC_CLK_TCK")) if _STAT.is_file() else 0.0
        uses = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return time.perf_counter(), whole, sum(use.ru_utime + use.ru_stime for use in uses)


def busy(stat: str, ticks: int) -> float:
    """Seconds in which processors worked, or were taken away by the host, from the text of /proc/stat.

    >>> busy("cpu  100 0 50 9000 20 1 4 45 0 0", 100)
    2.0
    """
    user, nice, system, _, _, interrupts, soft, stolen, *_ = (int(word) for word in stat.split("\n")[0].split()[1:])
    return (user + nice + system + interrupts + soft + stolen) / ticks


def others(start: tuple[float, float, float], end: tuple[float, float, float], processors: int) -> float:
    """Share of the processors' time that was not ours, 0 to 1; each: seconds on the clock, of all, of us.

    >>> others((0, 100, 10), (10, 116, 20), processors=2)
    0.3
    """
    seconds, whole, own = (b - a for a, b in zip(start, end, strict=True))
    return min(max((whole - own) / (seconds * processors), 0.0), 1.0) if seconds > 0 else 0.0
