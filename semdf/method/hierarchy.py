"""Label hierarchies: nodes in three levels, edges, legal states, and the one table of label rows.

A hierarchy says what a fake can be: the root ("fake"), global face attributes (which attribute was altered)
and local face regions (which region was altered). Each is one YAML file beside this module.

Source: Zou et al., "Semantics-Oriented Multitask Learning for DeepFake Detection: A Joint Embedding
Approach", IEEE TCSVT 35(10), 2025, doi 10.1109/tcsvt.2025.3572508.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from semdf.errors import DataError, MissingError, ParameterError

__all__ = ["LEVELS", "Hierarchy", "known", "legal_states", "load"]

#: The hierarchies that come with the package.
FOLDER = Path(__file__).parent / "hierarchies"

#: The levels, which are also the tasks: one loss each.
LEVELS = ("root", "global", "local")

#: All 2^N states are enumerated, so N is bounded.
LARGEST = 20


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """A label hierarchy of `N` nodes with its `S` legal states; arrays are read-only.

    Attributes:
        levels: The places of each level's nodes among `nodes`.
        children: The nodes below the root and below each global node.
        words: The word of each node in prompts.
        rows: The row of each label, `N` times 1, 0 or -1 (not observed).
        sources: Where each label's row comes from.
        states: The legal states, `[S, N]` bool.
    """

    name: str
    nodes: tuple[str, ...]
    levels: Mapping[str, tuple[int, ...]]
    children: Mapping[str, tuple[str, ...]]
    words: Mapping[str, str]
    rows: Mapping[str, tuple[int, ...]] = field(repr=False)
    sources: Mapping[str, str] = field(repr=False)
    states: np.ndarray = field(repr=False)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{level} {len(nodes)}" for level, nodes in self.levels.items())
        return (
            f"Hierarchy({self.name!r}: {len(self.nodes)} nodes ({sizes}), {len(self.states)} legal states, "
            f"labels {', '.join(self.labels)})"
        )

    def __deepcopy__(self, memo: dict) -> "Hierarchy":
        return self  # nothing in it changes

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the label rows."""
        return tuple(self.rows)

    def index(self, node: str) -> int:
        """Position of a node."""
        if node not in self.nodes:
            raise ParameterError(f"hierarchy {self.name!r}: node must be one of {self.nodes}, found {node!r}")
        return self.nodes.index(node)

    def label(self, name: str) -> np.ndarray:
        """Row of a label, `[N]` float32 of 0 and 1; what is not observed is 0, as the authors train it."""
        return (self._row(name) == 1).astype(np.float32)

    def observed(self, name: str) -> np.ndarray:
        """Which entries of a label are observed, `[N]` bool."""
        return self._row(name) >= 0

    def is_legal(self, rows: np.ndarray) -> np.ndarray:
        """Whether each of `rows` `[..., N]`, 0 or 1, is a legal state, `[...]` bool."""
        rows = np.asarray(rows)
        if rows.shape[-1:] != (len(self.nodes),):
            raise ParameterError(
                f"hierarchy {self.name!r}: a state must have {len(self.nodes)} entries, found shape {rows.shape}"
            )
        binary = ((rows == 0) | (rows == 1)).all(-1)
        return binary & np.isin(_codes(rows == 1), _codes(self.states))

    def _row(self, name: str) -> np.ndarray:
        """Row of a label, `[N]` of 1, 0 and -1 (not observed)."""
        if name not in self.rows:
            raise ParameterError(f"hierarchy {self.name!r}: label must be one of {self.labels}, found {name!r}")
        return np.array(self.rows[name])


def legal_states(
    nodes: Sequence[str], levels: Mapping[str, Sequence[int]], children: Mapping[str, Sequence[str]]
) -> np.ndarray:
    """Enumerate the legal states, `[S, N]` bool, in the order of the binary numbers that they spell.

    A state is legal iff an active global node implies an active root, an active global node has an active
    child, and an active local node has an active parent.
    """
    count = len(nodes)
    states = (np.arange(2**count)[:, None] >> np.arange(count - 1, -1, -1)) % 2 == 1
    place = {node: i for i, node in enumerate(nodes)}
    edges = np.zeros((count, count), bool)  # [parent, child]
    for parent, names in children.items():
        edges[place[parent], [place[name] for name in names]] = True
    root, upper, lower = (list(levels[level]) for level in LEVELS)
    links = edges[np.ix_(upper, lower)].astype(int)
    has_root = states[:, root] | ~states[:, upper].any(1, keepdims=True)
    has_child = ~states[:, upper] | (states[:, lower] @ links.T > 0)
    has_parent = ~states[:, lower] | (states[:, upper] @ links > 0)
    return states[has_root.all(1) & has_child.all(1) & has_parent.all(1)]


