"""Constraints for pip: `python tests/versions.py oldest|tested|newest > FILE`, then `pip install -c FILE -e .[test]`.

    oldest   for each requirement of users the series of its lower bound, such as `scipy==1.13.*` for `scipy>=1.13`
    tested   constraints.txt
    newest   none

What requirements require themselves is left to pip, and so are the tools of tests: they may be as new as they are.
"""

import argparse
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
#: The extras that users install to run something.
EXTRAS = ("pipeline", "aggregators", "cluster", "heic")


def oldest(requirements: Iterable[str]) -> list[str]:
    """A line for each requirement that has a lower bound, sorted by name."""
    series: dict[str, str] = {}
    for requirement in map(Requirement, requirements):
        bounds = [Version(part.version) for part in requirement.specifier if part.operator == ">="]
        if bounds:
            bound = max(bounds)
            series[canonicalize_name(requirement.name)] = f"{bound.major}.{bound.minor}"
    return [f"{name}=={version}.*" for name, version in sorted(series.items())]


def constraints(versions: str, root: Path = ROOT) -> str:
    """The text of a file of constraints."""
    if versions == "tested":
        return (root / "constraints.txt").read_text()
    if versions == "newest":
        return ""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    extras = [line for name in EXTRAS for line in project["optional-dependencies"][name]]
    return "\n".join([*oldest([*project["dependencies"], *extras]), ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("versions", choices=["oldest", "tested", "newest"])
    sys.stdout.write(constraints(parser.parse_args().versions))


if __name__ == "__main__":
    main()
