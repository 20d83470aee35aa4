"""A data set's tree against its lists and against what is published of it, before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import pandas as pd
from tqdm.auto import tqdm

from semdf import layouts
from semdf.errors import SemdfError
from semdf.extraction.decoding import opened
from semdf.layouts import Layout, protocols
from semdf.layouts.rows import MISSING, OK
from semdf.storage.pictures import PICTURES

__all__ = ["Finding", "Report", "check"]

#: Endings of files that may lie beside videos and pictures.
LISTS = (".csv", ".json", ".md", ".pdf", ".txt")
#: Layouts whose lists name every video: another one on disk is a surplus.
LISTED = ("faceforensics++", "faceshifter", "deeperforensics-1.0")


@dataclass(frozen=True)
class Finding:
    """kind: broken, missing, surplus, unreadable, count, no reals (problems); absent, miniature, note (no problems)."""

    kind: str
    text: str

    @property
    def problem(self) -> bool:
        return self.kind not in ("absent", "miniature", "note")

    def __str__(self) -> str:
        return f"{self.kind:<10} {self.text}"


@dataclass(frozen=True)
class Report:
    """title: data set and part; summary: what was found, in a line."""

    title: str
    summary: str
    findings: tuple[Finding, ...]

    @property
    def good(self) -> bool:
        return not any(finding.problem for finding in self.findings)

    def __str__(self) -> str:
        return "\n".join([f"{self.title}: {self.summary}", *(f"  {finding}" for finding in self.findings)])


def check(root: Path, layout: str = "", *, headers: bool = True) -> list[Report]:
    """Compare the tree at `root` with its lists and with the published counts; a report for each part of it.

    layout: its name; "" to recognise it.
    headers: whether to open every file; else only empty ones are found unreadable.
    Raises ParameterError if no layout fits.
    """
    root = Path(root)
    name = (layout or layouts.recognise(root)).lower()
    try:
        parts = layouts.present(name, root)
    except SemdfError as error:
        return [_broken(name, error)]
    return [_report(name, part, root, headers) for part in parts] or [
        Report(name, "nothing", (Finding("broken", f"expected videos or pictures under {root}. Found none."),))
    ]


def _broken(name: str, error: SemdfError) -> Report:
    return Report(name, "cannot be read; mend this first", (Finding("broken", str(error)),))


def _report(name: str, layout: Layout, root: Path, headers: bool) -> Report:
    try:
        rows = layout.read(root)
    except SemdfError as error:
        return _broken(name, error)
    # the protocol of the layout itself, by its name: a table of one's own has none
    protocol = next((p for p in map(protocols.load, protocols.names()) if p.layout == name), None)
    findings = [
        *_missing(rows),
        *_surplus(rows, root, listed=name in LISTED),
        *_unreadable(rows, root, headers),
        *_reals(rows, protocol),
        *_leaks(rows),
    ]
    if protocol is not None:
        findings += [*_counts(rows, protocol.published), *(Finding("note", text) for text in protocol.notes)]
    compression = "/".join(sorted(set(rows["compression"]) - {""}))
    return Report(" ".join(filter(None, (name, compression))), _summary(rows), tuple(findings))


def _summary(rows: pd.DataFrame) -> str:
    reals = int((rows["label"] == "real").sum())
    splits = ", ".join(f"{split or 'in no split'} {count}" for split, count in rows["split"].value_counts().items())
    there = int((rows["status"] == OK).sum())
    return f"{len(rows)} rows ({reals} real, {len(rows) - reals} fake; {splits}), {there} files on disk"


def _missing(rows: pd.DataFrame) -> Iterator[Finding]:
    for name, group in rows[rows["status"] == MISSING].groupby("manipulation", sort=False):
        yield Finding("missing", f"{name}: {_some(group['path'])} in the lists, not on disk")


def _surplus(rows: pd.DataFrame, root: Path, *, listed: bool) -> Iterator[Finding]:
    here = rows[rows["status"] == OK]
    unlisted = here[here["split"] == ""] if listed else here[:0]
    for name, group in unlisted.groupby("manipulation", sort=False):
        yield Finding("surplus", f"{name}: {_some(group['path'])} on disk, in no list")
    known = set(here["path"])
    tops = {Path(path).parent for path in known}
    files = (path for top in sorted(tops) for path in sorted((root / top).iterdir()) if path.is_file())
    kept = (
        [path.relative_to(root).as_posix() for path in files if not path.name.startswith(".")] if _below(tops) else []
    )
    odd = [path for path in kept if path not in known and Path(path).suffix.lower() not in LISTS]
    if odd:
        yield Finding("surplus", f"{_some(odd)} on disk, which the layout does not read")


def _below(tops: set[Path]) -> bool:
    """Whether all folders lie below the root: originals of another data set do not."""
    return not any(".." in top.parts for top in tops)


def _unreadable(rows: pd.DataFrame, root: Path, headers: bool) -> Iterator[Finding]:
    paths = rows.loc[rows["status"] == OK, "path"].tolist()
    empty = [path for path in paths if (root / path).stat().st_size == 0]
    if empty:
        yield Finding("unreadable", f"{_some(empty)} empty")
    rest = sorted(set(paths) - set(empty)) if headers else []
    with ThreadPoolExecutor(4) as pool:
        opened = pool.map(lambda path: _opens(root / path), rest)
        good = list(tqdm(opened, desc="files", total=len(rest), unit="file", mininterval=1, disable=len(rest) < 1000))
    odd = [path for path, ok in zip(rest, good, strict=True) if not ok]
    if odd:
        yield Finding("unreadable", f"{_some(odd)} with a header that cannot be decoded")


def _opens(path: Path) -> bool:
    """Whether a picture has a known header, or a video a container with a stream of pictures."""
    if path.suffix.lower() in PICTURES:
        return cv2.haveImageReader(str(path))
    import av

    av.logging.set_level(av.logging.PANIC)  # its messages go to stderr; ours carry the reason
    try:
        with opened(path) as container:
            return bool(container.streams.video)
    except (av.FFmpegError, OSError, ValueError):
        return False


def _reals(rows: pd.DataFrame, protocol: protocols.Protocol | None) -> Iterator[Finding]:
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
    names = list(names)
    return f"{len(names)} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
