"""The shortcut test itself: it finds planted shortcuts, and nothing where there is none."""

import json

import cv2
import numpy as np
import pandas as pd
import pytest

from semdf.errors import DataError, MissingError
from semdf.people.pictures import write_picture
from semdf.people.shortcuts import domains, measure_file, measure_items, shortcut_auc, shortcut_table
from semdf.people.video import write_video


def picture(seed: int, noise: float = 4.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    wave = cv2.resize(rng.uniform(0, 255, (6, 6, 3)).astype(np.float32), (64, 64), interpolation=cv2.INTER_CUBIC)
    return np.clip(wave + rng.normal(0, noise, wave.shape), 0, 255).astype(np.uint8)


def test_noise_tells_nothing_and_a_leak_tells_all():
    rng = np.random.default_rng(0)
    fake, groups = np.tile([False, True], 60), np.repeat(np.arange(60), 2)
    values = rng.normal(size=(120, 4))
    auc, low, high = shortcut_auc(fake, values, groups)
    assert 0.35 < auc < 0.65 and low < auc < high
    auc, low, _ = shortcut_auc(fake, values + 3 * fake[:, None], groups)
    assert auc > 0.97 and low > 0.9


def test_a_group_s_own_value_tells_nothing():
    """Identities that were memorised are of no use, since no group is in two folds."""
    fake, groups = np.repeat([False, True], 40), np.tile(np.arange(40), 2)
    auc, _, _ = shortcut_auc(fake, np.stack([groups, groups**2], -1).astype(float), groups)
    assert auc < 0.6


def test_too_few_groups_are_refused():
    with pytest.raises(DataError, match="at least ten groups. Found 4"):
        shortcut_auc(np.array([0, 1] * 4), np.zeros((8, 1)), np.repeat(np.arange(4), 2))


def test_measurements_see_quality_noise_and_frames(tmp_path):
    write_picture(tmp_path / "a.jpg", picture(1), 95, "444")
    write_picture(tmp_path / "b.jpg", picture(1), 70, "420")
    a, b = measure_file(tmp_path / "a.jpg"), measure_file(tmp_path / "b.jpg")
    assert a["size.bytes"] > b["size.bytes"] and a["headers.tables"] < b["headers.tables"]
    assert a["headers.sampling"] != b["headers.sampling"]
    write_picture(tmp_path / "c.png", picture(1, noise=9), 95, "444")
    c = measure_file(tmp_path / "c.png")
    assert c["statistics.noise"] > a["statistics.noise"] and c["spectrum.slope"] > a["spectrum.slope"]
    for name, count, crf in (("d", 4, 18), ("e", 6, 30)):
        write_video(tmp_path / f"{name}.mp4", [picture(k) for k in range(count)], crf)
    d, e = measure_file(tmp_path / "d.mp4"), measure_file(tmp_path / "e.mp4")
    assert (d["headers.frames"], e["headers.frames"]) == (4, 6)
    assert d["headers.encoder"] != e["headers.encoder"], "the encoder writes its settings into the stream"
    with pytest.raises(MissingError, match="expected a file"):
        measure_file(tmp_path / "no.mp4")


def items(root, leak: bool) -> pd.DataFrame:
    person = {name: 0.5 for name in ("age", "gender", "weight", "melanin", "blood")} | {"ancestry": [0.2, 0.3, 0.5]}
    rows = []
    for i in range(12):
        for fake in (False, True):
            path = f"FFSC/{i}-{fake}.jpg"
            write_picture(root / path, picture(2 * i + fake), 75 if leak and fake else 92, "420")
            rows.append({"dataset": "FFSC", "path": path, "manipulation": "", "fake": fake, "target": f"FFSC/{i}/0",
                         "person": json.dumps(person)})  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize("leak", [False, True])
def test_a_second_compression_of_the_fakes_is_found(tmp_path, leak):
    measured = measure_items(items(tmp_path, leak), tmp_path)
    table = shortcut_table({"FFSC": measured}).set_index("group")
    assert (table["real"] == 12).all() and (table["fake"] == 12).all()
    assert table.loc["headers", "auc"] == (1.0 if leak else 0.5)
    assert table.loc["identity", "auc"] == 0.5


def test_reals_of_another_data_set_join_their_fakes():
    rows = [("FaceForensics++", "", False, f"FaceForensics++/{i}/0") for i in range(3)]
    rows += [("FaceForensics++", "Deepfakes", True, "FaceForensics++/0/0")]
    rows += [("FaceForensics++", "FaceShifter", True, "FaceForensics++/1/0")]
    rows += [("DeeperForensics-1.0", "end_to_end", True, "FaceForensics++/2/0")]
    found = domains(pd.DataFrame(rows, columns=["dataset", "manipulation", "fake", "target"]))
    assert {name: len(items) for name, items in found.items()} == {
        "FaceForensics++": 4, "FaceShifter": 2, "DeeperForensics-1.0": 2,
    }  # fmt: skip
    assert found["FaceShifter"]["target"].unique().tolist() == ["FaceForensics++/1/0"]
