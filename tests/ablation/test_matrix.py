"""The matrix of ablations: what is trained, and that nothing is trained twice."""

from typing import get_args

import numpy as np
import pandas as pd
import pytest
from _ablation import table

from semdf import params
from semdf.ablation import comparisons, matrix, one_training
from semdf.artifacts import read_json, read_table, write_json, write_table
from semdf.errors import MissingError, ParameterError
from semdf.pipeline import ROOT
from semdf.storage.tars import ShardWriter, encode_png
from semdf.training.runs import ABLATIONS, Crop, configure

BLOCKS = params.read(ROOT / "params.yaml")
TRAIN = BLOCKS["train"].model_dump()
SIZE = BLOCKS["extract"].size
CROP = Crop(size=SIZE, alignment="native", margin=1.3)


@pytest.fixture
def world(tmp_path):
    """Folders of faces and forgeries with noise for pictures."""
    random = np.random.default_rng(0)
    for name, rows in zip(("faces", "expanded"), table(), strict=True):
        members = [f"{i}.png" for i in range(len(rows))]
        with ShardWriter(tmp_path / name / "d" / "all.tar") as shard:
            for member in members:
                shard.add(member, encode_png(random.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)))
        write_table(rows.assign(shard="d/all.tar", member=members), tmp_path / name / "manifest.parquet")
    write_json(CROP.model_dump(), tmp_path / "faces" / "crop.json")
    return tmp_path


def blocks(groups, seeds=(0,), processes=1, **changes):
    small = {"threads": 1, "epochs": 1, "pairs": 4, "batch": 4} | changes
    values = BLOCKS["ablate"].model_dump() | {"groups": groups, "seeds": list(seeds), "changes": small}
    return BLOCKS | {"ablate": params.check("ablate", values | {"processes": processes, "frames": 2})}


def jobs(world, chosen):
    return matrix.jobs(chosen, world / "faces", world / "expanded", world / "work")


def test_every_run_of_the_versioned_matrix_has_a_configuration():
    for runs in BLOCKS["ablate"].groups.values():
        for run in runs:
            config, data = matrix.describe(run, 3, TRAIN | BLOCKS["ablate"].changes, CROP, TRAIN)
            assert config.seed == 3
            assert ("binary" in run.split("+")) == (config.objective == "binary")
            assert bool(data.expand) == any(matrix.DATA.get(part, {}).get("expand") for part in run.split("+"))
    assert set(get_args(params.Data)) == set(matrix.DATA)
    assert get_args(params.Length) == (matrix.DEFAULT,)


def test_the_default_training_is_that_of_the_pipeline_in_all_but_what_the_name_changes():
    changed = TRAIN | BLOCKS["ablate"].changes
    assert matrix.describe("binary+default", 0, changed, CROP, TRAIN)[0] == configure(
        "binary", 0, TRAIN, CROP.model_dump()
    )
    config = matrix.describe("default+pretrained", 1, changed, CROP, TRAIN)[0]
    assert config.train.model_dump() == TRAIN | ABLATIONS["pretrained"]["train"]
    assert config.objective == "auto_lambda" and config.seed == 1
    with pytest.raises(ParameterError, match="must leave out changes"):
        matrix.describe("binary+default", 0, TRAIN, CROP, TRAIN)
    with pytest.raises(ParameterError, match="must name one objective"):
        matrix.describe("binary+default+default", 0, changed, CROP, TRAIN)


def test_the_matrix_trains_by_default_what_says_so(world):
    todo = jobs(world, blocks({"a": ["binary", "binary+default"]}))
    assert [job.config.train.epochs for job in todo] == [1, TRAIN["epochs"]]
    assert todo[0].folder != todo[1].folder


