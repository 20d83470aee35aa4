"""Formulas as MathML, which browsers draw by themselves: no script, no font, no request."""

from docutils import nodes
from latex2mathml.converter import convert

LONG = 40  # letters of LaTeX from which an inline formula may be wider than a phone; it then scrolls by itself


def inline(translator, node: nodes.math) -> None:
    formula = convert(node.astext())
    long = len(node.astext()) >= LONG
    translator.body.append(f'<span class="long-formula">{formula}</span>' if long else formula)
    raise nodes.SkipNode


def block(translator, node: nodes.math_block) -> None:
    formula = convert(node.astext(), display="block")
    translator.body.append(translator.starttag(node, "div", CLASS="math") + formula + "</div>\n")
    raise nodes.SkipNode


def setup(app) -> dict:
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
