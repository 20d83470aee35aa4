"""Alternative texts for the figures of notebooks: the section, and the first sentence that is said of the figure.

Outputs carry no such text, and a code cell has no place for one; but every figure of a notebook is followed by a
paragraph that reads it.
"""

import re

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

LONGEST = 300


class FigureTexts(SphinxPostTransform):
    """Give every image without a text of its own the one described above."""

    default_priority = 900

    def run(self, **_) -> None:
        waiting, section = [], ""
        for node in self.document.findall():
            if isinstance(node, nodes.title):
                self.describe(waiting, section, "")
                waiting, section = [], node.astext()
            elif isinstance(node, nodes.image) and not node.get("alt"):
                waiting.append(node)
            elif isinstance(node, nodes.paragraph) and waiting and not inside_output(node):
                self.describe(waiting, section, node.astext())
                waiting = []
        self.describe(waiting, section, "")

    def describe(self, images: list[nodes.image], section: str, paragraph: str) -> None:
        said = re.split(r"(?<=[.:?!])\s", " ".join(paragraph.split()), maxsplit=1)[0][:LONGEST]
        for i, image in enumerate(images, 1):
            number = f" ({i} of {len(images)})" if len(images) > 1 else ""
            image["alt"] = f"Figure{number}: {section.rstrip('.')}. {said}".strip()


def inside_output(node: nodes.Node) -> bool:
    while node := node.parent:
        if "cell_output" in node.get("classes", []) if isinstance(node, nodes.Element) else False:
            return True
    return False


def setup(app) -> dict:
    app.add_post_transform(FigureTexts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
