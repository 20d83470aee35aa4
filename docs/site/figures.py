"""Alternative texts for the figures of notebooks: the section, and the first sentence of the paragraph below.

Outputs carry no such text, and a code cell has no place for one. Every figure of a notebook is followed by a paragraph
that says what is seen in it.
"""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

LONGEST = 300  # letters of the sentence


class FigureTexts(SphinxPostTransform):
    """Gives every image without a text of its own the one described above."""

    default_priority = 900

    def run(self, **_) -> None:
        waiting: list[nodes.image] = []
        section = ""
        for node in self.document.findall():
            if isinstance(node, nodes.title):
                self.describe(waiting, section, "")
                waiting = []
                section = node.astext()
            elif isinstance(node, nodes.image) and not node.get("alt"):
                waiting.append(node)
            elif isinstance(node, nodes.paragraph) and waiting and not inside_output(node):
                self.describe(waiting, section, node.astext())
                waiting = []
        self.describe(waiting, section, "")

    def describe(self, images: list[nodes.image], section: str, paragraph: str) -> None:
        """Write the texts of figures that follow each other without a paragraph between them."""
        said = re.split(r"(?<=[.:?!])\s", " ".join(paragraph.split()), maxsplit=1)[0][:LONGEST]
        for i, image in enumerate(images, 1):
            number = f" ({i} of {len(images)})" if len(images) > 1 else ""
            image["alt"] = f"Figure{number}: {section.rstrip('.')}. {said}".strip()


def inside_output(node: nodes.Node) -> bool:
    """Whether a paragraph was printed by a cell."""
    while node := node.parent:
        if isinstance(node, nodes.Element) and "cell_output" in node.get("classes", []):
            return True
    return False


def setup(app: Sphinx) -> dict:
    app.add_post_transform(FigureTexts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
