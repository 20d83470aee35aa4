"""Label hierarchies: legal states against an independent enumeration, label rows, errors of YAML files."""

import copy
import itertools

import numpy as np
import pytest

from semdf.errors import DataError, MissingError, ParameterError
from semdf.method import hierarchy

NAMES = ("ffpp", "ffsc")

# The edges once more, by number, as the oracle's own copy.
EDGES = {
    "ffpp": {1: (6, 7), 2: (4, 5, 6, 7, 8, 9), 3: (4, 6, 7, 8)},
    "ffsc": {
        1: (6, 11),
        2: (6, 8, 9, 10, 11),
        3: (6, 7, 8, 9, 11),
        4: (6, 7, 8, 9, 10, 11),
        5: (6, 7, 8, 9, 10, 11),
    },
}
# The authors' rows, as the oracle's own copy; all others are ours.
ROWS = {
    "ffpp": {
        "real": "0000000000",
        "Deepfakes": "1011111111",
        "FaceSwap": "1011111111",
        "Face2Face": "1101001100",
        "NeuralTextures": "1101001100",
        "eyes": "1001100000",
        "mouth": "1001001100",
        "nose": "1001000010",
    },
    "ffsc": {
        "real": "000000000000",
        "age": "110000100001",
        "smile": "101000001100",
        "surprise": "101000101111",
        "gender": "1-0110111101",
        "identity": "1-0010111111",
        "pose": "100001111111",
    },
}
# Ours, where a row says more than "fake".
SWAPS = ("FaceShifter", "DeepFakeDetection", "Celeb-synthesis", "DeeperForensics", "DFDC-Preview", "face")
OURS = {
    "ffpp": {
        **dict.fromkeys(SWAPS, "1011111111"),
        **dict.fromkeys(("DiFF-FS", "DiffSwap", "identity"), "101-111111"),
        "age": "100-------",
        "smile": "110-001100",
        "surprise": "110--011--",
        "gender": "101-111101",
        "pose": "100-------",
        "lips": "1001001000",
        "eyebrows": "1010010000",
        "skin": "1010000001",
        "eyes+nose": "1001100010",
        "eyes+mouth": "1001101100",
        "nose+mouth": "1001001110",
        "eyes+nose+mouth": "1001101110",
        "self-blended": "10011-111-",
    },
    "ffsc": {
        **dict.fromkeys(("Deepfakes", "FaceSwap", *SWAPS, "DiFF-FS", "DiffSwap"), "1-0-10111111"),
        "DeeperForensics": "1-0010111111",
        **dict.fromkeys(("Face2Face", "NeuralTextures"), "101000001100"),
    },
}
VALID = """
nodes:
  root: {fake: fake}
  global: {a: a, b: b}
  local: {c: c, d: d}
children: {fake: [a, b], a: [c], b: [c, d]}
labels:
  real: {row: "0 00 00", source: s}
  all: {row: "1 11 11", source: s}
"""


def enumerate_by_reasons(edges: dict[int, tuple[int, ...]], count: int) -> set[tuple[int, ...]]:
    """Oracle: build the legal states from the globals down, each bringing a non-empty set of its regions."""
    states = {(0,) * count}
    for size in range(len(edges) + 1):
        for active in itertools.combinations(edges, size):
            unions = {frozenset()}
            for node in active:
                sizes = range(1, len(edges[node]) + 1)
                brought = [set(c) for r in sizes for c in itertools.combinations(edges[node], r)]
                unions = {old | new for old in unions for new in brought}
            states |= {tuple(int(i == 0 or i in active or i in u) for i in range(count)) for u in unions}
    return states


@pytest.mark.parametrize("name", NAMES)
def test_legal_states_are_those_that_can_be_built_from_reasons(name):
    h = hierarchy.load(name)
    states = [tuple(int(x) for x in state) for state in h.states]
    assert len(states) == len(set(states))
    assert set(states) == enumerate_by_reasons(EDGES[name], len(h.nodes))


@pytest.mark.parametrize("name", NAMES)
def test_real_is_the_only_legal_state_without_fake(name):
    states = hierarchy.load(name).states
    assert states[~states[:, 0]].sum() == 0
    assert (~states[:, 0]).sum() == 1


@pytest.mark.parametrize("name", NAMES)
def test_every_label_is_a_legal_state_and_only_legal_states_pass(name):
    h = hierarchy.load(name)
    assert h.is_legal(np.stack([h.label(label) for label in h.labels])).all()
    everything = np.array(list(itertools.product([0, 1], repeat=len(h.nodes))))
    assert h.is_legal(everything).sum() == len(h.states)
    assert not h.is_legal(np.full(len(h.nodes), 0.5))


@pytest.mark.parametrize(("name", "count"), [("ffpp", 251), ("ffsc", 1544)])
def test_number_of_legal_states(name, count):
    assert hierarchy.load(name).states.shape == (count, {"ffpp": 10, "ffsc": 12}[name])


