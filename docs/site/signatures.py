"""Values and defaults in signatures: paths from the root of the checkout, and nothing longer than a reader wants."""

import re
from pathlib import Path

from docutils import nodes
from sphinx import addnodes

ROOT = Path(__file__).parents[2]
PATH = re.compile(rf"(?:Posix|Windows)Path\('{re.escape(ROOT.as_posix())}/?([^']*)'\)")
LONGEST = 160


def shorten(app, domain: str, objtype: str, content: nodes.Node) -> None:
    """In every signature of an object: `PosixPath('/.../runs')` is shown as `ROOT / 'runs'`, long values are cut."""
    for signature in content.parent.findall(addnodes.desc_signature):
        for text in signature.findall(nodes.Text):
            said = PATH.sub(r"ROOT / '\1'", text.astext())
            if len(said) > LONGEST:
                said = said[:LONGEST].rpartition(" ")[0] + " …"
            if said != text.astext():
                text.parent.replace(text, nodes.Text(said))


def setup(app) -> dict:
    app.connect("object-description-transform", shorten)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
