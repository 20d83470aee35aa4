"""Benchmarks: the plain re-implementation does what the package does; rows of results; nothing is timed here."""

import json
import re
import subprocess
import sys
from multiprocessing import get_context

import matplotlib.pyplot as plt
import numpy as np
import open_clip
import pandas as pd
import pytest
import torch

from benchmarks import donors, evaluation, figure, measure, quiet, rates, record, released, scaling, times
from semdf.errors import DataError, MissingError
from semdf.evaluation import evaluate
from semdf.method import hierarchy, towers, weighting
from semdf.method.losses import Fidelity
from semdf.method.model import JointEmbedding
from semdf.pipeline import ROOT
from semdf.pipeline.machine import machine, processor

FFPP = hierarchy.load("ffpp")
TINY = {
    "embed_dim": 16,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}
ROW = {
    "name": "step/equal",
    "size": 8,
    "seconds": 1.5,
    "peak_mb": 10,
    "gflop": None,
    "matmul_share": 0.5,
    "ratio_to_released": None,
    "machine": "a processor, 2 threads",
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("encoders") / "tiny-quick-for-benchmarks.json"
    path.write_text(json.dumps(TINY))
    open_clip.add_model_config(path)
    return path.stem


def batch(seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.stack([torch.from_numpy(FFPP.label(n)) for n in ("real", "Deepfakes", "Face2Face", "eyes")])
    return [torch.randn(4, 3, 32, 32, generator=generator).double(), rows.double()]


def test_the_released_step_and_ours_are_the_same_step(tiny):
    """Five forwards of three image passes each, in place, against two forwards: equal losses, lambdas and weights."""
    lr, decay = 1e-2, 1e-2
    theirs = released.Step(released.Model(towers.create(tiny, seed=0), FFPP).double(), lr, decay)
    theirs.model.states = theirs.virtual.states = theirs.model.states.double()
    model = JointEmbedding(tiny, FFPP, similarity="dot", vocabulary="full", seed=0).double()
    objective = Fidelity(model)
    optimiser = torch.optim.AdamW(weighting.trainable(model).values(), lr=lr, weight_decay=decay)
    strategy = weighting.load("auto_lambda_fd")
    for step in range(3):
        lower, upper = batch(step), batch(step + 10)
        losses, weights = theirs(lower, upper)
        record_ = strategy.backward(objective, lower, upper, lr=lr, weight_decay=decay)
        optimiser.step()
        torch.testing.assert_close(record_.losses, losses, rtol=1e-6, atol=1e-8)
        torch.testing.assert_close(record_.weights, weights, rtol=0, atol=1e-5)
    assert (weights - 1).abs().min() > 1e-4
    expected = dict(theirs.model.clip.named_parameters())
    for name, p in weighting.trainable(model).items():
        name = name.removeprefix("text.").removeprefix("image.")
        torch.testing.assert_close(p, expected[name], rtol=1e-4, atol=1e-6, msg=name)


def test_the_exact_hypergradient_is_near_the_released_estimate(tiny):
    theirs = released.Step(released.Model(towers.create(tiny, seed=0), FFPP).double(), 1e-2, 0.0)
    theirs.model.states = theirs.virtual.states = theirs.model.states.double()
    model = JointEmbedding(tiny, FFPP, similarity="dot", seed=0).double()
    before = [p.detach().clone() for p in theirs.model.parameters()]
    estimate = theirs.hypergradient(batch(0), batch(1))
    # moved there and back in place, the live weights are near to what they were
    for p, b in zip(theirs.model.parameters(), before, strict=True):
        torch.testing.assert_close(p, b, rtol=0, atol=1e-12)
    strategy = weighting.load("auto_lambda")
    strategy.backward(Fidelity(model), batch(0), batch(1), lr=1e-2)
    exact = 10 * strategy.state_dict()["mean"].double()
    torch.testing.assert_close(estimate, exact, rtol=0.2, atol=1e-7)  # on a ViT-B/32 5 to 12 % off


def test_rows_replace_rows_of_their_name_and_size(tmp_path):
    path = tmp_path / "results.json"
    assert record.read(path) == []
    record.record([ROW, {**ROW, "size": 32}, {**ROW, "name": "inference/ours", "unit": "frames"}], path)
    record.record([{**ROW, "seconds": 1.25}], path)
    rows = record.read(path)
    assert [(r["name"], r["size"], r["seconds"]) for r in rows] == [
        ("inference/ours", 8, 1.5),
        ("step/equal", 8, 1.25),
        ("step/equal", 32, 1.5),
    ]
    assert rows[0]["unit"] == "frames"


def _add(path, i: int) -> None:
    record.record([{**ROW, "size": i}], path)


def test_rows_of_several_processes_are_all_kept(tmp_path):
    path = tmp_path / "results.json"
    processes = [get_context("fork").Process(target=_add, args=(path, i)) for i in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [row["size"] for row in record.read(path)] == list(range(8))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seconds": "fast"}, "row 'step/equal': seconds must be int or float or null, found 'fast'"),
        ({"size": None}, "size must be int, found None"),
        ({"size": True}, "size must be int, found True"),
        ({"gflop": float("nan")}, "gflop must be finite, found nan"),
        ({"rate": float("inf")}, "rate must be finite, found inf"),
        ({"unit": object()}, "every value must be JSON"),
    ],
)
def test_rows_that_are_no_rows_are_refused_and_nothing_is_written(tmp_path, change, message):
    path = tmp_path / "results.json"
    with pytest.raises(DataError, match=message):
        record.record([ROW, {**ROW, **change}], path)
    with pytest.raises(DataError, match="must have the fields .* found none of the name 'machine'"):
        record.record([{k: v for k, v in ROW.items() if k != "machine"}], path)
    assert not path.exists()


def test_committed_results_are_rows():
    rows = record.read()
    for row in rows:
        record._check(row)
    assert rows == sorted(rows, key=lambda row: (row["name"], row["size"]))


def test_the_figure_shows_every_row():
    names = [("step/released", 8), ("step/equal", 8), ("step/released", 32), ("inference/ours", 32), ("forge/one", 1)]
    rows = [{**ROW, "name": n, "size": size, "ratio_to_released": 2.0} for n, size in names]
    table = figure.costs(rows)
    assert sorted(table["variant"]) == ["equal", "ours", "released", "released"]
    drawn = figure.draw(table)
    assert len(drawn.axes) == 6
    assert sum(len(ax.patches) for ax in drawn.axes[::2]) == 4
    plt.close(drawn)
    with pytest.raises(MissingError, match="results.json must hold rows of training steps, found none"):
        figure.costs([])


def test_the_figure_of_growth_has_a_line_for_each_thing_that_grew():
    rows = [
        record.row(
            name, size, seconds=size / 10, peak_mb=100, rate=10.0, exponent=1.0, memory_exponent=None, quiet=True
        )
        for name in ("evaluate/delong", "manifest/read")
        for size in (100, 1000)
    ]
    table = figure.growth([ROW, *rows])
    assert len(table) == 4
    drawn = figure.draw_growth(table)
    assert [len(ax.lines) for ax in drawn.axes] == [2, 2]
    first, _ = drawn.axes[0].get_legend().get_texts()
    assert first.get_text() == "evaluate/delong: n^1.00"
    plt.close(drawn)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_the_exponent_is_that_of_the_larger_sizes(power):
    sizes = [10**k for k in range(2, 7)]
    costs = [7.0 if size < scaling.FROM else 3e-6 * size**power for size in sizes]  # small ones cost what a call costs
    assert scaling.exponent(sizes, costs) == power
    assert scaling.exponent(sizes, costs, least=1) != power


def test_there_is_no_exponent_without_two_larger_sizes_or_without_a_cost():
    assert scaling.exponent([100, 1000, 10_000], [1, 2, 3]) is None
    assert scaling.exponent([10_000, 10_000], [1, 2]) is None
    assert scaling.exponent([10_000, 100_000], [0, 2]) is None


def test_sizes_whose_go_would_take_too_long_are_left_out():
    made = []
    found = scaling.grow(lambda size: made.append(size) or (lambda: None), [1000, 10, 100], 0.0, limit=float("inf"))
    assert made == [10, 100, 1000] == [entry["size"] for entry in found]
    assert all(entry["goes"] == 1 and entry["peak_mb"] >= entry["made_mb"] > 0 for entry in found)
    assert [entry["size"] for entry in scaling.grow(lambda size: lambda: None, [100, 10], 0.0, limit=0.0)] == [10]


def test_what_others_took_of_the_machine():
    stat = "cpu  1000 100 200 90000 300 50 25 125 0 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n"
    assert quiet.busy(stat, 100) == 15.0  # neither idle nor waiting; what the host took counts
    start = quiet.Moment(0, 100, 10)
    assert quiet.others(start, quiet.Moment(10, 116, 20), processors=2) == pytest.approx(0.3)
    assert quiet.others(start, quiet.Moment(10, 109, 20), processors=2) == 0  # clocks are coarse
    said = quiet.Watch().said()
    assert said["quiet"] is None or said["quiet"] == (said["others"] < quiet.QUIET)


def test_a_row_has_every_field_and_short_seconds():
    made = record.row("load/tars", 5, threads=1, seconds=0.123456789, rate=40.5, quiet=False)
    record._check(made)
    assert made["seconds"] == 0.1235 and made["gflop"] is None and made["machine"].endswith(", 1 thread")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", made["date"])


def test_the_machine_is_named_by_model_family_and_cores():
    text = "processor\t: 0\ncpu family\t: 6\nmodel\t\t: 85\nmodel name\t: Xeon: Gold\n\nprocessor\t: 1\nmodel name: B\n"
    assert processor(text) == "Xeon: Gold, family 6 model 85"
    assert processor("model name : Cortex\n") == "Cortex" and processor("BogoMIPS : 1\n") == ""
    assert re.search(r", \d+ logical cores?, 2 threads$", machine(2))


def test_the_peak_is_that_of_this_process_and_not_of_its_parent():
    held = np.ones(300_000_000, np.uint8)
    code = "from benchmarks.scaling import peak; print(peak())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.5 * scaling.peak() and held.nbytes < 1e6 * scaling.peak()


def test_made_up_crops_have_donors_of_other_people():
    table, tones = donors.crops(800)
    assert (table["label"] == "real").mean() == 0.2 and len(tones) == 800
    chosen = donors.Donors(table, tones)
    assert len(chosen.allowed(0)) == 128 and {table["target"][i] for i in chosen.allowed(0)} == {"1", "2", "3", "4"}
    for make in donors.THINGS.values():
        assert make(800)() is not None


def test_the_made_up_tables_are_tables_of_the_package(tmp_path):
    frames = evaluation.scores(400, frames=20)
    videos = evaluate.video_scores(frames)
    assert len(videos) == 20 and videos["fake"].sum() == 10 and (videos["frames"] == 20).all()
    assert set(evaluate.VIDEO_COLUMNS) < set(evaluation.videos(50))
    for make in evaluation.THINGS.values():
        assert make(200)() is not None
    samples = rates.noise(3)
    assert len(samples) == 6 and samples.fakes.tolist() == [0, 1, 2] and samples.partner[:3].tolist() == [3, 4, 5]


def test_operations_are_counted(tiny):
    clip = towers.create(tiny, seed=0).eval()
    found = measure.measure(lambda: clip.encode_image(torch.zeros(2, 3, 32, 32)), repeats=1, warmup=0)
    assert found["seconds"] >= 0 and found["peak_mb"] > 0 and found["matmul_gflop_s"] > 0
    # attention: two products of [heads x L x E] forward, 4 products' worth backward and the scores once more
    table = measure._attention()
    q, k = [2, 2, 5, 16], [2, 2, 7, 16]
    ops = torch.ops.aten
    assert table[ops._scaled_dot_product_flash_attention_for_cpu](q, k, k) == 2 * (2 * 2 * 2 * 5 * 7 * 16)
    assert table[ops._scaled_dot_product_flash_attention_for_cpu_backward](q, q, k, k) == 5 * (2 * 2 * 2 * 5 * 7 * 16)


def test_a_new_time_takes_the_place_of_the_old_one():
    old = pd.DataFrame({"what": ["make setup", "make test"], "seconds": [1, 2], "machine": "a", "date": "2026-01-01"})
    new = pd.DataFrame({"what": ["make test", "make all"], "seconds": [3.0, 4.0], "machine": "b", "date": "2026-01-02"})
    table = times.put(old.iloc[::-1], new)
    assert table["what"].tolist() == ["make test", "make setup", "make all"]
    assert table["seconds"].tolist() == [3, 1, 4] and table["machine"].tolist() == ["b", "a", "b"]


def test_only_a_run_of_all_stages_gives_times(tmp_path):
    pipeline = tmp_path / "dvc.yaml"
    pipeline.write_text(
        "stages: {parser: {frozen: true, cmd: a}, extract: {cmd: b}, train: {matrix: {x: [1]}, cmd: c}}"
    )
    run = pd.DataFrame({"what": ["extract", "train@1", "all"], "seconds": [1, 2, 3.5]})
    assert times.stages(run, pipeline)["what"].tolist() == ["stage extract", "stage train@1", "make reproduce"]
    with pytest.raises(DataError, match="every stage, found none of the name train: make verify"):
        times.stages(run.drop(1), pipeline)


def test_the_page_shows_the_times_of_the_table():
    page = times.PAGE.read_text()
    table = pd.read_csv(times.TIMES)
    assert times.render(page, table) == page, "python -m benchmarks.times"
    assert all(f"| {row.what} | " in page for row in table.itertuples()) and table["what"].is_unique
    with pytest.raises(DataError, match="must have one <!-- times -->"):
        times.render("# A page", table)
