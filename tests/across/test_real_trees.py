"""Trees as the real data sets have them, with faces that a detector finds, from params.yaml or commands to training."""

import shutil

import _trees
import numpy as np
import pandas as pd
import pytest
from _files import WEIGHTS, needs_weights
from _media import draw, landmarks
from click.testing import CliRunner

from semdf import layouts, params
from semdf.artifacts import read_json, read_table
from semdf.cli import main
from semdf.errors import DataError, MissingError, ParameterError
from semdf.extraction.extract import extract
from semdf.extraction.merge import merge
from semdf.faces.choose import FINDERS, choose
from semdf.faces.finders import Annotated, RetinaFace, Templates, Whole
from semdf.faces.landmarks import _FROM_189, _OUTLINE
from semdf.faces.mtcnn import Mtcnn
from semdf.forging.sources import faces_of
from semdf.layouts import protocols
from semdf.method import hierarchy
from semdf.pipeline import ROOT, nb
from semdf.storage.tars import encode_png, read_image
from semdf.training.datasets import load
from semdf.training.runs import configure
from semdf.training.train import fit

PAIRS = {"train": [["000", "169"], ["001", "164"]], "val": [["002", "080"]], "test": [["004", "176"]]}


@pytest.fixture
def trees(data, tmp_path):
    """A FaceForensics++ of two compressions and a DeeperForensics-1.0 whose lists train on a test original."""
    home = data / "FaceForensics++"
    ffpp = tmp_path / "FFPP"
    deeper = tmp_path / "DF"
    for split, pairs in PAIRS.items():
        _trees.write(ffpp, f"{split}.json", pairs)
        stems = [name for one, two in pairs for name in (one, two, f"{one}_{two}", f"{two}_{one}")]
        for path in (p for stem in stems for p in sorted(home.glob(f"*/*/c23/videos/{stem}.mp4"))):
            place = ffpp / path.relative_to(home)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
    _trees.touch(ffpp, "original_sequences/youtube/c40/videos/000")
    fake = "manipulated_videos/end_to_end/004_M105.mp4"
    _trees.touch(deeper, fake)
    shutil.copy(data / "DeeperForensics-1.0" / fake, deeper / fake)
    for split in PAIRS:
        _trees.write(deeper, f"lists/splits/{split}.txt", "004_M105.mp4\n" if split == "train" else "")
    return ffpp, deeper


def command(*words):
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.output


@needs_weights
def test_parameters_alone_lead_from_real_trees_to_a_training_step(trees, tmp_path):
    """And the commands of a cluster, shards and all, make the same faces."""
    ffpp, deeper = trees
    blocks = params.read(ROOT / "params.yaml")
    changes = {
        "datasets": {"faceforensics++": str(ffpp), "deeperforensics-1.0": str(deeper)},
        "options": {
            "faceforensics++": {"compression": "c23"},
            "deeperforensics-1.0": {"split": "originals", "originals": str(ffpp), "reals": False},
        },
        "finder": "retinaface",
        "weights": str(WEIGHTS),
        "frames": 2,
        "size": 128,
        "alignment": "similarity",
        "workers": 1,
    }
    block = params.check("extract", blocks["extract"].model_dump() | changes)
    faces, expanded = tmp_path / "faces", tmp_path / "expanded"
    values = block.model_dump() | {"data_dir": "data", "out_dir": str(faces)}
    nb.run(ROOT / "notebooks" / "02_faces.ipynb", faces / "02_faces.ipynb", values)
    manifest = read_table(faces / "manifest.parquet")
    assert (manifest["status"] == "ok").all() and len(manifest) == 2 * (8 + 4 * 8 + 1)
    assert manifest["landmarks"].map(len).eq(10).all() and (manifest["regions_member"] == "").all()
    test = protocols.select(manifest[manifest["split"].isin(["val", "test"])], "DeeperForensics-1.0")
    assert {"DeeperForensics-1.0/end_to_end/004_M105"} == set(test.loc[test["label"] != "real", "video"])

    apart = tmp_path / "apart"
    settings = ["--weights", WEIGHTS, "--frames", 2, "--size", 128, "--alignment", "similarity", "--workers", 1]
    for i in range(2):
        words = ["--layout", "faceforensics++", "--compression", "c23", "--shard", f"{i}/2"]
        command("extract", ffpp, apart / "faceforensics++", *words, *settings)
    command("join", apart / "faceforensics++")
    words = [f"--option={name}" for name in ("split=originals", f"originals={ffpp}", "reals=false")]
    command("extract", deeper, apart / "deeperforensics-1.0", "--layout", "deeperforensics-1.0", *words, *settings)
    assert f"{len(manifest)} crops" in command("merge", apart)
    wanted = {"size": 128, "alignment": "similarity", "margin": 1.3}
    assert read_json(apart / "crop.json") == read_json(faces / "crop.json") == wanted
    pd.testing.assert_frame_equal(
        read_table(apart / "manifest.parquet").sort_values("sample", ignore_index=True),
        manifest.sort_values("sample", ignore_index=True),
    )

    command("expand", apart, expanded, "--seed", 0, "--region", "nose", "--workers", 1)
    tree = hierarchy.load("ffpp")
    tables = [apart / "manifest.parquet", expanded / "manifest.parquet"]
    samples = load(tables, tree, ["train"], datasets=["FaceForensics++"])
    validation = load(tables, tree, ["val"], datasets=["FaceForensics++"])
    tiny = {"epochs": 1, "pairs": 4, "batch": 8, "lambda_every": 1, "warmup": 0.0, "threads": 1}
    config = configure("auto_lambda", 0, blocks["train"].model_dump() | tiny, read_json(apart / "crop.json"))
    record = fit(samples, validation, config)
    assert {"original", "Deepfakes", "expanded-nose"} <= set(samples.rows["manipulation"])
    assert record.steps == 1 and np.isfinite(record.history.filter(like="loss_")).all(axis=None)


