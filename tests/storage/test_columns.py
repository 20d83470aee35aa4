"""The schema of the tables: every column is defined, once."""

import pytest

from semdf.storage import columns

TABLES = {
    name: value
    for name, value in vars(columns).items()
    if name.isupper() and isinstance(value, tuple) and isinstance(value[0], str)
}
OF_STILLS = {"STILLS", "FACE_PARSER_STILLS"}


def defined(table: str) -> dict[str, columns.Column]:
    """The definitions that hold for a table."""
    if table == "MEASURED_ITEM":
        return columns.PROVENANCE
    return columns.STILL_COLUMNS if table in OF_STILLS else columns.COLUMNS


@pytest.mark.parametrize("table", TABLES)
def test_a_table_has_defined_columns_each_once(table):
    names = TABLES[table]
    assert len(set(names)) == len(names)
    assert {name for name in names if not name.startswith("p_")} <= set(defined(table))


@pytest.mark.parametrize("table", [columns.COLUMNS, columns.SCORE_COLUMNS, columns.STILL_COLUMNS, columns.PROVENANCE])
def test_a_meaning_is_a_sentence(table):
    for column in table.values():
        assert column.meaning.endswith(".")


def test_kinds_are_those_of_manifests_and_of_probabilities():
    assert columns.kind_of("video") == "text"
    assert columns.kind_of("p_fake") == columns.kind_of("score") == "number"
    assert columns.kind_of("age") is None
