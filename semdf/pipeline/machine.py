"""The name of the machine that something was measured on, without its host's name."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

__all__ = ["machine", "processor"]


def machine(threads: int | None = None) -> str:
    """Processor, logical cores and, if given, threads: "AMD EPYC, family 25 model 17, 2 logical cores, 1 thread"."""
    info = Path("/proc/cpuinfo")
    model = processor(info.read_text()) if info.is_file() else ""
    parts = [model or platform.machine(), _counted(os.cpu_count() or 1, "logical core")]
    if threads is not None:
        parts.append(_counted(threads, "thread"))
    return ", ".join(parts)


def processor(text: str) -> str:
    r"""Model name, family and model number of the first processor in the text of /proc/cpuinfo; "" if it has no name.

    >>> processor("model name : AMD EPYC\ncpu family : 25\nmodel : 17\n")
    'AMD EPYC, family 25 model 17'
    """
    first = text.split("\n\n")[0]
    said = {key.strip(): value.strip() for key, value in re.findall(r"^([^:\n]+):(.*)$", first, re.M)}
    name = said.get("model name", "")
    if name and "cpu family" in said and "model" in said:
        return f"{name}, family {said['cpu family']} model {said['model']}"
    return name


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