def test_options_of_a_data_set_that_is_not_read_are_refused():
    values = params.read(ROOT / "params.yaml")["extract"].model_dump()
    with pytest.raises(ParameterError, match="options for layouts of datasets alone, not for 'dfdc-preview'"):
        params.check("extract", values | {"options": {"dfdc-preview": {}}})


def test_every_finder_has_its_name(tmp_path, monkeypatch):
    monkeypatch.setenv("SEMDF_WEIGHTS", str(tmp_path / "nowhere"))
    home = tmp_path / "Set"
    (tmp_path / "annotations").mkdir()
    np.savez(tmp_path / "annotations" / "Set.npz")
    kinds = {"auto": Annotated, "annotations": Annotated, "mtcnn": Mtcnn, "whole": Whole, "templates": Templates}
    assert {name: type(choose(name, home)) for name in kinds} == kinds and set(FINDERS) - set(kinds) == {"retinaface"}
    for words in (("retinaface", home), ("auto", tmp_path / "Other")):
        with pytest.raises(MissingError, match="at .*nowhere.*extract.weights or .SEMDF_WEIGHTS"):
            choose(*words)
    with pytest.raises(ParameterError, match="annotations/NAME.npz .* or --annotations FILE.npz, found none"):
        choose("annotations", tmp_path / "Other")
    with pytest.raises(ParameterError, match="one of auto, .*found 'nobody'"):
        choose("nobody", home)


@needs_weights
def test_weights_that_are_named_ask_for_retinaface(tmp_path):
    (tmp_path / "annotations").mkdir()
    np.savez(tmp_path / "annotations" / "Set.npz")
    assert isinstance(choose("auto", tmp_path / "Set", weights=WEIGHTS, face="track"), RetinaFace)


# -- data sets that were extracted one by one ------------------------------------------------------------------------


def pictures(root, *names):
    for number, name in enumerate(names):
        path = root / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        points = landmarks((64, 62 + number % 5), 78)
        path.write_bytes(encode_png(draw(points, 128, number)))
        template = np.zeros((189, 2))
        for group, point in zip(_FROM_189, points[17:], strict=True):
            template[list(group)] = point
        template[list(_OUTLINE)] = np.linspace(points[0], points[16], len(_OUTLINE))
        np.savetxt(path.with_suffix(".tem"), template, header="189", comments="")
    return root


@pytest.fixture
def apart(tmp_path):
    """Two data sets in folders of one."""
    for name in ("b", "a"):
        root = pictures(tmp_path / name, "p1_0", "p2_0")
        extract(_rows(root, name), root, tmp_path / "faces" / name, Whole(), frames=1, size=32)
    return tmp_path / "faces"


def _rows(root, name):
    return layouts.load("pictures", dataset=name).read(root)


def test_merged_data_sets_are_one(apart):
    manifest = merge(apart)
    assert manifest["dataset"].tolist() == ["a", "a", "b", "b"] and manifest["shard"].iloc[0] == "a/a/original.tar"
    pd.testing.assert_frame_equal(read_table(apart / "manifest.parquet"), manifest)
    assert read_json(apart / "crop.json")["size"] == 32
    for row in manifest.itertuples():
        assert read_image(apart, row.shard, row.member).shape == (32, 32, 3)
    assert merge(apart, ["b", "a"])["dataset"].tolist() == ["b", "b", "a", "a"]