def test_names_join_changes_of_objective_method_and_data():
    config, data = matrix.describe("binary+scratch+without_Deepfakes", 0, TRAIN, CROP)
    assert config.objective == "binary" and config.train.pretrained == "" and data.without == ("Deepfakes",)
    config, data = matrix.describe("ffsc+without_age", 0, TRAIN, CROP)
    assert config.train.hierarchy == "ffsc" and not config.variant.expanded
    assert data.dataset == "FFSC" and data.without == ("age",) and data.main == ("FFSC: HFGI-age",)
    with pytest.raises(ParameterError, match="one objective"):
        matrix.describe("binary+equal", 0, TRAIN, CROP)
    with pytest.raises(ParameterError, match="ablate.groups.x.1.*not of 'beter'"):
        blocks({"x": ["equal", "equal+beter"]})
    with pytest.raises(ParameterError, match="train.lr"):
        jobs_of_nothing = blocks({"x": ["equal", "dwa"]}, lr=-1.0)
        params.check("train", TRAIN | jobs_of_nothing["ablate"].changes)


def test_names_of_data_that_contradict_or_do_nothing_are_refused():
    refused = {
        "no_expansion+poisson": "must train on forgeries to have other ones",
        "ffsc+sladd": "must train on forgeries to have other ones",
        "fake_source+fake_source": "once, found source again in fake_source",
        "without_Deepfakes+without_FaceSwap": "once, found without again in without_FaceSwap",
        "poisson+laplacian": "once, found blend again in laplacian",
        "without_age": "must leave out labels of FaceForensics\\+\\+, found age",
        "ffsc+without_Deepfakes": "must leave out labels of FFSC, found Deepfakes",
        "equal+held_out": "found held_out, which does not",
    }
    for run, words in refused.items():
        with pytest.raises(ParameterError, match=words):
            matrix.describe(run, 0, TRAIN, CROP)
    both = matrix.describe("poisson+random_pairing", 0, TRAIN, CROP)[1]
    assert both.expand == {"blend": "poisson", "pairing": "random"}
    one, other = (matrix.describe(run, 0, TRAIN, CROP)[1] for run in ("ffsc+without_age", "without_age+ffsc"))
    assert (
        one == other
        and matrix.describe("ffsc+no_expansion", 0, TRAIN, CROP)[0] == matrix.describe("ffsc", 0, TRAIN, CROP)[0]
    )


def test_what_is_done_is_not_done_again_and_one_meaning_is_trained_once(world, monkeypatch):
    trained = []
    perform = one_training.perform

    def counted(job):
        trained.append((job.run, job.seed))
        perform(job)

    monkeypatch.setattr(matrix, "perform", counted)
    groups = {"a": ["equal+scratch", "binary+scratch"], "b": ["scratch+binary", "binary+scratch+without_Deepfakes"]}
    todo = jobs(world, blocks(groups))
    matrix.train_missing(todo, blocks(groups), minutes=0)
    assert not trained
    matrix.train_missing(todo, blocks(groups))
    assert len(trained) == 3 and all(job.done for job in todo)
    matrix.train_missing(jobs(world, blocks(groups, seeds=[0])), blocks(groups))
    assert len(trained) == 3
    matrix.write(todo, groups, world / "out")
    scores = read_table(world / "out" / "scores.parquet")
    made = read_json(world / "out" / "matrix.json")
    assert made["groups"] == groups and made["runs"]["binary+scratch"]["seeds"] == [0]
    runs = made["runs"]
    assert runs["binary+scratch+without_Deepfakes"]["data"] == {"dataset": "FaceForensics++", "without": ["Deepfakes"]}
    assert runs["scratch+binary"]["data"] == {"dataset": "FaceForensics++"}
    assert made["runs"]["equal+scratch"]["steps"] == 2
    one = scores[scores["run"] == "binary+scratch"]
    assert set(one["split"]) == {"val", "test"} and one["p_identity"].isna().all() and one["p_fake"].notna().all()
    assert len(one) == 3 * (3 + 3 + 2 + 1)  # three people: FF++ val and test, forged val, FaceShifter
    same = scores[scores["run"] == "scratch+binary"]
    assert (one["p_fake"].to_numpy() == same["p_fake"].to_numpy()).all()
    measured = comparisons.measure(scores, resamples=100, seed=0)
    found = comparisons.differences(measured, groups, {r: e["main"] for r, e in made["runs"].items()})
    assert found.loc[found["main"] & found["run"].str.contains("without"), "dataset"].tolist() == [
        "FaceForensics++: Deepfakes"
    ]


