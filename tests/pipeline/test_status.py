"""What continuous integration says of the stages: changed ones are named, what a clone lacks is no change."""

import pytest
from status import changes, report

ABSENT = {
    "extract": [{"changed deps": {"data/DFDC": "deleted"}}, {"changed outs": {"faces": "not in cache"}}],
    "tour": [{"changed outs": {"figures/tutorial/00_tour.ipynb": "not in cache"}}],
}


def test_what_a_clone_lacks_is_explained_and_no_change():
    text, good = report(["extract", "tour", "render"], list(changes(ABSENT)))
    assert good
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0] == "extract equal to dvc.lock (1 deleted, 1 not in cache)"
    assert lines[2] == "render equal to dvc.lock"
    assert "'deleted': not here" in text and "'not in cache': results" in text


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"changed deps": {"semdf/training/train.py": "modified"}}, "semdf/training/train.py: modified"),
        ({"changed deps": {"params.yaml": {"train.lr": "modified"}}}, "params.yaml train.lr: modified"),
        ({"changed deps": {"semdf/new.py": "new"}}, "semdf/new.py: new"),
        ({"changed outs": {"runs/a/metrics.json": "modified"}}, "runs/a/metrics.json: modified"),
        ("changed command", "the stage: changed command"),
    ],
)
def test_a_change_of_a_stage_is_named(entry, said):
    text, good = report(["extract", "tour"], list(changes({**ABSENT, "tour": [entry]})))
    assert not good
    assert f"CHANGED: {said}" in text.splitlines()[1] and "CHANGED" not in text.splitlines()[0]
