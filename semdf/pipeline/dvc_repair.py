"""Put right what a killed `dvc repro` left: `python -m semdf.pipeline.dvc_repair`, then `dvc repro` again.

DVC writes `dvc.lock` and its list of locks in place. If it is killed meanwhile, it leaves half a file, which the next
DVC refuses to read. A stage whose DVC was killed also runs on, beside the same stage of the next DVC. Half written outs
do no harm: DVC removes the outs of a stage before it runs, and what the stage had finished waits in `scratch/`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from semdf.artifacts import atomic
from semdf.pipeline import ROOT

if TYPE_CHECKING:
    import psutil

__all__ = ["mend"]

#: How DVC names its temporary files.
DRAFT = re.compile(rb"\.[\w-]{22}\.tmp$")


def mend(root: Path = ROOT) -> list[str]:
    """Mend the repository of DVC in `root`; nothing is touched while a DVC works there.

    Stages that run on without their DVC are ended, and the locks of dead processes are removed. A damaged `dvc.lock` is
    replaced by the committed one; DVC then takes stages that are missing in it from its cache of runs.

    Returns:
        A sentence for each thing that was done.
    """
    root = Path(root).resolve()
    working = _processes_of_dvc(root)
    if working:
        return [f"nothing mended: DVC is at work, process {working[0].pid}"]
    done = _end_stages(root)
    done += _remove_locks(root / ".dvc" / "tmp" / "rwlock")
    done += _restore_lock_file(root)
    done += _remove_drafts(root)
    return done


def _processes_of_dvc(root: Path) -> list[psutil.Process]:
    """Processes of DVC that work in the folder."""
    import psutil

    found = []
    for process in psutil.process_iter(["cmdline", "cwd", "status"]):
        command = process.info["cmdline"] or []
        folder = process.info["cwd"]
        is_dvc = "dvc" in [Path(word).name for word in command[:3]]
        inside = bool(folder) and Path(folder).is_relative_to(root)
        if is_dvc and inside and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def _end_stages(root: Path) -> list[str]:
    """End commands that a DVC of this folder started, and what they started: their environment names the folder."""
    import psutil

    spared = {os.getpid(), *(process.pid for process in psutil.Process().parents())}
    ended: list[psutil.Process] = []
    stages: set[str] = set()
    for process in psutil.process_iter():
        try:
            variables = process.environ()
            place = variables.get("DVC_ROOT")
            stage = variables.get("DVC_STAGE")
            if place and stage and Path(place).resolve() == root and process.pid not in spared:
                process.kill()
                ended.append(process)
                stages.add(stage)
        except psutil.Error:  # another user's process, or one that has ended meanwhile
            continue
    psutil.wait_procs(ended, timeout=10)
    return [f"ended what was left of stage {stage}" for stage in sorted(stages)]


def _remove_locks(path: Path) -> list[str]:
    """Remove DVC's list of readers and writers.

    None of them is alive. DVC could take another process for one of them that has got its number since.
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


def _restore_lock_file(root: Path) -> list[str]:
    """Replace a damaged `dvc.lock` by the committed one."""
    path = root / "dvc.lock"
    if not path.is_file():
        return []
    committed = subprocess.run(["git", "show", "HEAD:./dvc.lock"], cwd=root, capture_output=True)
    if _is_whole(path.read_bytes(), committed.stdout, root / "dvc.yaml"):
        return []
    if committed.returncode:
        path.unlink()
        return ["removed a damaged dvc.lock, of which no commit has another"]
    with atomic(path) as draft:
        draft.write_bytes(committed.stdout)
    return ["put the committed dvc.lock in the place of a damaged one"]


def _remove_drafts(root: Path) -> list[str]:
    """Remove DVC's temporary files, and empty folders in its cache of runs, at each of which DVC ends with an error."""
    listed = subprocess.run(["git", "ls-files", "--others", "-z"], cwd=root, capture_output=True)
    drafts = [root / os.fsdecode(name) for name in listed.stdout.split(b"\0") if DRAFT.search(name)]
    for path in drafts:
        path.unlink()
    runs = (root / ".dvc" / "cache" / "runs").glob("*/*")
    begun = [path for path in runs if path.is_dir() and not any(path.iterdir())]
    for path in begun:
        path.rmdir()
    count = len(drafts) + len(begun)
    return [f"removed drafts of DVC: {count}"] if count else []


def _is_whole(text: bytes, committed: bytes, pipeline: Path) -> bool:
    """Whether a lock file was written to its end.

    It then has every stage that the committed one has, and all outs of its last stage. Stages that `pipeline` no longer
    has do not count.
    """
    try:
        stages = dict(YAML(typ="safe").load(text)["stages"])
        before = dict(YAML(typ="safe").load(committed)["stages"]) if committed else {}
        planned: Any = YAML(typ="safe").load(pipeline)
        known = set(planned["stages"])
        lost = [name for name in before if name not in stages and name.partition("@")[0] in known]
        name, last = list(stages.items())[-1]
        complete = {out["path"] for out in last["outs"] if _has_all_fields(out)}
        wanted = {out["path"] for out in (before.get(name) or last)["outs"]}
        last_is_whole = len(complete) == len(last["outs"]) and complete >= wanted
    except (YAMLError, KeyError, TypeError, ValueError, IndexError):
        return False
    return text.endswith(b"\n") and last_is_whole and not lost


def _has_all_fields(out: dict) -> bool:
    """Whether an out of a stage has its hash and size and, if it is a folder, the number of its files."""
    is_folder = out.get("md5", "").endswith(".dir")
    return {"hash", "md5", "size"} <= set(out) and ("nfiles" in out or not is_folder)


@click.command()
@click.argument("root", type=click.Path(path_type=Path, exists=True, file_okay=False), default=ROOT)
def main(root: Path) -> None:
    """Put right what a killed `dvc repro` left in ROOT; then run it again."""
    for said in mend(root):
        click.echo(said)


if __name__ == "__main__":
    main()
