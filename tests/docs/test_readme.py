"""What the README and pages of docs/ show is true: commands run, links lead somewhere, numbers are the files'.

Numbers are held against the committed files: those in the working tree may be of another processor's `make reproduce`.
"""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pandas as pd
import pytest
import torch

from semdf.pipeline import ROOT
from semdf.pipeline.committed import read_json, read_table
from semdf.pipeline.products import SMALL, ensure

README = (ROOT / "README.md").read_text()
RESULTS = (ROOT / "docs" / "results.md").read_text()
SPEED = (ROOT / "docs" / "speed.md").read_text()
LIMITS = (ROOT / "docs" / "limits.md").read_text()
REAL = (ROOT / "docs" / "real_data.md").read_text()
BLOCKS = [dedent(block) for block in re.findall(r"(?:^(?: {4}.*|)\n)+", README, re.M) if block.strip()]
COMMANDS = [line.partition("  #")[0].strip().removeprefix("$ ") for block in BLOCKS for line in block.splitlines()]


def test_every_make_target_it_names_exists():
    named = set(re.findall(r"`make ([a-z]+)`", README)) | {c.split()[1] for c in COMMANDS if c.startswith("make ")}
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    assert {"reproduce", "test", "verify"} <= named <= targets


def test_every_relative_link_leads_to_a_file():
    pages = [(README, ROOT), *((text, ROOT / "docs") for text in (RESULTS, SPEED, LIMITS, REAL))]
    for text, folder in pages:
        links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
        assert links
        for link in links:
            assert (folder / link).exists(), link


def test_the_python_example_runs():
    code = next(b for b in BLOCKS if b.strip().startswith("from semdf.method import"))
    scope = {"logits": torch.zeros(2, 10), "targets": torch.zeros(2, 10)}
    exec(code, scope)
    assert scope["p"].shape == (2, 10) and scope["loss"].shape == (3,) and scope["tree"].states.shape == (251, 10)


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_the_score_command_runs_on_its_example(data, flags):
    """With the small run that the notebooks train at their defaults in place of the pipeline's."""
    command = next(c for c in COMMANDS if c.startswith("semdf score data/"))
    run = ensure(SMALL / "runs" / "auto_lambda-0")
    words = [str(Path(sys.executable).with_name("semdf")), *shlex.split(command)[1:], "--model", str(run), *flags]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if flags:
        (face,) = json.loads(done.stdout)["faces"]
        assert 0 <= face["p"]["fake"] <= 1
    else:  # the small run has no card, so nothing was measured about it
        assert re.search(r"id0_id1_0000.mp4, 8 frames: probability of a forgery \d+ %", done.stdout), done.stdout


def test_every_parameter_it_recommends_exists():
    from semdf import params

    named = re.findall(r"`(\w+)\.(\w+): [^`]+`", REAL)
    assert named
    for section, name in named:
        assert name in params.SECTIONS[section].model_fields, f"{section}.{name}"


#: Columns of the table of results.
RUNS = {
    "binary baseline": "binary-0",
    "joint, equal weights": "equal-0",
    "joint, bi-level weights": "auto_lambda-0",
    "a filter": "filter",
}


def table_of(text: str) -> list[list[str]]:
    """The cells of the table of results, without its head."""
    lines = [[c.strip() for c in row.strip("|").split("|")] for row in text.splitlines() if row.startswith("|")]
    start = next(i for i, cells in enumerate(lines) if cells[0] == "test set")
    assert lines[start][1:] == list(RUNS)
    return lines[start + 2 :]


def aucs() -> pd.DataFrame:
    """AUC with interval of every run, and of the filter, on each data set."""
    table = read_table("figures/auc.csv")
    table = table[table["manipulation"] == "all"]
    unseen = read_table("figures/shortcuts/shortcuts.csv").query("run == 'filter'")
    return pd.concat([table, unseen], ignore_index=True)


def validation(run: str) -> float:
    return read_json(f"runs/{run}/metrics.json")["val_auc_videos"]


