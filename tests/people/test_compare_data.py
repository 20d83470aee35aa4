"""Rendered data beside those that are shipped: rounding passes, anything else does not."""

import shutil

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from people.audit.compare import compare, main
from semdf.errors import MissingError
from semdf.storage.tars import ShardWriter, encode_png


@pytest.fixture
def folders(tmp_path):
    """Two equal folders: a picture, a list, annotations, an archive."""
    random = np.random.default_rng(0)
    made = tmp_path / "made"
    (made / "A").mkdir(parents=True)
    (made / "A" / "list.txt").write_text("1 a.png")
    (made / "A" / "a.png").write_bytes(encode_png(random.integers(60, 200, (32, 32, 3), np.uint8)))
    with ShardWriter(made / "people" / "stills.tar") as shard:
        shard.add("0.png", encode_png(random.integers(60, 200, (16, 16, 3), np.uint8)))
        shard.add("0.regions.png", encode_png(np.zeros((16, 16), np.uint8)))
    annotate(made)
    shutil.copytree(made, tmp_path / "shipped")
    return made, tmp_path / "shipped"


def annotate(root, landmark=1.0, moved=0):
    forged = np.zeros((1, 32, 32), np.uint8)
    forged.flat[:moved] = 255
    (root / "annotations").mkdir(exist_ok=True)
    np.savez(
        root / "annotations" / "A.npz", **{"a.png/landmarks": np.full((1, 68, 2), landmark), "a.png/forged": forged}
    )


def said(folders):
    result = CliRunner().invoke(main, [str(folder) for folder in folders])
    return result.exit_code, result.output


def shifted(path, levels):
    import cv2

    image = cv2.imread(str(path))
    cv2.imwrite(str(path), np.clip(image.astype(int) + levels, 0, 255).astype(np.uint8))


def test_equal_folders_are_equal_and_rounding_passes(folders):
    table = compare(*folders)
    assert (table["equal"] == table["files"]).all() and not "".join(table["other"])
    assert said(folders)[0] == 0 and "equal bytes" in said(folders)[1]
    shifted(folders[0] / "A" / "a.png", 1)
    annotate(folders[0], moved=3)
    table = compare(*folders).set_index("folder")
    assert table.loc["A", "largest"] == 1 and table.loc["A", "equal"] == 1
    assert "other rounding" in said(folders)[1] and said(folders)[0] == 0


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda f: shifted(f / "A" / "a.png", 20), "20.0 grey levels"),
        (lambda f: (f / "A" / "list.txt").write_text("0 a.png"), "A/list.txt \\(other content"),
        (lambda f: (f / "A" / "a.png").unlink(), "missing or surplus"),
        (lambda f: annotate(f, landmark=1.001), "A.npz \\(other content"),
        (lambda f: annotate(f, moved=30), "A.npz \\(other content"),
        (
            lambda f: (f / "A" / "a.png").write_bytes(encode_png(np.zeros((8, 8, 3), np.uint8))),
            "inf grey levels|instead",
        ),
    ],
)
def test_what_is_more_than_rounding_fails(folders, change, words):
    import re

    change(folders[0])
    code, output = said(folders)
    assert code == 1 and re.search(words, output), output


@pytest.mark.parametrize("short", [0, 1])
def test_an_archive_that_ends_early_on_either_side_fails(folders, short):
    with ShardWriter(folders[short] / "people" / "stills.tar") as shard:
        shard.add("0.png", encode_png(np.random.default_rng(0).integers(60, 200, (16, 16, 3), np.uint8)))
    assert compare(*folders).set_index("folder").loc["people", "other"] and said(folders)[0] == 1


def test_the_last_bits_of_numbers_in_a_table_may_differ_and_nothing_else(folders):
    rows = pd.DataFrame({"id": ["a", "b"], "melanin": [0.1, 0.2], "local": [np.ones(3), np.zeros(3)]})
    for folder in folders:
        rows.to_parquet(folder / "people" / "manifest.parquet")
    other = rows.assign(melanin=np.nextafter(rows["melanin"], 1))
    other.to_parquet(folders[0] / "people" / "manifest.parquet")
    table = compare(*folders).set_index("folder")
    assert table.loc["people", "other"] == "" and table.loc["people", "equal"] == 1
    changes = (rows.assign(melanin=[0.1, 0.2001]), rows.assign(id=["a", "c"]), rows[::-1], rows.drop(columns="local"))
    for change in changes:
        change.to_parquet(folders[0] / "people" / "manifest.parquet", index=False)
        assert "manifest.parquet (other content)" in compare(*folders).set_index("folder").loc["people", "other"]


def test_a_map_of_regions_must_be_equal_and_a_folder_must_be_there(folders, tmp_path):
    with ShardWriter(folders[0] / "people" / "stills.tar") as shard:
        shard.add("0.png", encode_png(np.zeros((16, 16, 3), np.uint8)))
        shard.add("0.regions.png", encode_png(np.ones((16, 16), np.uint8)))
    assert "0.regions.png" in compare(*folders).set_index("folder").loc["people", "other"]
    with pytest.raises(MissingError, match="must be a folder of rendered data, found none"):
        compare(folders[0], tmp_path / "nothing")
