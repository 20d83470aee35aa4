"""The shortcut test itself: it finds planted shortcuts, and nothing where there is none."""

import json

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict

from people.audit.shortcuts import (
    GROUPS,
    domains,
    measure_file,
    measure_items,
    shortcut_auc,
    shortcut_table,
    split_people,
)
from people.benchmarks.pictures import write_picture
from people.benchmarks.video import write_video
from semdf.errors import DataError, MissingError
from semdf.pipeline import ROOT


def picture(seed: int, noise: float = 4.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    wave = cv2.resize(rng.uniform(0, 255, (6, 6, 3)).astype(np.float32), (64, 64), interpolation=cv2.INTER_CUBIC)
    return np.clip(wave + rng.normal(0, noise, wave.shape), 0, 255).astype(np.uint8)


def swapped(people: int, ring: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A real item of everybody, and a fake of everybody with the face of a partner, or of the next in a ring."""
    everybody = np.arange(people)
    donor = np.roll(everybody, -1) if ring else everybody ^ 1
    return np.repeat([False, True], people), np.tile(everybody, 2), np.concatenate([everybody, donor])


@pytest.mark.parametrize("ring", [False, True])
def test_noise_tells_nothing_and_a_leak_tells_all(ring):
    fake, target, source = swapped(60, ring)
    values = np.random.default_rng(0).normal(size=(120, 4))
    found = shortcut_auc(fake, values, target, source)
    assert 0.3 < found.auc < 0.7 and found.low <= 0.5 <= found.high
    found = shortcut_auc(fake, values + 3 * fake[:, None], target, source)
    assert found.auc > 0.97 and found.low > 0.9


@pytest.mark.parametrize("ring", [False, True])
def test_who_is_shown_tells_nothing_although_a_donor_is_real_elsewhere(ring):
    """Identity is the only signal: b is real as b, and forged as a with the face of b."""
    fake, target, source = swapped(60, ring)
    face = np.random.default_rng(1).normal(size=(60, 3))
    values = face[source]
    found = shortcut_auc(fake, values, target, source)
    assert 0.3 < found.auc < 0.7 and found.low <= 0.5 <= found.high
    forest = RandomForestClassifier(50, random_state=0)
    said = cross_val_predict(forest, values, fake, groups=target, cv=GroupKFold(5), method="predict_proba")[:, 1]
    assert roc_auc_score(fake, said) < 0.3, "which is what grouping by targets alone would report"
    found = shortcut_auc(fake, values + fake[:, None] * [4.0, 0, 0], target, source)
    assert found.low > 0.8, "donors of another kind than the targets are a shortcut, and are found"


def test_nobody_is_on_both_sides():
    for people, ring in ((60, False), (60, True)):
        fake, target, source = swapped(people, ring)
        split = split_people(target, source, fake, seed=0)
        assert split.linked is not ring and set(split.part.ravel()) == set(range(5))
        for part in range(5):
            tested, trained = (split.part == part).all(1), (split.part != part).all(1)
            shown = [set(target[side]) | set(source[side]) for side in (tested, trained)]
            assert all(shown) and not shown[0] & shown[1]


def test_too_few_people_are_refused():
    fake, target, source = swapped(8)
    with pytest.raises(DataError, match="must have at least 10 people with pristine items, found 8"):
        shortcut_auc(fake, np.zeros((16, 1)), target, source)


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
    with pytest.raises(MissingError, match="must have a file at .*, found none"):
        measure_file(tmp_path / "no.mp4")


def items(root, leak: bool) -> pd.DataFrame:
    person = {name: 0.5 for name in ("age", "gender", "weight", "melanin", "blood")} | {"ancestry": [0.2, 0.3, 0.5]}
    rows = []
    for i in range(60):
        for fake in (False, True):
            path = f"FFSC/{i}-{fake}.jpg"
            write_picture(root / path, picture(2 * i + fake), 75 if leak and fake else 92, "420")
            row = {"dataset": "FFSC", "path": path, "manipulation": "", "fake": fake, "person": json.dumps(person)}
            row["target"] = f"FFSC/{i}/0"
            row["source"] = f"FFSC/{i ^ 1}/0" if fake else ""
            rows.append(row)
    return pd.DataFrame(rows)


@pytest.mark.parametrize("leak", [False, True])
def test_a_second_compression_of_the_fakes_is_found(tmp_path, leak):
    measured = measure_items(items(tmp_path, leak), tmp_path)
    table = shortcut_table({"FFSC": measured}).set_index("group")
    assert (table["real"] == 60).all() and (table["fake"] == 60).all() and (table["note"] == "").all()
    assert table.loc["headers", "auc"] == (1.0 if leak else 0.5)
    assert table.loc["identity", "auc"] == 0.5, "all are alike here"
    assert table.loc["headers", "attribute"] == "headers.tables" or not leak


def test_reals_of_another_data_set_join_their_fakes():
    rows = [("FaceForensics++", "", False, f"FaceForensics++/{i}/0") for i in range(3)]
    rows += [("FaceForensics++", "Deepfakes", True, "FaceForensics++/0/0")]
    rows += [("FaceForensics++", "FaceShifter", True, "FaceForensics++/1/0")]
    rows += [("DeeperForensics-1.0", "end_to_end", True, "FaceForensics++/2/0")]
    found = domains(pd.DataFrame(rows, columns=["dataset", "manipulation", "fake", "target"]))
    sizes = {name: len(items) for name, items in found.items()}
    assert sizes == {"FaceForensics++": 4, "FaceShifter": 2, "DeeperForensics-1.0": 2}
    assert found["FaceShifter"]["target"].unique().tolist() == ["FaceForensics++/1/0"]


def test_the_table_of_the_document_is_the_measured_one():
    table = pd.read_csv(ROOT / "docs" / "shortcuts.csv").set_index(["items", "domain", "group"])
    lines = (ROOT / "docs" / "data.md").read_text().splitlines()
    for (items, domain), part in table.groupby(level=[0, 1]):
        (line,) = [line for line in lines if line.startswith(f"| {domain} | {items} |")]
        cells = [cell.strip() for cell in line.strip("|").split("|")][2:]
        for group, said in zip((*GROUPS, "all"), cells, strict=True):
            row = part.loc[(items, domain, group)] if (items, domain, group) in part.index else None
            assert said == ("" if row is None else f"{row['auc']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"), line