def test_the_results_with_intervals_are_those_of_the_figures():
    table = aucs()
    rows = ["FaceForensics++, validation", *dict.fromkeys(table["row"])]
    table = table.set_index(["run", "row"])
    for cells, row in zip(table_of(RESULTS), rows, strict=False):
        assert cells[0] == row
        for run, cell in zip(RUNS.values(), cells[1:], strict=True):
            quoted = re.findall(r"\d\.\d+", cell)
            if row.endswith("validation"):
                assert quoted == ([] if run == "filter" else [f"{validation(run):.3f}"])
            elif (run, row) in table.index:
                found = table.loc[(run, row)]
                assert quoted == [f"{found[c]:.3f}" for c in ("auc", "auc_low", "auc_high")], (run, row)
            else:
                assert run == "filter" and not cell


def test_the_small_table_is_that_of_the_figures():
    table = aucs()
    table = table[table["row"] != "all data sets"]
    unknown = table[table["row"] != "FaceForensics++"]
    rows = dict.fromkeys(table["row"])
    values = table.set_index(["run", "row"])["auc"]
    said = iter(table_of(README))
    first = next(said)
    assert first[0] == "FaceForensics++, validation people"
    assert first[1:] == [*(f"{validation(run):.2f}" for run in RUNS.values() if run != "filter"), ""]
    for row in rows:
        assert next(said) == [row, *(f"{values[run, row]:.2f}" for run in RUNS.values())]
    means = unknown.groupby("run")["auc"].mean()
    assert next(said) == ["mean of the seven unknown", *(f"{means[run]:.2f}" for run in RUNS.values())]


FORMER = "docs/former"
PRESENT, _, OF_FORMER = RESULTS.partition("## The former detector")


def quoted_gains(among: pd.DataFrame, node: str) -> list[str]:
    """The gains of a node under bi-level and under equal weights, as the tables show them."""
    runs = (among.loc[run, node] for run in ("auto_lambda-0", "equal-0"))
    return ["{gain:+.2f} [{gain_low:.2f}, {gain_high:.2f}]".format(**row) for row in runs]


def quoted_nodes(text: str, folder: str, nodes: dict[str, float]) -> None:
    """Against reals, and among fakes beside the control: the first alone would mostly tell of detection."""
    among = read_table(f"{folder}/among_fakes.csv").set_index(["run", "node"])
    names = {node for _, node in among.index}
    assert set(nodes) - {"fake", "physical inconsistency"} == names
    for node in names:
        (line,) = [row for row in text.splitlines() if row.startswith(f"| {node} |")]
        said = [cell.strip() for cell in line.strip("|").split("|")][1:]
        own = among.loc["auto_lambda-0", node]
        assert said == [*(f"{x:.2f}" for x in (nodes[node], own["auc"], own["control"])), *quoted_gains(among, node)]


def quoted_naming(text: str, folder: str, column: str) -> None:
    """How often the region named first is right, and how alike the maps of a node and of the root are."""
    naming = read_table(f"{folder}/naming.csv").set_index("label")
    for label in ("eyes", "mouth", "nose"):
        assert f"{label} {naming.loc[label, column]:.2f} ({naming.loc[label, 'chance']:.2f})" in text
    alike = read_table(f"{folder}/maps.csv").groupby("region")["alike"].mean()
    assert f"correlation {alike.min():.2f} to {alike.max():.2f}" in text


def test_what_it_says_of_the_former_detector_and_the_filter_is_measured():
    """Who beat it where, and in which test sets a run stayed above chance among crops that the filter scores alike."""
    pairs = read_table(f"{FORMER}/shortcuts_pairs.csv")
    surviving = pairs[pairs["p_holm"] < 0.05]
    low, high = surviving["difference"].min(), surviving["difference"].max()
    assert f"of {len(pairs)} paired differences those on FaceForensics++ ({low:+.2f} to {high:+.2f})" in OF_FORMER
    assert set(surviving["dataset"]) == {"FaceForensics++"} and len(surviving) == pairs["run"].nunique()
    table = read_table(f"{FORMER}/shortcuts.csv").query("run != 'filter'")
    home = table["row"] == "FaceForensics++"
    ends = pd.concat([part["adjusted"].agg(["min", "max"]) for part in (table[home], table[~home])])
    assert "have {:.2f} to {:.2f} on FaceForensics++ and {:.2f} to {:.2f} elsewhere".format(*ends) in OF_FORMER
    beyond = table[~home & (table["adjusted_low"] > 0.5)].groupby("run")["row"].apply(set)
    three = {"Celeb-DF-v2", "DFDC", "FFSC"}
    assert beyond["auto_lambda-0"] == three and [len(beyond[run] & three) for run in ("equal-0", "binary-0")] == [2, 1]
    assert beyond["equal-0"] <= three and beyond["binary-0"] <= three


