"""`semdf export`: crops and forgeries in DeepfakeBench's form, read back by our own reader and as their code reads."""

import json

import numpy as np
import pytest
from _media import faceforensics
from click.testing import CliRunner
from ruamel.yaml import YAML

from semdf import layouts
from semdf.artifacts import read_table, write_table
from semdf.cli import main
from semdf.errors import DataError
from semdf.extraction.extract import extract
from semdf.faces.finders import Annotated
from semdf.forging.expand import expand
from semdf.forging.export import to_deepfakebench
from semdf.layouts.deepfakebench import DeepfakeBench, label_of
from semdf.storage.tars import decode_image, read_image

NAME = "semdf-FaceForensics++"


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Folders of extracted faces, as JPEG files, and of their expansion."""
    root = faceforensics(tmp_path_factory.mktemp("data") / "FaceForensics++")
    faces = root.parent / "faces"
    expanded = root.parent / "expanded"
    rows = layouts.load("faceforensics++").read(root)
    rows["split"] = np.where(rows["split"] == "test", "test", "train")
    rows.loc[rows.index[-1], "split"] = ""
    finder = Annotated(root.parent / "annotations.npz")
    cut = {"frames": 2, "size": 112, "alignment": "native", "format": "jpeg"}
    manifest = extract(rows, root, faces, finder, **cut)
    write_table(expand(manifest, faces, expanded, per_image=3, seed=1), expanded / "manifest.parquet")
    return faces, expanded


def rows_of(sources):
    """The rows of both manifests that have a crop and a split, each with its folder."""
    for folder in sources:
        table = read_table(folder / "manifest.parquet")
        for row in table[(table["status"] == "ok") & (table["split"] != "")].to_dict("records"):
            yield folder, row


@pytest.fixture(scope="module")
def exported(sources, tmp_path_factory):
    out = tmp_path_factory.mktemp("exported")
    return out, to_deepfakebench(sources, out)


def test_our_reader_reads_every_row_back(sources, exported):
    out, _ = exported
    assert layouts.recognise(out) == "deepfakebench"
    layout = DeepfakeBench(f"{NAME}.json", splits=("train", "val", "test"))
    read = layout.read(out)
    assert (read["status"] == "ok").all()
    found = {tuple(row) for row in read[["dataset", "manipulation", "video", "label", "split"]].to_numpy()}
    expected = {
        (r["dataset"], r["manipulation"], f"{r['video']}--{r['frame']:04d}", r["label"], r["split"])
        for _, r in rows_of(sources)
    }
    assert found == expected and len(read) == len(found) > 20
    assert {"expanded-eyes", "original", "Deepfakes"} <= set(read["manipulation"])
    assert [one.file for one in DeepfakeBench.present(out)] == [f"{NAME}.json"]


def test_their_code_finds_pictures_labels_masks_and_landmarks(sources, exported):
    """As training/dataset/abstract_dataset.py of DeepfakeBench goes through a list."""
    out, _ = exported
    known = YAML(typ="safe").load((out / "label_dict.yaml").read_text())["label_dict"]
    wanted = {}
    for folder, row in rows_of(sources):
        wanted[row["dataset"], row["manipulation"], row["video"].rsplit("/", 1)[1], row["frame"]] = folder, row
    content = json.loads((out / f"{NAME}.json").read_text())
    seen = 0
    masks = 0
    for label, by_split in content[NAME].items():
        assert set(by_split) == {"train", "val", "test"}
        for split, videos in by_split.items():
            for video, entry in videos.items():
                assert set(entry) == {"label", "frames"} and entry["label"] == label
                for frame in entry["frames"]:
                    number = int(frame.split("/")[-1].split(".")[0])
                    _, manipulation, _, name, _ = frame.split("/")
                    folder, row = wanted["FaceForensics++", manipulation, video, number]
                    assert name == video and known[label] == (row["label"] != "real") and row["split"] == split
                    picture = decode_image((out / frame).read_bytes())
                    assert (picture == read_image(folder, row["shard"], row["member"])).all()
                    points = np.load(out / frame.replace("frames", "landmarks").replace(".png", ".npy"))
                    assert np.allclose(points.ravel(), row["landmarks"])
                    mask = out / frame.replace("frames", "masks")
                    assert mask.is_file() == bool(row.get("mask_member"))
                    if mask.is_file():
                        masks += 1
                        assert (
                            decode_image(mask.read_bytes()) == read_image(folder, row["shard"], row["mask_member"])
                        ).all()
                    seen += 1
    assert seen == len(wanted) and masks > 5
    assert known["FF-real"] == 0 and known["semdf:FaceForensics++:expanded-eyes:eyes"] == 1


def test_the_command_counts_what_has_no_split_and_equal_sources_give_equal_bytes(sources, exported, tmp_path):
    out, made = exported
    result = CliRunner().invoke(main, ["export", *map(str, sources), str(tmp_path), "--to", "deepfakebench"])
    assert result.exit_code == 0, result.output
    unsplit = int((made.rows["status"] == "in no split").sum())
    assert unsplit > 0 and f"{unsplit} without: in no split" in result.output
    files = sorted(path.relative_to(out) for path in out.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert all((out / path).read_bytes() == (tmp_path / path).read_bytes() for path in files)


def test_a_crop_that_is_named_twice_is_refused_and_so_are_names_with_colons(sources, tmp_path):
    with pytest.raises(DataError, match=r"manifests: must name each crop once, found \d+ again"):
        to_deepfakebench([sources[1], sources[1]], tmp_path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(DataError, match="label: names must be given and have no colon, found 'a:b'"):
        label_of("data", "a:b", "eyes")
