"""Scale a params.yaml down, so that the pipeline runs in about two minutes: `python tests/smoke.py params.yaml`."""

import sys
from pathlib import Path

from ruamel.yaml import YAML

SMALL = {
    "extract": {"frames": 2, "videos": 6},
    "train": {"epochs": 1, "pairs": 32, "batch": 16},
    "generalise": {"resamples": 100},
    "robustness": {"distortions": ["JPEG", "H.264"], "levels": [1, 5], "frames": 1, "resamples": 100},
    "explain": {"count": 4},
}


def shrink(path: Path) -> None:
    """Write the small values into the file, whose comments stay."""
    yaml = YAML()
    document = yaml.load(path.read_text())
    for section, values in SMALL.items():
        document[section].update(values)
    with path.open("w") as file:
        yaml.dump(document, file)


if __name__ == "__main__":
    shrink(Path(sys.argv[1]))