@pytest.mark.parametrize("name", NAMES)
def test_label_rows(name):
    h = hierarchy.load(name)
    assert set(ROWS[name]) == {label for label in h.labels if "authors' code" in h.sources[label]}
    assert all(h.sources[label].startswith("ours: ") for label in set(h.labels) - set(ROWS[name]))
    for label in h.labels:
        row = (ROWS[name] | OURS[name]).get(label, "1" + "-" * (len(h.nodes) - 1))
        assert h.label(label).tolist() == [float(x == "1") for x in row], label
        assert h.observed(label).tolist() == [x != "-" for x in row], label
        assert h.label(label).dtype == np.float32


def test_both_hierarchies_have_the_same_labels():
    assert set(hierarchy.load("ffpp").labels) == set(hierarchy.load("ffsc").labels)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_observed_of_a_label_is_part_of_a_legal_state(name):
    h = hierarchy.load(name)
    for label in h.labels:
        seen = h.observed(label)
        assert (h.states[:, seen] == (h.label(label)[seen] > 0)).all(1).any(), label


@pytest.mark.parametrize("name", NAMES)
def test_edges(name):
    h = hierarchy.load(name)
    found = {h.index(parent): tuple(map(h.index, names)) for parent, names in h.children.items()}
    assert found.pop(0) == h.levels["global"]
    assert found == EDGES[name]


def test_nodes_and_levels():
    h = hierarchy.load("ffpp")
    assert h.nodes == (
        *("fake", "expression", "identity", "physical inconsistency"),
        *("eye", "eyebrow", "lip", "mouth", "nose", "skin"),
    )
    assert h.levels == {"root": (0,), "global": (1, 2, 3), "local": (4, 5, 6, 7, 8, 9)}
    assert hierarchy.load("ffsc").levels["global"] == (1, 2, 3, 4, 5)


def test_loaded_once_and_unchangeable():
    h = hierarchy.load("ffpp")
    assert hierarchy.load("ffpp") is h
    assert copy.deepcopy(h) is h
    with pytest.raises(ValueError, match="read-only"):
        h.states[0, 0] = True
    h.label("real")[:] = 1
    assert h.label("real").sum() == 0


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(VALID)
    h = hierarchy.load(path)
    assert h.name == "own"
    assert h.nodes == ("fake", "a", "b", "c", "d")
    assert "own" in repr(h) and f"{len(h.states)} legal states" in repr(h)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"1 11 11"', '"1 11 1"', "label of 'all' must have 5 entries, found 4"),
        ('"1 11 11"', '"1 11 12"', "label of 'all' must use 0, 1 and - only, found '1 11 12'"),
        ('"1 11 11"', '"1 10 01"', r"label of 'all' must be a legal state, found \(1, 1, 0, 0, 1\)"),
        ('"1 11 11"', '"0 11 11"', "label of 'all' must be a legal state"),
        ('{row: "1 11 11", source: s}', '{row: "1 11 11"}', r"label 'all' must have the keys"),
        ("a: [c], b: [c, d]", "a: [c], b: [c]", r"must have a parent, found none for \['d'\]"),
        ("a: [c], b: [c, d]", "a: [c], b: [c, e]", r"children of 'b' must be in \['c', 'd'\]"),
        ("a: [c], b: [c, d]", "a: [], b: [c, d]", r"children of 'a' must be in .*, found \[\]"),
        ("a: [c], b: [c, d]", "b: [c, d]", r"children must have the keys \['fake', 'a', 'b'\]"),
        ("{fake: fake}", "{fake: fake, g: g}", "the root must be one node, found 2"),
        ("{c: c, d: d}", "{c: c, a: d}", "a node must be named once, found 'a' twice"),
        ("{c: c, d: d}", "[c, d]", "level 'local' must map nodes to words"),
        ("nodes:", "knots:", r"the file must have the keys \['nodes', 'children', 'labels'\]"),
        ("{fake: fake}", "{fake: fake", "must be valid YAML"),
    ],
)
def test_errors_name_the_thing_the_rule_and_the_value(tmp_path, old, new, message):
    assert old in VALID
    path = tmp_path / "own.yaml"
    path.write_text(VALID.replace(old, new))
    with pytest.raises(DataError, match=message) as raised:
        hierarchy.load(path)
    assert "hierarchy 'own'" in str(raised.value)


def test_unknown_names():
    h = hierarchy.load("ffpp")
    with pytest.raises(MissingError, match="must be one of .*ffpp.*found 'ff'"):
        hierarchy.load("ff")
    with pytest.raises(ParameterError, match="label must be one of .*found 'Real'"):
        h.label("Real")
    with pytest.raises(ParameterError, match="node must be one of .*found 'ear'"):
        h.index("ear")
    with pytest.raises(ParameterError, match=r"must have 10 entries, found shape \(3, 9\)"):
        h.is_legal(np.zeros((3, 9)))
