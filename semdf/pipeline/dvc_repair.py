"""What a killed `dvc repro` leaves behind is put right: `python -m semdf.pipeline.dvc_repair`, then `dvc repro` again.

DVC writes `dvc.lock` and its list of locks in place, so a process that is killed meanwhile leaves half of one, which
the next refuses to read; and a stage whose DVC was killed runs on, beside the one that is started next. Half written
outs are no matter: DVC removes the outs of a stage before it runs, and what the stage had finished waits in `scratch/`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import click
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from semdf.artifacts import atomic
from semdf.pipeline import ROOT

__all__ = ["mend"]

#: How DVC names its temporary files.
DRAFT = re.compile(rb"\.[\w-]{22}\.tmp$")


def mend(root: Path = ROOT) -> list[str]:
    """End stages without their DVC, drop locks of dead processes, and take the committed `dvc.lock` for a damaged one:
    stages that it does not know as done come from DVC's cache of runs. A sentence for each thing that was done.

    Nothing is touched while a DVC works in `root`.
    """
    root = Path(root).resolve()
    if living := _living(root):
        return [f"nothing mended: DVC is at work, process {living[0].pid}"]
    return [*_stages(root), *_locks(root / ".dvc" / "tmp" / "rwlock"), *_lock_file(root), *_drafts(root)]


def _living(root: Path) -> list:
    """Processes of DVC that work in the folder."""
    import psutil

    found = []
    for process in psutil.process_iter(["cmdline", "cwd", "status"]):
        words = [Path(word).name for word in (process.info["cmdline"] or [])[:3]]
        inside = process.info["cwd"] and Path(process.info["cwd"]).is_relative_to(root)
        if "dvc" in words and inside and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def _stages(root: Path) -> list[str]:
    """End what DVC started here and left: its commands, and theirs, know the folder by their environment."""
    import psutil

    spared = {os.getpid(), *(process.pid for process in psutil.Process().parents())}
    ended = []
    for process in psutil.process_iter():
        try:
            place, stage = (process.environ().get(name) for name in ("DVC_ROOT", "DVC_STAGE"))
            if place and stage and Path(place).resolve() == root and process.pid not in spared:
                process.kill()
                ended.append((process, stage))
        except psutil.Error:  # another user's, or gone meanwhile
            continue
    psutil.wait_procs([process for process, _ in ended], timeout=10)
    return [f"ended what was left of stage {stage}" for stage in sorted({stage for _, stage in ended})]


def _locks(path: Path) -> list[str]:
    """Remove DVC's list of readers and writers: none of them is alive, though another process may have the number of
    one.
    """
    try:
        empty = not any(json.loads(path.read_text()).values())
    except FileNotFoundError:
        return []
    except (ValueError, AttributeError):
        empty = False
    if empty:
        return []
    path.unlink()
    return ["removed the locks of a DVC that was killed"]


def _lock_file(root: Path) -> list[str]:
    path = root / "dvc.lock"
    found = subprocess.run(["git", "show", "HEAD:./dvc.lock"], cwd=root, capture_output=True)
    text = path.read_bytes() if path.is_file() else b""
    if not path.is_file() or _whole(text, found.stdout, root / "dvc.yaml"):
        return []
    if found.returncode:
        path.unlink()
        return ["removed a damaged dvc.lock, of which no commit has another"]
    with atomic(path) as draft:
        draft.write_bytes(found.stdout)
    return ["put the committed dvc.lock in the place of a damaged one"]


def _drafts(root: Path) -> list[str]:
    """Remove files that DVC was about to rename, and those with which it tries what the file system can; and entries of
    its cache of runs that were begun, on which it stumbles for ever.
    """
    listed = subprocess.run(["git", "ls-files", "--others", "-z"], cwd=root, capture_output=True).stdout.split(b"\0")
    drafts = [root / os.fsdecode(name) for name in listed if DRAFT.search(name)]
    for path in drafts:
        path.unlink()
    begun = [p for p in (root / ".dvc" / "cache" / "runs").glob("*/*") if p.is_dir() and not any(p.iterdir())]
    for path in begun:
        path.rmdir()
    return [f"removed drafts of DVC: {len(drafts) + len(begun)}"] if drafts or begun else []


def _whole(text: bytes, committed: bytes, pipeline: Path) -> bool:
    """Whether a lock file has its end: all stages that the committed one has, and the last of them in full."""
    try:
        stages = dict(YAML(typ="safe").load(text)["stages"])
        before = dict(YAML(typ="safe").load(committed)["stages"]) if committed else {}
        planned: Any = YAML(typ="safe").load(pipeline)
        known = set(planned["stages"])
        lost = [name for name in before if name not in stages and name.partition("@")[0] in known]
        name, last = list(stages.items())[-1]
        paths = {out["path"] for out in last["outs"] if _full(out)}
        whole = len(paths) == len(last["outs"]) and paths >= {out["path"] for out in (before.get(name) or last)["outs"]}
    except (YAMLError, KeyError, TypeError, ValueError, IndexError):
        return False
    return text.endswith(b"\n") and whole and not lost


def _full(out: dict) -> bool:
    return {"hash", "md5", "size"} <= set(out) and (not out["md5"].endswith(".dir") or "nfiles" in out)


@click.command(help="Put right what a killed `dvc repro` left; then run it again.")
@click.argument("root", type=click.Path(path_type=Path, exists=True, file_okay=False), default=ROOT)
def main(root: Path) -> None:
    for said in mend(root):
        click.echo(said)


if __name__ == "__main__":
    main()
