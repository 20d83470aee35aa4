"""Formulas as MathML, which browsers draw by themselves: no script, no font, no request."""

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

#: An inline formula with so many letters of LaTeX may be wider than a phone; it then scrolls by itself.
LONG = 40


def inline(translator: HTML5Translator, node: nodes.math) -> None:
    """Write a formula within a line."""
    formula = convert(node.astext())
    is_long = len(node.astext()) >= LONG
    translator.body.append(f'<span class="long-formula">{formula}</span>' if is_long else formula)
    raise nodes.SkipNode


def block(translator: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula on lines of its own."""
    formula = convert(node.astext(), display="block")
    translator.body.append(translator.starttag(node, "div", CLASS="math") + formula + "</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict:
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
