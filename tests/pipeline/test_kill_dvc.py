"""`dvc repro` killed at any moment, mended and started again ends with the bytes of one that nothing disturbed.

In a small project of its own: a stage that writes crops by the modules of the package, one that copies them,
and, for the kills from outside, one that runs a notebook. A handful of points from a seed; with
HYPOTHESIS_PROFILE=nightly a hundred.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest
from ruamel.yaml import YAML

from semdf.pipeline import ROOT
from semdf.pipeline.dvc_repair import mend

VICTIM = Path(__file__).parents[1] / "_dvc.py"
NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"

MAKE = """
import numpy as np, pandas as pd
from semdf.artifacts import write_json, write_table
from semdf.pipeline import ROOT
from semdf.storage.tars import ShardWriter, encode_png
random = np.random.default_rng(0)
with ShardWriter(ROOT / "crops" / "a.tar") as tar:
    for i in range(3):
        tar.add(f"{i}.png", encode_png(random.integers(0, 255, (32, 32, 3), np.uint8)))
write_table(pd.DataFrame(random.random((200, 3)), columns=list("abc")), ROOT / "crops" / "manifest.parquet")
write_json({"n": 3}, ROOT / "metrics.json")
"""

SLOW = """
import time
from semdf.artifacts import write_json
from semdf.pipeline import ROOT
out = ROOT / out_dir
out.mkdir(exist_ok=True)
for i in range(3):
    (out / f"{i}.txt").write_text("half")
    time.sleep(pause)
    write_json({"i": i, "seed": seed}, out / f"{i}.txt")
