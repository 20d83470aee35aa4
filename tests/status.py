"""Say of every stage whether this checkout has the code and results that dvc.lock knows: `python tests/status.py`.

For a clone before anything is pulled or run. The exit code is 1 if a stage's code, parameters, command or committed
results differ from dvc.lock, because its results would then not be those of the committed sources.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

#: What `dvc status` says of a path in a clone without results, and what that means.
ABSENT = {
    "deleted": "not here: made by another stage, or data that `dvc pull` brings; its hash is in dvc.lock",
    "not in cache": "results that git does not hold: `dvc pull` fetches the stored ones, `dvc repro` makes the others",
}


class Change(NamedTuple):
    """Something that is not equal to dvc.lock: of which stage, what (a path or parameter), what `dvc status` says."""

    stage: str
    what: str
    said: str


def changes(status: dict) -> Iterator[Change]:
    """The changes in what `dvc status --json` prints."""
    for stage, entries in status.items():
        for entry in entries:
            if isinstance(entry, str):  # "changed command" and the like
                yield Change(stage, "the stage", entry)
                continue
            for paths in entry.values():
                for path, said in paths.items():
                    if isinstance(said, dict):  # a file of parameters
                        for name, word in said.items():
                            yield Change(stage, f"{path} {name}", word)
                    else:
                        yield Change(stage, path, said)


def report(stages: list[str], found: list[Change]) -> tuple[str, bool]:
    """The text, and whether every stage is as dvc.lock has it apart from files that are absent."""
    lines: list[str] = []
    good = True
    for stage in stages:
        own = [change for change in found if change.stage == stage]
        wrong = [f"{change.what}: {change.said}" for change in own if change.said not in ABSENT]
        said = [change.said for change in own]
        absent = [f"{said.count(word)} {word}" for word in ABSENT if word in said]
        state = f"CHANGED: {', '.join(wrong)}" if wrong else "equal to dvc.lock"
        lacking = f" ({', '.join(absent)})" if absent else ""
        lines.append(f"  {stage:22} {state}{lacking}")
        good = good and not wrong
    lines.append(
        "Compared are code, parameters, commands and committed results. What a clone without results lacks is named:"
    )
    words = {change.said for change in found}
    for word, meaning in ABSENT.items():
        if word in words:
            lines.append(f"{word!r}: {meaning}.")
    return "\n".join(lines), good


def status(root: Path) -> dict:
    """`dvc status` of all stages. Frozen ones are thawed meanwhile, or DVC would not look at what they depend on."""
    file = root / "dvc.yaml"
    text = file.read_text()
    try:
        file.write_text(text.replace("    frozen: true\n", ""))
        command = [sys.executable, "-m", "dvc", "status", "--json"]
        return json.loads(subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=True).stdout)
    finally:
        file.write_text(text)


def main(root: Path) -> int:
    command = [sys.executable, "-m", "dvc", "stage", "list", "--all", "--name-only"]
    names = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    text, good = report(names, list(changes(status(root))))
    sys.stdout.write(f"{text}\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(Path(__file__).parents[1]))
