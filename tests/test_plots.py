import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from semdf import plots

HISTORY = pd.DataFrame({"epoch": [1, 2], "loss_root": [0.5, 0.2], "lambda_root": [1, 1.1], "val_auc": [0.6, 0.8]})
TABLE = pd.DataFrame(
    {"run": ["a", "b"], "row": ["x", "x"], "auc": [0.7, 0.8], "auc_low": [0.6, 0.7], "auc_high": [0.8, 1.0]}
)
ROC = pd.DataFrame({"run": "a", "false_positive_rate": [0, 0.5, 1], "true_positive_rate": [0, 0.9, 1]})
VIDEOS = pd.DataFrame({"p_fake": [0.1, 0.9], "row": ["x", "y"], "kind": ["real", "fake"]})
NODES = pd.DataFrame({"run": "a", "node": ["fake", "eye"], "auc": [0.9, 0.7]})


@pytest.mark.parametrize(
    "draw, frame",
    [
        (plots.losses, HISTORY),
        (plots.lambdas, HISTORY),
        (plots.lambdas, HISTORY.drop(columns="lambda_root")),
        (plots.validation, HISTORY),
        (plots.auc_intervals, TABLE),
        (plots.roc_curves, ROC),
        (plots.score_densities, VIDEOS),
        (plots.node_bars, NODES),
    ],
)
def test_a_plot_returns_its_axes_with_named_quantities(draw, frame):
    before = frame.copy()
    ax = plt.figure().gca()
    assert draw(frame, ax) is ax and ax.get_xlabel()
    pd.testing.assert_frame_equal(frame, before)
    plt.close("all")


@pytest.mark.parametrize(
    "draw, frame",
    [(plots.losses, HISTORY), (plots.auc_intervals, TABLE), (plots.roc_curves, ROC), (plots.score_densities, VIDEOS)],
)
def test_a_figure_is_saved_with_its_data_and_the_same_bytes_each_time(tmp_path, draw, frame):
    plots.theme()
    for name in "ab":
        figure, ax = plt.subplots()
        draw(frame, ax)
        plots.save(figure, frame, tmp_path / f"{name}.svg")
        plt.close(figure)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert pd.read_csv(tmp_path / "a.csv").equals(frame)


def test_a_grid_shows_every_picture():
    figure = plots.pictures([np.zeros((8, 8, 3), np.uint8), np.ones((8, 8))], ["a", "b"], columns=3)
    assert [ax.get_title() for ax in figure.axes] == ["a", "b", ""]
    plt.close(figure)


def test_a_strip_shows_each_example_with_its_sentence(random):
    image = random.integers(0, 255, (24, 24, 3), dtype=np.uint8)
    mask = np.zeros((24, 24), bool)
    mask[4:12, 4:12] = True
    examples = [plots.Example(image, image[::-1], mask.astype(float), mask, f"Sentence {k}.") for k in range(2)]
    figure = plots.strip(examples)
    assert len(figure.axes) == 6
    assert [text.get_text() for text in figure.texts] == ["Sentence 0.", "Sentence 1."]
    plt.close(figure)