def test_what_it_says_of_the_former_detector_s_names_is_measured():
    quoted_nodes(OF_FORMER, FORMER, read_json(f"{FORMER}/metrics.json")["auto_lambda-0"]["val_node_auc"])
    quoted_naming(OF_FORMER, FORMER, "relative")


def test_what_it_says_of_the_filter_is_measured():
    """Who beats it where, and in which test sets a run stays above chance among crops that the filter scores alike."""
    pairs = read_table("figures/shortcuts/pairs.csv")
    surviving = pairs[pairs["p_holm"] < 0.05]
    home = surviving["dataset"] == "FaceForensics++"
    assert home.sum() == pairs["run"].nunique()
    (elsewhere,) = surviving[~home].to_dict("records")
    assert (elsewhere["run"], elsewhere["dataset"]) == ("auto_lambda-0", "Celeb-DF-v2")
    assert f"Of {len(pairs)} paired" in PRESENT
    gap = f"FaceForensics++ ({surviving[home]['difference'].min():+.2f}) and that of the bi-level run on Celeb-DF-v2 "
    assert f"{gap}({elsewhere['difference']:+.2f}) survive" in PRESENT
    assert len(set(surviving[home]["difference"].round(2))) == 1
    above = pairs[pairs["low"] > 0].groupby("dataset")["difference"]
    assert above.count().to_dict() == {"FaceForensics++": 3, "Celeb-DF-v2": 3, "DFDC": 3}
    for name in ("Celeb-DF-v2", "DFDC"):
        ends = above.get_group(name)
        assert f"{name} ({ends.min():+.2f} to {ends.max():+.2f})" in PRESENT
    table = read_table("figures/shortcuts/shortcuts.csv").query("run != 'filter'")
    home = table["row"] == "FaceForensics++"
    ends = pd.concat([part["adjusted"].agg(["min", "max"]) for part in (table[home], table[~home])])
    assert "have {:.2f} to {:.2f} on FaceForensics++ and {:.2f} to {:.2f} elsewhere".format(*ends) in PRESENT
    beyond = table[~home & (table["adjusted_low"] > 0.5)].groupby("run")["row"].apply(set)
    (said,) = re.findall(r"above chance on (.*) for every run", PRESENT)
    assert set(re.split(", | and ", said)) == set.intersection(*beyond)


def test_the_difference_of_two_runs_that_it_quotes_is_the_only_one_that_survives():
    pairs = read_table("figures/pairs.csv")
    (found,) = pairs[pairs["p_holm"] < 0.05].to_dict("records")
    assert (found["first"], found["second"], found["dataset"]) == ("binary-0", "equal-0", "FFSC")
    assert f"on FFSC the baseline is {found['difference']:.2f} above equal weights" in PRESENT
    assert f"Of {len(pairs)} paired differences between the three runs one survives" in PRESENT


def test_the_table_of_distortions_is_that_of_the_figures():
    tables = [read_table(f"{folder}/robustness.csv") for folder in ("figures/robustness", FORMER)]
    tables = [table[table["run"] == "auto_lambda-0"].set_index(["distortion", "level"])["auc"] for table in tables]
    alarms = read_table("figures/robustness/false_alarms.csv").query("run == 'auto_lambda-0'")
    assert f"The chosen threshold, {alarms['threshold'].max():.2f}," in PRESENT
    alarms = alarms.assign(rule=alarms["rule"].astype(str)).set_index(["distortion", "level", "rule"])
    names = {"nothing (as they are)": "none", "JPEG": "JPEG", "resizing": "resize", "noise": "noise", "blur": "blur"}
    for said, name in names.items():
        (line,) = [row for row in PRESENT.splitlines() if row.startswith(f"| {said} |")]
        cells = [cell.strip() for cell in line.strip("|").split("|")][1:]
        level = 0 if name == "none" else 3
        half, chosen = (alarms.loc[(name, level, rule)] for rule in ("0.5", "chosen"))
        assert cells[:2] == [f"{table[name, level]:.2f}" for table in tables], said
        assert [cells[2], *cells[4:]] == [f"{x:.2f}" for x in (half["false_alarms"], *chosen[["false_alarms", "hits"]])]


