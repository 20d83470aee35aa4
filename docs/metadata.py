"""What archives and search engines read: `python docs/metadata.py` writes codemeta.json and .zenodo.json.

The sources are CITATION.cff (title, authors, keywords, paper), pyproject.toml (description, Python, and the address of
the repository once it is filled in) and `__version__` of the package. The version and the address are also written into
CITATION.cff. A test runs this and finds nothing changed.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

import semdf

ROOT = Path(__file__).resolve().parents[1]


def citation(root: Path = ROOT) -> dict[str, Any]:
    """CITATION.cff, with the version and the address of today."""
    document = _yaml().load(root / "CITATION.cff")
    document["version"] = semdf.__version__
    repository = project(root).get("urls", {}).get("Repository")
    if repository:
        document["repository-code"] = repository
    return document


def project(root: Path = ROOT) -> dict[str, Any]:
    """The table `project` of pyproject.toml."""
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]


def codemeta(cited: dict[str, Any], described: dict[str, Any]) -> dict[str, Any]:
    """The project in the words of CodeMeta 3.0 (https://codemeta.github.io/terms)."""
    (paper,) = cited["references"]
    document = {
        "@context": "https://w3id.org/codemeta/3.0",
        "@type": "SoftwareSourceCode",
        "name": cited["title"],
        "description": described["description"],
        "version": cited["version"],
        "license": f"https://spdx.org/licenses/{cited['license']}",
        "programmingLanguage": "Python",
        "runtimePlatform": f"Python {described['requires-python']}",
        "operatingSystem": "Linux",
        "developmentStatus": "active",
        "keywords": list(cited["keywords"]),
        "author": [{"@type": "Organization", "name": author["name"]} for author in cited["authors"]],
        "referencePublication": {
            "@type": "ScholarlyArticle",
            "@id": f"https://doi.org/{paper['doi']}",
            "name": paper["title"],
        },
    }
    if "repository-code" in cited:
        document["codeRepository"] = cited["repository-code"]
    return document


def zenodo(cited: dict[str, Any], described: dict[str, Any]) -> dict[str, Any]:
    """The project as Zenodo reads it from a release."""
    (paper,) = cited["references"]
    return {
        "title": cited["title"],
        "description": described["description"],
        "upload_type": "software",
        "version": cited["version"],
        "license": cited["license"],
        "keywords": list(cited["keywords"]),
        "creators": [{"name": author["name"]} for author in cited["authors"]],
        "related_identifiers": [{"identifier": paper["doi"], "scheme": "doi", "relation": "references"}],
    }


def write(root: Path = ROOT) -> None:
    """Write the three files."""
    cited = citation(root)
    described = project(root)
    with (root / "CITATION.cff").open("w") as file:
        _yaml().dump(cited, file)
    for name, made in (("codemeta.json", codemeta), (".zenodo.json", zenodo)):
        content = made(cited, described)
        (root / name).write_text(f"{json.dumps(content, indent=2, ensure_ascii=False)}\n")


def _yaml() -> YAML:
    """A reader and writer that leaves the form of CITATION.cff as it is."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 1000
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


if __name__ == "__main__":
    write()
