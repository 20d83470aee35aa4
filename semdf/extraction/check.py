"""A data set's tree against its lists and against what is published of it, before anything is computed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

from semdf import layouts
from semdf.errors import SemdfError
from semdf.extraction.video import flaw
from semdf.layouts import Layout, protocols, tree
from semdf.layouts.rows import LINKED, MISSING, OK
from semdf.storage.paths import LINKS, real_paths

__all__ = ["Finding", "Report", "beside", "check"]

#: Reason why something is no row -> kind of finding; others are no fault of the copy.
KINDS = {
    tree.OUTSIDE: "linked",
    tree.NAMELESS: "unreadable",
    tree.NO_FILE: "surplus",
    tree.ENDING: "surplus",
    tree.LEFT: "surplus",
}
#: Kinds of findings that are no problem.
HARMLESS = ("absent", "miniature", "note")


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        kind: Of the problems: broken, incomplete, missing, linked, surplus, unreadable, count or no reals; else one of
            `HARMLESS`.
        text: What and how many, with the first names.
    """

    kind: str
    text: str

    @property
    def problem(self) -> bool:
        """Whether something is wrong with the copy."""
        return self.kind not in HARMLESS

    def __str__(self) -> str:
        return f"{self.kind:<10} {self.text}"


@dataclass(frozen=True)
class Report:
    """What was found in one part of a data set.

    Attributes:
        title: Data set and part.
        summary: What is there, in a line.
        findings: What is wrong or worth knowing.
    """

    title: str
    summary: str
    findings: tuple[Finding, ...]

    @property
    def good(self) -> bool:
        """Whether no finding is a problem."""
        return not any(finding.problem for finding in self.findings)

    def __str__(self) -> str:
        return "\n".join([f"{self.title}: {self.summary}", *(f"  {finding}" for finding in self.findings)])


def check(root: Path, layout: str = "", *, headers: bool = True) -> list[Report]:
    """Compare the tree at `root` with its lists and with the published counts; a report for each part of it.

    Args:
        root: Folder of the data set.
        layout: Its name; "" to recognise it.
        headers: Whether to open every file; else only empty ones are found unreadable.

    Raises:
        ParameterError: If no layout fits.
    """
    root = Path(root)
    name = (layout or layouts.recognise(root)).lower()
    try:
        parts = layouts.present(name, root)
    except SemdfError as error:
        return [_broken(name, error)]
    if not parts:
        text = f"must have videos or pictures under {root}, found none"
        return [Report(name, "nothing", (Finding("broken", text),))]
    tables: list[pd.DataFrame] = []
    reports = [_report(name, part, root, headers, tables) for part in parts]
    if len(tables) < len(parts):
        return reports  # of a part that cannot be read nothing is known
    paths = {path for table in tables for path in table["path"]}
    found = [*_splits(tables), *_beside(tree.rest(root, paths, parts[0].apart))]
    if len(reports) == 1:
        return [Report(reports[0].title, reports[0].summary, (*reports[0].findings, *found))]
    return [*reports, Report(f"{name}, all parts", f"{len(paths)} files or entries of lists", tuple(found))]


def beside(root: Path, rows: pd.DataFrame, layout: Layout) -> list[str]:
    """What lies below `root` and is no row, counted by reason, in lines for a command to print.

    Args:
        root: Folder of the data set.
        rows: What `layout` read there.
        layout: It tells what belongs to the data set and is not read.
    """
    found = tree.rest(Path(root), rows["path"], layout.apart)
    return [f"{_some(names)}, no row: {reason}" for reason, names in found.items()]


def _broken(name: str, error: SemdfError) -> Report:
    return Report(name, "cannot be read; mend this first", (Finding("broken", str(error)),))


def _report(name: str, layout: Layout, root: Path, headers: bool, tables: list[pd.DataFrame]) -> Report:
    """The report on one part, whose rows are put into `tables` if it can be read."""
    try:
        rows = layout.read(root)
    except SemdfError as error:
        return _broken(f"{name} {layout.part}".strip(), error)
    tables.append(rows)
    # the protocol of the layout itself, by its name: a table of one's own has none
    protocol = protocols.of_layout(name)
    findings = [
        *_missing(rows, root),
        *_linked(rows),
        *_unlisted(rows, listed=layout.lists_name_all),
        *_unreadable(rows, root, headers),
        *_twice(rows, root),
        *_reals(rows, protocol),
        *_leaks(rows),
    ]
    if protocol is not None:
        findings += _counts(rows, protocol.published)
        findings += [Finding("note", text) for text in protocol.notes]
    part = layout.part or "/".join(sorted(set(rows["compression"]) - {""}))
    return Report(f"{name} {part}".strip(), _summary(rows), tuple(findings))


def _summary(rows: pd.DataFrame) -> str:
    reals = int((rows["label"] == "real").sum())
    splits = ", ".join(f"{split or 'in no split'} {count}" for split, count in rows["split"].value_counts().items())
    there = int((rows["status"] == OK).sum())
    return f"{len(rows)} rows ({reals} real, {len(rows) - reals} fake; {splits}), {there} files on disk"


def _missing(rows: pd.DataFrame, root: Path) -> Iterator[Finding]:
    for name, group in rows[rows["status"] == MISSING].groupby("manipulation", sort=False):
        alike = _in_other_letters(group["path"], root)
        more = f"; in other letters there {'is' if len(alike) == 1 else 'are'} {_some(alike)}" if alike else ""
        yield Finding("missing", f"{name}: {_some(group['path'])} in the lists, not on disk{more}")


