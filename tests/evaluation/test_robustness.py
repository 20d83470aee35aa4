"""Distorted scores: every case has every crop, and level 0 is the undistorted score."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from semdf.artifacts import write_table
from semdf.errors import DataError, ParameterError
from semdf.evaluation.robustness import operating_point, score_distorted
from semdf.params import Camera
from semdf.storage.tars import ShardWriter, encode_png, read_image


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


@pytest.fixture
def validation(tmp_path, random):
    rows = []
    with ShardWriter(tmp_path / "v.tar") as shard:
        for video in range(20):
            level = 4 * video
            picture = random.integers(0, level + 2, (48, 48, 3), dtype=np.uint8)
            shard.add(f"{video}.png", encode_png(picture))
            known = {"dataset": "d", "manipulation": "m", "video": f"d/m/{video}", "target": "", "pristine": ""}
            crop = {"frame": 0, "label": "real", "split": "val", "status": "ok"}
            rows.append({**known, **crop, "shard": "v.tar", "member": f"{video}.png"})
    return write_table(pd.DataFrame(rows), tmp_path / "validation.parquet")


CAMERA = {"second": 0.0, "blur": [0.5, 2.0], "resize": [0.5, 1.0], "noise": [0.0, 5.0], "jpeg": [50, 95]}


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_the_threshold_lets_just_the_share_of_pristine_videos_be_called_fake(validation, share):
    rows = pd.read_parquet(validation)
    crops = np.stack([read_image(validation.parent, row.shard, row.member) for row in rows.itertuples()])
    p = Sharpness().score(crops)[:, 0]
    untouched = Camera(untouched=1.0, **CAMERA)
    at = operating_point(Sharpness(), validation, dataset="d", camera=untouched, draws=1, share=share)
    assert (p >= at).sum() == share * 20
    assert (p >= np.nextafter(at, 0)).sum() == share * 20 + 1


def test_a_camera_that_adds_sharp_edges_raises_the_threshold(validation):
    noisy = Camera(untouched=0.0, **(CAMERA | {"blur": [0.01, 0.02], "resize": [1, 1], "noise": [40, 50]}))
    untouched = Camera(untouched=1.0, **CAMERA)
    high = operating_point(Sharpness(), validation, dataset="d", camera=noisy, share=0.3)
    low = operating_point(Sharpness(), validation, dataset="d", camera=untouched, share=0.3)
    assert high > low


def test_without_pristine_validation_videos_there_is_no_threshold(manifest):
    with pytest.raises(DataError, match="must hold pristine validation crops of d, found none"):
        operating_point(Sharpness(), manifest, dataset="d", camera=Camera(untouched=1.0, **CAMERA))
