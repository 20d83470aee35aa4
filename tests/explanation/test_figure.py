"""A verdict as a picture: what is drawn is what was found."""

import numpy as np
import pytest

from semdf.errors import DataError
from semdf.evaluation.detector import Detector
from semdf.explanation import figure
from semdf.explanation.verdict import Evidence, FaceVerdict, Verdict
from semdf.method import hierarchy
from semdf.pipeline import ROOT
from semdf.training.runs import Config


@pytest.fixture(scope="module")
def detector() -> Detector:
    from semdf import params
    from semdf.training import runs

    train = params.read(ROOT / "params.yaml")["train"].model_dump() | {"pretrained": ""}
    config: Config = runs.configure("equal", 0, train, {"size": 144, "alignment": "native", "margin": 1.3})
    return Detector(runs.build(config).eval(), config)


def verdict(random, fake: float) -> Verdict:
    nodes = hierarchy.load("ffpp").nodes
    p = np.full((3, len(nodes)), 0.1)
    p[:, 0], p[:, nodes.index("identity")], p[:, nodes.index("eye")] = fake, fake - 0.01, fake - 0.02
    p[1] = np.clip(p[1] + 0.02, 0, 1)
    crops = random.integers(0, 255, (3, 144, 144, 3), dtype=np.uint8)
    mean = dict(zip(nodes, p.mean(0).tolist(), strict=True))
    boxes = np.tile([20.0, 20.0, 120.0, 120.0], (3, 1))
    evidence = Evidence(crops, np.array([0, 4, 9]), p, boxes, crops[1])
    return Verdict("clips/a.mp4", "ok", "video", (FaceVerdict((20, 20, 120, 120), mean, evidence=evidence),))


def test_named_nodes_are_drawn_and_tabled(detector, random, tmp_path):
    (path,) = figure.save(verdict(random, 0.9), detector, tmp_path)
    assert path.name == "a.mp4.svg" and path.read_text().startswith("<?xml")
    drawn, data = figure.draw(verdict(random, 0.9), detector)
    assert list(dict.fromkeys(data["node"])) == ["fake", "identity", "eye"]
    assert data["frame"].tolist() == [0, 4, 9] * 3
    titles = [ax.get_title() for ax in drawn.axes]
    assert titles[0] == "frame 4" and titles[1].startswith("fake 0.92")


def test_of_a_real_one_the_root_alone_is_drawn(detector, random):
    assert set(figure.draw(verdict(random, 0.3), detector)[1]["node"]) == {"fake"}


def test_without_an_answer_there_is_nothing_to_draw(detector):
    with pytest.raises(DataError, match="no face"):
        figure.draw(Verdict("a.mp4", "no face"), detector)
