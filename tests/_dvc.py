"""DVC that kills itself and all of its process group at a given event: python _dvc.py EVENTS AT COMMAND...

An event is whatever changes a file below the folder, and the start of a stage; each is written to the file EVENTS. A
file that is just being written when the process dies is there by half, as it is where a write was cut off.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

HERE = f"{os.path.realpath(os.getcwd())}/"


def main(events: Path, at: int, command: list[str]) -> int:
    number, log = 0, events.open("w")

    def hook(event: str, values: tuple) -> None:
        nonlocal number
        if event == "subprocess.Popen":
            place = " ".join(values[1]) if isinstance(values[1], list) else str(values[1])
        elif event in ("os.rename", "os.remove", "os.link", "os.symlink") or (event == "open" and _writes(values)):
            place = os.path.realpath(os.fsdecode(values[1 if event in ("os.rename", "os.link") else 0]))
            if not place.startswith(HERE) or "/__pycache__" in place:
                return
            place = place.removeprefix(HERE)
        else:
            return
        number += 1
        if number == at:
            if event == "open":
                _half(HERE + place)
            os.killpg(0, signal.SIGKILL)
        print(event, place, sep="\t", file=log, flush=True)

    sys.addaudithook(hook)
    from dvc.cli import main as dvc

    return dvc(command)


def _writes(values: tuple) -> bool:
    path, _, flags = values
    return isinstance(path, str | bytes | os.PathLike) and bool(flags & (os.O_WRONLY | os.O_RDWR))


def _half(path: str) -> None:
    whole = os.path.getsize(path) if os.path.exists(path) else 0
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT))
    os.truncate(path, whole // 2)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
