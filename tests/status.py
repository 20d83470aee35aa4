"""Say of every stage whether what is in this checkout is what dvc.lock was written with: python tests/status.py

For a clone before anything is pulled or run. Exit code 1 if a stage's code, parameters, command or committed results
are others than those of dvc.lock: its results would then not be those of the committed sources.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

#: What `dvc status` says of a path in a clone without results, and what that means.
ABSENT = {
    "deleted": "not here: made by another stage, or data that `dvc pull` brings; its hash is in dvc.lock",
    "not in cache": "results that git does not hold: `dvc pull` fetches the stored ones, `dvc repro` makes the others",
}


def changes(status: dict) -> Iterator[tuple[str, str, str]]:
    """(stage, path or parameter, what `dvc status --json` says of it), for all that is not equal to dvc.lock."""
    for stage, entries in status.items():
        for entry in entries:
            if isinstance(entry, str):  # "changed command" and the like
                yield stage, "the stage", entry
                continue
            for paths in entry.values():
                for path, said in paths.items():
                    parameters = said.items() if isinstance(said, dict) else [("", said)]
                    yield from ((stage, f"{path} {name}".strip(), word) for name, word in parameters)


def report(stages: list[str], found: list[tuple[str, str, str]]) -> tuple[str, bool]:
    """The text, and whether every stage is as dvc.lock has it apart from files that are absent."""
    lines, good = [], True
    for stage in stages:
        own = [(what, said) for name, what, said in found if name == stage]
        wrong = [f"{what}: {said}" for what, said in own if said not in ABSENT]
        absent = [f"{sum(said == word for _, said in own)} {word}" for word in ABSENT if word in dict(own).values()]
        state = f"CHANGED: {', '.join(wrong)}" if wrong else "equal to dvc.lock"
        lines.append(f"  {stage:22} {state}" + (f" ({', '.join(absent)})" if absent else ""))
        good = good and not wrong
    lines += [
        "Compared are code, parameters, commands and committed results. What a clone without results lacks is named:"
    ]
    words = {said for *_, said in found}
    lines += [f"{word!r}: {meaning}." for word, meaning in ABSENT.items() if word in words]
    return "\n".join(lines), good


def status(root: Path) -> dict:
    """`dvc status` of all stages; frozen ones are thawed for it, or DVC would not look at what they depend on."""
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