def known() -> tuple[str, ...]:
    """Names of the hierarchies that come with the package."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def load(name: str | Path) -> Hierarchy:
    """Load a hierarchy by name ("ffpp", "ffsc") or from a YAML file; each is read once.

    Raises:
        MissingError: There is no such hierarchy, nor a file.
        DataError: The file does not hold a hierarchy.
    """
    path = FOLDER / f"{name}.yaml" if str(name) in known() else Path(name)
    if not path.is_file():
        raise MissingError(f"hierarchy: must be one of {known()} or a YAML file, found {str(name)!r}")
    return _load(path.resolve())


@cache
def _load(path: Path) -> Hierarchy:
    name = path.stem
    try:
        content = YAML(typ="safe").load(path)
    except YAMLError as error:
        raise DataError(f"hierarchy {name!r}: must be valid YAML, found {error}") from error
    _check_keys(name, "the file", content, ("nodes", "children", "labels"))
    _check_keys(name, "nodes", content["nodes"], LEVELS)
    words: dict[str, str] = {}
    levels: dict[str, tuple[int, ...]] = {}
    for level in LEVELS:
        members = content["nodes"][level]
        if not isinstance(members, Mapping) or not members:
            raise DataError(f"hierarchy {name!r}: level {level!r} must map nodes to words, found {members!r}")
        levels[level] = tuple(range(len(words), len(words) + len(members)))
        for node, word in members.items():
            if node in words:
                raise DataError(f"hierarchy {name!r}: a node must be named once, found {node!r} twice")
            words[node] = str(word)
    nodes = tuple(words)
    if len(levels["root"]) != 1:
        raise DataError(f"hierarchy {name!r}: the root must be one node, found {len(levels['root'])}")
    if len(nodes) > LARGEST:
        raise DataError(f"hierarchy {name!r}: must have at most {LARGEST} nodes, found {len(nodes)}")
    children = _check_edges(name, nodes, levels, content["children"])
    states = legal_states(nodes, levels, children)
    states.flags.writeable = False
    rows = {label: _check_row(name, nodes, label, entry) for label, entry in content["labels"].items()}
    sources = {label: str(entry["source"]) for label, entry in content["labels"].items()}
    hierarchy = Hierarchy(name, nodes, levels, children, words, rows, sources, states)
    for label in rows:
        if not hierarchy.is_legal(hierarchy.label(label)):
            raise DataError(f"hierarchy {name!r}: label of {label!r} must be a legal state, found {rows[label]}")
    return hierarchy


def _check_keys(name: str, what: str, found: object, keys: Sequence[str]) -> None:
    """Raise DataError unless `found` is a mapping that has just these keys."""
    if not isinstance(found, Mapping) or set(found) != set(keys):
        keys_found = list(found) if isinstance(found, Mapping) else found
        raise DataError(f"hierarchy {name!r}: {what} must have the keys {list(keys)}, found {keys_found}")


def _check_edges(name: str, nodes: Sequence[str], levels: Mapping, children: Any) -> dict[str, tuple[str, ...]]:
    """The children of each parent.

    Raises:
        DataError: A node of the root or global level has no children, or some that are not one level down; or a node
            below the root has no parent.
    """
    parents = [nodes[i] for level in LEVELS[:2] for i in levels[level]]
    _check_keys(name, "children", children, parents)
    below: dict[str, set[str]] = {nodes[i]: set() for level in LEVELS[1:] for i in levels[level]}
    for parent, names in children.items():
        lower = LEVELS[1] if nodes.index(parent) in levels["root"] else LEVELS[2]
        allowed = [nodes[i] for i in levels[lower]]
        if not isinstance(names, list) or not names or not set(names) <= set(allowed):
            raise DataError(f"hierarchy {name!r}: children of {parent!r} must be in {allowed}, found {names}")
        for child in names:
            below[child].add(parent)
    orphans = [node for node, over in below.items() if not over]
    if orphans:
        raise DataError(f"hierarchy {name!r}: a node below the root must have a parent, found none for {orphans}")
    return {parent: tuple(names) for parent, names in children.items()}


def _check_row(name: str, nodes: Sequence[str], label: str, entry: Any) -> tuple[int, ...]:
    """The row of a label as numbers: 1 altered, 0 not altered, -1 not observed."""
    _check_keys(name, f"label {label!r}", entry, ("row", "source"))
    row = str(entry["row"]).replace(" ", "")
    if len(row) != len(nodes):
        raise DataError(f"hierarchy {name!r}: label of {label!r} must have {len(nodes)} entries, found {len(row)}")
    if not set(row) <= set("01-"):
        raise DataError(f"hierarchy {name!r}: label of {label!r} must use 0, 1 and - only, found {entry['row']!r}")
    numbers = {"0": 0, "1": 1, "-": -1}
    return tuple(numbers[digit] for digit in row)


def _codes(states: np.ndarray) -> np.ndarray:
    """The binary number that each state spells, `[...]` int."""
    return states.astype(np.int64) @ (1 << np.arange(states.shape[-1] - 1, -1, -1))
