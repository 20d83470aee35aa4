"""DVC that kills itself and all of its process group at a given event: `python _dvc.py EVENTS AT COMMAND...`.

An event is a change of a file below the folder, or the start of a stage; each is written to the file EVENTS. A file
that is being written when the process dies is cut to half its length, as if the write had been interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

HERE = f"{os.path.realpath(os.getcwd())}/"


def main(events: Path, at: int, command: list[str]) -> int:
    """Run DVC with the words of `command`, and die at the event of number `at`."""
    number = 0
    log = events.open("w")

    def hook(event: str, values: tuple) -> None:
        nonlocal number
        place = _place(event, values)
        if not place:
            return
        number += 1
        if number == at:
            if event == "open":
                _halve(HERE + place)
            os.killpg(0, signal.SIGKILL)
        print(event, place, sep="\t", file=log, flush=True)

    sys.addaudithook(hook)
    from dvc.cli import main as dvc

    return dvc(command)


def _place(event: str, values: tuple) -> str:
    """What an event is about: the command of a process, or a file below the folder; empty for what does not count."""
    if event == "subprocess.Popen":
        words = values[1]
        return " ".join(words) if isinstance(words, list) else str(words)
    if event in ("os.rename", "os.link"):
        changed = values[1]
    elif event in ("os.remove", "os.symlink") or (event == "open" and _writes(values)):
        changed = values[0]
    else:
        return ""
    place = os.path.realpath(os.fsdecode(changed))
    counts = place.startswith(HERE) and "/__pycache__" not in place
    return place.removeprefix(HERE) if counts else ""


def _writes(values: tuple) -> bool:
    """Whether a file is opened for writing."""
    path, _, flags = values
    return isinstance(path, str | bytes | os.PathLike) and bool(flags & (os.O_WRONLY | os.O_RDWR))


def _halve(path: str) -> None:
    """Cut a file to half its length."""
    whole = os.path.getsize(path) if os.path.exists(path) else 0
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT))
    os.truncate(path, whole // 2)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