print("written")
"""

STAGES = {
    "make": {
        "cmd": "python make.py",
        "deps": ["make.py"],
        "outs": ["crops"],
        "metrics": [{"metrics.json": {"cache": False}}],
    },
    "copy": {
        "cmd": "python -m semdf.pipeline.publish shown crops/a.tar metrics.json",
        "deps": ["crops", "metrics.json"],
        "outs": [{"shown": {"cache": False}}],
    },
    "count": {
        "cmd": "python -c \"import os; print(len(os.listdir('shown')), file=open('count.txt', 'w'))\"",
        "deps": ["shown"],
        "outs": ["count.txt"],
    },
}
NOTEBOOK = {
    "run": {
        "cmd": "python -m semdf.pipeline.nb slow.ipynb made/slow.ipynb --set out_dir=made --set seed=7 --set pause=0.3",
        "deps": ["slow.ipynb"],
        "outs": ["made"],
    },
}


def project(root: Path, stages: dict, committed: bool = True) -> Path:
    """A repository of git and DVC with these stages, which have run once if `committed`, with another make.py."""
    shutil.copytree(ROOT / "semdf", root / "semdf", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "params.yaml", root)
    tagged = {"tags": ["parameters"]}
    first = nbformat.v4.new_code_cell('out_dir = "made"\nseed = 0\npause = 0.1', id="a", metadata=tagged)
    second = nbformat.v4.new_code_cell(SLOW, id="b")
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=[first, second], metadata=kernel), root / "slow.ipynb")
    (root / ".dvc").mkdir()
    (root / ".dvc" / "config").write_text("[core]\n    analytics = false\n    check_update = false\n")
    (root / ".gitignore").write_text("/crops\n/count.txt\n/made\n/logs/\n/.dvc/tmp\n/.dvc/cache\n__pycache__/\n")
    YAML().dump({"stages": stages}, root / "dvc.yaml")
    (root / "make.py").write_text(MAKE.replace("rng(0)", "rng(1)"))
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], cwd=root, check=True)
    if committed:
        assert repro(root).wait() == 0, told(root)
    for words in (["add", "-A"], ["commit", "-qm", "all"]):
        subprocess.run([*git, *words], cwd=root, check=True)
    (root / "make.py").write_text(MAKE)
    return root


def repro(root: Path, at: int = 0) -> subprocess.Popen:
    """`dvc repro` in a process group of its own, which dies at the event `at`."""
    own = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(root),
        "DVC_SITE_CACHE_DIR": str(root / ".dvc" / "tmp" / "site"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "DVC_NO_ANALYTICS": "1",
    }
    log = root.with_name(f"{root.name}.log").open("ab")
    command = [sys.executable, str(VICTIM), str(root.with_name(f"{root.name}.events")), str(at), "repro"]
    return subprocess.Popen(command, cwd=root, env=os.environ | own, stdout=log, stderr=log, start_new_session=True)


def contents(root: Path) -> dict[str, str]:
    """Every file that a user sees, hidden ones as well, by its hash; a file of DVC's cache is what its name says."""
    found = {}
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        name = path.relative_to(root)
        if name.parts[0] in (".git", "logs", "semdf") or name.parts[:2] == (".dvc", "tmp"):
            continue
        if name.parts[:3] == (".dvc", "cache", "files"):
            assert path.parent.name + path.name.removesuffix(".dir") == hashlib.md5(path.read_bytes()).hexdigest(), name
        elif name.parts[:2] != (".dvc", "cache"):
            found[name.as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def told(root: Path) -> str:
    return root.with_name(f"{root.name}.log").read_text()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A project before its run, what an undisturbed run makes of a copy, and that run's events."""
    folder = tmp_path_factory.mktemp("whole")
    shutil.copytree(project(folder / "before", STAGES), folder / "after")
    assert repro(folder / "after").wait() == 0, told(folder / "after")
    events = [line.split("\t") for line in (folder / "after.events").read_text().splitlines()]
    return folder / "before", contents(folder / "after"), events


def points(events: list[list[str]]) -> list[int]:
    """Events to die at: one at least of each kind that matters, others from a seed."""
    random = np.random.default_rng(0)
    kinds = [
        lambda event, place: place == "dvc.lock",
        lambda event, place: place == ".dvc/tmp/rwlock",
        lambda event, place: event == "subprocess.Popen" and "make.py" in place,
        lambda event, place: event == "os.rename" and "/cache/files/" in place,
        lambda event, place: event == "open" and "/cache/runs/" in place,
        lambda event, place: event == "os.remove" and not place.startswith(".dvc"),
    ]
    chosen = []
    for kind in kinds:
        fitting = [number for number, event in enumerate(events, 1) if kind(*event)]
        chosen.append(int(random.choice(fitting)))
    more = random.choice(np.arange(1, len(events) + 1), min(95 if NIGHTLY else 3, len(events)), replace=False)
    return sorted({*chosen, *map(int, more)})


def test_killed_at_an_event(whole, tmp_path):
    before, good, events = whole
    assert len(events) > 40
    mended = []
    for at in points(events):
        root = shutil.copytree(before, tmp_path / str(at))
        code = repro(root, at).wait()
        assert code == -signal.SIGKILL or at > len(events) - 5, (at, code)  # threads of DVC make an event more or less
        mended += mend(root)
        assert repro(root).wait() == 0, (at, events[at - 1], told(root))
        assert contents(root) == good, (at, events[at - 1])
        assert not mend(root)
    assert any("dvc.lock" in said for said in mended) and any("locks" in said for said in mended)


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """A project that runs a notebook, before its run, and what an undisturbed run makes of a copy."""
    folder = tmp_path_factory.mktemp("notebook")
    after = shutil.copytree(project(folder / "before", NOTEBOOK, committed=False), folder / "after")
    assert repro(after).wait() == 0, told(after)
    return folder / "before", contents(after)


@pytest.mark.parametrize("who", ["group", "dvc"])
def test_killed_while_a_notebook_writes(notebook, tmp_path, who):
    """With all of its process group, or alone: then the notebook would run on beside the one that is started next."""
    root = shutil.copytree(notebook[0], tmp_path / "p")
    process = repro(root)
    while not (root / "made" / "1.txt").exists():
        assert process.poll() is None, told(root)
        time.sleep(0.05)
    (os.killpg if who == "group" else os.kill)(process.pid, signal.SIGKILL)
    process.wait()
    said = mend(root)
    assert who == "group" or "ended what was left of stage run" in said
    assert repro(root).wait() == 0, told(root)
    assert contents(root) == notebook[1] and (root / "made" / "2.txt").read_text() != "half"


def test_what_is_sound_is_left_alone(whole, tmp_path):
    before, *_ = whole
    root = shutil.copytree(before, tmp_path / "p")
    assert mend(root) == []
    lock, rwlock = root / "dvc.lock", root / ".dvc" / "tmp" / "rwlock"
    good = lock.read_bytes()
    for text in (good[: len(good) // 2], good[:-1], b"", good[: good.rindex(b"    - path")], b"\xff"):
        lock.write_bytes(text)
        assert mend(root) == ["put the committed dvc.lock in the place of a damaged one"] and lock.read_bytes() == good
    pipeline = root / "dvc.yaml"
    pipeline.write_text(pipeline.read_text().replace("count:", "number:"))  # a stage that was renamed is not lost
    document = YAML(typ="safe").load(good)
    del document["stages"]["count"]
    YAML().dump(document, lock)
    assert mend(root) == []
    for text, said in (('{"write": {}, "read": {}}', []), ("", ["removed the locks of a DVC that was killed"])):
        rwlock.write_text(text)
        assert mend(root) == said
    # the number of a dead process may by now be another's, which DVC would wait for in vain
    rwlock.write_text(json.dumps({"write": {str(root / "crops"): {"pid": os.getpid(), "cmd": "repro"}}}))
    assert mend(root) == ["removed the locks of a DVC that was killed"] and not rwlock.exists()


def test_begun_entries_of_the_cache_of_runs_are_removed(whole, tmp_path):
    """DVC ends with an error at an empty folder there."""
    root = shutil.copytree(whole[0], tmp_path / "p")
    entries = [path for path in (root / ".dvc" / "cache" / "runs").rglob("*") if path.is_file()]
    begun = [root / ".dvc" / "cache" / "runs" / "ab" / name for name in ("abc", "abd")]
    for folder in begun:
        folder.mkdir(parents=True)
    (begun[0] / ".abcdefghijklmnop-_1234.tmp").write_text("half")
    assert entries and mend(root) == ["removed drafts of DVC: 3"] and mend(root) == []
    assert not any(folder.exists() for folder in begun) and all(path.exists() for path in entries)


def test_nothing_is_mended_while_dvc_is_at_work(tmp_path):
    (tmp_path / "dvc").write_text("import time; time.sleep(60)")
    (tmp_path / "dvc.lock").write_text("half")
    process = subprocess.Popen([sys.executable, "dvc", "repro"], cwd=tmp_path)
    try:
        assert mend(tmp_path) == [f"nothing mended: DVC is at work, process {process.pid}"]
    finally:
        process.kill()
        process.wait()
    assert (tmp_path / "dvc.lock").read_text() == "half"
