"""Several processes train and score as one does; the second of two is started by torchrun or by the package itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

import _pair
import _workers
import numpy as np
import pandas as pd
import pytest
import torch
from _training import TREE, config, same_weights, samples
from click.testing import CliRunner
from ruamel.yaml import YAML

from semdf.artifacts import read_table, read_weights, write_json, write_table
from semdf.errors import DataError, MissingError, ParameterError
from semdf.evaluation.detector import load_detector, score_manifest
from semdf.pipeline import ROOT, torchrun
from semdf.storage.tars import ShardWriter, encode_png
from semdf.training import distributed, runs, train
from semdf.training.datasets import load
from semdf.training.train import fit, predict

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Folders of what one process and two of them, under torchrun, have left."""
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    program = [*TORCHRUN, str(Path(_pair.__file__)), str(two)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    _pair.work(one)
    return one, two


@pytest.mark.parametrize("case", _pair.CASES)
def test_two_processes_give_the_weights_lambdas_and_scores_of_one(pair, case):
    found, expected = (read_weights(folder / f"{case}.safetensors") for folder in reversed(pair))
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-6, msg=lambda m, name=name: f"{name}: {m}")
    curves = [read_table(folder / f"{case}.parquet") for folder in pair]
    pd.testing.assert_frame_equal(*curves, check_exact=False, rtol=0, atol=1e-6)


def test_the_differences_that_are_printed_for_gpus_are_those_of_the_files(pair):
    found = _pair.differences(*pair)
    assert set(found) == set(_pair.CASES) and 0 <= max(found.values()) <= 1e-6
    assert not any(_pair.differences(pair[0], pair[0]).values())


def test_rows_are_dealt_out_without_loss_or_repetition(pair):
    told = [json.loads((pair[1] / f"{rank}.json").read_text()) for rank in range(2)]
    assert sorted(told[0]["done"] + told[1]["done"]) == list(range(7)) and told[0]["done"] and told[1]["done"]
    assert sorted(told[0]["share"] + told[1]["share"]) == list(range(8))
    for each in told:
        fakes, reals = each["share"][:2], each["share"][2:]
        assert [f + 4 for f in fakes] == reals, "a fake and its source stay together"
        assert each["whole"] == list(range(7)) and each["unknown"] and each["few"] == [0, 1, 2]
        assert each["means"] == [[0.5] * 3, [1.0] * 4, []]


def test_batch_normalisation_sees_the_whole_batch(pair):
    assert all(json.loads((pair[1] / f"{rank}.json").read_text())["norm"] < 1e-9 for rank in range(2))


def test_what_cannot_be_shared_is_refused(pair):
    told = json.loads((pair[1] / "1.json").read_text())
    assert told["uneven"] == "processes: must divide the 3 pairs of a batch, found 2"
    assert told["disagreed"] == "epochs must be the same for all processes, found 0 to 1"
    assert told["wrong"] == "processes: must be as many as were started, 2, found 3"
    for variant in ({"compile": True}, {"unobserved": "masked"}):
        with pytest.raises(ParameterError, match="processes: must be 1 for a compiled tower, and for masked"):
            fit(samples(), samples(8, 1), config("equal", variant, processes=2))
    with pytest.raises(ParameterError, match="must be as many as were started, 1, found 2"), distributed.joined(2):
        pass
    if not torch.cuda.is_available():
        with pytest.raises(MissingError, match="cuda needs a GPU for each process"):
            fit(samples(), samples(8, 1), config(device="cuda"))


def test_processes_of_its_own_resume_and_leave_the_last_checkpoint(tmp_path, monkeypatch):
    run = config(epochs=2, pairs=4, batch=4, processes=2)
    record = fit(samples(8), samples(4, 1), run, checkpoints=tmp_path)
    alone = fit(samples(8), samples(4, 1), config(epochs=2, pairs=4, batch=4))
    pd.testing.assert_frame_equal(record.history, alone.history, check_exact=False, rtol=0, atol=1e-3)  # float32
    assert {path.name for path in tmp_path.iterdir()} == {"last.pt", "before.pt"}
    (tmp_path / "last.pt").unlink()
    resumed = fit(samples(8), samples(4, 1), run, checkpoints=tmp_path)
    assert same_weights(resumed.model, record.model)
    pd.testing.assert_frame_equal(resumed.history, record.history, check_exact=True)
    monkeypatch.setattr(distributed, "launch", None)  # nothing left to do: not called
    assert same_weights(fit(samples(8), samples(4, 1), run, checkpoints=tmp_path).model, record.model)


def test_an_error_in_one_process_ends_all_with_its_message():
    with pytest.raises(ParameterError, match="^lr: must be less, found more$"):
        distributed.launch(_workers.refuse, 2)


