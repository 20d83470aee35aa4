"""Shortens values and defaults in signatures: paths begin at the root of the checkout, and long values are cut."""

import re
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
PATH = re.compile(rf"(?:Posix|Windows)Path\('{re.escape(ROOT.as_posix())}/?([^']*)'\)")
LONGEST = 160  # letters of a value


def shorten(_app: object, _domain: str, _objtype: str, content: nodes.Node) -> None:
    """Change every signature of an object: `PosixPath('/.../runs')` becomes `ROOT / 'runs'`, long values are cut."""
    for signature in content.parent.findall(addnodes.desc_signature):
        for text in signature.findall(nodes.Text):
            said = PATH.sub(r"ROOT / '\1'", text.astext())
            if len(said) > LONGEST:
                said = said[:LONGEST].rpartition(" ")[0] + " …"
            if said != text.astext():
                text.parent.replace(text, nodes.Text(said))


def setup(app: Sphinx) -> dict:
    app.connect("object-description-transform", shorten)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
