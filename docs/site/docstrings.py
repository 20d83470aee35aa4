"""Docstrings are plain text: formulas stand apart by a blank line and four spaces, arguments are lines `name: meaning`.
Folder trees are lines that begin with a path.

This makes reStructuredText of them, so that nothing is taken for markup that is none.
"""

import re
from itertools import groupby

EARLY = 400  # before napoleon, which reads sections such as Args and Returns
SECTION = re.compile(r"[A-Z]\w+:$")
ARGUMENT = re.compile(r"[a-z]\w*(, \w+)*: |Raises ")
TREE = re.compile(r"[^\s(]*/")


def convert(app, what, name, obj, options, lines: list[str]) -> None:
    """Formulas become literal blocks, lines with hanging indents lines of their own; stars and underscores are text."""
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
        # else napoleon takes what stands before a colon in the first line for its type
        made[:0] = ["\\ ", ""] if made[0].startswith("|") else ["\\ "]
    lines[:] = made


def _said(made: list[str]) -> str:
    """The last line without indent."""
    return next((line for line in reversed(made) if line.strip() and not line.startswith(" ")), "")


def _in_section(made: list[str]) -> bool:
    return bool(SECTION.fullmatch(_said(made)))


def _lines(part: list[str]) -> list[str]:
    """Arguments and the paths of a tree on lines of their own, as rST writes it; other paragraphs as they are."""
    first = part[0]
    if first.startswith(" ") or SECTION.fullmatch(first):
        return part
    hanging = any(line.startswith("    ") for line in part[1:])
    if not (hanging or TREE.match(first) or ARGUMENT.match(first)):
        return part
    begins = (not line.startswith(" ") and (hanging or TREE.match(first) or ARGUMENT.match(line)) for line in part)
    return [f"| {line}" if begin else f"  {line.strip()}" for line, begin in zip(part, begins, strict=True)]


def _escape(line: str) -> str:
    """Outside of code between backticks."""
    pieces = line.split("`")
    pieces[::2] = [re.sub(r"[*|]|_+(?!\w)", lambda m: "".join("\\" + c for c in m.group()), p) for p in pieces[::2]]
    return "`".join(pieces)


def skip(app, what, name, obj, skipped, options) -> bool | None:
    """Fields of named tuples have no text of their own."""
    return True if (getattr(obj, "__doc__", "") or "").startswith("Alias for field number") else None


def setup(app) -> dict:
    app.connect("autodoc-skip-member", skip)
    app.connect("autodoc-process-docstring", convert, priority=EARLY)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
