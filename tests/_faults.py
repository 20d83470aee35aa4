"""Work on a full disk, or in a folder that may not be written: for the processes of tests/across/test_faults.py.

A limit on the size of a file stands for the full disk: the system takes what fits and refuses the rest, anywhere in
the middle of a write. The last line that is printed is JSON: what was said and what was wrong, by case.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import papermill
import pyarrow.parquet  # noqa: F401  it must be loaded before the process gives up its rights to read files
import torch
from _media import draw, landmarks
from safetensors.torch import save_file  # noqa: F401  the same

from semdf import artifacts
from semdf.evaluation import detector
from semdf.extraction.extract import extract
from semdf.faces.finders import Face
from semdf.forging.expand import expand
from semdf.pipeline import nb, publish
from semdf.storage.tars import encode_png
from semdf.training import checkpoints, train
from semdf.training.datasets import Samples

UNLIMITED = resource.RLIM_INFINITY


class Drawn:
    """Finds the drawn face where it was drawn."""

    def fingerprint(self) -> str:
        return "drawn"

    def find(self, frames, key, indices):
        points = landmarks()
        return [Face(np.concatenate([points.min(0), points.max(0)]), points) for _ in frames]


def pictures(root: Path, count: int = 4) -> pd.DataFrame:
    """Pictures of drawn faces of as many people, and a layout's table of them."""
    root.mkdir(exist_ok=True)
    for number in range(count):
        if not (root / f"{number}.png").is_file():  # a new date would make it another picture for the extraction
            (root / f"{number}.png").write_bytes(encode_png(draw(landmarks(), 128, number)))
    rows = pd.DataFrame({"target": [str(number) for number in range(count)]})
    rows["manipulation"] = ["ab"[number % 2] for number in range(count)]
    rows["video"] = "d/" + rows["manipulation"] + "/" + rows["target"]
    rows["path"] = rows["target"] + ".png"
    return rows.assign(dataset="d", label="real", split="train", source="", pristine="", compression="")


def extraction(root: Path, out: Path) -> None:
    extract(pictures(root), root, out, Drawn(), size=64, frames=1)


def expansion(root: Path, out: Path) -> None:
    manifest = extract(pictures(root), root, root / "faces", Drawn(), size=96, frames=1, alignment="native")
    made = expand(manifest, root / "faces", out, seed=0, per_image=2)
    artifacts.write_table(made, out / "manifest.parquet")


def table(root: Path, out: Path) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.random((400, 6)), columns=list("abcdef"))
    artifacts.write_table(frame, out / "a.parquet")
    artifacts.write_table(frame, out / "a.csv")


def metrics(root: Path, out: Path) -> None:
    artifacts.write_json({"a": list(range(4000))}, out / "a.json")


def weights(root: Path, out: Path) -> None:
    artifacts.write_weights({"a": torch.arange(6000.0)}, out / "a.safetensors")


def checkpoint(root: Path, out: Path) -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(60, 60)
    checkpoints.keep(out, {"model": model}, [{"epoch": 1}])


def made(path: Path) -> Path:
    """A notebook that can be a stage."""
    first = nbformat.v4.new_code_cell("x = 1", id="a", metadata={"tags": ["parameters"]})
    nbformat.write(nbformat.v4.new_notebook(cells=[first, nbformat.v4.new_markdown_cell("a" * 4000, id="b")]), path)
    return path


def notebook(root: Path, out: Path) -> None:
    """A stage whose notebook is copied instead of executed."""
    source = root / "n.ipynb"
    if not source.is_file():
        made(source)
    nb.ROOT = root
    papermill.execute_notebook = lambda source, draft, **_: shutil.copyfile(source, draft)
    nb.run(source, out / "n.ipynb", {})


def rendering(root: Path, out: Path) -> None:
    for path in (root / "a.ipynb", root / "b.ipynb"):
        if not path.is_file():
            long = nbformat.v4.new_markdown_cell(path.stem * 4000, id=path.stem)
            nbformat.write(nbformat.v4.new_notebook(cells=[long]), path)
    publish.render(out, (root / "a.ipynb", root / "b.ipynb"))


def scores(root: Path, out: Path) -> None:
    """Crops in a tar, scored by a detector that looks at nothing."""
    manifest = extract(pictures(root), root, root / "faces", Drawn(), size=64, frames=1)
    artifacts.write_table(manifest.assign(target=""), root / "faces" / "all.parquet")
    table = detector.score_manifest(Blind(), root / "faces" / "all.parquet", ["train"])
    artifacts.write_table(table, out / "a.parquet")


class Blind:
    """Gives every crop the same marginals."""

    nodes = ("fake", "eye")
    model = torch.nn.Linear(1, 1)

    def score(self, crops, batch):
        return np.full((len(crops), 2), 0.5, np.float32)


def handover(root: Path, out: Path) -> None:
    """What a training of several processes gives to them."""
    rows = pd.DataFrame({"manipulation": ["a"] * 4})
    train._hand_over(Samples(rows, torch.ones(4, 8, 8, 3), *torch.ones(3, 4)), out)


def contents(out: Path) -> dict[str, bytes]:
    """Every file by its name."""
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}


def full(name: str, root: Path, out: Path) -> dict:
    """Work under ever higher limits, then without; what was said, and what was wrong."""
    work = globals()[name]
    work(root, out / "plain")  # makes the inputs, too
    plain = contents(out / "plain")
    wrong: list[str] = []
    said: list[str] = []
    limits = {0, 100, 600}
    for data in plain.values():
        size = len(data)
        limits |= {int(size * 0.3), int(size * 0.9), size - 1}
    for limit in sorted(limits):
        target = out / f"{limit}"
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, UNLIMITED))
        try:
            work(root, target)
            problem = ""
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))
        said.append(problem)
        whole = contents(target) if target.exists() else {}
        wrong += [f"{limit}: {path} is not as without a limit" for path, d in whole.items() if d != plain.get(path)]
        work(root, target)
        if contents(target) != plain:
            wrong.append(f"{limit}: started again, it ends otherwise")
        if left := [p.name for p in out.iterdir() if p.name not in {"plain", f"{limit}"}]:
            wrong.append(f"{limit}: left {left}")
        shutil.rmtree(target)
    return {"said": said, "wrong": wrong}


def forbidden(name: str, root: Path, out: Path) -> dict:
    """Work into a folder that belongs to somebody else; what was said, and whether anything was left."""
    work = globals()[name]
    work(root, out / "plain")
    shutil.rmtree(out / "plain")
    out.chmod(0o555)
    me = os.geteuid()
    if me == 0:  # whom rights do not stop
        os.seteuid(65534)
    try:
        work(root, out / "new")
        problem = ""
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
    finally:
        os.seteuid(me)
    return {"said": [problem], "wrong": [p.name for p in out.iterdir()]}


if __name__ == "__main__":
    kind, home, *cases = sys.argv[1:]
    found = {}
    for case in cases:
        folders = [Path(home, case, name) for name in ("in", "out")]
        for folder in folders:
            folder.mkdir(parents=True)
        found[case] = globals()[kind](case, *folders)
        folders[1].chmod(0o755)
    print(json.dumps(found))