def test_what_does_not_belong_together_is_not_merged(apart, tmp_path):
    with pytest.raises(MissingError, match="a folder of `semdf extract` for each data set, found none"):
        merge(apart / "a" / "a")
    with pytest.raises(DataError, match="found extract.json in it"):
        merge(apart / "a")
    root = tmp_path / "a"
    extract(_rows(root, "a"), root, apart / "again", Whole(), frames=1, size=32)
    with pytest.raises(DataError, match="found a/original/p1_0 in two"):
        merge(apart)
    extract(_rows(root, "c"), root, apart / "again", Whole(), frames=1, size=40)
    with pytest.raises(DataError, match="crops as of a, .*'size': 32.*found .*'size': 40"):
        merge(apart)
    extract(_rows(root, "c"), root, apart / "again", Whole(), frames=1, size=32)
    (apart / "again" / "extract.json").unlink()
    with pytest.raises(MissingError, match="again: must hold a finished extraction"):
        merge(apart)
    assert not (apart / "manifest.parquet").exists() and len(merge(apart, ["a", "b"])) == 4


def test_what_is_not_finished_is_not_left_out_in_silence(apart, tmp_path):
    root = tmp_path / "a"
    (apart / ".trash").mkdir()
    shutil.copy(apart / "a" / "manifest.parquet", apart / ".trash")
    assert len(merge(apart)) == 4
    extract(_rows(root, "c"), root, apart / "c", Whole(), frames=1, size=32, shard=(0, 2))
    with pytest.raises(
        MissingError, match="c: must hold a finished extraction, found one that is not: .*join its shards"
    ):
        merge(apart)
    assert len(merge(apart, ["a", "b"])) == 4
    shutil.rmtree(apart / "c")
    (apart / "d.parts").mkdir()
    with pytest.raises(MissingError, match="d.parts: must hold a finished extraction, found one that is not"):
        merge(apart)


def test_an_extraction_behind_a_link_is_merged_where_it_may_be_read(apart, tmp_path, monkeypatch):
    (apart / "b").rename(tmp_path / "elsewhere")
    (apart / "b").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="found 'b', which leads outside"):
        merge(apart)
    monkeypatch.setenv("SEMDF_LINKS", str(tmp_path / "elsewhere"))
    assert len(merge(apart)) == 4


# -- a folder of pictures --------------------------------------------------------------------------------------------


def test_pictures_need_neither_weights_nor_landmarks(tmp_path, data, monkeypatch):
    """MTCNN finds their faces; drawn ones are none."""
    monkeypatch.setenv("SEMDF_WEIGHTS", str(tmp_path / "nowhere"))
    root = pictures(tmp_path / "in", "p1_0", "p2_0")
    for path in root.glob("*.tem"):
        path.unlink()
    words = ["expand", str(root), str(tmp_path / "out"), "--seed", "1", "--region", "nose", "--workers", "1"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 1 and "must show a face in some of 2 pictures, found 2 with no face" in result.output
    for number, path in enumerate(sorted((data / "DiFF" / "DiFF_real").rglob("*.jpg"))[:4]):
        shutil.copy(path, root / f"p{number}_0.jpg")
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0 and result.stdout.startswith("4 forgeries, "), result.output


def test_pictures_without_a_face_are_counted(tmp_path, monkeypatch):
    monkeypatch.setenv("SEMDF_WEIGHTS", str(tmp_path / "nowhere"))
    root = pictures(tmp_path / "in", "p1_0", "p2_0")
    (root / "p3_0.png").write_text("no picture")
    (root / "p2_0.tem").unlink()
    with pytest.warns(UserWarning, match="of 3 pictures 1 with no face, 1 with unreadable video"):
        faces_of(root, tmp_path / "some")
    (root / "p1_0.png").write_text("no picture")
    with pytest.raises(DataError, match="in some of 3 pictures, found 1 with no face, 2 with unreadable video"):
        faces_of(root, tmp_path / "none")


def test_names_of_a_camera_find_donors(tmp_path, monkeypatch):
    monkeypatch.setenv("SEMDF_WEIGHTS", str(tmp_path / "nowhere"))
    root = pictures(tmp_path / "in", "IMG_ann_0", "IMG_ann_1", "IMG_bob_0", "IMG_bob_1")
    with pytest.warns(UserWarning, match="each is taken for a person of its own"):
        command("expand", root, tmp_path / "out", "--seed", 1, "--region", "nose", "--workers", 1)
    made = read_table(tmp_path / "out" / "manifest.parquet")
    assert (made["status"] == "ok").sum() == 4 and made["target"].nunique() == 4
    words = ["--seed", 1, "--region", "nose", "--workers", 1, "--identity", "IMG_([a-z]+)"]
    command("expand", root, tmp_path / "named", *words)
    made = read_table(tmp_path / "named" / "manifest.parquet")
    assert set(made["target"]) == {"original/ann", "original/bob"} and (made["status"] == "ok").sum() == 4