def _in_other_letters(paths: Iterable[str], root: Path) -> list[str]:
    """Files whose names differ from those of `paths` in nothing but the case of letters."""
    folders: dict[str, dict[str, str]] = {}
    found = []
    for path in paths:
        place, _, name = path.rpartition("/")
        if place not in folders:
            there = root / place
            names = os.listdir(there) if os.access(there, os.R_OK) and there.is_dir() else []
            folders[place] = {other.casefold(): other for other in names}
        other = folders[place].get(name.casefold())
        if other is not None:
            found.append(f"{place}/{other}" if place else other)
    return found


def _linked(rows: pd.DataFrame) -> Iterator[Finding]:
    paths = rows.loc[rows["status"] == LINKED, "path"]
    if len(paths):
        yield Finding(
            "linked", f"{_some(paths)} behind links that lead outside; ${LINKS} names folders that may be read"
        )


def _unlisted(rows: pd.DataFrame, *, listed: bool) -> Iterator[Finding]:
    """Files that no list names, if the lists should name all (`listed`)."""
    here = rows[rows["status"] == OK]
    unlisted = here[here["split"] == ""] if listed else here[:0]
    for name, group in unlisted.groupby("manipulation", sort=False):
        yield Finding("surplus", f"{name}: {_some(group['path'])} on disk, in no list")


def _twice(rows: pd.DataFrame, root: Path) -> Iterator[Finding]:
    """Files that several rows name, such as by links: a problem where their labels differ."""
    here = rows.loc[rows["status"] == OK, ["path", "label"]]
    named = here.assign(real=real_paths(root, here["path"]))
    named = named[named["real"].duplicated(keep=False)]
    odd = named[named.groupby("real")["label"].transform("nunique") > 1]
    if len(odd):
        yield Finding("surplus", f"{_some(odd['path'])} names of one file that differ in their label")
    if len(named) > len(odd):
        yield Finding("note", f"{_some(named.drop(odd.index)['path'])} names of a file that has several")


def _splits(tables: list[pd.DataFrame]) -> Iterator[Finding]:
    """Files that one part puts into another split than the next part does."""
    named = pd.concat([table[["path", "split"]] for table in tables]).drop_duplicates()
    twice = sorted(set(named.loc[named["path"].duplicated(), "path"]))
    if twice:
        yield Finding("note", f"{_some(twice)} in more than one split: use one of these parts alone")


def _beside(found: Mapping[str, list[str]]) -> Iterator[Finding]:
    """What is no row of any part, by reason."""
    for reason, names in found.items():
        yield Finding(KINDS.get(reason, "note"), f"{_some(names)}, no row: {reason}")


def _unreadable(rows: pd.DataFrame, root: Path, headers: bool) -> Iterator[Finding]:
    """Files that are empty or, with `headers`, cannot be read or are known to be incomplete."""
    paths = rows.loc[rows["status"] == OK, "path"].tolist()
    empty = [path for path in paths if (root / path).stat().st_size == 0]
    if empty:
        yield Finding("unreadable", f"{_some(empty)} empty")
    rest = sorted(set(paths) - set(empty)) if headers else []
    with ThreadPoolExecutor(4) as pool:
        opening = pool.map(lambda path: _opened(root / path), rest)
        found = list(tqdm(opening, desc="files", total=len(rest), unit="file", mininterval=1, disable=len(rest) < 1000))
    for kind in ("unreadable", "incomplete"):
        odd = {
            path: finding.text for path, finding in zip(rest, found, strict=True) if finding and finding.kind == kind
        }
        if odd:
            yield Finding(kind, f"{_some(odd)}; the first: {next(iter(odd.values()))}")


def _opened(path: Path) -> Finding | None:
    """What is wrong with one file; None if nothing is known to be."""
    try:
        why = flaw(path)
    except SemdfError as error:
        return Finding("unreadable", str(error))
    return Finding("incomplete", why) if why else None


def _reals(rows: pd.DataFrame, protocol: protocols.Protocol | None) -> Iterator[Finding]:
    """A problem where a data set that has reals of its own shows none; else a note."""
    if protocol is None or (rows["label"] == "real").any():
        return
    if protocol.reals.dataset == protocol.dataset:
        yield Finding("no reals", "none of the rows is real, and a test needs both")
    else:
        yield Finding("note", f"no reals, as published; tests take those of {protocol.reals.dataset}")


def _leaks(rows: pd.DataFrame) -> Iterator[Finding]:
    """People in more than one split; no problem of the copy, but one for whoever trains on it."""
    seen = pd.concat([rows[["split", name]].set_axis(["split", "person"], axis=1) for name in ("target", "source")])
    seen = seen[(seen["split"] != "") & (seen["person"] != "")]
    seen = seen.drop_duplicates()
    people = sorted(set(seen.loc[seen["person"].duplicated(), "person"]))
    if people:
        yield Finding("note", f"{_some(people)} people or clips in more than one split")


def _counts(rows: pd.DataFrame, published: tuple[protocols.Published, ...]) -> Iterator[Finding]:
    """Counts that differ from the published ones; where all are half of these or less, that it is a miniature."""
    found = [(item, int(item.of(rows).sum())) for item in published]
    if not found:
        yield Finding("note", "no published counts to compare with")
        return
    there = [(item, count) for item, count in found if count]
    if there and all(2 * count <= item.count for item, count in there):
        shown = "; ".join(f"{item} {count} of {item.count}" for item, count in there)
        yield Finding("miniature", f"a miniature or a part, whose counts are not held against it: {shown}")
        return
    for item, count in found:
        if not count and item.absent == "note":
            yield Finding("absent", f"{item}: none of {item.count} published")
        elif count != item.count:
            yield Finding("count", f"{item}: {count}, published {item.count}")


def _some(names: Iterable[str]) -> str:
    """How many names there are, with the first three."""
    names = list(names)
    return f"{len(names)} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