def test_a_killed_process_ends_all():
    with pytest.raises(DataError, match="must all live to the end, found one of 2 that did not: process"):
        distributed.launch(_workers.die, 2)


@pytest.fixture
def crops(tmp_path):
    """Faces of a training and a validation split, of which one row has no crop, and an empty expansion."""
    s = samples(4)
    rows = s.rows.assign(dataset="FaceForensics++", frame=0, split=["train", "val"] * 4, shard="d/m.tar", status="ok")
    rows["video"] = rows["label"] + rows["target"]
    rows["pristine"] = np.where(rows["label"] == "real", "", "real" + rows["target"])
    rows["member"], rows["sample"] = [f"{i}.png" for i in range(len(s))], rows["video"] + "/0"
    for folder, part in (("faces", rows), ("expanded", rows.iloc[:2].assign(split="test"))):
        with ShardWriter(tmp_path / folder / "d" / "m.tar") as shard:
            for i, image in enumerate(s.images.numpy()):
                shard.add(f"{i}.png", encode_png(image))
        broken = rows.iloc[:1].assign(status="no face", video="broken", member="", shard="", frame=-1)
        write_table(pd.concat([part, broken], ignore_index=True), tmp_path / folder / "manifest.parquet")
    write_json({"size": 128, "alignment": "native", "margin": 1.3}, tmp_path / "faces" / "crop.json")
    return tmp_path


def test_processes_score_every_row_once(crops):
    runs.save(runs.build(config()), config(), crops / "run")
    detector, manifest = load_detector(crops / "run"), crops / "faces" / "manifest.parquet"
    one, two = (score_manifest(detector, manifest, ["train", "val"], 3, processes) for processes in (1, 2))
    pd.testing.assert_frame_equal(one, two, check_exact=False, rtol=0, atol=1e-6)
    assert len(one) == 9 and one["p_fake"].isna().sum() == 1


def test_jobs_do_what_the_stages_do(crops, monkeypatch):
    blocks = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    blocks["train"] |= {"epochs": 1, "pairs": 2, "batch": 4, "threads": 1}
    writer = YAML(typ="safe")
    writer.default_flow_style = False  # in a flow mapping long keys would be broken
    with (crops / "params.yaml").open("w") as file:
        writer.dump(blocks, file)
    monkeypatch.setattr(torchrun, "ROOT", crops)
    common = ["--params", str(crops / "params.yaml")]
    places = ["--faces", str(crops / "faces"), "--expanded", str(crops / "expanded")]
    done = CliRunner().invoke(torchrun.main, [*common, "train", "equal", "0", *places])
    assert done.exit_code == 0, done.output
    (folder,) = (crops / "scratch" / "train").iterdir()
    assert done.stdout == f"checkpoints in scratch/train/{folder.name}\n"

    block = blocks["train"]
    run = runs.configure("equal", 0, block, {"size": 128, "alignment": "native", "margin": 1.3})
    within = crops / "scratch" / "train"
    assert train.checkpoints_of(run, crops / "faces", crops / "expanded", within=within) == folder
    manifests = [crops / name / "manifest.parquet" for name in ("faces", "expanded")]
    parts = [load(manifests, TREE, [split], datasets=["FaceForensics++"]) for split in ("train", "val")]
    again = fit(*parts, run)
    assert same_weights(fit(*parts, run, checkpoints=folder).model, again.model)

    runs.save(again.model, run, crops / "runs" / "equal-0")
    options = ["--faces", str(crops / "faces"), "--runs", str(crops / "runs"), "--out", str(crops / "scores")]
    done = CliRunner().invoke(torchrun.main, [*common, "score", "equal-0", *options])
    assert done.exit_code == 0, done.output
    scores = read_table(crops / "scores" / "equal-0" / "frames.parquet")
    p = scores.loc[(scores["split"] == "val") & (scores["status"] == "ok"), "p_fake"]
    np.testing.assert_allclose(p, predict(again.model, parts[1])[:, 0], atol=1e-6)
    done = CliRunner().invoke(torchrun.main, [*common, "score", "none-0", *options])
    assert done.exit_code == 1 and "config.json" in done.output and "Traceback" not in done.output


def test_outside_of_a_group_nothing_changes(monkeypatch):
    monkeypatch.setitem(os.environ, "WORLD_SIZE", "1")
    assert (distributed.rank(), distributed.size(), distributed.launched()) == (0, 1, False)
    with distributed.joined(1):
        assert distributed.share(6).tolist() == list(range(6)) and distributed.size() == 1
    model = torch.nn.Sequential(torch.nn.BatchNorm2d(2))
    assert type(distributed.synchronise(model)[0]) is torch.nn.BatchNorm2d