def test_the_means_over_unknown_data_sets_are_those_of_the_tables():
    def means(folder: str) -> pd.Series:
        table = read_table(f"{folder}/auc.csv").query("manipulation == 'all'")
        unknown = table[~table["row"].isin(["FaceForensics++", "all data sets"])]
        assert unknown["row"].nunique() == 7
        return unknown.groupby("run")["auc"].mean()

    now, former = means("figures"), means(FORMER)
    said = ", ".join(f"{now[run]:.2f}" for run in ("binary-0", "equal-0", "auto_lambda-0"))
    assert f"{said} on average (baseline, equal weights, bi-level weights" in PRESENT
    assert f"the former detector {former.min():.2f} to {former.max():.2f}" in PRESENT
    filtered = read_table("figures/shortcuts/shortcuts.csv").query("run == 'filter'")
    assert f"the filter {filtered[filtered['row'] != 'FaceForensics++']['auc'].mean():.2f}" in PRESENT


def test_the_speeds_it_quotes_are_those_of_the_benchmarks():
    found = {(r["name"], r["size"]): r for r in read_json("benchmarks/results.json")}
    for said, name in {
        "exact bi-level step": "step/auto_lambda",
        "lambda one step late (ours)": "step/auto_lambda_late",
    }.items():
        lines = [row for row in SPEED.splitlines() if row.startswith(f"| {said} |")]
        assert lines
        for line in lines:
            cells = [c.strip() for c in line.strip("|").split("|")]
            row = found[name, int(cells[1])]
            assert cells[3] == f"{row['ratio_to_released']:.1f}" and cells[5] == f"{row['gflop']:.0f}"


def test_the_node_results_it_quotes_are_those_of_the_figures():
    metrics = read_json("runs/auto_lambda-0/metrics.json")
    quoted_nodes(PRESENT, "figures/explanations", metrics["val_node_auc"])


def test_what_it_says_of_the_explanations_is_measured():
    quoted_naming(PRESENT, "figures/explanations", "precision")


def test_what_it_says_of_the_pretrained_towers_is_measured_and_above_chance():
    table = read_table("pretrained/clip/zeroshot.csv").set_index("task")
    for task in ("gender", "pose", "tone", "mouth", "age", "hair", "hair_colour", "expression"):
        row = table.loc[task]
        assert f" {row['balanced_accuracy']:.2f} [{row['low']:.2f}, {row['high']:.2f}] ({row['chance']:.2f})" in LIMITS
        assert row["low"] > row["chance"], task
    for task in ("hat", "nose", "eyebrow"):
        assert table.loc[task, "low"] < table.loc[task, "chance"], task
    cosine = read_json("pretrained/clip/metrics.json")["prompt_cosine"]
    assert f"mean cosine {cosine['pretrained']:.2f} and {cosine['random']:.2f}" in LIMITS


ABLATIONS = RESULTS.partition("## With more seeds")[2].partition("## The former detector")[0]


def test_what_it_says_of_the_ablations_is_what_survives():
    found = read_table("ablations/differences.csv")
    found = found[found["main"]]
    supported, _, rest = ABLATIONS.partition("Not supported")
    surviving = found[found["p_holm"] < 0.05]
    for row in surviving.to_dict("records"):
        assert f"{row['difference']:+.2f}" in supported, row
    quoted = re.findall(r"[+-]\d\.\d\d", supported)
    assert len(quoted) == len(surviving)
    assert f"All {len(found)}\ncomparisons" in ABLATIONS
    runs = read_json("ablations/matrix.json")["runs"]
    trainings = sum(len(entry["seeds"]) for entry in runs.values())
    assert f"{len(runs)} kinds of training ({trainings} trainings of 500 steps" in ABLATIONS
    for key in (("binary", "other data sets"), ("equal+heads", "naming")):
        (row,) = found[(found["run"] == key[0]) & (found["dataset"] == key[1])].to_dict("records")
        assert "{difference:+.2f} [{low:.2f}, {high:.2f}]".format(**row) in rest


