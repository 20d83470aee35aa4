"""A process that reads files which may crash it: one line of JSON in (what, path), one line of JSON out.

Its memory is limited: a file that asks for more than that ends the process, and is not taken for one that is refused.
"""

from __future__ import annotations

import json
import os
import resource
import select
import subprocess
import sys
from pathlib import Path

LIMIT = 1_000_000  # pixels


def frames(path: Path) -> dict:
    from semdf.extraction.video import Limits, read_frames

    sample = read_frames(path, 5, Limits(LIMIT, 10**8))
    return {"shapes": [image.shape for image in sample.images], "indices": sample.indices}


def tar(path: Path) -> dict:
    from semdf.errors import SemdfError
    from semdf.storage.tars import ShardReader

    reader = ShardReader(path)
    shapes = []
    for member in reader.members:
        try:
            shapes.append(reader.image(member).shape)
        except SemdfError as error:
            assert path.name in str(error) and member in str(error), error
    return {"shapes": shapes}


def table(path: Path) -> dict:
    from semdf.artifacts import read_table
    from semdf.storage.manifest import COLUMNS, LAYOUT

    return {"rows": len(read_table(path, (*LAYOUT, *COLUMNS)))}


def annotations(path: Path) -> dict:
    """Every video in turn: what one holds does not decide about the others."""
    import numpy as np

    from semdf.errors import SemdfError
    from semdf.faces.finders import Annotated

    finder = Annotated(path, 10**6)
    found: dict[str, object] = {}
    for key in "abc":
        try:
            faces = finder.find([np.zeros((12, 12, 3), np.uint8)] * 4, key, [0, 1, 2, 3])
        except SemdfError as error:
            assert path.name in str(error), error
            found[key] = "refused"
            continue
        found[key] = [face is not None for face in faces]
        for face in faces:
            if face is not None:
                assert face.landmarks.shape == (68, 2) and np.abs(face.landmarks).max() < 1e6
                assert face.regions is None or face.regions.shape == (12, 12)
    return {"faces": found}


def weights(path: Path) -> dict:
    from semdf.artifacts import read_weights

    return {"names": sorted(read_weights(path))}


def tensors(path: Path) -> dict:
    from semdf.artifacts import read_tensors

    return {"names": sorted(map(str, read_tensors(path)))}


def serve() -> None:
    from semdf.errors import SemdfError

    resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30, 8 * 2**30))
    for line in sys.stdin:
        what, path = json.loads(line)
        try:
            answer = {"kind": "good"} | globals()[what](Path(path))
        except SemdfError as error:
            answer = {"kind": "refused", "said": str(error)}
        except BaseException as error:
            answer = {"kind": "other", "said": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


class Reader:
    """The process, started when first asked and again when it has died."""

    def __init__(self) -> None:
        self.process = None

    def ask(self, what: str, path: Path, seconds: float = 120) -> dict:
        """The answer; kind "died" or "hangs" if there is none."""
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, __file__],
                text=True,
                env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        print(json.dumps([what, str(path)]), file=self.process.stdin, flush=True)
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            self.close()
            return {"kind": "hangs"}
        if not (line := self.process.stdout.readline()):
            code = self.process.wait()
            self.close()
            return {"kind": "died", "said": f"exit code {code}"}
        return json.loads(line)

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


if __name__ == "__main__":
    serve()
