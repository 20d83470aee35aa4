"""Score files go out and come back unchanged, and a broken one is refused by line and rule."""

import json

import numpy as np
import pandas as pd
import pytest

from semdf.errors import DataError, MissingError
from semdf.evaluation import evaluate, interchange


@pytest.fixture
def videos() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "dataset": ["FaceForensics++"] * 3 + ["Celeb-DF-v2"],
            "manipulation": ["original", "Deepfakes", "Deepfakes", "Celeb-real"],
            "video": [
                "FaceForensics++/original/000",
                "FaceForensics++/Deepfakes/000_003",
                "FaceForensics++/Deepfakes/003_000",
                "Celeb-DF-v2/Celeb-real/id0_0000",
            ],
            "target": ["000", "000", "003", "id0"],
            "pristine": ["", "FaceForensics++/original/000", "FaceForensics++/original/003", ""],
            "label": ["real", "Deepfakes", "Deepfakes", "real"],
            "split": "test",
            "p_fake": [0.1, 0.9, np.nan, 0.25],
            "p_eye": [0.05, 0.8, np.nan, 0.2],
            "frames": [4, 4, 0, 4],
            "status": ["ok", "ok", "no face", "ok"],
            "fake": [0, 1, 1, 0],
        }
    )


def test_a_table_comes_back_as_it_went(videos, tmp_path):
    path = interchange.write_scores(videos, tmp_path / "run", detector="auto_lambda-0", seed=0, split="test")
    back = interchange.read_scores(path)
    pd.testing.assert_frame_equal(back[videos.columns], videos, check_dtype=False)


def test_the_file_keeps_the_contract(videos, tmp_path):
    path = interchange.write_scores(videos, tmp_path / "run", detector="auto_lambda-0", seed=0, split="test")
    table = pd.read_csv(path, keep_default_na=False)
    assert path.name == "run.scores.csv" and set(interchange.REQUIRED) <= set(table)
    assert table["status"].tolist() == ["ok", "ok", "missing", "ok"] and table["score"][2] == ""
    assert all(c.startswith("x_") for c in table if c not in (*interchange.REQUIRED, "method", "n_frames"))
    meta = json.loads((tmp_path / "run.scores.meta.json").read_text())
    assert meta["schema"] == "dfwb.scores/1" and meta["coverage"] == {"expected": 4, "ok": 3, "missing": 1, "error": 0}


FOREIGN = """dataset,key,compression,label,score,status
X,a,c23,1,0.75,ok
X,a,c40,1,0.5,ok
X,b,c23,0,0.25,ok
X,c,c23,0,,error
"""


def test_a_foreign_file_can_be_evaluated(tmp_path):
    path = tmp_path / "other.scores.csv"
    path.write_text(FOREIGN)
    videos = interchange.read_scores(path)
    assert videos["video"].tolist() == ["X/a@c23", "X/a@c40", "X/b@c23", "X/c@c23"]
    table = evaluate.summarise(videos, resamples=100, seed=0)
    assert table.loc[0, "auc"] == 1.0 and table.loc[0, "missing"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("0.75", "1.75"), r"line 2: score must lie in \[0, 1\]"),
        (("0.75", "high"), r"line 2: score must lie in \[0, 1\]"),
        ((",,error", ",0.5,error"), "line 5: score must be empty"),
        (("error", "lost"), "line 5: status must be"),
        (("X,a,c40", "X,a,c23"), "line 3: data set and key must be unique"),
        (("a,c23,1", "a,c23,2"), "line 2: label must be 0 or 1"),
        (("key,", "name,"), "columns.*key"),
    ],
)
def test_a_broken_row_is_named(tmp_path, change, message):
    path = tmp_path / "other.scores.csv"
    path.write_text(FOREIGN.replace(*change))
    with pytest.raises(DataError, match=message):
        interchange.read_scores(path)


def test_a_missing_file_and_a_broken_meta_file_are_named(tmp_path):
    with pytest.raises(MissingError, match="none.scores.csv"):
        interchange.read_scores(tmp_path / "none.scores.csv")
    (tmp_path / "other.scores.csv").write_text(FOREIGN)
    (tmp_path / "other.scores.meta.json").write_text("[]")
    with pytest.raises(DataError, match="other.scores.meta.json"):
        interchange.read_scores(tmp_path / "other.scores.csv")
