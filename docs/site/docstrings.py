"""Makes reStructuredText of docstrings, which are plain text with sections as Google has them.

Formulas and tables stand apart by a blank line and four spaces. The lines of a folder tree begin with a path. Stars and
underscores are no markup.
"""

import re
from itertools import groupby

from sphinx.application import Sphinx

EARLY = 400  # a priority before that of napoleon, which reads sections such as Args and Returns
SECTION = re.compile(r"[A-Z]\w+:$")
TREE = re.compile(r"[^\s(]*/")


def convert(_app: object, what: str, _name: str, _obj: object, _options: object, lines: list[str]) -> None:
    """Change the lines of a docstring: formulas become literal blocks, and paths of a tree lines of their own."""
    made: list[str] = []
    for blank, group in groupby(lines, key=lambda line: not line.strip()):
        part = list(group)
        if not blank and part[0].startswith(">>>"):
            made += part
        elif not blank and part[0].startswith("    ") and _said(made).endswith("::"):
            made += part  # more of a formula, or of a block that is marked already
        elif not blank and part[0].startswith("    ") and not _in_section(made):
            made += ["::", "", *part]
        else:
            made += _lines([_escape(line) for line in part])
    if made and what in ("attribute", "data", "property"):
        # an empty first line, because napoleon takes what stands before a colon in the first line for the type
        made[:0] = ["\\ ", ""] if made[0].startswith("|") else ["\\ "]
    lines[:] = made


def _said(made: list[str]) -> str:
    """The last line without indent."""
    return next((line for line in reversed(made) if line.strip() and not line.startswith(" ")), "")


def _in_section(made: list[str]) -> bool:
    return bool(SECTION.fullmatch(_said(made)))


def _lines(part: list[str]) -> list[str]:
    """The paths of a tree, and lines with hanging indents, as line blocks of rST; other paragraphs as they are."""
    first = part[0]
    if first.startswith(" ") or SECTION.fullmatch(first):
        return part
    hanging = any(line.startswith("    ") for line in part[1:])
    if not (hanging or TREE.match(first)):
        return part
    return [f"  {line.strip()}" if line.startswith(" ") else f"| {line}" for line in part]


def _escape(line: str) -> str:
    """Escape what rST takes for markup, but not in code between backticks."""
    pieces = line.split("`")
    pieces[::2] = [re.sub(r"[*|]|_+(?!\w)", lambda m: "".join("\\" + c for c in m.group()), p) for p in pieces[::2]]
    return "`".join(pieces)


def skip(_app: object, _what: str, _name: str, obj: object, _skipped: bool, _options: object) -> bool | None:
    """Leave out fields of named tuples, which have no text of their own; None leaves the choice to Sphinx."""
    said = getattr(obj, "__doc__", "") or ""
    return True if said.startswith("Alias for field number") else None


def setup(app: Sphinx) -> dict:
    app.connect("autodoc-skip-member", skip)
    app.connect("autodoc-process-docstring", convert, priority=EARLY)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
