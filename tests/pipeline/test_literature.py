"""The table of claims keeps its rules, and frame level never meets video level."""

import pandas as pd
import pytest

from semdf.errors import DataError, MissingError
from semdf.pipeline import literature


def test_every_claim_names_its_source_and_level():
    claims = literature.read()
    assert len(claims) == 621 and claims["level"].isin(literature.LEVELS).all()
    assert claims["suspect"].sum() > 0


def test_no_number_of_the_paper_is_claimed():
    own = literature.read().query("method == 'SJEDD'")
    assert len(own) == 1 and own["auc"].isna().all()


def test_disagreements_stay_within_a_level():
    table = literature.disagreements(literature.read(), same=["level"])
    assert table["spread"].is_monotonic_decreasing and (table["claims"] >= 2).all()
    assert not table.duplicated(["method", "test_set", "level"]).any()
    # SBI on Celeb-DF-v2 has a frame-level and a video-level disagreement, each its own row
    sbi = table.query("method == 'SBI' and test_set == 'CDFv2'").set_index("level")
    assert sbi.loc["frame", "high"] < sbi.loc["video", "low"]


def test_a_disagreement_is_of_two_sources_about_one_training_set():
    table = literature.disagreements(literature.read())
    assert (table["sources"] >= 2).all() and not table.duplicated(["method", "train_set", "test_set", "level"]).any()
    rows = [
        ("M", "FF++", "video", 0.8, "a"), ("M", "FF++", "video", 0.85, "b"),  # a disagreement
        ("M", "FF++ c23", "video", 0.5, "b"), ("M", "FF++", "frame", 0.6, "b"),  # something else was measured
        ("N", "FF++", "video", 0.7, "a"), ("N", "FF++", "video", 0.9, "a"),  # one source, two variants
        ("O", "FF++", "video", 0.7, "a"), ("O", "FF++", "video", 0.7, "b"),  # they agree
    ]  # fmt: skip
    claims = pd.DataFrame(rows, columns=["method", "train_set", "level", "auc", "source"]).assign(test_set="X")
    (found,) = literature.disagreements(claims).to_dict("records")
    assert (found["method"], found["claims"], found["low"], found["high"]) == ("M", 2, 0.8, 0.85)
    assert literature.disagreements(claims, same=()).loc[0, "low"] == 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("video", "clip"), "level must be"),
        (("0.5", "1.5"), r"auc must lie in \[0, 1\]"),
        (("a source", ""), "source must not be empty"),
        (("no,", "maybe,"), "suspect must be yes or no"),
        (("method,", "name,"), "columns"),
    ],
)
def test_a_row_that_breaks_a_rule_is_named(tmp_path, change, message):
    good = ",".join(literature.COLUMNS) + "\nM,2020,V,FF++,X,video,0.5,no,a source\n"
    path = tmp_path / "claims.csv"
    path.write_text(good)
    assert len(literature.read(path)) == 1
    path.write_text(good.replace(*change))
    with pytest.raises(DataError, match=message):
        literature.read(path)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(MissingError, match="claims"):
        literature.read(tmp_path / "none.csv")