def test_what_it_says_of_the_former_ablations_is_measured():
    found = read_table(f"{FORMER}/ablations.csv")
    assert (found["p_holm"] < 0.05).all()
    (row,) = found[~found["run"].str.contains("pretrained")].to_dict("records")
    assert (row["run"], row["reference"]) == ("independent_heads+default", "auto_lambda+default")
    assert f"({row['difference']:+.2f} [{row['low']:.2f}, {row['high']:.2f}]" in OF_FORMER


def test_what_it_says_of_the_maps_is_measured():
    table = read_table("figures/explanations/maps.csv").groupby("region")
    table = table[["pointing", "pointing_root", "chance", "iou"]].mean()
    eyes, mouth, nose = (table.loc[region] for region in ("eyes", "mouth", "nose"))
    shown = [f"{row['pointing']:.2f}" for row in (eyes, mouth, nose)]
    assert "for eyes {}, mouth {} and nose {} of the\nsamples".format(*shown) in PRESENT
    assert "in the forged region for {}, {} and {}".format(*shown) in README
    chance = [f"{row['chance']:.2f}" for row in (eyes, mouth, nose)]
    assert "(chance {}, {}, {})".format(*chance) in PRESENT
    assert f"(chance {table['chance'].min():.2f} to {table['chance'].max():.2f})" in README
    root = [f"{row['pointing_root']:.2f}" for row in (eyes, mouth, nose)]
    assert "*fake* alone has {}, {} and {}".format(*root) in PRESENT
    iou = [f"{row['iou']:.2f}" for row in (eyes, mouth, nose)]
    assert "the overlap (IoU) is {}, {} and {}".format(*iou) in PRESENT


def test_what_the_readme_says_of_names_is_measured():
    naming = read_table("figures/explanations/naming.csv").set_index("label")["precision"]
    shown = [f"{naming[label]:.2f}" for label in ("eyes", "mouth", "nose")]
    assert "right for {} of the forged eyes, {} of the mouths and {} of the noses".format(*shown) in README


def test_the_rates_it_quotes_are_those_of_the_benchmarks():
    found = {(r["name"], r["size"]): r for r in read_json("benchmarks/results.json")}
    for said, key in {
        "rendering stills of 256 px, one process": ("render/stills", 256),
        "reading crops of 112 px from tars": ("load/tars", 2560),
        "drawing a donor among a million crops": ("donors/nearest", 10**6),
        "bootstrap of an AUC, 100 resamples of a million rows": ("evaluate/bootstrap", 10**6),
        "training the miniature, bi-level, batch 32": ("train/auto_lambda", 32),
        "scoring with it, batch 64": ("score/auto_lambda", 64),
    }.items():
        (line,) = [row for row in SPEED.splitlines() if row.startswith(f"| {said} |")]
        _, rate, memory, grows = [cell.strip() for cell in line.strip("|").split("|")]
        row = found[key]
        said_rate = f"{row['rate']:,.0f}" if row["rate"] >= 1000 else f"{row['rate']:.3g}"
        assert rate in (f"{said_rate} {row['unit']}", f"{row['seconds']:.2g} s"), said
        assert memory == f"{row['peak_mb'] / 1000:.1f} GB" and grows == (
            f"n^{row['exponent']:.2f}" if row.get("exponent") else ""
        )


def test_the_minutes_it_states_are_those_that_were_measured():
    times = read_table("benchmarks/times.csv").set_index("what")
    stated = re.findall(r"`(make \w+)`\s+takes (?:about )?(\d+) minutes", README)
    assert stated
    for what, minutes in stated:
        assert int(minutes) == round(times.loc[what, "seconds"] / 60), what