def test_processes_do_not_change_the_scores(world):
    groups = {"a": ["binary+scratch", "equal+scratch"]}
    alone, together = blocks(groups), blocks(groups, processes=2)
    matrix.train_missing(one := jobs(world, alone), alone)
    before = matrix.collect(one)
    for job in one:
        (job.folder / "scores.parquet").unlink()
    matrix.train_missing(two := jobs(world, together), together)
    for a, b in zip(before, matrix.collect(two), strict=True):
        pd.testing.assert_frame_equal(a, b)


def test_training_does_not_see_what_is_left_out(world):
    todo = jobs(world, blocks({"a": ["equal+scratch", "equal+scratch+without_Deepfakes"]}))
    whole, part = map(one_training.training_samples, todo)
    assert set(whole.rows["label"]) - set(part.rows["label"]) == {"Deepfakes"}
    assert set(whole.rows["split"]) == {"train"}


def test_a_quarter_of_the_people_is_drawn_by_the_seed_with_all_their_pictures(world):
    todo = jobs(world, blocks({"a": ["equal+scratch", "equal+scratch+quarter"]}, seeds=range(6)))
    drawn = set()
    for whole, part in zip(todo[::2], todo[1::2], strict=True):
        whole, part = one_training.training_samples(whole).rows, one_training.training_samples(part).rows
        (person,) = set(part["target"])  # 0.75 of three people: one
        assert len(part) == (whole["target"] == person).sum() == len(whole) / 3
        drawn.add(person)
    assert len(drawn) > 1
    assert matrix.describe("binary+quarter", 0, TRAIN, CROP)[1].share == 0.25


def test_other_code_or_data_are_another_training(world):
    chosen = blocks({"a": ["equal+scratch", "binary+scratch"]})
    before = [job.folder for job in jobs(world, chosen)]
    write_table(read_table(world / "expanded" / "manifest.parquet").iloc[1:], world / "expanded" / "manifest.parquet")
    assert not set(before) & {job.folder for job in jobs(world, chosen)}
    (world / "expanded" / "manifest.parquet").unlink()
    with pytest.raises(MissingError, match="'expanded'"):
        jobs(world, chosen)


def test_nothing_done_is_said(world):
    with pytest.raises(MissingError, match="semdf.pipeline.ablations"):
        matrix.collect(jobs(world, blocks({"a": ["equal", "dwa"]})))


def test_rounding_keeps_the_order_near_both_ends():
    p = pd.Series([1e-6, 2e-6, 1e-3, 0.5, 0.999, 0.9999, 0.99999])
    assert (np.diff(one_training.rounded(p)) > 0).all()
    assert (one_training.rounded(p) / p - 1).abs().max() < 0.01
    assert one_training.rounded(pd.Series([0.0, 1.0])).between(0, 1).all()


def test_the_stored_matrix_belongs_to_its_scores():
    folder = ROOT / "ablations"
    if not (folder / "scores.parquet").is_file():
        pytest.skip("no stored scores: dvc pull ablate")
    stored_matrix = read_json(folder / "matrix.json")
    stored = read_table(folder / "scores.parquet")
    trained = {(run, seed) for run, entry in stored_matrix["runs"].items() for seed in entry["seeds"]}
    assert trained == set(stored[["run", "seed"]].drop_duplicates().itertuples(index=False, name=None))
    assert {run for runs in stored_matrix["groups"].values() for run in runs} <= set(stored_matrix["runs"])
