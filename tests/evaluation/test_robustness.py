"""Distorted scores: every case has every crop, and level 0 is the undistorted score."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from semdf.artifacts import write_table
from semdf.errors import DataError, ParameterError
from semdf.evaluation.robustness import score_distorted
from semdf.storage.tars import ShardWriter, encode_png


@dataclass
class Sharpness:
    """Says that what has sharp edges is fake."""

    nodes = ("fake",)

    def score(self, crops, batch=64):
        edges = np.abs(np.diff(crops.astype(float), axis=2)).mean((1, 2, 3))
        return (edges / (edges + 10))[:, None]


@pytest.fixture
def manifest(tmp_path, random):
    rows = []
    with ShardWriter(tmp_path / "a.tar") as shard:
        for video, label in (("d/m/0", "real"), ("d/m/1", "x")):
            for frame in (0, 4, 8):
                member = f"{video[-1]}/{frame}.png"
                shard.add(member, encode_png(random.integers(0, 255, (48, 48, 3), dtype=np.uint8)))
                known = {"dataset": "d", "manipulation": "m", "video": video, "target": "", "pristine": ""}
                crop = {"frame": frame, "label": label, "split": "test", "status": "ok"}
                rows.append({**known, **crop, "shard": "a.tar", "member": member})
    rows.append({**rows[0], "video": "d/m/2", "status": "no face", "member": ""})
    return write_table(pd.DataFrame(rows), tmp_path / "manifest.parquet")


def test_every_case_has_every_crop(manifest):
    table = score_distorted(
        Sharpness(), manifest, dataset="d", split="test", distortions=["blur", "H.264"], levels=[1, 5]
    )
    cases = [("none", 0), ("blur", 1), ("blur", 5), ("H.264", 1), ("H.264", 5)]
    assert table.groupby(["distortion", "level"]).size().to_dict() == dict.fromkeys(cases, 4)
    mean = table.groupby(["distortion", "level"])["p_fake"].mean()
    assert mean["none", 0] > mean["blur", 1] > mean["blur", 5]
    again = score_distorted(
        Sharpness(), manifest, dataset="d", split="test", distortions=["blur", "H.264"], levels=[1, 5]
    )
    pd.testing.assert_frame_equal(table, again)


def test_bad_input_is_refused_by_name(manifest):
    with pytest.raises(ParameterError, match="distortions.*fog"):
        score_distorted(Sharpness(), manifest, dataset="d", split="test", distortions=["fog"])
    with pytest.raises(ParameterError, match="level must be"):
        score_distorted(Sharpness(), manifest, dataset="d", split="test", distortions=["blur"], levels=[7])
    with pytest.raises(DataError, match="usable crops of e"):
        score_distorted(Sharpness(), manifest, dataset="e", split="test")
